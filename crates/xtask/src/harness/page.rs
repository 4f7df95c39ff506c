//! A page whose parts are found as people find them: by role and accessible name, as Chromium computes
//! them, never by class or test id.

use super::{HarnessError, Result, wait_for};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use thirtyfour::common::command::{Command, ExtensionCommand, FormatRequestData};
use thirtyfour::{Key, WebDriver, WebElement};

/// How long a page may take to show what is waited for.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Finds candidates of a role whose text, label or title contains the wanted name; the name itself is
/// then asked of the browser's accessibility tree.
const CANDIDATES: &str = r"
const [role, name] = arguments;
const by = {
  button: 'button,[role=button],summary,input[type=submit]', link: 'a[href],[role=link]',
  textbox: 'input:not([type]),input[type=text],input[type=password],input[type=search],textarea,[role=textbox]',
  searchbox: 'input[type=search],[role=searchbox]', spinbutton: 'input[type=number]',
  checkbox: 'input[type=checkbox],[role=checkbox]', radio: 'input[type=radio],[role=radio]',
  combobox: 'select,[role=combobox]', heading: 'h1,h2,h3,h4,[role=heading]', dialog: 'dialog,[role=dialog],[role=alertdialog]',
  img: 'img,svg[role=img],[role=img]', row: 'tr,[role=row]', tab: '[role=tab]', status: '[role=status],output',
  alert: '[role=alert]', table: 'table,[role=table],[role=grid]', region: 'section,[role=region]',
  navigation: 'nav,[role=navigation]', log: '[role=log]', list: 'ul,ol,[role=list]', option: 'option,[role=option]',
}[role] || `[role=${role}]`;
const norm = s => (s || '').replace(/\s+/g, ' ').trim();
const text = e => {
  let t = norm(e.textContent) + ' ' + norm(e.getAttribute('aria-label')) + ' ' + norm(e.title) + ' ' + norm(e.placeholder) + ' ' + norm(e.alt);
  for (const id of (e.getAttribute('aria-labelledby') || '').split(/\s+/)) { const l = id && document.getElementById(id); if (l) t += ' ' + norm(l.textContent); }
  for (const l of e.labels || []) t += ' ' + norm(l.textContent);
  return norm(t);
};
const shown = e => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== 'hidden';
const want = norm(name).toLowerCase();
return [...document.querySelectorAll(by)].filter(e => shown(e) && text(e).toLowerCase().includes(want)).slice(0, 60);
";

#[derive(Debug)]
struct Computed(String, &'static str);

impl ExtensionCommand for Computed {
    fn parameters_json(&self) -> Option<Value> {
        None
    }
    fn method(&self) -> reqwest::Method {
        reqwest::Method::GET
    }
    fn endpoint(&self) -> Arc<str> {
        format!("/element/{}/{}", self.0, self.1).into()
    }
}

/// A page in a browser.
#[derive(Clone)]
pub struct Page {
    driver: WebDriver,
}

impl Page {
    pub(super) fn new(driver: WebDriver) -> Self {
        Self { driver }
    }

    /// The driver, for what has no word here.
    pub fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// Goes to an address.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub async fn goto(&self, url: &str) -> Result<()> {
        self.driver
            .goto(url)
            .await
            .map_err(|e| HarnessError(format!("open {url}: {e}")))
    }

    /// Runs a script in the page and answers its value.
    ///
    /// # Errors
    /// When it throws.
    pub async fn eval(&self, script: &str, args: Vec<Value>) -> Result<Value> {
        Ok(self.driver.execute(script, args).await?.json().clone())
    }

    /// What Chromium computes of an element: its role (`computedrole`) or name (`computedlabel`).
    pub(super) async fn computed(
        &self,
        element: &WebElement,
        what: &'static str,
    ) -> Result<String> {
        let command =
            Command::ExtensionCommand(Box::new(Computed(element.element_id().to_string(), what)));
        let answer = self.driver.handle().cmd(command).await?;
        Ok(answer.value::<String>().unwrap_or_default())
    }

    /// An element's accessible name, its white space made single.
    pub(super) async fn label(&self, element: &WebElement) -> Result<String> {
        let label = self.computed(element, "computedlabel").await?;
        Ok(label.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The shown elements of a role whose accessible name is `name`, or contains it when `exact` is off.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn all(&self, role: &str, name: &str, exact: bool) -> Result<Vec<WebElement>> {
        let found = self
            .driver
            .execute(CANDIDATES, vec![json!(role), json!(name)])
            .await?
            .elements()?;
        let mut named = Vec::new();
        for element in found {
            let label = self.label(&element).await?;
            if (exact && label == name) || (!exact && label.contains(name)) {
                named.push(element);
            }
        }
        Ok(named)
    }

    /// Waits for the first element of that role and exact name.
    ///
    /// # Errors
    /// When it does not appear in time; says what the page shows instead.
    pub async fn find(&self, role: &str, name: &str) -> Result<WebElement> {
        self.wait(role, name, true).await
    }

    /// Waits for the first element of that role whose name contains `part`.
    ///
    /// # Errors
    /// As [`Page::find`].
    pub async fn find_part(&self, role: &str, part: &str) -> Result<WebElement> {
        self.wait(role, part, false).await
    }

    async fn wait(&self, role: &str, name: &str, exact: bool) -> Result<WebElement> {
        let found = wait_for(&format!("{role} \"{name}\""), PATIENCE, || async {
            Ok(self.all(role, name, exact).await?.into_iter().next())
        })
        .await;
        match found {
            Ok(element) => Ok(element),
            Err(error) => {
                let text = self.text().await.unwrap_or_default();
                Err(HarnessError(format!("{error}\nthe page shows:\n{text}")))
            }
        }
    }

    /// Clicks an element found by role and name; waits until it takes the click (not off, not covered).
    ///
    /// # Errors
    /// When it does not come or stays off.
    pub async fn click(&self, role: &str, name: &str) -> Result<()> {
        self.press(role, name, true).await
    }

    /// Clicks the first element of that role whose name contains `part`.
    ///
    /// # Errors
    /// As [`Page::click`].
    pub async fn click_part(&self, role: &str, part: &str) -> Result<()> {
        self.press(role, part, false).await
    }

    async fn press(&self, role: &str, name: &str, exact: bool) -> Result<()> {
        wait_for(
            &format!("a click on {role} \"{name}\""),
            PATIENCE,
            || async {
                let element = self.wait(role, name, exact).await?;
                if element.attr("aria-disabled").await?.as_deref() == Some("true") {
                    let why = element.attr("aria-describedby").await?.unwrap_or_default();
                    let why = self
                        .eval(
                            "return document.getElementById(arguments[0])?.textContent",
                            vec![json!(why)],
                        )
                        .await?;
                    return Err(HarnessError(format!("it is off: {why}")));
                }
                element.click().await?;
                Ok(Some(()))
            },
        )
        .await
    }

    /// Replaces a text field's content, as a person types it.
    ///
    /// # Errors
    /// When there is no such field.
    pub async fn fill(&self, label: &str, text: &str) -> Result<()> {
        let element = wait_for(&format!("a field \"{label}\""), PATIENCE, || async {
            for role in ["textbox", "spinbutton", "searchbox"] {
                if let Some(found) = self.all(role, label, true).await?.into_iter().next() {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        })
        .await?;
        element.send_keys(Key::Control + "a").await?;
        element.send_keys(text).await?;
        Ok(())
    }

    /// Chooses an option of a select by its text.
    ///
    /// # Errors
    /// When there is no such select or option.
    pub async fn choose(&self, label: &str, option: &str) -> Result<()> {
        let element = self.find("combobox", label).await?;
        let script = "const [e, t] = arguments; const o = [...e.options].find(o => o.textContent.trim().includes(t)); \
                      if (!o) return false; e.value = o.value; e.dispatchEvent(new Event('input', {bubbles: true})); \
                      e.dispatchEvent(new Event('change', {bubbles: true})); return true;";
        let args = vec![element.to_json()?, json!(option)];
        if self.eval(script, args).await? == json!(true) {
            return Ok(());
        }
        Err(HarnessError(format!(
            "\"{label}\" has no option \"{option}\""
        )))
    }

    /// All text that the page shows.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn text(&self) -> Result<String> {
        let text = self
            .eval("return document.body.innerText", Vec::new())
            .await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the page shows a text.
    ///
    /// # Errors
    /// When it does not in time; says what it shows instead.
    pub async fn sees(&self, text: &str) -> Result<()> {
        self.sees_within(text, PATIENCE).await
    }

    /// Waits until the page shows a text, at most for `limit`.
    ///
    /// # Errors
    /// As [`Page::sees`].
    pub async fn sees_within(&self, text: &str, limit: Duration) -> Result<()> {
        let seen = wait_for(&format!("the text \"{text}\""), limit, || async {
            Ok(self.text().await?.contains(text).then_some(()))
        })
        .await;
        match seen {
            Ok(()) => Ok(()),
            Err(error) => Err(HarnessError(format!(
                "{error}\nthe page shows:\n{}",
                self.text().await?
            ))),
        }
    }

    /// Writes a picture of the page.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn picture(&self, path: &Path) -> Result<()> {
        Ok(self.driver.screenshot(path).await?)
    }
}

// `FormatRequestData` is what `SessionHandle::cmd` asks of a command.
const _: fn() = || {
    fn assert<T: FormatRequestData>() {}
    assert::<Command>();
};
