//! Work through a switchover and a failover: real servers, a real node, clients that keep asking.
#![allow(clippy::print_stdout, reason = "the measured gap is shown")]

use super::process::{Place, Server};
use super::rserve::Node;
use gridhelm_api::group::ServerRole;
use gridhelm_api::node::{Health, Node as Shown, NodeDraft};
use gridhelm_api::switch::{SwitchKind, SwitchState};
use gridhelm_api::task::{Source, Task, TaskRequest, TaskState};
use rustix::process::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Registers the node and waits until it is healthy.
async fn register(server: &Server, token: &str, node: &Node) {
    let draft = NodeDraft {
        name: "east-r01".into(),
        host: "127.0.0.1".into(),
        port: node.port,
        slot_limit: 3,
        operating_type: gridhelm_api::node::OperatingType::Mixed,
        user: Some("grid".into()),
        password: Some("secret".into()),
        labels: Vec::new(),
        intent: gridhelm_api::node::Intent::Enabled,
    };
    let answer = server
        .http
        .post(format!("{}/api/v1/nodes", server.url))
        .bearer_auth(token)
        .json(&draft)
        .send()
        .await
        .unwrap();
    assert!(
        answer.status().is_success(),
        "{}",
        answer.text().await.unwrap()
    );
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = server
            .http
            .get(format!("{}/api/v1/nodes/east-r01", server.url))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        let shown: Shown = answer.json().await.unwrap();
        if shown.health == Health::Healthy {
            return;
        }
        assert!(Instant::now() < end, "{shown:?}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn request(code: &str) -> TaskRequest {
    let source = Source::Code {
        code: code.to_owned(),
    };
    let mut request: TaskRequest = serde_json::from_value(serde_json::json!({
        "source": source,
    }))
    .unwrap();
    request.re_executable = true;
    request
}

/// Submits a task; the task as it is answered, or what went wrong.
async fn submit(
    http: &reqwest::Client,
    url: &str,
    token: &str,
    code: &str,
    wait: u32,
) -> Result<Task, String> {
    let answer = http
        .post(format!("{url}/api/v1/tasks?wait={wait}"))
        .bearer_auth(token)
        .json(&request(code))
        .send()
        .await
        .map_err(|error| format!("{error:?}"))?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| error.to_string())?;
    if !status.is_success() {
        return Err(format!("{status}: {text}"));
    }
    serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_task_fails_while_the_group_switches_over() {
    let node = Node::start("{preload}").await;
    let place = Place::new();
    let (one, two) = place.pair().await;
    let token = one.sign_in().await;
    register(&one, &token, &node).await;

    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            let (http, url, token) = (one.http.clone(), one.url.clone(), token.clone());
            tokio::spawn(async move {
                let mut failures = Vec::new();
                let mut longest = Duration::ZERO;
                while !stop.load(Ordering::SeqCst) {
                    let began = Instant::now();
                    match submit(&http, &url, &token, "6 * 7", 20).await {
                        Ok(task) if task.state == TaskState::Succeeded => {}
                        Ok(task) => failures.push(format!("{task:?}")),
                        Err(why) => failures.push(why),
                    }
                    longest = longest.max(began.elapsed());
                    done.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                (failures, longest)
            })
        })
        .collect();
    let some_more = async || {
        let (from, end) = (
            done.load(Ordering::SeqCst),
            Instant::now() + Duration::from_secs(20),
        );
        while done.load(Ordering::SeqCst) < from + 20 {
            assert!(
                Instant::now() < end,
                "the clients are stuck\n{}\n{}",
                one.log(),
                two.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    some_more().await;
    let begun = one
        .switch(&token, SwitchKind::Planned, "east-2", 1)
        .await
        .unwrap();
    let ended = two.ended(&token, &begun.id).await;
    assert_eq!(ended.state, SwitchState::Done, "{ended:#?}");
    // The clients still ask the old server, which relays for a while.
    some_more().await;
    stop.store(true, Ordering::SeqCst);
    println!("no server worked for {:?} ms", ended.gap_ms);
    for step in &ended.steps {
        let took = step
            .ended_at
            .zip(step.started_at)
            .map(|(end, start)| end - start);
        println!("step {}: {took:?} ms, {}", step.id, step.note);
    }
    for client in clients {
        let (failures, longest) = client.await.unwrap();
        assert!(
            failures.is_empty(),
            "{failures:#?}\n{}\n{}",
            one.log(),
            two.log()
        );
        println!("longest task through the switch: {longest:?}");
        assert!(longest < Duration::from_secs(3), "{longest:?}");
    }
    assert_eq!(two.status().await.unwrap().role, ServerRole::Active);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_may_repeat_survives_the_death_of_its_server() {
    let node = Node::start("{preload}").await;
    let place = Place::new();
    let (mut one, two) = place.pair().await;
    let token = one.sign_in().await;
    register(&one, &token, &node).await;
    let code = "Sys.sleep(1.5); 6 * 7";
    let task = submit(&one.http, &one.url, &token, code, 0).await.unwrap();
    let look = async |server: &Server| -> Task {
        let answer = server
            .http
            .get(format!("{}/api/v1/tasks/{}", server.url, task.id))
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        answer.json().await.unwrap()
    };
    let end = Instant::now() + Duration::from_secs(20);
    while look(&one).await.state != TaskState::Running {
        assert!(Instant::now() < end, "{}", one.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    one.end(Signal::KILL);
    let begun = two
        .switch(&token, SwitchKind::Forced, "east-2", 1)
        .await
        .unwrap();
    assert_eq!(two.ended(&token, &begun.id).await.state, SwitchState::Done);
    let end = Instant::now() + Duration::from_secs(30);
    let last = loop {
        let task = look(&two).await;
        if !matches!(task.state, TaskState::Queued | TaskState::Running) {
            break task;
        }
        assert!(Instant::now() < end, "{task:?}\n{}", two.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(last.state, TaskState::Succeeded, "{last:?}\n{}", two.log());
    assert_eq!(last.attempts.len(), 2, "{last:?}");
}
