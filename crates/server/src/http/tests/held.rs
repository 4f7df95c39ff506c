//! Replications that wait for another admin, and files whose access decides who reads and runs them.

use super::*;
use sha2::{Digest, Sha256};

const RULES: &str = "/api/v1/repository/rules";
const SETS: &str = "/api/v1/repository/changesets";

fn sha(text: &str) -> String {
    crate::random::to_hex(&Sha256::digest(text))
}

fn set(name: &str, author: &str, source: &str) -> Value {
    json!({ "plan": format!("p-{name}"), "source": source, "operations": [{
        "id": { "author": author, "directory": "risk", "name": name }, "sha256": sha("x"), "size": 1,
    }] })
}

async fn account(server: &Server, name: &str, role: &str) -> Api {
    let password = format!("password of {name}");
    let body = json!({ "username": name, "password": password, "role": role });
    let made = server.admin().await.post("/api/v1/users", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    server.as_user(name, &password).await
}

async fn open(api: &Api, request: Value) -> String {
    let opened = api.post(SETS, request).await;
    assert_eq!(opened.status, 201, "{}", opened.text);
    let id = opened.json["id"].as_str().unwrap().to_owned();
    for missing in opened.json["missing"].as_array().unwrap() {
        let path = format!("{SETS}/{id}/content/{}", missing.as_str().unwrap());
        let sent = api.send(api.request(Method::PUT, &path).body("x")).await;
        assert_eq!(sent.status, 204, "{}", sent.text);
    }
    id
}

async fn commit(api: &Api, id: &str) -> Answer {
    api.post(&format!("{SETS}/{id}/commit"), json!({})).await
}

#[tokio::test]
async fn a_held_replication_needs_another_admin() {
    let server = Server::start().await;
    let (admin, ann, ben) = (
        server.admin().await,
        account(&server, "ann", "admin").await,
        account(&server, "ben", "operator").await,
    );
    let rules = admin.get(RULES).await;
    assert_eq!(
        (rules.json["hold"].as_bool(), rules.header("etag")),
        (Some(false), "\"0\"")
    );
    let hold = json!({ "hold": true, "approval_hours": 2 });
    let hours = json!({ "hold": true, "approval_hours": 0 });
    admin
        .at(0, Method::PUT, RULES, hours)
        .await
        .is_problem(422, "invalid_input");
    ben.at(0, Method::PUT, RULES, hold.clone())
        .await
        .is_problem(403, "forbidden");
    let on = admin.at(0, Method::PUT, RULES, hold.clone()).await;
    assert_eq!(
        (on.status, on.header("etag")),
        (200, "\"1\""),
        "{}",
        on.text
    );
    admin
        .at(0, Method::PUT, RULES, hold)
        .await
        .is_problem(412, "version_mismatch");

    // Her own: she is an admin, and cannot approve it all the same.
    let id = open(&ann, set("a.R", "mia", "west")).await;
    let refused = commit(&ann, &id).await;
    refused.is_problem(409, "approval_needed");
    assert!(
        refused.text.contains("p-a.R") && refused.text.contains("ann"),
        "{}",
        refused.text
    );
    let verdict = format!("{SETS}/{id}/verdict");
    let approve = json!({ "approve": true });
    ann.post(&verdict, approve.clone())
        .await
        .is_problem(403, "forbidden");
    ben.post(&verdict, approve.clone())
        .await
        .is_problem(403, "forbidden");
    commit(&admin, &id).await.is_problem(409, "approval_needed");
    admin
        .post(&verdict, json!({ "approve": false }))
        .await
        .is_problem(422, "invalid_input");
    let no = admin
        .post(&verdict, json!({ "approve": false, "reason": "not today" }))
        .await;
    assert_eq!(no.json["verdict"]["approved"], false, "{}", no.text);
    let refused = commit(&ann, &id).await;
    refused.is_problem(409, "approval_needed");
    assert!(refused.text.contains("refused"), "{}", refused.text);

    let report = admin.get(&format!("{SETS}/{id}")).await;
    assert_eq!(
        report.json["planned"][0]["id"]["name"], "a.R",
        "{}",
        report.text
    );
    let yes = admin.post(&verdict, approve.clone()).await;
    assert_eq!(
        (yes.status, yes.json["verdict"]["by"].as_str()),
        (200, Some("admin")),
        "{}",
        yes.text
    );
    let done = commit(&ann, &id).await;
    assert_eq!(done.status, 200, "{}", done.text);
    admin
        .post(&verdict, approve.clone())
        .await
        .is_problem(404, "not_found");

    // An operator's is approved by any admin; what a group does to itself is not held.
    let id = open(&ben, set("b.R", "mia", "west")).await;
    commit(&ben, &id).await.is_problem(409, "approval_needed");
    let yes = ann.post(&format!("{SETS}/{id}/verdict"), approve).await;
    assert_eq!(yes.status, 200, "{}", yes.text);
    assert_eq!(commit(&ben, &id).await.status, 200);
    let own = open(&ben, set("c.R", "mia", "east")).await;
    assert_eq!(commit(&ben, &own).await.status, 200);

    let audit = admin.audit().await;
    let of = |action: &str| audit.iter().filter(|row| row["action"] == action).count();
    assert_eq!(
        (
            of("repository.rules"),
            of("changeset.approve"),
            of("changeset.refuse")
        ),
        (1, 2, 1)
    );
    server.stop().await;
}

/// Who may do what with a file, by its access: v viewer, o operator, each reads (r) and, operators, runs (x).
const MATRIX: [(&str, &[&str], bool, bool); 6] = [
    ("private", &[], false, false),
    ("restricted", &["MARKETING"], false, false),
    ("restricted", &["operator"], false, true),
    ("restricted", &["viewer"], true, true),
    ("shared", &[], true, true),
    ("public", &[], true, true),
];

#[tokio::test]
async fn a_files_access_decides_who_lists_reads_and_runs_it() {
    let server = Server::start().await;
    let (admin, viewer, operator) = (
        server.admin().await,
        server.role("viewer").await,
        server.role("operator").await,
    );
    let path = |what: &str, n: usize| {
        format!("/api/v1/repository/{what}?author=admin&directory=risk&name={n}.R")
    };
    for (n, (access, roles, ..)) in MATRIX.iter().enumerate() {
        assert_eq!(
            admin.put_new(&path("content", n), "41 + 1").await.status,
            201
        );
        let said = json!({ "access": access, "roles": roles });
        let said = admin.at(1, Method::PATCH, &path("file", n), said).await;
        assert_eq!(said.status, 200, "{}", said.text);
    }
    let mine = "/api/v1/repository/content?author=operator-1&directory=risk&name=mine.R";
    assert_eq!(operator.put_new(mine, "1").await.status, 201);
    // Off: as it always was.
    assert_eq!(viewer.get(&path("content", 0)).await.text, "41 + 1");
    let run = |n: usize| json!({ "source": { "script": { "file": { "author": "admin", "directory": "risk", "name": format!("{n}.R") } } } });
    let on = admin
        .at(0, Method::PUT, RULES, json!({ "enforce_access": true }))
        .await;
    assert_eq!(on.status, 200, "{}", on.text);

    for (n, (access, roles, by_viewer, by_operator)) in MATRIX.into_iter().enumerate() {
        for (api, may) in [
            (&viewer, by_viewer),
            (&operator, by_operator),
            (&admin, true),
        ] {
            let what = format!("{access} {roles:?}, may: {may}");
            for kind in ["file", "content"] {
                let read = api.get(&path(kind, n)).await;
                assert_eq!(
                    read.status,
                    if may { 200 } else { 404 },
                    "{what}: {}",
                    read.text
                );
            }
            let link = api.post(&path("link", n), json!({})).await;
            assert_eq!(
                link.status,
                if may { 200 } else { 404 },
                "{what}: {}",
                link.text
            );
            let listed = api.get("/api/v1/repository/files").await;
            let there = listed.json["items"].as_array().unwrap().iter();
            let there = there
                .filter(|item| item["name"] == format!("{n}.R"))
                .count();
            assert_eq!(there == 1, may, "{what}: {}", listed.text);
        }
        for (api, may) in [(&operator, by_operator), (&admin, true)] {
            let ran = api.post("/api/v1/tasks", run(n)).await;
            assert_eq!(
                ran.status,
                if may { 202 } else { 404 },
                "{access} {roles:?}: {}",
                ran.text
            );
        }
    }
    // Only the author and admins change a file or see how it changed, whoever may read it.
    let shared = 4;
    operator
        .get(&path("versions", shared))
        .await
        .is_problem(403, "forbidden");
    operator
        .get(&format!("{}&version=1", path("content", shared)))
        .await
        .is_problem(404, "not_found");
    operator
        .at(
            2,
            Method::PATCH,
            &path("file", shared),
            json!({ "access": "public" }),
        )
        .await
        .is_problem(403, "forbidden");
    operator
        .at(2, Method::DELETE, &path("content", shared), json!({}))
        .await
        .is_problem(403, "forbidden");
    let over = operator
        .request(Method::PUT, &path("content", shared))
        .body("x");
    operator
        .send(over.header("if-match", "\"2\""))
        .await
        .is_problem(403, "forbidden");
    let restore =
        json!({ "id": { "author": "admin", "directory": "risk", "name": "4.R" }, "version": 1 });
    operator
        .at(2, Method::POST, "/api/v1/repository/restore", restore)
        .await
        .is_problem(403, "forbidden");
    operator
        .post(SETS, set("4.R", "admin", "west"))
        .await
        .is_problem(403, "forbidden");
    assert_eq!(
        operator
            .get(&mine.replace("/content", "/versions"))
            .await
            .status,
        200
    );
    let own = open(&operator, set("large.R", "operator-1", "east")).await;
    assert_eq!(
        commit(&operator, &own).await.status,
        200,
        "a large upload of one's own"
    );
    assert_eq!(operator.get(&format!("{SETS}/{own}")).await.status, 200);
    let search = json!({ "text": "41 + 1", "contents": true });
    let searched = viewer.post("/api/v1/repository/search", search).await;
    let names: Vec<_> = searched.json["found"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["id"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["3.R", "4.R", "5.R"], "only what may be read");
    // What shows all files is for admins.
    let hash = sha("41 + 1");
    for path in [
        "/api/v1/repository/manifest",
        "/api/v1/repository/tree",
        &format!("/api/v1/repository/content/{hash}"),
    ] {
        operator.get(path).await.is_problem(403, "forbidden");
        assert_eq!(admin.get(path).await.status, 200, "{path}");
    }
    for (path, body) in [
        ("listings", json!({ "directories": [["admin", "risk"]] })),
        ("contents", json!({ "sha256": [hash] })),
        ("verify", json!({})),
    ] {
        let path = format!("/api/v1/repository/{path}");
        operator
            .post(&path, body.clone())
            .await
            .is_problem(403, "forbidden");
        assert_eq!(admin.post(&path, body).await.status, 200, "{path}");
    }
    server.stop().await;
}
