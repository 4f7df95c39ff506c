//! A group on PostgreSQL: its servers are killed, stopped and switched, and so are their connections.

use super::cluster::cluster;
use super::process::Place;
use gridhelm_api::group::ServerRole;
use gridhelm_api::switch::{SwitchKind, SwitchState};
use rustix::process::Signal;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switchover_and_a_failover_from_a_stopped_server() {
    let place = Place::on_postgres();
    let (one, two) = place.pair().await;
    let token = one.sign_in().await;
    let begun = one.switch(&token, SwitchKind::Planned, "east-2", 1).await;
    let ended = one.ended(&token, &begun.unwrap().id).await;
    assert_eq!(ended.state, SwitchState::Done, "{ended:#?}");
    two.until("active", |s| s.role == ServerRole::Active).await;

    two.signal(Signal::STOP);
    let begun = one.switch(&token, SwitchKind::Forced, "east-1", 2).await;
    let ended = one.ended(&token, &begun.unwrap().id).await;
    assert_eq!(ended.state, SwitchState::Done, "{ended:#?}");
    two.signal(Signal::CONT);
    let old = two
        .until("stepped down", |s| {
            s.role == ServerRole::Standby && s.epoch == 3
        })
        .await;
    assert_eq!(old.active.as_deref(), Some("east-1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_replaced_by_itself() {
    let place = Place::on_postgres();
    let (mut one, two) = place.pair().await;
    let token = one.sign_in().await;
    two.set_failover(&token, "automatic", None).await;
    let killed = Instant::now();
    one.end(Signal::KILL);
    let status = two.until("active", |s| s.role == ServerRole::Active).await;
    let took = killed.elapsed();
    assert_eq!(status.epoch, 2);
    assert!(took < Duration::from_secs(6), "{took:?}\n{}", two.log());
    one.start();
    one.until("a standby", |s| {
        s.role == ServerRole::Standby && s.active.as_deref() == Some("east-2")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_claims_at_once_and_keeps_the_role_when_all_connections_break() {
    let place = Place::on_postgres();
    let mut one = place.server("east-1");
    one.start();
    one.until("active", |s| s.role == ServerRole::Active).await;
    one.end(Signal::KILL);
    one.start();
    let again = one
        .until("active again", |s| {
            s.role == ServerRole::Active && s.epoch == 2
        })
        .await;
    assert!(again.ready);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'gridhelm/east-1/%'";
    for _ in 0..3 {
        cluster().psql("postgres", end).unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let after = one.until("ready", |s| s.ready).await;
    assert_eq!((after.role, after.epoch), (ServerRole::Active, 2));
}
