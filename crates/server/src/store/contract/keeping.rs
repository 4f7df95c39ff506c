//! What is counted, and what is removed when it is old enough.

use super::*;
use crate::store::{Expect, Limits, StoreError, Trim};
use gridhelm_api::task::{Artifact, TaskState};
use gridhelm_api::upkeep::SizeOf;

on_every_store!(
    old_versions_go_but_the_newest_stay,
    results_go_and_their_tasks_stay,
    sizes_are_counted_with_what_goes,
    the_audit_log_is_cut_and_verifies_from_there,
);

async fn whole(
    store: &std::sync::Arc<dyn crate::store::Store>,
    fence: &crate::store::Fence,
    first: Trim,
) -> usize {
    let (mut gone, mut step) = (0, Some(first));
    while let Some(trim) = step {
        let (removed, next) = store.trim(fence, &trim).await.unwrap();
        gone += removed;
        step = next;
    }
    gone
}

fn versions(before: i64, keep: u32) -> Trim {
    Trim::Versions {
        before,
        keep,
        behind: i64::MIN,
    }
}

async fn old_versions_go_but_the_newest_stay(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    for n in 0..5_i64 {
        let expect = match n {
            0 => Expect::Absent,
            n => Expect::Version(n),
        };
        let content = format!("version {n}");
        write(&store, &fence, "a.R", expect, content.as_bytes())
            .await
            .unwrap();
    }
    write(&store, &fence, "b.R", Expect::Absent, b"one")
        .await
        .unwrap();
    let root = store.manifest(None).await.unwrap().root;
    assert_eq!(
        whole(&store, &fence, versions(0, 1)).await,
        0,
        "all are young"
    );
    assert_eq!(whole(&store, &fence, versions(i64::MAX, 3)).await, 2);
    let left = store.versions(&file("a.R")).await.unwrap();
    assert_eq!(
        left.iter().map(|v| v.version).collect::<Vec<_>>(),
        [5, 4, 3]
    );
    assert_eq!(whole(&store, &fence, versions(i64::MAX, 1)).await, 2);
    assert_eq!(store.versions(&file("b.R")).await.unwrap().len(), 1);
    assert_eq!(
        store.manifest(None).await.unwrap().root,
        root,
        "files are as they were"
    );
    let next = write(&store, &fence, "a.R", Expect::Version(5), b"next")
        .await
        .unwrap();
    assert_eq!(next.version, 6);
    let old = crate::store::Fence {
        epoch: fence.epoch - 1,
        ..fence
    };
    let fenced = store.trim(&old, &versions(0, 1)).await;
    assert!(matches!(fenced, Err(StoreError::Fenced { .. })));
}

/// A task that ended at this moment, with a plot and a value.
async fn ended(
    store: &std::sync::Arc<dyn crate::store::Store>,
    fence: &crate::store::Fence,
    id: &str,
    at: i64,
) {
    store.put_blob(&sha256(b"plot"), b"plot").await.unwrap();
    let task = task(id, 0);
    let notes = crate::store::Notes::default;
    store
        .submit_and_start(fence, &task, &start(1, "s"), None, notes())
        .await
        .unwrap();
    let end = crate::store::AttemptEnd {
        at,
        value: Some(serde_json::json!(42)),
        artifacts: vec![Artifact {
            name: "p.png".to_owned(),
            size: 4,
            plot: true,
            sha256: sha256(b"plot"),
        }],
        ..end(id, 1, TaskState::Succeeded)
    };
    store.end_attempt(fence, &end, notes()).await.unwrap();
}

async fn results_go_and_their_tasks_stay(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    ended(&store, &fence, "t-1", 1_000).await;
    ended(&store, &fence, "t-2", 5_000).await;
    store
        .submit_task(&fence, &task("t-3", 0), crate::store::Notes::default())
        .await
        .unwrap();
    let results = |before| Trim::Results {
        before,
        behind: String::new(),
    };
    assert_eq!(whole(&store, &fence, results(5)).await, 0);
    assert_eq!(whole(&store, &fence, results(2_000)).await, 2);
    let first = store.task("t-1").await.unwrap().unwrap().task;
    assert_eq!((first.state, first.value), (TaskState::Succeeded, None));
    assert!(first.artifacts.is_empty());
    let second = store.task("t-2").await.unwrap().unwrap().task;
    assert_eq!(
        (second.value, second.artifacts.len()),
        (Some(serde_json::json!(42)), 1)
    );
    assert_eq!(whole(&store, &fence, results(2_000)).await, 0);
}

async fn sizes_are_counted_with_what_goes(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let of =
        |sizes: &[SizeOf], kind: &str| sizes.iter().find(|size| size.kind == kind).unwrap().clone();
    let nothing = store.sizes(&Limits::default()).await.unwrap();
    assert_eq!(
        (of(&nothing, "tasks").rows, of(&nothing, "versions").oldest),
        (0, None)
    );
    ended(&store, &fence, "t-1", 1_000).await;
    ended(&store, &fence, "t-2", 5_000).await;
    write(&store, &fence, "a.R", Expect::Absent, b"one")
        .await
        .unwrap();
    write(&store, &fence, "a.R", Expect::Version(1), b"four")
        .await
        .unwrap();
    let limits = Limits {
        tasks: Some(2_000),
        results: None,
        versions: Some((i64::MAX, 1)),
        events: Some(i64::MAX),
    };
    let sizes = store.sizes(&limits).await.unwrap();
    let tasks = of(&sizes, "tasks");
    assert_eq!((tasks.rows, tasks.going, tasks.oldest), (2, 1, Some(1_000)));
    let results = of(&sizes, "results");
    assert_eq!((results.rows, results.bytes, results.going), (2, 8, 1));
    let versions = of(&sizes, "versions");
    assert_eq!((versions.rows, versions.bytes, versions.going), (2, 7, 1));
    assert_eq!(
        (of(&sizes, "contents").rows, of(&sizes, "contents").going),
        (3, 0)
    );
    assert_eq!(of(&sizes, "events").rows, of(&sizes, "events").going);
    assert!(of(&sizes, "audit").rows > 0);
}

async fn the_audit_log_is_cut_and_verifies_from_there(db: &dyn Database) {
    let store = db.open();
    for _ in 0..4 {
        store.note(notes("before")).await.unwrap();
    }
    let row = &notes("audit.cut").audit[0];
    let none = store.cut_audit(0, "ada", "a test", row).await.unwrap();
    assert_eq!(none, None);
    let cut = store
        .cut_audit(i64::MAX, "ada", "a test", row)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((cut.rows, cut.id), (3, 3), "the last one stays");
    let chain = store.verify_audit(Some(&cut.hash)).await.unwrap();
    assert_eq!(
        (chain.broken, chain.first, chain.rows, chain.noted),
        (None, Some(4), 2, Some(true))
    );
    assert_eq!(chain.cut.unwrap().by, "ada");
    store.note(notes("after")).await.unwrap();
    let again = store
        .cut_audit(i64::MAX, "ada", "again", row)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again.id, 5);
    assert_eq!(store.verify_audit(None).await.unwrap().broken, None);
}
