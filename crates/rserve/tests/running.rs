//! Running user code on a real Rserve.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Node;
use gridhelm_rserve::Connection;
use gridhelm_rserve::run::{self, RErrorKind, RunEvent, RunOutcome, RunRequest};
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
    let got = outcome(&mut c, "a <- 1\nb <- (2\nc c\n")
        .await
        .error
        .unwrap();
    assert_eq!(
        (got.kind, got.line),
        (RErrorKind::Parse, Some(3)),
        "{got:?}"
    );
    assert!(
        c.eval("exists('a')").await.unwrap().as_bool() == Some(false),
        "nothing of it ran"
    );
    let got = outcome(&mut c, "f <- function(n) {\n  if (n == 0) {\n    stop('bad thing')\n  }\n  g(n)\n}\ng <- function(n) {\n  f(n - 1)\n}\nf(2)\n").await;
    let error = got.error.unwrap();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (RErrorKind::Error, "bad thing")
    );
    assert_eq!(error.call.as_deref(), Some("f(n - 1)"));
    assert_eq!(error.line, Some(3), "{error:?}");
    assert_eq!(
        error.trace,
        [
            "f(2)",
            "g(n)",
            "f(n - 1)",
            "g(n)",
            "f(n - 1)",
            "stop(\"bad thing\")"
        ]
    );
    let error = outcome(&mut c, "\n\nnope + 1").await.error.unwrap();
    assert_eq!(
        (error.line, error.call, error.message.as_str()),
        (Some(3), None, "object 'nope' not found")
    );
    let error = outcome(&mut c, "f <- function() f(); f()")
        .await
        .error
        .unwrap();
    assert!(
        error.trace.len() <= 30 && error.message.contains("deeply")
            || error.message.contains("stack"),
        "{error:?}"
    );
    assert_eq!(
        outcome(&mut c, "1 + 1").await.value,
        Some(json!(2)),
        "the session goes on"
    );
}

#[tokio::test]
async fn inputs_and_outputs_travel_as_json() {
    let node = Node::start("").await;
    let (mut c, _) = node.session().await;
    let request = RunRequest {
        code: "total <- sum(d$x) + n; fit <- lm(y ~ x, d); f <- function(a) a; e <- globalenv(); P <- methods::setClass('P', representation(v = 'numeric')); s <- P(v = 1); nothing <- NULL; v <- c(1, NA)".into(),
        inputs: [
            ("d".to_owned(), json!({"type": "data.frame", "columns": {"x": [1, 2, 3], "y": [2, 4, 7]}})),
            ("n".to_owned(), json!(0.5)),
            ("odd name".to_owned(), json!("'; quit(); '")),
        ]
        .into(),
        outputs: ["total", "fit", "f", "e", "s", "odd name", "missing", "nothing", "v"].map(str::to_owned).into(),
        ..RunRequest::default()
    };
    let got = run::run(&mut c, &request, |_| {}).await.unwrap();
    assert_eq!(got.error, None);
    assert_eq!(got.outputs["total"], json!(6.5));
    assert_eq!(got.outputs["odd name"], json!("'; quit(); '"));
    assert_eq!(got.outputs["v"], json!([1, null]));
    assert_eq!(got.outputs["nothing"], json!(null));
    assert!(!got.outputs.contains_key("missing"));
    assert_eq!(got.outputs["f"]["what"], json!("function"));
    assert_eq!(got.outputs["f"]["text"], json!("function(a) a"));
    assert_eq!(got.outputs["e"]["what"], json!("environment"));
    assert!(
        got.outputs["s"]["what"]
            .as_str()
            .unwrap()
            .contains("class P"),
        "{}",
        got.outputs["s"]
    );
    let slope = got.outputs["fit"]["coefficients"]["x"].as_f64().unwrap();
    assert!((slope - 2.5).abs() < 1e-9);
    assert_eq!(
        got.outputs["fit"]["call"],
        json!({"type": "language", "text": "lm(formula = y ~ x, data = d)"})
    );
    for (name, value) in [("", json!(1)), ("a\0", json!(1)), ("x", json!("a\0b"))] {
        let request = RunRequest {
            inputs: [(name.to_owned(), value)].into(),
            ..code("1")
        };
        assert!(matches!(
            run::run(&mut c, &request, |_| {}).await,
            Err(gridhelm_rserve::Error::Invalid { .. })
        ));
    }
    assert_eq!(outcome(&mut c, "1").await.value, Some(json!(1)));
}

#[tokio::test]
async fn plots_and_files_are_gathered() {
    let node = Node::start("").await;
    let (mut c, session) = node.session().await;
    c.upload("given.csv", b"x\n1\n").await.unwrap();
    let source = "plot(1:3); hist(c(1, 2, 2)); dev.off(); plot(3:1)\ndir.create('out'); writeLines('hello', 'out/a.txt'); writeLines('b', '.hidden'); file.symlink('/etc/passwd', 'link'); setwd('out')\npng('own.png'); plot(1); dev.off()\ninvisible()";
    let request = RunRequest {
        graphics: run::GraphicsOptions {
            width: 320,
            height: 200,
            res: 72,
        },
        ..code(source)
    };
    let got = run::run(&mut c, &request, |_| {}).await.unwrap();
    assert_eq!(got.error, None);
    assert_eq!(got.plots, ["plot001.png", "plot002.png", "plot003.png"]);
    let mut names: Vec<_> = got
        .files
        .iter()
        .map(|f| (f.name.as_str(), f.bytes > 0))
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            (".hidden", true),
            ("out/a.txt", true),
            ("out/own.png", true)
        ]
    );
    assert_eq!(
        got.files
            .iter()
            .find(|f| f.name == "out/a.txt")
            .unwrap()
            .bytes,
        6
    );
    let png = c
        .download(&format!("{}/plot002.png", session.work_dir), 1 << 20)
        .await
        .unwrap();
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!(
        (&png[16..20], &png[20..24]),
        (&320_u32.to_be_bytes()[..], &200_u32.to_be_bytes()[..])
    );
    // An error keeps what was drawn, and a second run takes other names.
    let got = outcome(&mut c, "plot(1); stop('x')").await;
    assert_eq!(
        (got.plots, got.files.len()),
        (vec!["plot004.png".to_owned()], 0)
    );
    let got = outcome(&mut c, "1").await;
    assert!(got.plots.is_empty() && got.files.is_empty());
    let no_width = RunRequest {
        graphics: run::GraphicsOptions {
            width: 0,
            height: 1,
            res: 72,
        },
        ..code("1")
    };
    assert!(matches!(
        run::run(&mut c, &no_width, |_| {}).await,
        Err(gridhelm_rserve::Error::Invalid { .. })
    ));
}

#[tokio::test]
async fn code_that_ends_its_session_is_told_apart() {
    let node = Node::start("").await;
    for (source, status) in [
        ("cat('bye\\n'); quit(status = 3)", Some(3)),
        ("f <- function() q('no'); f()", Some(0)),
        ("tools::pskill(Sys.getpid(), 9)", None),
    ] {
        let (mut c, session) = node.session().await;
        let mut events = Vec::new();
        match run::run(&mut c, &code(source), |e| events.push(e)).await {
            Err(gridhelm_rserve::Error::Closed { quit_status, .. }) => {
                assert_eq!(quit_status, status, "{source}");
            }
            other => panic!("{other:?}"),
        }
        let left = std::path::Path::new(&session.work_dir).join(run::EXIT_FILE);
        assert_eq!(left.exists(), status.is_some(), "{source}");
        assert_eq!(
            events.contains(&RunEvent::Quit { status: 3 }),
            status == Some(3)
        );
        assert!(!c.is_usable());
    }
    let (mut c, session) = node.session().await;
    assert!(
        run::run(&mut c, &code("base::quit(status = 4)"), |_| {})
            .await
            .is_err()
    );
    let left = std::path::Path::new(&session.work_dir).join(run::EXIT_FILE);
    common::wait_for("the note of a quit() that went past ours", || left.exists()).await;
}

#[tokio::test]
async fn a_value_too_large_to_send_is_described() {
    let node = Node::start("").await;
    let (mut c, _) = node.session().await;
    let request = RunRequest {
        max_value: 1000,
        outputs: vec!["big".into()],
        ..code("big <- numeric(1000); invisible()")
    };
    let got = run::run(&mut c, &request, |_| {}).await.unwrap();
    assert_eq!(got.outputs["big"]["what"], json!("value too large to send"));
    assert!(got.outputs["big"]["bytes"].as_u64().unwrap() > 8000);
}

#[tokio::test]
async fn a_preloaded_node_serves_the_same() {
    let node = Node::start("{preload}").await;
    let mut c = node.open().await;
    assert_eq!(c.eval("length(ls(as.environment('gridhelm'), pattern = '^[.]gridhelm_', all.names = TRUE)) == 1L").await.unwrap().as_bool(), Some(true));
    run::prepare(&mut c, common::MARKER).await.unwrap();
    let loaded = "sum(search() == 'gridhelm') == 1L && !is.null(.gridhelm$state$work) && typeof(.gridhelm$plain) == 'closure'";
    assert_eq!(
        c.eval(loaded).await.unwrap().as_bool(),
        Some(true),
        "the node's own was taken"
    );
    assert_eq!(
        c.eval("ls(all.names = TRUE)").await.unwrap().as_texts(),
        Vec::<String>::new()
    );
    let got = outcome(&mut c, "x <- runif(1); plot(x); message('m'); x").await;
    assert_eq!((got.plots.len(), got.error), (1, None));
    let (mut d, _) = node.session().await;
    let again = outcome(&mut d, "x <- runif(1); plot(x); message('m'); x").await;
    assert_ne!(
        got.value, again.value,
        "two sessions drew the same random number"
    );
}
