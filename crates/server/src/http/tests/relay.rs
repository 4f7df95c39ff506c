//! Two servers of a group: writes at the standby reach the active one.

use super::*;
use gridhelm_api::group::ServerRole;

pub(super) async fn pair() -> (TempDir, Server, Server) {
    let dir = tempfile::tempdir().unwrap();
    let active = Server::start_in(dir.path(), "east-1").await;
    active.await_active().await;
    let mut standby = Server::start_in(dir.path(), "east-2").await;
    standby.password.clone_from(&active.password);
    let mut standing = standby.running.app.standing.clone();
    let knows = standing.wait_for(|s| s.status.ready && s.status.active_url.is_some());
    tokio::time::timeout(PATIENCE, knows)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        standby.running.app.standing.borrow().status.role,
        ServerRole::Standby
    );
    (dir, active, standby)
}

#[tokio::test]
async fn a_write_at_the_standby_is_done_by_the_active_server() {
    let (_dir, active, standby) = pair().await;
    let at_standby = standby.admin().await;
    let draft = json!({ "name": "n1", "host": "127.0.0.1", "port": 1, "slot_limit": 1 });
    let made = at_standby.post("/api/v1/nodes", draft).await;
    assert_eq!(
        (made.status, made.header("etag")),
        (201, "\"1\""),
        "{}",
        made.text
    );
    assert_eq!(made.header("x-gridhelm-server"), "east-1");
    let audit = active.admin().await.audit().await;
    let row = audit.iter().find(|r| r["action"] == "node.create").unwrap();
    assert_eq!(row["request_id"], made.header("x-request-id"));
    assert_eq!(row["address"], "127.0.0.1");
    let file = "/api/v1/repository/content?directory=d&name=a.R";
    let written = at_standby.put_new(file, "x").await;
    assert_eq!(
        (written.status, written.header("x-gridhelm-server")),
        (201, "east-1"),
        "{}",
        written.text
    );
    assert_eq!(at_standby.get(file).await.text, "x");
    // Problems come back as they are; reads are answered here.
    let late = at_standby
        .at(
            9,
            Method::PATCH,
            "/api/v1/nodes/n1",
            json!({ "slot_limit": 2 }),
        )
        .await;
    late.is_problem(412, "version_mismatch");
    let read = at_standby.get("/api/v1/nodes/n1").await;
    assert_eq!(
        (read.status, read.header("x-gridhelm-server")),
        (200, "east-2")
    );
    assert_eq!(read.json["slots"], json!([]));
    assert_eq!(standby.nobody().get("/health/active").await.status, 503);
    standby.stop().await;
    active.stop().await;
}

#[tokio::test]
async fn work_at_the_standby_is_refused_with_the_active_servers_address() {
    let (_dir, active, standby) = pair().await;
    let at_standby = standby.admin().await;
    let task = json!({ "source": { "code": { "code": "1 + 1" } } });
    let refused = at_standby.post("/api/v1/tasks", task).await;
    refused.is_problem(503, "not_active");
    assert_eq!(refused.json["active_url"], active.url());
    assert_eq!(refused.header("retry-after"), "1");
    standby.stop().await;
    active.stop().await;
}

#[tokio::test]
async fn a_relayed_request_is_not_relayed_again() {
    let (_dir, active, standby) = pair().await;
    let token = active.running.app.accounts.server_token("east-1").unwrap();
    let at_standby = standby.admin().await;
    let draft = json!({ "name": "n1", "host": "127.0.0.1", "port": 1, "slot_limit": 1 });
    let request = at_standby
        .request(Method::POST, "/api/v1/nodes")
        .json(&draft);
    let refused = at_standby
        .send(request.header("x-gridhelm-relay", token))
        .await;
    refused.is_problem(503, "not_active");
    standby.stop().await;
    active.stop().await;
}

#[tokio::test]
async fn without_an_active_server_accounts_can_be_changed_and_nothing_else() {
    let (_dir, active, standby) = pair().await;
    let api = standby.admin().await;
    active.stop().await;
    let user = json!({ "username": "mia", "password": "long enough password", "role": "viewer" });
    let draft = json!({ "name": "n1", "host": "127.0.0.1", "port": 1, "slot_limit": 1 });
    let refused = api.post("/api/v1/nodes", draft).await;
    refused.is_problem(503, "not_active");
    let made = api.post("/api/v1/users", user).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(api.get("/api/v1/nodes").await.status, 200);
    standby.stop().await;
}
