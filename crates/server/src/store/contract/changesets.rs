//! Replication at the target: all or nothing.

use super::*;
use crate::store::{Expect, Fence, Notes, Store, StoreError};
use gridhelm_api::changeset::{ChangesetRequest, Operation};
use gridhelm_replicate::{Selection, compare, plan, verify};
use std::sync::Arc;

on_every_store!(
    a_plan_is_committed_whole,
    a_stale_plan_is_refused_with_what_changed,
    missing_content_refuses_the_whole,
    a_lost_answer_can_be_asked_for_again,
    many_operations_are_one_commit,
    the_committed_root_is_the_manifests_whatever_came_before,
);

fn operation(name: &str, expect: Option<&[u8]>, content: Option<&[u8]>) -> Operation {
    Operation {
        id: file(name),
        expect: expect.map(sha256),
        sha256: content.map(sha256),
        size: content.map_or(0, <[u8]>::len) as u64,
        ..Operation::default()
    }
}

fn request(operations: Vec<Operation>) -> ChangesetRequest {
    ChangesetRequest {
        plan: "7f3a-91c2".to_owned(),
        source: "west".to_owned(),
        operations,
        reason: "a test".to_owned(),
    }
}

async fn target(store: &Arc<dyn Store>) -> Fence {
    let fence = activate(store, "east-1").await;
    for (name, content) in [
        ("changes.R", b"old"),
        ("goes.R", b"bye"),
        ("stays.R", b"hey"),
    ] {
        write(store, &fence, name, Expect::Absent, content)
            .await
            .unwrap();
    }
    fence
}

async fn a_plan_is_committed_whole(db: &dyn Database) {
    let store = db.open();
    let fence = target(&store).await;
    let mut source = store.manifest(None).await.unwrap();
    source.group = "west".to_owned();
    source.entries.retain(|e| e.id.name != "goes.R");
    for entry in &mut source.entries {
        if entry.id.name == "changes.R" {
            entry.sha256 = sha256(b"new");
        }
    }
    let mut fresh = source.entries[0].clone();
    fresh.id = file("comes.R");
    fresh.sha256 = sha256(b"hello");
    fresh.size = 5;
    source.entries.push(fresh);
    source.root = gridhelm_replicate::root(&source.entries);

    let comparison = compare(
        Arc::new(source),
        Arc::new(store.manifest(None).await.unwrap()),
    );
    let made = plan(
        &comparison,
        &Selection {
            delete_extra: true,
            ..Selection::default()
        },
    );
    let asked = made.request("a test");
    let id = store.open_changeset(&fence, &asked, "ann").await.unwrap();
    assert_eq!(db.open().changeset(&id).await.unwrap(), Some(asked));
    for content in [&b"new"[..], b"hello"] {
        store.put_blob(&sha256(content), content).await.unwrap();
    }
    let (committed, events) = store
        .commit_changeset(&fence, &id, "ann", notes("replicated"))
        .await
        .unwrap();
    assert_eq!(
        (committed.created, committed.updated, committed.deleted),
        (1, 1, 1)
    );
    assert_eq!(events.len(), 1);
    let now = store.manifest(None).await.unwrap();
    assert!(verify(&made, &now).ok());
    assert_eq!(committed.root, now.root);
    assert_eq!(now.root, comparison.source.root);
    let changed = store.versions(&file("changes.R")).await.unwrap();
    assert_eq!((changed.len(), changed[0].version), (2, 2));
    assert_eq!(
        changed[0].message,
        format!("replicated from west, plan {}: a test", made.id)
    );
    assert!(store.versions(&file("goes.R")).await.unwrap()[0].deleted);
    assert_eq!(
        store
            .file(&file("comes.R"), None)
            .await
            .unwrap()
            .unwrap()
            .size,
        5
    );
    assert_eq!(store.versions(&file("stays.R")).await.unwrap().len(), 1);
    assert_eq!(
        now.entries[0].earlier,
        [sha256(b"old")],
        "the history knows what was overwritten"
    );
}

async fn a_stale_plan_is_refused_with_what_changed(db: &dyn Database) {
    let store = db.open();
    let fence = target(&store).await;
    let id = store
        .open_changeset(
            &fence,
            &request(vec![
                operation("changes.R", Some(b"old"), Some(b"new")),
                operation("comes.R", None, Some(b"new")),
                operation("goes.R", Some(b"bye"), None),
                operation("stays.R", Some(b"hey"), Some(b"new")),
            ]),
            "ann",
        )
        .await
        .unwrap();
    store.put_blob(&sha256(b"new"), b"new").await.unwrap();
    write(
        &store,
        &fence,
        "changes.R",
        Expect::Version(1),
        b"meanwhile",
    )
    .await
    .unwrap();
    write(&store, &fence, "comes.R", Expect::Absent, b"meanwhile")
        .await
        .unwrap();
    store
        .delete_file(&fence, &file("goes.R"), 1, "bob", Notes::default())
        .await
        .unwrap();
    let (before, traced) = (store.manifest(None).await.unwrap(), traces(&store).await);
    match store
        .commit_changeset(&fence, &id, "ann", notes("replicated"))
        .await
    {
        Err(StoreError::PlanStale { changed }) => {
            assert_eq!(
                changed,
                [
                    "ann/plots/changes.R",
                    "ann/plots/comes.R",
                    "ann/plots/goes.R"
                ]
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(store.manifest(None).await.unwrap(), before);
    assert_eq!(traces(&store).await, traced);
}

async fn missing_content_refuses_the_whole(db: &dyn Database) {
    let store = db.open();
    let fence = target(&store).await;
    let operations = vec![
        operation("changes.R", Some(b"old"), Some(b"there")),
        operation("comes.R", None, Some(b"never put")),
    ];
    store.put_blob(&sha256(b"there"), b"there").await.unwrap();
    let id = store
        .open_changeset(&fence, &request(operations), "ann")
        .await
        .unwrap();
    let before = store.manifest(None).await.unwrap();
    match store
        .commit_changeset(&fence, &id, "ann", notes("replicated"))
        .await
    {
        Err(StoreError::MissingContent { sha256: missing }) => {
            assert_eq!(missing, sha256(b"never put"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(store.manifest(None).await.unwrap(), before);
    store
        .put_blob(&sha256(b"never put"), b"never put")
        .await
        .unwrap();
    store
        .commit_changeset(&fence, &id, "ann", notes("replicated"))
        .await
        .unwrap();
}

async fn a_lost_answer_can_be_asked_for_again(db: &dyn Database) {
    let store = db.open();
    let fence = target(&store).await;
    let operations = vec![operation("goes.R", Some(b"bye"), None)];
    let id = store
        .open_changeset(&fence, &request(operations.clone()), "ann")
        .await
        .unwrap();
    let (first, _) = store
        .commit_changeset(&fence, &id, "ann", notes("replicated"))
        .await
        .unwrap();
    let traced = traces(&store).await;
    let (again, events) = store
        .commit_changeset(&fence, &id, "ann", notes("replicated"))
        .await
        .unwrap();
    assert_eq!((again, events), (first, Vec::new()));
    assert_eq!(traces(&store).await, traced);
    assert_eq!(
        store.changeset(&id).await.unwrap(),
        None,
        "it is not open any more"
    );
    let unknown = store
        .commit_changeset(&fence, "c-0", "ann", Notes::default())
        .await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })));
    let twice = request([operations.clone(), operations].concat());
    let refused = store.open_changeset(&fence, &twice, "ann").await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })));
}

async fn many_operations_are_one_commit(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    store.put_blob(&sha256(b"x"), b"x").await.unwrap();
    let operations: Vec<_> = (0..12_000)
        .map(|i| operation(&format!("{i:05}.R"), None, Some(b"x")))
        .collect();
    let id = store
        .open_changeset(&fence, &request(operations.clone()), "ann")
        .await
        .unwrap();
    assert_eq!(
        store.changeset(&id).await.unwrap().unwrap().operations,
        operations
    );
    let (committed, _) = store
        .commit_changeset(&fence, &id, "ann", Notes::default())
        .await
        .unwrap();
    assert_eq!(committed.created, 12_000);
    let manifest = store.manifest(None).await.unwrap();
    assert_eq!(
        (manifest.entries.len(), &manifest.root),
        (12_000, &committed.root)
    );
}

/// The root after a commit may be computed from what is kept about directories; it must be the one that
/// the whole manifest has, whatever was written, deleted and moved between directories before.
async fn the_committed_root_is_the_manifests_whatever_came_before(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let contents: Vec<[u8; 1]> = (b'a'..=b'c').map(|b| [b]).collect();
    for content in &contents {
        store.put_blob(&sha256(content), content).await.unwrap();
    }
    let mut state = 7_u64;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for round in 0..30 {
        let manifest = store.manifest(None).await.unwrap();
        let mut operations: Vec<Operation> = Vec::new();
        for _ in 0..=random(4) {
            let path = format!("{}/{}/{}", random(2), random(3), random(3));
            let id = gridhelm_api::repository::FileId::from_path(&path).unwrap();
            let present = manifest.entries.iter().find(|e| e.id == id);
            let content = contents.get(usize::try_from(random(4)).unwrap());
            if operations.iter().all(|o| o.id != id) && (present.is_some() || content.is_some()) {
                operations.push(Operation {
                    id,
                    expect: present.map(|e| e.sha256.clone()),
                    sha256: content.map(|c| sha256(c)),
                    size: 1,
                    ..Operation::default()
                });
            }
        }
        if let Some(victim) = manifest.entries.first().filter(|_| round % 5 == 0) {
            operations.retain(|o| o.id != victim.id);
            store
                .delete_file(&fence, &victim.id, victim.version, "ann", Notes::default())
                .await
                .unwrap();
        }
        let id = store
            .open_changeset(&fence, &request(operations), "ann")
            .await
            .unwrap();
        let outcome = store
            .commit_changeset(&fence, &id, "ann", Notes::default())
            .await;
        let now = store.manifest(None).await.unwrap();
        match outcome {
            Ok((committed, _)) => assert_eq!(committed.root, now.root, "round {round}"),
            Err(error) => assert!(matches!(error, StoreError::NotFound { .. }), "{error}"),
        }
        assert_eq!(now.root, gridhelm_replicate::root(&now.entries));
    }
}
