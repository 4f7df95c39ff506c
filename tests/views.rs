//! Everything that the console shows, in both themes and on a phone: nothing that axe finds, nothing wider than the phone, nothing too small for a thumb.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use reqwest::Method;
use serde_json::json;
use xtask::harness::api::Api;
use xtask::harness::axe::Axe;
use xtask::harness::browser::{Browser, Window};
use xtask::harness::local::Local;
use xtask::harness::page::Page;
use xtask::harness::views::{self, PAGES, PHONE};
use xtask::harness::{HarnessError, Result};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_view_can_be_used_by_everyone() {
    let local = Local::start("views").expect("the deployment starts");
    let browser = Browser::start(Window::default())
        .await
        .expect("the browser starts");
    let page = browser.page();
    let outcome = all(&local, &browser, &page).await;
    let picture = local.dir.join("failed.png");
    if outcome.is_err() {
        let _ = page.picture(&picture).await;
    }
    browser.quit().await.expect("the browser ends");
    if let Err(error) = outcome {
        panic!("{error}\n(picture: {})", picture.display());
    }
}

async fn all(local: &Local, browser: &Browser, page: &Page) -> Result<()> {
    views::sign_in(local, page).await?;
    on_a_phone(local, browser, page).await?;
    first_steps(local, browser, page).await?;
    let (found, looks) = views::axe_everywhere(local, browser, page).await?;
    eprintln!("axe looked {looks} times");
    if found.is_empty() {
        return Ok(());
    }
    Err(HarnessError(format!(
        "axe found {}:\n{}",
        found.len(),
        found.join("\n")
    )))
}

/// A group that has lost its only node is shown what to do first; closed, the list stays away.
async fn first_steps(local: &Local, browser: &Browser, page: &Page) -> Result<()> {
    let url = &local.server("west-1")?.url;
    let west = Api::sign_in(url, &local.ready.user, &local.ready.password).await?;
    let disable = json!({ "intent": "disabled", "reason": "it goes away" });
    for (method, path, body) in [
        (Method::POST, "nodes/west-r01/intent", Some(disable)),
        (Method::DELETE, "nodes/west-r01", None),
    ] {
        let version = west.get("nodes/west-r01").await?.etag.unwrap_or_default();
        let answer = west
            .send(method, path, body, &[("if-match", version.as_str())])
            .await?;
        assert!(
            answer.status < 300,
            "{path}: {} {}",
            answer.status,
            answer.body
        );
    }
    page.goto(&format!("{}?page=overview", local.ready.console))
        .await?;
    page.sees("First steps of west").await?;
    page.sees("1 of 3 done").await?;
    assert!(!page.text().await?.contains("First steps of east"));
    let found = Axe::allow(browser).await?.look_at(page).await?;
    assert!(found.is_empty(), "{found:?}");
    page.click("link", "New account").await?;
    page.sees("First password").await?;
    page.goto(&local.ready.console).await?;
    page.click("button", "Close the list").await?;
    page.goto(&local.ready.console).await?;
    page.sees("Recent events").await?;
    // Gone, and not merely late: what comes after it stands.
    page.sees("west-1").await?;
    assert!(!page.text().await?.contains("First steps of west"));
    Ok(())
}

/// What is wider than the page, and what of the main controls is smaller than a thumb, WCAG 2.5.5: 44 pixels. Links within a sentence may be smaller.
const MEASURE: &str = r"
const small = [], wide = [];
const width = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth > width) wide.push('the page: ' + document.documentElement.scrollWidth);
for (const e of document.querySelectorAll('button, select, input:not([type=checkbox]):not([type=radio]), textarea, .tabbar a, a.btn, a.go, a.grpcard')) {
  const box = e.getBoundingClientRect();
  if (!box.width || getComputedStyle(e).visibility === 'hidden' || e.closest('.sr, .skip')) continue;
  const name = e.tagName + ' ' + (e.getAttribute('aria-label') || e.textContent || e.name).trim().slice(0, 40);
  if (arguments[0] && (box.height < 43.5 || box.width < 43.5)) small.push(`${name}: ${Math.round(box.width)} x ${Math.round(box.height)}`);
}
return [wide, small];
";

/// No page scrolls sideways at 360 pixels; on the two pages for emergencies every control is large enough for a thumb.
async fn on_a_phone(local: &Local, browser: &Browser, page: &Page) -> Result<()> {
    browser.resize(PHONE).await?;
    let task = views::a_task(local).await?;
    let mut found = Vec::new();
    for view in &PAGES {
        views::open(local, page, view, &task).await?;
        let for_thumbs = matches!(view.name, "overview" | "switch");
        let seen = page.eval(MEASURE, vec![json!(for_thumbs)]).await?;
        for list in seen.as_array().into_iter().flatten() {
            let lines = list.as_array().into_iter().flatten();
            found.extend(lines.map(|line| format!("{}: {line}", view.name)));
        }
    }
    browser.resize(Window::default()).await?;
    if found.is_empty() {
        return Ok(());
    }
    Err(HarnessError(format!("on a phone:\n{}", found.join("\n"))))
}
