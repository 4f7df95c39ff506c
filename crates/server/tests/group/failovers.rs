//! Forced switches.

use super::pair::{Group, eventually};
use gridhelm_api::Code;
use gridhelm_api::group::ServerRole;
use gridhelm_api::switch::{StepState, SwitchKind, SwitchState};
use gridhelm_server::store::{Notes, Store, StoreError};
use std::sync::atomic::Ordering;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_from_a_server_that_still_works_fences_it() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    one.duties.running.store(1, Ordering::SeqCst);
    let fence = one.standing.borrow().fence().unwrap();
    let begun = two
        .switch(SwitchKind::Forced, "east-2", |_| {})
        .await
        .unwrap();
    assert_eq!(begun.from.as_deref(), Some("east-1"));
    let ended = two.ended(&begun.id).await;
    assert_eq!(ended.state, SwitchState::Done, "{ended:#?}");
    assert!(ended.steps.iter().all(|s| s.state == StepState::Done));
    assert_eq!(ended.epoch_after, Some(2));
    assert!(
        ended.steps[0].note.contains("still answers as active"),
        "{}",
        ended.steps[0].note
    );
    assert_eq!(
        (two.status().role, two.status().epoch),
        (ServerRole::Active, 2)
    );
    assert_eq!(two.duties.calls(), ["take_up 2"]);

    let refused = one.store.renew_lease(&fence).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Fenced { epoch: 2, .. }),
        "{refused}"
    );
    one.until("a standby that knows", |s| {
        s.role == ServerRole::Standby && s.active.as_deref() == Some("east-2")
    })
    .await;
    assert!(one.standing.borrow().fence().is_err());
    eventually("the fenced server says so", async || {
        let said = one.journal().await;
        said.iter().any(|e| {
            e.kind == "switch.fenced"
                && e.subject == "east-1"
                && e.message.contains("1 running task")
        })
    })
    .await;
    assert_eq!(one.duties.calls(), ["take_up 1", "lay_down fenced"]);
    let forced = two.journal().await;
    let forced = forced.iter().find(|e| e.kind == "switch.forced").unwrap();
    assert!(forced.message.contains("a test"), "{}", forced.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_from_a_silent_server_and_its_return() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    one.keeper.halt();
    one.close_http().await;
    two.until("told of the silence", |s| s.active.is_none())
        .await;
    let begun = two
        .switch(SwitchKind::Forced, "east-2", |_| {})
        .await
        .unwrap();
    let ended = two.ended(&begun.id).await;
    assert_eq!(ended.state, SwitchState::Done);
    assert!(ended.gap_ms.unwrap() >= 2_500, "{:?}", ended.gap_ms);
    assert!(
        ended.steps[0].note.contains("has not renewed"),
        "{}",
        ended.steps[0].note
    );
    assert!(
        ended.steps[3].note.contains("does not answer"),
        "{}",
        ended.steps[3].note
    );

    let back = group.start("east-1").await;
    back.until("a standby that knows", |s| {
        s.active.as_deref() == Some("east-2")
    })
    .await;
    eventually("it says that it is back", async || {
        back.kinds().await.contains(&"switch.returned".to_owned())
    })
    .await;
    assert_eq!(back.status().role, ServerRole::Standby);
    assert_eq!(back.store.epoch().await.unwrap().epoch, 2);
    assert!(back.duties.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_wrongly_is_refused_and_changes_nothing() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    let forced = SwitchKind::Forced;
    let table = [
        (
            two.switch(forced, "east-2", |r| r.confirm = None).await,
            Code::InvalidInput,
        ),
        (
            two.switch(forced, "east-2", |r| r.confirm = Some("west".into()))
                .await,
            Code::InvalidInput,
        ),
        (
            two.switch(forced, "east-2", |r| r.expect_epoch = 0).await,
            Code::EpochMismatch,
        ),
        (two.switch(forced, "east-1", |_| {}).await, Code::NotActive),
        (two.switch(forced, "east-9", |_| {}).await, Code::NotFound),
        (one.switch(forced, "east-1", |_| {}).await, Code::Conflict),
    ];
    for (answer, code) in table {
        assert_eq!(answer.unwrap_err().problem().code, code);
    }
    assert_eq!(
        (one.status().role, one.status().epoch),
        (ServerRole::Active, 1)
    );
    assert!(one.store.switches(1).await.unwrap().is_empty());
    assert_eq!(
        one.store
            .audit(&gridhelm_server::store::AuditFilter::newest(10))
            .await
            .unwrap()
            .items
            .len(),
        6
    );
    // The audit is the only trace.
    let noted = one.store.note(Notes::default()).await.unwrap();
    assert!(noted.is_empty());
}
