//! Switching the active server: preflight, switchover (planned), failover (forced).

use crate::Millis;
use serde::{Deserialize, Serialize};

/// How a check or a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Good.
    Pass,
    /// Worth knowing; does not stop a switchover.
    Warn,
    /// Stops a switchover.
    Fail,
}

/// One check before a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Check {
    /// Its stable id: `standby_ready`, `same_version`, `database`, `nodes_reachable`, `tasks_in_flight`, `zombies`,
    /// `balancer`, `clocks`; after a switch also `repository` and `tasks_going`.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen.
    pub evidence: String,
    /// What to do about it, when it is not a pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
}

/// `GET /switch/preflight?to=NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Preflight {
    /// The server that would hand over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The server that would take over.
    pub to: String,
    /// The epoch that the checks saw.
    pub epoch: i64,
    /// When they were made.
    pub at: Millis,
    /// The checks.
    pub checks: Vec<Check>,
}

impl Preflight {
    /// Whether no check fails.
    pub fn may_switch(&self) -> bool {
        self.checks.iter().all(|c| c.outcome != Outcome::Fail)
    }
}

/// Planned or forced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum SwitchKind {
    /// A switchover: the active server hands over.
    Planned,
    /// A failover: the standby takes over from one that does not answer.
    Forced,
    /// A failover that the standby decided by itself; never asked for.
    Automatic,
}

/// `POST /switch`. A planned one goes to the active server (a standby relays it), a forced one to the
/// server that shall take over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct SwitchRequest {
    /// Planned or forced.
    pub kind: SwitchKind,
    /// The server that shall be active.
    pub to: String,
    /// The epoch that the caller saw; 412 when it is another.
    pub expect_epoch: i64,
    /// Why; shown to everyone. 3 to 500 characters.
    pub reason: String,
    /// How long a planned switch waits for running tasks to end, seconds, 0 to 3,600.
    #[serde(default = "default_drain")]
    pub drain_s: u32,
    /// What becomes of tasks that still run then.
    #[serde(default)]
    pub after_drain: AfterDrain,
    /// Only say what a planned switch would do: everything that could refuse it is looked at, and nothing is changed
    /// or recorded.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub dry_run: bool,
    /// When a planned switch shall begin, by the active server's clock; absent: now. At most 7 days ahead. It is
    /// checked again then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
    /// Switch although the group was switched a moment ago (see [`HOLD_S`]).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub override_hold: bool,
    /// For a forced one: the name of the group, typed by the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
}

const fn default_drain() -> u32 {
    120
}

impl SwitchRequest {
    /// A request with the choices that are made when nothing else is said.
    pub fn new(kind: SwitchKind, to: &str, expect_epoch: i64, reason: &str) -> Self {
        Self {
            kind,
            to: to.to_owned(),
            expect_epoch,
            reason: reason.to_owned(),
            drain_s: default_drain(),
            after_drain: AfterDrain::CallOff,
            dry_run: false,
            at: None,
            override_hold: false,
            confirm: None,
        }
    }
}

/// For how long after a switch another planned one is refused unless it overrides that, seconds: servers that take
/// turns help nobody.
pub const HOLD_S: u32 = 60;

/// The furthest that a switch can be planned ahead, seconds: 7 days.
pub const MAX_AHEAD_S: u32 = 7 * 86_400;

/// What becomes of tasks that still run when the time to wait for them is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "snake_case")]
pub enum AfterDrain {
    /// They go on, and the switch is called off: the server stays active.
    #[default]
    CallOff,
    /// They are interrupted: those that may repeat run again at the new active server, the others fail.
    Interrupt,
}

/// How a planned switch deals with running tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Drain {
    /// How long it waits for them, seconds.
    pub within_s: u32,
    /// What becomes of those that still run then.
    pub then: AfterDrain,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Not begun.
    Todo,
    /// Under way.
    Now,
    /// Ended well.
    Done,
    /// Ended badly; the switch stopped here.
    Failed,
}

/// One step of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Step {
    /// Its stable id: `preflight`, `drain`, `park`, `release`, `take`, `verify`, `after`; of a failover: `check`, `take`,
    /// `reclaim`, `verify`, `after`.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// Where it stands.
    pub state: StepState,
    /// What it waits for, or what it found.
    #[serde(default)]
    pub note: String,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Millis>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
}

/// How a switch stands or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum SwitchState {
    /// It begins at its time.
    Scheduled,
    /// Under way.
    Running,
    /// The new server is active.
    Done,
    /// It stopped; the old server stays (planned) or nothing changed (forced).
    Failed,
    /// A person called it off before it changed anything.
    Cancelled,
}

impl SwitchState {
    /// Whether nothing more will happen.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// One switch, under way or in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct SwitchRecord {
    /// Its id.
    pub id: String,
    /// The group.
    pub group: String,
    /// Planned or forced.
    pub kind: SwitchKind,
    /// The server that was active, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The server that took over or should.
    pub to: String,
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The epoch before.
    pub epoch_before: i64,
    /// The epoch after; absent until it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_after: Option<i64>,
    /// How it stands.
    pub state: SwitchState,
    /// When it shall begin, if it was planned ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
    /// How it deals with running tasks; absent for a failover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    /// When it began; of one that is scheduled: when it was asked for.
    pub started_at: Millis,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// From the moment that the old server stopped taking work to the new one taking it, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_ms: Option<i64>,
    /// Requests for work that the group's servers refused during the switch because none was active, as far as its
    /// leader knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_requests: Option<u64>,
    /// The steps.
    pub steps: Vec<Step>,
    /// What was looked at afterwards, at the new active server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Check>,
}

/// Which switches of the history are wanted: `GET /switches`. All given conditions hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::IntoParams)
)]
pub struct SwitchFilter {
    /// Of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(all(feature = "schema", not(target_arch = "wasm32")), param(value_type = Option<String>))]
    pub kind: Option<SwitchKind>,
    /// In this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(all(feature = "schema", not(target_arch = "wasm32")), param(value_type = Option<String>))]
    pub state: Option<SwitchState>,
    /// From or to this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// With this text in who or why; letters' case does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Begun at this moment or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Millis>,
    /// Begun before this moment: the start of the last one on the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Millis>,
    /// At most so many, 1 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl SwitchFilter {
    /// Whether a switch is wanted, its time left aside.
    pub fn wants(&self, record: &SwitchRecord) -> bool {
        let named = |server: &String| record.from.as_ref() == Some(server) || record.to == *server;
        let said = |text: &String| {
            let text = text.to_lowercase();
            record.by.to_lowercase().contains(&text) || record.reason.to_lowercase().contains(&text)
        };
        self.kind.is_none_or(|kind| kind == record.kind)
            && self.state.is_none_or(|state| state == record.state)
            && self.server.as_ref().is_none_or(named)
            && self.text.as_ref().is_none_or(said)
    }
}
