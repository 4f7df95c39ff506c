//! Sends messages to the webhook.

use super::message::{body, signature};
use super::target;
use crate::clock;
use crate::config::AlertsConfig;
use gridhelm_api::alert::Delivery;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, header};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long the whole may take.
const LIMIT: Duration = Duration::from_secs(8);
/// The certificates that the system trusts.
const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The largest file of certificates that is read, bytes.
const MAX_CA: u64 = 4 << 20;

/// Where messages go, as it is kept. `Debug` hides the secret.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hook {
    #[serde(default)]
    pub(crate) version: i64,
    #[serde(default)]
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) enabled: bool,
    #[serde(default)]
    pub(crate) secret: String,
}

impl core::fmt::Debug for Hook {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Hook")
            .field("version", &self.version)
            .field("url", &self.url)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

impl Hook {
    /// Whether messages are sent.
    pub(crate) fn is_on(&self) -> bool {
        self.enabled && !self.url.is_empty() && !self.secret.is_empty()
    }
}

/// Who sends.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) config: AlertsConfig,
    pub(super) group: String,
    pub(super) server: String,
}

impl Sender {
    /// Whether that address may be called.
    pub(super) async fn check(&self, url: &str) -> Result<(), String> {
        target::find(&self.config, url).await.map(|_| ())
    }

    /// Sends a message once. What the receiver answers beside its status is not read.
    ///
    /// # Errors
    /// Why it was not taken, for a person; without the secret.
    pub(super) async fn send(&self, hook: &Hook, delivery: &Delivery) -> Result<(), String> {
        let sending = self.send_at_leisure(hook, delivery);
        tokio::time::timeout(LIMIT, sending)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs())))
    }

    async fn send_at_leisure(&self, hook: &Hook, delivery: &Delivery) -> Result<(), String> {
        let found = target::find(&self.config, &hook.url).await?;
        let timestamp = clock::now() / 1_000;
        let body = body(delivery, &self.group, &self.server).map_err(|e| e.to_string())?;
        let signed = signature(&hook.secret, timestamp, &body)
            .ok_or_else(|| "the message cannot be signed".to_owned())?;
        let secure = found.url.scheme() == "https";
        let client = self.client(&found, secure)?;
        let answer = client
            .post(found.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("gridhelm-delivery", &delivery.id)
            .header("gridhelm-timestamp", timestamp)
            .header("gridhelm-signature", signed)
            .body(body)
            .send()
            .await
            .map_err(|error| innermost(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let hint = if status.is_redirection() {
            "; redirects are not followed: set the address where it leads to"
        } else {
            ""
        };
        Err(format!("it answered {status}{hint}"))
    }

    /// A client that connects to what was checked and to nothing else.
    fn client(&self, found: &target::Target, secure: bool) -> Result<Client, String> {
        crate::tls::provide();
        let certificates = if secure {
            trusted(self.config.ca.as_deref())?
        } else {
            Vec::new()
        };
        Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(CONNECT)
            .timeout(LIMIT)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("gridhelm-server/", env!("CARGO_PKG_VERSION")))
            .tls_certs_only(certificates)
            .resolve_to_addrs(&found.host, &found.addresses)
            .build()
            .map_err(|error| error.to_string())
    }
}

/// The certificates that may have signed a receiver's.
fn trusted(ca: Option<&Path>) -> Result<Vec<Certificate>, String> {
    let path = ca.unwrap_or(Path::new(SYSTEM_CA));
    let told = |why: String| format!("{}: {why}", path.display());
    let size = std::fs::metadata(path)
        .map_err(|error| told(error.to_string()))?
        .len();
    if size > MAX_CA {
        return Err(told(format!("it has {size} bytes, more than 4 MiB")));
    }
    let pem = std::fs::read(path).map_err(|error| told(error.to_string()))?;
    Certificate::from_pem_bundle(&pem).map_err(|error| told(error.to_string()))
}

/// What went wrong at the bottom, without the address.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn core::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
