//! What comparing three groups of a million files costs the browser: in real Chromium, on the page that people use.

use super::Figure;
use super::heap::heap;
use super::stats::median;
use crate::build;
use crate::harness::browser::{Browser, Window};
use crate::harness::local::xtask_binary;
use crate::harness::page::Page;
use crate::harness::repositories::{PASSWORD, Repository};
use crate::harness::{HarnessError, Result, wait_for};
use crate::process;
use crate::stop::Stop;
use crate::workspace::Workspace;
use gridhelm_api::repository::FileId;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The groups; the first is the source.
const GROUPS: [&str; 3] = ["east", "west", "south"];
/// Files of a group, 100 in a directory; and how many of them differ somewhere, each in a directory of its own.
const FILES: usize = 1_000_000;
const DIFFER: usize = 1_000;
/// Comparisons.
const RUNS: usize = 5;

/// Fills a database: all files have the first content, but for every so-many-th one, which has the other one.
const FILL: &str = "
import sqlite3, sys
path, files, step, first = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
db = sqlite3.connect(path)
one, other = [row[0] for row in db.execute('SELECT sha256 FROM blobs WHERE sha256 IS NOT NULL ORDER BY size, sha256')][:2]
def rows():
    for i in range(files):
        yield ('directory-%05d' % (i // 100), 'script-%07d.R' % i, other if first >= 0 and i % step == first else one)
db.executemany(\"INSERT INTO files (author, directory, name, version, deleted, sha256, size, written_by, written_at) VALUES ('bench', ?, ?, 1, 0, ?, 1, 'bench', 0)\", rows())
db.commit()
";

/// Notes the WebAssembly memory.
const OBSERVE: &str = r"
(() => {
  window.__memory = null;
  for (const name of ['instantiate', 'instantiateStreaming']) {
    const original = WebAssembly[name];
    WebAssembly[name] = async (...args) => {
      const result = await original.apply(WebAssembly, args);
      window.__memory = (result.instance || result).exports.memory || window.__memory;
      return result;
    };
  }
})();";

/// Scrolls through the whole list for three seconds, and notes the longest frame.
const SCROLL: &str = r#"
const list = document.querySelector('[aria-label="Files by group"]');
window.__longest = null;
let begun = performance.now(), last = begun, longest = 0;
const step = now => {
  longest = Math.max(longest, now - last); last = now;
  const share = Math.min((now - begun) / 3000, 1);
  list.scrollTop = share * (list.scrollHeight - list.clientHeight);
  if (share < 1) requestAnimationFrame(step); else window.__longest = longest;
};
requestAnimationFrame(now => { begun = last = now; requestAnimationFrame(step); });"#;

/// Measures and prints the figures.
///
/// # Errors
/// The first thing that could not be measured.
pub async fn run() -> Result<()> {
    let workspace = Workspace::find().map_err(HarnessError::new)?;
    let stop = Stop::listen().map_err(HarnessError::new)?;
    let program = build::server(&workspace, &stop).map_err(HarnessError::new)?;
    // The console's build calls the program that it runs in once more, as xtask.
    let mut console = process::command(xtask_binary()?);
    console.args(["build", "--console"]);
    process::run_shown(console, &stop).map_err(HarnessError::new)?;
    let folder = workspace.target.join("bench-groups");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let measured = measure(&program, &folder, &workspace.dist()).await;
    let _ = std::fs::remove_dir_all(&folder);
    measured
}

async fn measure(program: &Path, folder: &Path, console: &Path) -> Result<()> {
    let groups = fill(program, folder, console).await?;
    let browser = Browser::start(Window::default()).await?;
    let page = browser.page();
    browser
        .cdp(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": OBSERVE }),
        )
        .await?;
    let console = &groups[0].url;
    page.goto(console).await?;
    page.fill("User", "admin").await?;
    page.fill("Password", PASSWORD).await?;
    page.click("button", "Sign in").await?;
    page.find("heading", "Overview").await?;
    // Signed in everywhere, before the page is left.
    for group in &groups {
        let active = format!("{}-1 active", group.group);
        page.sees_within(&active, Duration::from_mins(1)).await?;
    }
    let address = format!("{console}/?page=replicate&source=east&target=west");
    page.goto(&address).await?;
    page.sees_within("To do", Duration::from_mins(1)).await?;
    page.eval(
        "document.querySelector('.rep-groups').open = true",
        Vec::new(),
    )
    .await?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(compared(&page).await?);
    }
    Figure::new(
        "compare_3x1m_ms",
        median(&times),
        "ms in Chromium, 3 groups of 1,000,000 files of which 1,000 differ in 1,000 directories; SQLite",
        RUNS,
    )
    .bar(300.0)
    .print();
    let heap = heap(&browser, &page, "window.__memory").await?;
    Figure::new("compare_heap_mb", heap, "MB", 1)
        .bar(150.0)
        .print();
    let mut longest = Vec::new();
    for _ in 0..RUNS {
        longest.push(scrolled(&page).await?);
    }
    Figure::new(
        "matrix_longest_frame_ms",
        median(&longest),
        "ms, while all of the matrix is scrolled through in 3 s",
        RUNS,
    )
    .bar(50.0)
    .print();
    browser.quit().await
}

/// The three groups, filled; the first serves the console.
async fn fill(program: &Path, folder: &Path, console: &Path) -> Result<Vec<Repository>> {
    let mut groups = Vec::new();
    for group in GROUPS {
        groups.push(Repository::start(program, folder, group).await?);
    }
    let two: BTreeMap<FileId, Option<Vec<u8>>> = [("a.R", "x"), ("b.R", "yy")]
        .map(|(name, text)| (FileId::new("bench", "a", name), Some(text.into())))
        .into();
    let entries = groups.iter().map(|group| {
        let server = json!({ "name": format!("{}-1", group.group), "url": group.url });
        json!({ "name": group.group, "servers": [server] })
    });
    let deployment = json!({ "name": "bench", "groups": entries.collect::<Vec<_>>() });
    let file = folder.join("deployment.json");
    std::fs::write(&file, deployment.to_string())?;
    let origin = groups[0].url.clone();
    for (n, group) in groups.iter().enumerate() {
        group.put(&two).await?;
        group.stop();
        // Half of what differs is in each target.
        let step = FILES * 2 / DIFFER;
        let first = match n {
            0 => -1,
            1 => 0,
            _ => i64::try_from(step / 2).unwrap_or_default(),
        };
        let filled = Command::new("python3")
            .args(["-c", FILL])
            .arg(&group.database)
            .args([FILES.to_string(), step.to_string(), first.to_string()])
            .output()?;
        if !filled.status.success() {
            let told = String::from_utf8_lossy(&filled.stderr);
            return Err(HarnessError(format!("the files were not made: {told}")));
        }
        let config = folder.join(format!("{}.toml", group.group));
        let mut head = format!("allowed_origins = [\"{origin}\"]\n");
        if n == 0 {
            head.push_str(&format!(
                "console_dir = \"{}\"\ndeployment_file = \"{}\"\n",
                console.display(),
                file.display()
            ));
        }
        let text = std::fs::read_to_string(&config)?;
        head.push_str(&text);
        std::fs::write(&config, head)?;
        group.begin().await?;
    }
    for group in &groups {
        whole(group).await?;
    }
    Ok(groups)
}

/// Waits until the tree of hashes is made anew: then the root is told in a moment.
async fn whole(group: &Repository) -> Result<()> {
    let what = format!("the tree of {}", group.group);
    wait_for(&what, Duration::from_mins(5), || async {
        let begun = std::time::Instant::now();
        let tree = group.client().tree(None).await?;
        let quick = begun.elapsed() < Duration::from_millis(100);
        Ok((quick && tree.files > FILES as u64).then_some(()))
    })
    .await
}

/// Compares all groups once, as a person does; how long the comparison took once all was read, milliseconds.
async fn compared(page: &Page) -> Result<f64> {
    page.eval(
        "delete document.querySelector('.rep-groups [data-compared]')?.dataset.compared",
        Vec::new(),
    )
    .await?;
    page.click("button", "Compare all groups").await?;
    wait_for("the comparison", Duration::from_mins(2), || async {
        let script = "return document.querySelector('.rep-groups [data-compared]')?.dataset.compared ?? null";
        let took = page.eval(script, Vec::new()).await?;
        Ok(took.as_str().and_then(|took| took.parse().ok()))
    })
    .await
}

/// The longest frame while the matrix is scrolled through, milliseconds.
async fn scrolled(page: &Page) -> Result<f64> {
    page.eval(SCROLL, Vec::new()).await?;
    wait_for("the end of the list", Duration::from_secs(30), || async {
        let longest = page.eval("return window.__longest", Vec::new()).await?;
        Ok(longest.as_f64())
    })
    .await
}
