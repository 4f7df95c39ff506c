//! What was measured of a node in the last hour.

use crate::Millis;
use serde::{Deserialize, Serialize};

/// For how long measures are kept, milliseconds.
pub const KEPT_MS: Millis = 60 * 60 * 1_000;
/// Between two values of load and memory, milliseconds.
pub const EVERY_MS: Millis = 10_000;

/// `GET /nodes/{name}/measures`: what the active server measured of a node in the last hour. It is not stored: a server that takes the active
/// role begins anew.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct NodeMeasures {
    /// How long heartbeats took; absent while none was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeats: Option<Latency>,
    /// When the last value of load and memory was taken: the others before it, every 10 s.
    pub at: Millis,
    /// Load per core, 1.0 = all cores busy, oldest first, at most 360; null where nothing was measured.
    pub load: Vec<Option<f64>>,
    /// Share of memory in use, 0 to 1, at the same times.
    pub memory: Vec<Option<f64>>,
}

/// How long answers took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Latency {
    /// How many there were.
    pub number: u32,
    /// Since when they are counted.
    pub since: Millis,
    /// Half of them took at most so long, milliseconds.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// The slowest.
    pub slowest: f64,
}
