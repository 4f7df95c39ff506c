//! Tokens by which a server joins: made, listed, revoked, used once.

use super::*;
use crate::clock;
use crate::store::{Notes, StoredJoinToken};
use sha2::{Digest as _, Sha256};

const TOKENS: &str = "/api/v1/group/join-tokens";
const JOIN: &str = "/api/v1/group/join";

fn here() -> String {
    crate::identity::host_boot().unwrap()
}

fn ask(token: &str) -> Value {
    json!({ "token": token, "host_boot": here() })
}

async fn made(admin: &Api) -> (String, String) {
    let made = admin.post(TOKENS, json!({ "expires_in_s": 600 })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let text = |at: &Value| at.as_str().unwrap().to_owned();
    (text(&made.json["token"]), text(&made.json["listed"]["id"]))
}

#[tokio::test]
async fn a_token_is_shown_once_kept_as_a_hash_and_used_once() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let (token, id) = made(&admin).await;
    assert!(token.starts_with("ghj_") && token.len() == 68, "{token}");
    let listed = admin.get(TOKENS).await;
    assert!(!listed.text.contains(&token[4..]), "{}", listed.text);
    assert_eq!(listed.json[0]["state"], "open");
    assert_eq!(listed.json[0]["made_by"], "admin");

    let joined = server.nobody().post(JOIN, ask(&token)).await;
    assert_eq!(joined.status, 200, "{}", joined.text);
    assert_eq!(joined.json["group"], "east");
    assert_eq!(joined.json["name"], "east-2");
    assert_eq!(joined.json["database"]["kind"], "sqlite");
    assert_eq!(joined.header("cache-control"), "no-store");

    let again = server.nobody().post(JOIN, ask(&token)).await;
    again.is_problem(409, "conflict");
    assert!(again.text.contains("east-2"), "{}", again.text);
    let listed = admin.get(TOKENS).await;
    assert_eq!(listed.json[0]["state"], "used");
    assert_eq!(listed.json[0]["used_by"], "east-2");
    // A server that joined cannot be unmade by its token.
    let gone = admin.request(Method::DELETE, &format!("{TOKENS}/{id}"));
    admin.send(gone).await.is_problem(409, "conflict");

    let audit = admin.audit().await;
    let done: Vec<_> = audit
        .iter()
        .map(|row| row["action"].as_str().unwrap())
        .collect();
    for action in ["join_token.create", "join.server", "join.refused"] {
        assert!(done.contains(&action), "{done:?}");
    }
    assert!(!json!(audit).to_string().contains(&token[4..]));
    server.stop().await;
}

#[tokio::test]
async fn of_two_servers_at_once_one_joins() {
    let server = Server::start().await;
    let (token, _) = made(&server.admin().await).await;
    let nobody = server.nobody();
    let tries = (0..8).map(|_| nobody.post(JOIN, ask(&token)));
    let answers = futures_util::future::join_all(tries).await;
    let joined = answers.iter().filter(|a| a.status == 200).count();
    assert_eq!(joined, 1, "{answers:#?}");
    assert!(answers.iter().all(|a| a.status == 200 || a.status == 409));
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_good_lets_nobody_in() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let nobody = server.nobody();
    // Never made, and a person's token.
    for wrong in ["ghj_0", admin.token.as_deref().unwrap(), ""] {
        nobody
            .post(JOIN, ask(wrong))
            .await
            .is_problem(401, "invalid_token");
    }
    // Revoked.
    let (token, id) = made(&admin).await;
    let path = format!("{TOKENS}/{id}");
    for _ in 0..2 {
        let revoked = admin.send(admin.request(Method::DELETE, &path)).await;
        assert_eq!(revoked.status, 204, "{}", revoked.text);
    }
    let refused = nobody.post(JOIN, ask(&token)).await;
    refused.is_problem(409, "conflict");
    assert!(
        refused.text.contains("revoked by admin"),
        "{}",
        refused.text
    );
    let unknown = admin.request(Method::DELETE, &format!("{TOKENS}/j-0"));
    admin.send(unknown).await.is_problem(404, "not_found");
    // Expired.
    let now = clock::now();
    let late = StoredJoinToken {
        id: "j-late".into(),
        hash: crate::random::to_hex(&Sha256::digest(b"ghj_late")),
        made_by: "admin".into(),
        made_at: now - 2000,
        expires_at: now - 1000,
        used_by: None,
        used_at: None,
        revoked_by: None,
    };
    let store = &server.running.app.store;
    store
        .create_join_token(&late, Notes::default())
        .await
        .unwrap();
    let refused = nobody.post(JOIN, ask("ghj_late")).await;
    refused.is_problem(409, "conflict");
    assert!(refused.text.contains("expired"), "{}", refused.text);
    // Longer than a day is not made.
    let long = admin.post(TOKENS, json!({ "expires_in_s": 86_401 })).await;
    long.is_problem(422, "invalid_input");
    server.stop().await;
}

#[tokio::test]
async fn a_refusal_that_can_be_mended_does_not_use_the_token_up() {
    let server = Server::start().await;
    let (token, _) = made(&server.admin().await).await;
    let nobody = server.nobody();
    let mut elsewhere = ask(&token);
    elsewhere["host_boot"] = json!("another host");
    let refused = nobody.post(JOIN, elsewhere).await;
    refused.is_problem(409, "conflict");
    assert!(
        refused.text.contains("PostgreSQL") && refused.text.contains("east.db"),
        "{}",
        refused.text
    );
    let mut named = ask(&token);
    named["name"] = json!("east-1");
    nobody
        .post(JOIN, named.clone())
        .await
        .is_problem(409, "already_exists");
    named["name"] = json!("../east");
    nobody
        .post(JOIN, named.clone())
        .await
        .is_problem(422, "invalid_input");
    named["name"] = json!("spare");
    let joined = nobody.post(JOIN, named).await;
    assert_eq!(joined.json["name"], "spare", "{}", joined.text);
    server.stop().await;
}
