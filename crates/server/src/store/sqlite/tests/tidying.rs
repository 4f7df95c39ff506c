//! What is collected and what stays; and an older database brought up to date.

use super::{open, stranger};
use crate::clock;
use crate::store::contract::{SqliteFile, activate, file, sha256, write};
use crate::store::sql::content;
use crate::store::sqlite::{schema, tidy_up};
use crate::store::{Expect, Notes, Store};
use gridhelm_api::changeset::{ChangesetRequest, Operation};
use std::sync::Arc;

const DAY: i64 = 24 * 3600 * 1000;

#[tokio::test]
async fn only_what_nothing_refers_to_is_collected_and_only_after_a_day() {
    let file_on_disk = SqliteFile::new();
    let store: Arc<dyn Store> = open(&file_on_disk.path());
    let fence = activate(&store, "east-1").await;
    write(&store, &fence, "a.R", Expect::Absent, b"overwritten")
        .await
        .unwrap();
    write(&store, &fence, "a.R", Expect::Version(1), b"latest")
        .await
        .unwrap();
    let put = async |bytes: &[u8]| store.put_blob(&sha256(bytes), bytes).await.unwrap();
    put(b"planned").await;
    let loose = vec![1_u8; 3 * content::CHUNK];
    put(&loose).await;
    let request = ChangesetRequest {
        plan: "p".to_owned(),
        source: "west".to_owned(),
        operations: vec![Operation {
            id: file("b.R"),
            expect: None,
            sha256: Some(sha256(b"planned")),
            size: 7,
            ..Operation::default()
        }],
        reason: String::new(),
    };
    let open_one = store.open_changeset(&fence, &request, "ann").await.unwrap();
    let conn = schema::connect(&file_on_disk.path(), None).unwrap();
    let there = async |bytes: &[u8]| {
        store
            .missing_blobs(&[sha256(bytes)])
            .await
            .unwrap()
            .is_empty()
    };

    assert_eq!(tidy_up(&conn, clock::now()).unwrap(), 0, "all is fresh");
    conn.execute("UPDATE changesets SET opened_at = opened_at + ?1", [DAY])
        .unwrap();
    assert_eq!(tidy_up(&conn, clock::now() + DAY + 1).unwrap(), 1);
    assert!(!there(&loose).await);
    let chunks: i64 = conn
        .query_row("SELECT count(*) FROM chunks", [], |r| r.get(0))
        .unwrap();
    assert_eq!(chunks, 3, "its chunks went along");
    for kept in [&b"overwritten"[..], b"latest", b"planned"] {
        assert!(there(kept).await);
    }
    store
        .commit_changeset(&fence, &open_one, "ann", Notes::default())
        .await
        .unwrap();

    // A changeset that nobody commits is given up, and what only it wanted goes with it.
    put(b"only planned").await;
    let mut given_up = request.clone();
    given_up.operations[0].sha256 = Some(sha256(b"only planned"));
    let id = store
        .open_changeset(&fence, &given_up, "ann")
        .await
        .unwrap();
    assert_eq!(tidy_up(&conn, clock::now() + DAY + 1).unwrap(), 1);
    assert_eq!(store.changeset(&id).await.unwrap(), None);
    // One that waits for an approval is kept for two weeks.
    put(b"only planned").await;
    let id = store
        .open_changeset(&fence, &given_up, "ann")
        .await
        .unwrap();
    stranger(&file_on_disk)
        .execute(
            "UPDATE changesets SET hold = '{\"since\":0}' WHERE id = ?1",
            [&id],
        )
        .unwrap();
    assert_eq!(tidy_up(&conn, clock::now() + 14 * DAY).unwrap(), 0);
    assert!(store.changeset(&id).await.unwrap().is_some());
    assert_eq!(tidy_up(&conn, clock::now() + 15 * DAY + 1).unwrap(), 1);
    assert_eq!(store.changeset(&id).await.unwrap(), None);
    assert!(!there(b"only planned").await && there(b"planned").await);
}

#[tokio::test]
async fn content_that_is_put_again_is_fresh_again() {
    let file_on_disk = SqliteFile::new();
    let store = open(&file_on_disk.path());
    let sha = sha256(b"x");
    store.put_blob(&sha, b"x").await.unwrap();
    let conn = schema::connect(&file_on_disk.path(), None).unwrap();
    conn.execute("UPDATE blobs SET created_at = created_at - ?1", [2 * DAY])
        .unwrap();
    store.put_blob(&sha, b"x").await.unwrap();
    assert_eq!(tidy_up(&conn, clock::now()).unwrap(), 0);
    conn.execute("UPDATE blobs SET created_at = created_at - ?1", [2 * DAY])
        .unwrap();
    assert_eq!(tidy_up(&conn, clock::now()).unwrap(), 1);
}

#[tokio::test]
async fn a_database_of_the_first_schema_is_brought_up_to_date() {
    let file_on_disk = SqliteFile::new();
    {
        let mut conn = stranger(&file_on_disk);
        let first = include_str!("../migrations/V1__first.sql");
        let first = refinery::Migration::unapplied("V1__first", first).unwrap();
        refinery::Runner::new(&[first]).run(&mut conn).unwrap();
        conn.execute_batch(
            "INSERT INTO blobs (sha256, size, created_at) VALUES ('aa', 0, 0);
             INSERT INTO files (author, directory, name, version, deleted, sha256, size, written_by, written_at)
             VALUES ('ann', 'old', 'a.R', 1, 0, 'aa', 0, 'ann', 0), ('ann', 'gone', 'b.R', 2, 1, NULL, 0, 'ann', 0);
             INSERT INTO versions VALUES (1, 1, 0, 'aa', 0, 'ann', 0, '');",
        )
        .unwrap();
    }
    let store: Arc<dyn Store> = open(&file_on_disk.path());
    let fence = activate(&store, "east-1").await;
    let request = ChangesetRequest {
        plan: "p".to_owned(),
        source: "west".to_owned(),
        operations: vec![Operation {
            id: file("b.R"),
            expect: None,
            sha256: Some("aa".to_owned()),
            size: 0,
            ..Operation::default()
        }],
        reason: String::new(),
    };
    let id = store.open_changeset(&fence, &request, "ann").await.unwrap();
    let (committed, _) = store
        .commit_changeset(&fence, &id, "ann", Notes::default())
        .await
        .unwrap();
    let manifest = store.manifest(None).await.unwrap();
    assert_eq!(manifest.entries.len(), 2);
    assert_eq!(committed.root, manifest.root);
}
