//! Connections that break, hosts that are gone.

use super::cluster::cluster;
use super::proxy::Proxy;
use super::target;
use crate::store::contract::{PostgresDatabase, activate, notes, traces};
use crate::store::sql::tx::{Fail, conflict};
use crate::store::{EventFilter, PostgresOptions, PostgresStore, Store, StoreError};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

fn through(proxy: &Proxy, database: &str) -> String {
    format!(
        "postgresql://gridhelm@127.0.0.1:{}/{database}",
        proxy.port()
    )
}

async fn open(url: &str) -> Arc<PostgresStore> {
    let options = PostgresOptions::new("east-1", "boot-1");
    let store = PostgresStore::open(&target(url), "east", &options).await;
    Arc::new(store.unwrap())
}

async fn subjects(store: &Arc<dyn Store>) -> Vec<String> {
    let filter = EventFilter {
        limit: 1000,
        ..EventFilter::default()
    };
    let page = store.events(&filter).await.unwrap();
    page.items.into_iter().map(|e| e.subject).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_found_out_and_happens_once() {
    let db = PostgresDatabase::new();
    let proxy = Proxy::to(cluster().port());
    let store: Arc<dyn Store> = open(&through(&proxy, &db.name)).await;
    let mut acknowledged = Vec::new();
    for n in 0..20 {
        match n % 4 {
            1 => proxy.keep_answers(1),
            3 => proxy.keep_commits(2),
            _ => {}
        }
        let mut note = notes("k");
        note.events[0].subject = format!("write {n}");
        let events = store.note(note).await.unwrap();
        acknowledged.push(events[0].id);
        assert_eq!(proxy.left(), 0, "write {n}");
    }
    assert!(acknowledged.is_sorted());
    let mut found = subjects(&store).await;
    found.reverse();
    let wanted: Vec<_> = (0..20).map(|n| format!("write {n}")).collect();
    assert_eq!(found, wanted, "each once, in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_survive_that_their_backends_are_ended_again_and_again() {
    let db = PostgresDatabase::new();
    let store: Arc<dyn Store> = open(&cluster().url(&db.name)).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for n in 0..50 {
                let mut note = notes("k");
                note.events[0].subject = format!("{writer}/{n}");
                store.note(note).await.unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
    let name = db.name.clone();
    let ended = tokio::task::spawn_blocking(move || {
        let end = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}' AND application_name LIKE 'gridhelm/%'"
        );
        let mut ended = 0;
        for _ in 0..8 {
            let n = cluster().psql("postgres", &end).unwrap();
            ended += n.parse::<u32>().unwrap();
            std::thread::sleep(Duration::from_millis(60));
        }
        ended
    });
    writers.join_all().await;
    assert!(ended.await.unwrap() > 0);
    let mut found = subjects(&store).await;
    found.sort();
    let mut wanted: Vec<_> = (0..4)
        .flat_map(|w| (0..50).map(move |n| format!("{w}/{n}")))
        .collect();
    wanted.sort();
    assert_eq!(found, wanted, "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_is_unavailable_in_time_and_nothing_comes_later() {
    let db = PostgresDatabase::new();
    let proxy = Proxy::to(cluster().port());
    let mut options = PostgresOptions::new("east-1", "boot-1");
    options.deadline = Duration::from_millis(700);
    let target = target(&through(&proxy, &db.name));
    let store = PostgresStore::open(&target, "east", &options)
        .await
        .unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    store.note(notes("k")).await.unwrap();
    proxy.close(true);
    let from = Instant::now();
    let (one, two, read) = tokio::join!(
        store.note(notes("k")),
        store.note(notes("k")),
        store.nodes()
    );
    for outcome in [one.map(drop), two.map(drop)] {
        match outcome {
            Err(StoreError::Unavailable { message, .. }) => {
                assert!(message.contains("nothing was written"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(read, Err(StoreError::Unavailable { .. })));
    assert!(
        from.elapsed() < Duration::from_secs(3),
        "{:?}",
        from.elapsed()
    );
    proxy.close(false);
    // On a busy machine a new connection may take longer than this store's short patience.
    let until = Instant::now() + Duration::from_secs(10);
    while let Err(error) = store.note(notes("k")).await {
        let nothing = error.to_string().contains("nothing was written");
        assert!(nothing && Instant::now() < until, "{error}");
    }
    assert_eq!(traces(&store).await, (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_is_renewed_beside_a_long_write() {
    let db = PostgresDatabase::new();
    let store = open(&cluster().url(&db.name)).await;
    let all: Arc<dyn Store> = Arc::<PostgresStore>::clone(&store);
    let fence = activate(&all, "east-1").await;
    let (taken, begun) = channel();
    let writing = Arc::clone(&store);
    let long = tokio::spawn(async move {
        let work = move |tx: crate::store::sql::tx::Tx<'_>| {
            let _ = taken.send(());
            tx.execute(
                "UPDATE lease SET successor = successor WHERE pg_sleep(3) IS NULL",
                &[],
            )
        };
        writing.write("long", work).await
    });
    tokio::task::spawn_blocking(move || begun.recv().unwrap())
        .await
        .unwrap();
    for n in 1..=3 {
        let from = Instant::now();
        assert_eq!(all.renew_lease(&fence).await.unwrap(), n);
        assert!(
            from.elapsed() < Duration::from_secs(1),
            "{:?}",
            from.elapsed()
        );
    }
    assert!(!long.is_finished());
    long.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_hosts_the_one_that_takes_writes_is_found() {
    let db = PostgresDatabase::new();
    // One that refuses, one that accepts and never greets.
    let refusing = Proxy::to(1);
    let hanging = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ports = [
        refusing.port(),
        hanging.local_addr().unwrap().port(),
        cluster().port(),
    ];
    let hosts = ports.map(|port| format!("127.0.0.1:{port}")).join(",");
    let from = Instant::now();
    let store: Arc<dyn Store> = open(&format!("postgresql://gridhelm@{hosts}/{}", db.name)).await;
    store.note(notes("k")).await.unwrap();
    assert!(
        from.elapsed() < Duration::from_secs(3),
        "{:?}",
        from.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_becomes_read_only_is_left_for_the_next() {
    let db = PostgresDatabase::new();
    let mut options = PostgresOptions::new("east-1", "boot-1");
    options.deadline = Duration::from_secs(1);
    let target = target(&cluster().tcp_url(&db.name));
    let store = PostgresStore::open(&target, "east", &options)
        .await
        .unwrap();
    let set = |on: &str| {
        let alter = format!(
            "ALTER DATABASE {} SET default_transaction_read_only = {on}",
            db.name
        );
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
            db.name
        );
        cluster().psql("postgres", &alter).unwrap();
        cluster().psql("postgres", &end).unwrap();
    };
    set("on");
    match store.note(notes("k")).await {
        Err(StoreError::Unavailable { message, .. }) => {
            assert!(
                message.contains("takes writes") && message.contains("nothing was written"),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
    set("off");
    store.note(notes("k")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_group_a_refusal_or_a_fault_undoes_only_itself() {
    let db = PostgresDatabase::new();
    let store = open(&cluster().url(&db.name)).await;
    let (taken, begun) = channel();
    let (go, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let holding = Arc::clone(&store);
    let hold = tokio::spawn(async move {
        let wait = move |_: crate::store::sql::tx::Tx<'_>| {
            taken.send(()).unwrap();
            gate.lock().unwrap().recv().unwrap();
            Ok(())
        };
        holding.write("hold", wait).await
    });
    tokio::task::spawn_blocking(move || begun.recv().unwrap())
        .await
        .unwrap();
    // These gather behind the first and become one group.
    let touch = "UPDATE lease SET successor = 'refused'";
    let refuse = store.write("refuse", move |tx| -> Result<(), Fail> {
        tx.notes(&notes("refused"))?;
        tx.execute(touch, &[])?;
        Err(conflict("no"))
    });
    let fault = store.write("fault", move |tx| -> Result<(), Fail> {
        tx.execute(touch, &[])?;
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
    assert_eq!(one.unwrap()[0].id + 1, two.unwrap()[0].id);
    let all: Arc<dyn Store> = store;
    assert_eq!(traces(&all).await, (2, 2));
    assert_eq!(all.epoch().await.unwrap().successor, None);
}
