//! The grid's page with 10,000 nodes and 160,000 slots, of which 1,000 change a second, while somebody scrolls: what a frame costs, how much
//! memory it takes, and how soon a change is seen.

use super::source::{CHANGES, MARK, MARKED, SOURCE};
use crate::bench::Figure;
use crate::bench::stats::{median, percentile};
use crate::build;
use crate::harness::browser::{Browser, Window};
use crate::harness::local::xtask_binary;
use crate::harness::page::Page;
use crate::harness::{HarnessError, Result, wait_for};
use crate::workspace::Workspace;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long frames are measured, each way.
const FRAMES: Duration = Duration::from_secs(30);
/// How long after the slots are shown frames are measured.
const LOADED: Duration = Duration::from_secs(3);
/// How long it runs before memory is first looked at.
const SETTLE: Duration = Duration::from_mins(1);
/// Over how many minutes the growth of memory is measured, unless [`MINUTES`] says otherwise; the figure is scaled to ten.
const GROWTH_MINUTES: u64 = 4;
/// The environment variable for that.
const MINUTES: &str = "GRIDHELM_HEAT_MINUTES";

/// Runs in the document before its own scripts. What the console's program takes of each frame: the time in calls from the page into it,
/// wherever they come from (frames, timers, the event stream). And when the marked node's row shows what its server knew.
const OBSERVE: &str = r"
(() => {
  const seen = window.__heat = { script: 0, depth: 0, last: 0, frames: [], scripts: [], on: false, scroll: false, lags: [], mark: '', memory: null };
  const timed = call => function (...args) {
    if (seen.depth++ > 0) { try { return call.apply(this, args); } finally { seen.depth--; } }
    const began = performance.now();
    try { return call.apply(this, args); } finally { seen.depth--; seen.script += performance.now() - began; }
  };
  for (const name of ['instantiate', 'instantiateStreaming']) {
    const original = WebAssembly[name];
    WebAssembly[name] = async (...args) => {
      const result = await original.apply(WebAssembly, args);
      const instance = result.instance || result;
      if (!instance.exports.memory) return result;
      seen.memory = instance.exports.memory;
      const exports = {};
      for (const [key, value] of Object.entries(instance.exports)) exports[key] = typeof value === 'function' ? timed(value) : value;
      return { instance: { exports }, module: result.module };
    };
  }
  const MARK = /MARKWORDS(\d{13})/;
  const look = () => {
    const row = document.querySelector('[data-node=MARKNODE]');
    const mark = row && MARK.exec(row.textContent);
    if (mark && mark[1] !== seen.mark) { seen.mark = mark[1]; seen.lags.push(Date.now() - Number(mark[1])); }
  };
  let step = 0;
  const scroll = box => {
    if (!box) return;
    const range = box.scrollHeight - box.clientHeight, at = (step * 23) % (2 * range || 1);
    box.scrollTop = at < range ? at : 2 * range - at;
  };
  const frame = () => {
    const now = performance.now();
    if (seen.on && seen.last) { seen.frames.push(now - seen.last); seen.scripts.push(seen.script); }
    seen.last = now;
    seen.script = 0;
    if (seen.scroll) { step++; scroll(document.querySelector('.heat-scroll')); scroll(document.querySelector('section[aria-label=Nodes]')); }
    // After what this frame paints.
    setTimeout(look, 0);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})();";

/// The process that is the server.
struct Source {
    child: Child,
    origin: String,
}

impl Source {
    fn start() -> Result<Self> {
        let workspace = Workspace::find().map_err(HarnessError::new)?;
        let built = Command::new(xtask_binary()?)
            .args(["build", "--console"])
            .current_dir(&workspace.root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()?;
        if !built.success() {
            return Err(HarnessError::new("the console was not built"));
        }
        let copy = build::own_copy(&workspace.own_target().join("bench-source"));
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(copy.map_err(HarnessError::new)?)
            .arg(SOURCE)
            .arg(workspace.dist())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut origin = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut origin)?;
        }
        let origin = origin.trim().to_owned();
        Ok(Self { child, origin })
    }

    /// How many changes it has told, and their bytes.
    async fn told(&self) -> Result<(f64, f64)> {
        let text = reqwest::get(format!("{}/told", self.origin))
            .await?
            .text()
            .await?;
        let told: Value = serde_json::from_str(&text)?;
        Ok((
            told["changes"].as_f64().unwrap_or(0.0),
            told["bytes"].as_f64().unwrap_or(0.0),
        ))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Measures and prints `console_lag_ms`, `heat_160k_script_p95_ms`, `heat_160k_longest_frame_ms`, `heat_160k_heap_mb` and
/// `heat_10min_growth_mb`.
///
/// # Errors
/// The first thing that could not be measured, or that the changes did not come at their pace.
pub(super) async fn run() -> Result<()> {
    let source = Source::start()?;
    let browser = Browser::start(Window::default()).await?;
    let page = browser.page();
    let observe = OBSERVE
        .replace("MARKWORDS", MARK)
        .replace("MARKNODE", MARKED);
    browser
        .cdp(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": observe }),
        )
        .await?;
    page.goto(&format!("{}/?page=grid", source.origin)).await?;
    page.fill("User", "bench").await?;
    page.fill("Password", "bench").await?;
    page.click("button", "Sign in").await?;
    all_slots(&page).await?;
    // The map as it comes, with a cell for each node, and then with one for each slot.
    let of_nodes = frames(&page).await?;
    page.goto(&format!("{}/?page=grid&zoom=slots", source.origin))
        .await?;
    all_slots(&page).await?;
    let (told, bytes) = source.told().await?;
    let began = Instant::now();
    lag(&page).await?;
    let of_slots = frames(&page).await?;
    print_frames(&of_nodes, &of_slots);
    memory(&browser, &page).await?;
    let (told_now, bytes_now) = source.told().await?;
    let rate = (told_now - told) / began.elapsed().as_secs_f64();
    if rate < CHANGES as f64 * 0.95 {
        return Err(HarnessError(format!(
            "{rate:.0} of {CHANGES} changes a second were told: the figures above are of that"
        )));
    }
    crate::say::progress(
        "told",
        format_args!(
            "{rate:.0} slot changes a second, {:.0} bytes each (whole nodes)",
            (bytes_now - bytes) / (told_now - told)
        ),
    );
    browser.quit().await
}

/// From the server knowing to the row showing it, in a frame that was painted.
async fn lag(page: &Page) -> Result<()> {
    page.eval("window.__heat.lags = []", Vec::new()).await?;
    let lags = wait_for("marks", Duration::from_mins(1), || async {
        let lags = numbers(page, "lags").await?;
        Ok((lags.len() >= 40).then_some(lags))
    })
    .await?;
    Figure::new("console_lag_ms", median(&lags), "ms", lags.len())
        .bar(100.0)
        .peer(format!(
            "p95 {:.0} ms; with 160,000 slots of which {CHANGES} change a second. Dask 460 from the kill of a worker (seen)",
            percentile(&lags, 0.95)
        ))
        .print();
    Ok(())
}

async fn all_slots(page: &Page) -> Result<()> {
    wait_for("all slots", Duration::from_mins(1), || async {
        Ok(page.text().await?.contains("160,000 slots").then_some(()))
    })
    .await
}

/// The times of frames and of script in them, ms.
struct Frames {
    frames: Vec<f64>,
    scripts: Vec<f64>,
}

/// What frames take while both the map and the table are scrolled.
async fn frames(page: &Page) -> Result<Frames> {
    // Loading is over: what it left to do is done.
    tokio::time::sleep(LOADED).await;
    page.eval(
        "Object.assign(window.__heat, { frames: [], scripts: [], last: 0, on: true, scroll: true })",
        Vec::new(),
    )
    .await?;
    tokio::time::sleep(FRAMES).await;
    page.eval("window.__heat.on = false", Vec::new()).await?;
    Ok(Frames {
        frames: numbers(page, "frames").await?,
        scripts: numbers(page, "scripts").await?,
    })
}

/// The worse of the two: a cell for each node, and for each slot.
fn print_frames(of_nodes: &Frames, of_slots: &Frames) {
    let both = [of_slots, of_nodes];
    let worse = |of: fn(&Frames) -> f64| both.map(of).into_iter().fold(0.0, f64::max);
    let p95 = |of: &Frames| percentile(&of.scripts, 0.95);
    let longest = |of: &Frames| percentile(&of.frames, 1.0);
    let number = of_nodes.frames.len() + of_slots.frames.len();
    let [slots, nodes] = both.map(|of| {
        format!(
            "script p95 {:.1}, median {:.1}, longest {:.1}; frames p99 {:.1}, longest {:.1}, {:.0} a second",
            p95(of),
            median(&of.scripts),
            percentile(&of.scripts, 1.0),
            percentile(&of.frames, 0.99),
            longest(of),
            of.frames.len() as f64 / FRAMES.as_secs_f64()
        )
    });
    Figure::new(
        "heat_160k_script_p95_ms",
        worse(p95),
        "ms of a frame",
        number,
    )
    .bar(8.0)
    .peer(format!(
        "cells for slots: {slots}. Cells for nodes: {nodes}"
    ))
    .print();
    Figure::new("heat_160k_longest_frame_ms", worse(longest), "ms", number)
        .bar(50.0)
        .print();
}

async fn memory(browser: &Browser, page: &Page) -> Result<()> {
    tokio::time::sleep(SETTLE).await;
    let before = heap(browser, page).await?;
    Figure::new("heat_160k_heap_mb", before, "MB", 1)
        .bar(200.0)
        .print();
    let minutes = std::env::var(MINUTES)
        .ok()
        .and_then(|minutes| minutes.parse().ok())
        .unwrap_or(GROWTH_MINUTES);
    tokio::time::sleep(Duration::from_mins(minutes)).await;
    let growth = heap(browser, page).await? - before;
    Figure::new(
        "heat_10min_growth_mb",
        growth * 10.0 / minutes as f64,
        "MB in ten minutes",
        1,
    )
    .bar(5.0)
    .peer(format!(
        "{growth:.1} MB in {minutes} minutes, scaled to ten"
    ))
    .print();
    Ok(())
}

/// What the page holds after a collection: JavaScript's heap and the program's memory, MB.
async fn heap(browser: &Browser, page: &Page) -> Result<f64> {
    page.eval(
        "Object.assign(window.__heat, { frames: [], scripts: [], lags: [] })",
        Vec::new(),
    )
    .await?;
    crate::bench::heap::heap(browser, page, "window.__heat.memory").await
}

async fn numbers(page: &Page, of: &str) -> Result<Vec<f64>> {
    let all = page
        .eval("return window.__heat[arguments[0]]", vec![json!(of)])
        .await?;
    let all = all.as_array().cloned().unwrap_or_default();
    Ok(all.iter().filter_map(Value::as_f64).collect())
}
