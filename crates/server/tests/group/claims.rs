//! Who becomes active without a person's order.

use super::pair::{Group, eventually};
use gridhelm_api::group::ServerRole;
use gridhelm_server::store::{Store, StoreError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_start_at_once_on_a_fresh_database_one_is_active() {
    let group = Group::new();
    let (one, two) = tokio::join!(group.start("east-1"), group.start("east-2"));
    eventually("one is active and the other knows", async || {
        let (a, b) = (one.status(), two.status());
        let roles = [a.role, b.role];
        roles.contains(&ServerRole::Active) && a.active.is_some() && a.active == b.active
    })
    .await;
    let active = [&one, &two]
        .iter()
        .filter(|s| s.status().role == ServerRole::Active)
        .count();
    assert_eq!(active, 1);
    let row = one.store.epoch().await.unwrap();
    assert_eq!(row.epoch, 1);
    let taken = one.kinds().await;
    assert_eq!(taken.iter().filter(|k| *k == "switch.taken").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_process_takes_an_epoch_of_its_own_and_the_standby_stays() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    assert_eq!(one.status().epoch, 1);
    one.stop().await;
    let released = two.until("told of no active server", |s| s.active.is_none());
    assert_eq!(released.await.role, ServerRole::Standby);
    let one = group.start("east-1").await;
    let status = one.until("active", |s| s.role == ServerRole::Active).await;
    assert_eq!(status.epoch, 2);
    assert_eq!(one.duties.calls(), ["take_up 2"]);
    two.until("told of east-1", |s| {
        s.active.as_deref() == Some("east-1") && s.epoch == 2
    })
    .await;
    assert!(two.duties.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_of_the_same_name_stays_away_and_says_why() {
    let group = Group::new();
    let one = group.start("east-1").await;
    one.until("active", |s| s.role == ServerRole::Active).await;
    let twin = group.start("east-1").await;
    let status = twin
        .until("told off", |s| {
            s.not_ready.as_ref().is_some_and(|w| w.contains("pid"))
        })
        .await;
    assert_eq!(status.role, ServerRole::Standby);
    assert!(!status.ready);
    assert_eq!(one.store.epoch().await.unwrap().epoch, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_is_renewed_and_its_end_is_seen_and_told_once() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    let counter = one.store.epoch().await.unwrap().counter;
    eventually("the counter grows", async || {
        one.store.epoch().await.unwrap().counter > counter
    })
    .await;
    // Its thread of control ends as in a process that hangs: nothing is released.
    one.keeper.halt();
    let status = two
        .until("told of the silence", |s| s.active.is_none())
        .await;
    assert_eq!(status.role, ServerRole::Standby, "a person decides");
    eventually("the silence is on record", async || {
        two.kinds().await.contains(&"switch.silent".to_owned())
    })
    .await;
    let group = two.keeper.group().await.unwrap();
    assert_eq!(group.active, None);
    let silent = two.kinds().await;
    assert_eq!(silent.iter().filter(|k| *k == "switch.silent").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_a_lower_epoch_nothing_is_written() {
    let group = Group::new();
    let one = group.start("east-1").await;
    one.until("active", |s| s.role == ServerRole::Active).await;
    let old = one.standing.borrow().fence().unwrap();
    one.keeper.stop().await;
    let again = group.start("east-1").await;
    again
        .until("active", |s| s.role == ServerRole::Active)
        .await;
    let refused = again.store.renew_lease(&old).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Fenced { epoch: 2, .. }),
        "{refused}"
    );
}
