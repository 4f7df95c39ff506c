//! Backups, sizes, low disk and the bundle for support over HTTP.

use super::*;
use crate::store::backup::look;

const BACKUPS: &str = "/api/v1/backups";

/// Waits until no backup is being made; the list then.
async fn at_rest(admin: &Api) -> Value {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let list = admin.get(BACKUPS).await;
        assert_eq!(list.status, 200, "{}", list.text);
        if list.json["running"].is_null() {
            return list.json;
        }
        assert!(std::time::Instant::now() < end, "{}", list.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn fetch(server: &Server, path: &str) -> Option<Vec<u8>> {
    let answer = server
        .nobody()
        .request(Method::GET, path)
        .send()
        .await
        .unwrap();
    let fine = answer.status().is_success();
    if fine {
        let headers = answer.headers();
        assert!(
            headers["content-disposition"]
                .to_str()
                .unwrap()
                .starts_with("attachment")
        );
        assert!(
            headers["content-security-policy"]
                .to_str()
                .unwrap()
                .contains("sandbox")
        );
    }
    let bytes = answer.bytes().await.unwrap();
    fine.then(|| bytes.to_vec())
}

#[tokio::test]
async fn a_backup_is_made_listed_downloaded_once_and_removed() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let path = "/api/v1/repository/content?author=admin&directory=risk&name=limits.R";
    assert_eq!(admin.put_new(path, "x <- 1").await.status, 201);
    assert_eq!(at_rest(&admin).await["items"], json!([]));

    let begun = admin.post(BACKUPS, json!({})).await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    let list = at_rest(&admin).await;
    let item = &list["items"][0];
    assert_eq!(
        (item["made_by"].as_str(), item["server"].as_str()),
        (Some("admin"), Some("east-1"))
    );
    assert!(
        list["failed"].is_null() && list["folder"].as_str().unwrap().ends_with("backups"),
        "{list}"
    );
    let name = item["name"].as_str().unwrap().to_owned();

    let link = admin
        .post(&format!("{BACKUPS}/{name}/link"), json!({}))
        .await;
    let address = link.json["path"].as_str().unwrap().to_owned();
    let bytes = fetch(&server, &address).await.unwrap();
    assert_eq!(Some(bytes.len() as u64), item["size"].as_u64());
    assert_eq!(fetch(&server, &address).await, None, "it is good once");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.backup");
    std::fs::write(&copy, bytes).unwrap();
    let contents = look(&copy).unwrap();
    assert_eq!(
        (contents.head.group.as_str(), contents.end.rows_of("files")),
        ("east", 1)
    );

    for bad in ["x.backup", "..%2feast.db", "%2e%2e%2feast.backup"] {
        let gone = admin
            .send(admin.request(Method::DELETE, &format!("{BACKUPS}/{bad}")))
            .await;
        gone.is_problem(404, "not_found");
    }
    let removed = admin
        .send(admin.request(Method::DELETE, &format!("{BACKUPS}/{name}")))
        .await;
    assert_eq!(removed.status, 204, "{}", removed.text);
    assert_eq!(at_rest(&admin).await["items"], json!([]));

    let audit = admin.audit().await;
    let done: Vec<_> = audit
        .iter()
        .map(|row| row["action"].as_str().unwrap())
        .collect();
    for action in ["backup.create", "backup.download", "backup.delete"] {
        assert!(done.contains(&action), "{done:?}");
    }
    let events = admin.get("/api/v1/events").await.text;
    for kind in ["backup.made", "backup.downloaded", "backup.removed"] {
        assert!(events.contains(kind), "{events}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_the_schedule_made_goes_and_what_a_person_made_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config("east-1", dir.path());
    // Due at once, whatever the time: it has never been made.
    config.backup.at = Some(0);
    config.backup.keep = 1;
    let server = Server::start_with(config).await;
    server.await_active().await;
    let admin = server.admin().await;
    let end = std::time::Instant::now() + Duration::from_mins(3);
    loop {
        let list = at_rest(&admin).await;
        if list["items"][0]["made_by"] == "the schedule" {
            assert_eq!(list["schedule"]["at"], "00:00");
            break;
        }
        assert!(std::time::Instant::now() < end, "{list}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let group = admin.get("/api/v1/group").await;
    let lines = group.json["database_checks"].as_array().unwrap();
    let line = lines.iter().find(|line| line["id"] == "backups");
    assert_eq!(line.unwrap()["outcome"], "pass", "{}", group.text);
    assert!(lines.iter().any(|line| line["id"] == "disk_room"));
    server.stop().await;
}

#[tokio::test]
async fn sizes_tell_how_much_there_is_and_how_long_it_is_kept() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let path = "/api/v1/repository/content?author=admin&directory=risk&name=limits.R";
    assert_eq!(admin.put_new(path, "x <- 1").await.status, 201);
    let sizes = admin.get("/api/v1/sizes").await;
    assert_eq!(sizes.status, 200, "{}", sizes.text);
    let kinds = sizes.json["kinds"].as_array().unwrap();
    let of = |kind: &str| kinds.iter().find(|size| size["kind"] == kind).unwrap();
    assert_eq!(
        (
            of("versions")["rows"].as_u64(),
            of("versions")["bytes"].as_u64()
        ),
        (Some(1), Some(6))
    );
    assert_eq!(of("contents")["rows"], 1);
    assert!(of("audit")["rows"].as_u64().unwrap() > 0);
    assert_eq!(of("tasks")["kept"], "180 days");
    assert!(sizes.json["disk"]["total"].as_u64().unwrap() > 0);
    server.stop().await;
}

#[tokio::test]
async fn with_too_little_room_new_work_is_refused_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config("east-1", dir.path());
    // More than any disk has free.
    config.disk.refuse_below_mib = u64::from(u32::MAX);
    config.disk.refuse_below_percent = 100;
    let server = Server::start_with(config).await;
    server.await_active().await;
    let admin = server.admin().await;
    let path = "/api/v1/repository/content?author=admin&directory=risk&name=limits.R";
    let refused = admin.put_new(path, "x <- 1").await;
    refused.is_problem(507, "low_disk");
    assert!(refused.text.contains("Make room"), "{}", refused.text);
    assert_eq!(refused.header("retry-after"), "30");
    admin
        .post("/api/v1/tasks", json!({ "code": "1" }))
        .await
        .is_problem(507, "low_disk");
    admin
        .post("/api/v1/repository/changesets", json!({}))
        .await
        .is_problem(507, "low_disk");
    // What needs no room goes on.
    let account = json!({ "username": "ben", "password": "a long enough one", "role": "viewer" });
    assert_eq!(admin.post("/api/v1/users", account).await.status, 201);
    let end = std::time::Instant::now() + PATIENCE;
    while !admin.get("/api/v1/events").await.text.contains("disk.low") {
        assert!(std::time::Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let group = admin.get("/api/v1/group").await;
    let lines = group.json["database_checks"].as_array().unwrap();
    let line = lines.iter().find(|line| line["id"] == "disk_room").unwrap();
    assert_eq!(line["outcome"], "fail");
    server.stop().await;
}

#[tokio::test]
async fn a_bundle_for_support_holds_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config("east-1", dir.path());
    let file = dir.path().join("server.toml");
    std::fs::write(
        &file,
        "name = \"east-1\"\n[database]\nurl = \"postgresql://gridhelm:configured-secret@db1/east\"\npassword = \"written-secret\"\n",
    )
    .unwrap();
    config.source = Some(file);
    let server = Server::start_with(config).await;
    server.await_active().await;
    let admin = server.admin().await;
    let node = json!({
        "name": "east-r01", "host": "127.0.0.1", "port": 1, "slot_limit": 1,
        "user": "rserve", "password": "node-\"secret\"-1", "operating_type": "mixed", "labels": []
    });
    let made = admin.post("/api/v1/nodes", node).await;
    assert_eq!(made.status, 201, "{}", made.text);
    // Somebody wrote a secret where it does not belong.
    let reason = "its password is node-\"secret\"-1, ask Bearer abcdef0123456789 or postgresql://x:typed-secret@h/d";
    let intent = json!({ "intent": "disabled", "reason": reason });
    let disabled = admin
        .at(1, Method::POST, "/api/v1/nodes/east-r01/intent", intent)
        .await;
    assert_eq!(disabled.status, 200, "{}", disabled.text);
    let account = json!({ "username": "ben", "password": "account-secret-1", "role": "viewer" });
    assert_eq!(admin.post("/api/v1/users", account).await.status, 201);
    let join = admin
        .post("/api/v1/group/join-tokens", json!({ "expires_in_s": 600 }))
        .await;

    let link = admin.post("/api/v1/support-bundle/link", json!({})).await;
    assert_eq!(link.status, 200, "{}", link.text);
    let packed = fetch(&server, link.json["path"].as_str().unwrap())
        .await
        .unwrap();
    let bytes = zstd::bulk::decompress(&packed, 64 << 20).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let token = admin.token.clone().unwrap();
    let key = crate::random::to_hex(&server.running.app.store.token_key().await.unwrap());
    for secret in [
        "secret\"-1",
        "secret\\\"-1",
        "configured-secret",
        "written-secret",
        "typed-secret",
        "account-secret-1",
        "abcdef0123456789",
        &server.password,
        &token,
        &key,
        join.json["token"].as_str().unwrap(),
        "argon2id",
    ] {
        assert!(!text.contains(secret), "{secret} is in the bundle");
    }
    for file in [
        "configuration.toml",
        "log.txt",
        "nodes.json",
        "events.json",
        "checks.json",
        "metrics.txt",
        "sizes.json",
        "versions.json",
        "server.json",
        "switches.json",
    ] {
        assert!(
            text.contains(&format!("gridhelm-support/{file}")),
            "{file} is missing"
        );
    }
    assert!(
        text.contains("[removed]") && text.contains("gridhelm_epoch"),
        "it holds the rest"
    );
    server.stop().await;
}
