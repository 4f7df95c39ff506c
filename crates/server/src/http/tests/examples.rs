//! The examples of the API guide run as they are, against a real server and a real R.

use super::tasks::with_node;
use super::*;
use std::path::PathBuf;
use tokio::process::Command;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy/examples/api")
        .join(name)
}

/// Whether an interpreter is here; where it is not, its example is skipped with a word.
fn is_there(program: &str) -> bool {
    let found = std::process::Command::new(program)
        .arg("--version")
        .output();
    let there = found.is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped: no {program} here");
    }
    there
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_run_with_a_programs_token() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let _node = with_node(&admin).await;
    let draft = json!({ "name": "examples", "role": "operator", "areas": ["tasks"], "days": 1 });
    let token = admin.post("/api/v1/tokens", draft).await;
    let token = token.json["token"].as_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("plot.png");
    for (program, file, says) in [
        ("curl", "run-a-task.sh", "\"state\":\"succeeded\""),
        ("python3", "run-a-task.py", "3.93"),
        ("node", "run-a-task.mjs", "Median"),
        ("Rscript", "run-a-task.R", "100%"),
    ] {
        if !is_there(program) {
            continue;
        }
        let mut command = Command::new(if program == "curl" { "sh" } else { program });
        command
            .arg(example(file))
            .env("OUT", &plot)
            .env("NO_PROXY", "*");
        command.env("SERVER", server.url()).env("TOKEN", &token);
        let output = command.kill_on_drop(true).output();
        let output = tokio::time::timeout(PATIENCE, output)
            .await
            .unwrap()
            .unwrap();
        let (said, error) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        if error.contains("there is no package called") {
            eprintln!("skipped: {file} needs a package that is not here");
            continue;
        }
        assert!(
            output.status.success() && said.contains(says),
            "{file}: {said} {error}"
        );
        if program == "curl" {
            assert!(
                std::fs::read(&plot).unwrap().starts_with(b"\x89PNG"),
                "{file}: no plot"
            );
        }
    }
    // What went wrong is said with its code.
    if is_there("python3") {
        let mut command = Command::new("python3");
        command
            .arg(example("run-a-task.py"))
            .env("SERVER", server.url())
            .env("TOKEN", "wrong");
        let output = command.output().await.unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && error.contains("invalid_token: "),
            "{error}"
        );
    }
    server.stop().await;
}
