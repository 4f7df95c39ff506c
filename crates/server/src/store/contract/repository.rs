//! Files, versions and the manifest.

use super::*;
use crate::store::{Expect, FileWrite, Notes, StoreError};
use gridhelm_api::repository::FileId;

on_every_store!(
    versions_grow_and_stay,
    writers_must_have_seen_what_they_overwrite,
    the_same_content_makes_no_version,
    a_deleted_file_keeps_its_history,
    content_must_be_there_first,
    the_manifest_tells_content_and_history,
    files_are_listed_by_directory,
);

async fn versions_grow_and_stay(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    write(&store, &fence, "a.R", Expect::Absent, b"one")
        .await
        .unwrap();
    let second = write(&store, &fence, "a.R", Expect::Version(1), b"two")
        .await
        .unwrap();
    assert_eq!((second.version, second.size), (2, 3));
    assert_eq!(store.file(&file("a.R"), None).await.unwrap(), Some(second));
    let first = store.file(&file("a.R"), Some(1)).await.unwrap().unwrap();
    assert_eq!((first.version, first.sha256), (1, sha256(b"one")));
    assert_eq!(store.file(&file("a.R"), Some(3)).await.unwrap(), None);
    assert_eq!(store.file(&file("b.R"), None).await.unwrap(), None);
    let versions = store.versions(&file("a.R")).await.unwrap();
    assert_eq!(
        versions.iter().map(|v| v.version).collect::<Vec<_>>(),
        [2, 1]
    );
    assert_eq!(
        (
            versions[0].message.as_str(),
            versions[0].written_by.as_str()
        ),
        ("for a test", "ann")
    );
}

async fn writers_must_have_seen_what_they_overwrite(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let present = |outcome| match outcome {
        Err(StoreError::VersionMismatch {
            version, current, ..
        }) => (version, current.map(|c| c["version"].clone())),
        other => panic!("{other:?}"),
    };
    let absent = write(&store, &fence, "a.R", Expect::Version(1), b"x").await;
    assert_eq!(present(absent), (0, None));
    let (first, second) = tokio::join!(
        write(&store, &fence, "a.R", Expect::Absent, b"one"),
        write(&store, &fence, "a.R", Expect::Absent, b"two"),
    );
    assert!(first.is_ok() != second.is_ok());
    let exists = write(&store, &fence, "a.R", Expect::Absent, b"three").await;
    assert_eq!(present(exists), (1, Some(1.into())));
    write(&store, &fence, "a.R", Expect::Version(1), b"three")
        .await
        .unwrap();
    let old = write(&store, &fence, "a.R", Expect::Version(1), b"four").await;
    assert_eq!(present(old), (2, Some(2.into())));
    let deleted = store
        .delete_file(&fence, &file("a.R"), 1, "ann", notes("x"))
        .await;
    assert!(matches!(
        deleted,
        Err(StoreError::VersionMismatch { version: 2, .. })
    ));
    assert_eq!(store.versions(&file("a.R")).await.unwrap().len(), 2);
}

async fn the_same_content_makes_no_version(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let first = write(&store, &fence, "a.R", Expect::Absent, b"one")
        .await
        .unwrap();
    assert_eq!(traces(&store).await, (1, 1));
    let again = write(&store, &fence, "a.R", Expect::Version(1), b"one")
        .await
        .unwrap();
    assert_eq!(again, first);
    assert_eq!(
        traces(&store).await,
        (1, 2),
        "no event, but the try is in the audit log"
    );
    assert_eq!(store.versions(&file("a.R")).await.unwrap().len(), 1);
}

async fn a_deleted_file_keeps_its_history(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let id = file("a.R");
    let gone = store.delete_file(&fence, &id, 1, "ann", notes("x")).await;
    assert!(matches!(gone, Err(StoreError::NotFound { .. })));
    write(&store, &fence, "a.R", Expect::Absent, b"one")
        .await
        .unwrap();
    store
        .delete_file(&fence, &id, 1, "bob", notes("file.deleted"))
        .await
        .unwrap();
    assert_eq!(store.file(&id, None).await.unwrap(), None);
    assert_eq!(store.file(&id, Some(2)).await.unwrap(), None);
    assert!(store.file(&id, Some(1)).await.unwrap().is_some());
    assert_eq!(store.files(None).await.unwrap(), []);
    assert_eq!(store.manifest(None).await.unwrap().entries, []);
    let versions = store.versions(&id).await.unwrap();
    assert!(
        versions[0].deleted && versions[0].sha256.is_empty() && versions[0].written_by == "bob"
    );
    let back = write(&store, &fence, "a.R", Expect::Absent, b"one")
        .await
        .unwrap();
    assert_eq!(back.version, 3);
    assert_eq!(store.versions(&id).await.unwrap().len(), 3);
}

async fn content_must_be_there_first(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let never = FileWrite {
        id: file("a.R"),
        expect: Expect::Absent,
        sha256: sha256(b"never put"),
        size: 9,
        by: "ann".to_owned(),
        message: String::new(),
        info: None,
    };
    let missing = store.write_file(&fence, &never, notes("x")).await;
    assert!(matches!(missing, Err(StoreError::MissingContent { .. })));
    assert_eq!(traces(&store).await, (0, 0));
}

async fn the_manifest_tells_content_and_history(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let empty = store.manifest(None).await.unwrap();
    assert_eq!(
        (empty.root, empty.group.as_str()),
        (gridhelm_replicate::root(&[]), "east")
    );
    for version in 0..25_i64 {
        let expect = if version == 0 {
            Expect::Absent
        } else {
            Expect::Version(version)
        };
        write(
            &store,
            &fence,
            "b.R",
            expect,
            format!("v{version}").as_bytes(),
        )
        .await
        .unwrap();
    }
    write(&store, &fence, "a.R", Expect::Absent, b"one")
        .await
        .unwrap();
    write(&store, &fence, "a.R", Expect::Version(1), b"two")
        .await
        .unwrap();
    write(&store, &fence, "a.R", Expect::Version(2), b"one")
        .await
        .unwrap();
    let found = db.open().manifest(None).await.unwrap();
    assert_eq!(found.epoch, fence.epoch);
    assert_eq!(found.root, gridhelm_replicate::root(&found.entries));
    assert!(found.entries.is_sorted_by(|a, b| a.id < b.id));
    let (a, b) = (&found.entries[0], &found.entries[1]);
    assert_eq!(
        (a.sha256.as_str(), &a.earlier),
        (sha256(b"one").as_str(), &vec![sha256(b"two")])
    );
    let earlier: Vec<_> = (4..24)
        .rev()
        .map(|v| sha256(format!("v{v}").as_bytes()))
        .collect();
    assert_eq!((b.version, &b.earlier), (25, &earlier));
}

async fn files_are_listed_by_directory(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    store.put_blob(&sha256(b"x"), b"x").await.unwrap();
    for path in [
        "bob/plots/a.R",
        "ann/plots/b.R",
        "ann/forecast/z.R",
        "ann/plots/a.R",
    ] {
        let write = FileWrite {
            id: FileId::from_path(path).unwrap(),
            expect: Expect::Absent,
            sha256: sha256(b"x"),
            size: 1,
            by: "ann".to_owned(),
            message: String::new(),
            info: None,
        };
        store
            .write_file(&fence, &write, Notes::default())
            .await
            .unwrap();
    }
    let paths = |files: Vec<gridhelm_api::repository::FileMeta>| -> Vec<String> {
        files.iter().map(|f| f.id.path()).collect()
    };
    assert_eq!(
        paths(store.files(None).await.unwrap()),
        [
            "ann/forecast/z.R",
            "ann/plots/a.R",
            "bob/plots/a.R",
            "ann/plots/b.R"
        ]
    );
    assert_eq!(
        paths(store.files(Some("forecast")).await.unwrap()),
        ["ann/forecast/z.R"]
    );
    assert_eq!(
        paths(store.files(Some("%")).await.unwrap()),
        [] as [&str; 0]
    );
}
