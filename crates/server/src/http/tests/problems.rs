//! Requests that no handler can take, and what every answer carries.

use super::*;

#[tokio::test]
async fn unknown_addresses_and_methods_are_problems() {
    let server = Server::start().await;
    let api = server.nobody();
    for path in [
        "/api/v1/nothing",
        "/api/v2/server",
        "/nothing.js",
        "/../../etc/passwd",
        "/%2e%2e/x",
    ] {
        api.get(path).await.is_problem(404, "unknown_route");
    }
    let posted = api.post("/nothing", json!({})).await;
    posted.is_problem(404, "unknown_route");
    let wrong = api.send(api.request(Method::PUT, "/api/v1/server")).await;
    wrong.is_problem(405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), "GET,HEAD");
    server.stop().await;
}

#[tokio::test]
async fn malformed_json_is_told_where_and_not_what() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let send = |body: &'static str, kind: &'static str| {
        let request = admin.request(Method::POST, "/api/v1/nodes");
        admin.send(request.header("content-type", kind).body(body))
    };
    let answer = send(
        "{\"name\": \"n1\",\n \"password\": \"s3cret\" oops}",
        "application/json",
    )
    .await;
    answer.is_problem(400, "malformed_body");
    assert!(
        answer.text.contains("line 2") && !answer.text.contains("s3cret"),
        "{}",
        answer.text
    );
    send("{}", "text/plain")
        .await
        .is_problem(400, "malformed_body");
    send("", "application/json")
        .await
        .is_problem(400, "malformed_body");
    send("[[[[", "application/json; charset=utf-8")
        .await
        .is_problem(400, "malformed_body");
    server.stop().await;
}

#[tokio::test]
async fn a_body_over_its_limit_is_refused_with_and_without_announcement() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let big = vec![b' '; (2 << 20) + 1];
    let request = || {
        let request = admin.request(Method::POST, "/api/v1/nodes");
        request.header("content-type", "application/json")
    };
    admin
        .send(request().body(big.clone()))
        .await
        .is_problem(413, "too_large");
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
        big.chunks(1 << 18).map(|c| Ok(c.to_vec())).collect();
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    // The server may close before all was sent; then the client sees no answer.
    if let Ok(answer) = request().body(stream).send().await {
        assert_eq!(answer.status(), 413);
    }
    server.stop().await;
}

#[tokio::test]
async fn every_answer_says_who_gave_it() {
    let server = Server::start().await;
    let epoch = server
        .running
        .app
        .standing
        .borrow()
        .status
        .epoch
        .to_string();
    let api = server.nobody();
    for path in [
        "/health/live",
        "/api/v1/server",
        "/api/v1/nothing",
        "/api/v1/me",
    ] {
        let answer = api.get(path).await;
        assert_eq!(answer.header("x-gridhelm-server"), "east-1", "{path}");
        assert_eq!(answer.header("x-gridhelm-group"), "east");
        assert_eq!(answer.header("x-gridhelm-epoch"), epoch);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(answer.header("x-request-id").starts_with("UID-"));
    }
    // Nobody but a server of the group may choose an id or an address.
    let request = api
        .request(Method::GET, "/api/v1/me")
        .header("x-request-id", "UID-mine");
    assert_ne!(api.send(request).await.header("x-request-id"), "UID-mine");
    server.stop().await;
}

#[tokio::test]
async fn health_names_server_group_and_epoch() {
    let server = Server::start().await;
    for path in ["/health/live", "/health/ready", "/health/active"] {
        let answer = server.nobody().get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert_eq!(answer.json["server"], "east-1");
        assert_eq!(answer.json["group"], "east");
        assert!(answer.json["epoch"].as_i64().unwrap() > 0);
    }
    server.stop().await;
}

#[tokio::test]
async fn only_configured_consoles_may_call_from_another_origin() {
    let server = Server::start().await;
    let api = server.nobody();
    let ask = |origin: &'static str| {
        let request = api.request(Method::OPTIONS, "/api/v1/nodes/n1");
        api.send(
            request
                .header("origin", origin)
                .header("access-control-request-method", "PATCH")
                .header(
                    "access-control-request-headers",
                    "authorization,if-match,last-event-id",
                ),
        )
    };
    let good = ask("http://console.example:8080").await;
    assert_eq!(good.status, 200, "{}", good.text);
    assert_eq!(
        good.header("access-control-allow-origin"),
        "http://console.example:8080"
    );
    assert_eq!(good.header("access-control-max-age"), "600");
    assert!(
        good.header("access-control-allow-headers")
            .contains("last-event-id")
    );
    assert_eq!(
        ask("http://evil.example")
            .await
            .header("access-control-allow-origin"),
        ""
    );
    // Problems can be read by the console, too.
    let request = api
        .request(Method::GET, "/api/v1/me")
        .header("origin", "http://console.example:8080");
    let problem = api.send(request).await;
    problem.is_problem(401, "missing_token");
    assert_eq!(
        problem.header("access-control-allow-origin"),
        "http://console.example:8080"
    );
    assert!(
        problem
            .header("access-control-expose-headers")
            .contains("x-request-id")
    );
    server.stop().await;
}

#[tokio::test]
async fn a_panic_is_a_problem_with_an_id() {
    let server = Server::start().await;
    let http = crate::http::parts(std::sync::Arc::clone(&server.running.app)).unwrap();
    let boom = axum::routing::get(|| async { boom() });
    let router =
        axum::Router::new()
            .route("/boom", boom)
            .layer(axum::middleware::from_fn_with_state(
                http,
                crate::http::edge::edge,
            ));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let api = Api {
        base,
        ..server.nobody()
    };
    let answer = api.get("/boom").await;
    answer.is_problem(500, "internal");
    assert!(!answer.text.contains("boom"));
    serving.abort();
    server.stop().await;
}

fn boom() -> &'static str {
    panic!("boom")
}

#[tokio::test]
async fn lists_have_bounds() {
    let server = Server::start().await;
    let admin = server.admin().await;
    for path in [
        "/api/v1/events?limit=0",
        "/api/v1/audit?limit=1001",
        "/api/v1/events?severity=loud",
        "/api/v1/tasks?state=lost",
    ] {
        admin.get(path).await.is_problem(422, "invalid_input");
    }
    assert_eq!(admin.get("/api/v1/events?limit=1").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn the_console_is_served_with_its_policy() {
    let dir = tempfile::tempdir().unwrap();
    let console = dir.path().join("console");
    std::fs::create_dir(&console).unwrap();
    std::fs::write(console.join("index.html"), "<!doctype html><p>console").unwrap();
    std::fs::write(console.join("app-0123456789abcdef.js"), "plain").unwrap();
    std::fs::write(console.join("app-0123456789abcdef.js.br"), "packed").unwrap();
    std::fs::write(dir.path().join("deployment.json"), r#"{"name":"d","groups":[{"name":"west","servers":[{"name":"west-1","url":"http://127.0.0.1:9"}]}]}"#).unwrap();
    let mut config = config("east-1", dir.path());
    config.console_dir = Some(console.clone());
    config.deployment_file = Some(dir.path().join("deployment.json"));
    let server = Server::start_with(config).await;
    let api = server.nobody();
    let page = api.get("/?page=grid&group=east").await;
    assert_eq!(
        (page.status, page.header("cache-control")),
        (200, "no-cache")
    );
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("connect-src 'self' http://127.0.0.1:9;"),
        "{policy}"
    );
    assert_eq!(api.get("/index.html").await.text, page.text);
    let request = api
        .request(Method::GET, "/app-0123456789abcdef.js")
        .header("accept-encoding", "br");
    let script = api.send(request).await;
    assert_eq!(
        (script.text.as_str(), script.header("content-encoding")),
        ("packed", "br")
    );
    assert!(script.header("cache-control").contains("immutable"));
    assert_eq!(api.get("/app-0123456789abcdef.js").await.text, "plain");
    let known = api
        .request(Method::GET, "/")
        .header("if-none-match", page.header("etag"));
    assert_eq!(api.send(known).await.status, 304);
    assert_eq!(api.get("/deployment.json").await.json["name"], "d");
    api.get("/grid").await.is_problem(404, "unknown_route");
    // A new build is served without a restart.
    std::fs::write(console.join("index.html"), "new").unwrap();
    let later = std::time::SystemTime::now() + Duration::from_secs(2);
    let file = std::fs::File::options()
        .write(true)
        .open(console.join("index.html"))
        .unwrap();
    file.set_modified(later).unwrap();
    assert_eq!(api.get("/").await.text, "new");
    server.stop().await;
}
