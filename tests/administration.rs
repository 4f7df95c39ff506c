//! What operators and admins do beside the first journey, in a real browser against a real deployment: a switch tried
//! out, planned and called off; accounts, tokens and passwords; the audit log verified.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Instant;

use serde_json::json;
use xtask::harness::Result;
use xtask::harness::api::Api;
use xtask::harness::browser::{Browser, Window};
use xtask::harness::local::Local;
use xtask::harness::page::Page;

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
    let refused = mia.get("me").await?;
    assert_eq!(refused.body["code"], "revoked_token", "{}", refused.body);
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
    page.click("button", "End nightly").await?;
    page.click("button", "End it").await?;
    page.sees("No token yet").await?;
    assert_eq!(program.get("tasks").await?.body["code"], "revoked_token");
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
