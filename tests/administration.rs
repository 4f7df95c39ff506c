//! What operators and admins do beside the first journey, in a real browser against a real deployment: a switch tried
//! out, planned and called off; files in bulk and replications that are held; accounts, tokens and passwords; the audit log verified.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "administration/repository.rs"]
mod repository;

use std::time::Instant;

use serde_json::{Value, json};
use xtask::harness::api::Api;
use xtask::harness::browser::{Browser, Window};
use xtask::harness::keyboard::Key;
use xtask::harness::local::Local;
use xtask::harness::page::{PATIENCE, Page};
use xtask::harness::{Result, wait_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admins_day() {
    let local = Local::start("administration").expect("the deployment starts");
    let browser = Browser::start(Window::default())
        .await
        .expect("the browser starts");
    let page = browser.page();
    let outcome = day(&local, &page).await;
    let picture = local.dir.join("failed.png");
    if outcome.is_err() {
        let _ = page.picture(&picture).await;
    }
    browser.quit().await.expect("the browser ends");
    if let Err(error) = outcome {
        panic!("{error}\n(picture: {})", picture.display());
    }
}

async fn day(local: &Local, page: &Page) -> Result<()> {
    let url = &local.server("east-1")?.url;
    let east = Api::sign_in(url, &local.ready.user, &local.ready.password).await?;
    page.goto(&local.ready.console).await?;
    page.fill("User", &local.ready.user).await?;
    page.fill("Password", &local.ready.password).await?;
    page.click("button", "Sign in").await?;
    page.find("heading", "Overview").await?;
    step("plan a switch", plan_a_switch(local, page, &east)).await?;
    step("take nodes out", take_nodes_out(local, page, &east)).await?;
    step("compare nodes", compare_nodes(local, page)).await?;
    step("group the map", group_the_map(local, page, &east)).await?;
    step("end a session", end_a_session(local, page, &east)).await?;
    step(
        "look after an alert",
        look_after_an_alert(local, page, &east),
    )
    .await?;
    step("drop files", repository::drop_files(local, page, &east)).await?;
    step("tell objects", repository::tell_objects(local, page)).await?;
    step("search contents", repository::search_contents(local, page)).await?;
    step(
        "change several files",
        repository::change_several(local, page, &east),
    )
    .await?;
    step(
        "archive a directory",
        repository::archive_a_directory(local, page, &east),
    )
    .await?;
    step(
        "hold a replication",
        repository::hold_a_replication(local, page, &east),
    )
    .await?;
    step("make an account", make_an_account(local, page, &east)).await?;
    step("make a token", make_a_token(page, &east)).await?;
    step("change the password", change_the_password(local, page, url)).await?;
    step("verify the audit log", verify_the_audit_log(local, page)).await
}

async fn step(what: &str, work: impl Future<Output = Result<()>>) -> Result<()> {
    let began = Instant::now();
    let outcome = work.await;
    eprintln!("{:>8.1} s  {what}", began.elapsed().as_secs_f64());
    outcome
}

async fn plan_a_switch(local: &Local, page: &Page, east: &Api) -> Result<()> {
    let place = format!("{}?page=switch&group=east&to=east-2", local.ready.console);
    page.goto(&place).await?;
    page.sees("Clocks agree").await?;
    page.fill("Reason", "kernel update").await?;
    page.click("button", "Try it out").await?;
    page.sees("What would happen. Nothing was changed.").await?;
    page.sees("east-2 would take epoch 2").await?;
    let history = east.get("switches").await?.body;
    assert_eq!(history["items"], json!([]), "a try leaves nothing");

    page.choose("Running tasks", "Interrupt them at once")
        .await?;
    page.choose("Begin", "In 10 minutes").await?;
    page.click("button", "Plan the switch to east-2").await?;
    page.sees("Begins in").await?;
    let planned = east.get("switches?state=scheduled").await?.body["items"][0].clone();
    assert_eq!(
        planned["drain"],
        json!({ "within_s": 0, "then": "interrupt" })
    );
    page.click("button", "Call it off").await?;
    page.sees("Nothing was changed: called off by admin.")
        .await?;
    let epoch = east.get("group").await?.body["epoch"].clone();
    assert_eq!(epoch, json!(1));
    // The history is asked for with the filter, which stands in the address.
    page.sees("Planned, called off").await?;
    page.choose("End", "Done").await?;
    page.sees("No such switch").await?;
    let address = page.eval("return location.search", Vec::new()).await?;
    assert!(
        address.as_str().unwrap().contains("state=done"),
        "{address}"
    );
    Ok(())
}

async fn take_nodes_out(local: &Local, page: &Page, east: &Api) -> Result<()> {
    let place = format!("{}?page=grid&group=east&panel=several", local.ready.console);
    page.goto(&place).await?;
    page.click_part("checkbox", "east-r02").await?;
    page.click("button", "Disable").await?;
    page.choose(
        "Until when: the deadline of a drain, the end of maintenance",
        "1 hour",
    )
    .await?;
    page.fill("Reason, shown to all", "new disk").await?;
    page.click("button", "Disable 1 node").await?;
    page.sees("1 node disabled").await?;
    let node = east.get("nodes/east-r02").await?.body;
    assert_eq!(node["intent"], "disabled", "{node}");
    let lasts = node["intent_until"].as_i64().unwrap() - node["intent_since"].as_i64().unwrap();
    assert_eq!(lasts, 3_600_000);
    // The last one is guarded: nothing is done until that is said once more.
    page.click_part("checkbox", "east-r02").await?;
    page.click_part("checkbox", "east-r01").await?;
    page.click("button", "Disable 1 node").await?;
    page.sees("No slot would be left").await?;
    assert_eq!(east.get("nodes/east-r01").await?.body["intent"], "enabled");
    // So is an edit.
    page.goto(&format!(
        "{}?page=grid&group=east&node=east-r01&panel=edit",
        local.ready.console
    ))
    .await?;
    page.choose("Runs", "Asynchronous").await?;
    page.click("button", "Save").await?;
    page.sees("No slot would be left for tasks whose caller waits")
        .await?;
    page.click("button", "Leave it as it is").await?;
    let node = east.get("nodes/east-r01").await?.body;
    assert_eq!(node["operating_type"], "mixed", "{node}");
    page.goto(&format!(
        "{}?page=grid&group=east&panel=past",
        local.ready.console
    ))
    .await?;
    page.sees("3 of 6 slots usable, 1 of 2 nodes out.").await?;
    page.goto(&format!(
        "{}?page=grid&group=east&node=east-r02",
        local.ready.console
    ))
    .await?;
    page.sees("enabled again by itself").await?;
    page.fill("Reason, shown to all", "it was quick").await?;
    page.click("button", "Enable").await?;
    page.sees("east-r02 enabled").await
}

/// The table as one wants it, saved, and two nodes side by side.
async fn compare_nodes(local: &Local, page: &Page) -> Result<()> {
    page.goto(&format!("{}?page=grid&group=east", local.ready.console))
        .await?;
    page.click("button", "Load").await?;
    page.sees("Sorted by Load").await?;
    let memory = page.find("button", "Memory").await?;
    memory.send_keys(Key::Shift + Key::Enter).await?;
    page.sees("Sorted by Load, then Memory").await?;
    page.click("button", "Table…").await?;
    page.sees("The usual ones").await?;
    page.click("checkbox", "Latency").await?;
    page.click("button", "Compact").await?;
    let address = page.eval("return location.search", Vec::new()).await?;
    let address = address.as_str().unwrap();
    for part in ["sort=load,memory", "latency", "density=compact"] {
        assert!(address.contains(part), "{address}");
    }
    let catch = "const make = URL.createObjectURL; window.saved = []; \
                 URL.createObjectURL = blob => { blob.text().then(text => window.saved.push(text)); return make.call(URL, blob); };";
    page.eval(catch, Vec::new()).await?;
    page.click("button", "Save as CSV").await?;
    page.click("button", "Save as JSON").await?;
    let saved = wait_for("what was saved", PATIENCE, || async {
        let saved = page.eval("return window.saved", Vec::new()).await?;
        let saved = saved.as_array().cloned().unwrap_or_default();
        Ok((saved.len() == 2).then_some(saved))
    })
    .await?;
    let json = saved.iter().filter_map(|text| {
        let nodes: Value = serde_json::from_str(text.as_str()?).ok()?;
        nodes.as_array().map(Vec::len)
    });
    assert_eq!(json.collect::<Vec<_>>(), [2], "two nodes, once as JSON");
    assert!(
        saved
            .iter()
            .all(|text| text.to_string().contains("east-r02"))
    );

    page.goto(&format!(
        "{}?page=grid&group=east&node=east-r01&panel=compare",
        local.ready.console
    ))
    .await?;
    page.sees("the same on both").await?;
    page.sees("How they are now").await
}

/// A task hangs: its session is ended where it is seen, and the task is told by whom and why.
/// The map's nodes in bands, for the eye and for keys.
async fn group_the_map(local: &Local, page: &Page, east: &Api) -> Result<()> {
    let label = async |labels: Value| {
        let tag = east.get("nodes/east-r02").await?.etag.unwrap_or_default();
        let headers = [("if-match", tag.as_str())];
        let body = Some(json!({ "labels": labels }));
        let method = reqwest::Method::PATCH;
        let answer = east.send(method, "nodes/east-r02", body, &headers).await?;
        assert_eq!(answer.status, 200, "{}", answer.body);
        Ok::<_, xtask::harness::HarnessError>(())
    };
    label(json!(["big"])).await?;
    page.goto(&format!("{}?page=grid&group=east", local.ready.console))
        .await?;
    page.choose("Group by", "type").await?;
    page.sees("east-r01, mixed").await?;
    page.choose("Group by", "cluster").await?;
    page.sees("east-r02, big").await?;
    page.sees("east-r01, no label").await?;
    let address = async || page.eval("return location.search", Vec::new()).await;
    assert!(address().await?.as_str().unwrap().contains("by=cluster"));
    // The band of those with a label comes first: its next one is the other node's.
    let cell = page.find_part("gridcell", "east-r02 slot 1,").await?;
    cell.send_keys(Key::PageDown + "").await?;
    wait_for("the other band's first slot", PATIENCE, || async {
        let address = address().await?;
        let there = |part: &str| address.as_str().is_some_and(|all| all.contains(part));
        Ok((there("node=east-r01") && there("slot=1")).then_some(()))
    })
    .await?;
    page.sees("east-r01, slot 1").await?;
    page.choose("Group by", "none").await?;
    wait_for("the map without bands", PATIENCE, || async {
        let text = page.text().await?;
        Ok((!text.contains("east-r01, no label")).then_some(()))
    })
    .await?;
    assert!(!address().await?.as_str().unwrap().contains("by="));
    label(json!([])).await
}

async fn end_a_session(local: &Local, page: &Page, east: &Api) -> Result<()> {
    let body = json!({ "source": { "code": { "code": "Sys.sleep(120)" } } });
    let made = east.post("tasks", body).await?.body;
    let path = format!("tasks/{}", made["id"].as_str().unwrap());
    let attempt = wait_for("the task to run", PATIENCE, || async {
        let task = east.get(&path).await?.body;
        Ok(task["attempts"].get(0).cloned())
    })
    .await?;
    let node = attempt["node"].as_str().unwrap();
    page.goto(&format!(
        "{}?page=grid&group=east&node={node}&slot={}",
        local.ready.console, attempt["slot"]
    ))
    .await?;
    // What its process says of it, while it cannot say anything itself.
    let signal = |what: &str| {
        let pid = attempt["pid"].to_string();
        let sent = std::process::Command::new("kill")
            .args([what, &pid])
            .status();
        assert!(sent.unwrap().success(), "{what} {pid}");
    };
    signal("-STOP");
    page.sees("its process is stopped").await?;
    page.sees("Last seen well").await?;
    signal("-CONT");
    wait_for("the session to go on", PATIENCE, || async {
        let text = page.text().await?;
        Ok((!text.contains("Last seen well")).then_some(()))
    })
    .await?;
    page.click("button", "End session…").await?;
    page.fill("Reason, shown to all", "it hangs").await?;
    page.click("button", "End it").await?;
    page.sees(&format!("1 session of {node} ended")).await?;
    let task = east.get(&path).await?.body;
    assert_eq!(task["state"], "failed", "{task}");
    let why = task["failure"]["message"].as_str().unwrap();
    assert!(why.contains("ended by admin: it hangs"), "{why}");
    let events = east.get(&format!("events?subject={node}")).await?.body;
    assert!(events.to_string().contains("session.ended"), "{events}");
    let audit = east.get("audit?action=session.end").await?.body;
    assert!(audit.to_string().contains("it hangs"), "{audit}");
    Ok(())
}

async fn look_after_an_alert(local: &Local, page: &Page, east: &Api) -> Result<()> {
    let place = format!("{}?page=events&group=east&tab=alerts", local.ready.console);
    page.goto(&place).await?;
    page.sees("Nothing is open").await?;
    page.click("button", "Add a rule").await?;
    page.choose("When of rule 6", "Fewer usable slots than")
        .await?;
    page.fill("Number of rule 6", "1000").await?;
    page.fill("Seconds of rule 6", "0").await?;
    page.click("button", "Save the rules").await?;
    page.sees("fewer than 1000").await?;
    page.click("button", "Acknowledge rule-1 of grid").await?;
    page.fill("What is done about it, shown to all", "it is a test")
        .await?;
    page.click("button", "Acknowledge").await?;
    page.sees("admin: it is a test").await?;
    let alerts = east.get("alerts").await?.body;
    assert_eq!(alerts["open"][0]["acknowledged"]["by"], "admin", "{alerts}");
    page.click("button", "Remove rule-1").await?;
    page.click("button", "Save the rules").await?;
    page.sees("Nothing is open").await
}

async fn make_an_account(local: &Local, page: &Page, east: &Api) -> Result<()> {
    page.goto(&format!("{}?page=accounts&group=east", local.ready.console))
        .await?;
    page.click("button", "New account").await?;
    page.fill("Name", "mia").await?;
    page.choose("Role", "Operator").await?;
    page.fill("First password", "a long first word").await?;
    page.fill("First password again", "a long first wort")
        .await?;
    page.sees("The two passwords differ.").await?;
    page.fill("First password again", "a long first word")
        .await?;
    page.click("button", "Make the account").await?;
    page.sees("mia").await?;
    let mia = Api::sign_in(&local.server("east-1")?.url, "mia", "a long first word").await?;
    assert_eq!(mia.get("me").await?.body["role"], "operator");

    page.click("button", "Edit mia").await?;
    page.click_part("checkbox", "Shut out").await?;
    page.click("button", "Save").await?;
    page.sees("Shut out").await?;
    // The form says the same words before it is saved.
    wait_for("the end of mia's token", PATIENCE, || async {
        let refused = mia.get("me").await?;
        Ok((refused.body["code"] == "revoked_token").then_some(()))
    })
    .await?;
    let users = east.get("users").await?.body;
    let found = users
        .as_array()
        .unwrap()
        .iter()
        .find(|u| u["username"] == "mia");
    assert_eq!(found.unwrap()["disabled"], json!(true));
    Ok(())
}

async fn make_a_token(page: &Page, east: &Api) -> Result<()> {
    page.click("button", "New token").await?;
    page.fill("What for", "nightly").await?;
    page.click("checkbox", "tasks").await?;
    page.click("button", "Make the token").await?;
    page.sees("it is not shown again").await?;
    let script = "return document.querySelector('.secret').textContent";
    let secret = page.eval(script, Vec::new()).await?;
    let program = east.with(secret.as_str().unwrap());
    assert_eq!(program.get("tasks").await?.status, 200);
    let nodes = program.get("nodes").await?;
    assert_eq!(nodes.body["detail"], "This token is for tasks only.");
    page.click("button", "I have it").await?;
    page.sees("nightly").await?;
    copy_a_command(page, secret.as_str().unwrap()).await?;
    page.click("button", "End nightly").await?;
    page.click("button", "End it").await?;
    page.sees("No token yet").await?;
    assert_eq!(program.get("tasks").await?.body["code"], "revoked_token");
    Ok(())
}

/// A list as a command for a shell: it runs there, with a token that it does not hold itself.
async fn copy_a_command(page: &Page, token: &str) -> Result<()> {
    let catch = "window.copied = []; navigator.clipboard.writeText = text => { window.copied.push(text); return Promise.resolve(); };";
    page.eval(catch, Vec::new()).await?;
    page.click("link", "Tasks").await?;
    page.find("heading", "Tasks").await?;
    page.click("button", "Copy as cURL").await?;
    page.sees("GRIDHELM_TOKEN").await?;
    let copied = page
        .eval("return window.copied.join('\\n')", Vec::new())
        .await?;
    let command = copied
        .as_str()
        .unwrap()
        .lines()
        .find(|line| line.contains("curl"))
        .unwrap();
    assert!(!command.contains(token), "{command}");
    let run = std::process::Command::new("sh")
        .args(["-c", command])
        .env("GRIDHELM_TOKEN", token)
        .output()?;
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{command}: {said}");
    let tasks: serde_json::Value = serde_json::from_str(&said).expect(&said);
    assert!(tasks["items"].is_array(), "{tasks}");
    page.click("link", "Accounts").await?;
    page.sees("nightly").await?;
    Ok(())
}

async fn change_the_password(local: &Local, page: &Page, url: &str) -> Result<()> {
    page.click("button", "Change password…").await?;
    page.fill("Present password", "not the password").await?;
    page.fill("New password", "another long one").await?;
    page.fill("New password again", "another long one").await?;
    page.click("button", "Change password").await?;
    page.sees("The present password is wrong.").await?;
    page.fill("Present password", &local.ready.password).await?;
    page.click("button", "Change password").await?;
    page.sees("Password changed").await?;
    assert!(
        Api::sign_in(url, &local.ready.user, &local.ready.password)
            .await
            .is_err()
    );
    Api::sign_in(url, &local.ready.user, "another long one").await?;
    Ok(())
}

async fn verify_the_audit_log(local: &Local, page: &Page) -> Result<()> {
    // Still signed in, by the answer to the change of the password.
    page.goto(&format!(
        "{}?page=events&group=east&tab=audit",
        local.ready.console
    ))
    .await?;
    page.sees("user.create").await?;
    page.click("button", "Verify").await?;
    page.sees("The audit log of east holds").await
}
