//! R packages over HTTP: what is refused, and what is written down.

use super::tasks::with_node;
use super::*;
use std::time::Instant;

const PACKAGES: &str = "/api/v1/nodes/n1/packages";

#[tokio::test]
async fn packages_are_shown_checked_and_ordered_with_a_reason() {
    let server = Server::start().await;
    let (viewer, api) = (server.role("viewer").await, server.role("operator").await);
    let _node = with_node(&api).await;
    let read = api.post(&format!("{PACKAGES}/refresh"), json!({})).await;
    assert_eq!(read.status, 200, "{}", read.text);
    assert!(read.json["read_at"].is_i64());
    let grid = viewer.get("/api/v1/packages").await;
    let rows = grid.json["packages"].as_array().unwrap();
    assert!(
        rows.iter()
            .any(|r| r["name"] == "stats" && r["base"] == true),
        "{}",
        grid.text
    );
    let question = json!({ "names": ["stats", "nowhere"] });
    let answer = viewer.post("/api/v1/packages/check", question).await;
    assert_eq!(
        answer.json,
        json!({ "lacked": [{ "name": "nowhere", "nodes": ["n1"] }], "complete": [], "unknown": [] })
    );
    let bad = json!({ "names": ["a b"] });
    viewer
        .post("/api/v1/packages/check", bad)
        .await
        .is_problem(422, "invalid_input");

    let order = |names: Value, reason: &str| json!({ "names": names, "reason": reason });
    viewer
        .post(PACKAGES, order(json!(["zoo"]), "for risk"))
        .await
        .is_problem(403, "forbidden");
    for wrong in [
        order(json!([]), "for risk"),
        order(json!(["zoo"]), ""),
        order(json!(["zoo\"); quit(\""]), "for risk"),
    ] {
        api.post(PACKAGES, wrong)
            .await
            .is_problem(422, "invalid_input");
    }
    for path in [
        "/api/v1/nodes/none/packages",
        "/api/v1/nodes/none/packages/refresh",
    ] {
        api.post(path, order(json!(["zoo"]), "for risk"))
            .await
            .is_problem(404, "not_found");
    }
    viewer
        .get("/api/v1/nodes/none/packages")
        .await
        .is_problem(404, "not_found");

    // Its repository does not answer: the task says so.
    let made = api.post(PACKAGES, order(json!(["zoo"]), "for risk")).await;
    assert_eq!(
        (made.status, &made.json["title"]),
        (202, &json!("Install zoo on n1")),
        "{}",
        made.text
    );
    let path = format!(
        "/api/v1/tasks/{}?wait=30",
        made.json["id"].as_str().unwrap()
    );
    let done = api.get(&path).await;
    assert_eq!(done.json["state"], "failed", "{}", done.text);
    let why = done.json["failure"]["message"].as_str().unwrap();
    assert!(
        why.contains("no package can be had from file:///nowhere"),
        "{why}"
    );
    let audit = server.admin().await.audit().await;
    let row = audit.iter().find(|r| r["action"] == "packages.install");
    let row = row.unwrap();
    assert_eq!(
        (&row["actor"], &row["subject"]),
        (&json!("operator-1"), &json!("n1"))
    );
    assert_eq!(
        (&row["reason"], &row["after"]["names"]),
        (&json!("for risk"), &json!(["zoo"]))
    );
    let events = viewer.get("/api/v1/events?limit=20").await;
    assert!(
        events.text.contains("Install zoo on n1: for risk"),
        "{}",
        events.text
    );
    server.stop().await;
}

#[tokio::test]
async fn code_whose_packages_are_nowhere_is_refused_with_their_names() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    let _node = with_node(&api).await;
    let read = api.post(&format!("{PACKAGES}/refresh"), json!({})).await;
    assert_eq!(read.status, 200, "{}", read.text);
    let mut task = json!({ "source": { "code": { "code": "library(nowhere); 1" } } });
    let refused = api.post("/api/v1/tasks", task.clone()).await;
    refused.is_problem(422, "packages_missing");
    assert_eq!(
        refused.json["errors"],
        json!([{ "field": "nowhere", "message": "Missing on n1." }])
    );
    task["ignore_packages"] = json!(true);
    let failed = api.post("/api/v1/tasks?wait=30", task).await;
    assert_eq!(failed.json["state"], "failed", "{}", failed.text);
    server.stop().await;
}

#[tokio::test]
async fn a_node_that_takes_no_tasks_gets_no_installation() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    let mut node = with_node(&api).await;
    let order = json!({ "names": ["zoo"], "reason": "for risk" });
    let version = api.get("/api/v1/nodes/n1").await.json["version"]
        .as_i64()
        .unwrap();
    let change = json!({ "intent": "disabled", "reason": "a test", "override_guard": true });
    let path = "/api/v1/nodes/n1/intent";
    let disabled = api.at(version, Method::POST, path, change).await;
    assert_eq!(disabled.status, 200, "{}", disabled.text);
    let refused = api.post(PACKAGES, order.clone()).await;
    assert!(
        refused
            .is_problem(409, "conflict")
            .text
            .contains("enable it first")
    );
    let change = json!({ "intent": "enabled", "reason": "a test" });
    let version = disabled.json["version"].as_i64().unwrap();
    assert_eq!(
        api.at(version, Method::POST, path, change).await.status,
        200
    );
    node.signal("-KILL");
    let until = Instant::now() + PATIENCE;
    while api.get("/api/v1/nodes/n1").await.json["health"] != "unreachable" {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let refused = api.post(PACKAGES, order).await;
    assert!(
        refused
            .is_problem(409, "conflict")
            .text
            .contains("cannot be reached")
    );
    server.stop().await;
}
