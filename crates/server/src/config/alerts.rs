//! `[alerts]`: where messages about alerts may go.

use serde::Deserialize;
use std::path::PathBuf;

/// The most hosts that may be named.
const MAX_HOSTS: usize = 100;

/// `[alerts]`. What a webhook may reach is decided on the server's host, not in the console: whoever may set an address there must not be able
/// to have this server call whatever stands beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertsConfig {
    /// Hosts that a webhook may be on although they have no public address, as `HOST` or `HOST:PORT`, written as in the webhook's
    /// address.
    pub webhook_hosts: Vec<String>,
    /// The certificates (PEM) that sign those of webhooks with https; the system's when absent.
    pub ca: Option<PathBuf>,
}

impl AlertsConfig {
    /// What is wrong with it: the key, and why.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        let bad = |host: &String| host.is_empty() || host.contains(['/', '@', ' ']);
        if self.webhook_hosts.len() > MAX_HOSTS {
            return Some(("alerts.webhook_hosts", format!("give at most {MAX_HOSTS}")));
        }
        let host = self.webhook_hosts.iter().find(|host| bad(host))?;
        Some((
            "alerts.webhook_hosts",
            format!("\"{host}\" is not a host; give HOST or HOST:PORT without http://"),
        ))
    }
}
