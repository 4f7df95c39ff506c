//! Running user code on a real Rserve.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Node;
use gridhelm_rserve::Connection;
use gridhelm_rserve::run::{self, RErrorKind, RunEvent, RunOutcome, RunRequest};
use serde_json::json;

fn code(code: &str) -> RunRequest {
    RunRequest { code: code.into(), ..RunRequest::default() }
}

async fn outcome(connection: &mut Connection, source: &str) -> RunOutcome {
    run::run(connection, &code(source), |_| {}).await.unwrap()
}

#[tokio::test]
async fn a_run_prints_like_the_prompt_and_returns_its_last_value() {
    let node = Node::start("").await;
    let (mut c, session) = node.session().await;
    assert_eq!(session.listener_pid, node.pid());
    let got = outcome(&mut c, "x <- 2\nx * 21\n").await;
    assert_eq!(got.value, Some(json!(42)));
    assert_eq!(got.printed, "[1] 42\n");
    assert_eq!(got.error, None);
    let got = outcome(&mut c, "invisible(3)").await;
    assert_eq!((got.value, got.printed.as_str()), (None, ""));
    let got = outcome(&mut c, "cat('a\\n'); print.dog <- function(x, ...) cat('woof\\n'); structure(1, class = 'dog')\nprint(structure(1, class = 'dog'))").await;
    assert_eq!(got.printed, "a\nwoof\nwoof\n");
    assert_eq!(c.eval("ls()").await.unwrap().as_texts(), ["print.dog", "x"]);
}

#[tokio::test]
async fn parse_errors_and_errors_tell_line_call_and_trace() {
    let node = Node::start("").await;
    let (mut c, _) = node.session().await;
    let got = outcome(&mut c, "a <- 1\nb <- (2\nc c\n").await.error.unwrap();
    assert_eq!((got.kind, got.line), (RErrorKind::Parse, Some(3)), "{got:?}");
    assert!(c.eval("exists('a')").await.unwrap().as_bool() == Some(false), "nothing of it ran");
    let got = outcome(&mut c, "f <- function(n) {\n  if (n == 0) {\n    stop('bad thing')\n  }\n  g(n)\n}\ng <- function(n) {\n  f(n - 1)\n}\nf(2)\n").await;
    let error = got.error.unwrap();
    assert_eq!((error.kind, error.message.as_str()), (RErrorKind::Error, "bad thing"));
    assert_eq!(error.call.as_deref(), Some("f(n - 1)"));
    assert_eq!(error.line, Some(3), "{error:?}");
    assert_eq!(error.trace, ["f(2)", "g(n)", "f(n - 1)", "g(n)", "f(n - 1)", "stop(\"bad thing\")"]);
    let error = outcome(&mut c, "\n\nnope + 1").await.error.unwrap();
    assert_eq!((error.line, error.call, error.message.as_str()), (Some(3), None, "object 'nope' not found"));
    let error = outcome(&mut c, "f <- function() f(); f()").await.error.unwrap();
    assert!(error.trace.len() <= 30 && error.message.contains("deeply") || error.message.contains("stack"), "{error:?}");
    assert_eq!(outcome(&mut c, "1 + 1").await.value, Some(json!(2)), "the session goes on");
}

#[tokio::test]
async fn messages_warnings_and_progress_arrive_in_order() {
    let node = Node::start("").await;
    let (mut c, _) = node.session().await;
    let mut events = Vec::new();
    let source = "cat('one\\n'); message('two')\nf <- function() warning('three')\nf()\ngridhelm_progress(1, 4)\ncat('four', file = stderr())\nwarning('five')";
    let got = run::run(&mut c, &code(source), |e| events.push(e)).await.unwrap();
    assert_eq!(got.printed, "one\n");
    assert_eq!(events, [
        RunEvent::Output { text: "one\n".into() },
        RunEvent::Message { text: "two\n".into() },
        RunEvent::Warning { text: "In f(): three".into() },
        RunEvent::Progress { done: 1.0, total: 4.0 },
        RunEvent::Message { text: "four".into() },
        RunEvent::Warning { text: "five".into() },
    ]);
}
