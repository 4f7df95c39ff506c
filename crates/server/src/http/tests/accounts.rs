//! Signing in, tokens, roles.

use super::*;
use crate::accounts::Actor;
use gridhelm_api::account::Role;

/// The password of the account that `role("operator")` signs in.
const PASSWORD: &str = "password of operator";
const USERS: &str = "/api/v1/users";

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_cannot_be_told_apart() {
    let server = Server::start().await;
    let wrong = server.sign_in("admin", "wrong").await;
    wrong.is_problem(401, "wrong_credentials");
    let unknown = server.sign_in("nobody-here", "wrong").await;
    unknown.is_problem(401, "wrong_credentials");
    assert_eq!(wrong.json["detail"], unknown.json["detail"]);
    let odd = server.sign_in("../\u{0}<img onerror>", "wrong").await;
    odd.is_problem(401, "wrong_credentials");
    let audit = server.admin().await.audit().await;
    let refused: Vec<_> = audit
        .iter()
        .filter(|r| r["action"] == "session.refused")
        .collect();
    assert_eq!(refused.len(), 2, "{audit:?}");
    assert!(!format!("{audit:?}").contains("onerror"));
    server.stop().await;
}

#[tokio::test]
async fn guessing_is_slowed_down_and_audited_once() {
    let server = Server::start().await;
    for _ in 0..5 {
        server
            .sign_in("mia", "guess")
            .await
            .is_problem(401, "wrong_credentials");
    }
    for _ in 0..3 {
        let answer = server.sign_in("mia", "guess").await;
        answer.is_problem(429, "too_many_attempts");
        assert_eq!(answer.header("retry-after"), "1");
    }
    let audit = server.admin().await.audit().await;
    let throttled = audit.iter().filter(|r| r["action"] == "session.throttled");
    assert_eq!(throttled.count(), 1);
    server.stop().await;
}

#[tokio::test]
async fn bad_tokens_are_told_apart() {
    let server = Server::start().await;
    let nobody = server.nobody();
    let me = "/api/v1/me";
    let missing = nobody.get(me).await;
    missing.is_problem(401, "missing_token");
    assert_eq!(missing.header("www-authenticate"), "Bearer");
    nobody
        .with("gh1.x.y".into())
        .get(me)
        .await
        .is_problem(401, "invalid_token");
    let expired = server
        .running
        .app
        .accounts
        .token_that_expired("admin")
        .unwrap();
    nobody
        .with(expired)
        .get(me)
        .await
        .is_problem(401, "expired_token");
    let admin = server.admin().await;
    assert_eq!(admin.get(me).await.json["username"], "admin");
    let out = admin
        .send(admin.request(Method::DELETE, "/api/v1/session"))
        .await;
    assert_eq!(out.status, 204);
    admin.get(me).await.is_problem(401, "revoked_token");
    // Another sign-in of the same account is not touched.
    assert_eq!(server.admin().await.get(me).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_demotion_and_a_new_password_act_at_once() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let operator = server.role("operator").await;
    let probe = "/api/v1/nodes/none/probe";
    assert_eq!(operator.post(probe, json!({})).await.status, 404);
    let path = "/api/v1/users/operator-1";
    let change = |body| admin.send(admin.request(Method::PATCH, path).json(&body));
    assert_eq!(change(json!({ "role": "viewer" })).await.status, 200);
    // What was signed in with the old role has ended, too.
    assert!([401, 403].contains(&operator.post(probe, json!({})).await.status));
    let demoted = server.as_user("operator-1", "password of operator").await;
    demoted
        .post(probe, json!({}))
        .await
        .is_problem(403, "forbidden");
    assert_eq!(
        change(json!({ "role": "operator", "password": "another password" }))
            .await
            .status,
        200
    );
    demoted
        .get("/api/v1/me")
        .await
        .is_problem(401, "revoked_token");
    let again = server.as_user("operator-1", "another password").await;
    assert_eq!(again.get("/api/v1/me").await.status, 200);
    assert_eq!(change(json!({ "disabled": true })).await.status, 200);
    again
        .get("/api/v1/me")
        .await
        .is_problem(401, "revoked_token");
    let refused = server.sign_in("operator-1", "another password").await;
    refused.is_problem(401, "wrong_credentials");
    server.stop().await;
}

#[tokio::test]
async fn accounts_are_checked_and_the_last_admin_stays() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let draft = |name: &str, password: &str| json!({ "username": name, "password": password, "role": "viewer" });
    let short = admin.post(USERS, draft("mia", "short")).await;
    short.is_problem(422, "invalid_input");
    assert_eq!(short.json["errors"][0]["field"], "password");
    admin
        .post(USERS, draft("a/b", "long enough password"))
        .await
        .is_problem(422, "invalid_input");
    assert_eq!(
        admin
            .post(USERS, draft("mia", "long enough password"))
            .await
            .status,
        201
    );
    let twice = admin
        .post(USERS, draft("mia", "long enough password"))
        .await;
    twice.is_problem(409, "already_exists");
    for body in [json!({ "role": "viewer" }), json!({ "disabled": true })] {
        let last = admin
            .send(
                admin
                    .request(Method::PATCH, "/api/v1/users/admin")
                    .json(&body),
            )
            .await;
        last.is_problem(409, "conflict");
    }
    let none = admin
        .request(Method::PATCH, "/api/v1/users/nobody")
        .json(&json!({ "role": "viewer" }));
    admin.send(none).await.is_problem(404, "not_found");
    let audit = format!("{:?}", admin.audit().await);
    assert!(
        audit.contains("user.create") && !audit.contains("long enough"),
        "{audit}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_lost_admin_is_helped_on_the_host() {
    let server = Server::start().await;
    let accounts = &server.running.app.accounts;
    let old = server.admin().await;
    let password = accounts.reset_on_host("admin").await.unwrap();
    old.get("/api/v1/me").await.is_problem(401, "revoked_token");
    let admin = server.as_user("admin", &password).await;
    assert_eq!(admin.get(USERS).await.status, 200);
    let made = accounts.reset_on_host("second").await.unwrap();
    let second = server.as_user("second", &made).await;
    assert_eq!(second.get(USERS).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn tokens_are_verified_while_the_database_is_away() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let token = admin.token.clone().unwrap();
    let accounts = std::sync::Arc::clone(&server.running.app.accounts);
    server.stop().await;
    assert!(accounts.refresh().await.is_err(), "the database is closed");
    let claims = accounts.verify(&token).unwrap();
    assert_eq!((claims.sub.as_str(), claims.role), ("admin", Role::Admin));
}

#[tokio::test]
async fn no_account_is_made_with_a_bad_first_password() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new.db");
    let store = std::sync::Arc::new(crate::store::SqliteStore::open(&path, "east").unwrap());
    let accounts = crate::accounts::Accounts::new(store, "east").await.unwrap();
    assert!(accounts.bootstrap(Some("short")).await.is_err());
    assert!(accounts.list().await.unwrap().is_empty());
    assert!(
        accounts
            .bootstrap(Some("long enough password"))
            .await
            .is_ok()
    );
    let again = accounts.bootstrap(None).await.unwrap();
    assert!(matches!(again, Bootstrap::Existing));
    // An actor never shows a secret.
    let actor = Actor {
        name: "x".into(),
        role: Role::Viewer,
        address: String::new(),
        agent: String::new(),
        request_id: String::new(),
    };
    assert!(actor.audit("a", "b").before.is_none());
}

#[tokio::test]
async fn a_person_changes_their_own_password() {
    let server = Server::start().await;
    let mia = server.role("operator").await;
    let name = mia.get("/api/v1/me").await.json["username"]
        .as_str()
        .unwrap()
        .to_owned();
    let change = |current: &str, new: &str| json!({ "current": current, "new": new });
    let path = "/api/v1/me/password";
    let put = async |body| mia.send(mia.request(Method::PUT, path).json(&body)).await;
    put(change("wrong", "another long one"))
        .await
        .is_problem(422, "invalid_input");
    let short = put(change(PASSWORD, "short")).await;
    short.is_problem(422, "invalid_input");
    assert_eq!(short.json["errors"][0]["field"], "new");
    put(change(PASSWORD, PASSWORD))
        .await
        .is_problem(422, "invalid_input");
    let changed = put(change(PASSWORD, "another long one")).await;
    assert_eq!(changed.status, 200, "{}", changed.json);
    // The old sign-in has ended; the answer is a new one.
    mia.get("/api/v1/me").await.is_problem(401, "revoked_token");
    let token = changed.json["token"].as_str().unwrap().to_owned();
    assert_eq!(mia.with(token).get("/api/v1/me").await.status, 200);
    server
        .sign_in(&name, PASSWORD)
        .await
        .is_problem(401, "wrong_credentials");
    assert_eq!(server.sign_in(&name, "another long one").await.status, 200);
    let audit = format!("{:?}", server.admin().await.audit().await);
    assert!(!audit.contains("another long one"));
    server.stop().await;
}

#[tokio::test]
async fn an_admin_ends_the_sign_ins_of_an_account() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let viewer = server.role("viewer").await;
    let name = viewer.get("/api/v1/me").await.json["username"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("{USERS}/{name}/sessions");
    let ended = admin.send(admin.request(Method::DELETE, &path)).await;
    assert_eq!(ended.status, 204);
    viewer
        .get("/api/v1/me")
        .await
        .is_problem(401, "revoked_token");
    let users = admin.get(USERS).await.json;
    let seen = users
        .as_array()
        .unwrap()
        .iter()
        .find(|u| u["username"] == *name)
        .unwrap();
    assert!(seen["signed_in_at"].as_i64().unwrap() > 0);
    let nobody = admin.request(Method::DELETE, &format!("{USERS}/nobody/sessions"));
    admin.send(nobody).await.is_problem(404, "not_found");
    server.stop().await;
}

#[tokio::test]
async fn a_programs_token_does_what_it_was_made_for_and_no_more() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let operator = server.role("operator").await;
    let tokens = "/api/v1/tokens";
    let draft = |role: &str, areas: &[&str]| json!({ "name": "nightly", "role": role, "areas": areas, "days": 30 });
    operator
        .post(tokens, draft("admin", &[]))
        .await
        .is_problem(422, "invalid_input");
    let made = operator.post(tokens, draft("operator", &["tasks"])).await;
    assert_eq!(made.status, 201, "{}", made.json);
    let program = operator.with(made.json["token"].as_str().unwrap().to_owned());
    assert_eq!(program.get("/api/v1/tasks").await.status, 200);
    for path in ["/api/v1/nodes", "/api/v1/me", tokens, "/api/v1/events"] {
        program.get(path).await.is_problem(403, "forbidden");
    }
    // One for everything still does not what only people do, nor more than its role.
    let made_all = operator.post(tokens, draft("viewer", &[])).await;
    let all = operator.with(made_all.json["token"].as_str().unwrap().to_owned());
    assert_eq!(all.get("/api/v1/nodes").await.status, 200);
    all.post(
        "/api/v1/tasks",
        json!({ "source": { "code": { "code": "1" } } }),
    )
    .await
    .is_problem(403, "forbidden");
    all.post(tokens, draft("viewer", &[]))
        .await
        .is_problem(403, "forbidden");
    let change = json!({ "current": PASSWORD, "new": "another long one" });
    let put = all
        .request(Method::PUT, "/api/v1/me/password")
        .json(&change);
    all.send(put).await.is_problem(403, "forbidden");

    // It is listed without its secret, for its owner and for admins.
    let listed = operator.get(tokens).await;
    assert_eq!(listed.json.as_array().unwrap().len(), 2);
    assert!(!listed.json.to_string().contains("gh1."));
    assert_eq!(
        server.role("viewer").await.get(tokens).await.json,
        json!([])
    );
    let id = made.json["about"]["id"].as_str().unwrap();
    let end = |api: &Api| api.request(Method::DELETE, &format!("{tokens}/{id}"));
    let stranger = server.role("viewer").await;
    stranger
        .send(end(&stranger))
        .await
        .is_problem(404, "not_found");
    assert_eq!(admin.send(end(&admin)).await.status, 204);
    program
        .get("/api/v1/tasks")
        .await
        .is_problem(401, "revoked_token");
    // A sign-out everywhere leaves programs alone, shutting the account out does not.
    let name = operator.get("/api/v1/me").await.json["username"]
        .as_str()
        .unwrap()
        .to_owned();
    let sessions = admin.request(Method::DELETE, &format!("{USERS}/{name}/sessions"));
    assert_eq!(admin.send(sessions).await.status, 204);
    assert_eq!(all.get("/api/v1/nodes").await.status, 200);
    let out = admin
        .request(Method::PATCH, &format!("{USERS}/{name}"))
        .json(&json!({ "disabled": true }));
    assert_eq!(admin.send(out).await.status, 200);
    all.get("/api/v1/nodes")
        .await
        .is_problem(401, "revoked_token");
    server.stop().await;
}

#[tokio::test]
async fn admins_see_who_is_kept_out_and_walk_the_audit_log() {
    let server = Server::start().await;
    for _ in 0..6 {
        server.sign_in("mia", "guess").await;
    }
    let admin = server.admin().await;
    let out = admin.get("/api/v1/users/lockouts").await.json;
    assert_eq!(out[0]["username"], "mia", "{out}");
    let chain = admin.get("/api/v1/audit/verify").await.json;
    assert_eq!(chain["broken"], serde_json::Value::Null, "{chain}");
    assert!(chain["covered"].as_u64().unwrap() > 5);
    let refused = admin
        .get("/api/v1/audit?action=session.refused&actor=mia&limit=1")
        .await
        .json;
    assert_eq!(refused["items"][0]["actor"], "mia");
    assert!(refused["next"].is_string());
    // The program that asked is on record.
    let draft = json!({ "username": "bob", "password": "a long password", "role": "viewer" });
    let made = admin
        .request(Method::POST, USERS)
        .header("user-agent", "curl/8");
    assert_eq!(admin.send(made.json(&draft)).await.status, 201);
    let row = admin
        .get("/api/v1/audit?action=user.create&text=BOB")
        .await
        .json;
    assert_eq!(row["items"][0]["agent"], "curl/8", "{row}");
    server.stop().await;
}
