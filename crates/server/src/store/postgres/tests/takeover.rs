//! An old owner's transaction that does not end must not be in the way, and must not be committed.

use super::cluster::cluster;
use super::key_of;
use crate::store::contract::{PostgresDatabase, activate, node, notes, owner, traces};
use crate::store::sql::tx::{Fail, Tx};
use crate::store::{Notes, Store, StoreError};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// A transaction like those of the group's servers, left open.
const OPEN: &str = "BEGIN; SELECT 1 FROM pg_advisory_xact_lock_shared(KEY);
    UPDATE lease SET successor = 'too late'";

fn open_transaction(group: &str) -> String {
    OPEN.replace("KEY", &key_of(group).to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_left_open_by_the_old_owner_is_ended_within_a_second() {
    let db = PostgresDatabase::new();
    let store: Arc<dyn Store> = Arc::new(db.open_as("east-2", "boot-2").await);
    activate(&store, "east-1").await;
    let mut old = cluster().stranger(&db.name, "gridhelm/east-1/boot-of-east-1");
    old.run(&open_transaction("east"));

    let from = Instant::now();
    let next = activate(&store, "east-2").await;
    let took = from.elapsed();
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    let said = old.end("COMMIT");
    assert!(said.contains("terminating connection"), "{said}");
    assert_eq!(store.epoch().await.unwrap().successor, None);
    store.renew_lease(&next).await.unwrap();
}

/// The same with a real store whose work hangs: it comes back, tries again, and is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_under_way_in_the_old_owner_is_never_committed_after_the_takeover() {
    let db = PostgresDatabase::new();
    let first = Arc::new(db.open_as("east-1", "boot-1").await);
    let old: Arc<dyn Store> = Arc::<crate::store::PostgresStore>::clone(&first);
    let fence = activate(&old, "east-1").await;
    let (taken, begun) = channel();
    let (go, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let mine = fence.clone();
    let write = tokio::spawn(async move {
        let work = move |tx: Tx<'_>| -> Result<(), Fail> {
            tx.fence(&mine)?;
            tx.notes(&notes("too late"))?;
            let _ = taken.send(());
            // Opened only once: the second run goes on at once.
            let _ = gate.lock().unwrap().recv();
            Ok(())
        };
        first.write("hang", work).await
    });
    tokio::task::spawn_blocking(move || begun.recv().unwrap())
        .await
        .unwrap();
    let next: Arc<dyn Store> = Arc::new(db.open_as("east-2", "boot-2").await);
    let from = Instant::now();
    let new = activate(&next, "east-2").await;
    assert!(
        from.elapsed() < Duration::from_millis(1_500),
        "{:?}",
        from.elapsed()
    );
    next.create_node(&new, &node("n1", 1), Notes::default())
        .await
        .unwrap();
    drop(go);
    match write.await.unwrap() {
        Err(StoreError::Fenced { epoch, owner }) => {
            assert_eq!((epoch, owner.as_deref()), (new.epoch, Some("east-2")));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(traces(&next).await, (0, 0));
    assert!(matches!(
        old.renew_lease(&fence).await,
        Err(StoreError::Fenced { .. })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_is_ended() {
    let db = PostgresDatabase::new();
    let store: Arc<dyn Store> = Arc::new(db.open_as("east-2", "boot-2").await);
    // Another group's lock in the same database, an idle backend of the old owner, and somebody's own session
    // that holds this group's lock.
    let mut west = cluster().stranger(&db.name, "gridhelm/west-1/boot");
    west.run(&format!(
        "BEGIN; SELECT 1 FROM pg_advisory_xact_lock_shared({})",
        key_of("west")
    ));
    let mut idle = cluster().stranger(&db.name, "gridhelm/east-1/boot");
    idle.run("SELECT 1");
    let mut person = cluster().stranger(&db.name, "psql");
    person.run(&open_transaction("east"));

    let refused = store
        .take_epoch(0.into(), &owner("east-2"), "ann", "r", Notes::default())
        .await;
    match refused {
        Err(StoreError::Unavailable { message, .. }) => {
            assert!(
                message.contains("(psql)") && message.contains("nothing was written"),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
    person.run("ROLLBACK");
    let fence = activate(&store, "east-2").await;
    assert_eq!(fence.epoch, 1);
    assert!(!idle.end("SELECT 1").contains("terminating"));
    assert!(!west.end("COMMIT").contains("terminating"));
    // Its own connections went on, too: no write had to be done again.
    store.renew_lease(&fence).await.unwrap();
}
