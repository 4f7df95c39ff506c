//! Prints how long the main steps take. Run with `--release -- --ignored --nocapture`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod common;

use std::time::Instant;

use common::{MARKER, Node};
use gridhelm_rserve::run::{self, RunRequest};

fn report(what: &str, times: &mut [f64]) {
    times.sort_by(f64::total_cmp);
    println!(
        "{what}: least {:.3} ms, median {:.3} ms, p95 {:.3} ms (n={})",
        times[0],
        times[times.len() / 2],
        times[times.len() * 95 / 100],
        times.len()
    );
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

#[tokio::test]
#[ignore = "a measurement, not a test"]
async fn how_long_the_main_steps_take() {
    for (kind, extra) in [("plain", ""), ("preloaded", "{preload}")] {
        let node = Node::start(extra).await;
        let (mut opens, mut prepares, mut firsts, mut runs, mut plots) =
            (vec![], vec![], vec![], vec![], vec![]);
        for _ in 0..100 {
            let start = Instant::now();
            let mut c = node.open().await;
            c.eval("1+1").await.unwrap();
            opens.push(ms(start));
            let start = Instant::now();
            let session = run::prepare(&mut c, MARKER).await.unwrap();
            prepares.push(ms(start));
            let request = RunRequest {
                code: "1+1".into(),
                ..RunRequest::default()
            };
            let start = Instant::now();
            run::run(&mut c, &request, |_| {}).await.unwrap();
            firsts.push(ms(start));
            for _ in 0..3 {
                let start = Instant::now();
                run::run(&mut c, &request, |_| {}).await.unwrap();
                runs.push(ms(start));
            }
            if plots.len() < 10 {
                let request = RunRequest {
                    code: "plot(1)".into(),
                    ..RunRequest::default()
                };
                let start = Instant::now();
                assert_eq!(
                    run::run(&mut c, &request, |_| {}).await.unwrap().plots,
                    ["plot001.png"]
                );
                plots.push(ms(start));
            }
            run::discard(c, &session).await.unwrap();
        }
        report(&format!("{kind}: connect+sign-in+eval(1+1)"), &mut opens);
        report(&format!("{kind}: prepare"), &mut prepares);
        report(&format!("{kind}: first run(1+1)"), &mut firsts);
        report(&format!("{kind}: later run(1+1)"), &mut runs);
        report(&format!("{kind}: plot(1)"), &mut plots);
    }
}
