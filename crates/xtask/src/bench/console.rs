//! The console as a browser gets it: bytes, paint, first row, memory, and how soon it shows a dead node.

use super::Figure;
use super::stats::median;
use crate::harness::browser::{Browser, Window};
use crate::harness::local::{Local, signal};
use crate::harness::page::Page;
use crate::harness::{HarnessError, Result, wait_for};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Runs in every new document before its own scripts: notes when a node's row is shown, the largest
/// paint, and the WebAssembly memory.
const OBSERVE: &str = r"
(() => {
  const seen = window.__seen = { row: 0, lcp: 0, memory: null };
  new PerformanceObserver(list => { for (const e of list.getEntries()) seen.lcp = e.startTime; })
    .observe({ type: 'largest-contentful-paint', buffered: true });
  const look = () => {
    if (!seen.row) {
      for (const row of document.querySelectorAll('tr,[role=row]')) {
        if (row.textContent.includes('east-r01') && row.getClientRects().length) { seen.row = performance.now(); break; }
      }
    }
    if (!seen.row) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  for (const name of ['instantiate', 'instantiateStreaming']) {
    const original = WebAssembly[name];
    WebAssembly[name] = async (...args) => {
      const result = await original.apply(WebAssembly, args);
      seen.memory = (result.instance || result).exports.memory;
      return result;
    };
  }
})();";

/// Measures and prints the console's figures.
///
/// # Errors
/// The first thing that could not be measured.
pub async fn run(local: &mut Local) -> Result<()> {
    let browser = Browser::start(Window::default()).await?;
    let page = browser.page();
    browser
        .cdp(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": OBSERVE }),
        )
        .await?;
    sign_in(&page, local).await?;
    let grid = format!("{}?page=grid", local.ready.console);

    let (mut lcp, mut row) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let seen = load_cold(&browser, &page, &grid).await?;
        lcp.push(seen.0);
        row.push(seen.1);
    }
    bytes(&page, local).await?;
    Figure::new("lcp_ms", median(&lcp), "ms", 5)
        .bar(420.0)
        .peer("RabbitMQ 424, Ray 944, Dask 1044 (seen)")
        .print();
    Figure::new("first_row_ms", median(&row), "ms", 5)
        .bar(530.0)
        .peer("RabbitMQ 534, Ray 1331, Dask 1484 (seen)")
        .print();

    let slow = json!({ "offline": false, "latency": 165, "downloadThroughput": 9e6 / 8.0, "uploadThroughput": 9e6 / 8.0 });
    browser.cdp("Network.enable", json!({})).await?;
    browser
        .cdp("Network.emulateNetworkConditions", slow)
        .await?;
    browser
        .cdp("Emulation.setCPUThrottlingRate", json!({ "rate": 4 }))
        .await?;
    let mut row = Vec::new();
    for _ in 0..5 {
        row.push(load_cold(&browser, &page, &grid).await?.1);
    }
    Figure::new("first_row_slow_ms", median(&row), "ms", 5)
        .bar(2000.0)
        .peer("RabbitMQ 4313, Ray 5585, Dask 8980 (seen)")
        .print();
    browser
        .cdp("Emulation.setCPUThrottlingRate", json!({ "rate": 1 }))
        .await?;
    let fast =
        json!({ "offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
    browser
        .cdp("Network.emulateNetworkConditions", fast)
        .await?;

    heap(&browser, &page, &grid).await?;
    node_kill(&page, local, &grid).await?;
    browser.quit().await
}

async fn sign_in(page: &Page, local: &Local) -> Result<()> {
    page.goto(&local.ready.console).await?;
    page.fill("User", &local.ready.user).await?;
    page.fill("Password", &local.ready.password).await?;
    page.click("button", "Sign in").await?;
    page.find("heading", "Overview").await.map(drop)
}

/// Loads a page with an empty cache; answers largest paint and first row, milliseconds from navigation.
async fn load_cold(browser: &Browser, page: &Page, url: &str) -> Result<(f64, f64)> {
    page.goto("about:blank").await?;
    browser.cdp("Network.clearBrowserCache", json!({})).await?;
    page.goto(url).await?;
    wait_for("the first node's row", Duration::from_secs(30), || async {
        let seen = page
            .eval("return [window.__seen.lcp, window.__seen.row]", Vec::new())
            .await?;
        let (lcp, row) = (
            seen[0].as_f64().unwrap_or(0.0),
            seen[1].as_f64().unwrap_or(0.0),
        );
        Ok((row > 0.0 && lcp > 0.0).then_some((lcp, row)))
    })
    .await
}

/// All that the last load fetched, and what of it went to anyone but the deployment.
async fn bytes(page: &Page, local: &Local) -> Result<()> {
    let script = "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]\
                  .map(e => [e.name, e.encodedBodySize])";
    let entries = page.eval(script, Vec::new()).await?;
    let own = |url: &str| {
        local.ready.servers.iter().any(|s| url.starts_with(&s.url)) || url.starts_with("data:")
    };
    let entries = entries.as_array().cloned().unwrap_or_default();
    let total: f64 = entries.iter().filter_map(|e| e[1].as_f64()).sum();
    let foreign = entries
        .iter()
        .filter(|e| !own(e[0].as_str().unwrap_or_default()))
        .count();
    Figure::new("first_load_bytes_br", total, "bytes", entries.len())
        .bar(340_000.0)
        .print();
    #[allow(clippy::cast_precision_loss, reason = "a small count")]
    Figure::new(
        "third_party_requests",
        foreign as f64,
        "requests",
        entries.len(),
    )
    .bar(0.0)
    .print();
    Ok(())
}

/// JavaScript heap and WebAssembly memory of the open page after a forced collection.
async fn heap(browser: &Browser, page: &Page, url: &str) -> Result<()> {
    load_cold(browser, page, url).await?;
    let taken = super::heap::heap(browser, page, "window.__seen.memory").await?;
    Figure::new("console_heap_mb", taken, "MB", 1)
        .bar(30.0)
        .print();
    Ok(())
}

/// From kill -9 of a listener to the page showing it; the node is started again after each.
async fn node_kill(page: &Page, local: &mut Local, url: &str) -> Result<()> {
    page.goto(url).await?;
    let mut pid = local.node("east-r01")?.pid;
    let mut times = Vec::new();
    for _ in 0..5 {
        row_shows(page, "Ready").await?;
        page.eval(WATCH_ROW, vec![json!("east-r01"), json!("Lost")])
            .await?;
        let killed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(HarnessError::new)?
            .as_secs_f64()
            * 1e3;
        signal(pid, Signal::KILL);
        let shown = wait_for("the lost node's row", Duration::from_secs(30), || async {
            Ok(page
                .eval("return window.__shown", Vec::new())
                .await?
                .as_f64()
                .filter(|t| *t > 0.0))
        })
        .await?;
        times.push(shown - killed);
        pid = local.restart_node("east-r01").await?;
    }
    row_shows(page, "Ready").await?;
    Figure::new("node_kill_visible_ms", median(&times), "ms", times.len())
        .bar(1000.0)
        .peer("Dask 460, Ray 15100 (seen)")
        .print();
    Ok(())
}

const WATCH_ROW: &str = r"
const [name, word] = arguments; window.__shown = 0;
const look = () => {
  for (const row of document.querySelectorAll('tr,[role=row]')) {
    if (row.textContent.includes(name) && row.textContent.includes(word) && row.getClientRects().length) { window.__shown = Date.now(); return; }
  }
  requestAnimationFrame(look);
};
look();";

async fn row_shows(page: &Page, word: &str) -> Result<()> {
    let script = "return [...document.querySelectorAll('tr,[role=row]')].some(r => r.textContent.includes('east-r01') && r.textContent.includes(arguments[0]))";
    wait_for(
        &format!("east-r01 {word}"),
        Duration::from_mins(1),
        || async {
            Ok((page.eval(script, vec![json!(word)]).await? == Value::Bool(true)).then_some(()))
        },
    )
    .await
}
