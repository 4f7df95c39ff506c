//! A person who has a keyboard and nothing else: every key goes to whatever has the focus, and the focus is moved by Tab alone.

use super::page::{PATIENCE, Page};
use super::{HarnessError, Result, wait_for};
use serde_json::{Value, json};
use std::fmt::Display;
use std::time::{Duration, Instant};
pub use thirtyfour::Key;
use thirtyfour::{TypingData, WebElement};

/// How often Tab is pressed before a control counts as out of reach.
const TABS: usize = 160;

/// What has the focus: its role and accessible name, as Chromium computes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Focus {
    /// The role.
    pub role: String,
    /// The name.
    pub name: String,
    /// Whether it says that it is off.
    pub off: bool,
}

impl Display for Focus {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let off = if self.off { " (off)" } else { "" };
        write!(formatter, "{} \"{}\"{off}", self.role, self.name)
    }
}

/// The keyboard of a page.
#[derive(Clone)]
pub struct Keyboard {
    page: Page,
}

impl Keyboard {
    /// The keyboard of a page.
    pub fn of(page: &Page) -> Self {
        Self { page: page.clone() }
    }

    /// Presses keys: one, or text, or one with a modifier (`Key::Control + "k"`).
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn press(&self, keys: impl Into<TypingData>) -> Result<()> {
        let keys: TypingData = keys.into();
        let chain = self
            .page
            .driver()
            .action_chain_with_delay(Some(Duration::ZERO), Some(Duration::ZERO));
        let held = ['\u{e008}', '\u{e009}', '\u{e00a}', '\u{e03d}'];
        let keys: Vec<char> = keys.as_vec();
        let (modifiers, plain): (Vec<char>, Vec<char>) =
            keys.into_iter().partition(|key| held.contains(key));
        let mut chain = modifiers
            .iter()
            .fold(chain, |chain, key| chain.key_down(*key));
        for key in plain {
            chain = chain.key_down(key).key_up(key);
        }
        let chain = modifiers
            .iter()
            .fold(chain, |chain, key| chain.key_up(*key));
        Ok(chain.perform().await?)
    }

    async fn focused(&self) -> Result<WebElement> {
        Ok(self.page.driver().active_element().await?)
    }

    /// What has the focus now.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn focus(&self) -> Result<Focus> {
        let element = self.focused().await?;
        Ok(Focus {
            role: self.page.computed(&element, "computedrole").await?,
            name: self.page.label(&element).await?,
            off: element.attr("aria-disabled").await?.as_deref() == Some("true"),
        })
    }

    /// Presses Tab until a control of that role whose name is `name`, or begins with it where it ends in `…`, has the focus and is not off. A control that is
    /// off may come on while one waits.
    ///
    /// # Errors
    /// When the focus does not come there in time; tells where it went instead.
    pub async fn tab_to(&self, role: &str, name: &str) -> Result<()> {
        self.walk(false, role, name).await
    }

    /// As [`Keyboard::tab_to`], with Shift, backwards.
    ///
    /// # Errors
    /// As [`Keyboard::tab_to`].
    pub async fn tab_back_to(&self, role: &str, name: &str) -> Result<()> {
        self.walk(true, role, name).await
    }

    async fn walk(&self, back: bool, role: &str, name: &str) -> Result<()> {
        let is_it = |focus: &Focus| {
            let named = match name.strip_suffix('…') {
                Some(begin) => focus.name.starts_with(begin),
                None => focus.name == name,
            };
            named && focus.role == role
        };
        let began = Instant::now();
        let mut seen = Vec::new();
        while seen.len() < TABS || began.elapsed() < PATIENCE {
            let focus = self.focus().await?;
            if is_it(&focus) && !focus.off {
                return Ok(());
            }
            if is_it(&focus) {
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
            seen.push(focus.to_string());
            if seen.len() > TABS * 4 {
                break;
            }
            let key = if back {
                Key::Shift + Key::Tab
            } else {
                Key::Tab.into()
            };
            self.press(key).await?;
        }
        seen.dedup();
        let last = seen.len().saturating_sub(60);
        let text = self.page.text().await?;
        Err(HarnessError(format!(
            "Tab does not come to {role} \"{name}\"; it came to:\n{}\nthe page shows:\n{text}",
            seen[last..].join("\n")
        )))
    }

    /// Goes to a control by Tab and presses Enter.
    ///
    /// # Errors
    /// As [`Keyboard::tab_to`].
    pub async fn enter(&self, role: &str, name: &str) -> Result<()> {
        self.tab_to(role, name).await?;
        self.press(Key::Enter).await
    }

    /// Goes to a field by Tab and replaces what stands in it.
    ///
    /// # Errors
    /// When it is out of reach, or does not take the text.
    pub async fn fill(&self, role: &str, name: &str, text: &str) -> Result<()> {
        self.tab_to(role, name).await?;
        self.press(Key::Control + "a").await?;
        self.press(text).await?;
        let element = self.focused().await?;
        wait_for(&format!("\"{text}\" in \"{name}\""), PATIENCE, || async {
            let value = element.prop("value").await?;
            Ok((value.as_deref() == Some(text)).then_some(()))
        })
        .await
    }

    /// Goes to a select by Tab and goes through its options by the arrow until one contains the words.
    ///
    /// # Errors
    /// When none does.
    pub async fn choose(&self, name: &str, words: &str) -> Result<()> {
        self.tab_to("combobox", name).await?;
        self.press(Key::Home).await?;
        let script = "const s = document.activeElement; return [s.selectedOptions[0]?.textContent ?? '', s.options.length]";
        for _ in 0..200 {
            let shown = self.page.eval(script, Vec::new()).await?;
            if shown[0].as_str().is_some_and(|text| text.contains(words)) {
                return Ok(());
            }
            self.press(Key::Down).await?;
        }
        Err(HarnessError(format!(
            "\"{name}\" has no option \"{words}\""
        )))
    }

    /// Waits until what has the focus is of that role and name.
    ///
    /// # Errors
    /// When it is something else for long; tells what.
    pub async fn has_focus(&self, role: &str, name: &str) -> Result<()> {
        let what = format!("the focus on {role} \"{name}\"");
        wait_for(&what, PATIENCE, || async {
            let focus = self.focus().await?;
            if focus.role == role && focus.name == name {
                return Ok(Some(()));
            }
            Err(HarnessError(format!("it is on {focus}")))
        })
        .await
    }

    /// Counts, from now on, what a pointer or a script that moves the focus would leave behind: clicks that no key made, and calls of `focus()` that came
    /// from outside of the console. [`Keyboard::foreign`] tells.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn watch(&self) -> Result<()> {
        let script = "window.__foreign = []; for (const kind of ['pointerdown', 'mousedown', 'touchstart']) \
            window.addEventListener(kind, e => window.__foreign.push(kind + ' on ' + e.target.nodeName), true);";
        self.page.eval(script, Vec::new()).await.map(drop)
    }

    /// What was done by other means than keys since [`Keyboard::watch`], on the present load of the page.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn foreign(&self) -> Result<Vec<String>> {
        let seen = self
            .page
            .eval("return window.__foreign", Vec::new())
            .await?;
        if seen == Value::Null {
            return Err(HarnessError::new("the page was loaded anew since"));
        }
        Ok(serde_json::from_value(json!(seen))?)
    }
}
