//! The tree of hashes, what is said about files, and what replications leave on record.

use super::*;
use crate::store::{Expect, Fence, FileWrite, Notes, Reported, Store, StoreError};
use gridhelm_api::changeset::{ChangesetRequest, Operation, Tree, Verification};
use gridhelm_api::repository::{Access, FileId, FileInfo};
use gridhelm_replicate::{Sum, root};
use std::collections::BTreeMap;
use std::sync::Arc;

on_every_store!(
    the_tree_is_that_of_the_files_whatever_was_written,
    what_is_said_is_a_version_and_stays_when_the_content_changes,
    listings_tell_what_was_left_and_what_is_gone,
    a_changeset_is_on_record_with_what_it_wrote,
    a_changeset_that_was_begun_goes_on,
    large_contents_come_in_parts_and_go_on_where_they_stopped,
    a_plan_is_stale_when_only_what_is_said_changed,
);

/// The tree, computed anew from every file.
pub(super) async fn must_be_true(store: &Arc<dyn Store>) -> Tree {
    let manifest = store.manifest(None).await.unwrap();
    let tree = store.tree(None).await.unwrap();
    assert_eq!(tree.root, root(&manifest.entries));
    assert_eq!(tree.root, manifest.root);
    assert_eq!(tree.files, manifest.entries.len() as u64);
    assert_eq!(
        tree.bytes,
        manifest.entries.iter().map(|e| e.size).sum::<u64>()
    );
    let mut sums: BTreeMap<(String, String), (Sum, u64)> = BTreeMap::new();
    for entry in &manifest.entries {
        for directory in ["", &entry.id.directory] {
            let key = (entry.id.author.clone(), directory.to_owned());
            let (sum, files) = sums.entry(key).or_default();
            sum.add_entry(entry);
            *files += 1;
        }
    }
    let mut found = BTreeMap::new();
    for author in &tree.branches {
        found.insert(
            (author.name.clone(), String::new()),
            (author.hash.clone(), author.files),
        );
        let under = store.tree(Some(&author.name)).await.unwrap();
        assert_eq!(under.root, tree.root);
        for directory in under.branches {
            let key = (author.name.clone(), directory.name);
            found.insert(key, (directory.hash, directory.files));
        }
    }
    let wanted: BTreeMap<_, _> = sums
        .into_iter()
        .map(|(key, (sum, files))| (key, (sum.digest(), files)))
        .collect();
    assert_eq!(found, wanted);
    tree
}

async fn the_tree_is_that_of_the_files_whatever_was_written(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let empty = must_be_true(&store).await;
    let contents: Vec<[u8; 2]> = (b'a'..=b'c').map(|b| [b, b]).collect();
    for content in &contents {
        store.put_blob(&sha256(content), content).await.unwrap();
    }
    let mut state = 11_u64;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for round in 0..60 {
        let path = format!("{}/{}/{}", random(2), random(3), random(3));
        let id = FileId::from_path(&path).unwrap();
        let present = store.file(&id, None).await.unwrap();
        let content = &contents[usize::try_from(random(3)).unwrap()];
        match (random(4), present) {
            (0, Some(meta)) => {
                store
                    .delete_file(&fence, &id, meta.version, "ann", Notes::default())
                    .await
                    .unwrap();
            }
            (1, present) => {
                let request = ChangesetRequest {
                    plan: format!("p-{round}"),
                    source: "west".to_owned(),
                    reason: String::new(),
                    operations: vec![Operation {
                        id,
                        expect: present.map(|p| p.sha256),
                        sha256: Some(sha256(content)),
                        size: 2,
                        info: (random(2) == 0)
                            .then(|| Box::new(said(&format!("in round {round}")))),
                        ..Operation::default()
                    }],
                };
                let set = store.open_changeset(&fence, &request, "ann").await.unwrap();
                store
                    .commit_changeset(&fence, &set, "ann", Notes::default())
                    .await
                    .unwrap();
            }
            (_, present) => {
                let write = FileWrite {
                    id,
                    expect: present.map_or(Expect::Absent, |p| Expect::Version(p.version)),
                    sha256: sha256(content),
                    size: 2,
                    by: "ann".to_owned(),
                    message: String::new(),
                    info: (random(3) == 0).then(|| Box::new(said(&format!("{round}")))),
                };
                store
                    .write_file(&fence, &write, Notes::default())
                    .await
                    .unwrap();
            }
        }
        if round % 7 == 0 {
            must_be_true(&store).await;
        }
    }
    let last = must_be_true(&store).await;
    // Another process finds the same tree.
    assert_eq!(must_be_true(&db.open()).await, last);
    for entry in store.manifest(None).await.unwrap().entries {
        store
            .delete_file(&fence, &entry.id, entry.version, "ann", Notes::default())
            .await
            .unwrap();
    }
    assert_eq!(must_be_true(&store).await.root, empty.root);
}

fn said(text: &str) -> FileInfo {
    FileInfo {
        description: text.to_owned(),
        ..FileInfo::default()
    }
}

async fn what_is_said_is_a_version_and_stays_when_the_content_changes(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    write(&store, &fence, "a.R", Expect::Absent, b"one")
        .await
        .unwrap();
    let info = Box::new(FileInfo {
        access: Access::Shared,
        tags: vec!["risk".to_owned()],
        ..FileInfo::default()
    });
    let write_said = |info: Box<FileInfo>, version| FileWrite {
        id: file("a.R"),
        expect: Expect::Version(version),
        sha256: sha256(b"one"),
        size: 3,
        by: "ann".to_owned(),
        message: String::new(),
        info: Some(info),
    };
    let (meta, _) = store
        .write_file(&fence, &write_said(info.clone(), 1), Notes::default())
        .await
        .unwrap();
    assert_eq!((meta.version, meta.info.as_ref()), (2, Some(&info)));
    let (again, _) = store
        .write_file(&fence, &write_said(info.clone(), 2), Notes::default())
        .await
        .unwrap();
    assert_eq!(again.version, 2, "nothing changed");
    let third = write(&store, &fence, "a.R", Expect::Version(2), b"two")
        .await
        .unwrap();
    assert_eq!((third.version, third.info), (3, Some(info)));
    let first = store.file(&file("a.R"), Some(1)).await.unwrap().unwrap();
    assert_eq!(first.info, None);
    let (plain, _) = store
        .write_file(
            &fence,
            &FileWrite {
                sha256: sha256(b"two"),
                ..write_said(Box::default(), 3)
            },
            Notes::default(),
        )
        .await
        .unwrap();
    assert_eq!(plain.info, None, "nothing is said any more");
    must_be_true(&store).await;
}

async fn replicated(
    store: &Arc<dyn Store>,
    fence: &Fence,
    name: &str,
    expect: Option<&[u8]>,
    content: Option<&[u8]>,
) -> String {
    if let Some(content) = content {
        store.put_blob(&sha256(content), content).await.unwrap();
    }
    let request = ChangesetRequest {
        plan: format!("p-{name}"),
        source: "west".to_owned(),
        reason: "a test".to_owned(),
        operations: vec![Operation {
            id: file(name),
            expect: expect.map(sha256),
            sha256: content.map(sha256),
            size: content.map_or(0, <[u8]>::len) as u64,
            ..Operation::default()
        }],
    };
    let id = store.open_changeset(fence, &request, "ann").await.unwrap();
    store
        .commit_changeset(fence, &id, "ann", Notes::default())
        .await
        .unwrap();
    id
}

async fn listings_tell_what_was_left_and_what_is_gone(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    write(&store, &fence, "own.R", Expect::Absent, b"own")
        .await
        .unwrap();
    replicated(&store, &fence, "came.R", None, Some(b"one")).await;
    write(&store, &fence, "came.R", Expect::Version(1), b"two")
        .await
        .unwrap();
    replicated(&store, &fence, "went.R", None, Some(b"one")).await;
    replicated(&store, &fence, "went.R", Some(b"one"), None).await;
    let places = [("ann".to_owned(), "plots".to_owned())];
    let found = store.listings(&places, Some("west")).await.unwrap();
    assert_eq!(found.root, store.tree(None).await.unwrap().root);
    let seen: Vec<_> = found
        .entries
        .iter()
        .map(|e| {
            (
                e.id.name.as_str(),
                e.base.as_ref().map(|b| b.sha256.clone()),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [("came.R", Some(Some(sha256(b"one")))), ("own.R", None)]
    );
    let gone = &found.gone[0];
    assert_eq!((gone.id.name.as_str(), gone.by.as_str()), ("went.R", "ann"));
    assert_eq!(gone.earlier, [sha256(b"one")]);
    assert_eq!(gone.base.as_ref().unwrap().sha256, None);
    let other = store.listings(&places, Some("south")).await.unwrap();
    assert!(other.entries.iter().all(|e| e.base.is_none()));
    let elsewhere = [("ann".to_owned(), "nothing".to_owned())];
    assert!(
        store
            .listings(&elsewhere, None)
            .await
            .unwrap()
            .entries
            .is_empty()
    );
    let whole = store.manifest(Some("west")).await.unwrap();
    assert_eq!((&whole.entries, &whole.gone), (&found.entries, &found.gone));
}

async fn a_changeset_is_on_record_with_what_it_wrote(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let first = replicated(&store, &fence, "a.R", None, Some(b"one")).await;
    let second = replicated(&store, &fence, "a.R", Some(b"one"), Some(b"three")).await;
    let third = replicated(&store, &fence, "a.R", Some(b"three"), None).await;
    let all = store.changesets(None, 10).await.unwrap();
    assert_eq!(all.len(), 3);
    let behind = store.changesets(Some(&all[0].id), 10).await.unwrap();
    assert_eq!(behind, all[1..]);
    let written = |id: &str| {
        let (store, id) = (Arc::clone(&store), id.to_owned());
        async move {
            let Reported {
                record,
                files,
                missing,
                ..
            } = store.changeset_report(&id).await.unwrap().unwrap();
            assert!(record.committed.is_some() && missing.is_empty());
            assert_eq!((record.source.as_str(), files.len()), ("west", 1));
            let file = files[0].clone();
            (file.before, file.after, file.size_before, file.size_after)
        }
    };
    let (one, three) = (sha256(b"one"), sha256(b"three"));
    assert_eq!(written(&first).await, (None, Some(one.clone()), 0, 3));
    assert_eq!(
        written(&second).await,
        (Some(one), Some(three.clone()), 3, 5)
    );
    assert_eq!(written(&third).await, (Some(three), None, 5, 0));
    assert!(store.changeset_report("c-none").await.unwrap().is_none());
    let versions = store.versions(&file("a.R")).await.unwrap();
    assert_eq!(versions[1].changeset.as_deref(), Some(second.as_str()));
    let found = Verification {
        at: 5,
        by: "ann".to_owned(),
        files: 1,
        bytes: 3,
        damaged: Vec::new(),
        next: None,
    };
    store
        .keep_verification(&fence, &first, &found)
        .await
        .unwrap();
    let record = store
        .changeset_report(&first)
        .await
        .unwrap()
        .unwrap()
        .record;
    assert_eq!(record.verified, Some(found));
}

async fn a_changeset_that_was_begun_goes_on(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let request = ChangesetRequest {
        plan: "p-1".to_owned(),
        source: "west".to_owned(),
        reason: "a test".to_owned(),
        operations: ["b.R", "a.R"]
            .map(|name| Operation {
                id: file(name),
                sha256: Some(sha256(name.as_bytes())),
                size: 3,
                ..Operation::default()
            })
            .into(),
    };
    let id = store.open_changeset(&fence, &request, "ann").await.unwrap();
    store.put_blob(&sha256(b"a.R"), b"a.R").await.unwrap();
    let again = db.open().open_changeset(&fence, &request, "bob").await;
    assert_eq!(again.unwrap(), id);
    let missing = store.changeset_report(&id).await.unwrap().unwrap().missing;
    assert_eq!(missing, [sha256(b"b.R")]);
    let mut other = request.clone();
    other.operations.pop();
    let fresh = store.open_changeset(&fence, &other, "ann").await.unwrap();
    assert_ne!(fresh, id, "other operations are another changeset");
    store.discard_changeset(&fence, &fresh).await.unwrap();
    let gone = store.discard_changeset(&fence, &fresh).await;
    assert!(matches!(gone, Err(StoreError::NotFound { .. })));
    let contents = vec![(sha256(b"b.R"), b"b.R".to_vec()), (sha256(b""), Vec::new())];
    store.put_blobs(contents).await.unwrap();
    store
        .commit_changeset(&fence, &id, "ann", Notes::default())
        .await
        .unwrap();
    let committed = store.discard_changeset(&fence, &id).await;
    assert!(matches!(committed, Err(StoreError::NotFound { .. })));
    let hashes = [sha256(b"a.R"), sha256(b"nothing"), sha256(b"")];
    let present = store.present_contents(&hashes).await.unwrap();
    assert_eq!(present, [(sha256(b"a.R"), 3)]);
    must_be_true(&store).await;
}

async fn large_contents_come_in_parts_and_go_on_where_they_stopped(db: &dyn Database) {
    const STEP: usize = 256 << 10;
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let content: Vec<u8> = (0..3 * STEP + 1000)
        .map(|n| u8::try_from(n * 31 % 251).unwrap())
        .collect();
    let hash = sha256(&content);
    let size = content.len() as u64;
    let request = |name: &str, sha256: String| ChangesetRequest {
        plan: format!("p-{name}"),
        source: "west".to_owned(),
        reason: String::new(),
        operations: vec![Operation {
            id: file(name),
            sha256: Some(sha256),
            size,
            ..Operation::default()
        }],
    };
    let id = store
        .open_changeset(&fence, &request("model.rds", hash.clone()), "ann")
        .await
        .unwrap();
    let part = |store: &Arc<dyn Store>, offset: usize, end: usize| {
        let (store, id, hash) = (Arc::clone(store), id.clone(), hash.clone());
        let bytes = content[offset..end].to_vec();
        async move {
            store
                .put_part(&id, &hash, size, offset as u64, &bytes)
                .await
                .unwrap()
        }
    };
    let none = part(&store, 0, 0).await;
    assert_eq!((none.have, none.whole), (0, false));
    assert_eq!(part(&store, 0, STEP).await.have, STEP as u64);
    // A part that came already, and one that would leave a hole, are left.
    assert_eq!(part(&store, 0, STEP).await.have, STEP as u64);
    assert_eq!(part(&store, 2 * STEP, 3 * STEP).await.have, STEP as u64);
    // Another process goes on.
    let other = db.open();
    assert_eq!(part(&other, 0, 0).await.have, STEP as u64);
    assert!(!part(&other, STEP, 3 * STEP).await.whole);
    assert!(
        store
            .missing_blobs(std::slice::from_ref(&hash))
            .await
            .unwrap()
            .len()
            == 1
    );
    let last = part(&other, 3 * STEP, content.len()).await;
    assert_eq!((last.have, last.whole), (size, true));
    assert!(part(&store, 0, 0).await.whole);
    let read = store.read_blob(&hash, 0, size).await.unwrap().unwrap();
    assert_eq!(sha256(&read), hash);
    store
        .commit_changeset(&fence, &id, "ann", Notes::default())
        .await
        .unwrap();

    // What turns out to be another content is not kept.
    let wrong = sha256(b"announced");
    let id = store
        .open_changeset(&fence, &request("wrong.rds", wrong.clone()), "ann")
        .await
        .unwrap();
    let refused = store.put_part(&id, &wrong, size, 0, &content).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict { .. })),
        "{refused:?}"
    );
    assert_eq!(
        store
            .missing_blobs(std::slice::from_ref(&wrong))
            .await
            .unwrap(),
        std::slice::from_ref(&wrong)
    );
    let again = store.put_part(&id, &wrong, size, 0, &[]).await.unwrap();
    assert_eq!(again.have, 0);
}

async fn a_plan_is_stale_when_only_what_is_said_changed(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    write(&store, &fence, "a.R", Expect::Absent, b"one")
        .await
        .unwrap();
    store.put_blob(&sha256(b"two"), b"two").await.unwrap();
    let request = ChangesetRequest {
        plan: "p-1".to_owned(),
        source: "west".to_owned(),
        reason: String::new(),
        operations: vec![Operation {
            id: file("a.R"),
            expect: Some(sha256(b"one")),
            version: Some(1),
            sha256: Some(sha256(b"two")),
            size: 3,
            ..Operation::default()
        }],
    };
    let id = store.open_changeset(&fence, &request, "ann").await.unwrap();
    let describe = FileWrite {
        id: file("a.R"),
        expect: Expect::Version(1),
        sha256: sha256(b"one"),
        size: 3,
        by: "bob".to_owned(),
        message: String::new(),
        info: Some(Box::new(said("kept"))),
    };
    store
        .write_file(&fence, &describe, Notes::default())
        .await
        .unwrap();
    let refused = store
        .commit_changeset(&fence, &id, "ann", Notes::default())
        .await;
    assert!(
        matches!(refused, Err(StoreError::PlanStale { changed }) if changed == ["ann/plots/a.R"])
    );
    // Only what is said changes, in one operation.
    let told = ChangesetRequest {
        plan: "p-2".to_owned(),
        operations: vec![Operation {
            id: file("a.R"),
            expect: Some(sha256(b"one")),
            sha256: Some(sha256(b"one")),
            size: 3,
            version: Some(2),
            info: Some(Box::default()),
        }],
        ..request
    };
    let id = store.open_changeset(&fence, &told, "ann").await.unwrap();
    let (committed, _) = store
        .commit_changeset(&fence, &id, "ann", Notes::default())
        .await
        .unwrap();
    assert_eq!((committed.created, committed.updated), (0, 1));
    let meta = store.file(&file("a.R"), None).await.unwrap().unwrap();
    assert_eq!((meta.version, meta.info), (3, None));
    let files = store.changeset_report(&id).await.unwrap().unwrap().files;
    assert_eq!(files[0].info_before, Some(Box::new(said("kept"))));
    must_be_true(&store).await;
}
