//! Automatic failover: the active server's process is killed, stopped, ended in order.

use super::process::{Place, Server};
use gridhelm_api::group::ServerRole;
use gridhelm_api::switch::{SwitchKind, SwitchRecord, SwitchState};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// A pair that fails over by itself, and an admin's token.
async fn automatic_pair(place: &Place) -> (Server, Server, String) {
    let (one, two) = place.pair().await;
    let token = one.sign_in().await;
    // Asked of the standby: it passes it on.
    two.set_failover(&token, "automatic", None).await;
    (one, two, token)
}

/// The switch by which a server became active by itself, once it has ended.
async fn recorded(server: &Server, token: &str) -> SwitchRecord {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let latest = server.switches(token).await.into_iter().next();
        if let Some(record) = latest.filter(|s| s.state != SwitchState::Running) {
            return record;
        }
        assert!(Instant::now() < end, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_replaced_before_its_lease_lapses() {
    let place = Place::new();
    let (mut one, two, token) = automatic_pair(&place).await;
    let killed = Instant::now();
    one.end(Signal::KILL);
    let status = two.until("active", |s| s.role == ServerRole::Active).await;
    let took = killed.elapsed();
    assert_eq!(status.epoch, 2);
    assert!(took < Duration::from_secs(2), "{took:?}\n{}", two.log());
    let record = recorded(&two, &token).await;
    assert_eq!(record.kind, SwitchKind::Automatic);
    assert_eq!(record.state, SwitchState::Done, "{record:#?}");
    assert_eq!(record.from.as_deref(), Some("east-1"));
    assert!(record.reason.contains("is dead"), "{}", record.reason);

    // It comes back as a standby, and would now take over itself.
    one.start();
    let back = one
        .until("a standby", |s| s.active.as_deref() == Some("east-2"))
        .await;
    assert_eq!((back.role, back.epoch), (ServerRole::Standby, 2));
    let mut two = two;
    two.end(Signal::KILL);
    let status = one.until("active", |s| s.role == ServerRole::Active).await;
    assert_eq!(status.epoch, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_is_replaced_when_its_lease_has_lapsed_and_steps_down_when_it_wakes() {
    let place = Place::new();
    let (one, two, token) = automatic_pair(&place).await;
    let stopped = Instant::now();
    one.signal(Signal::STOP);
    let status = two.until("active", |s| s.role == ServerRole::Active).await;
    let took = stopped.elapsed();
    assert_eq!(status.epoch, 2);
    // Never before the holder itself has stopped: 2.5 s after the last renewal, which is 0.5 s old at most.
    assert!(took > Duration::from_secs(2), "{took:?}");
    assert!(took < Duration::from_secs(6), "{took:?}\n{}", two.log());
    let record = recorded(&two, &token).await;
    assert!(
        record.reason.contains("has not renewed"),
        "{}",
        record.reason
    );
    one.signal(Signal::CONT);
    let old = one
        .until("stepped down", |s| {
            s.role == ServerRole::Standby && s.active.as_deref() == Some("east-2")
        })
        .await;
    assert_eq!(old.epoch, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_in_order_is_replaced_at_once() {
    let place = Place::new();
    let (mut one, two, token) = automatic_pair(&place).await;
    assert_eq!(one.end(Signal::TERM).code(), Some(0), "{}", one.log());
    let status = two.until("active", |s| s.role == ServerRole::Active).await;
    assert_eq!(status.epoch, 2);
    let record = recorded(&two, &token).await;
    assert!(record.reason.contains("in order"), "{}", record.reason);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_maintenance_nobody_takes_over() {
    let place = Place::new();
    let (mut one, two) = place.pair().await;
    let token = one.sign_in().await;
    one.set_failover(&token, "automatic", Some(3_600)).await;
    one.end(Signal::KILL);
    let status = two
        .until("told of the silence", |s| s.active.is_none())
        .await;
    assert_eq!((status.role, status.epoch), (ServerRole::Standby, 1));
    assert!(two.switches(&token).await.is_empty());
    // A person still can.
    let begun = two.switch(&token, SwitchKind::Forced, "east-2", 1).await;
    let ended = two.ended(&token, &begun.unwrap().id).await;
    assert_eq!(ended.state, SwitchState::Done);
}
