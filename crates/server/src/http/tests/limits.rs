//! Callers that ask for more than their share, send what nobody can want, or send it too slowly.

use super::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CONSOLE: &str = "http://console.example:8080";

async fn start(change: impl FnOnce(&mut Config)) -> (TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config("east-1", dir.path());
    change(&mut config);
    let server = Server::start_with(config).await;
    server.await_active().await;
    (dir, server)
}

fn says_when(answer: &Answer) -> &Answer {
    answer.is_problem(429, "too_many_requests");
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!(wait >= 1);
    answer
}

/// The first answer that is a refusal, of at most so many.
async fn first_refusal(api: &Api, path: &str, most: usize) -> Option<Answer> {
    for _ in 0..most {
        let request = api.request(Method::GET, path).header("origin", CONSOLE);
        let answer = api.send(request).await;
        if answer.status == 429 {
            return Some(answer);
        }
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    None
}

#[tokio::test]
async fn an_address_that_asks_too_much_waits_and_its_health_checks_do_not() {
    let (_dir, server) = start(|config| config.limits.requests_per_address = 1).await;
    let nobody = server.nobody();
    let refused = first_refusal(&nobody, "/api/v1/server", 50).await.unwrap();
    says_when(&refused);
    // A console on another origin must see why.
    assert_eq!(refused.header("access-control-allow-origin"), CONSOLE);
    assert!(first_refusal(&nobody, "/health/live", 50).await.is_none());
    server.stop().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_share() {
    let (_dir, server) = start(|config| {
        config.limits.requests_per_address = 1;
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let nobody = server.nobody();
    let from = async |client: &str| {
        let request = nobody.request(Method::GET, "/api/v1/server");
        nobody
            .send(request.header("x-forwarded-for", client))
            .await
            .status
    };
    let mut refused = 0;
    for _ in 0..30 {
        refused += usize::from(from("192.0.2.1").await == 429);
    }
    assert!(refused > 10, "{refused}");
    assert_eq!(from("192.0.2.2").await, 200);
    // The proxy itself, and what it does not name a client for, is not counted.
    assert!(first_refusal(&nobody, "/api/v1/server", 50).await.is_none());
    server.stop().await;
}

#[tokio::test]
async fn a_user_who_asks_too_much_waits_and_the_others_do_not() {
    let (_dir, server) = start(|config| config.limits.requests_per_user = 2).await;
    let (busy, other) = (server.role("viewer").await, server.role("operator").await);
    let refused = first_refusal(&busy, "/api/v1/me", 80).await.unwrap();
    assert!(
        says_when(&refused).text.contains("viewer-1"),
        "{}",
        refused.text
    );
    assert_eq!(other.get("/api/v1/me").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn ten_sign_ins_a_second_are_slowed_down_and_others_go_on() {
    let server = Server::start().await;
    let admin = server.admin().await;
    server.role("viewer").await;
    let mut slowed = 0;
    for n in 0..10 {
        let answer = server.sign_in("viewer-1", &format!("wrong {n}")).await;
        if answer.status == 429 {
            answer.is_problem(429, "too_many_attempts");
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
            slowed += 1;
        } else {
            answer.is_problem(401, "wrong_credentials");
        }
    }
    assert!(slowed >= 4, "{slowed}");
    assert_eq!(admin.get("/api/v1/me").await.status, 200);
    assert_eq!(server.sign_in("admin", &server.password).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn json_that_is_only_depth_is_refused_at_its_size_or_its_depth() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    let post = async |path: &str, body: String| {
        let request = api.request(Method::POST, path);
        let request = request.header("content-type", "application/json");
        api.send(request.body(body)).await
    };
    let nested = |depth: usize, ends: bool| {
        let end = if ends {
            "]".repeat(depth)
        } else {
            String::new()
        };
        format!(r#"{{"inputs":{{"x":{}{end}}}}}"#, "[".repeat(depth))
    };
    let deep = nested(10 << 20, false);
    post("/api/v1/tasks", deep.clone())
        .await
        .is_problem(413, "too_large");
    // Without an announced size, too.
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> = deep
        .as_bytes()
        .chunks(65_536)
        .map(|c| Ok(c.to_vec()))
        .collect();
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let request = api.request(Method::POST, "/api/v1/tasks");
    let request = request
        .header("content-type", "application/json")
        .body(stream);
    // The server may close before all is sent.
    if let Ok(answer) = request.send().await {
        assert_eq!(answer.status(), 413);
    }
    for (depth, ends) in [(1_000_000, true), (1_000_000, false), (200, true)] {
        let answer = post("/api/v1/tasks", nested(depth, ends)).await;
        answer.is_problem(400, "malformed_body");
        assert!(
            answer.text.contains("nested deeper than 128"),
            "{}",
            answer.text
        );
    }
    let answer = post(
        "/api/v1/session",
        format!(r#"{{"a":{}"#, "[".repeat(1_000_000)),
    )
    .await;
    answer.is_problem(400, "malformed_body");
    assert_eq!(api.get("/api/v1/me").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let server = Server::start().await;
    let api = server.role("operator").await;
    let path = "/api/v1/repository/content?directory=d&name=half.R";
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nif-none-match: *\r\ncontent-length: 1000\r\n\r\nhalf",
        api.token.as_deref().unwrap()
    );
    for shut_down in [true, false] {
        let mut client = TcpStream::connect(server.running.address).await.unwrap();
        client.write_all(head.as_bytes()).await.unwrap();
        if shut_down {
            client.shutdown().await.unwrap();
            let mut answer = String::new();
            let _ = client.read_to_string(&mut answer).await;
            assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
        }
    }
    let file = api.get(&path.replace("/content", "/file")).await;
    file.is_problem(404, "not_found");
    assert_eq!(api.put_new(path, "whole").await.status, 201);
    server.stop().await;
}

#[tokio::test]
async fn hundreds_that_trickle_their_heads_do_not_hold_the_others_up() {
    let server = Server::start().await;
    let mut slow = Vec::new();
    for _ in 0..300 {
        let mut client = TcpStream::connect(server.running.address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nx").await.unwrap();
        slow.push(client);
    }
    let began = std::time::Instant::now();
    assert_eq!(server.nobody().get("/health/live").await.status, 200);
    assert!(began.elapsed() < Duration::from_secs(5));
    drop(slow);
    server.stop().await;
}

#[tokio::test]
async fn of_a_thousand_streams_of_one_user_some_are_open_and_the_rest_know_why() {
    let server = Server::start().await;
    let (many, other) = (server.role("viewer").await, server.role("operator").await);
    let open = async |api: &Api| {
        let request = api.request(Method::GET, "/api/v1/events");
        request
            .header("accept", "text/event-stream")
            .send()
            .await
            .unwrap()
    };
    let most = crate::config::Limits::default().streams_per_user as usize;
    let mut streams = Vec::new();
    for n in 0..1000 {
        let response = open(&many).await;
        if n < most {
            assert_eq!(response.status(), 200, "{n}");
            streams.push(response);
        } else {
            assert_eq!((n, response.status().as_u16()), (n, 429));
            assert_eq!(response.headers()["retry-after"], "5");
            let text = response.text().await.unwrap();
            assert!(text.contains("200 event streams of viewer-1"), "{text}");
        }
    }
    assert_eq!(open(&other).await.status(), 200);
    // Those that are open go on, and one that ends makes room.
    let first = &mut streams[0];
    assert!(first.chunk().await.unwrap().is_some());
    streams.truncate(most / 2);
    let until = tokio::time::Instant::now() + PATIENCE;
    while open(&many).await.status() != 200 {
        assert!(tokio::time::Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(streams);
    server.stop().await;
}

#[tokio::test]
async fn every_kind_of_answer_has_its_headers() {
    let (_dir, server) = start(|_| {}).await;
    let (api, nobody) = (server.role("operator").await, server.nobody());
    let path = "/api/v1/repository/content?directory=www&name=a.svg";
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";
    assert_eq!(api.put_new(path, svg).await.status, 201);
    let link = api
        .post(&path.replace("/content", "/link"), json!({}))
        .await;
    let link = link.json["path"].as_str().unwrap().to_owned();
    let strict = |answer: &Answer, what: &str| {
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{what}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{what}");
        let policy = answer.header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "sandbox"] {
            assert!(policy.contains(part), "{what}: {policy}");
        }
    };
    for (what, answer) in [
        ("JSON", api.get("/api/v1/nodes").await),
        ("a problem", nobody.get("/api/v1/nodes").await),
        ("no address", nobody.get("/nothing").await),
        ("no address of the API", nobody.get("/api/v1/nothing").await),
        (
            "a wrong method",
            nobody.post("/health/live", json!({})).await,
        ),
        ("health", nobody.get("/health/live").await),
        ("metrics", api.get("/metrics").await),
        ("no download", nobody.get("/download/nothing").await),
        ("content", api.get(path).await),
        ("a download", nobody.get(&link).await),
    ] {
        strict(&answer, what);
        if answer.text == svg {
            assert!(
                answer
                    .header("content-disposition")
                    .starts_with("attachment")
            );
            assert_eq!(answer.header("content-type"), "application/octet-stream");
        }
    }
    let api_answer = api.get("/api/v1/nodes").await;
    assert_eq!(api_answer.header("cache-control"), "no-store");
    server.stop().await;
}
