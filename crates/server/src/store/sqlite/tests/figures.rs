//! Figures of the store; run with `--release -- --ignored --nocapture figures`.

use super::open;
use crate::store::contract::{SqliteFile, activate, end, notes, start, task};
use crate::store::{Notes, Store};
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
