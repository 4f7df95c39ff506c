//! R sessions that live on nodes: whose they are, what they hold, and ending those that nobody uses.

use crate::names::check_reason;
use crate::{FieldError, Millis};
use serde::{Deserialize, Serialize};

/// How many sessions one request may end.
pub const MAX_ENDED: usize = 200;

/// Whose a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum SessionKind {
    /// Of a server of this group that is no longer active: reclaimed by itself, or by a person.
    Zombie,
    /// Of the active server, which has lost it: nobody waits for its answer.
    Abandoned,
    /// It bears no mark of a group: nobody knows whose it is, so only a person may end it.
    Unknown,
    /// It bears no mark yet and is seconds old: about to be marked, a heartbeat, or a server's look at a node.
    New,
    /// Of the active server, in use.
    Used,
    /// Of another group that shares the node.
    Foreign,
    /// Of a server of this group that is active now, while the one that answers no longer is.
    Newer,
}

impl SessionKind {
    /// All, those that a person may end first.
    pub const ALL: [Self; 7] = [
        Self::Zombie,
        Self::Abandoned,
        Self::Unknown,
        Self::New,
        Self::Used,
        Self::Foreign,
        Self::Newer,
    ];

    /// Whether a person may end it here; of [`Self::Unknown`] ones that must be said.
    pub const fn may_end(self) -> bool {
        matches!(self, Self::Zombie | Self::Abandoned | Self::Unknown)
    }

    /// Why a person may not end it here, and what to do instead; empty when that is possible.
    pub const fn why_not(self) -> &'static str {
        match self {
            Self::Zombie | Self::Abandoned | Self::Unknown => "",
            Self::New => "It is seconds old and has no mark yet: look again in a moment.",
            Self::Used => "It is in use: cancel its task, or drain its node.",
            Self::Foreign => "It is another group's: end it there.",
            Self::Newer => "It is of a newer epoch: this server is no longer active.",
        }
    }
}

/// An R session that lives on a node, as the node was last looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct NodeSession {
    /// The node.
    pub node: String,
    /// Its process there.
    pub pid: i64,
    /// That process's start, clock ticks since the node's boot: with it the process cannot be taken for a later one.
    pub start: i64,
    /// Whose it is.
    pub kind: SessionKind,
    /// The group that its mark names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The server that its mark names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The epoch that its mark names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
    /// The task that it runs, if the active server knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Time since its start, seconds.
    pub age_s: u64,
    /// Processor time that it used since its start, milliseconds.
    pub cpu_ms: u64,
    /// Its share of one processor between the last two looks, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Memory that it holds, bytes; part of it is shared with the node's other sessions.
    pub memory: u64,
    /// Whether it is stopped (SIGSTOP, a debugger).
    #[serde(default)]
    pub stopped: bool,
    /// Whether the listener that made it is gone.
    #[serde(default)]
    pub orphan: bool,
    /// Whether the other end of its connection is gone.
    #[serde(default)]
    pub client_gone: bool,
    /// When it was seen.
    pub at: Millis,
}

/// Which session is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct SessionId {
    /// Its process.
    pub pid: i64,
    /// That process's start, as listed.
    pub start: i64,
}

/// `POST /nodes/{name}/sessions/end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct SessionsEnd {
    /// Sessions that nobody uses, as listed.
    #[serde(default)]
    pub sessions: Vec<SessionId>,
    /// Tasks whose sessions on this node are ended, as its slots name them. What may run again is queued again, the others fail; each is told
    /// who ended its session and why. With the sessions 1 to 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    /// Why, 3 to 500 characters.
    pub reason: String,
    /// Whether sessions without a mark may be among them.
    #[serde(default)]
    pub unknown: bool,
}

impl SessionsEnd {
    /// Every field that is not acceptable, with the reason.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors: Vec<_> = check_reason("reason", &self.reason)
            .err()
            .into_iter()
            .collect();
        if !(1..=MAX_ENDED).contains(&(self.sessions.len() + self.tasks.len())) {
            errors.push(FieldError::new(
                "sessions",
                "Give 1 to 200 sessions, or tasks in sessions.",
            ));
        }
        if self.tasks.iter().any(|id| id.is_empty() || id.len() > 64) {
            errors.push(FieldError::new("tasks", "Give the ids of tasks."));
        }
        errors
    }
}

/// What became of a session that a person wanted ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct SessionEnded {
    /// Its process; 0 when the task that was named does not run there.
    pub pid: i64,
    /// The task by which it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Whether it is proven dead, with all below it.
    pub ended: bool,
    /// What happened, or why nothing did and what to do.
    pub said: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_to_end_is_bounded_and_says_why() {
        let id = SessionId { pid: 7, start: 9 };
        let good = SessionsEnd {
            sessions: vec![id],
            tasks: Vec::new(),
            reason: "left over".to_owned(),
            unknown: false,
        };
        assert_eq!(good.check(), Vec::new());
        let task = || "t-1".to_owned();
        let of_tasks = SessionsEnd {
            sessions: Vec::new(),
            tasks: vec![task(); MAX_ENDED],
            ..good.clone()
        };
        assert_eq!(of_tasks.check(), Vec::new());
        for (sessions, tasks, reason, field) in [
            (vec![], vec![], "left over", "sessions"),
            (vec![id; 201], vec![], "left over", "sessions"),
            (vec![id; 101], vec![task(); 100], "left over", "sessions"),
            (vec![], vec!["x".repeat(65)], "left over", "tasks"),
            (vec![], vec![String::new()], "left over", "tasks"),
            (vec![id], vec![], " ", "reason"),
        ] {
            let bad = SessionsEnd {
                sessions,
                tasks,
                reason: reason.to_owned(),
                ..good.clone()
            };
            let errors = bad.check();
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_eq!(errors[0].field, field);
        }
    }

    #[test]
    fn what_a_person_may_not_end_says_why() {
        for kind in SessionKind::ALL {
            assert_eq!(kind.may_end(), kind.why_not().is_empty(), "{kind:?}");
        }
    }
}
