//! Nodes and their slots.

use crate::names::{MAX_SLOTS, check_host, check_name, check_reason};
use crate::packages::NODE_LABEL;
use crate::{FieldError, Millis};
use serde::{Deserialize, Serialize};

/// What kinds of task a node takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum OperatingType {
    /// Tasks of callers who did not sign in.
    Anonymous,
    /// Tasks of callers who wait for the answer.
    Authenticated,
    /// Tasks from the queue that nobody waits for.
    Asynchronous,
    /// All of them.
    #[default]
    Mixed,
}

/// What people want of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum Intent {
    /// It takes work.
    #[default]
    Enabled,
    /// It ends what runs and takes nothing new.
    Draining,
    /// It is out on purpose.
    Disabled,
}

/// What the active server sees of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Not looked at yet by this active server.
    #[default]
    Unknown,
    /// Answers in time.
    Healthy,
    /// Answers late or in part, or some of its slots are out.
    Degraded,
    /// Does not answer.
    Unreachable,
}

/// What a slot is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum SlotState {
    /// Free; takes the next task.
    #[default]
    Idle,
    /// Runs a task of the active server.
    Busy,
    /// Its deadline has passed, or its session does not work any more; its stall says what was seen.
    Stalled,
    /// Its node does not answer.
    Lost,
    /// Held by a session of a server that is no longer active.
    Zombie,
    /// Ends its task and takes no new one.
    Draining,
    /// Out on purpose.
    Disabled,
}

impl SlotState {
    /// Whether the slot can do work now: idle or busy.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Idle | Self::Busy)
    }
}

/// Why a slot is stalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum StallKind {
    /// Its task is being stopped: the time-out has passed, or someone wanted its end.
    #[default]
    Stopping,
    /// Its process is stopped (SIGSTOP, a debugger).
    Stopped,
    /// Its process waits for a disk that does not answer.
    Disk,
    /// Its process is gone, though its connection was not closed.
    Gone,
    /// Its process cannot be looked at.
    Silent,
}

/// What is known of a session that does not work as it should.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct SlotStall {
    /// What kind of stall it is.
    pub kind: StallKind,
    /// What was seen, in words.
    pub what: String,
    /// When that was first seen.
    pub since: Millis,
    /// How many looks in a row have seen it.
    pub tries: u32,
    /// When the last of these was; while nothing changes it is told every ten seconds.
    pub looked_at: Millis,
    /// When the session was last seen well, if it was looked at before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<Millis>,
}

/// What stands in place of a task's id where R reads the names of the objects in a file of the repository.
pub const OBJECT_NAMES: &str = "object-names";

/// One slot of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Slot {
    /// What it is doing.
    pub state: SlotState,
    /// The task it runs, if any; or [`OBJECT_NAMES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The R session's process, if one is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i64>,
    /// Who holds it, when that is not this active server: `server, epoch n`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
    /// Since when it is in this state.
    pub since: Millis,
    /// Why it is stalled, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall: Option<SlotStall>,
}

/// What the probe last read at a node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct NodeFacts {
    /// R's version, `4.2.2`.
    #[serde(default)]
    pub r_version: String,
    /// Rserve's version, `1.8-11`.
    #[serde(default)]
    pub rserve_version: String,
    /// Processor cores.
    #[serde(default)]
    pub cores: u32,
    /// Memory in all, bytes.
    #[serde(default)]
    pub memory_total: u64,
    /// Memory that new work could take, bytes.
    #[serde(default)]
    pub memory_available: u64,
    /// Free disk where sessions work, bytes.
    #[serde(default)]
    pub disk_free: u64,
    /// The node's clock less the server's, milliseconds.
    #[serde(default)]
    pub clock_offset_ms: i64,
    /// Installed R packages.
    #[serde(default)]
    pub packages: u32,
    /// Operating system and host, one line.
    #[serde(default)]
    pub host: String,
    /// When it was read.
    #[serde(default)]
    pub at: Millis,
}

/// A node with its slots, as the active server sees it. Its password never leaves the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Node {
    /// Its name; unique in the group.
    pub name: String,
    /// Host name or address of Rserve.
    pub host: String,
    /// Port of Rserve.
    pub port: u16,
    /// The user that the server signs in as at Rserve, if it asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How many sessions may run on it at once, 1 to 1,024.
    pub slot_limit: u32,
    /// What kinds of task it takes.
    pub operating_type: OperatingType,
    /// Free words by which tasks and people choose nodes.
    #[serde(default)]
    pub labels: Vec<String>,
    /// What people want of it.
    pub intent: Intent,
    /// Why, as they gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent_reason: Option<String>,
    /// Who set the intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent_by: Option<String>,
    /// Since when the intent holds.
    pub intent_since: Millis,
    /// When the intent ends by itself: a disabled node is enabled again then, the deadline of a draining one passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent_until: Option<Millis>,
    /// Whether what still runs is interrupted: at the deadline of a drain, at once without one.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub intent_force: bool,
    /// Grows with each edit; the ETag of writes.
    pub version: i64,
    /// When it was registered.
    pub created_at: Millis,
    /// What the active server sees of it. The fields from here on are not stored.
    #[serde(default)]
    pub health: Health,
    /// Why it is not healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_reason: Option<String>,
    /// Since when it is in that health.
    #[serde(default)]
    pub health_since: Millis,
    /// Failed tries in a row.
    #[serde(default)]
    pub failures: u32,
    /// When it last answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heartbeat: Option<Millis>,
    /// How long the last heartbeat took, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_ms: Option<f64>,
    /// Load of the last minute per core, 1.0 = all cores busy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<f64>,
    /// Share of memory in use, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used: Option<f64>,
    /// What the probe last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<NodeFacts>,
    /// How a drain stands; absent unless it drains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<NodeDrain>,
    /// The slots, in order; empty at a server that is not active.
    #[serde(default)]
    pub slots: Vec<Slot>,
}

/// How the drain of a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct NodeDrain {
    /// Tasks that ended on it since it drains, as far as this active server saw them.
    pub done: u32,
    /// Tasks that still run on it.
    pub waiting: u32,
    /// When the last of them ends at the latest, by their time-outs; absent when none runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Millis>,
}

/// `POST /nodes` and `POST /nodes/test`: a node to be.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct NodeDraft {
    /// Its name; unique in the group.
    pub name: String,
    /// Host name or address of Rserve.
    pub host: String,
    /// Port of Rserve.
    pub port: u16,
    /// How many sessions may run on it at once, 1 to 1,024.
    pub slot_limit: u32,
    /// What kinds of task it takes.
    #[serde(default)]
    pub operating_type: OperatingType,
    /// The user to sign in as at Rserve, if it asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// That user's password; write only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Free words, at most 20 of 1 to 40 characters.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Start as enabled (the default) or disabled.
    #[serde(default)]
    pub intent: Intent,
}

impl NodeDraft {
    /// Every field that is not acceptable, with the reason.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors: Vec<_> = [
            check_name("name", &self.name),
            check_host("host", &self.host),
        ]
        .into_iter()
        .filter_map(Result::err)
        .collect();
        check_numbers(Some(self.port), Some(self.slot_limit), &mut errors);
        check_labels(&self.labels, &mut errors);
        check_secret(self.user.as_deref(), self.password.as_deref(), &mut errors);
        errors
    }
}

fn check_numbers(port: Option<u16>, slot_limit: Option<u32>, errors: &mut Vec<FieldError>) {
    if port == Some(0) {
        errors.push(FieldError::new("port", "Give a port from 1 to 65535."));
    }
    if slot_limit.is_some_and(|n| !(1..=MAX_SLOTS).contains(&n)) {
        errors.push(FieldError::new("slot_limit", "Give 1 to 1024 slots."));
    }
}

fn check_labels(labels: &[String], errors: &mut Vec<FieldError>) {
    let ok = |l: &String| {
        (1..=40).contains(&l.chars().count())
            && l.trim() == l
            && !l.chars().any(char::is_control)
            && !l.starts_with(NODE_LABEL)
    };
    if labels.len() > 20 || !labels.iter().all(ok) {
        errors.push(FieldError::new(
            "labels",
            "Give at most 20 labels of 1 to 40 characters, none that begins with node=.",
        ));
    }
}

fn check_secret(user: Option<&str>, password: Option<&str>, errors: &mut Vec<FieldError>) {
    let bad = |s: &str| s.len() > 128 || s.chars().any(char::is_control);
    if user.is_some_and(|u| u.is_empty() || u.contains(char::is_whitespace) || bad(u)) {
        errors.push(FieldError::new(
            "user",
            "Give 1 to 128 characters without white space.",
        ));
    }
    if password.is_some_and(bad) {
        errors.push(FieldError::new(
            "password",
            "Give at most 128 characters, no control characters.",
        ));
    }
}

/// `PATCH /nodes/{name}` with `If-Match`: what is given is changed.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct NodePatch {
    /// A new host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// A new port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// A new slot limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot_limit: Option<u32>,
    /// A new operating type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operating_type: Option<OperatingType>,
    /// New labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// A new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A new password; write only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Does it although it leaves no slot for some kind of task, or fewer than the group's limit (`guard_rail`).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub override_guard: bool,
}

impl NodePatch {
    /// Every field that is not acceptable, with the reason.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if let Some(Err(e)) = self.host.as_deref().map(|h| check_host("host", h)) {
            errors.push(e);
        }
        check_numbers(self.port, self.slot_limit, &mut errors);
        check_labels(self.labels.as_deref().unwrap_or_default(), &mut errors);
        check_secret(self.user.as_deref(), self.password.as_deref(), &mut errors);
        errors
    }
}

/// `POST /nodes/{name}/intent` with `If-Match`: enable, drain or disable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct IntentChange {
    /// What is wanted.
    pub intent: Intent,
    /// Why; shown to everyone. 3 to 500 characters.
    pub reason: String,
    /// After how many seconds it ends by itself, 10 to 2,592,000 (30 days): a disabled node is enabled again (maintenance), the deadline
    /// of a drain passes. Not with `enabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_s: Option<u32>,
    /// Interrupts what still runs: at the deadline of a drain, else at once. Tasks that may run again are queued, the others fail.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub force: bool,
    /// Does it although it leaves no slot for some kind of task, or fewer than the group's limit (`guard_rail`).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub override_guard: bool,
}

/// The shortest and the longest time after which an intent ends by itself, seconds.
pub const INTENT_FOR_S: core::ops::RangeInclusive<u32> = 10..=30 * 86_400;

impl IntentChange {
    /// Wants that, for that reason, until somebody wants otherwise.
    pub fn new(intent: Intent, reason: impl Into<String>) -> Self {
        Self {
            intent,
            reason: reason.into(),
            ..Self::default()
        }
    }

    /// Every field that is not acceptable, with the reason.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors: Vec<_> = check_reason("reason", &self.reason)
            .err()
            .into_iter()
            .collect();
        if self.for_s.is_some_and(|s| !INTENT_FOR_S.contains(&s)) {
            errors.push(FieldError::new(
                "for_s",
                "Give 10 seconds to 30 days (2592000), or nothing for no end.",
            ));
        }
        if self.intent == Intent::Enabled && (self.for_s.is_some() || self.force) {
            errors.push(FieldError::new(
                "intent",
                "Enabling has no end and interrupts nothing; leave for_s and force out.",
            ));
        }
        errors
    }
}

/// `GET` and `PUT /grid/limits`: what an action must leave of the grid unless it is told to go on all the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct GridLimits {
    /// Grows with each change; the ETag of writes. 0: never set.
    #[serde(default)]
    pub version: i64,
    /// Slots that must stay usable, 0 to 1,000,000. 0: no limit.
    pub least_slots: u32,
}

impl GridLimits {
    /// Every field that is not acceptable, with the reason.
    pub fn check(&self) -> Vec<FieldError> {
        if self.least_slots > 1_000_000 {
            return vec![FieldError::new("least_slots", "Give 0 to 1000000 slots.")];
        }
        Vec::new()
    }
}

/// One line of a connection test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct TestStep {
    /// What was tried: "TCP connect to 10.0.0.1:6311".
    pub what: String,
    /// How it ended.
    pub outcome: crate::switch::Outcome,
    /// What was seen.
    #[serde(default)]
    pub evidence: String,
    /// How long it took, milliseconds.
    pub ms: f64,
}

/// The answer of `POST /nodes/test`: what a test of the connection found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct NodeTest {
    /// Whether the node would work.
    pub ok: bool,
    /// The code of the first failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<crate::Code>,
    /// The steps, in order, up to the first failure.
    pub steps: Vec<TestStep>,
    /// Latency of a tiny evaluation, milliseconds, median of 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// What the probe read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<NodeFacts>,
    /// How many slots would suit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggested_slots: Option<u32>,
    /// The server that tested.
    pub tested_from: String,
}

/// One point of a node's history: how many of its slots could be used from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct TimelinePoint {
    /// From when.
    pub at: Millis,
    /// Usable slots from then on.
    pub usable: u32,
    /// Slots in all.
    pub total: u32,
    /// Why it changed.
    pub reason: String,
    /// Whether people wanted it so: what is out is out on purpose.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub planned: bool,
}
