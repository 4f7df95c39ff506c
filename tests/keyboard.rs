//! The journeys of an operator who has a keyboard and nothing else: registering a node, draining one, replicating, switching; and what the keyboard alone has:
//! the palette, the shortcuts and their switch. No pointer, no script that moves the focus.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use serde_json::json;
use xtask::harness::api::Api;
use xtask::harness::browser::{Browser, Window};
use xtask::harness::keyboard::{Key, Keyboard};
use xtask::harness::local::Local;
use xtask::harness::page::Page;
use xtask::harness::{HarnessError, Result, wait_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_done_by_keys_alone() {
    let local = Local::start("keyboard").expect("the deployment starts");
    let browser = Browser::start(Window::default())
        .await
        .expect("the browser starts");
    let page = browser.page();
    let outcome = journeys(&local, &page).await;
    let picture = local.dir.join("failed.png");
    if outcome.is_err() {
        let _ = page.picture(&picture).await;
    }
    browser.quit().await.expect("the browser ends");
    if let Err(error) = outcome {
        panic!("{error}\n(picture: {})", picture.display());
    }
}

async fn journeys(local: &Local, page: &Page) -> Result<()> {
    let keys = Keyboard::of(page);
    let url = &local.server("east-1")?.url;
    let east = Api::sign_in(url, &local.ready.user, &local.ready.password).await?;
    page.goto(&local.ready.console).await?;
    keys.watch().await?;
    by_keys(step("sign in", sign_in(local, page, &keys)), &keys).await?;
    by_keys(step("skip to the content", skip(&keys)), &keys).await?;
    by_keys(
        step("register a node", register(local, page, &keys, &east)),
        &keys,
    )
    .await?;
    by_keys(step("drain a node", drain(page, &keys, &east)), &keys).await?;
    by_keys(
        step("read the notifications", notifications(page, &keys)),
        &keys,
    )
    .await?;
    by_keys(
        step("replicate", replicate(local, page, &keys, &east)),
        &keys,
    )
    .await?;
    by_keys(step("use the palette", palette(page, &keys)), &keys).await?;
    by_keys(
        step("turn single keys off", single_keys(page, &keys)),
        &keys,
    )
    .await?;
    by_keys(step("switch", switch(local, page, &keys)), &keys).await?;
    step("a viewer is told why", viewer(local, page, &keys, &east)).await
}

/// A step that nothing but keys took part in, and that did not load the page anew.
async fn by_keys(work: impl Future<Output = Result<()>>, keys: &Keyboard) -> Result<()> {
    work.await?;
    let foreign = keys.foreign().await?;
    assert!(foreign.is_empty(), "not by keys: {foreign:?}");
    Ok(())
}

async fn step(what: &str, work: impl Future<Output = Result<()>>) -> Result<()> {
    let began = Instant::now();
    let outcome = work
        .await
        .map_err(|error| HarnessError(format!("step \"{what}\": {error}")));
    eprintln!("{:>8.1} s  {what}", began.elapsed().as_secs_f64());
    outcome
}

async fn sign_in(local: &Local, page: &Page, keys: &Keyboard) -> Result<()> {
    // The form has the focus by itself.
    keys.has_focus("textbox", "User").await?;
    keys.press(local.ready.user.as_str()).await?;
    keys.fill("textbox", "Password", &local.ready.password)
        .await?;
    keys.press(Key::Enter).await?;
    page.find("heading", "Overview").await.map(drop)
}

/// The first Tab of a page leads past the navigation.
async fn skip(keys: &Keyboard) -> Result<()> {
    keys.enter("link", "Skip to content").await?;
    keys.has_focus("main", "").await?;
    keys.enter("link", "Grid").await?;
    keys.has_focus("heading", "Grid").await
}

async fn register(local: &Local, page: &Page, keys: &Keyboard, east: &Api) -> Result<()> {
    let spare = local.ready.nodes.iter().find(|node| node.group.is_none());
    let spare = spare.expect("an unregistered node");
    keys.enter("button", "Register node").await?;
    // The name is suggested: the first thing to type is the host.
    keys.has_focus("textbox", "Host").await?;
    keys.press(spare.host.as_str()).await?;
    keys.fill("textbox", "Rserve port", &spare.port.to_string())
        .await?;
    keys.fill("textbox", "Slots", "3").await?;
    keys.fill("textbox", "User at Rserve", &local.ready.node_user)
        .await?;
    keys.fill("textbox", "Password", &local.ready.node_password)
        .await?;
    keys.enter("button", "Test connection").await?;
    page.sees("Connection works").await?;
    keys.enter("button", "Register").await?;
    page.sees("east-r03 registered").await?;
    let node = east.get("nodes/east-r03").await?;
    assert_eq!(node.status, 200, "{}", node.body);
    Ok(())
}

async fn drain(page: &Page, keys: &Keyboard, east: &Api) -> Result<()> {
    // A task that runs on it until it is told to end, so that the drain takes a while.
    let long = json!({ "source": { "code": { "code": "Sys.sleep(120)" } } });
    let mut tasks = Vec::new();
    for _ in 0..9 {
        let task = east.post("tasks", long.clone()).await?;
        tasks.push(task.body["id"].as_str().unwrap_or_default().to_owned());
    }
    keys.enter("link", "east-r02").await?;
    keys.fill("textbox", "Reason, shown to all", "new kernel")
        .await?;
    keys.enter("button", "Drain").await?;
    page.sees("east-r02 is draining").await?;
    let node = east.get("nodes/east-r02").await?.body;
    assert_eq!(node["intent"], "draining", "{node}");
    for task in tasks {
        east.post(&format!("tasks/{task}/cancel"), json!({}))
            .await?;
    }
    // The end of a drain is told.
    wait_for("the end of the drain", Duration::from_secs(30), || async {
        let events = east.get("events?limit=50").await?.body;
        let mut all = events["items"].as_array().into_iter().flatten();
        Ok(all
            .any(|event| event["kind"] == "node.drained" && event["subject"] == "east-r02")
            .then_some(()))
    })
    .await?;
    keys.fill("textbox", "Reason, shown to all", "it is done")
        .await?;
    keys.enter("button", "Enable").await?;
    page.sees("east-r02 enabled").await
}

async fn notifications(page: &Page, keys: &Keyboard) -> Result<()> {
    keys.enter("button", "Notifications, …").await?;
    keys.has_focus("heading", "Notifications").await?;
    page.sees("drained: its last task has ended").await?;
    // It leads to the node, whose details are open; the page is the same, so the focus goes back.
    keys.enter("link", "Not read. pass: east-r02").await?;
    page.sees("Actions").await?;
    keys.enter("button", "Notifications…").await?;
    // Whatever else happened meanwhile; when nothing did, the button is off and says so.
    if page.text().await?.contains("not read in this tab") {
        keys.enter("button", "Mark all as read").await?;
    }
    page.sees("All read.").await?;
    keys.press(Key::Escape).await?;
    // The focus is back where it came from, and nothing is new.
    keys.has_focus("button", "Notifications").await
}

async fn replicate(local: &Local, page: &Page, keys: &Keyboard, east: &Api) -> Result<()> {
    keys.enter("link", "Replicate").await?;
    keys.has_focus("heading", "Replicate").await?;
    page.sees("To do").await?;
    keys.enter("button", "Apply plan …").await?;
    page.sees("Verified").await?;
    let url = &local.server("west-1")?.url;
    let west = Api::sign_in(url, &local.ready.user, &local.ready.password).await?;
    let (source, target) = (
        east.get("repository/manifest").await?.body,
        west.get("repository/manifest").await?.body,
    );
    let hash = |manifest: &serde_json::Value, name: &str| {
        let entries = manifest["entries"].as_array().into_iter().flatten();
        let mut found = entries.filter(|file| file["name"] == name);
        found.next().map(|file| file["sha256"].clone())
    };
    for file in source["entries"].as_array().into_iter().flatten() {
        let name = file["name"].as_str().unwrap_or_default();
        assert_eq!(hash(&source, name), hash(&target, name), "{name}");
    }
    Ok(())
}

async fn palette(page: &Page, keys: &Keyboard) -> Result<()> {
    keys.press(Key::Control + "k").await?;
    keys.has_focus("combobox", "Search, or run a command")
        .await?;
    keys.press("east-r03").await?;
    page.sees("east-r03").await?;
    chosen(page, "east-r03").await?;
    keys.press(Key::Enter).await?;
    page.sees("Actions").await?;
    keys.press(Key::Control + "k").await?;
    keys.has_focus("combobox", "Search, or run a command")
        .await?;
    keys.press("linear-fit").await?;
    page.sees("Scripts").await?;
    keys.press(Key::Escape).await?;
    keys.press(Key::Control + "k").await?;
    keys.has_focus("combobox", "Search, or run a command")
        .await?;
    // Down from the first page to the fourth, which is Tasks.
    for _ in 0..3 {
        keys.press(Key::Down).await?;
    }
    chosen(page, "Tasks").await?;
    keys.press(Key::Enter).await?;
    keys.has_focus("heading", "Tasks").await
}

/// Waits until the option that the field points at begins with these words.
async fn chosen(page: &Page, words: &str) -> Result<()> {
    let script = "const f = document.activeElement; const o = document.getElementById(f.getAttribute('aria-activedescendant')); \
        return o && o.getAttribute('aria-selected') === 'true' ? o.textContent.trim() : ''";
    wait_for(
        &format!("\"{words}\" chosen"),
        Duration::from_secs(10),
        || async {
            let text = page.eval(script, Vec::new()).await?;
            let text = text.as_str().unwrap_or_default().to_owned();
            if text.starts_with(words) {
                return Ok(Some(()));
            }
            Err(HarnessError(format!("it is \"{text}\"")))
        },
    )
    .await
}

async fn single_keys(page: &Page, keys: &Keyboard) -> Result<()> {
    keys.press("g").await?;
    keys.press("e").await?;
    keys.has_focus("heading", "Events & audit").await?;
    keys.press("?").await?;
    keys.has_focus("heading", "Keyboard shortcuts").await?;
    keys.tab_to("checkbox", "Single keys do something").await?;
    keys.press(Key::Space).await?;
    keys.press(Key::Escape).await?;
    keys.press("g").await?;
    keys.press("t").await?;
    keys.press("?").await?;
    // What comes after them stands, so they were heard and did nothing.
    keys.press(Key::Control + "k").await?;
    keys.has_focus("combobox", "Search, or run a command")
        .await?;
    page.eval("return location.search", Vec::new())
        .await
        .map(|address| assert!(address.as_str().unwrap().contains("events"), "{address}"))?;
    keys.press("shortcuts").await?;
    chosen(page, "Keyboard shortcuts").await?;
    keys.press(Key::Enter).await?;
    keys.tab_to("checkbox", "Single keys do something").await?;
    keys.press(Key::Space).await?;
    keys.enter("button", "Close").await
}

async fn switch(local: &Local, page: &Page, keys: &Keyboard) -> Result<()> {
    keys.enter("link", "Switch active server").await?;
    keys.has_focus("heading", "Switch active server").await?;
    page.sees("Clocks agree").await?;
    keys.choose("Running tasks", "Interrupt them at once")
        .await?;
    keys.fill("textbox", "Reason", "fan tray in east-1").await?;
    keys.enter("button", "Switch east to east-2").await?;
    page.sees_within("without an active server", Duration::from_mins(1))
        .await?;
    let url = &local.server("east-2")?.url;
    let east = Api::sign_in(url, &local.ready.user, &local.ready.password).await?;
    let group = east.get("group").await?.body;
    assert_eq!(group["active"], "east-2", "{group}");
    Ok(())
}

/// What a role does not allow is there, says which role it takes, and does nothing.
async fn viewer(local: &Local, page: &Page, keys: &Keyboard, east: &Api) -> Result<()> {
    let east = east.at(&local.server("east-2")?.url);
    let account = json!({ "username": "vera", "role": "viewer", "password": "a long first word" });
    let made = east.post("users", account).await?;
    assert!(made.status < 300, "{} {}", made.status, made.body);
    keys.press(Key::Control + "k").await?;
    keys.has_focus("combobox", "Search, or run a command")
        .await?;
    keys.press("sign out").await?;
    chosen(page, "Sign out").await?;
    keys.press(Key::Enter).await?;
    keys.has_focus("textbox", "User").await?;
    keys.press("vera").await?;
    keys.fill("textbox", "Password", "a long first word")
        .await?;
    // Vera is known in east alone.
    keys.tab_to("checkbox", "west…").await?;
    keys.press(Key::Space).await?;
    keys.tab_back_to("textbox", "Password").await?;
    keys.press(Key::Enter).await?;
    // The address is kept: the page is the one that was left.
    page.find("heading", "Switch active server").await?;
    keys.press(Key::Control + "k").await?;
    keys.has_focus("combobox", "Search, or run a command")
        .await?;
    keys.press("register a node").await?;
    chosen(page, "Register a node…").await?;
    page.sees("vera is a viewer in east; this takes an operator.")
        .await?;
    keys.press(Key::Enter).await?;
    keys.has_focus("combobox", "Search, or run a command")
        .await?;
    keys.press(Key::Escape).await?;
    keys.enter("link", "Overview").await?;
    keys.has_focus("heading", "Overview").await
}
