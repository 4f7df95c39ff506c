//! Signing in, tokens, roles.

use super::*;
use crate::accounts::Actor;
use gridhelm_api::account::Role;

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
        request_id: String::new(),
    };
    assert!(actor.audit("a", "b").before.is_none());
}
