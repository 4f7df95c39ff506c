//! The program behind `cargo xtask pictures`: makes `docs/pictures/` from a running console.

use std::path::Path;
use std::process::ExitCode;

use rustix::process::Signal;
use serde_json::json;
use xtask::harness::api::Api;
use xtask::harness::browser::{Browser, Window};
use xtask::harness::local::{Local, signal, workspace_root};
use xtask::harness::page::Page;
use xtask::harness::views::{self, MORE, PAGES, PHONE, View};
use xtask::harness::{HarnessError, Result, wait_for};
use xtask::say;

/// The window of a page's picture.
const DESK: Window = Window {
    width: 1280,
    height: 800,
};
/// Which of the other views have a picture, too.
const ALSO: [&str; 9] = [
    "register",
    "packages",
    "backups",
    "alerts",
    "grid-past",
    "grid-details",
    "palette-found",
    "notifications",
    "failover",
];
/// Which pages have a picture on a phone.
const ON_A_PHONE: [&str; 2] = ["overview", "switch"];

/// Names the service's folder in place of this deployment's.
const SOMEWHERE: &str = "const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const text = texts.currentNode;
  if (text.data.includes(arguments[0])) text.data = text.data.replaceAll(arguments[0], '/var/lib/gridhelm');
}";

fn main() -> ExitCode {
    let outcome = tokio::runtime::Runtime::new()
        .map_err(HarnessError::from)
        .and_then(|runtime| runtime.block_on(run()));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::progress("error", error);
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let folder = match std::env::args().nth(1) {
        Some(folder) => folder.into(),
        None => workspace_root()?.join("docs/pictures"),
    };
    std::fs::create_dir_all(&folder)?;
    let local = Local::start("pictures")?;
    let browser = Browser::start(DESK).await?;
    let page = browser.page();
    views::sign_in(&local, &page).await?;
    let task = busy_day(&local).await?;
    for theme in ["light", "dark"] {
        browser.prefer(theme).await?;
        browser.resize(DESK).await?;
        let also = MORE.iter().filter(|view| ALSO.contains(&view.name));
        for view in PAGES.iter().chain(also) {
            take(
                &local,
                &page,
                view,
                &task,
                &folder,
                &format!("{}-{theme}", view.name),
            )
            .await?;
        }
        browser.resize(PHONE).await?;
        for view in PAGES.iter().filter(|view| ON_A_PHONE.contains(&view.name)) {
            let name = format!("{}-phone-{theme}", view.name);
            take(&local, &page, view, &task, &folder, &name).await?;
        }
    }
    browser.quit().await
}

async fn take(
    local: &Local,
    page: &Page,
    view: &View,
    task: &str,
    folder: &Path,
    name: &str,
) -> Result<()> {
    views::open(local, page, view, task).await?;
    // The folder is this machine's; a picture shows where a service keeps its data.
    let here = local.dir.display().to_string();
    page.eval(SOMEWHERE, vec![json!(here)]).await?;
    let file = folder.join(format!("{name}.png"));
    page.picture(&file).await?;
    say::progress("picture", file.display());
    Ok(())
}

/// Something to see: the fourth node, tasks that ended, tasks that run and wait, a node that drains, one that is lost. The id of a task that ended well.
async fn busy_day(local: &Local) -> Result<String> {
    let url = &local.server("east-1")?.url;
    let east = Api::sign_in(url, &local.ready.user, &local.ready.password).await?;
    if let Some(spare) = local.ready.nodes.iter().find(|node| node.group.is_none()) {
        let node = json!({
            "name": "east-r03", "host": spare.host, "port": spare.port, "slot_limit": 4, "labels": ["spare"],
            "user": local.ready.node_user, "password": local.ready.node_password,
        });
        well(&east.post("nodes", node).await?)?;
    }
    let task = views::a_task(local).await?;
    let code = |code: &str| json!({ "source": { "code": { "code": code } } });
    east.post("tasks?wait=30", code("stop('no such column: premium')"))
        .await?;
    for _ in 0..8 {
        east.post(
            "tasks?wait=30",
            code("Sys.sleep(0.3); summary(rnorm(1000))"),
        )
        .await?;
    }
    for _ in 0..6 {
        well(&east.post("tasks", code("Sys.sleep(240)")).await?)?;
    }
    let west = Api::sign_in(
        &local.server("west-1")?.url,
        &local.ready.user,
        &local.ready.password,
    )
    .await?;
    well(&west.post("tasks", code("Sys.sleep(240)")).await?)?;
    wait_for("tasks that run", views::LONG, || async {
        let nodes = east.get("nodes").await?.body;
        let busy = |node: &serde_json::Value| {
            let slots = node["slots"].as_array().into_iter().flatten();
            slots.filter(|slot| slot["state"] == "busy").count()
        };
        let all: usize = nodes["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(busy)
            .sum();
        Ok((all >= 5).then_some(()))
    })
    .await?;
    let node = east.get("nodes/east-r02").await?;
    let version = node.etag.unwrap_or_default();
    let drain = json!({ "intent": "draining", "reason": "new kernel at 18:00" });
    let drained = east
        .send(
            reqwest::Method::POST,
            "nodes/east-r02/intent",
            Some(drain),
            &[("if-match", version.as_str())],
        )
        .await?;
    well(&drained)?;
    signal(local.node("west-r01")?.pid, Signal::KILL);
    wait_for("a lost node", views::LONG, || async {
        let node = west.get("nodes/west-r01").await?.body;
        Ok((node["health"] == "unreachable").then_some(()))
    })
    .await?;
    Ok(task)
}

fn well(answer: &xtask::harness::api::Answer) -> Result<()> {
    if answer.status < 300 {
        return Ok(());
    }
    Err(HarnessError(format!("{} {}", answer.status, answer.body)))
}
