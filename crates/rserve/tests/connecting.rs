//! Connections: what answers, what does not, and what is mistaken for an Rserve.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::{Node, credentials};
use gridhelm_rserve::{Connection, Credentials, Data, Endpoint, Error, Options, Value, watch};
use serde_json::json;
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
        ..common::patient()
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
        match Connection::open(&node.endpoint(), Some(&credentials), &common::patient()).await {
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
    let mut nobody = Connection::open(&node.endpoint(), None, &common::patient())
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
    let took = watch::heartbeat(&node.endpoint(), Some(&credentials()), &common::patient())
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
    watch::heartbeat(&node.endpoint(), Some(&credentials()), &common::patient())
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

#[tokio::test]
async fn a_request_beyond_the_nodes_limit_is_told_and_survived() {
    let node = Node::start("maxinbuf 1024").await;
    let mut c = node.open().await;
    let big: Value = Data::Raw(vec![7; 8 << 20]).into();
    match c.assign("big", &big).await {
        Err(error @ Error::TooLarge { .. }) => {
            assert!(error.to_string().contains("maxinbuf"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(c.eval("1").await.unwrap().to_json(), json!(1));
    let content = vec![1_u8; 3 << 20];
    c.upload("large.bin", &content).await.unwrap();
    assert_eq!(
        c.eval("file.size('large.bin')").await.unwrap().as_u64(),
        Some(3 << 20)
    );
}

/// A node that takes no plain passwords, as Rserve greets; it says what it was sent for one.
async fn crypting(salt: &'static str) -> (Endpoint, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let banner = format!("Rsrv0103QAP1\r\n\r\nARucK{salt} --------");
        stream.write_all(banner.as_bytes()).await.unwrap();
        let mut head = [0; 16];
        if stream.read_exact(&mut head).await.is_err() {
            return Vec::new();
        }
        let mut body = vec![0; usize::from(head[4])];
        stream.read_exact(&mut body).await.unwrap();
        stream
            .write_all(&[1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            .await
            .unwrap();
        body
    });
    let endpoint = Endpoint {
        host: "127.0.0.1".into(),
        port,
    };
    (endpoint, heard)
}

#[tokio::test]
async fn a_node_that_takes_no_plain_password_gets_a_crypted_one() {
    // What the C library's crypt() gives for "secret".
    for (salt, hash) in [
        ("ab", "abNANd1rDfiNc"),
        ("./", "./17m29LFAflg"),
        ("9Z", "9Zek2TLfYZboc"),
    ] {
        let (endpoint, heard) = crypting(salt).await;
        Connection::open(&endpoint, Some(&credentials()), &quick())
            .await
            .unwrap();
        let body = heard.await.unwrap();
        let text = String::from_utf8_lossy(&body[4..]).into_owned();
        assert_eq!(text.trim_end_matches('\0'), format!("grid\n{hash}"));
        assert!(!text.contains("secret"));
    }
    // A salt that is none: the password stays here.
    let (endpoint, heard) = crypting("!!").await;
    let error = open(&endpoint).await;
    assert!(matches!(error, Error::Crypt { .. }), "{error}");
    assert_eq!(heard.await.unwrap(), b"");
}
