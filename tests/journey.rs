//! The first whole journey, in a real browser against a real deployment: R, HTTP, database, load balancer.
//!
//! Everything is found by role and accessible name, as people and screen readers find it.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use xtask::harness::api::Api;
use xtask::harness::browser::{Browser, Window};
use xtask::harness::load::{Asking, Working};
use xtask::harness::local::{Local, signal};
use xtask::harness::page::Page;
use xtask::harness::{HarnessError, Result, wait_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_whole_journey() {
    let mut local = Local::start("journey").expect("the deployment starts");
    let browser = Browser::start(Window::default())
        .await
        .expect("the browser starts");
    let page = browser.page();
    let outcome = journey(&mut local, &page).await;
    let picture = local.dir.join("failed.png");
    if outcome.is_err() {
        let _ = page.picture(&picture).await;
    }
    browser.quit().await.expect("the browser ends");
    if let Err(error) = outcome {
        panic!("{error}\n(picture: {})", picture.display());
    }
}

async fn journey(local: &mut Local, page: &Page) -> Result<()> {
    let east = sign_in(local, &local.ready.servers[0].url).await?;
    step("signs in", sign_in_by_page(local, page)).await?;
    step("sees six slots in east", six_slots(page)).await?;
    step(
        "registers the fourth node after a test",
        register(local, page),
    )
    .await?;
    step(
        "tells a silent node and a wrong password",
        bad_nodes(local, &east),
    )
    .await?;
    step("runs a script and sees its plot", run_script(local, page)).await?;
    step(
        "kills a listener and sees it contract, restarts it and sees it expand",
        node_dies(local, page),
    )
    .await?;
    step(
        "compares, replicates, finds the same hashes",
        replicate(local, page, &east),
    )
    .await?;
    step("makes a token for another server", add_server(local, page)).await?;
    step("switches while a client keeps asking", switch(local, page)).await?;
    step(
        "loses the active server and fails over by hand",
        fail_over(local, page),
    )
    .await?;
    step(
        "turns automatic failover on and sees it happen",
        fail_over_by_itself(local, page),
    )
    .await
}

async fn step<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let began = Instant::now();
    let outcome = work
        .await
        .map_err(|error| HarnessError(format!("step \"{what}\": {error}")));
    eprintln!("{:>8.1} s  {what}", began.elapsed().as_secs_f64());
    outcome
}

async fn sign_in(local: &Local, url: &str) -> Result<Api> {
    Api::sign_in(url, &local.ready.user, &local.ready.password).await
}

async fn sign_in_by_page(local: &Local, page: &Page) -> Result<()> {
    page.goto(&local.ready.console).await?;
    page.fill("User", &local.ready.user).await?;
    page.fill("Password", "not the password").await?;
    page.click("button", "Sign in").await?;
    // A wrong password says so, with the request's id; the form stays.
    page.sees("Check the name and the password.").await?;
    page.sees("UID-").await?;
    page.fill("Password", &local.ready.password).await?;
    page.click("button", "Sign in").await?;
    page.find("heading", "Overview").await.map(drop)
}

async fn six_slots(page: &Page) -> Result<()> {
    page.sees("6 slots").await?;
    page.click("link", "Grid").await?;
    page.find("heading", "Grid").await?;
    for node in ["east-r01", "east-r02", "west-r01"] {
        row(page, node, "Ready").await?;
    }
    Ok(())
}

/// Waits until the table has a row of that node with that word.
async fn row(page: &Page, node: &str, word: &str) -> Result<()> {
    let script = "return [...document.querySelectorAll('tr')].some(r => r.textContent.includes(arguments[0]) && r.textContent.includes(arguments[1]))";
    let what = format!("a row {node} with \"{word}\"");
    let seen = wait_for(&what, Duration::from_secs(30), || async {
        Ok(
            (page.eval(script, vec![json!(node), json!(word)]).await? == Value::Bool(true))
                .then_some(()),
        )
    })
    .await;
    match seen {
        Ok(()) => Ok(()),
        Err(error) => Err(HarnessError(format!(
            "{error}\nthe page shows:\n{}",
            page.text().await?
        ))),
    }
}

async fn register(local: &Local, page: &Page) -> Result<()> {
    let spare = local
        .ready
        .nodes
        .iter()
        .find(|node| node.group.is_none())
        .expect("an unregistered node");
    page.goto(&format!("{}?page=grid", local.ready.console))
        .await?;
    page.click("button", "Register node").await?;
    page.fill("Name", "east-r03").await?;
    page.fill("Host", &spare.host).await?;
    // A port where nothing listens: the test says so, and Register stays off.
    page.fill("Rserve port", "9").await?;
    page.fill("Slots", "3").await?;
    page.fill("User at Rserve", &local.ready.node_user).await?;
    page.fill("Password", &local.ready.node_password).await?;
    page.click("button", "Test connection").await?;
    page.sees("Connection does not work").await?;
    page.fill("Rserve port", &spare.port.to_string()).await?;
    page.click("button", "Test again").await?;
    page.sees("Connection works").await?;
    page.click("button", "Register").await?;
    row(page, "east-r03", "Ready").await?;
    let east = sign_in(local, &local.server("east-1")?.url).await?;
    let nodes = east.get("nodes").await?.body;
    let slots: usize = nodes["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|node| node["slots"].as_array().map_or(0, Vec::len))
        .sum();
    if slots == 9 {
        Ok(())
    } else {
        Err(HarnessError(format!(
            "nine slots expected, {slots} found: {nodes}"
        )))
    }
}

/// What is wrong with an address has a code of its own, also where only a real node can tell.
async fn bad_nodes(local: &Local, east: &Api) -> Result<()> {
    let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    let node = local.node("east-r01")?;
    let password = local.ready.node_password.as_str();
    for (port, password, code) in [
        (silent.local_addr()?.port(), password, "node_silent"),
        (node.port, "not the password", "node_sign_in_refused"),
    ] {
        let draft = json!({
            "name": "east-r09", "host": node.host, "port": port, "slot_limit": 1,
            "user": local.ready.node_user, "password": password,
        });
        let test = east.post("nodes/test", draft).await?;
        if test.body["ok"] != false || test.body["code"] != code {
            return Err(HarnessError(format!(
                "{code} expected: {} {}",
                test.status, test.body
            )));
        }
    }
    let nodes = east.get("nodes").await?.body;
    let known = nodes["items"].as_array().map_or(0, Vec::len);
    if known == 3 {
        Ok(())
    } else {
        Err(HarnessError(format!("three nodes expected: {nodes}")))
    }
}

async fn run_script(local: &Local, page: &Page) -> Result<()> {
    page.goto(&format!("{}?page=tasks", local.ready.console))
        .await?;
    page.click("button", "Run task").await?;
    page.choose("Script", "linear-fit.R").await?;
    page.click("button", "Run").await?;
    page.sees("Succeeded").await?;
    let plot = page.find("img", "Plot 1").await?;
    let drawn = wait_for("the plot's pixels", Duration::from_secs(10), || async {
        let width = plot
            .prop("naturalWidth")
            .await?
            .and_then(|width| width.parse::<f64>().ok());
        Ok(width.filter(|width| *width > 100.0))
    });
    drawn.await.map(drop)?;
    let log = page.find("log", "Console output").await?;
    if log.text().await?.trim().is_empty() {
        return Err(HarnessError("the console output is empty".to_owned()));
    }
    Ok(())
}

async fn node_dies(local: &mut Local, page: &Page) -> Result<()> {
    page.goto(&format!("{}?page=grid", local.ready.console))
        .await?;
    row(page, "east-r02", "Ready").await?;
    signal(local.node("east-r02")?.pid, Signal::KILL);
    row(page, "east-r02", "Lost").await?;
    local.restart_node("east-r02").await?;
    row(page, "east-r02", "Ready").await?;
    // Both are on record, with a reason.
    page.goto(&format!("{}?page=events&q=east-r02", local.ready.console))
        .await?;
    page.sees("east-r02").await
}

async fn replicate(local: &Local, page: &Page, east: &Api) -> Result<()> {
    page.goto(&format!(
        "{}?page=replicate&source=east&target=west",
        local.ready.console
    ))
    .await?;
    page.click("button", "Compare").await?;
    page.sees("Current").await?;
    page.click_part("button", "Apply plan").await?;
    page.sees("Verified").await?;
    let west = sign_in(local, &local.server("west-1")?.url).await?;
    let (source, target) = (
        east.get("repository/manifest").await?.body,
        west.get("repository/manifest").await?.body,
    );
    for file in source["entries"].as_array().into_iter().flatten() {
        let same = |other: &&Value| {
            ["author", "directory", "name"]
                .iter()
                .all(|part| other[part] == file[part])
        };
        let twin = target["entries"]
            .as_array()
            .into_iter()
            .flatten()
            .find(same);
        let hash = twin.map(|twin| &twin["sha256"]);
        if hash != Some(&file["sha256"]) {
            return Err(HarnessError(format!(
                "{}/{}: {} in east, {hash:?} in west",
                file["directory"], file["name"], file["sha256"]
            )));
        }
    }
    if source["entries"]
        .as_array()
        .is_none_or(|files| files.len() < 12)
    {
        return Err(HarnessError("fewer than 12 files in east".to_owned()));
    }
    Ok(())
}

async fn add_server(local: &Local, page: &Page) -> Result<()> {
    page.goto(&format!("{}?page=switch&to=east-2", local.ready.console))
        .await?;
    page.click("button", "Add a server…").await?;
    page.click("button", "Make a token").await?;
    page.sees("gridhelm-server join --server").await?;
    page.sees("open until").await?;
    page.click_part("button", "Revoke j-").await?;
    page.sees("revoked").await?;
    page.click("button", "Close").await?;
    let east = sign_in(local, &local.server("east-1")?.url).await?;
    let tokens = east.get("group/join-tokens").await?.body;
    if tokens[0]["state"] != "revoked" {
        return Err(HarnessError(format!("the token: {tokens}")));
    }
    Ok(())
}

async fn switch(local: &Local, page: &Page) -> Result<()> {
    let east = sign_in(local, &local.server("east-1")?.url).await?;
    let asking = Asking::begin(&local.ready.load_balancer, "east");
    let working = Working::begin(&local.ready.load_balancer, "east", east.token());
    page.goto(&format!("{}?page=switch&to=east-2", local.ready.console))
        .await?;
    page.sees("checked").await?;
    page.fill("Reason", "fan tray in east-1").await?;
    page.click("button", "Switch east to east-2").await?;
    page.sees_within("without an active server", Duration::from_mins(1))
        .await?;
    // What was under way at the old server ends well, too.
    asking.more(500).await?;
    let (asked, worked) = (asking.end().await?, working.end().await?);
    let api = sign_in(local, &local.server("east-2")?.url).await?;
    let group = api.get("group").await?.body;
    if group["active"] != "east-2" {
        return Err(HarnessError(format!("east-2 is not active: {group}")));
    }
    if asked.gap > Duration::from_secs(2)
        || asked.foreign > 0
        || asked.epochs.len() < 2
        || !asked.epochs_grew()
    {
        return Err(HarnessError(format!("the client saw {asked:?}")));
    }
    if worked.tasks < 10 || !worked.failed.is_empty() {
        return Err(HarnessError(format!("the tasks: {worked:?}")));
    }
    Ok(())
}

async fn fail_over(local: &mut Local, page: &Page) -> Result<()> {
    page.goto(&format!("{}?page=switch&to=east-1", local.ready.console))
        .await?;
    page.find("heading", "Switch active server").await?;
    page.sees("checked").await?;
    signal(local.server("east-2")?.pid, Signal::KILL);
    // The console stays alive, names the dead server, and says how old its data is.
    page.sees("east-2 unreachable").await?;
    page.sees("No answer").await?;
    page.click("button", "Force failover…").await?;
    page.fill("Reason, goes to the history", "east-2 is dead")
        .await?;
    page.fill("Type east to confirm", "east").await?;
    page.click("button", "Force failover").await?;
    page.sees_within("Done at epoch", Duration::from_mins(1))
        .await?;
    let api = sign_in(local, &local.server("east-1")?.url).await?;
    let group = api.get("group").await?.body;
    if group["active"] != "east-1" {
        return Err(HarnessError(format!("east-1 is not active: {group}")));
    }
    // It works again: a task runs under the new epoch.
    let task = api
        .post(
            "tasks?wait=30",
            json!({ "source": { "code": { "code": "6 * 7" } } }),
        )
        .await?;
    if task.body["state"] != "succeeded" {
        return Err(HarnessError(format!(
            "after the failover a task: {} {}",
            task.status, task.body
        )));
    }
    // The old one comes back, finds the higher epoch and stays standby.
    local.restart_server("east-2")?;
    let url = local.server("east-2")?.url.clone();
    let status = wait_for("east-2 as standby", Duration::from_secs(20), || async {
        let status: Value = reqwest::get(format!("{url}/api/v1/server"))
            .await?
            .json()
            .await?;
        Ok((status["role"] == "standby" && status["active"] == "east-1").then_some(status))
    });
    status.await.map(drop)
}

async fn fail_over_by_itself(local: &Local, page: &Page) -> Result<()> {
    page.goto(&format!("{}?page=switch&to=east-2", local.ready.console))
        .await?;
    page.sees("A person decides").await?;
    page.click("button", "Turn on automatic failover…").await?;
    page.fill("Reason, goes to the history", "nobody is here at night")
        .await?;
    page.click("button", "Turn on").await?;
    page.sees("nobody is here at night").await?;
    signal(local.server("east-1")?.pid, Signal::KILL);
    page.sees("its lock is free and its port refuses connections")
        .await?;
    let api = sign_in(local, &local.server("east-2")?.url).await?;
    let group = api.get("group").await?.body;
    if group["active"] == "east-2" && group["failover"]["mode"] == "automatic" {
        Ok(())
    } else {
        Err(HarnessError(format!("east-2 did not take over: {group}")))
    }
}
