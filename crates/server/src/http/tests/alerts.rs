//! Alerts, and a webhook that is told of them: a real receiver, which refuses at first.

use super::*;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::sync::{Arc, Mutex};

const ALERTS: &str = "/api/v1/alerts";
const SECRET: &str = "a secret that nobody guesses";

/// What a receiver got.
#[derive(Clone, Debug)]
struct Got {
    headers: HeaderMap,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether it was signed with that secret.
    fn is_signed_by(&self, secret: &str) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{}.{}", self.header("gridhelm-timestamp"), self.body).as_bytes());
        let signature = crate::random::to_hex(&mac.finalize().into_bytes());
        self.header("gridhelm-signature") == format!("v1={signature}")
    }
}

/// A receiver that refuses the first `refusals` messages.
#[derive(Clone)]
struct Receiver {
    got: Arc<Mutex<Vec<Got>>>,
    refusals: Arc<Mutex<usize>>,
    port: u16,
}

impl Receiver {
    async fn start(refusals: usize) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            got: Arc::default(),
            refusals: Arc::new(Mutex::new(refusals)),
            port: listener.local_addr().unwrap().port(),
        };
        let router = axum::Router::new()
            .route("/hook", post(take))
            .route(
                "/elsewhere",
                post(|| async { (StatusCode::FOUND, [("location", "/hook")]) }),
            )
            .with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    async fn until(&self, what: &str, holds: impl Fn(&[Got]) -> bool) -> Vec<Got> {
        let began = tokio::time::Instant::now();
        loop {
            let got = self.got();
            if holds(&got) {
                return got;
            }
            assert!(began.elapsed() < PATIENCE, "waited for {what}: {got:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: String) -> StatusCode {
    receiver.got.lock().unwrap().push(Got { headers, body });
    let mut refusals = receiver.refusals.lock().unwrap();
    if *refusals == 0 {
        return StatusCode::NO_CONTENT;
    }
    *refusals -= 1;
    StatusCode::INTERNAL_SERVER_ERROR
}

/// Sets where messages go.
async fn hook(admin: &Api, version: i64, url: &str, secret: Option<&str>) -> Answer {
    let draft = json!({ "url": url, "enabled": true, "secret": secret });
    admin
        .at(version, Method::PUT, &format!("{ALERTS}/webhook"), draft)
        .await
}

/// One rule, that fewer slots than these can be used.
async fn rule(admin: &Api, version: i64, threshold: u32) {
    let rule = json!({ "name": "few-slots", "kind": "slots_below", "severity": "fail", "threshold": threshold, "notify": true });
    let body = json!({ "rules": [rule] });
    let set = admin
        .at(version, Method::PUT, &format!("{ALERTS}/rules"), body)
        .await;
    assert_eq!(set.status, 200, "{}", set.text);
}

async fn until_alerts(api: &Api, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let began = tokio::time::Instant::now();
    loop {
        let all = api.get(ALERTS).await.json;
        if holds(&all) {
            return all;
        }
        assert!(began.elapsed() < PATIENCE, "waited for {what}: {all}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_told_until_it_takes_it_and_the_secret_stays() {
    let receiver = Receiver::start(1).await;
    let server = Server::start().await;
    let admin = server.admin().await;
    let bare = hook(&admin, 0, &receiver.url("/hook"), None).await;
    bare.is_problem(422, "invalid_input");
    let set = hook(&admin, 0, &receiver.url("/hook"), Some(SECRET)).await;
    assert_eq!(set.status, 200, "{}", set.text);
    rule(&admin, 0, 1).await;
    let opened = receiver.until("two tries", |got| got.len() == 2).await;
    let ids: Vec<_> = opened
        .iter()
        .map(|got| got.header("gridhelm-delivery"))
        .collect();
    assert_eq!(ids[0], ids[1], "a try again has the same id");
    assert!(opened.iter().all(|got| got.is_signed_by(SECRET)));
    assert!(!opened[0].is_signed_by("another secret, not this"));
    let said = opened[1].json();
    assert_eq!(
        (&said["telling"], &said["group"], &said["alert"]["rule"]),
        (&json!("opened"), &json!("east"), &json!("few-slots"))
    );
    // It is over when the rule finds nothing any more: that is told, too.
    rule(&admin, 1, 0).await;
    let all = receiver.until("the end", |got| got.len() == 3).await;
    assert_eq!(all[2].json()["telling"], "resolved");
    let kept = admin.get(&format!("{ALERTS}/webhook")).await;
    assert_eq!(kept.json["has_secret"], true);
    let audit = serde_json::to_string(&admin.audit().await).unwrap();
    let events = admin.get("/api/v1/events").await;
    for text in [&set.text, &kept.text, &audit, &events.text] {
        assert!(!text.contains(SECRET), "{text}");
    }
    assert!(audit.contains("secret_changed"));
    assert!(events.text.contains("alert.opened") && events.text.contains("alert.resolved"));
    let viewer = server.role("operator").await;
    viewer
        .get(&format!("{ALERTS}/webhook"))
        .await
        .is_problem(403, "forbidden");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_is_sent_by_the_next_active_server() {
    let receiver = Receiver::start(usize::MAX).await;
    let (_dir, first, second) = super::relay::pair().await;
    let admin = first.admin().await;
    hook(&admin, 0, &receiver.url("/hook"), Some(SECRET)).await;
    rule(&admin, 0, 1).await;
    receiver.until("a try", |got| !got.is_empty()).await;
    let open = until_alerts(&admin, "an alert", |all| all["open"][0]["id"].is_string()).await;
    let id = open["open"][0]["id"].as_str().unwrap().to_owned();
    let reason = json!({ "reason": "somebody looks" });
    let seen = admin
        .post(&format!("{ALERTS}/{id}/acknowledge"), reason)
        .await;
    assert_eq!(seen.json["acknowledged"]["by"], "admin", "{}", seen.text);
    let at_second = second.nobody().with(admin.token.clone().unwrap());
    let order = json!({
        "kind": "forced", "to": "east-2", "expect_epoch": 1, "reason": "test", "confirm": "east",
    });
    let begun = at_second.post("/api/v1/switch", order).await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    second.await_active().await;
    let of_second = |got: &Got| got.json()["server"] == "east-2";
    let got = receiver
        .until("the next server's try", |got| got.iter().any(of_second))
        .await;
    *receiver.refusals.lock().unwrap() = 0;
    let last = got.iter().find(|got| of_second(got)).unwrap().json();
    assert_eq!(
        (&last["id"], &last["telling"]),
        (&got[0].json()["id"], &json!("opened"))
    );
    let now = at_second.get(ALERTS).await.json;
    assert_eq!(now["open"].as_array().unwrap().len(), 1, "{now}");
    assert_eq!(now["open"][0]["id"], id.as_str());
    assert_eq!(now["open"][0]["acknowledged"]["reason"], "somebody looks");
    let last_of_first = got.iter().rposition(|got| got.json()["server"] == "east-1");
    let first_of_second = got.iter().position(of_second);
    assert!(last_of_first < first_of_second, "the old one sends no more");
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_is_silent_and_an_inner_address_is_not_called() {
    let receiver = Receiver::start(0).await;
    let server = Server::start().await;
    let admin = server.admin().await;
    for inner in [
        "http://169.254.169.254/latest",
        "http://[::1]:80/",
        "http://10.0.0.1/",
        "http://localhost:1/",
    ] {
        let refused = hook(&admin, 0, inner, Some(SECRET)).await;
        refused.is_problem(422, "invalid_input");
        assert!(refused.text.contains("webhook_hosts"), "{}", refused.text);
    }
    // A redirect might lead there, so none is followed.
    hook(&admin, 0, &receiver.url("/elsewhere"), Some(SECRET)).await;
    let test = format!("{ALERTS}/webhook/test");
    let tried = admin.post(&test, json!({})).await;
    assert!(
        tried.json["trouble"]
            .as_str()
            .unwrap()
            .contains("redirects are not followed"),
        "{}",
        tried.text
    );
    assert!(receiver.got().is_empty());
    hook(&admin, 1, &receiver.url("/hook"), None).await;
    let tried = admin.post(&test, json!({})).await;
    assert!(tried.json["taken_at"].is_i64(), "{}", tried.text);
    assert!(receiver.got()[0].is_signed_by(SECRET), "the secret stayed");

    let silence = json!({ "rule": "few-slots", "for_s": 600, "reason": "we know it" });
    let made = admin.post(&format!("{ALERTS}/silences"), silence).await;
    assert_eq!(made.status, 201, "{}", made.text);
    rule(&admin, 0, 1).await;
    let all = until_alerts(&admin, "a silent alert", |all| {
        all["open"][0]["id"].is_string()
    })
    .await;
    assert_eq!(all["open"][0]["silenced"], true);
    assert_eq!(all["silences"].as_array().unwrap().len(), 1);
    rule(&admin, 1, 0).await;
    until_alerts(&admin, "its end", |all| all["ended"][0]["id"].is_string()).await;
    let id = made.json["id"].as_str().unwrap();
    let ended = admin
        .send(admin.request(Method::DELETE, &format!("{ALERTS}/silences/{id}")))
        .await;
    assert_eq!(ended.status, 204, "{}", ended.text);
    assert_eq!(receiver.got().len(), 1, "only the test was sent");
    server.stop().await;
}
