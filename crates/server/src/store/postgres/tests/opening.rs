//! Opening good and bad databases, the life lock, and what PostgreSQL cannot keep.

use super::cluster::cluster;
use super::target;
use crate::clock;
use crate::store::contract::{Database as _, PostgresDatabase, notes, sha256};
use crate::store::postgres::tidy_up;
use crate::store::{
    EventFilter, LifeLock, PostgresOptions, PostgresStore, Store, look_at_postgres,
};
use std::sync::Arc;
use std::time::Duration;

const DAY: i64 = 24 * 3600 * 1000;

async fn refused(url: &str, group: &str) -> String {
    let options = PostgresOptions::new("east-1", "boot-1");
    let opened = PostgresStore::open(&target(url), group, &options).await;
    opened.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_servers_may_start_at_once() {
    let db = Arc::new(PostgresDatabase::new());
    let mut starts = tokio::task::JoinSet::new();
    for n in 0..6 {
        let db = Arc::clone(&db);
        starts.spawn(async move { db.open_as(&format!("east-{n}"), "boot").await });
    }
    starts.join_all().await;
    let all = super::super::schema::migrations().unwrap();
    let count = "SELECT count(*) FROM refinery_schema_history";
    let applied = cluster().psql(&db.name, count).unwrap();
    assert_eq!(applied, all.len().to_string());
    let served = "SELECT version || ' ' || oldest_served FROM schema_served";
    let last = all.last().unwrap().version();
    assert_eq!(
        cluster().psql(&db.name, served).unwrap(),
        format!("{last} 1"),
        "what the last migration says of itself"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_refused_unless_it_serves_us() {
    let db = PostgresDatabase::new();
    drop(db.open());
    let set = |oldest: u32| {
        let sql = format!("UPDATE schema_served SET version = 99, oldest_served = {oldest}");
        cluster().psql(&db.name, &sql).unwrap();
    };
    set(98);
    let error = refused(&cluster().url(&db.name), "east").await;
    assert!(
        error.contains("schema 99") && error.contains("start a newer"),
        "{error}"
    );
    set(1);
    drop(db.open());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_opened_is_told() {
    let db = PostgresDatabase::new();
    drop(db.open());
    let other = refused(&cluster().url(&db.name), "west").await;
    assert!(other.contains("group east, not of west"), "{other}");
    let missing = refused(&cluster().url("nothing_here"), "east").await;
    assert!(
        missing.contains("\"nothing_here\" does not exist"),
        "{missing}"
    );
    let nobody = refused("postgresql://g@127.0.0.1:1/east", "east").await;
    assert!(
        nobody.contains("127.0.0.1:1") && nobody.contains("refused"),
        "{nobody}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_tells_each_host() {
    let db = PostgresDatabase::new();
    let url = format!(
        "postgresql://gridhelm@127.0.0.1:1,127.0.0.1:{}/{}",
        cluster().port(),
        db.name
    );
    let (lines, writable) = look_at_postgres(&target(&url)).await;
    assert!(writable);
    assert!(
        lines[0].contains("127.0.0.1:1") && lines[0].contains("refused"),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("takes writes, no schema yet"),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_holds_the_life_lock_until_it_lets_go_or_loses_its_connection() {
    let db = PostgresDatabase::new();
    let (one, two) = (
        db.open_as("east-1", "boot-1").await,
        db.open_as("east-2", "boot-2").await,
    );
    let held = one.try_life_lock().await.unwrap().unwrap();
    assert!(two.try_life_lock().await.unwrap().is_none());
    assert!(one.try_life_lock().await.unwrap().is_none());
    let lost = held.lost();
    assert!(
        tokio::time::timeout(Duration::from_millis(50), held.lost())
            .await
            .is_err()
    );
    let end =
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    cluster().psql(&db.name, end).unwrap();
    tokio::time::timeout(Duration::from_secs(5), lost)
        .await
        .unwrap();
    // The connection's end is seen here before the database has let go of what it held.
    drop(soon(&two).await);
    drop(soon(&one).await);
}

/// The life lock, which is free soon.
async fn soon(store: &dyn Store) -> Box<dyn LifeLock> {
    let until = std::time::Instant::now() + Duration::from_secs(5);
    loop {
        if let Some(held) = store.try_life_lock().await.unwrap() {
            return held;
        }
        assert!(
            std::time::Instant::now() < until,
            "a lock that was lost or dropped is free soon"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_with_a_nul_is_kept_without_it() {
    let db = PostgresDatabase::new();
    let store = db.open();
    let mut note = notes("k");
    note.events[0].message = "a\0b".to_owned();
    store.note(note).await.unwrap();
    let filter = EventFilter {
        limit: 1,
        ..EventFilter::default()
    };
    let found = store.events(&filter).await.unwrap().items;
    assert_eq!(found[0].message, "a\u{fffd}b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_without_a_reference_goes_after_a_day() {
    let db = PostgresDatabase::new();
    let store = db.open_as("east-1", "boot-1").await;
    store.put_blob(&sha256(b"loose"), b"loose").await.unwrap();
    let tidy = async |now| {
        tidy_up(&store.writes, Duration::from_secs(5), now)
            .await
            .unwrap()
    };
    assert_eq!(tidy(clock::now()).await, 0);
    assert_eq!(tidy(clock::now() + DAY + 1).await, 1);
    assert_eq!(
        store
            .missing_blobs(&[sha256(b"loose")])
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        cluster()
            .psql(&db.name, "SELECT count(*) FROM chunks")
            .unwrap(),
        "0"
    );
    // Its own row went, too; the next write makes it anew.
    store.note(notes("k")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_store_answers() {
    let db = PostgresDatabase::new();
    let store = db.open_as("east-1", "boot-1").await;
    store.note(notes("k")).await.unwrap();
    store.shut_down().await;
    assert!(store.note(notes("k")).await.is_err());
    assert!(store.nodes().await.is_err());
    let left = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND application_name LIKE 'gridhelm/%'",
        db.name
    );
    assert_eq!(cluster().psql("postgres", &left).unwrap(), "0");
}
