//! Figures of the store; run with `--release -- --ignored --nocapture figures`.

use super::open;
use crate::store::contract::{SqliteFile, activate, end, notes, sha256, start, task};
use crate::store::{Notes, Store};
use gridhelm_api::changeset::{ChangesetRequest, Operation};
use gridhelm_api::repository::FileId;
use gridhelm_api::task::TaskState;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn print(figure: &str, value: f64, unit: &str, n: usize) {
    println!("{{\"figure\":\"{figure}\",\"value\":{value:.3},\"unit\":\"{unit}\",\"n\":{n}}}");
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn quantile(times: &mut [Duration], share: usize) -> f64 {
    times.sort();
    ms(times[(times.len() - 1) * share / 100])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a figure, not a check of behaviour"]
async fn commits() {
    let file = SqliteFile::new();
    let store: Arc<dyn Store> = open(&file.path());
    let fence = activate(&store, "east-1").await;

    let n = 500;
    let mut single = Vec::new();
    let mut whole = Vec::new();
    for i in 0..n {
        let from = Instant::now();
        store.renew_lease(&fence).await.unwrap();
        single.push(from.elapsed());

        let id = format!("t-{i:06}");
        let from = Instant::now();
        store
            .submit_and_start(&fence, &task(&id, 0), &start(1, "s"), None, notes("k"))
            .await
            .unwrap();
        store
            .end_attempt(&fence, &end(&id, 1, TaskState::Succeeded), notes("k"))
            .await
            .unwrap();
        whole.push(from.elapsed());
    }
    print("store_commit_p50_ms", quantile(&mut single, 50), "ms", n);
    print("store_commit_p99_ms", quantile(&mut single, 99), "ms", n);
    print(
        "store_task_two_commits_p50_ms",
        quantile(&mut whole, 50),
        "ms",
        n,
    );
    print(
        "store_task_two_commits_p99_ms",
        quantile(&mut whole, 99),
        "ms",
        n,
    );

    let (writers, each) = (8, 500);
    let from = Instant::now();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..writers {
        let store = Arc::clone(&store);
        all.spawn(async move {
            for _ in 0..each {
                let mut note: Notes = notes("k");
                note.audit.clear();
                store.note(note).await.unwrap();
            }
        });
    }
    all.join_all().await;
    let rate = f64::from(writers * each) / from.elapsed().as_secs_f64();
    print("store_writes_per_s_8_writers", rate, "1/s", 4000);

    let mut reads = Vec::new();
    for _ in 0..n {
        let from = Instant::now();
        store.epoch().await.unwrap();
        reads.push(from.elapsed());
    }
    print("store_read_p50_ms", quantile(&mut reads, 50), "ms", n);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a figure, not a check of behaviour"]
async fn a_hundred_thousand_files() {
    let file = SqliteFile::new();
    let store: Arc<dyn Store> = open(&file.path());
    let fence = activate(&store, "east-1").await;
    store.put_blob(&sha256(b"x"), b"x").await.unwrap();
    let operations: Vec<Operation> = (0..100_000)
        .map(|i| Operation {
            id: FileId::new("ann", format!("d{:03}", i / 200), format!("{i:06}.R")),
            expect: None,
            sha256: Some(sha256(b"x")),
            size: 1,
            ..Operation::default()
        })
        .collect();
    let request = |operations| ChangesetRequest {
        plan: "p".to_owned(),
        source: "west".to_owned(),
        operations,
        reason: String::new(),
    };
    let from = Instant::now();
    let all = store
        .open_changeset(&fence, &request(operations.clone()), "ann")
        .await
        .unwrap();
    print("store_open_changeset_100k_ms", ms(from.elapsed()), "ms", 1);
    // The lease is renewed meanwhile: what a commit of this size costs the others.
    let lease = {
        let (store, fence) = (Arc::clone(&store), fence.clone());
        tokio::spawn(async move {
            let mut longest = Duration::ZERO;
            for _ in 0..40 {
                let from = Instant::now();
                store.renew_lease(&fence).await.unwrap();
                longest = longest.max(from.elapsed());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            longest
        })
    };
    let from = Instant::now();
    store
        .commit_changeset(&fence, &all, "ann", Notes::default())
        .await
        .unwrap();
    print(
        "store_commit_changeset_100k_ms",
        ms(from.elapsed()),
        "ms",
        1,
    );
    print(
        "store_longest_lease_renewal_ms",
        ms(lease.await.unwrap()),
        "ms",
        40,
    );
    let from = Instant::now();
    let manifest = store.manifest(None).await.unwrap();
    print("store_manifest_100k_ms", ms(from.elapsed()), "ms", 1);

    let mut one = operations[5000].clone();
    one.expect = one.sha256.take();
    let id = store
        .open_changeset(&fence, &request(vec![one]), "ann")
        .await
        .unwrap();
    let from = Instant::now();
    let (committed, _) = store
        .commit_changeset(&fence, &id, "ann", Notes::default())
        .await
        .unwrap();
    print("store_commit_one_of_100k_ms", ms(from.elapsed()), "ms", 1);
    assert_ne!(committed.root, manifest.root);
}
