//! Tasks over HTTP, on a real R.

use super::node::Node;
use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

const TASKS: &str = "/api/v1/tasks";

fn code(code: &str) -> Value {
    json!({ "source": { "code": { "code": code } } })
}

/// Registers the node and waits until it takes work.
pub(super) async fn with_node(api: &Api) -> Node {
    let node = Node::start(
        "{preload}\neval .libPaths(tempdir())\neval options(repos = c(NONE = \"file:///nowhere\"))",
    )
    .await;
    let draft = json!({
        "name": "n1", "host": "127.0.0.1", "port": node.port, "slot_limit": 3, "user": "grid", "password": "secret",
    });
    let made = api.post("/api/v1/nodes", draft).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let until = Instant::now() + PATIENCE;
    loop {
        let seen = api.get("/api/v1/nodes/n1").await;
        if seen.json["health"] == "healthy" {
            return node;
        }
        assert!(Instant::now() < until, "{}", seen.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_task_runs_and_its_plot_is_fetched_once_by_link() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    let _node = with_node(&api).await;
    let run = code("cat('hello\\n'); plot(1:3); x <- 6 * 7; x");
    let done = api.post(&format!("{TASKS}?wait=30"), run).await;
    assert_eq!(
        (done.status, &done.json["state"]),
        (200, &json!("succeeded")),
        "{}",
        done.text
    );
    assert_eq!(done.json["submitted_by"], "operator-1");
    let id = done.json["id"].as_str().unwrap();
    let console = api.get(&format!("{TASKS}/{id}/console?from=0")).await;
    assert!(console.text.contains("hello"), "{}", console.text);
    let plot = done.json["artifacts"][0]["name"].as_str().unwrap();
    let path = format!("{TASKS}/{id}/artifacts/{plot}");
    let image = api.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(image.headers()["content-type"], "image/png");
    assert!(image.bytes().await.unwrap().starts_with(b"\x89PNG"));
    let link = api.post(&format!("{path}/link"), json!({})).await;
    let once = link.json["path"].as_str().unwrap();
    assert_eq!(server.nobody().get(once).await.status, 200);
    server.nobody().get(once).await.is_problem(404, "not_found");
    api.get(&format!("{TASKS}/{id}/artifacts/none.png"))
        .await
        .is_problem(404, "not_found");
    let listed = api
        .get(&format!("{TASKS}?state=succeeded,failed&q=CODE&limit=5"))
        .await;
    assert_eq!(listed.json["items"][0]["id"], id, "{}", listed.text);
    assert_eq!(
        api.get(&format!("{TASKS}?q=nothing")).await.json["items"],
        json!([])
    );
    let audit = server.admin().await.audit().await;
    assert!(
        audit
            .iter()
            .any(|r| r["action"] == "task.submit" && r["actor"] == "operator-1")
    );
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_run_is_refused_and_what_fails_in_r_is_an_answer() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    let file = |name: &str| json!({ "author": "operator-1", "directory": "d", "name": name });
    let script = |name: &str| json!({ "source": { "script": { "file": file(name) } } });
    api.post(TASKS, script("none.R"))
        .await
        .is_problem(404, "not_found");
    api.post(TASKS, script("../x"))
        .await
        .is_problem(422, "invalid_input");
    let mut bad = code("1");
    bad["timeout_s"] = json!(0);
    api.post(TASKS, bad).await.is_problem(422, "invalid_input");
    api.post(&format!("{TASKS}?wait=61"), code("1"))
        .await
        .is_problem(422, "invalid_input");
    api.post(TASKS, json!({ "source": "x" }))
        .await
        .is_problem(400, "malformed_body");
    let content = "/api/v1/repository/content?directory=d&name=bytes.R";
    assert_eq!(api.put_new(content, vec![0xff_u8, 0xfe]).await.status, 201);
    api.post(TASKS, script("bytes.R"))
        .await
        .is_problem(422, "invalid_input");
    api.get(&format!("{TASKS}/t-none"))
        .await
        .is_problem(404, "not_found");
    api.post(&format!("{TASKS}/t-none/cancel"), json!({}))
        .await
        .is_problem(404, "not_found");

    let _node = with_node(&api).await;
    let content = "/api/v1/repository/content?directory=d&name=bad.R";
    assert_eq!(api.put_new(content, "x <- (1").await.status, 201);
    let parse = api.post(&format!("{TASKS}?wait=30"), script("bad.R")).await;
    assert_eq!(
        (parse.status, &parse.json["failure"]["kind"]),
        (200, &json!("parse")),
        "{}",
        parse.text
    );
    assert_eq!(parse.json["script_version"], 1);
    let quit = api.post(&format!("{TASKS}?wait=30"), code("quit()")).await;
    assert_eq!(
        (quit.status, &quit.json["failure"]["kind"]),
        (200, &json!("session_ended")),
        "{}",
        quit.text
    );
    server.stop().await;
}

#[tokio::test]
async fn a_running_task_is_cancelled() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    let _node = with_node(&api).await;
    let accepted = api.post(TASKS, code("Sys.sleep(600)")).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let path = format!("{TASKS}/{}", accepted.json["id"].as_str().unwrap());
    let cancelled = api.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!(cancelled.status, 200, "{}", cancelled.text);
    let done = api.get(&format!("{path}?wait=30")).await;
    assert_eq!(done.json["state"], "cancelled", "{}", done.text);
    api.post(&format!("{path}/cancel"), json!({}))
        .await
        .is_problem(409, "conflict");
    server.stop().await;
}

#[tokio::test]
async fn no_task_fails_while_the_group_switches() {
    let (_dir, first, second) = super::relay::pair().await;
    let api = first.admin().await;
    let _node = with_node(&api).await;
    let stop = Arc::new(AtomicBool::new(false));
    let moved = Arc::new(AtomicUsize::new(0));
    let mut clients = Vec::new();
    for _ in 0..3 {
        let (api, stop, moved) = (api.clone(), Arc::clone(&stop), Arc::clone(&moved));
        clients.push(tokio::spawn(async move {
            let mut answers = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let answer = api.post(&format!("{TASKS}?wait=20"), code("1 + 1")).await;
                if answer.header("x-gridhelm-server") == "east-2" {
                    moved.fetch_add(1, Ordering::Relaxed);
                }
                answers.push(answer);
            }
            answers
        }));
    }
    let epoch = first.running.app.standing.borrow().status.epoch;
    let order = json!({ "kind": "planned", "to": "east-2", "expect_epoch": epoch, "reason": "test", "drain_s": 20 });
    // At the wrong server: it goes on to the right one.
    let at_second = second.nobody().with(api.token.clone().unwrap());
    let begun = at_second.post("/api/v1/switch", order).await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    second.await_active().await;
    // The old address still takes work for a while, and the new active server does it.
    let until = Instant::now() + PATIENCE;
    while moved.load(Ordering::Relaxed) < 3 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        for answer in client.await.unwrap() {
            assert_eq!(
                (answer.status, &answer.json["state"]),
                (200, &json!("succeeded")),
                "{}",
                answer.text
            );
        }
    }
    assert!(
        moved.load(Ordering::Relaxed) >= 3,
        "no task came to the new active server"
    );
    second.stop().await;
    first.stop().await;
}

#[tokio::test]
async fn a_full_queue_is_a_refusal_with_a_code_and_a_time_to_wait() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config("east-1", dir.path());
    config.tasks.queue_limit = 3;
    config.tasks.queued_per_user = 2;
    let server = Server::start_with(config).await;
    server.await_active().await;
    let (admin, operator) = (server.admin().await, server.role("operator").await);
    // Without a node every task waits.
    for _ in 0..2 {
        assert_eq!(operator.post(TASKS, code("1")).await.status, 202);
    }
    let own = operator.post(TASKS, code("1")).await;
    own.is_problem(429, "too_many_tasks");
    assert_eq!(own.header("retry-after"), "5");
    assert!(own.text.contains("2 tasks of operator-1"), "{}", own.text);
    assert_eq!(admin.post(TASKS, code("1")).await.status, 202);
    let all = admin.post(TASKS, code("1")).await;
    all.is_problem(503, "queue_full");
    assert_eq!(all.header("retry-after"), "5");
    server.stop().await;
}
