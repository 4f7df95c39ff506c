//! Nodes: what is refused, and that nothing is lost or half done.

use super::*;

const NODES: &str = "/api/v1/nodes";

fn draft(name: &str, port: u16) -> Value {
    json!({ "name": name, "host": "127.0.0.1", "port": port, "slot_limit": 3, "password": "s3cret" })
}

#[tokio::test]
async fn a_node_is_registered_once() {
    let server = Server::start().await;
    let operator = server.role("operator").await;
    let made = operator.post(NODES, draft("n1", 1)).await;
    assert_eq!(
        (made.status, made.header("etag")),
        (201, "\"1\""),
        "{}",
        made.text
    );
    let same_name = operator.post(NODES, draft("n1", 2)).await;
    same_name.is_problem(409, "already_exists");
    let same_place = operator.post(NODES, draft("n2", 1)).await;
    same_place.is_problem(409, "already_exists");
    assert_eq!(operator.get(NODES).await.json["total"], 1);
    let admin = server.admin().await;
    let audit = admin.audit().await;
    let rows: Vec<_> = audit
        .iter()
        .filter(|r| r["action"] == "node.create")
        .collect();
    assert_eq!(rows.len(), 1);
    assert!(!format!("{audit:?}{}", made.text).contains("s3cret"));
    let events = admin.get("/api/v1/events?topic=grid").await;
    assert!(events.text.contains("node.registered"), "{}", events.text);
    server.stop().await;
}

#[tokio::test]
async fn bad_values_are_named_field_by_field() {
    let server = Server::start().await;
    let operator = server.role("operator").await;
    let mut bad = draft("../x", 1);
    bad["slot_limit"] = json!(0);
    let answer = operator.post(NODES, bad.clone()).await;
    answer.is_problem(422, "invalid_input");
    let fields: Vec<_> = answer.json["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].clone())
        .collect();
    assert_eq!(fields, ["name", "slot_limit"]);
    operator
        .post("/api/v1/nodes/test", bad)
        .await
        .is_problem(422, "invalid_input");
    for name in ["<img onerror=x>", "a\u{0}b", &"x".repeat(300)] {
        operator
            .post(NODES, draft(name, 1))
            .await
            .is_problem(422, "invalid_input");
    }
    assert_eq!(operator.get(NODES).await.json["total"], 0);
    server.stop().await;
}

#[tokio::test]
async fn of_two_admins_who_edit_one_node_the_second_sees_what_changed() {
    let server = Server::start().await;
    let (first, second) = (server.admin().await, server.role("operator").await);
    first.post(NODES, draft("n1", 1)).await;
    let path = "/api/v1/nodes/n1";
    let bare = first
        .send(
            first
                .request(Method::PATCH, path)
                .json(&json!({ "slot_limit": 5 })),
        )
        .await;
    bare.is_problem(428, "version_required");
    let edited = first
        .at(1, Method::PATCH, path, json!({ "slot_limit": 5 }))
        .await;
    assert_eq!(
        (edited.status, edited.header("etag")),
        (200, "\"2\""),
        "{}",
        edited.text
    );
    let late = second
        .at(1, Method::PATCH, path, json!({ "slot_limit": 9 }))
        .await;
    late.is_problem(412, "version_mismatch");
    assert_eq!(late.json["current"]["slot_limit"], 5);
    assert_eq!(late.header("etag"), "\"2\"");
    assert_eq!(second.get(path).await.json["slot_limit"], 5);
    let gone = second.at(1, Method::DELETE, path, json!({})).await;
    gone.is_problem(412, "version_mismatch");
    let zero = first
        .at(2, Method::PATCH, path, json!({ "slot_limit": 0 }))
        .await;
    zero.is_problem(422, "invalid_input");
    server.stop().await;
}

#[tokio::test]
async fn intent_needs_a_reason_and_a_node() {
    let server = Server::start().await;
    let operator = server.role("operator").await;
    operator.post(NODES, draft("n1", 1)).await;
    let path = "/api/v1/nodes/n1/intent";
    let short = operator
        .at(
            1,
            Method::POST,
            path,
            json!({ "intent": "disabled", "reason": " x " }),
        )
        .await;
    short.is_problem(422, "invalid_input");
    let done = operator
        .at(
            1,
            Method::POST,
            path,
            json!({ "intent": "disabled", "reason": "new disk" }),
        )
        .await;
    assert_eq!(done.json["intent_reason"], "new disk", "{}", done.text);
    assert_eq!(done.json["intent_by"], "operator-1");
    let none = operator
        .at(
            1,
            Method::POST,
            "/api/v1/nodes/n9/intent",
            json!({ "intent": "enabled", "reason": "why" }),
        )
        .await;
    assert!(none.status == 404 || none.status == 412, "{}", none.text);
    let removed = operator
        .at(2, Method::DELETE, "/api/v1/nodes/n1", json!({}))
        .await;
    assert_eq!(removed.status, 204, "{}", removed.text);
    operator
        .get("/api/v1/nodes/n1")
        .await
        .is_problem(404, "not_found");
    server.stop().await;
}

#[tokio::test]
async fn an_intent_has_bounds_and_ends_by_itself() {
    let server = Server::start().await;
    let operator = server.role("operator").await;
    operator.post(NODES, draft("n1", 1)).await;
    let path = "/api/v1/nodes/n1/intent";
    let intend = |version, body: Value| operator.at(version, Method::POST, path, body);
    for bad in [
        json!({ "intent": "disabled", "reason": "new disk", "for_s": 9 }),
        json!({ "intent": "disabled", "reason": "new disk", "for_s": 2_592_001 }),
        json!({ "intent": "enabled", "reason": "new disk", "for_s": 60 }),
        json!({ "intent": "enabled", "reason": "new disk", "force": true }),
    ] {
        intend(1, bad).await.is_problem(422, "invalid_input");
    }
    let wanted = json!({ "intent": "disabled", "reason": "new disk", "for_s": 10 });
    let set = intend(1, wanted).await;
    assert_eq!(set.status, 200, "{}", set.text);
    let (since, until) = (&set.json["intent_since"], &set.json["intent_until"]);
    assert_eq!(until.as_i64().unwrap() - since.as_i64().unwrap(), 10_000);
    let began = tokio::time::Instant::now();
    let now = loop {
        let now = operator.get("/api/v1/nodes/n1").await.json;
        if now["intent"] == "enabled" {
            break now;
        }
        assert!(began.elapsed() < PATIENCE, "{now}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(began.elapsed() > Duration::from_secs(8), "too early");
    assert_eq!(
        (&now["intent_by"], &now["intent_reason"]),
        (&json!("east-1"), &json!("new disk"))
    );
    assert_eq!(now["intent_until"], Value::Null);
    let events = operator.get("/api/v1/events?subject=n1").await.text;
    assert!(
        events.contains("the time for which it was disabled by operator-1 is over"),
        "{events}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_too_little_is_refused_until_it_is_overridden() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let node = super::tasks::with_node(&admin).await;
    let path = "/api/v1/nodes/n1";
    let wanted =
        |over: bool| json!({ "intent": "disabled", "reason": "new disk", "override_guard": over });
    let version = admin.get(path).await.json["version"].as_i64().unwrap();
    let refused = admin
        .at(
            version,
            Method::POST,
            &format!("{path}/intent"),
            wanted(false),
        )
        .await;
    refused.is_problem(409, "guard_rail");
    assert_eq!(refused.json["errors"][0]["field"], "guard.authenticated");
    admin
        .at(version, Method::DELETE, path, json!({}))
        .await
        .is_problem(409, "guard_rail");
    let done = admin
        .at(
            version,
            Method::POST,
            &format!("{path}/intent"),
            wanted(true),
        )
        .await;
    assert_eq!(
        (done.status, &done.json["intent"]),
        (200, &json!("disabled")),
        "{}",
        done.text
    );
    // What is out takes nothing more away.
    let version = done.json["version"].as_i64().unwrap();
    let removed = admin.at(version, Method::DELETE, path, json!({})).await;
    assert_eq!(removed.status, 204, "{}", removed.text);

    let late = admin
        .at(
            3,
            Method::PUT,
            "/api/v1/grid/limits",
            json!({ "least_slots": 2 }),
        )
        .await;
    late.is_problem(412, "version_mismatch");
    let set = admin
        .at(
            0,
            Method::PUT,
            "/api/v1/grid/limits",
            json!({ "least_slots": 2 }),
        )
        .await;
    assert_eq!(
        (set.status, set.header("etag")),
        (200, "\"1\""),
        "{}",
        set.text
    );
    let history = admin.get("/api/v1/grid/history").await.json;
    let last = history["points"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!((&last["node"], &last["total"]), (&json!("n1"), &json!(0)));
    let shares = admin.get("/api/v1/availability").await.json;
    assert_eq!(shares["nodes"][0]["name"], "n1", "{shares}");
    admin
        .get("/api/v1/grid/history?since=5")
        .await
        .is_problem(422, "invalid_input");
    drop(node);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_leaves_too_little_is_refused_until_it_is_overridden() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let node = super::tasks::with_node(&admin).await;
    let path = "/api/v1/nodes/n1";
    let edit = async |change: Value| {
        let version = admin.get(path).await.json["version"].as_i64().unwrap();
        admin.at(version, Method::PATCH, path, change).await
    };
    // Only asynchronous tasks: nothing would be left for those whose caller waits.
    let refused = edit(json!({ "operating_type": "asynchronous" })).await;
    refused.is_problem(409, "guard_rail");
    assert_eq!(refused.json["errors"][0]["field"], "guard.authenticated");
    assert!(
        refused.text.contains("With n1 changed so"),
        "{}",
        refused.text
    );
    assert_eq!(edit(json!({ "slot_limit": 2 })).await.status, 200);
    let limits = json!({ "least_slots": 2 });
    let set = admin
        .at(0, Method::PUT, "/api/v1/grid/limits", limits)
        .await;
    assert_eq!(set.status, 200, "{}", set.text);
    let refused = edit(json!({ "slot_limit": 1 })).await;
    refused.is_problem(409, "guard_rail");
    assert_eq!(refused.json["errors"][0]["field"], "guard.least_slots");
    assert_eq!(
        admin.get(path).await.json["slot_limit"],
        2,
        "nothing was done"
    );
    // What takes nothing away is not asked about.
    assert_eq!(edit(json!({ "labels": ["big"] })).await.status, 200);
    assert_eq!(edit(json!({ "slot_limit": 4 })).await.status, 200);
    let done = edit(json!({ "slot_limit": 1, "override_guard": true })).await;
    assert_eq!(
        (done.status, &done.json["slot_limit"]),
        (200, &json!(1)),
        "{}",
        done.text
    );
    let audit = admin.get("/api/v1/audit?action=node.edit").await.text;
    assert!(audit.contains("override_guard"), "{audit}");
    drop(node);
    server.stop().await;
}

#[tokio::test]
async fn a_test_names_what_is_wrong_at_the_address() {
    let server = Server::start().await;
    let operator = server.role("operator").await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let test = operator.post("/api/v1/nodes/test", draft("n1", port)).await;
    assert_eq!(
        (test.status, &test.json["ok"]),
        (200, &json!(false)),
        "{}",
        test.text
    );
    assert_eq!(test.json["code"], "node_refused");
    // What speaks HTTP is not Rserve: this server itself.
    let test = operator
        .post(
            "/api/v1/nodes/test",
            draft("n1", server.running.address.port()),
        )
        .await;
    assert!(
        ["node_not_rserve", "node_silent"].contains(&test.json["code"].as_str().unwrap()),
        "{}",
        test.text
    );
    server.stop().await;
}
