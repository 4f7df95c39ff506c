//! Event streams by the thousand at one server: a part of `cargo xtask bench base`.

use super::Figure;
use super::lone::{self, Bench, Lone};
use super::stats::percentile;
use crate::harness::api::Api;
use crate::harness::stream::ask;
use crate::harness::{HarnessError, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// As many as a server takes.
const CLIENTS: usize = 2_000;
/// Of them, each this manyth reads the events' times; the others count.
const READS: usize = 20;
/// A write, and so an event, so often.
const EVERY: Duration = Duration::from_millis(10);
const WRITES: usize = 1_500;
/// Of the writes, those before are not measured.
const WARM: usize = 300;
const LIMITS: &str = "[limits]\nrequests_per_address = 1000000\nrequests_per_user = 1000000\nconnections_per_address = 10000\n\
                      streams_per_address = 10000\nstreams_per_user = 10000\n";
/// What a measured event's subject begins with.
const SUBJECT: &str = "bench/e-";

/// Measures and prints `sse_clients`, `sse_lag_p99_ms` and `sse_rss_per_client_kb`.
///
/// # Errors
/// The first thing that could not be measured.
#[allow(clippy::cast_precision_loss, reason = "small counts")]
pub async fn run() -> Result<()> {
    let bench = Bench::new("bench-streams")?;
    let address = lone::address()?;
    let url = format!("http://{address}");
    let server = bench.start(&bench.configuration("streams", &url, LIMITS)?)?;
    let api = server.admin(&url, None).await?;
    // What a first stream, and first writes, make once and for all is no client's.
    let (over, seen) = (watch::channel(false).0, Arc::new(AtomicUsize::new(0)));
    let mut clients = JoinSet::new();
    for n in 0..4 {
        let stream = ask(&address, &api).await?;
        clients.spawn(listen(stream, n == 0, Arc::clone(&seen), over.subscribe()));
    }
    write(&url, &api, 0, WARM).await?;
    let before = server.resident_kb()?;
    for n in 4..CLIENTS {
        let stream = ask(&address, &api).await?;
        let reads = n % READS == 0;
        clients.spawn(listen(stream, reads, Arc::clone(&seen), over.subscribe()));
    }
    seen.store(0, Ordering::Relaxed);
    let (highest, written) = tokio::join!(
        highest(&server, over.subscribe()),
        written(&url, &api, &seen, &over)
    );
    written?;
    let mut lags = Vec::new();
    let mut ended = 0;
    while let Some(done) = clients.join_next().await {
        let (whole, of_one) = done.map_err(HarnessError::new)??;
        ended += usize::from(!whole);
        lags.extend(of_one);
    }
    Figure::new("sse_clients", (CLIENTS - ended) as f64, "streams", CLIENTS)
        .bar(2_000.0)
        .print();
    Figure::new("sse_lag_p99_ms", percentile(&lags, 0.99), "ms", lags.len())
        .bar(150.0)
        .print();
    let each = highest?.saturating_sub(before) as f64 / (CLIENTS - 4) as f64;
    Figure::new("sse_rss_per_client_kb", each, "kB, the highest", CLIENTS)
        .bar(40.0)
        .print();
    Ok(())
}

/// Reads a stream until it is over; whether it came so far, and how late each event was, ms.
async fn listen(
    mut stream: TcpStream,
    reads: bool,
    seen: Arc<AtomicUsize>,
    mut over: watch::Receiver<bool>,
) -> Result<(bool, Vec<f64>)> {
    let mut lags = Vec::new();
    let mut text = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = tokio::select! {
            _ = over.wait_for(|over| *over) => return Ok((true, lags)),
            read = stream.read(&mut buffer) => read?,
        };
        if read == 0 {
            return Ok((false, lags));
        }
        if !reads {
            continue;
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(HarnessError::new)?
            .as_secs_f64()
            * 1e3;
        text.extend_from_slice(&buffer[..read]);
        while let Some(at) = text.windows(2).position(|two| two == b"\n\n") {
            if let Some(at) = time_of(&String::from_utf8_lossy(&text[..at])) {
                lags.push((now - at).max(0.0));
                seen.fetch_add(1, Ordering::Relaxed);
            }
            text.drain(..at + 2);
        }
    }
}

/// When the write was that an event of ours tells of, ms; none for all else.
fn time_of(frame: &str) -> Option<f64> {
    if !frame.contains("event: event\n") {
        return None;
    }
    let json: serde_json::Value = serde_json::from_str(frame.split_once("data: ")?.1).ok()?;
    let json = &json["data"];
    json["subject"].as_str()?.contains(SUBJECT).then_some(())?;
    json["at"].as_f64()
}

/// Writes so many files at their pace, and waits until all that read have seen the last.
async fn written(
    url: &str,
    api: &Api,
    seen: &AtomicUsize,
    over: &watch::Sender<bool>,
) -> Result<()> {
    let done = write(url, api, WARM, WRITES).await;
    let all = (WRITES - WARM) * (CLIENTS / READS);
    let end = Instant::now() + Duration::from_secs(20);
    while done.is_ok() && seen.load(Ordering::Relaxed) < all && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    over.send_replace(true);
    done?;
    let came = seen.load(Ordering::Relaxed);
    if came < all {
        return Err(HarnessError::new(format!("{came} of {all} events came")));
    }
    Ok(())
}

async fn write(url: &str, api: &Api, from: usize, to: usize) -> Result<()> {
    let http = crate::harness::api::client(None)?.build()?;
    let mut pace = tokio::time::interval(EVERY);
    for n in from..to {
        pace.tick().await;
        let path =
            format!("{url}/api/v1/repository/content?author=admin&directory=bench&name=e-{n}");
        let request = http.put(path).bearer_auth(api.token());
        let request = request.header("if-none-match", "*").body(format!("{n}"));
        let status = request.send().await?.status();
        if !status.is_success() {
            return Err(HarnessError::new(format!("file {n}: {status}")));
        }
    }
    Ok(())
}

/// The most that the server had in memory until it is over, kB.
async fn highest(server: &Lone, mut over: watch::Receiver<bool>) -> Result<u64> {
    let mut highest = 0;
    loop {
        highest = highest.max(server.resident_kb()?);
        tokio::select! {
            _ = over.wait_for(|over| *over) => return Ok(highest),
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
    }
}
