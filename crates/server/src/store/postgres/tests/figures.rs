//! Figures of the store; run with `--release -- --ignored --nocapture figures`. The tests' PostgreSQL does not
//! flush its disk: what is measured is everything else.

use crate::store::contract::{
    Database as _, PostgresDatabase, activate, end, file, notes, sha256, start, task,
};
use crate::store::{Notes, Store};
use gridhelm_api::changeset::{ChangesetRequest, Operation};
use gridhelm_api::task::TaskState;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn print(figure: &str, value: f64, unit: &str, n: usize) {
    let line =
        format!("{{\"figure\":\"{figure}\",\"value\":{value:.3},\"unit\":\"{unit}\",\"n\":{n}}}");
    writeln!(std::io::stdout(), "{line}").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a figure, not a check of behaviour"]
async fn commits() {
    let db = PostgresDatabase::new();
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let n = 500;
    let mut single: Vec<Duration> = Vec::new();
    for _ in 0..n {
        let from = Instant::now();
        store.renew_lease(&fence).await.unwrap();
        single.push(from.elapsed());
    }
    single.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    print("postgres_commit_p50_ms", ms(single[n / 2]), "ms", n);
    print("postgres_commit_p99_ms", ms(single[n * 99 / 100]), "ms", n);

    let (writers, each) = (64, 40);
    let from = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for w in 0..writers {
        let (store, fence): (Arc<dyn Store>, _) = (Arc::clone(&store), fence.clone());
        tasks.spawn(async move {
            for i in 0..each {
                let id = format!("t-{w}-{i}");
                let begun = start(1, "s");
                store
                    .submit_and_start(&fence, &task(&id, 0), &begun, None, notes("k"))
                    .await
                    .unwrap();
                let ending = end(&id, 1, TaskState::Succeeded);
                store
                    .end_attempt(&fence, &ending, notes("k"))
                    .await
                    .unwrap();
            }
        });
    }
    tasks.join_all().await;
    let count = writers * each * 2;
    let rate = count as f64 / from.elapsed().as_secs_f64();
    print("postgres_commits_per_s", rate, "1/s", count);
}

/// The largest changeset: it must be committed well within what a statement is allowed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a figure, not a check of behaviour"]
async fn a_hundred_thousand_files() {
    let db = PostgresDatabase::new();
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    store.put_blob(&sha256(b"x"), b"x").await.unwrap();
    let n = 100_000;
    let operations = (0..n).map(|i| Operation {
        id: file(&format!("{i:06}.R")),
        expect: None,
        sha256: Some(sha256(b"x")),
        size: 1,
        ..Operation::default()
    });
    let request = ChangesetRequest {
        plan: "p".to_owned(),
        source: "west".to_owned(),
        operations: operations.collect(),
        reason: String::new(),
    };
    let from = Instant::now();
    let id = store.open_changeset(&fence, &request, "ann").await.unwrap();
    print("postgres_open_100k_s", from.elapsed().as_secs_f64(), "s", n);
    let from = Instant::now();
    store
        .commit_changeset(&fence, &id, "ann", Notes::default())
        .await
        .unwrap();
    print(
        "postgres_commit_100k_s",
        from.elapsed().as_secs_f64(),
        "s",
        n,
    );
    let from = Instant::now();
    store.manifest(None).await.unwrap();
    print(
        "postgres_manifest_100k_s",
        from.elapsed().as_secs_f64(),
        "s",
        n,
    );
}
