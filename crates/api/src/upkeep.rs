//! Backups, what the database holds, and the space it has.

use crate::Millis;
use serde::{Deserialize, Serialize};

/// `GET /backups`: the backups that the server that answers has, and what it does about them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Backups {
    /// The server.
    pub server: String,
    /// The folder that they are in, on the server's host; `None` where none is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// When one is made by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<BackupSchedule>,
    /// The one that is being made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<BackupRun>,
    /// Why the last one was not made, unless one was made since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<BackupFailure>,
    /// Free space in the folder, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<u64>,
    /// Newest first.
    pub items: Vec<BackupFile>,
}

/// When backups are made by themselves, at the active server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct BackupSchedule {
    /// Every day at this time, `HH:MM`, UTC.
    pub at: String,
    /// How many of those that were made so are kept.
    pub keep: u32,
    /// The next time.
    pub next: Millis,
}

/// A backup that is being made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct BackupRun {
    /// The name that it will have.
    pub name: String,
    /// Who asked for it.
    pub by: String,
    /// Since when.
    pub since: Millis,
    /// Whether it is written and now read back.
    pub verifying: bool,
    /// Rows written, or read back.
    pub rows: u64,
    /// Bytes of the file written, or read back.
    pub bytes: u64,
}

/// A backup that was not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct BackupFailure {
    /// When.
    pub at: Millis,
    /// Who asked for it.
    pub by: String,
    /// Why, and what to do.
    pub why: String,
}

/// A backup. It was read back whole when it was made: a file that was not does not get its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct BackupFile {
    /// Its file name.
    pub name: String,
    /// Its size, bytes.
    pub size: u64,
    /// When its snapshot was taken; `None` when its head cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_at: Option<Millis>,
    /// Who asked for it.
    #[serde(default)]
    pub made_by: String,
    /// The server that made it.
    #[serde(default)]
    pub server: String,
    /// Its gridhelm-server's version.
    #[serde(default)]
    pub version: String,
    /// What it was made of.
    #[serde(default)]
    pub database: String,
    /// The group's epoch in it.
    #[serde(default)]
    pub epoch: i64,
    /// Why it cannot be used, where that shows at its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// `GET /sizes`: what the database holds, and what of it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Sizes {
    /// When it was counted.
    pub at: Millis,
    /// Each kind of thing.
    pub kinds: Vec<SizeOf>,
    /// The space that the database has, where the server can see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Disk>,
}

/// How much there is of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct SizeOf {
    /// Its stable id: `tasks`, `results`, `versions`, `contents`, `events`, `audit`.
    pub kind: String,
    /// Its name for people.
    pub title: String,
    /// How many.
    pub rows: u64,
    /// Their text and content, bytes.
    pub bytes: u64,
    /// When the oldest is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Millis>,
    /// How long it is kept, in words.
    pub kept: String,
    /// How many go within a day by that.
    pub going: u64,
}

/// The space of a disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Disk {
    /// The folder that was looked at, on the server's host.
    pub folder: String,
    /// Free for the server, bytes.
    pub free: u64,
    /// In all, bytes.
    pub total: u64,
    /// With less free than this, new work is refused, bytes.
    pub floor: u64,
    /// Whether it is.
    pub low: bool,
}
