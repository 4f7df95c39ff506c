//! How many reads one server answers to 8 clients, plain and by TLS: a part of `cargo xtask bench base`.

use super::Figure;
use super::lone::{self, Bench};
use super::stats::percentile;
use crate::harness::{HarnessError, Result};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

const CLIENTS: usize = 8;
/// Registered nodes, of which nobody listens: the list has one line each.
const NODES: u16 = 8;
/// How long is measured, after as long to warm up.
const MEASURED: Duration = Duration::from_secs(5);
/// More than the clients ask for.
const NO_LIMITS: &str = "[limits]\nrequests_per_address = 1000000\nrequests_per_user = 1000000\n";
/// The longest answer that is taken, bytes.
const LONGEST: usize = 1 << 20;

/// Measures and prints `rps_read_8`, `rps_read_8_p99_ms` and `rps_read_8_tls`.
///
/// # Errors
/// The first thing that could not be measured.
pub async fn run() -> Result<()> {
    let bench = Bench::new("bench-reads")?;
    let (rate, p99) = measure(&bench, "plain", None).await?;
    Figure::new("rps_read_8", rate, "1/s", CLIENTS)
        .bar(5_000.0)
        .print();
    Figure::new("rps_read_8_p99_ms", p99, "ms", CLIENTS)
        .bar(10.0)
        .print();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])
        .map_err(HarnessError::new)?;
    let (certificate, key) = (bench.folder.join("tls.pem"), bench.folder.join("tls.key"));
    std::fs::write(&certificate, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    let (rate, _) = measure(&bench, "tls", Some((&certificate, &key))).await?;
    Figure::new("rps_read_8_tls", rate, "1/s", CLIENTS)
        .bar(3_000.0)
        .print();
    Ok(())
}

/// Requests a second, and the 99th percentile of their times in ms.
async fn measure(bench: &Bench, name: &str, tls: Option<(&Path, &Path)>) -> Result<(f64, f64)> {
    let address = lone::address()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    let secure = tls.map(|(certificate, key)| {
        format!(
            "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
            certificate.display(),
            key.display()
        )
    });
    let more = format!("{NO_LIMITS}{}", secure.unwrap_or_default());
    let server = bench.start(&bench.configuration(name, &url, &more)?)?;
    let api = server.admin(&url, tls.map(|(ca, _)| ca)).await?;
    for n in 1..=NODES {
        let draft =
            json!({ "name": format!("node-{n}"), "host": "127.0.0.1", "port": n, "slot_limit": 3 });
        let answer = api.post("nodes", draft).await?;
        if answer.status != 201 {
            return Err(HarnessError::new(format!("node {n}: {answer:?}")));
        }
    }
    let request: Arc<[u8]> = format!(
        "GET /api/v1/nodes HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nAccept: application/json\r\n\r\n",
        api.token()
    )
    .into_bytes()
    .into();
    let connector = tls.map(|(ca, _)| connector(ca)).transpose()?;
    let begin = Instant::now() + MEASURED;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let stream = TcpStream::connect(&address).await?;
        stream.set_nodelay(true)?;
        let request = Arc::clone(&request);
        match &connector {
            None => drop(clients.spawn(ask(stream, request, begin))),
            Some(connector) => {
                let name = ServerName::try_from("127.0.0.1").map_err(HarnessError::new)?;
                let stream = connector.connect(name, stream).await?;
                clients.spawn(ask(stream, request, begin));
            }
        }
    }
    let mut times = Vec::new();
    while let Some(done) = clients.join_next().await {
        times.extend(done.map_err(HarnessError::new)??);
    }
    #[allow(clippy::cast_precision_loss, reason = "a small count")]
    let rate = times.len() as f64 / MEASURED.as_secs_f64();
    Ok((rate, percentile(&times, 0.99)))
}

fn connector(ca: &Path) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(ca).map_err(HarnessError::new)?;
    roots.add(certificate).map_err(HarnessError::new)?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Asks one after the other; the time of each that ended after `begin`, ms.
async fn ask(
    mut stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    request: Arc<[u8]>,
    begin: Instant,
) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    let mut read = Vec::with_capacity(64 << 10);
    loop {
        let asked = Instant::now();
        stream.write_all(&request).await?;
        stream.flush().await?;
        answer(&mut stream, &mut read).await?;
        let now = Instant::now();
        if now >= begin + MEASURED {
            return Ok(times);
        }
        if now >= begin {
            times.push((now - asked).as_secs_f64() * 1e3);
        }
    }
}

/// Reads one answer, which must be a 200 with its length.
async fn answer(stream: &mut (impl AsyncRead + Unpin), read: &mut Vec<u8>) -> Result<()> {
    read.clear();
    let mut whole = None;
    while whole.is_none_or(|whole| read.len() < whole) {
        if stream.read_buf(read).await? == 0 || read.len() > LONGEST {
            return Err(HarnessError::new("the server broke off"));
        }
        if whole.is_none()
            && let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&read[..at]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .and_then(|length| length.trim().parse::<usize>().ok());
            let length = length.filter(|_| head.starts_with("http/1.1 200"));
            let length = length.ok_or_else(|| HarnessError::new(format!("answered {head}")))?;
            whole = Some(at + 4 + length);
        }
    }
    Ok(())
}
