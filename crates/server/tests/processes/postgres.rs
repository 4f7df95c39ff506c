//! A group on PostgreSQL: its servers are killed, stopped and switched, and so are their connections.

use super::cluster::{Cluster, cluster};
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

/// A hand-made pair whose old primary comes back and takes writes: nobody takes over by itself, and everybody is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_primaries_forbid_a_failover_by_itself() {
    let old = Cluster::start();
    old.psql("postgres", "CREATE DATABASE east").unwrap();
    let new = old.follower();
    let place = Place::on_ports([old.port(), new.port()]);
    let (mut one, two) = place.pair().await;
    let token = one.sign_in().await;
    one.set_failover(&token, "automatic", None).await;
    let known = "SELECT value FROM settings WHERE name = 'failover' AND value LIKE '%automatic%'";
    let end = Instant::now() + Duration::from_secs(20);
    while new.psql("east", known).unwrap_or_default().is_empty() {
        assert!(Instant::now() < end, "the standby does not follow");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    new.psql("postgres", "SELECT pg_promote()").unwrap();
    // The active server has found it, and tells so where it goes on: in the new one.
    let told = "SELECT count(*) FROM events WHERE kind = 'database.in_doubt'";
    while new.psql("east", told).unwrap() != "1" {
        assert!(Instant::now() < end, "{}", one.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answer = one
        .http
        .put(format!("{}/api/v1/group/failover", one.url))
        .bearer_auth(&token)
        .header("if-match", "\"1\"")
        .json(&serde_json::json!({ "mode": "automatic", "reason": "a test" }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 409);
    let said = answer.text().await.unwrap();
    assert!(
        said.contains("timeline 1") && said.contains("timeline 2"),
        "{said}"
    );
    one.end(Signal::KILL);
    let refused = "SELECT count(*) FROM events WHERE kind = 'failover.refused'";
    while new.psql("east", refused).unwrap() != "1" {
        assert!(Instant::now() < end, "{}", two.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let status = two.status().await.unwrap();
    assert_eq!((status.role, status.epoch), (ServerRole::Standby, 1));
    // The old one ends: nothing is in doubt any more.
    drop(old);
    let status = two.until("active", |s| s.role == ServerRole::Active).await;
    assert_eq!(status.epoch, 2);
}
