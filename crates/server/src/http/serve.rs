//! Accepts connections, by TLS where there is a certificate, and speaks HTTP/1.1 on them, within bounds: how many there
//! are, of one address too, how long a handshake and a request's head may take to come, how large a head is.

use super::limits::{Places, of_address};
use super::stall::Unstalled;
use crate::config::{Config, Limits};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// Connections at the same time; further ones wait in the system's queue.
const CONNECTIONS: usize = 4096;
/// How long a request's head may take to come, and an idle connection may stay open.
const HEAD: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long an answer that waits to be read is kept.
const UNREAD: Duration = Duration::from_mins(1);
/// The largest head of a request, bytes.
const HEAD_BYTES: usize = 64 << 10;
/// The most headers of a request.
const HEADERS: usize = 100;
/// The pause after the system refused a connection, for want of descriptors, say.
const PAUSE: Duration = Duration::from_millis(100);
/// The first byte of a TLS record that begins a handshake.
const HANDSHAKE_RECORD: u8 = 22;

/// What stands between the port and the routes.
#[derive(Clone)]
pub struct Gate {
    tls: Option<TlsAcceptor>,
    addresses: Arc<Places<Option<IpAddr>>>,
    proxies: Arc<[IpNet]>,
    /// [`HEAD`], except in tests.
    head: Duration,
    handshake: Duration,
}

impl Gate {
    /// As the configuration says; with a certificate where there is one.
    pub fn new(config: &Config, tls: Option<TlsAcceptor>) -> Self {
        Self::with(tls, config.limits, &config.trusted_proxies)
    }

    fn with(tls: Option<TlsAcceptor>, limits: Limits, proxies: &[IpNet]) -> Self {
        Self {
            tls,
            addresses: Arc::new(Places::new(limits.connections_per_address)),
            proxies: proxies.into(),
            head: HEAD,
            handshake: HANDSHAKE,
        }
    }

    #[cfg(test)]
    pub(crate) fn hasty(self, limit: Duration) -> Self {
        Self {
            head: limit,
            handshake: limit,
            ..self
        }
    }
}

/// A request that came in plain words to a port of HTTPS.
#[derive(Debug, Clone, Copy)]
pub(super) struct InPlain;

/// Serves until `stopping`; then no more connections are taken, and it ends when the requests that run
/// have been answered.
pub async fn serve(listener: TcpListener, router: Router, gate: Gate, stopping: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, address, place)) => {
                let ip = address.ip().to_canonical();
                let is_proxy = gate.proxies.iter().any(|net| net.contains(&ip));
                let held = if is_proxy {
                    None
                } else if let Some(held) = gate.addresses.take(&of_address(ip)) {
                    Some(held)
                } else {
                    tracing::debug!(%address, "too many connections from one address");
                    continue;
                };
                let (router, gate, stopping) = (router.clone(), gate.clone(), stopping.clone());
                connections.spawn(async move {
                    enter(stream, address, router, gate, stopping).await;
                    drop((place, held));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> std::io::Result<Accepted> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, address, place))
}

/// Makes the handshake where there is one to make.
async fn enter(
    stream: TcpStream,
    address: SocketAddr,
    router: Router,
    gate: Gate,
    stopping: CancellationToken,
) {
    // Small answers leave at once instead of waiting for more to send.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps Nagle's delay");
    }
    let Some(tls) = &gate.tls else {
        let stream = Unstalled::new(stream, UNREAD);
        return speak(stream, address, router, &gate, None, stopping).await;
    };
    let greeting = async {
        let mut first = [0];
        stream.peek(&mut first).await?;
        if first[0] != HANDSHAKE_RECORD {
            return Ok(Err(stream));
        }
        tls.accept(Unstalled::new(stream, UNREAD)).await.map(Ok)
    };
    let greeted = tokio::select! {
        () = stopping.cancelled() => return,
        greeted = tokio::time::timeout(gate.handshake, greeting) => greeted,
    };
    match greeted {
        Ok(Ok(Ok(stream))) => speak(stream, address, router, &gate, None, stopping).await,
        Ok(Ok(Err(stream))) => {
            let stream = Unstalled::new(stream, UNREAD);
            speak(stream, address, router, &gate, Some(InPlain), stopping).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, %address, "no TLS handshake"),
        Err(_) => tracing::debug!(%address, "a TLS handshake took too long"),
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    address: SocketAddr,
    router: Router,
    gate: &Gate,
    plain: Option<InPlain>,
    stopping: CancellationToken,
) {
    let service = router.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        let extensions = request.extensions_mut();
        extensions.insert(ConnectInfo(address));
        if let Some(plain) = plain {
            extensions.insert(plain);
        }
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(gate.head)
        .max_header_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .keep_alive(plain.is_none())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %address, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn gate() -> Gate {
        Gate::with(None, Limits::default(), &[])
    }

    #[tokio::test]
    async fn what_runs_is_answered_and_idle_connections_are_closed_when_it_stops() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = CancellationToken::new();
        let (entered, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let gates = (Arc::clone(&entered), Arc::clone(&go_on));
        let handler = get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
            gates.0.add_permits(1);
            let _permit = gates.1.acquire().await;
            format!("hello {}", peer.ip())
        });
        let router = Router::new().route("/", handler);
        let serving = tokio::spawn(serve(listener, router, gate(), stopping.clone()));
        let mut idle = TcpStream::connect(address).await.unwrap();
        let mut busy = TcpStream::connect(address).await.unwrap();
        busy.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let _permit = entered.acquire().await.unwrap();
        stopping.cancel();
        let mut nothing = Vec::new();
        idle.read_to_end(&mut nothing).await.unwrap();
        assert!(nothing.is_empty());
        go_on.add_permits(1);
        let mut answer = String::new();
        busy.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello 127.0.0.1"),
            "{answer}"
        );
        serving.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = CancellationToken::new();
        let router = Router::new().route("/", get(|| async { "hello" }));
        let serving = tokio::spawn(serve(listener, router, gate(), stopping.clone()));
        let mut client = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET / HTTP/1.1\r\nhost: x\r\nlong: {}\r\n\r\n",
            "x".repeat(HEAD_BYTES)
        );
        let _ = client.write_all(head.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        assert!(
            answer.starts_with(b"HTTP/1.1 431"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        stopping.cancel();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn too_many_headers_are_refused() {
        let many = "a: b\r\n".repeat(1000);
        let said = answer_to(gate(), &format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n")).await;
        assert!(said.starts_with("HTTP/1.1 431"), "{said}");
    }

    /// What comes back until the server closes the connection.
    async fn answer_to(gate: Gate, request: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = CancellationToken::new();
        let router = Router::new().route("/", get(|| async { "hello" }));
        let serving = tokio::spawn(serve(listener, router, gate, stopping.clone()));
        let mut client = TcpStream::connect(address).await.unwrap();
        let _ = client.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        stopping.cancel();
        serving.await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn who_sends_a_head_too_slowly_and_who_says_nothing_is_left() {
        for begun in ["", "GET / HTT", "GET / HTTP/1.1\r\nhost: x\r\n"] {
            let hasty = gate().hasty(Duration::from_millis(50));
            let said = answer_to(hasty, begun).await;
            assert!(
                said.is_empty() || said.starts_with("HTTP/1.1 408"),
                "{said}"
            );
        }
    }

    #[tokio::test]
    async fn one_address_has_so_many_connections_and_a_proxy_more() {
        let limits = Limits {
            connections_per_address: 2,
            ..Limits::default()
        };
        for (proxies, gets_in) in [
            (vec![], false),
            (vec!["127.0.0.1/32".parse().unwrap()], true),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let stopping = CancellationToken::new();
            let router = Router::new().route("/", get(|| async { "hello" }));
            let gate = Gate::with(None, limits, &proxies);
            let serving = tokio::spawn(serve(listener, router, gate, stopping.clone()));
            let ask = async || {
                let mut client = TcpStream::connect(address).await.unwrap();
                let _ = client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
                let mut first = [0; 8];
                let got = client.read_exact(&mut first).await.is_ok();
                (client, got)
            };
            let (first, second) = (ask().await, ask().await);
            assert!(first.1 && second.1);
            assert_eq!(ask().await.1, gets_in);
            drop(first);
            // The server sees the end of a connection a moment later.
            let again = async { while !ask().await.1 {} };
            tokio::time::timeout(Duration::from_secs(10), again)
                .await
                .unwrap();
            drop(second);
            stopping.cancel();
            serving.await.unwrap();
        }
    }
}
