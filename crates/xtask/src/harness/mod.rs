//! What the browser tests and the bench share: a local deployment of their own, a real Chromium, pages
//! whose parts are found by role and accessible name, and a plain client of the admin API.
//!
//! Built with the feature `harness` only, so that `cargo xtask run` stays quick to build.

pub mod api;
pub mod axe;
pub mod browser;
pub mod inserting;
pub mod keyboard;
pub mod load;
pub mod local;
pub mod page;
pub mod ports;
pub mod postgres;
pub mod relay;
pub mod repositories;
pub mod stream;
pub mod switch;
pub mod views;

/// What a test or a measurement could not do, with where it was tried.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HarnessError(pub String);

impl HarnessError {
    /// An error with its context.
    pub fn new(what: impl core::fmt::Display) -> Self {
        Self(what.to_string())
    }
}

impl From<thirtyfour::error::WebDriverError> for HarnessError {
    fn from(error: thirtyfour::error::WebDriverError) -> Self {
        Self(format!("WebDriver: {error}"))
    }
}

impl From<std::io::Error> for HarnessError {
    fn from(error: std::io::Error) -> Self {
        Self(format!("input or output: {error}"))
    }
}

impl From<serde_json::Error> for HarnessError {
    fn from(error: serde_json::Error) -> Self {
        Self(format!("JSON: {error}"))
    }
}

impl From<tokio_postgres::Error> for HarnessError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(format!("PostgreSQL: {error:?}"))
    }
}

impl From<reqwest::Error> for HarnessError {
    fn from(error: reqwest::Error) -> Self {
        Self(format!("HTTP: {error:?}"))
    }
}

/// Makes `ring` what HTTP clients do TLS with: one must be chosen even for plain HTTP. Called by what everything here
/// begins with, a deployment or a browser.
pub fn provide() {
    // An error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What the harness answers.
pub type Result<T> = core::result::Result<T, HarnessError>;

/// Asks `probe` every 25 ms until it gives a value, at most for `limit`.
///
/// # Errors
/// Says what was waited for, and the last reason that `probe` gave.
pub async fn wait_for<T, F, Fut>(what: &str, limit: std::time::Duration, mut probe: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>>>,
{
    let end = std::time::Instant::now() + limit;
    loop {
        let last = match probe().await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => String::new(),
            Err(error) => format!(": {error}"),
        };
        if std::time::Instant::now() >= end {
            return Err(HarnessError(format!("waited {limit:?} for {what}{last}")));
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
}
