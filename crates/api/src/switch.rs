//! Switching the active server: preflight, switchover (planned), failover (forced).

use crate::Millis;
use serde::{Deserialize, Serialize};

/// How a check or a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
pub struct Check {
    /// Its stable id: `standby_ready`, `same_version`, `nodes_reachable`, `tasks_in_flight`.
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
pub struct SwitchRequest {
    /// Planned or forced.
    pub kind: SwitchKind,
    /// The server that shall be active.
    pub to: String,
    /// The epoch that the caller saw; 412 when it is another.
    pub expect_epoch: i64,
    /// Why; shown to everyone. 3 to 500 characters.
    pub reason: String,
    /// How long a planned switch waits for running tasks to end, seconds, 0 to 3,600; then it fails and
    /// the server stays active.
    #[serde(default = "default_drain")]
    pub drain_s: u32,
    /// For a forced one: the name of the group, typed by the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
}

const fn default_drain() -> u32 {
    120
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
pub struct Step {
    /// Its stable id: `preflight`, `drain`, `park`, `release`, `take`, `verify`.
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
#[serde(rename_all = "lowercase")]
pub enum SwitchState {
    /// Under way.
    Running,
    /// The new server is active.
    Done,
    /// It stopped; the old server stays (planned) or nothing changed (forced).
    Failed,
}

/// One switch, under way or in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// When it began.
    pub started_at: Millis,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// From the moment that the old server stopped taking work to the new one taking it, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_ms: Option<i64>,
    /// The steps.
    pub steps: Vec<Step>,
}
