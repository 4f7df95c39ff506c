//! From how an attempt ended to what becomes of its task. Functions of values.

use crate::grid::seconds;
use gridhelm_api::task::{FailureKind, TaskFailure, TaskState};
use gridhelm_rserve::run::{RError, RErrorKind};

/// Why the server stopped an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its time-out of so many seconds has passed.
    Timeout(u32),
    /// Someone cancelled it.
    Cancelled(String),
    /// The server stops.
    Stopping,
    /// The server hands over and does not wait.
    HandingOver,
    /// Its node is drained or disabled by force: the intent in words.
    Evicted(String),
    /// A person ended its R session: who, and why.
    SessionEnded(String),
}

impl Stop {
    /// What becomes of a task that was stopped so, whether or not it may run again.
    pub(super) fn state(&self, may_repeat: bool) -> TaskState {
        match self {
            Self::Cancelled(_) => TaskState::Cancelled,
            Self::Stopping | Self::HandingOver | Self::Evicted(_) | Self::SessionEnded(_)
                if may_repeat =>
            {
                TaskState::Queued
            }
            _ => TaskState::Failed,
        }
    }
}

/// What becomes of a task whose session was lost under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It runs again, on another node.
    Repeat,
    /// A person decides: it may run again, but its old session may still run.
    Uncertain,
    /// The grid failed it.
    GridFailed,
    /// It is its own fault: its session ended a second time.
    OwnFault,
}

/// Decides for a task that may be repeated or not, whose session is proven dead or not, and which lost so
/// many sessions before this one.
pub(super) fn fate(re_executable: bool, proven_dead: bool, losses_before: usize) -> Fate {
    match (re_executable, proven_dead, losses_before) {
        (false, _, _) => Fate::GridFailed,
        (true, _, 1..) => Fate::OwnFault,
        (true, true, 0) => Fate::Repeat,
        (true, false, 0) => Fate::Uncertain,
    }
}

/// A failure without R's details.
pub(super) fn failure(kind: FailureKind, message: impl Into<String>) -> TaskFailure {
    TaskFailure {
        kind,
        message: message.into(),
        call: None,
        line: None,
        trace: Vec::new(),
    }
}

/// What a stopped attempt failed of.
pub(super) fn stopped(stop: &Stop) -> TaskFailure {
    match stop {
        Stop::Timeout(s) => failure(
            FailureKind::Timeout,
            format!(
                "It ran longer than its time-out of {}; give it more time if that is right.",
                seconds(u64::from(*s) * 1_000)
            ),
        ),
        Stop::Cancelled(by) => cancelled(by),
        Stop::Stopping => failure(
            FailureKind::Grid,
            "The server stopped while it ran; submit it again if it should run again.",
        ),
        Stop::HandingOver => failure(
            FailureKind::Grid,
            "It was interrupted by a switchover that did not wait for it; submit it again if it should run again.",
        ),
        Stop::Evicted(why) => failure(
            FailureKind::Grid,
            format!(
                "It was interrupted because its node is {why}. Submit it again if it should run again."
            ),
        ),
        Stop::SessionEnded(why) => failure(
            FailureKind::Grid,
            format!("Its R session was ended by {why}. Submit it again if it should run again."),
        ),
    }
}

/// Who ended a session, and why, as its task is told.
pub(super) fn ended_by(by: &str, reason: &str) -> String {
    format!("{by}: {}", reason.trim().trim_end_matches('.'))
}

/// The failure of a cancelled task.
pub(super) fn cancelled(by: &str) -> TaskFailure {
    failure(FailureKind::Cancelled, format!("Cancelled by {by}."))
}

/// What R reported.
pub(super) fn of_r(error: RError) -> TaskFailure {
    let kind = match error.kind {
        RErrorKind::Parse => FailureKind::Parse,
        RErrorKind::Error | RErrorKind::Interrupt => FailureKind::Error,
    };
    TaskFailure {
        kind,
        message: error.message,
        call: error.call,
        line: error.line,
        trace: error.trace,
    }
}

/// As R's prompt would show a failure.
pub(super) fn console_text(failure: &TaskFailure) -> String {
    let line = failure
        .line
        .map(|line| format!(" (line {line})"))
        .unwrap_or_default();
    match (&failure.kind, &failure.call) {
        (FailureKind::Error, Some(call)) => {
            format!("Error in {call}{line}: {}\n", failure.message)
        }
        (FailureKind::Error | FailureKind::Parse, _) => {
            format!("Error{line}: {}\n", failure.message)
        }
        _ => format!("{}\n", failure.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_repeated_once_and_only_when_its_session_is_dead() {
        assert_eq!(fate(true, true, 0), Fate::Repeat);
        assert_eq!(fate(true, false, 0), Fate::Uncertain);
        for proven in [true, false] {
            assert_eq!(fate(true, proven, 1), Fate::OwnFault);
            assert_eq!(fate(false, proven, 0), Fate::GridFailed);
            assert_eq!(fate(false, proven, 3), Fate::GridFailed);
        }
    }

    #[test]
    fn failures_read_like_r() {
        let error = RError {
            kind: RErrorKind::Error,
            message: "no luck".to_owned(),
            call: Some("f(1)".to_owned()),
            line: Some(3),
            trace: vec!["f(1)".to_owned()],
        };
        let failure = of_r(error);
        assert_eq!(console_text(&failure), "Error in f(1) (line 3): no luck\n");
        let timeout = stopped(&Stop::Timeout(5));
        assert_eq!(timeout.kind, FailureKind::Timeout);
        assert!(timeout.message.contains("5.0 s"), "{}", timeout.message);
    }
}
