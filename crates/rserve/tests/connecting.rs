//! Connections: what answers, what does not, and what is mistaken for an Rserve.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::{Node, credentials};
use gridhelm_rserve::{
    Connection, Credentials, Data, Endpoint, Error, NA_REAL, Options, Value, watch,
};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn quick() -> Options {
    Options {
        handshake_timeout: Duration::from_millis(300),
        ..Options::default()
    }
}

/// A service that answers every connection with `greeting`, then says nothing more.
async fn service(greeting: &'static [u8]) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.write_all(greeting).await.unwrap();
                let mut sink = [0; 64];
                while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
            });
        }
    });
    Endpoint {
        host: "127.0.0.1".into(),
        port,
    }
}

async fn open(endpoint: &Endpoint) -> Error {
    Connection::open(endpoint, Some(&credentials()), &quick())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn values_of_r_become_json() {
    let node = Node::start("").await;
    let mut c = node.open().await;
    assert_eq!(
        (
            c.handshake().version.as_str(),
            c.handshake().protocol.as_str()
        ),
        ("0103", "QAP1")
    );
    assert!(c.handshake().needs_sign_in());
    for (code, expected) in [
        ("NULL", Json::Null),
        ("1L", json!(1)),
        ("NA", Json::Null),
        ("NA_character_", Json::Null),
        (
            "c(1, NA, NaN, Inf, -Inf)",
            json!([1, null, "NaN", "Inf", "-Inf"]),
        ),
        ("c(1L, NA)", json!([1, null])),
        ("c(TRUE, NA, FALSE)", json!([true, null, false])),
        ("c('a', NA, 'ø', '')", json!(["a", null, "ø", ""])),
        ("character()", json!([])),
        ("list()", json!([])),
        ("list(1, 'a', NULL)", json!([1, "a", null])),
        (
            "list(a = 1, b = list(c = TRUE))",
            json!({"a": 1, "b": {"c": true}}),
        ),
        ("c(x = 1, y = 2)", json!({"x": 1, "y": 2})),
        (
            "list(a = 1, 2)",
            json!({"type": "named", "names": ["a", ""], "values": [1, 2]}),
        ),
        (
            "factor(c('b', NA, 'a'))",
            json!({"type": "factor", "levels": ["a", "b"], "values": ["b", null, "a"]}),
        ),
        (
            "matrix(1:4, 2, dimnames = list(NULL, c('x', 'y')))",
            json!({"type": "matrix", "dim": [2, 2], "dimnames": [null, ["x", "y"]], "values": [1, 2, 3, 4]}),
        ),
        (
            "data.frame(z = 1:2, a = c('x', NA))",
            json!({"type": "data.frame", "rows": 2, "columns": {"z": [1, 2], "a": ["x", null]}}),
        ),
        (
            "data.frame(x = 1, row.names = 'r')",
            json!({"type": "data.frame", "rows": 1, "columns": {"x": [1]}, "row_names": ["r"]}),
        ),
        (
            "data.frame()",
            json!({"type": "data.frame", "rows": 0, "columns": {}}),
        ),
        ("as.Date('2026-11-22')", json!("2026-11-22")),
        (
            "as.POSIXct(c(0, NA), tz = 'UTC', origin = '1970-01-01')",
            json!(["1970-01-01T00:00:00.000Z", null]),
        ),
        ("as.raw(c(0, 255))", json!({"type": "raw", "hex": "00ff"})),
        (
            "complex(real = 1, imaginary = -2)",
            json!({"type": "complex", "re": [1], "im": [-2]}),
        ),
        (
            "quote(f(x + 1, k = 'a'))",
            json!({"type": "language", "text": "f(x + 1, k = \"a\")"}),
        ),
        ("quote(x)", json!({"type": "language", "text": "x"})),
        (
            "y ~ a + b",
            json!({"type": "language", "text": "y ~ a + b"}),
        ),
        (
            "globalenv()",
            json!({"type": "opaque", "what": "environment"}),
        ),
        (
            "function(x) x",
            json!({"type": "opaque", "what": "function"}),
        ),
        (
            "round(unname(coef(lm(dist ~ speed, cars))), 3)",
            json!([-17.579, 3.932]),
        ),
        (
            "expression(a, 1)",
            json!([{"type": "language", "text": "a"}, 1]),
        ),
        ("pairlist(a = 1)", json!({"a": 1})),
        (".Machine$integer.max", json!(2_147_483_647)),
        ("1e-320", json!(1e-320)),
    ] {
        assert_eq!(c.eval(code).await.unwrap().to_json(), expected, "{code}");
    }
    assert_eq!(
        c.eval("c(NA, TRUE)").await.unwrap().data,
        Data::Logical(vec![None, Some(true)])
    );
    let Data::Double(na) = c.eval("c(NA_real_, NaN)").await.unwrap().data else {
        panic!("doubles")
    };
    assert_eq!(
        (gridhelm_rserve::is_na(na[0]), gridhelm_rserve::is_na(na[1])),
        (true, false)
    );
}

#[tokio::test]
async fn values_sent_to_r_arrive_whole() {
    let node = Node::start("").await;
    let mut c = node.open().await;
    for json in [
        json!([1, null, "NaN", "Inf", "-Inf"]),
        json!(["a", null, "ø \u{1f980}", "", "\u{ff}"]),
        json!([true, null, false]),
        json!({"a": 1, "b": {"c": [[1, 2], "x", null]}}),
        json!({"type": "factor", "levels": ["a", "b"], "values": ["b", null]}),
        json!({"type": "matrix", "dim": [2, 1], "dimnames": [["x", "y"], null], "values": [1, 2]}),
        json!({"type": "data.frame", "rows": 2, "columns": {"z": [1, 2], "a": ["x", null]}}),
        json!({"type": "raw", "hex": "0001ff"}),
        json!({"type": "complex", "re": [1, null], "im": [0, 2]}),
    ] {
        c.assign("x", &Value::from_json(&json).unwrap())
            .await
            .unwrap();
        assert_eq!(c.eval("x").await.unwrap().to_json(), json);
    }
    c.assign(
        "d",
        &Value::from_json(
            &json!({"type": "data.frame", "columns": {"n": [1, 2, 3], "t": ["a", "b", "c"]}}),
        )
        .unwrap(),
    )
    .await
    .unwrap();
    let text = c
        .eval("paste(capture.output(str(d)), collapse = '|')")
        .await
        .unwrap();
    assert_eq!(
        text.as_str(),
        Some(
            "'data.frame':\t3 obs. of  2 variables:| $ n: num  1 2 3| $ t: chr  \"a\" \"b\" \"c\""
        )
    );
    c.assign("n", &Value::double(NA_REAL)).await.unwrap();
    assert_eq!(
        c.eval("is.na(n) && !is.nan(n)").await.unwrap().as_bool(),
        Some(true)
    );
    let big: Value = Data::Double((0..3_000_000).map(f64::from).collect()).into();
    c.assign("big", &big).await.unwrap();
    assert_eq!(
        c.eval("sum(big)").await.unwrap().as_f64(),
        Some(4_499_998_500_000.0),
        "a long header"
    );
    assert_eq!(c.eval("big").await.unwrap(), big);
    assert!(matches!(
        c.assign("x\0", &Value::null()).await,
        Err(Error::Invalid { .. })
    ));
    assert!(matches!(
        c.assign("x", &Data::Opaque(3).into()).await,
        Err(Error::Invalid { .. })
    ));
    assert_eq!(c.eval("1").await.unwrap().to_json(), json!(1));
}

#[tokio::test]
async fn errors_of_r_leave_the_connection_usable() {
    let node = Node::start("").await;
    let mut c = node.open().await;
    match c.eval("stop('no such luck')").await {
        Err(Error::R {
            code: 127, message, ..
        }) => assert!(message.contains("no such luck"), "{message}"),
        other => panic!("{other:?}"),
    }
    match c.eval("1 +").await {
        Err(error @ Error::R { code: 2 | 3, .. }) => assert!(error.leaves_session_usable()),
        other => panic!("{other:?}"),
    }
    assert_eq!(c.eval("1").await.unwrap().to_json(), json!(1));
}

#[tokio::test]
async fn files_go_up_and_down_unchanged() {
    let node = Node::start("").await;
    let mut c = node.open().await;
    for size in [0_usize, 1, 5, 524_288, 1_500_003] {
        let content: Vec<u8> = (0..size)
            .map(|i| u8::try_from(i * 31 % 251).unwrap())
            .collect();
        c.upload("file.bin", &content).await.unwrap();
        assert_eq!(
            c.eval("file.size('file.bin')").await.unwrap().as_u64(),
            Some(size as u64)
        );
        assert!(
            c.download("file.bin", 2_000_000).await.unwrap() == content,
            "{size} bytes"
        );
    }
    assert!(matches!(
        c.download("file.bin", 1_500_002).await,
        Err(Error::TooLarge { .. })
    ));
    c.remove_file("file.bin").await.unwrap();
    for result in [
        c.download("file.bin", 9).await.map(|_| ()),
        c.remove_file("file.bin").await,
        c.upload("no/such/dir", b"x").await,
    ] {
        match result {
            Err(Error::File { path, .. }) => assert!(path == "file.bin" || path == "no/such/dir"),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(
        c.upload("a\0b", b"").await,
        Err(Error::File { .. })
    ));
    assert_eq!(c.eval("1").await.unwrap().to_json(), json!(1));
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_skipped() {
    let node = Node::start("").await;
    let options = Options {
        max_reply: 100_000,
        ..Options::default()
    };
    let mut c = Connection::open(&node.endpoint(), Some(&credentials()), &options)
        .await
        .unwrap();
    match c.eval("numeric(50000)").await {
        Err(Error::TooLarge { bytes, limit, .. }) => assert!(bytes > 400_000 && limit == 100_000),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        c.eval("1").await.unwrap().to_json(),
        json!(1),
        "the session goes on"
    );
    assert!(matches!(
        c.eval("numeric(1e7)").await,
        Err(Error::TooLarge { .. })
    ));
    assert!(
        matches!(c.eval("1").await, Err(Error::Closed { .. })),
        "too much to read past"
    );
}

#[tokio::test]
async fn a_request_that_was_given_up_closes_the_connection() {
    let node = Node::start("").await;
    let mut c = node.open().await;
    let dropped = tokio::time::timeout(
        Duration::from_millis(50),
        c.eval("{Sys.sleep(0.2); 'late'}"),
    )
    .await;
    assert!(dropped.is_err());
    assert!(!c.is_usable());
    for _ in 0..2 {
        match c.eval("'next'").await {
            Err(Error::Closed { reason, .. }) => assert!(reason.contains("given up"), "{reason}"),
            other => panic!("the late answer was taken for another: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_ended_peer_is_seen_without_asking() {
    let node = Node::start("").await;
    let mut c = node.open().await;
    assert!(!c.peer_has_closed());
    let pid = c.eval("Sys.getpid()").await.unwrap().as_u64().unwrap();
    common::kill("-KILL", u32::try_from(pid).unwrap());
    common::wait_for("the session's end", || c.peer_has_closed()).await;
    assert!(matches!(c.eval("1").await, Err(Error::Closed { .. })));
}

#[tokio::test]
async fn wrong_passwords_are_refused() {
    let node = Node::start("").await;
    for (user, password) in [
        ("grid", "wrong"),
        ("nobody", "secret"),
        ("grid", ""),
        ("grid\n", "secret"),
        ("grid", "secret\0"),
    ] {
        let credentials = Credentials {
            user: user.into(),
            password: password.into(),
        };
        match Connection::open(&node.endpoint(), Some(&credentials), &Options::default()).await {
            Err(error @ Error::SignInRefused { .. }) => {
                assert!(error.to_string().contains(&node.endpoint().to_string()));
                assert!(
                    password.is_empty() || !error.to_string().contains(password),
                    "{error}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    let mut nobody = Connection::open(&node.endpoint(), None, &Options::default())
        .await
        .unwrap();
    assert!(matches!(
        nobody.eval("1").await,
        Err(Error::SignInRefused { .. })
    ));
    assert!(!format!("{:?}", credentials()).contains("secret"));
}

#[tokio::test]
async fn ports_without_an_rserve_are_told_apart() {
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let refused = Endpoint {
        host: "127.0.0.1".into(),
        port: free,
    };
    assert!(matches!(open(&refused).await, Error::Connect { .. }));

    let start = Instant::now();
    assert!(matches!(
        open(&service(b"").await).await,
        Error::HandshakeTimeout { .. }
    ));
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(matches!(
        open(&service(b"Rsrv0103QAP1").await).await,
        Error::HandshakeTimeout { .. }
    ));
    // A banner, and then no answer to the sign-in.
    assert!(matches!(
        open(&service(b"Rsrv0103QAP1\r\n\r\nARpt------------").await).await,
        Error::HandshakeTimeout { .. }
    ));
    for (greeting, word) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..],
            "web server",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH server"),
        (b"RsOC\0\0\0\0", "OCAP"),
    ] {
        match open(&service(greeting).await).await {
            Error::NotRserve { got, .. } => assert!(got.contains(word), "{got}"),
            other => panic!("{other:?}"),
        }
    }
    let unknown = Endpoint {
        host: "no-such-host.invalid".into(),
        port: 1,
    };
    assert!(matches!(
        open(&unknown).await,
        Error::Connect { .. } | Error::ConnectTimeout { .. }
    ));
}

#[tokio::test]
async fn a_lying_answer_is_a_protocol_error() {
    // A banner, then the acceptance of the sign-in, then garbage for an answer.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint {
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
    };
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"Rsrv0103QAP1\r\n\r\nARpt------------")
            .await
            .unwrap();
        let mut request = [0; 64];
        let ok = [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(stream.read(&mut request).await.unwrap() > 16);
        stream.write_all(&ok).await.unwrap();
        assert!(stream.read(&mut request).await.unwrap() > 16);
        let mut lie = ok;
        lie[4] = 8;
        stream.write_all(&lie).await.unwrap();
        stream
            .write_all(&[10, 4, 0, 0, 33, 0xff, 0, 0])
            .await
            .unwrap();
        assert_eq!(stream.read(&mut request).await.unwrap_or(0), 0);
    });
    let mut c = Connection::open(&endpoint, Some(&credentials()), &quick())
        .await
        .unwrap();
    assert!(matches!(c.eval("1").await, Err(Error::Protocol { .. })));
    assert!(matches!(c.eval("1").await, Err(Error::Closed { .. })));
}

#[tokio::test]
async fn a_heartbeat_leaves_nothing_behind() {
    let node = Node::start("").await;
    let took = watch::heartbeat(&node.endpoint(), Some(&credentials()), &Options::default())
        .await
        .unwrap();
    assert!(took < Duration::from_secs(2));
    common::wait_for("the end of the session", || {
        common::processes_in(&node.dir.join("work")).is_empty()
    })
    .await;
    // Only the probing connections of the start may have left theirs.
    let pid = node
        .open()
        .await
        .eval("length(list.files(dirname(getwd())))")
        .await
        .unwrap()
        .as_u64()
        .unwrap();
    watch::heartbeat(&node.endpoint(), Some(&credentials()), &Options::default())
        .await
        .unwrap();
    assert_eq!(
        node.open()
            .await
            .eval("length(list.files(dirname(getwd())))")
            .await
            .unwrap()
            .as_u64()
            .unwrap(),
        pid + 1
    );
}
