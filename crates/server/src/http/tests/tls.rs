//! HTTPS over real sockets: what is shown, what replaces it, who is refused.

use super::*;
use crate::tls::tests::{Authority, config as tls_config, write_key};
use reqwest::Certificate;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A server with TLS and its folder, and who signed its certificate.
struct Secure {
    server: Server,
    folder: TempDir,
    authority: Authority,
}

fn secure_config(name: &str, folder: &Path) -> Config {
    Config {
        public_url: "https://127.0.0.1:0".to_owned(),
        tls: tls_config(folder),
        ..config(name, folder)
    }
}

impl Secure {
    async fn start(days: i64) -> Self {
        Self::start_with(days, |config| config).await
    }

    async fn start_with(days: i64, change: impl Fn(Config) -> Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        authority.issue(folder.path(), "127.0.0.1", days);
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let config = change(secure_config("east-1", folder.path()));
        let server = Server::start_with(config).await;
        server.await_active().await;
        Self {
            server,
            folder,
            authority,
        }
    }

    fn url(&self) -> String {
        self.server.running.app.config.public_url.clone()
    }

    /// A caller that trusts this authority.
    fn caller(&self, authority: &Authority) -> Api {
        let root = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .tls_certs_only([root]);
        Api {
            base: self.url(),
            token: None,
            client: client.build().unwrap(),
        }
    }

    async fn admin(&self) -> Api {
        let api = self.caller(&self.authority);
        let body = json!({ "username": "admin", "password": self.server.password });
        let answer = api.post("/api/v1/session", body).await;
        api.with(answer.json["token"].as_str().unwrap().to_owned())
    }

    /// Waits until the journal has an event of that kind; its message.
    async fn event(&self, api: &Api, kind: &str) -> String {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let page = api.get("/api/v1/events?topic=server").await.json;
            let items = page["items"].as_array().unwrap().clone();
            if let Some(event) = items.iter().find(|event| event["kind"] == kind) {
                assert_eq!(event["subject"], "east-1");
                return event["message"].as_str().unwrap().to_owned();
            }
            assert!(tokio::time::Instant::now() < until, "no {kind}: {items:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What a plain HTTP request to the port gets.
    async fn in_plain(&self, request: &str) -> String {
        let mut client = TcpStream::connect(self.server.running.address)
            .await
            .unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer.to_lowercase()
    }
}

fn why(error: &reqwest::Error) -> String {
    let mut cause: &dyn core::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[tokio::test]
async fn who_trusts_the_root_gets_answers_and_who_does_not_gets_none() {
    let secure = Secure::start(90).await;
    let status = secure.caller(&secure.authority).get("/api/v1/server").await;
    assert_eq!(status.status, 200);
    assert!(status.json["certificate"]["not_after"].as_i64().unwrap() > crate::clock::now());
    let stranger = secure.caller(&Authority::new());
    let error = stranger.request(Method::GET, "/").send().await.unwrap_err();
    assert!(why(&error).contains("UnknownIssuer"), "{error:?}");
    let metrics = secure.admin().await.get("/metrics").await.text;
    let line = metrics
        .lines()
        .find(|l| l.starts_with("gridhelm_certificate_not_after_seconds "));
    let until: f64 = line.unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let days = (until - crate::clock::now() as f64 / 1e3) / 86_400.0;
    assert!((89.0..90.1).contains(&days), "{days}");
    secure.server.stop().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let secure = Secure::start(90).await;
    let folder = secure.folder.path();
    let api = secure.admin().await;
    // A certificate of another authority: who trusts the new one gets in, who trusts the old one does not.
    let newer = Authority::new();
    newer.issue(folder, "127.0.0.1", 100);
    let trusting = secure.caller(&newer).with(api.token.clone().unwrap());
    let until = tokio::time::Instant::now() + PATIENCE;
    while trusting.request(Method::GET, "/").send().await.is_err() {
        assert!(tokio::time::Instant::now() < until, "not shown");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Not the same caller as before: it may resume its session.
    let old = secure.caller(&secure.authority);
    let error = old.request(Method::GET, "/").send().await.unwrap_err();
    assert!(
        why(&error).contains("invalid peer certificate"),
        "{error:?}"
    );
    assert!(
        secure
            .event(&trusting, "tls.replaced")
            .await
            .contains("good until")
    );

    write_key(folder, "nonsense");
    let told = secure.event(&trusting, "tls.broken").await;
    assert!(
        told.contains("goes on with") && told.contains("no private key"),
        "{told}"
    );
    let group = trusting.get("/api/v1/group").await.json;
    let check = &group["database_checks"][0];
    assert_eq!(
        (&check["id"], &check["outcome"]),
        (&json!("certificate"), &json!("warn"))
    );
    assert_eq!(
        trusting.get("/api/v1/server").await.json["certificate"]["stale"],
        true
    );
    secure.server.stop().await;
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_told_wherever_one_looks() {
    let secure = Secure::start(-2).await;
    let error = secure
        .caller(&secure.authority)
        .request(Method::GET, "/")
        .send()
        .await;
    let why = why(&error.unwrap_err()).to_lowercase();
    assert!(why.contains("expired"), "{why}");
    let keeper = &secure.server.running.app.keeper;
    // It is a member of its group a moment after it listens.
    let known = async {
        loop {
            let group = keeper.group().await.unwrap();
            if !group.members.is_empty() {
                return group;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let group = tokio::time::timeout(PATIENCE, known).await.unwrap();
    let check = &group.database_checks[0];
    assert!(check.evidence.contains("expired 2 days ago"), "{check:?}");
    let preflight = keeper.preflight("east-1").await.unwrap();
    let line = preflight.checks.last().unwrap();
    assert_eq!(
        (line.id.as_str(), &line.evidence),
        ("certificate", &check.evidence)
    );
    secure.server.stop().await;
}

#[tokio::test]
async fn plain_http_is_refused_or_sent_on_but_never_taken() {
    let get = "GET /x?y=1 HTTP/1.1\r\nhost: evil.example\r\n\r\n";
    let secure = Secure::start(90).await;
    let answer = secure.in_plain(get).await;
    assert!(answer.starts_with("http/1.1 400"), "{answer}");
    for part in [
        "tls_required",
        "https://127.0.0.1:",
        "x-request-id",
        "connection: close",
    ] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    let body = r#"{"username":"admin","password":"x"}"#;
    let sign_in = format!(
        "POST /api/v1/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = secure.in_plain(&sign_in).await;
    assert!(
        answer.starts_with("http/1.1 400") && answer.contains("change it"),
        "{answer}"
    );
    secure.server.stop().await;

    let sending = Secure::start_with(90, |mut config| {
        config.tls.plain_http = crate::config::PlainHttp::Redirect;
        config
    })
    .await;
    let answer = sending.in_plain(get).await;
    assert!(answer.starts_with("http/1.1 308"), "{answer}");
    assert!(
        answer.contains(&format!("location: {}/x?y=1\r\n", sending.url())),
        "{answer}"
    );
    let with_token = "GET / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t\r\n\r\n";
    for request in [sign_in.as_str(), with_token] {
        assert!(sending.in_plain(request).await.starts_with("http/1.1 400"));
    }
    sending.server.stop().await;
}

#[tokio::test]
async fn who_says_nothing_or_nonsense_does_not_hold_the_others_up() {
    let secure = Secure::start(90).await;
    let silent = TcpStream::connect(secure.server.running.address)
        .await
        .unwrap();
    let mut odd = TcpStream::connect(secure.server.running.address)
        .await
        .unwrap();
    // A TLS record that begins as a handshake and is none.
    odd.write_all(&[22, 3, 1, 0, 4, 1, 2, 3, 4]).await.unwrap();
    let mut said = Vec::new();
    let _ = odd.read_to_end(&mut said).await;
    assert_eq!(
        secure
            .caller(&secure.authority)
            .get("/health/live")
            .await
            .status,
        200
    );
    drop(silent);
    secure.server.stop().await;
}

#[tokio::test]
async fn servers_speak_https_to_each_other_and_tell_whom_they_do_not_trust() {
    let secure = Secure::start(90).await;
    let folder = secure.folder.path();
    let second = Server::start_with(secure_config("east-2", folder)).await;
    let mut standing = second.running.app.standing.clone();
    let known = standing.wait_for(|s| s.status.ready && s.status.active_url.is_some());
    tokio::time::timeout(PATIENCE, known)
        .await
        .unwrap()
        .unwrap();
    // Relayed by the standby to the active one.
    let at_second = Api {
        base: second.running.app.config.public_url.clone(),
        ..secure.admin().await
    };
    let node = json!({ "name": "n1", "host": "127.0.0.1", "port": 1, "slot_limit": 1 });
    let made = at_second.post("/api/v1/nodes", node).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.header("x-gridhelm-server"), "east-1");
    let checks = at_second
        .get("/api/v1/switch/preflight?to=east-2")
        .await
        .json;
    let of = |id: &str| {
        let all = checks["checks"].as_array().unwrap();
        all.iter().find(|check| check["id"] == id).unwrap().clone()
    };
    assert_eq!(of("standby_ready")["outcome"], "pass", "{checks}");
    assert_eq!(of("certificate")["outcome"], "pass", "{checks}");

    // The active server trusts others from now on: it says so, by itself.
    second.stop().await;
    std::fs::write(folder.join("ca.pem"), Authority::new().pem()).unwrap();
    secure.event(&secure.admin().await, "tls.replaced").await;
    let second = Server::start_with(secure_config("east-2", folder)).await;
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let group = secure.server.running.app.keeper.group().await.unwrap();
        let distrust = group
            .database_checks
            .iter()
            .find(|c| c.title.contains("east-2"));
        if let Some(check) = distrust.filter(|check| check.evidence.contains("does not trust")) {
            assert!(check.repair.as_ref().unwrap().contains("ca in [tls]"));
            break;
        }
        assert!(
            tokio::time::Instant::now() < until,
            "{:?}",
            group.database_checks
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    second.stop().await;
    secure.server.stop().await;
}

#[tokio::test]
async fn a_server_joins_by_https_at_one_that_it_trusts() {
    use crate::join::{JoinOptions, join};
    let secure = Secure::start(90).await;
    let folder = secure.folder.path();
    let draft = json!({ "expires_in_s": 600 });
    let made = secure
        .admin()
        .await
        .post("/api/v1/group/join-tokens", draft)
        .await;
    let ca = folder.join("ca.pem");
    let command = made.json["command"].as_str().unwrap();
    assert!(
        command.contains(&format!("{} --ca {}", secure.url(), ca.display())),
        "{command}"
    );
    let file = folder.join("joined.toml");
    let options = |ca: &Path| JoinOptions {
        server: secure.url(),
        ca: Some(ca.to_owned()),
        certificate: Some((folder.join("server.pem"), folder.join("server.key"))),
        plain: false,
        token: made.json["token"].as_str().unwrap().to_owned(),
        name: None,
        listen: Some("127.0.0.1:18101".parse().unwrap()),
        public_url: None,
        config: Some(file.clone()),
        user: None,
    };
    let other = folder.join("other.pem");
    std::fs::write(&other, Authority::new().pem()).unwrap();
    let refused = join(options(&other)).await.unwrap_err().to_string();
    assert!(
        refused.contains("signed the server's with --ca"),
        "{refused}"
    );
    assert!(!file.exists());
    // The token is still good: nothing was said to a server that is not trusted.
    join(options(&ca)).await.unwrap();
    let config = Config::load(&file, &|_| None).unwrap();
    assert_eq!(config.public_url, "https://127.0.0.1:18101");
    assert_eq!(config.tls, tls_config(folder));
    secure.server.stop().await;
}
