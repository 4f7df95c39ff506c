//! What a task costs over a raw connection. Run with `--ignored --nocapture`, in release.

use crate::node::RNode;
use crate::rig::{Rig, database};
use gridhelm_api::task::TaskState;
use gridhelm_rserve::{Connection, Credentials, Endpoint, Options};
use gridhelm_server::grid::GridOptions;
use std::time::{Duration, Instant};

const ROUNDS: usize = 200;
const PACE: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; run it in release"]
async fn cold_and_warm_tasks_over_a_raw_connection() {
    let node = RNode::start("r01").await;
    let raw = paced(async || {
        let endpoint = Endpoint {
            host: "127.0.0.1".to_owned(),
            port: node.port,
        };
        let credentials = Credentials {
            user: "grid".to_owned(),
            password: "secret".into(),
        };
        let opened = Connection::open(&endpoint, Some(&credentials), &Options::default()).await;
        let mut connection = opened.unwrap();
        connection.eval("1 + 1").await.unwrap();
        let ended = Instant::now();
        connection.close().await;
        ended
    })
    .await;
    let mut figures = vec![("raw", raw)];
    for (name, ahead) in [("cold", 0), ("warm", 2)] {
        let (_dir, path) = database();
        let options = GridOptions {
            sessions_ahead: ahead,
            ..GridOptions::default()
        };
        let rig = Rig::with_nodes(&path, "east-1", options, &[(&node, 3)]).await;
        let took = paced(async || {
            let task = rig.run("1 + 1").await;
            assert_eq!(task.state, TaskState::Succeeded);
            Instant::now()
        })
        .await;
        figures.push((name, took));
        rig.stop().await;
    }
    for (name, times) in figures {
        let (p50, p95) = (times[ROUNDS / 2], times[ROUNDS * 95 / 100]);
        eprintln!("{name}: p50 {p50:?} p95 {p95:?}");
    }
}

/// How long each round took, sorted; rounds begin 20 times a second.
async fn paced(mut round: impl AsyncFnMut() -> Instant) -> Vec<Duration> {
    let mut ticks = tokio::time::interval(PACE);
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        ticks.tick().await;
        let began = Instant::now();
        times.push(round().await - began);
    }
    times.sort();
    times
}
