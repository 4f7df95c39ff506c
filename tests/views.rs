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
    fits(local, browser, page).await?;
    stands_still(local, browser, page).await?;
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
    let disable = json!({ "intent": "disabled", "reason": "it goes away", "override_guard": true });
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

/// Text of twice the size on a desk of 1,280 by 1,024: the browser's zoom makes as many pixels of the page as that.
const TWICE: Window = Window {
    width: 640,
    height: 512,
};

/// What is wider than the page or scrolls beside it, and what of the main controls is smaller than a thumb, WCAG 2.5.5: 44 pixels. Links within a sentence may be smaller.
const MEASURE: &str = r"
const small = [], wide = [];
const width = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth > width) wide.push('the page: ' + document.documentElement.scrollWidth);
const root = document.documentElement, inner = document.querySelector('.page');
if (getComputedStyle(inner).overflowY === 'auto' && root.scrollHeight > innerHeight) wide.push('the window scrolls beside the page: ' + root.scrollHeight);
for (const e of document.querySelectorAll('button, select, input:not([type=checkbox]):not([type=radio]), textarea, .tabbar a, a.btn, a.go, a.grpcard')) {
  const box = e.getBoundingClientRect();
  if (!box.width || getComputedStyle(e).visibility === 'hidden' || e.closest('.sr, .skip')) continue;
  const name = e.tagName + ' ' + (e.getAttribute('aria-label') || e.textContent || e.name).trim().slice(0, 40);
  if (arguments[0] && (box.height < 43.5 || box.width < 43.5)) small.push(`${name}: ${Math.round(box.width)} x ${Math.round(box.height)}`);
}
return [wide, small];
";

/// No page scrolls sideways at 360 pixels, or with text of twice the size, nor twice downwards; on the two pages for emergencies every control is large
/// enough for a thumb on a phone.
async fn fits(local: &Local, browser: &Browser, page: &Page) -> Result<()> {
    let task = views::a_task(local).await?;
    let mut found = Vec::new();
    for (on, window) in [
        ("a desk", Window::default()),
        ("a phone", PHONE),
        ("text twice as large", TWICE),
    ] {
        browser.resize(window).await?;
        for view in &PAGES {
            views::open(local, page, view, &task).await?;
            let for_thumbs = on == "a phone" && matches!(view.name, "overview" | "switch");
            let seen = page.eval(MEASURE, vec![json!(for_thumbs)]).await?;
            for list in seen.as_array().into_iter().flatten() {
                let lines = list.as_array().into_iter().flatten();
                found.extend(lines.map(|line| format!("{on}, {}: {line}", view.name)));
            }
        }
    }
    browser.resize(Window::default()).await?;
    if found.is_empty() {
        return Ok(());
    }
    Err(HarnessError(format!(
        "too wide or too small:\n{}",
        found.join("\n")
    )))
}

/// What moves on the page now.
const MOVING: &str =
    "return document.getAnimations().filter(a => a.playState === 'running').length";

/// Whoever wants no motion sees none, on the page where most moves.
async fn stands_still(local: &Local, browser: &Browser, page: &Page) -> Result<()> {
    for (wish, still) in [("no-preference", false), ("reduce", true)] {
        let wish = json!({ "features": [{ "name": "prefers-reduced-motion", "value": wish }] });
        browser.cdp("Emulation.setEmulatedMedia", wish).await?;
        page.goto(&format!("{}?page=overview", local.ready.console))
            .await?;
        page.sees("Recent events").await?;
        page.sees("west-r01").await?;
        let moving = page.eval(MOVING, Vec::new()).await?;
        assert_eq!(moving == 0, still, "{moving} animations");
    }
    let any = json!({ "features": [] });
    browser.cdp("Emulation.setEmulatedMedia", any).await?;
    Ok(())
}
