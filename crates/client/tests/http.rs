//! The client against a real server on loopback that says what each test wants to hear.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use gridhelm_api::Code;
use gridhelm_api::repository::FileId;
use gridhelm_api::stream::Delta;
use gridhelm_client::{Body, Client, Error, Method, Token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Reads a request whole: its head, and as much body as it announces.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.unwrap();
        bytes.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let announced = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        if length == 0 || body.len() >= announced {
            return text;
        }
    }
}

/// A server that reads one request and writes `pieces`, one by one; then it closes, or stays silent for ever.
async fn server(pieces: Vec<String>, close: bool) -> (Client, oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (told, heard) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = told.send(read_request(&mut stream).await);
        for piece in pieces {
            stream.write_all(piece.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
        if !close {
            std::future::pending::<()>().await;
        }
    });
    (Client::new(base), heard)
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<String> {
    let length = body.len();
    vec![format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    )]
}

fn problem(status: u16, code: &str) -> String {
    format!(
        r#"{{"type":"/problems/{code}","title":"T","status":{status},"detail":"what happened","code":"{code}","request_id":"UID-1","server":"east-1"}}"#
    )
}

#[tokio::test]
async fn problems_are_told_apart() {
    let cases = [
        ("401 Unauthorized", "expired_token", true),
        ("401 Unauthorized", "wrong_credentials", false),
        ("403 Forbidden", "forbidden", false),
        ("412 Precondition Failed", "version_mismatch", false),
        ("503 Service Unavailable", "not_active", false),
        ("418 I'm a teapot", "a_code_of_the_future", false),
    ];
    for (status, code, ends_token) in cases {
        let number = status[..3].parse().unwrap();
        let (client, _) = server(answer(status, "", &problem(number, code)), true).await;
        let error = client.group().await.unwrap_err();
        assert_eq!(error.request_id(), Some("UID-1"), "{code}");
        assert_eq!(error.ends_token(), ends_token, "{code}");
        assert_eq!(error.try_another(), code == "not_active", "{code}");
        let right = match number {
            401 => matches!(error, Error::Unauthorised(_)),
            403 => matches!(error, Error::Forbidden(_)),
            _ => matches!(error, Error::Problem(_)),
        };
        assert!(right, "{code}: {error:?}");
        if number == 418 {
            assert_eq!(error.code(), Some(Code::Unknown));
        }
    }
}

#[tokio::test]
async fn what_is_not_gridhelm_is_not_understood() {
    let pages = [
        ("200 OK", "<html>A proxy's page</html>"),
        ("502 Bad Gateway", "<html>Bad gateway</html>"),
        ("200 OK", "{\"other\":1}"),
    ];
    for (status, body) in pages {
        let (client, _) = server(answer(status, "", body), true).await;
        let error = client.server().await.unwrap_err();
        assert!(matches!(error, Error::Decode { .. }), "{error:?}");
        assert!(!error.try_another());
    }
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_a_network_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = Client::new(format!("http://{address}"))
        .server()
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Network { .. }) && error.try_another(),
        "{error:?}"
    );
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_server_that_says_nothing_runs_into_the_time_out() {
    let (client, _) = server(Vec::new(), false).await;
    let error = client
        .raw(
            Method::Get,
            "/server?token=hidden",
            Vec::new(),
            Body::None,
            1,
        )
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::TimedOut { seconds: 1, .. }),
        "{error:?}"
    );
    assert!(
        !error.to_string().contains("hidden"),
        "a query never shows: {error}"
    );
}

#[tokio::test]
async fn a_write_carries_token_version_and_content() {
    let meta = r#"{"author":"a","directory":"d","name":"n ä.R","version":3,"size":2,"sha256":"","written_by":"a","written_at":0}"#;
    let (client, heard) = server(answer("200 OK", "etag: \"3\"\r\n", meta), true).await;
    let client = client.with_token(Some(Token::new("gh1.secret")));
    let file = FileId::new("a", "d", "n ä.R");
    let written = client
        .write_file(&file, Some(2), "why & how", b"x\n".to_vec())
        .await
        .unwrap();
    assert_eq!(written.version, 3);
    let request = heard.await.unwrap();
    let head = request
        .split("\r\n\r\n")
        .next()
        .unwrap()
        .to_ascii_lowercase();
    assert!(head.starts_with("put /api/v1/repository/content?author=a&directory=d&name=n%20%c3%a4.r&message=why%20%26%20how http/1.1"), "{head}");
    assert!(head.contains("authorization: bearer gh1.secret"), "{head}");
    assert!(head.contains("if-match: \"2\""), "{head}");
    assert!(request.ends_with("\r\n\r\nx\n"), "{request:?}");
}

#[tokio::test]
async fn a_new_file_must_not_be_there_yet() {
    let (client, heard) = server(
        answer(
            "412 Precondition Failed",
            "",
            &problem(412, "already_exists"),
        ),
        true,
    )
    .await;
    let error = client
        .write_file(&FileId::new("a", "d", "n"), None, "", Vec::new())
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(Code::AlreadyExists));
    assert!(
        heard
            .await
            .unwrap()
            .to_ascii_lowercase()
            .contains("if-none-match: *")
    );
}

#[tokio::test]
async fn a_list_is_read_plain_or_as_a_page() {
    for body in ["[]", "{\"items\":[]}"] {
        let (client, _) = server(answer("200 OK", "", body), true).await;
        assert!(client.nodes().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_stream_is_resumed_and_read_to_its_end() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        .to_owned();
    let pieces = vec![
        head,
        ": gridhelm\n\nid: b:7\nevent: tick\ndata: {\"type\":\"tick\",".to_owned(),
        "\"data\":{\"at\":5}}\n".to_owned(),
        "\nid: b:8\nevent: of_the_future\ndata: {\"type\":\"of_the_future\",\"data\":{}}\n\n".to_owned(),
        "event: patch\ndata: {\"at\":100,\"names\":[[1,\"r1\"]],\"slots\":[[1,0,\"busy\",7,null,\"t-1\"]]}\n\n".to_owned(),
        "id: b:9\nevent: node_removed\ndata: {\"type\":\"node_removed\",\"data\":{\"name\":\"r1\"}}\n\n".to_owned(),
    ];
    let (client, heard) = server(pieces, true).await;
    let mut stream = client.stream(Some("b:6")).await.unwrap();
    let (id, delta) = stream.next_delta().await.unwrap().unwrap();
    assert_eq!(
        (id.as_str(), delta),
        ("b:7", Delta::Tick { at: 5, stats: None })
    );
    let (id, delta) = stream.next_delta().await.unwrap().unwrap();
    let Delta::Patch(patch) = delta else {
        panic!("{delta:?}")
    };
    // Without an id of its own it is resumed behind the one before.
    assert_eq!(id, "b:8");
    assert_eq!(
        serde_json::to_string(&patch).unwrap(),
        r#"{"at":100,"names":[[1,"r1"]],"slots":[[1,0,"busy",7,null,"t-1"]]}"#
    );
    let (id, delta) = stream.next_delta().await.unwrap().unwrap();
    assert_eq!(
        (id.as_str(), delta),
        (
            "b:9",
            Delta::NodeRemoved {
                name: "r1".to_owned()
            }
        )
    );
    assert!(stream.next_delta().await.is_none());
    let request = heard.await.unwrap().to_ascii_lowercase();
    assert!(
        request.contains("get /api/v1/events?patches=1 ")
            && request.contains("last-event-id: b:6")
            && request.contains("accept: text/event-stream"),
        "{request}"
    );
}

#[tokio::test]
async fn a_known_event_that_cannot_be_read_is_an_error() {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nevent: node\ndata: {\"type\":\"node\",\"data\":{}}\n\n".to_owned();
    let (client, _) = server(vec![head], true).await;
    let mut stream = client.stream(None).await.unwrap();
    let error = stream.next_delta().await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Decode { .. }), "{error:?}");
}
