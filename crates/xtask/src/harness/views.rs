//! All that the console shows, one after the other: its pages, drawers, dialogs and menus, each in both themes. What the test of accessibility looks at,
//! and what pictures are made of.

use super::api::Api;
use super::axe::Axe;
use super::browser::{Browser, Window};
use super::local::Local;
use super::page::Page;
use super::{HarnessError, Result, wait_for};
use serde_json::{Value, json};
use std::time::Duration;
use thirtyfour::Key;

/// How long something may take that a whole deployment does.
pub const LONG: Duration = Duration::from_secs(40);

/// A phone, upright.
pub const PHONE: Window = Window {
    width: 360,
    height: 760,
};

/// How a view is opened once its address stands.
#[derive(Debug, Clone, Copy)]
pub enum Open {
    /// It is open.
    Already,
    /// By a button of that name.
    Button(&'static str),
    /// By the first button whose name contains this.
    Part(&'static str),
    /// By the palette's keys, with this typed.
    Palette(&'static str),
    /// By the first link whose name contains this.
    Link(&'static str),
}

/// Something that the console shows.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// A short name; that of its picture.
    pub name: &'static str,
    /// Its address after the `?page=`. `{task}` stands for a task that has ended well.
    pub address: &'static str,
    /// What the page shows when it has come, before anything is opened.
    pub sees: &'static str,
    /// How it is opened.
    pub open: Open,
    /// What it shows then.
    pub shows: &'static str,
}

const fn page(name: &'static str, address: &'static str, sees: &'static str) -> View {
    View {
        name,
        address,
        sees,
        open: Open::Already,
        shows: sees,
    }
}

const fn opened(
    name: &'static str,
    address: &'static str,
    sees: &'static str,
    open: Open,
    shows: &'static str,
) -> View {
    View {
        name,
        address,
        sees,
        open,
        shows,
    }
}

/// The main pages, in the order of the navigation.
pub const PAGES: [View; 8] = [
    page("overview", "overview", "Recent events"),
    page("grid", "grid", "east-r02"),
    page("tasks", "tasks&group=east&task={task}", "Console"),
    page(
        "repository",
        "repository&group=east&file=admin/regression/linear-fit.R",
        "SHA-256",
    ),
    page(
        "replicate",
        "replicate&source=east&target=west&file=admin/regression/linear-fit.R",
        "To do",
    ),
    page("switch", "switch&group=east&to=east-2", "Clocks agree"),
    page("events", "events", "registered at"),
    page("accounts", "accounts&group=east", "May sign in"),
];

/// Everything else that opens.
pub const MORE: [View; 38] = [
    page("backups", "backups&group=east", "Goes within a day"),
    page("packages", "packages&group=east", "Usual version"),
    page(
        "packages-install",
        "packages&group=east&of=east&node=east-r01",
        "Update what is outdated",
    ),
    page("overview-list", "overview&topology=list", "Recent events"),
    page("grid-details", "grid&node=east-r01", "Actions"),
    page("grid-slots", "grid&slots=table", "east-r02"),
    page(
        "grid-columns",
        "grid&columns=state,latency,type,labels&sort=latency,-node&density=compact",
        "east-r02",
    ),
    page("grid-table", "grid&panel=table", "The usual ones"),
    page(
        "grid-compare",
        "grid&group=east&node=east-r01&panel=compare",
        "How they are now",
    ),
    page(
        "grid-end-all",
        "grid&group=east&node=east-r01&panel=end-all",
        "End all sessions of east-r01?",
    ),
    page("register", "grid&panel=register", "Test connection"),
    page(
        "several-nodes",
        "grid&group=east&panel=several",
        "slots that must stay usable",
    ),
    page("grid-past", "grid&group=east&panel=past", "slots usable,"),
    page(
        "grid-list",
        "grid&group=east&node=east-r01&panel=list",
        "Apply the list",
    ),
    page("alerts", "events&group=east&tab=alerts", "Save the webhook"),
    page("edit-node", "grid&node=east-r01&panel=edit", "Save"),
    page("run-task", "tasks&panel=run", "Script"),
    page(
        "left-over-sessions",
        "tasks&panel=sessions&group=east",
        "Nothing is left over",
    ),
    page(
        "task-plots",
        "tasks&group=east&task={task}&tab=plots",
        "plot001.png",
    ),
    page("tasks-none", "tasks&q=nothing-is-called-that", "No task"),
    page("files", "repository&group=east", "Choose a file"),
    page(
        "edit-file",
        "repository&group=east&file=admin/regression/linear-fit.R&panel=edit",
        "Save",
    ),
    page("new-file", "repository&group=east&panel=new", "Save"),
    page("upload", "repository&group=east&panel=upload", "Upload"),
    page(
        "directory",
        "repository&group=east&panel=directory&directory=regression",
        "Directory regression",
    ),
    page(
        "several-files",
        "repository&group=east&panel=several",
        "No file is selected",
    ),
    opened(
        "failover",
        "switch&group=east&to=east-2",
        "Clocks agree",
        Open::Button("Force failover…"),
        "Type east to confirm",
    ),
    opened(
        "add-server",
        "switch&group=east&to=east-2",
        "Clocks agree",
        Open::Button("Add a server…"),
        "Make a token",
    ),
    page("audit", "events&group=east&tab=audit", "node.create"),
    page(
        "new-account",
        "accounts&panel=new&of=east",
        "First password",
    ),
    page("new-token", "accounts&panel=token&of=east", "What for"),
    page(
        "password",
        "accounts&panel=password&of=east",
        "Present password",
    ),
    opened(
        "palette",
        "overview",
        "Recent events",
        Open::Palette(""),
        "All shortcuts",
    ),
    opened(
        "palette-found",
        "overview",
        "Recent events",
        Open::Palette("east"),
        "east-r01",
    ),
    opened(
        "notifications",
        "overview",
        "Recent events",
        Open::Part("Notifications"),
        "Mark all as read",
    ),
    opened(
        "shortcuts",
        "overview",
        "Recent events",
        Open::Palette("shortcuts\u{e007}"),
        "Single keys do something",
    ),
    opened(
        "account-menu",
        "overview",
        "Recent events",
        Open::Part(": account"),
        "Sign out",
    ),
    page("unknown", "nothing", "No such page"),
];

/// Signs in, by the page.
///
/// # Errors
/// When the overview does not come.
pub async fn sign_in(local: &Local, page: &Page) -> Result<()> {
    page.goto(&local.ready.console).await?;
    page.fill("User", &local.ready.user).await?;
    page.fill("Password", &local.ready.password).await?;
    page.click("button", "Sign in").await?;
    page.find("heading", "Overview").await.map(drop)
}

/// Lets a script run to its end in east, so that there is a task to look at. Its id.
///
/// # Errors
/// When it does not end well.
pub async fn a_task(local: &Local) -> Result<String> {
    let url = &local.server("east-1")?.url;
    let east = Api::sign_in(url, &local.ready.user, &local.ready.password).await?;
    let script = json!({ "author": "admin", "directory": "regression", "name": "linear-fit.R" });
    let task = json!({ "source": { "script": { "file": script } } });
    let answer = east.post("tasks?wait=30", task).await?;
    match (answer.body["state"].as_str(), answer.body["id"].as_str()) {
        (Some("succeeded"), Some(id)) => Ok(id.to_owned()),
        _ => Err(HarnessError(format!(
            "a task to look at: {} {}",
            answer.status, answer.body
        ))),
    }
}

/// Opens a view and waits until it stands.
///
/// # Errors
/// When it does not come.
pub async fn open(local: &Local, page: &Page, view: &View, task: &str) -> Result<()> {
    let address = view.address.replace("{task}", task);
    let opened = async {
        page.goto(&format!("{}?page={address}", local.ready.console))
            .await?;
        page.sees(view.sees).await?;
        match view.open {
            Open::Already => {}
            Open::Button(name) => page.click("button", name).await?,
            Open::Part(name) => page.click_part("button", name).await?,
            Open::Link(name) => page.click_part("link", name).await?,
            Open::Palette(text) => {
                let body = page.driver().active_element().await?;
                body.send_keys(Key::Control + "k").await?;
                let field = page.find("combobox", "Search, or run a command").await?;
                field.send_keys(text).await?;
            }
        }
        page.sees(view.shows).await?;
        still(page).await
    };
    opened
        .await
        .map_err(|error: HarnessError| HarnessError(format!("view \"{}\": {error}", view.name)))
}

/// Waits until nothing is on its way: no grey lines, no font, no transition.
async fn still(page: &Page) -> Result<()> {
    let script = "return !document.querySelector('.skel') && document.fonts.status === 'loaded' \
        && document.getAnimations().every(a => a.effect.getTiming().iterations === Infinity || a.playState === 'finished')";
    wait_for(
        "a page that stands still",
        Duration::from_secs(20),
        || async { Ok((page.eval(script, Vec::new()).await? == Value::Bool(true)).then_some(())) },
    )
    .await
}

/// What axe finds in all views, in both themes, and on a phone in the pages: a line for each element, with its view. And how often it looked.
///
/// # Errors
/// When a view does not come.
pub async fn axe_everywhere(
    local: &Local,
    browser: &Browser,
    signed_in: &Page,
) -> Result<(Vec<String>, usize)> {
    let axe = Axe::allow(browser).await?;
    let task = a_task(local).await?;
    let (mut found, mut looks, mut missed) = (Vec::new(), 0, Vec::new());
    let mut look = async |name: &str, theme: &str| -> Result<()> {
        let lines = axe.look_at(signed_in).await?;
        found.extend(
            lines
                .into_iter()
                .map(|line| format!("{name} {theme}: {line}")),
        );
        looks += 1;
        Ok(())
    };
    for theme in ["light", "dark"] {
        browser.prefer(theme).await?;
        for view in PAGES.iter().chain(&MORE) {
            match open(local, signed_in, view, &task).await {
                Ok(()) => look(view.name, theme).await?,
                Err(error) => missed.push(format!("{theme}: {}", first_line(&error))),
            }
        }
        browser.resize(PHONE).await?;
        for view in &PAGES {
            match open(local, signed_in, view, &task).await {
                Ok(()) => look(&format!("{} on a phone", view.name), theme).await?,
                Err(error) => missed.push(format!("{theme}, on a phone: {}", first_line(&error))),
            }
        }
        browser.resize(Window::default()).await?;
    }
    // Last, because it signs out.
    signed_in.click_part("button", ": account").await?;
    signed_in.click("button", "Sign out").await?;
    signed_in.find("textbox", "User").await?;
    for theme in ["dark", "light"] {
        browser.prefer(theme).await?;
        still(signed_in).await?;
        look("sign-in", theme).await?;
    }
    if missed.is_empty() {
        return Ok((found, looks));
    }
    Err(HarnessError(format!(
        "not looked at:\n{}\nfound in the others:\n{}",
        missed.join("\n"),
        found.join("\n")
    )))
}

fn first_line(error: &HarnessError) -> &str {
    error.0.lines().next().unwrap_or_default()
}
