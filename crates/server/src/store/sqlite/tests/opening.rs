//! Opening good and bad files.

use super::{open, stranger};
use crate::store::contract::{SqliteFile, notes};
use crate::store::{SqliteStore, Store, StoreError};
use std::os::unix::fs::PermissionsExt;

fn refused(file: &SqliteFile, group: &str) -> StoreError {
    SqliteStore::open(&file.path(), group).unwrap_err()
}

#[tokio::test]
async fn the_file_is_its_owners_alone() {
    let file = SqliteFile::new();
    std::fs::write(file.path(), b"").unwrap();
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = open(&file.path());
    store.note(notes("k")).await.unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(file.path().parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        seen += 1;
    }
    assert!(seen >= 3, "database, log and index of the log");
}

#[test]
fn many_servers_may_start_at_once() {
    let file = SqliteFile::new();
    std::thread::scope(|scope| {
        let starts: Vec<_> = (0..6).map(|_| scope.spawn(|| open(&file.path()))).collect();
        for start in starts {
            start.join().unwrap();
        }
    });
    let (applied, last): (i64, i32) = stranger(&file)
        .query_row(
            "SELECT count(*), max(version) FROM refinery_schema_history",
            [],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )
        .unwrap();
    let all = super::super::schema::migrations().unwrap();
    assert_eq!(usize::try_from(applied).unwrap(), all.len());
    assert_eq!(last, all.last().unwrap().version());
    let served: (i32, i64) = stranger(&file)
        .query_row(
            "SELECT version, oldest_served FROM schema_served",
            [],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )
        .unwrap();
    assert_eq!(served, (last, 1), "what the last migration says of itself");
}

#[test]
fn a_newer_schema_is_refused_unless_it_serves_us() {
    let file = SqliteFile::new();
    drop(open(&file.path()));
    let set = |version: i64, oldest: i64| {
        stranger(&file)
            .execute(
                "UPDATE schema_served SET version = ?1, oldest_served = ?2",
                [version, oldest],
            )
            .unwrap();
    };
    set(99, 98);
    match refused(&file, "east") {
        StoreError::Unavailable { message, .. } => {
            assert!(
                message.contains("schema 99") && message.contains("start a newer"),
                "{message}"
            );
        }
        other => panic!("{other}"),
    }
    set(99, 1);
    drop(open(&file.path()));
}

#[test]
fn a_file_that_is_no_database_is_told_so() {
    let file = SqliteFile::new();
    std::fs::write(file.path(), "This is a diary, not a database. ".repeat(300)).unwrap();
    match refused(&file, "east") {
        StoreError::Corrupt { what, message } => {
            assert!(
                what.contains("group.db") && message.contains("backup"),
                "{what}: {message}"
            );
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn damaged_pages_are_told_and_kill_nothing() {
    let file = SqliteFile::new();
    {
        let store = open(&file.path());
        for _ in 0..200 {
            store.note(notes("k")).await.unwrap();
        }
        store.close();
    }
    let mut bytes = std::fs::read(file.path()).unwrap();
    for byte in &mut bytes[8192..] {
        *byte = 0xa5;
    }
    std::fs::write(file.path(), bytes).unwrap();
    let seen = match SqliteStore::open(&file.path(), "east") {
        Err(error) => error,
        Ok(store) => store
            .audit(&crate::store::AuditFilter::newest(1000))
            .await
            .unwrap_err(),
    };
    assert!(matches!(seen, StoreError::Corrupt { .. }), "{seen}");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let missing = std::path::Path::new("/nonexistent/folder/group.db");
    let error = SqliteStore::open(missing, "east").unwrap_err().to_string();
    assert!(error.contains("/nonexistent/folder/group.db"), "{error}");
}

#[test]
fn another_groups_database_is_refused() {
    let file = SqliteFile::new();
    drop(open(&file.path()));
    let error = refused(&file, "west").to_string();
    assert!(error.contains("group east, not of west"), "{error}");
}

#[tokio::test]
async fn a_closed_store_answers_and_leaves_a_whole_file() {
    let file = SqliteFile::new();
    let store = open(&file.path());
    store.note(notes("k")).await.unwrap();
    store.close();
    store.close();
    assert!(matches!(
        store.note(notes("k")).await,
        Err(StoreError::Unavailable { .. })
    ));
    assert!(matches!(
        store.nodes().await,
        Err(StoreError::Unavailable { .. })
    ));
    let log = file.path().with_extension("db-wal");
    assert!(!log.exists(), "the log is in the file");
    let rows: i64 = stranger(&file)
        .query_row("SELECT count(*) FROM events", [], |r| r.get(0))
        .unwrap();
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn what_is_done_to_the_audit_log_behind_the_server_is_found() {
    let cases = [
        ("UPDATE audit SET actor = 'eve' WHERE id = 2", "Row 2 "),
        ("UPDATE audit SET after = NULL WHERE id = 2", "Row 2 "),
        ("DELETE FROM audit WHERE id = 2", "Row 3 "),
        ("DELETE FROM audit WHERE id = 4", "Row 4 "),
        ("UPDATE audit SET id = 40 WHERE id = 3", "Row 4 "),
        (
            "INSERT INTO audit (at, actor, action, subject, address, request_id) VALUES (1, 'eve', 'x', 'y', '', '')",
            "Row 5 ",
        ),
    ];
    for (sql, named) in cases {
        let file = SqliteFile::new();
        let store = open(&file.path());
        for _ in 0..4 {
            let mut note = notes("k");
            note.audit[0].after = Some(serde_json::json!({ "n": 1 }));
            store.note(note).await.unwrap();
        }
        assert_eq!(store.verify_audit(None).await.unwrap().broken, None);
        assert_eq!(stranger(&file).execute(sql, []).unwrap(), 1);
        let broken = store.verify_audit(None).await.unwrap().broken.unwrap();
        assert!(broken.what.starts_with(named), "{sql}: {}", broken.what);
    }
}
