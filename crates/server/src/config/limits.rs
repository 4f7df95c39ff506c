//! `[limits]`: how much of the server one caller may have.

use serde::Deserialize;

/// `[limits]`. A number that is 0 sets no limit. Addresses in `trusted_proxies` are not limited: who calls through
/// them is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests a second from one address (of IPv6: one network of 64 bits), on average; four times as many at once.
    pub requests_per_address: u32,
    /// Requests a second of one account or program's token, on average; four times as many at once.
    pub requests_per_user: u32,
    /// Connections at the same time from one address.
    pub connections_per_address: u32,
    /// Event streams at the same time from one address.
    pub streams_per_address: u32,
    /// Event streams at the same time of one account.
    pub streams_per_user: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_address: 2_000,
            requests_per_user: 2_000,
            connections_per_address: 1_024,
            streams_per_address: 500,
            streams_per_user: 200,
        }
    }
}
