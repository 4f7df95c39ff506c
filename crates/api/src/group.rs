//! A group and its servers.

use crate::Millis;
use crate::switch::Check;
use serde::{Deserialize, Serialize};

/// What a server is to its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum ServerRole {
    /// It does the work.
    Active,
    /// It is ready to.
    #[default]
    Standby,
    /// It hands over: ends what runs, parks what comes.
    Leaving,
    /// It takes the active role.
    Taking,
}

/// `GET /server` (no token needed): who answers here, and who is active.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct ServerStatus {
    /// The server's name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// What it is to the group.
    pub role: ServerRole,
    /// The group's epoch as this server last read it. While active: its own.
    pub epoch: i64,
    /// The active server's name, if this server knows of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<String>,
    /// The active server's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_url: Option<String>,
    /// Whether it could do its role now: database reachable, schema served.
    pub ready: bool,
    /// Why not, if not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_ready: Option<String>,
    /// The build's version.
    pub version: String,
    /// A random id of this process; the first half of event ids.
    pub boot: String,
    /// When the process started.
    pub started_at: Millis,
    /// The certificate that it shows; absent where it does not speak TLS itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
}

/// A server's certificate, as everyone who connects sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Certificate {
    /// Until when it is good.
    pub not_after: Millis,
    /// Whether its files were changed to something that cannot be used: it is shown on until they are mended.
    #[serde(default)]
    pub stale: bool,
}

/// A server of the group as the database knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Member {
    /// The server's name.
    pub name: String,
    /// Where it is reached.
    pub url: String,
    /// The build's version.
    pub version: String,
    /// When it last wrote that it lives.
    pub seen_at: Millis,
}

/// `GET /group`: who is active since when and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Group {
    /// The group's name.
    pub name: String,
    /// The epoch.
    pub epoch: i64,
    /// The active server's name; absent when none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<String>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Millis>,
    /// Who made it active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The servers.
    pub members: Vec<Member>,
    /// The database in words: `SQLite, one host`.
    pub database: String,
    /// What the answering server finds of the database itself (whether one host takes writes, whether it keeps what it
    /// acknowledged) and of the servers' certificates. Empty where none of it can be in doubt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub database_checks: Vec<Check>,
    /// Who decides that an active server that is gone is replaced.
    #[serde(default)]
    pub failover: Failover,
}

/// Who decides that an active server that is gone is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum FailoverMode {
    /// A person, by a forced failover.
    #[default]
    Manual,
    /// A standby, as soon as the active server is proven dead or its lease has lapsed.
    Automatic,
}

/// How a group replaces an active server that is gone. Only the active server changes it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Failover {
    /// Who decides.
    pub mode: FailoverMode,
    /// Automatic failover rests for maintenance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// Who set it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Millis>,
    /// Grows by one with each change; 0 in a group that never had one.
    pub version: i64,
}

impl Failover {
    /// Whether a standby may take over by itself now.
    pub fn is_automatic(&self) -> bool {
        self.mode == FailoverMode::Automatic && self.pause.is_none()
    }
}

/// A rest of automatic failover. The active server ends it; when that dies meanwhile, a person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Pause {
    /// Until when, by the active server's clock.
    pub until: Millis,
}

/// `PUT /group/failover`, with `If-Match`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct FailoverChange {
    /// Who shall decide.
    pub mode: FailoverMode,
    /// For how long automatic failover shall rest, seconds, 1 to 86,400; absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_s: Option<u32>,
    /// Why; shown to everyone. 3 to 500 characters.
    pub reason: String,
}

/// Counts that the console shows for a group; sent about once a second.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct GroupStats {
    /// Tasks that wait.
    pub queued: u64,
    /// Tasks that run.
    pub running: u64,
    /// Tasks that wait for a person.
    pub uncertain: u64,
    /// Tasks ended in each of the last 30 minutes, oldest first.
    pub per_minute: Vec<u32>,
    /// 95th percentile of the wait in the last 5 minutes, milliseconds.
    pub wait_p95_ms: Option<f64>,
    /// 95th percentile of the run time in the last 5 minutes, milliseconds.
    pub run_p95_ms: Option<f64>,
    /// Attempts repeated after a failure of the grid in the last hour.
    pub re_executed: u64,
    /// Files in the repository.
    pub files: u64,
}
