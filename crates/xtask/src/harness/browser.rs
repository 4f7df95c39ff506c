//! A real Chromium, driven by chromedriver, with a profile of its own.

use super::page::Page;
use super::{HarnessError, Result, wait_for};
use crate::processes;
use rustix::process::Signal;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};

/// A browser; ends with the value.
pub struct Browser {
    driver: WebDriver,
    chromedriver: Child,
    profile: PathBuf,
}

/// How a browser starts.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Width of the viewport, CSS pixels.
    pub width: u32,
    /// Height of the viewport, CSS pixels.
    pub height: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            width: 1440,
            height: 900,
        }
    }
}

impl Browser {
    /// Starts chromedriver and a headless Chromium with an empty profile.
    ///
    /// # Errors
    /// When either is missing or does not start.
    pub async fn start(window: Window) -> Result<Self> {
        Self::start_trusting(window, None).await
    }

    /// The same, trusting certificates that a root with this public key signed: the content of `ca.spki-sha256` in a
    /// deployment's folder.
    ///
    /// # Errors
    /// As [`Browser::start`].
    pub async fn start_trusting(window: Window, pin: Option<&str>) -> Result<Self> {
        super::provide();
        let port = super::ports::one()?;
        let profile =
            std::env::temp_dir().join(format!("gridhelm-chromium-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&profile)?;
        let mut chromedriver = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "chromedriver",
                &format!("--port={port}"),
                "--silent",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| {
                HarnessError(format!(
                    "chromedriver does not start ({e}); run `cargo xtask test`"
                ))
            })?;
        let url = format!("http://127.0.0.1:{port}");
        let mut caps = DesiredCapabilities::chrome();
        for arg in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
        ] {
            caps.add_arg(arg)?;
        }
        if let Some(pin) = pin {
            caps.add_arg(&format!("--ignore-certificate-errors-spki-list={pin}"))?;
        }
        caps.add_arg(&format!("--window-size={},{}", window.width, window.height))?;
        caps.add_arg(&format!("--user-data-dir={}", profile.display()))?;
        let started = wait_for("chromedriver", Duration::from_secs(20), || {
            let (url, caps) = (url.clone(), caps.clone());
            async move { Ok(Some(WebDriver::new(url, caps).await?)) }
        })
        .await;
        let driver = match started {
            Ok(driver) => driver,
            Err(error) => {
                let _ = chromedriver.kill();
                let _ = chromedriver.wait();
                return Err(error);
            }
        };
        let browser = Self {
            driver,
            chromedriver,
            profile,
        };
        browser.resize(window).await?;
        Ok(browser)
    }

    /// The page that it shows.
    pub fn page(&self) -> Page {
        Page::new(self.driver.clone())
    }

    /// Gives the viewport another size.
    ///
    /// # Errors
    /// What Chromium answers.
    pub async fn resize(&self, window: Window) -> Result<()> {
        let metrics = serde_json::json!({
            "width": window.width, "height": window.height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics)
            .await
            .map(drop)
    }

    /// Sends a command of the Chrome `DevTools` protocol.
    ///
    /// # Errors
    /// What Chromium answers.
    pub async fn cdp(
        &self,
        command: &str,
        parameters: serde_json::Value,
    ) -> Result<serde_json::Value> {
        Ok(self.driver.cdp().send_raw(command, parameters).await?)
    }

    /// Prefers the dark or the light scheme.
    ///
    /// # Errors
    /// What Chromium answers.
    pub async fn prefer(&self, scheme: &str) -> Result<()> {
        let features = serde_json::json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.cdp("Emulation.setEmulatedMedia", features)
            .await
            .map(drop)
    }

    /// Ends it in the orderly way.
    ///
    /// # Errors
    /// When the driver does not answer; the processes are ended all the same.
    pub async fn quit(self) -> Result<()> {
        Ok(self.driver.clone().quit().await?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // After a fault nobody asked Chromium to quit, and it would outlive its driver.
        let started = processes::below(self.chromedriver.id());
        let _ = self.chromedriver.kill();
        let _ = self.chromedriver.wait();
        for process in started.iter().rev() {
            process.signal(Signal::KILL);
        }
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
