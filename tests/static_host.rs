//! The console from a plain static file server, on another port and under a sub-path: deep links and reload included.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use xtask::harness::browser::{Browser, Window};
use xtask::harness::local::{Local, workspace_root};
use xtask::harness::page::Page;
use xtask::harness::{HarnessError, Result, wait_for};

/// Python's file server; ends with the value.
struct Host(Child);

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_works_from_a_static_host_under_a_sub_path() {
    let local = Local::start("static").expect("the deployment starts");
    let browser = Browser::start(Window::default())
        .await
        .expect("the browser starts");
    let page = browser.page();
    if let Err(error) = tour(&local, &page).await {
        let _ = page.picture(&local.dir.join("failed.png")).await;
        panic!("{error}");
    }
    browser.quit().await.expect("the browser ends");
}

async fn tour(local: &Local, page: &Page) -> Result<()> {
    // Below another folder, so that nothing can rest on being at the top of a host.
    let folder = local.dir.join("static");
    copy(&workspace_root()?.join("dist"), &folder.join("ops/console"))?;
    let groups: Vec<_> = ["east", "west"]
        .iter()
        .map(|group| {
            let servers: Vec<_> = local
                .ready
                .servers
                .iter()
                .filter(|server| server.group == *group)
                .map(|server| json!({ "name": server.name, "url": server.url }))
                .collect();
            json!({ "name": group, "servers": servers })
        })
        .collect();
    let deployment = json!({ "name": "static", "label": "from a static host", "groups": groups });
    std::fs::write(
        folder.join("ops/console/deployment.json"),
        deployment.to_string(),
    )?;
    let port = local.static_port;
    let _host = Host(
        Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "python3",
                "-m",
                "http.server",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
            ])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?,
    );
    let base = format!("http://127.0.0.1:{port}/ops/console/");
    wait_for("the static host", Duration::from_secs(10), || async {
        Ok(reqwest::get(&base)
            .await?
            .status()
            .is_success()
            .then_some(()))
    })
    .await?;

    // A deep link asks for the sign-in first, and then shows what it names.
    page.goto(&format!("{base}?page=grid&slots=table")).await?;
    page.fill("User", &local.ready.user).await?;
    page.fill("Password", &local.ready.password).await?;
    page.click("button", "Sign in").await?;
    page.find("heading", "Grid").await?;
    page.sees("east-r02").await?;
    let pieces = "return performance.getEntriesByType('resource').map(e => e.name).filter(n => /(split|chunk)-/.test(n))";
    let pieces = page.eval(pieces, Vec::new()).await?;
    if pieces.as_array().is_none_or(|pieces| !pieces.is_empty()) {
        return Err(HarnessError(format!("fetched for a first page: {pieces}")));
    }

    // A link inside to a page in a piece of its own, then a reload, then back.
    page.click_part("link", "Tasks").await?;
    page.find("button", "Run task").await?;
    page.driver().refresh().await?;
    page.find("heading", "Tasks").await?;
    page.find("button", "Run task").await?;
    page.driver().back().await?;
    page.find("heading", "Grid").await?;
    // Before anything has brought this piece into the browser's cache.
    missing_piece(&folder.join("ops/console"), page).await?;
    page.goto(&format!("{base}?page=grid&node=east-r01"))
        .await?;
    page.find("heading", "east-r01").await?;
    page.goto(&format!("{base}index.html?page=switch")).await?;
    page.goto(&format!("{base}index.html?page=switch")).await?;
    page.find("heading", "Switch active server").await?;
    page.find("heading", "History").await?;

    // Nothing was asked of anyone but the static host and the servers.
    let own = |name: &str| {
        name.starts_with(&base)
            || local
                .ready
                .servers
                .iter()
                .any(|server| name.starts_with(&server.url))
    };
    let names = page
        .eval(
            "return performance.getEntriesByType('resource').map(e => e.name)",
            Vec::new(),
        )
        .await?;
    let names: Vec<String> = serde_json::from_value(names)?;
    let foreign: Vec<&String> = names
        .iter()
        .filter(|name| !own(name) && !name.starts_with("data:") && !name.starts_with("blob:"))
        .collect();
    if foreign.is_empty() {
        Ok(())
    } else {
        Err(HarnessError(format!("asked of others: {foreign:?}")))
    }
}

/// The code of a page is not there: the page says so, the rest of the console works on, and it comes when it is asked for again.
async fn missing_piece(console: &Path, page: &Page) -> Result<()> {
    let piece = std::fs::read_dir(console)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("split-watch-") && name.ends_with(".wasm")
        })
        .ok_or_else(|| HarnessError::new("the console has no piece split-watch-….wasm"))?;
    let aside = console.join("aside");
    std::fs::rename(&piece, &aside)?;
    page.click_part("link", "Events").await?;
    page.sees("Could not load this part of the console").await?;
    page.click_part("link", "Tasks").await?;
    page.find("button", "Run task").await?;
    page.click_part("link", "Events").await?;
    page.sees("Could not load this part of the console").await?;
    std::fs::rename(&aside, &piece)?;
    page.click("button", "Try again").await?;
    page.find("searchbox", "Search events").await?;
    // What came once is not asked for again.
    page.click_part("link", "Overview").await?;
    page.find("heading", "Overview").await?;
    std::fs::rename(&piece, &aside)?;
    page.click_part("link", "Events").await?;
    page.find("searchbox", "Search events").await?;
    Ok(std::fs::rename(&aside, &piece)?)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
