//! Changesets that wait for another admin's approval.

use super::*;
use crate::store::{Fence, Notes, REPOSITORY_RULES, Store, StoreError};
use gridhelm_api::changeset::{ChangesetRequest, Operation};
use gridhelm_api::hold::{Held, HoldVerdict};
use std::sync::Arc;

on_every_store!(
    a_held_changeset_is_committed_with_anothers_approval_only,
    what_is_held_stays_held_and_what_was_open_is_held_from_now_on,
);

async fn rules(store: &Arc<dyn Store>, fence: &Fence, version: i64, hold: bool) {
    let value = format!(
        "{{\"version\":{},\"hold\":{hold},\"approval_hours\":1}}",
        version + 1
    );
    store
        .put_setting(fence, REPOSITORY_RULES, version, &value, Notes::default())
        .await
        .unwrap();
}

async fn opened(store: &Arc<dyn Store>, fence: &Fence, name: &str, source: &str) -> String {
    store.put_blob(&sha256(b"x"), b"x").await.unwrap();
    let request = ChangesetRequest {
        plan: format!("p-{name}"),
        source: source.to_owned(),
        reason: String::new(),
        operations: vec![Operation {
            id: file(name),
            sha256: Some(sha256(b"x")),
            size: 1,
            ..Operation::default()
        }],
    };
    store.open_changeset(fence, &request, "ann").await.unwrap()
}

fn verdict(by: &str, approved: bool, at: i64) -> HoldVerdict {
    HoldVerdict {
        approved,
        by: by.to_owned(),
        at,
        until: 0,
        reason: "looked at it".to_owned(),
    }
}

/// How the commit is refused; `None`: it is not.
async fn refused(store: &Arc<dyn Store>, fence: &Fence, id: &str) -> Option<Held> {
    match store
        .commit_changeset(fence, id, "ann", Notes::default())
        .await
    {
        Ok(_) => None,
        Err(StoreError::Held { author, held, .. }) => {
            assert_eq!(author, "ann");
            Some(held)
        }
        Err(other) => panic!("{other}"),
    }
}

async fn a_held_changeset_is_committed_with_anothers_approval_only(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let free = opened(&store, &fence, "free.R", "west").await;
    let judged = store
        .judge_changeset(&fence, &free, &verdict("ben", true, 1), Notes::default())
        .await;
    assert!(
        matches!(judged, Err(StoreError::Conflict { .. })),
        "{judged:?}"
    );
    assert_eq!(refused(&store, &fence, &free).await, None);

    rules(&store, &fence, 0, true).await;
    let id = opened(&store, &fence, "held.R", "west").await;
    assert_eq!(refused(&store, &fence, &id).await, Some(Held::Waits));
    let own = store
        .judge_changeset(&fence, &id, &verdict("ann", true, 1), Notes::default())
        .await;
    assert!(matches!(own, Err(StoreError::OwnPlan { .. })), "{own:?}");
    assert_eq!(refused(&store, &fence, &id).await, Some(Held::Waits));
    let judge = |approved: bool, at: i64| {
        let (store, fence, id) = (Arc::clone(&store), fence.clone(), id.clone());
        async move {
            let said = verdict("ben", approved, at);
            let judged = store.judge_changeset(&fence, &id, &said, notes("judged"));
            let (hold, events) = judged.await.unwrap();
            assert_eq!(events.len(), 1);
            hold.verdict.unwrap().until
        }
    };
    let now = crate::clock::now();
    judge(false, now).await;
    assert_eq!(refused(&store, &fence, &id).await, Some(Held::Refused));
    judge(true, now - 3_600_001).await;
    assert_eq!(refused(&store, &fence, &id).await, Some(Held::Expired));
    assert_eq!(
        judge(true, now).await,
        now + 3_600_000,
        "as long as the rules say"
    );
    let record = store.changesets(None, 10).await.unwrap().remove(0);
    assert_eq!(record.hold.unwrap().verdict.unwrap().by, "ben");
    let report = store.changeset_report(&id).await.unwrap().unwrap();
    assert_eq!(
        report.planned.len(),
        1,
        "who approves sees what it would do"
    );
    let stale = Fence {
        epoch: fence.epoch - 1,
        ..fence.clone()
    };
    let fenced = store
        .judge_changeset(&stale, &id, &verdict("ben", true, now), Notes::default())
        .await;
    assert!(
        matches!(fenced, Err(StoreError::Fenced { .. })),
        "{fenced:?}"
    );
    assert_eq!(refused(&store, &fence, &id).await, None);
    let late = store
        .judge_changeset(&fence, &id, &verdict("ben", false, now), Notes::default())
        .await;
    assert!(matches!(late, Err(StoreError::NotFound { .. })), "{late:?}");
}

async fn what_is_held_stays_held_and_what_was_open_is_held_from_now_on(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let before = opened(&store, &fence, "before.R", "west").await;
    rules(&store, &fence, 0, true).await;
    assert_eq!(refused(&store, &fence, &before).await, Some(Held::Waits));
    let held = opened(&store, &fence, "held.R", "west").await;
    let own = opened(&store, &fence, "own.R", "east").await;
    assert_eq!(
        refused(&store, &fence, &own).await,
        None,
        "what a group does to itself"
    );
    rules(&store, &fence, 1, false).await;
    assert_eq!(
        refused(&store, &fence, &held).await,
        Some(Held::Waits),
        "turning it off frees nothing"
    );
    assert_eq!(refused(&store, &fence, &before).await, None);
}
