//! The tree of hashes made anew in steps, while others write.

use super::tree::must_be_true;
use super::*;
use crate::store::{Expect, Fence, FileWrite, Notes, Store};
use gridhelm_api::changeset::{ChangesetRequest, Operation};
use gridhelm_api::repository::FileId;
use std::sync::Arc;

on_every_store!(
    a_large_tree_is_made_anew_in_steps_while_others_write,
    a_write_that_was_not_counted_begins_it_again,
);

/// More files than are made anew at once, as a restore leaves them: nothing is in the sums.
const MANY: &str = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 24999)
    INSERT INTO files (author, directory, name, version, deleted, sha256, size, written_by, written_at)
    SELECT 'mia', 'directory-' || (i / 100), 'script-' || i || '.R', 1, FALSE, (SELECT sha256 FROM blobs LIMIT 1), 1, 'mia', 0 FROM n";

async fn put(store: &Arc<dyn Store>, fence: &Fence, path: &str, content: &[u8]) {
    let id = FileId::from_path(path).unwrap();
    let present = store.file(&id, None).await.unwrap();
    store.put_blob(&sha256(content), content).await.unwrap();
    let write = FileWrite {
        id,
        expect: present.map_or(Expect::Absent, |p| Expect::Version(p.version)),
        sha256: sha256(content),
        size: content.len() as u64,
        by: "ann".to_owned(),
        message: String::new(),
        info: None,
    };
    store
        .write_file(fence, &write, Notes::default())
        .await
        .unwrap();
}

/// A file of the large repository, and one more, each with other content, in one changeset.
async fn replicate(store: &Arc<dyn Store>, fence: &Fence, path: &str) {
    let id = FileId::from_path(path).unwrap();
    let present = store.file(&id, None).await.unwrap();
    let operation = |id: FileId, expect: Option<String>| Operation {
        id,
        expect,
        sha256: Some(sha256(b"y")),
        size: 1,
        ..Operation::default()
    };
    store.put_blob(&sha256(b"y"), b"y").await.unwrap();
    let request = ChangesetRequest {
        plan: format!("p-{}", id.name),
        source: "west".to_owned(),
        reason: String::new(),
        operations: vec![
            operation(FileId::new("zoe", "d", id.name.clone()), None),
            operation(id, present.map(|p| p.sha256)),
        ],
    };
    let set = store.open_changeset(fence, &request, "ann").await.unwrap();
    let done = store
        .commit_changeset(fence, &set, "ann", Notes::default())
        .await
        .unwrap();
    assert_eq!(done.0.root, "", "nobody waits for the root");
}

async fn a_large_tree_is_made_anew_in_steps_while_others_write(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    assert!(!store.mend_tree(&fence).await.unwrap(), "nothing to do");
    put(&store, &fence, "ann/plots/a.R", b"x").await;
    db.run(MANY);
    must_be_true(&store).await;
    assert_eq!(store.count_files().await.unwrap(), 25_001);
    put(&store, &fence, "ann/plots/b.R", b"x").await;

    assert!(
        store.mend_tree(&fence).await.unwrap(),
        "there is more to do"
    );
    let first = "mia/directory-0/script-1.R";
    let last = "mia/directory-99/script-9999.R";
    let mut steps = 1;
    loop {
        // In the sums already, behind the mark, new on both sides, changed, taken away.
        put(&store, &fence, first, format!("{steps}").as_bytes()).await;
        put(&store, &fence, last, format!("{steps}").as_bytes()).await;
        put(&store, &fence, &format!("ann/plots/{steps}.R"), b"new").await;
        put(&store, &fence, &format!("zoe/plots/{steps}.R"), b"new").await;
        replicate(
            &store,
            &fence,
            &format!("mia/directory-{steps}/script-{steps}00.R"),
        )
        .await;
        let gone = FileId::new("mia", "directory-1", format!("script-10{steps}.R"));
        store
            .delete_file(&fence, &gone, 1, "ann", Notes::default())
            .await
            .unwrap();
        if !store.mend_tree(&fence).await.unwrap() {
            break;
        }
        steps += 1;
        must_be_true(&store).await;
    }
    assert!(steps >= 2, "{steps}");
    must_be_true(&store).await;
    assert!(!store.mend_tree(&fence).await.unwrap(), "nothing to do");
    // It is kept up again.
    put(&store, &fence, first, b"after").await;
    assert!(!store.mend_tree(&fence).await.unwrap(), "nothing to do");
    must_be_true(&store).await;
}

async fn a_write_that_was_not_counted_begins_it_again(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    put(&store, &fence, "ann/plots/a.R", b"x").await;
    put(&store, &fence, "ann/plots/b.R", b"other").await;
    db.run(MANY);
    assert!(store.mend_tree(&fence).await.unwrap());
    // A server of an older schema takes over for a moment, and writes.
    db.run("UPDATE files SET sha256 = (SELECT sha256 FROM files WHERE name = 'b.R'), size = 5 WHERE name = 'a.R'");
    put(&store, &fence, "ann/plots/c.R", b"x").await;
    let mut steps = 0;
    while store.mend_tree(&fence).await.unwrap() {
        steps += 1;
    }
    assert!(steps >= 2, "it began again: {steps}");
    must_be_true(&store).await;
    // One between the last step and the end, too.
    db.run("UPDATE files SET size = 7 WHERE name = 'a.R'");
    must_be_true(&store).await;
    while store.mend_tree(&fence).await.unwrap() {}
    must_be_true(&store).await;
}
