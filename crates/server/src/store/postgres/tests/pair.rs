//! A primary and its standby, made by hand: the standby is promoted while the old primary still runs.

use super::cluster::Cluster;
use super::target;
use crate::store::contract::notes;
use crate::store::{PostgresOptions, PostgresStore, Store};
use gridhelm_api::switch::{Check, Outcome};
use std::time::{Duration, Instant};

fn url(one: &Cluster, two: &Cluster) -> String {
    let (one, two) = (one.port(), two.port());
    format!("postgresql://gridhelm@127.0.0.1:{one},127.0.0.1:{two}/east")
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn of<'a>(checks: &'a [Check], id: &str) -> &'a Check {
    checks.iter().find(|check| check.id == id).unwrap()
}

/// Events with this kind that a server holds; nothing where the table has not arrived yet.
fn held(cluster: &Cluster, kind: &str) -> String {
    let count = format!("SELECT count(*) FROM events WHERE kind = '{kind}'");
    cluster.psql("east", &count).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_primary_that_takes_writes_is_found_and_left() {
    let old = Cluster::start();
    old.psql("postgres", "CREATE DATABASE east").unwrap();
    let new = old.follower();
    let options = PostgresOptions::new("east-1", "boot-1");
    let address = target(&url(&old, &new));
    let store = PostgresStore::open(&address, "east", &options)
        .await
        .unwrap();
    store.note(notes("before")).await.unwrap();
    let checks = store.look_at_database().await;
    assert_eq!(
        of(&checks, "database_one_primary").outcome,
        Outcome::Pass,
        "{checks:?}"
    );
    // Nothing waits for the replica.
    let asynchronous = of(&checks, "database_synchronous");
    assert_eq!(asynchronous.outcome, Outcome::Warn, "{checks:?}");
    assert!(
        asynchronous.evidence.contains("its 1 replica:"),
        "{checks:?}"
    );
    until("the replica has it", || held(&new, "before") == "1").await;
    let synchronous = "ALTER SYSTEM SET synchronous_standby_names = '*'";
    old.psql("postgres", synchronous).unwrap();
    old.psql("postgres", "SELECT pg_reload_conf()").unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while of(&store.look_at_database().await, "database_synchronous").outcome != Outcome::Pass {
        assert!(Instant::now() < end, "it waits for its replica now");
    }
    // An asynchronous one again: else the old primary, left alone, would take no writes.
    let names = "ALTER SYSTEM RESET synchronous_standby_names";
    old.psql("postgres", names).unwrap();
    old.psql("postgres", "SELECT pg_reload_conf()").unwrap();

    new.psql("postgres", "SELECT pg_promote()").unwrap();
    let checks = store.look_at_database().await;
    let two = of(&checks, "database_one_primary");
    assert_eq!(two.outcome, Outcome::Fail, "{checks:?}");
    assert!(
        two.evidence.contains("timeline 1") && two.evidence.contains("timeline 2"),
        "{two:?}"
    );
    // From now on everything goes to the new one, on the connections that there were and on new ones.
    for _ in 0..5 {
        store.note(notes("after")).await.unwrap();
    }
    assert_eq!(
        (held(&old, "after"), held(&new, "after")),
        ("0".into(), "5".into())
    );
    let lock = store.try_life_lock().await.unwrap();
    let held_at_new = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(new.psql("east", held_at_new).unwrap(), "1");
    drop(lock);
    // A process that starts now has seen nothing, and finds the new one all the same.
    let options = PostgresOptions::new("east-2", "boot-2");
    let other = PostgresStore::open(&address, "east", &options)
        .await
        .unwrap();
    for _ in 0..5 {
        other.note(notes("later")).await.unwrap();
    }
    assert_eq!(
        (held(&old, "later"), held(&new, "later")),
        ("0".into(), "5".into())
    );
}
