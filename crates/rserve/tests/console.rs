//! What user code prints, as it arrives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Node;
use gridhelm_rserve::Connection;
use gridhelm_rserve::run::{self, RunEvent, RunOutcome, RunRequest};
use serde_json::json;

fn code(code: &str) -> RunRequest {
    RunRequest {
        code: code.into(),
        ..RunRequest::default()
    }
}

async fn outcome(connection: &mut Connection, source: &str) -> RunOutcome {
    run::run(connection, &code(source), |_| {}).await.unwrap()
}

#[tokio::test]
async fn messages_warnings_and_progress_arrive_in_order() {
    let node = Node::start("").await;
    let (mut c, _) = node.session().await;
    let mut events = Vec::new();
    let source = "cat('one\\n'); message('two')\nf <- function() warning('three')\nf()\ngridhelm_progress(1, 4)\ncat('four', file = stderr())\nwarning('five')";
    let got = run::run(&mut c, &code(source), |e| events.push(e))
        .await
        .unwrap();
    assert_eq!(got.printed, "one\n");
    assert_eq!(
        events,
        [
            RunEvent::Output {
                text: "one\n".into()
            },
            RunEvent::Message {
                text: "two\n".into()
            },
            RunEvent::Warning {
                text: "In f(): three".into()
            },
            RunEvent::Progress {
                done: 1.0,
                total: 4.0
            },
            RunEvent::Message {
                text: "four".into()
            },
            RunEvent::Warning {
                text: "five".into()
            },
        ]
    );
}

#[tokio::test]
async fn output_arrives_while_the_code_still_runs() {
    let node = Node::start("").await;
    let (mut c, session) = node.session().await;
    let gate = std::path::Path::new(&session.work_dir).join("gate");
    // The code waits for a file that only the arrival of its output makes: it would never end
    // otherwise. All within one expression.
    let source = "f <- function() {\n  for (i in 1:3) {\n    if (i == 1) cat('printed\\n') else if (i == 2) message('told') else print(i)\n    while (!file.exists('gate')) Sys.sleep(0.005)\n    file.remove('gate')\n  }\n}\nf()";
    let mut seen = Vec::new();
    let request = code(source);
    let running = run::run(&mut c, &request, |event| {
        std::fs::write(&gate, "").unwrap();
        // The node's user removes it.
        seen.push(event);
    });
    tokio::time::timeout(std::time::Duration::from_secs(20), running)
        .await
        .expect("the output came only at the end")
        .unwrap();
    assert_eq!(
        seen,
        [
            RunEvent::Output {
                text: "printed\n".into()
            },
            RunEvent::Message {
                text: "told\n".into()
            },
            RunEvent::Output {
                text: "[1] 3\n".into()
            },
        ]
    );
}

#[tokio::test]
async fn endless_output_is_cut_with_a_notice() {
    let node = Node::start("").await;
    let (mut c, _) = node.session().await;
    let request = RunRequest {
        max_output: 10_000,
        ..code("for (i in 1:20000) cat('line', i, '\\n')\nprint(1:10)\n'end'")
    };
    let mut sent = 0;
    let got = run::run(&mut c, &request, |e| {
        if let RunEvent::Output { text } = e {
            sent += text.len();
        }
    })
    .await
    .unwrap();
    assert!(
        got.truncated && sent < 11_000 && got.printed.len() == sent,
        "{sent}"
    );
    assert!(
        got.printed
            .ends_with("[output cut: the limit of 10,000 bytes is reached]\n"),
        "{}",
        &got.printed[got.printed.len() - 80..]
    );
    assert_eq!(got.value, Some(json!("end")));
    let got = outcome(&mut c, "cat(strrep('ø', 70000)); cat('\\n'); 1").await;
    assert!(
        !got.truncated && got.printed == format!("{}\n[1] 1\n", "ø".repeat(70_000)),
        "{}",
        got.printed.len()
    );
}

#[tokio::test]
async fn sinks_and_captures_of_the_code_are_its_own() {
    let node = Node::start("").await;
    let (mut c, _) = node.session().await;
    let got = outcome(&mut c, "x <- capture.output({cat('in\\n'); print(1)}); cat(x, sep = '|'); cat('\\n')\nsink('own.txt'); cat('to file\\n'); sink(); cat('after\\n')\nsink(); cat('still here\\n')\nsink('left.txt'); cat('kept')").await;
    assert_eq!(got.error, None);
    assert_eq!(got.printed, "in|[1] 1\nafter\nstill here\n");
    let names: Vec<_> = got
        .files
        .iter()
        .map(|f| (f.name.as_str(), f.bytes))
        .collect();
    assert_eq!(names, [("left.txt", 4), ("own.txt", 8)]);
    assert_eq!(outcome(&mut c, "cat('next')").await.printed, "next");
}

#[tokio::test]
async fn echo_shows_each_expression_before_its_result() {
    let node = Node::start("").await;
    let (mut c, _) = node.session().await;
    let request = RunRequest {
        echo: true,
        ..code("x <- 1 # one\nif (x > 0) {\n  x + 1\n}")
    };
    let got = run::run(&mut c, &request, |_| {}).await.unwrap();
    assert_eq!(
        got.printed,
        "> x <- 1\n> if (x > 0) {\n+   x + 1\n+ }\n[1] 2\n"
    );
}

#[tokio::test]
async fn a_node_without_oob_gives_the_output_with_the_answer() {
    let node = Node::start("oob disable").await;
    let (mut c, _) = node.session().await;
    let mut events = 0;
    let got = run::run(&mut c, &code("cat('a\\n'); message('m'); 2"), |_| {
        events += 1;
    })
    .await
    .unwrap();
    assert_eq!((got.printed.as_str(), events), ("a\n[1] 2\n", 3));
}

#[tokio::test]
async fn warnings_can_be_errors_or_nothing() {
    let node = Node::start("").await;
    let (mut c, _) = node.session().await;
    let mut events = Vec::new();
    let got = run::run(
        &mut c,
        &code("options(warn = 2); f <- function() warning('w'); f()"),
        |e| events.push(e),
    )
    .await
    .unwrap();
    assert_eq!(got.error.unwrap().message, "(converted from warning) w");
    run::run(
        &mut c,
        &code("options(warn = -1); warning('silent')"),
        |e| events.push(e),
    )
    .await
    .unwrap();
    assert_eq!(events, []);
    let got = outcome(&mut c, "options(warn = 0); x <- tryCatch(stop('a'), error = function(e) 'handled'); try(stop('b'), silent = TRUE); x").await;
    assert_eq!((got.value, got.error), (Some(json!("handled")), None));
}
