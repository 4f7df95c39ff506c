//! The mode of failover, and what proves nothing.

use super::pair::{Group, Server, audit, eventually};
use gridhelm_api::Code;
use gridhelm_api::group::{FailoverChange, FailoverMode, ServerRole};
use gridhelm_server::clock;
use gridhelm_server::group::SwitchError;
use gridhelm_server::store::Store;

async fn set(
    server: &Server,
    mode: FailoverMode,
    pause_s: Option<u32>,
    version: i64,
) -> Result<i64, SwitchError> {
    let change = FailoverChange {
        mode,
        pause_s,
        reason: "a test".into(),
    };
    let set = server
        .keeper
        .set_failover(change, version, "ada", audit())
        .await?;
    Ok(set.version)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mode_has_a_version_a_history_and_a_holder_that_obeys_it() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    assert_eq!(one.standing.borrow().valid_until, None);
    assert_eq!(
        set(&one, FailoverMode::Automatic, None, 0).await.unwrap(),
        1
    );
    // From the answer on the active server stops by itself when it cannot renew.
    assert!(one.standing.borrow().valid_until.is_some());
    let stale = set(&one, FailoverMode::Manual, None, 0).await.unwrap_err();
    assert_eq!(stale.problem().code, Code::VersionMismatch);
    let elsewhere = set(&two, FailoverMode::Manual, None, 1).await.unwrap_err();
    assert_eq!(elsewhere.problem().code, Code::NotActive);
    assert!(one.store.group().await.unwrap().failover.is_automatic());
    assert_eq!(set(&one, FailoverMode::Manual, None, 1).await.unwrap(), 2);
    assert_eq!(one.standing.borrow().valid_until, None);
    let set = one.kinds().await;
    assert_eq!(set.iter().filter(|k| *k == "failover.set").count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_ends_by_itself() {
    let group = Group::new();
    let (one, _two) = group.pair().await;
    set(&one, FailoverMode::Automatic, Some(1), 0)
        .await
        .unwrap();
    let paused = one.store.group().await.unwrap().failover;
    assert!(!paused.is_automatic() && paused.pause.is_some_and(|p| p.until > clock::now() - 1_000));
    assert_eq!(one.standing.borrow().valid_until, None);
    eventually("the pause is over", async || {
        one.store.group().await.unwrap().failover.is_automatic()
    })
    .await;
    assert!(one.standing.borrow().valid_until.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_port_alone_replaces_nobody() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    set(&one, FailoverMode::Automatic, None, 0).await.unwrap();
    eventually("the standby knows the mode", async || {
        two.store.epoch().await.unwrap().failover.is_automatic()
    })
    .await;
    // As a firewall would: its port refuses, and it renews its lease all the same.
    one.close_http().await;
    let from = one.store.epoch().await.unwrap().counter;
    eventually(
        "the lease was renewed for longer than it lasts",
        async || one.store.epoch().await.unwrap().counter >= from + 7,
    )
    .await;
    assert_eq!(two.status().role, ServerRole::Standby);
    assert_eq!(two.store.epoch().await.unwrap().epoch, 1);
    assert!(one.standing.borrow().fence().is_ok());
}
