//! The accessibility checker, set up once for a browser.

use super::browser::Browser;
use super::page::Page;
use super::{HarnessError, Result};
use serde_json::{Value, json};
use std::path::PathBuf;

/// axe, ready to look at the pages of one browser.
pub struct Axe {
    source: String,
}

impl Axe {
    /// Reads axe from where the set-up put it, and lets this browser run it: the console's own policy forbids foreign scripts, the tester's included.
    ///
    /// # Errors
    /// When it is not there (the set-up of `cargo xtask test` brings it), or the browser does not answer.
    pub async fn allow(browser: &Browser) -> Result<Self> {
        let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
            || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache"),
            PathBuf::from,
        );
        let path = cache.join("gridhelm/axe-core-4.14.1/node_modules/axe-core/axe.min.js");
        let source = std::fs::read_to_string(&path).map_err(|error| {
            HarnessError(format!(
                "no axe at {} ({error}); run `cargo xtask test`",
                path.display()
            ))
        })?;
        browser
            .cdp("Page.setBypassCSP", json!({ "enabled": true }))
            .await?;
        Ok(Self { source })
    }

    /// The violations of WCAG 2.2 A and AA and best practice on the page as it stands: a line for each element.
    ///
    /// # Errors
    /// When axe fails.
    pub async fn look_at(&self, page: &Page) -> Result<Vec<String>> {
        let there = page
            .eval("return typeof axe === 'object'", Vec::new())
            .await?;
        if there != json!(true) {
            page.eval(&self.source, Vec::new()).await?;
        }
        let script = "const done = arguments[0]; axe.run(document, {runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']})\
             .then(r => done(r.violations.flatMap(v => v.nodes.map(n => `${v.id} (${v.impact}): ${n.html.slice(0, 160)} | ${(n.any[0] || n.all[0] || n.none[0] || {}).message || v.help}`))), e => done(['axe failed: ' + e]))";
        let found = page
            .driver()
            .execute_async(script, Vec::<Value>::new())
            .await?;
        Ok(serde_json::from_value(found.json().clone())?)
    }
}
