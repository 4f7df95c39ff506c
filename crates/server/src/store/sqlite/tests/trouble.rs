//! A held lock, a full disk, a fault in a write.

use super::{open, open_with, stranger};
use crate::store::contract::{SqliteFile, notes, sha256, traces};
use crate::store::sql::tx::{Fail, conflict};
use crate::store::{Notes, SqliteOptions, Store, StoreError};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_held_database_is_unavailable_in_time_and_nothing_comes_later() {
    let file = SqliteFile::new();
    let deadline = Duration::from_millis(300);
    let store = open_with(
        &file.path(),
        &SqliteOptions {
            deadline,
            ..SqliteOptions::default()
        },
    );
    let holder = stranger(&file);
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let from = Instant::now();
    let (one, two) = tokio::join!(store.note(notes("k")), store.note(notes("k")));
    for outcome in [one, two] {
        match outcome {
            Err(StoreError::Unavailable { message, .. }) => {
                assert!(message.contains("nothing was written"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(
        from.elapsed() < Duration::from_secs(2),
        "{:?}",
        from.elapsed()
    );
    assert!(
        store
            .events(&crate::store::EventFilter::default())
            .await
            .is_ok(),
        "reading goes on"
    );

    holder.execute_batch("ROLLBACK").unwrap();
    let events = store.note(notes("k")).await.unwrap();
    assert_eq!(events.len(), 1);
    let all: Arc<dyn Store> = store;
    assert_eq!(
        traces(&all).await,
        (1, 1),
        "what was answered as not written is not"
    );
}

#[tokio::test]
async fn a_write_that_is_under_way_is_waited_for() {
    let file = SqliteFile::new();
    let deadline = Duration::from_millis(50);
    let store = open_with(
        &file.path(),
        &SqliteOptions {
            deadline,
            ..SqliteOptions::default()
        },
    );
    let (taken, begun) = channel();
    let (go, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let late = Arc::clone(&store);
    let write = tokio::spawn(async move {
        late.write("slow", move |tx| {
            taken.send(()).unwrap();
            gate.lock().unwrap().recv().unwrap();
            tx.notes(&notes("slow"))
        })
        .await
    });
    tokio::task::spawn_blocking(move || begun.recv().unwrap())
        .await
        .unwrap();
    // The deadline of this one passes while the slow one runs: it is dropped.
    let waiting = store.note(notes("k")).await;
    assert!(matches!(waiting, Err(StoreError::Unavailable { .. })));
    go.send(()).unwrap();
    assert_eq!(
        write.await.unwrap().unwrap().len(),
        1,
        "the answer of the slow one is the truth"
    );
    let all: Arc<dyn Store> = store;
    assert_eq!(traces(&all).await, (1, 1));
}

#[tokio::test]
async fn in_a_group_a_refusal_or_a_fault_undoes_only_itself() {
    let file = SqliteFile::new();
    let store = open(&file.path());
    let (taken, begun) = channel();
    let (go, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let holding = Arc::clone(&store);
    let hold = tokio::spawn(async move {
        holding
            .write("hold", move |_| {
                taken.send(()).unwrap();
                gate.lock().unwrap().recv().unwrap();
                Ok(())
            })
            .await
    });
    tokio::task::spawn_blocking(move || begun.recv().unwrap())
        .await
        .unwrap();
    // These four gather behind the first and become one group.
    let refuse = store.write("refuse", |tx| -> Result<(), Fail> {
        tx.notes(&notes("refused"))?;
        Err(conflict("no"))
    });
    let fault = store.write("fault", |tx| -> Result<(), Fail> {
        tx.notes(&notes("fault"))?;
        panic!("a fault on purpose")
    });
    let release = async { go.send(()).unwrap() };
    let (one, refused, failed, two, ()) = tokio::join!(
        store.note(notes("k")),
        refuse,
        fault,
        store.note(notes("k")),
        release
    );
    hold.await.unwrap().unwrap();
    assert!(matches!(refused, Err(StoreError::Conflict { .. })));
    assert!(matches!(failed, Err(StoreError::Unavailable { .. })));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one[0].id < two[0].id);
    let all: Arc<dyn Store> = store;
    assert_eq!(traces(&all).await, (2, 2));
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_small_writes_go_on() {
    let file = SqliteFile::new();
    let pages = {
        let store = open(&file.path());
        store.close();
        let count: u32 = stranger(&file)
            .query_row("PRAGMA page_count", [], |r| r.get(0))
            .unwrap();
        count
    };
    let options = SqliteOptions {
        max_pages: Some(pages + 60),
        ..SqliteOptions::default()
    };
    let store = open_with(&file.path(), &options);
    // Too big for what is left, together with small ones that fit.
    let big = vec![7_u8; 700 << 10];
    let sha = sha256(&big);
    let (big, one, two) = tokio::join!(
        store.put_blob(&sha, &big),
        store.note(notes("small")),
        store.note(notes("small")),
    );
    assert!(
        matches!(big, Err(StoreError::Unavailable { .. })),
        "{big:?}"
    );
    one.unwrap();
    two.unwrap();
    // Until nothing fits any more.
    let mut acknowledged = 2;
    let mut wide = notes("wide");
    wide.events[0].message = "x".repeat(3000);
    let error = loop {
        match store.note(wide.clone()).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1000, "it never got full");
    };
    match error {
        StoreError::Unavailable { operation, message } => {
            assert!(
                operation == "note" && message.contains("full"),
                "{operation}: {message}"
            );
        }
        other => panic!("{other}"),
    }
    let all: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
    assert_eq!(traces(&all).await, (acknowledged, acknowledged));
    store.close();
    let again: Arc<dyn Store> = open(&file.path());
    assert_eq!(traces(&again).await, (acknowledged, acknowledged));
    again.note(Notes::default()).await.unwrap();
    again.note(notes("room again")).await.unwrap();
}
