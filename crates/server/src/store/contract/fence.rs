//! Who is active, and that nobody else writes.

use super::*;
use crate::store::{Expect, Fence, FileWrite, Notes, Owner, Store, StoreError};
use gridhelm_api::changeset::{ChangesetRequest, Operation};
use gridhelm_api::group::Member;
use gridhelm_api::node::{Intent, IntentChange, NodePatch, TimelinePoint};
use gridhelm_api::switch::{SwitchFilter, SwitchKind, SwitchRecord, SwitchState};
use gridhelm_api::task::TaskState;
use std::sync::Arc;

on_every_store!(
    an_old_owner_is_refused_by_every_write,
    a_new_group_has_no_active_server,
    of_two_that_take_the_epoch_one_wins,
    epochs_only_grow,
    a_released_lease_ends_the_owner,
    the_lease_is_counted,
    members_and_switches_are_kept,
);

/// What each fenced write answers under this fence.
async fn every_fenced_write(
    store: &Arc<dyn Store>,
    fence: &Fence,
) -> Vec<(&'static str, StoreError)> {
    let point = TimelinePoint {
        at: 1,
        usable: 1,
        total: 1,
        reason: String::new(),
        planned: false,
    };
    let change = IntentChange::new(Intent::Disabled, "a test");
    let file_write = FileWrite {
        id: file("new.R"),
        expect: Expect::Absent,
        sha256: sha256(b"content"),
        size: 7,
        by: "ann".to_owned(),
        message: String::new(),
        info: None,
    };
    let request = ChangesetRequest {
        plan: "p".to_owned(),
        source: "west".to_owned(),
        operations: vec![Operation {
            id: file("x.R"),
            expect: None,
            sha256: Some(sha256(b"content")),
            size: 7,
            ..Operation::default()
        }],
        reason: String::new(),
    };
    let n = || notes("fenced");
    let mut found = Vec::new();
    macro_rules! try_all {
        ($($name:literal: $call:expr),* $(,)?) => {
            $(match $call.await {
                Ok(_) => panic!("{} went through", $name),
                Err(error) => found.push(($name, error)),
            })*
        };
    }
    try_all!(
        "renew_lease": store.renew_lease(fence),
        "release_lease": store.release_lease(fence, None),
        "create_node": store.create_node(fence, &node("n2", 2), n()),
        "update_node": store.update_node(fence, "n1", 1, &NodePatch::default(), n()),
        "set_intent": store.set_intent(fence, "n1", 1, &change, "ann", n()),
        "intent_passed": store.intent_passed(fence, "n1", 1, "east-1", n()),
        "put_setting": store.put_setting(fence, "limits", 0, "{}", n()),
        "put_alerts": store.put_alerts(fence, &[], &[], n()),
        "put_delivery": store.put_delivery(fence, &delivery("d-1"), n()),
        "remove_node": store.remove_node(fence, "n1", 1, n()),
        "record_capacity": store.record_capacity(fence, "n1", &point, n()),
        "open_sessions": store.open_sessions(fence, &[session("s2", 1)]),
        "close_sessions": store.close_sessions(fence, &["s1".to_owned()]),
        "submit_task": store.submit_task(fence, &task("t-9", 0), n()),
        "submit_and_start": store.submit_and_start(fence, &task("t-9", 0), &start(1, "s2"), None, n()),
        "start_attempt": store.start_attempt(fence, "t-2", &start(1, "s2"), None, n()),
        "end_attempt": store.end_attempt(fence, &end("t-1", 1, TaskState::Succeeded), n()),
        "cancel_queued": store.cancel_queued(fence, "t-2", n()),
        "write_file": store.write_file(fence, &file_write, n()),
        "delete_file": store.delete_file(fence, &file("a.R"), 1, "ann", n()),
        "open_changeset": store.open_changeset(fence, &request, "ann"),
        "commit_changeset": store.commit_changeset(fence, "c-1", "ann", n()),
    );
    found
}

async fn an_old_owner_is_refused_by_every_write(db: &dyn Database) {
    let first = db.open();
    let old = activate(&first, "east-1").await;
    first
        .create_node(&old, &node("n1", 1), Notes::default())
        .await
        .unwrap();
    let running = task("t-1", 0);
    let held = session("s1", old.epoch);
    first
        .submit_and_start(
            &old,
            &running,
            &start(1, "s1"),
            Some(&held),
            Notes::default(),
        )
        .await
        .unwrap();
    first
        .submit_task(&old, &task("t-2", 0), Notes::default())
        .await
        .unwrap();
    write(&first, &old, "a.R", Expect::Absent, b"content")
        .await
        .unwrap();
    let before = traces(&first).await;

    let second = db.open();
    let new = activate(&second, "east-2").await;
    assert_eq!(new.epoch, old.epoch + 1);

    for (what, error) in every_fenced_write(&first, &old).await {
        match error {
            StoreError::Fenced { epoch, owner } => {
                assert_eq!(
                    (epoch, owner.as_deref()),
                    (new.epoch, Some("east-2")),
                    "{what}"
                );
            }
            other => panic!("{what}: {other}"),
        }
    }
    // The right epoch under another process is as bad.
    let impostor = Fence {
        epoch: new.epoch,
        boot: old.boot,
    };
    for (what, error) in every_fenced_write(&second, &impostor).await {
        assert!(
            matches!(error, StoreError::Fenced { .. }),
            "{what}: {error}"
        );
    }
    assert_eq!(
        traces(&second).await,
        before,
        "a refused write leaves no note"
    );
    assert_eq!(second.nodes().await.unwrap().len(), 1);
    assert_eq!(second.sessions().await.unwrap(), [held]);
    assert_eq!(second.open_tasks().await.unwrap().len(), 2);
    assert_eq!(second.files(None).await.unwrap().len(), 1);
    assert_eq!(second.epoch().await.unwrap().counter, 0);
}

async fn a_new_group_has_no_active_server(db: &dyn Database) {
    let store = db.open();
    let row = store.epoch().await.unwrap();
    assert_eq!((row.epoch, row.owner), (0, None));
    let group = store.group().await.unwrap();
    assert_eq!((group.name.as_str(), group.active), ("east", None));
    let nobody = Fence {
        epoch: 0,
        boot: String::new(),
    };
    assert!(matches!(
        store.renew_lease(&nobody).await,
        Err(StoreError::Fenced { .. })
    ));
}

async fn of_two_that_take_the_epoch_one_wins(db: &dyn Database) {
    let (first, second) = (db.open(), db.open());
    for round in 0..20 {
        let (one, two) = (owner("east-1"), owner("east-2"));
        let (a, b) = tokio::join!(
            first.take_epoch(round.into(), &one, "east-1", "a race", notes("taken")),
            second.take_epoch(round.into(), &two, "east-2", "a race", notes("taken")),
        );
        let (won, lost): (Owner, _) = match (a, b) {
            (Ok((row, _)), Err(lost)) | (Err(lost), Ok((row, _))) => {
                assert_eq!(row.epoch, round + 1);
                (row.owner.unwrap(), lost)
            }
            other => panic!("{other:?}"),
        };
        match lost {
            StoreError::Fenced { epoch, owner } => {
                assert_eq!((epoch, owner), (round + 1, Some(won.server)));
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(traces(&first).await, (20, 20), "only winners leave notes");
}

async fn epochs_only_grow(db: &dyn Database) {
    let store = db.open();
    for epoch in 1..=3 {
        assert_eq!(activate(&store, "east-1").await.epoch, epoch);
    }
    for seen in [-1, 0, 1, 2, 4] {
        let taken = store
            .take_epoch(seen.into(), &owner("east-2"), "ann", "r", Notes::default())
            .await;
        assert!(
            matches!(taken, Err(StoreError::Fenced { epoch: 3, .. })),
            "{seen}"
        );
    }
    let row = store.epoch().await.unwrap();
    assert_eq!(row.owner, Some(owner("east-1")));
    assert_eq!(
        (row.by.as_deref(), row.reason.as_deref()),
        (Some("east-1"), Some("test"))
    );
    assert!(row.since.is_some());
}

async fn a_released_lease_ends_the_owner(db: &dyn Database) {
    let (first, second) = (db.open(), db.open());
    let fence = activate(&first, "east-1").await;
    first.release_lease(&fence, Some("east-2")).await.unwrap();
    let row = second.epoch().await.unwrap();
    assert!(row.released);
    assert_eq!(row.successor.as_deref(), Some("east-2"));
    assert_eq!(second.group().await.unwrap().active, None);
    assert!(matches!(
        first.renew_lease(&fence).await,
        Err(StoreError::Fenced { .. })
    ));

    let next = activate(&second, "east-2").await;
    second.renew_lease(&next).await.unwrap();
    let row = first.epoch().await.unwrap();
    assert!(!row.released);
    assert_eq!(row.successor, None);
    assert_eq!(
        first.group().await.unwrap().active.as_deref(),
        Some("east-2")
    );
}

async fn the_lease_is_counted(db: &dyn Database) {
    let (first, second) = (db.open(), db.open());
    let fence = activate(&first, "east-1").await;
    for n in 1..=3 {
        assert_eq!(first.renew_lease(&fence).await.unwrap(), n);
        assert_eq!(second.epoch().await.unwrap().counter, n);
    }
    activate(&second, "east-2").await;
    assert_eq!(second.epoch().await.unwrap().counter, 0);
}

async fn members_and_switches_are_kept(db: &dyn Database) {
    let store = db.open();
    let mut member = Member {
        name: "east-2".to_owned(),
        url: "http://one".to_owned(),
        version: "0.1.0".to_owned(),
        seen_at: 1,
    };
    store.announce(&member).await.unwrap();
    member.url = "http://two".to_owned();
    member.seen_at = 2;
    store.announce(&member).await.unwrap();
    assert_eq!(store.group().await.unwrap().members, [member]);

    let mut record = SwitchRecord {
        id: "sw-1".to_owned(),
        group: "east".to_owned(),
        kind: SwitchKind::Planned,
        from: Some("east-1".to_owned()),
        to: "east-2".to_owned(),
        by: "ann".to_owned(),
        reason: "a test".to_owned(),
        epoch_before: 1,
        epoch_after: None,
        state: SwitchState::Running,
        started_at: 10,
        ended_at: None,
        at: None,
        drain: None,
        gap_ms: None,
        failed_requests: None,
        after: Vec::new(),
        steps: Vec::new(),
    };
    store.put_switch(&record, notes("switch")).await.unwrap();
    let later = SwitchRecord {
        id: "sw-2".to_owned(),
        started_at: 20,
        ..record.clone()
    };
    store.put_switch(&later, Notes::default()).await.unwrap();
    record.state = SwitchState::Done;
    record.epoch_after = Some(2);
    let events = store.put_switch(&record, notes("switch")).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(
        store.switches(10).await.unwrap(),
        [later.clone(), record.clone()]
    );
    assert_eq!(
        store.switches(1).await.unwrap(),
        std::slice::from_ref(&later)
    );
    let page = |filter: SwitchFilter| {
        let store = Arc::clone(&store);
        async move { store.switch_page(&filter).await.unwrap() }
    };
    let done = SwitchFilter {
        state: Some(SwitchState::Done),
        text: Some("A TEST".to_owned()),
        server: Some("east-1".to_owned()),
        ..SwitchFilter::default()
    };
    assert_eq!(page(done.clone()).await.items, [record.clone()]);
    let nobody = SwitchFilter {
        text: Some("bob".to_owned()),
        ..done
    };
    assert!(page(nobody).await.items.is_empty());
    let first = SwitchFilter {
        limit: Some(1),
        ..SwitchFilter::default()
    };
    let newest = page(first.clone()).await;
    assert_eq!(
        (newest.items, newest.next.as_deref()),
        (vec![later], Some("20"))
    );
    let second = SwitchFilter {
        before: Some(20),
        ..first
    };
    let oldest = page(second).await;
    assert_eq!((oldest.items, oldest.next), (vec![record], None));
    let since = SwitchFilter {
        since: Some(15),
        ..SwitchFilter::default()
    };
    assert_eq!(page(since).await.items.len(), 1);
}
