//! What axe finds in the console: a part of `cargo xtask bench base`.

use super::Figure;
use crate::harness::browser::{Browser, Window};
use crate::harness::local::Local;
use crate::harness::{Result, views};
use crate::say;

/// Measures and prints what axe finds on all pages, drawers, dialogs and menus, in both themes.
///
/// # Errors
/// When one of them does not come.
pub async fn run() -> Result<()> {
    let local = Local::start("bench-base")?;
    let browser = Browser::start(Window::default()).await?;
    let page = browser.page();
    views::sign_in(&local, &page).await?;
    let (found, looks) = views::axe_everywhere(&local, &browser, &page).await?;
    for line in &found {
        say::progress("axe", line);
    }
    #[allow(clippy::cast_precision_loss, reason = "a small count")]
    Figure::new("axe_nodes_all_pages", found.len() as f64, "nodes", looks)
        .bar(0.0)
        .print();
    browser.quit().await
}
