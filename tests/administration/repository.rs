//! The repository in an admin's hands: files dropped on the page, found by what is in them, changed together, archived; and a replication that another
//! admin approves.

use serde_json::{Value, json};
use xtask::harness::api::Api;
use xtask::harness::keyboard::Key;
use xtask::harness::local::Local;
use xtask::harness::page::{PATIENCE, Page};
use xtask::harness::{HarnessError, Result, wait_for};

/// Drops files on the field of that label, as a browser does: what falls is told by the event's `dataTransfer`.
const DROP: &str = r"
const [label, files] = arguments;
const field = [...document.querySelectorAll('label')].find(l => l.textContent.trim() === label)?.control;
if (!field) return false;
const transfer = new DataTransfer();
for (const [name, text] of files) transfer.items.add(new File([text], name));
for (const kind of ['dragenter', 'dragover', 'drop']) {
  field.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));
}
return true;
";

async fn goto(local: &Local, page: &Page, query: &str) -> Result<()> {
    page.goto(&format!("{}?page={query}", local.ready.console))
        .await
}

/// A file of the group as the API tells it; none when there is none.
async fn file(api: &Api, directory: &str, name: &str) -> Result<Option<Value>> {
    let path = format!("repository/file?author=admin&directory={directory}&name={name}");
    let answer = api.get(&path).await?;
    match answer.status {
        200 => Ok(Some(answer.body)),
        404 => Ok(None),
        other => Err(HarnessError(format!("{path}: {other} {}", answer.body))),
    }
}

async fn write(api: &Api, directory: &str, name: &str) -> Result<()> {
    let path = format!("repository/content?author=admin&directory={directory}&name={name}");
    let content = Some(json!(name));
    let new = [("if-none-match", "*")];
    let answer = api.send(reqwest::Method::PUT, &path, content, &new).await?;
    assert_eq!(answer.status, 201, "{}", answer.body);
    Ok(())
}

/// Files fall on the page and are there.
pub(super) async fn drop_files(local: &Local, page: &Page, east: &Api) -> Result<()> {
    goto(local, page, "repository&group=east").await?;
    page.click("button", "Upload").await?;
    page.fill("Directory", "dropped").await?;
    let files = json!([
        ["one.R", "x <- 1\n# a needle in the haystack\n"],
        ["three.R", "x <- 3\n"],
        ["two.R", "x <- 2\n"],
    ]);
    let dropped = page.eval(DROP, vec![json!("Files"), files]).await?;
    assert_eq!(dropped, json!(true), "there is a field for files");
    page.sees("three.R").await?;
    page.click("button", "Upload files").await?;
    let all = wait_for("the files in east", PATIENCE, || async {
        let (one, two) = (
            file(east, "dropped", "one.R"),
            file(east, "dropped", "two.R"),
        );
        Ok(one.await?.zip(two.await?))
    })
    .await?;
    assert_eq!(all.0["size"], 34, "{}", all.0);
    page.sees("version 1").await
}

/// What a file of R data holds, told by R: of one file, and of both sides of a replication.
pub(super) async fn tell_objects(local: &Local, page: &Page) -> Result<()> {
    goto(local, page, "repository&group=east&panel=upload").await?;
    page.fill("Directory", "models").await?;
    // The number 42 as `saveRDS(ascii = TRUE)` writes it.
    let files = json!([["answer.rds", "A\n2\n262144\n131840\n13\n1\n42\n"]]);
    page.eval(DROP, vec![json!("Files"), files]).await?;
    page.click("button", "Upload files").await?;
    page.sees("version 1").await?;
    let file = "file=admin/models/answer.rds";
    goto(local, page, &format!("repository&group=east&{file}")).await?;
    page.click("button", "Object names").await?;
    page.sees("1 object in east.").await?;
    page.sees("integer, 1,").await?;
    goto(
        local,
        page,
        &format!("replicate&source=east&target=west&{file}"),
    )
    .await?;
    page.click("button", "Object names").await?;
    page.sees("0 objects in west; 1 object in east.").await?;
    page.sees("on one side").await
}

/// What stands in a file leads to it.
pub(super) async fn search_contents(local: &Local, page: &Page) -> Result<()> {
    goto(local, page, "repository&group=east").await?;
    page.find("heading", "Repository").await?;
    page.fill("Search files", "A NEEDLE in").await?;
    page.click("button", "Search contents").await?;
    page.sees("1 file with “A NEEDLE in”").await?;
    page.sees("line 2").await?;
    page.click_part("link", "# a needle in the haystack")
        .await?;
    page.find("heading", "one.R").await?;
    page.click("button", "Close the search").await
}

/// Several files are changed together, each with its result, and back.
pub(super) async fn change_several(local: &Local, page: &Page, east: &Api) -> Result<()> {
    write(east, "taken", "two.R").await?;
    goto(local, page, "repository&group=east&q=dropped").await?;
    page.click("checkbox", "Select admin/dropped/one.R").await?;
    page.sees("1 file selected").await?;
    // With the shift key a box takes what lies between, too.
    let last = page.find("checkbox", "Select admin/dropped/two.R").await?;
    let shift = page.driver().action_chain().key_down(Key::Shift);
    shift
        .click_element(&last)
        .key_up(Key::Shift)
        .perform()
        .await?;
    page.sees("3 files selected").await?;
    page.click("button", "Select none").await?;
    page.click("checkbox", "All shown").await?;
    page.sees("3 files selected").await?;

    page.click("button", "With selected…").await?;
    page.choose("What to do", "Add tags").await?;
    page.fill("Tags, with commas", "quarterly").await?;
    page.click("button", "Tag 3 files…").await?;
    page.sees("Each has quarterly, too.").await?;
    page.click("button", "Tag 3 files").await?;
    page.sees("3 done.").await?;
    let one = file(east, "dropped", "one.R").await?.unwrap();
    assert_eq!(one["info"]["tags"], json!(["quarterly"]), "{one}");

    page.choose("What to do", "Move to another directory")
        .await?;
    page.fill("To directory", "taken").await?;
    page.click("button", "Move 3 files…").await?;
    page.sees("moves them back").await?;
    page.click("button", "Move 3 files").await?;
    page.sees("2 done, 1 refused.").await?;
    page.sees("taken has a file of that name.").await?;
    let moved = file(east, "taken", "one.R").await?.unwrap();
    assert_eq!(moved["info"]["tags"], json!(["quarterly"]), "{moved}");
    assert_eq!(file(east, "dropped", "one.R").await?, None);
    assert!(file(east, "dropped", "two.R").await?.is_some());
    page.click("button", "Take it back").await?;
    page.sees("2 taken back, 1 refused.").await?;
    for name in ["one.R", "three.R"] {
        assert!(file(east, "dropped", name).await?.is_some(), "{name}");
        assert_eq!(file(east, "taken", name).await?, None, "{name}");
    }

    // What moved away is not selected any more: the refused one is left.
    page.choose("What to do", "Delete").await?;
    page.click("button", "Delete 1 file…").await?;
    page.fill("Type delete 1 to confirm", "delete 1").await?;
    page.click("button", "Delete 1 file").await?;
    page.sees("1 done.").await?;
    assert_eq!(file(east, "dropped", "two.R").await?, None);
    page.click("button", "Take it back").await?;
    page.sees("1 taken back.").await?;
    let two = file(east, "dropped", "two.R").await?.unwrap();
    assert_eq!(two["info"]["tags"], json!(["quarterly"]), "{two}");
    page.click("button", "Close").await
}

/// A directory goes into the archive whole.
pub(super) async fn archive_a_directory(local: &Local, page: &Page, east: &Api) -> Result<()> {
    goto(local, page, "repository&group=east&q=dropped").await?;
    page.click("link", "Change directory dropped").await?;
    page.click("button", "Archive it").await?;
    page.sees("dropped is dropped.archive now").await?;
    for name in ["one.R", "two.R", "three.R"] {
        assert_eq!(file(east, "dropped", name).await?, None, "{name}");
        assert!(
            file(east, "dropped.archive", name).await?.is_some(),
            "{name}"
        );
    }
    page.find("link", "Change directory dropped.archive")
        .await
        .map(drop)
}

/// A replication waits for another admin, who approves it and commits it.
pub(super) async fn hold_a_replication(local: &Local, page: &Page, east: &Api) -> Result<()> {
    let (user, password) = (&local.ready.user, &local.ready.password);
    let west = Api::sign_in(&local.server("west-1")?.url, user, password).await?;
    let ada = json!({ "username": "ada", "password": "a long first word", "role": "admin" });
    for group in [east, &west] {
        let made = group.post("users", ada.clone()).await?;
        assert_eq!(made.status, 201, "{}", made.body);
    }
    let replicate = "replicate&source=east&target=west";
    goto(local, page, replicate).await?;
    page.click("button", "Replications to west").await?;
    page.click("checkbox", "Replications wait for another admin's approval")
        .await?;
    wait_for("the rule", PATIENCE, || async {
        let rules = west.get("repository/rules").await?.body;
        Ok((rules["hold"] == true).then_some(()))
    })
    .await?;
    page.click_part("button", "Apply plan").await?;
    page.sees("Held for another admin's approval; nothing was written")
        .await?;
    page.click_part("button", "Show plan").await?;
    page.sees("held, waits for another admin").await?;
    page.sees("You opened it: another admin approves it.")
        .await?;
    assert_eq!(file(&west, "dropped.archive", "one.R").await?, None);

    sign_in_as(local, page, "ada", "a long first word").await?;
    goto(local, page, replicate).await?;
    page.click("button", "Replications to west").await?;
    page.click_part("button", "Show plan").await?;
    page.click("button", "Approve…").await?;
    page.fill("Reason, goes to the history", "looked at it")
        .await?;
    page.click("button", "Approve").await?;
    page.sees("approved by ada").await?;
    page.click("button", "Commit").await?;
    wait_for("the files in west", PATIENCE, || async {
        file(&west, "dropped.archive", "one.R").await
    })
    .await?;
    page.sees(" created, ").await?;
    let audit = west.get("audit?action=changeset.approve").await?.body;
    assert!(audit.to_string().contains("\"ada\""), "{audit}");
    sign_in_as(local, page, user, password).await
}

async fn sign_in_as(local: &Local, page: &Page, user: &str, password: &str) -> Result<()> {
    goto(local, page, "overview").await?;
    page.click_part("button", ": account").await?;
    page.click("button", "Sign out").await?;
    page.fill("User", user).await?;
    page.fill("Password", password).await?;
    page.click("button", "Sign in").await?;
    page.find("heading", "Overview").await.map(drop)
}
