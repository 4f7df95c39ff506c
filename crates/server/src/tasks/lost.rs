//! What becomes of a task whose session was lost or had to be killed.

use super::Tasks;
use super::live::Live;
use super::outcome::{self, Fate, Stop};
use super::shift::Shift;
use crate::grid::{Claim, Proof, SessionError};
use crate::store::SessionRow;
use gridhelm_api::task::{Artifact, ConsoleKind, FailureKind, TaskFailure, TaskState};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a stopped session may take to be proven dead before its slot stays out.
pub(super) const KILL: Duration = Duration::from_secs(5);
/// How long a lost session may take to be proven dead before its task is uncertain. A node that was
/// restarted answers well within this.
const PROOF: Duration = Duration::from_secs(15);

/// What is to be written down of an attempt.
pub(super) struct End {
    pub(super) state: TaskState,
    pub(super) failure: Option<TaskFailure>,
    pub(super) value: Option<serde_json::Value>,
    pub(super) outputs: BTreeMap<String, serde_json::Value>,
    pub(super) artifacts: Vec<Artifact>,
    /// The session's id, when its row can be forgotten.
    pub(super) forget: Option<String>,
}

impl End {
    pub(super) fn failed(state: TaskState, failure: TaskFailure) -> Self {
        Self {
            state,
            failure: Some(failure),
            value: None,
            outputs: BTreeMap::new(),
            artifacts: Vec::new(),
            forget: None,
        }
    }
}

impl Tasks {
    /// The session is gone or must go.
    pub(super) async fn lost(
        &self,
        shift: &Shift,
        live: &Live,
        claim: &Claim,
        row: SessionRow,
        error: Option<SessionError>,
        stop: Option<Stop>,
    ) -> End {
        if let Some(stop) = stop {
            claim.bury(row, true, KILL).await;
            let failure = outcome::stopped(&stop);
            let may_repeat = live.lock().stored.task.re_executable;
            return End::failed(stop.state(may_repeat), failure);
        }
        let seen = error.as_ref().map_or("it ended", |e| e.brief());
        if error.as_ref().is_some_and(|e| e.ended_itself) {
            claim.bury(row, true, KILL).await;
            let message = format!("The code ended its own R session: {seen}.");
            let failure = outcome::failure(FailureKind::SessionEnded, message);
            return End::failed(TaskState::Failed, failure);
        }
        let (may_repeat, before) = {
            let state = live.lock();
            (state.stored.task.re_executable, state.losses())
        };
        let node = claim.node();
        let text = format!("The R session on {node} was lost: {seen}.\n");
        live.say(&self.hub, ConsoleKind::System, &text);
        let decisive = may_repeat && before == 0;
        let within = if decisive {
            PROOF
        } else {
            Duration::from_secs(1)
        };
        let proof = tokio::select! {
            proof = claim.bury(row, true, within) => proof,
            _ = shift.ended() => Proof::None,
        };
        if proof == Proof::EndedItself {
            // Without the word of `quit()` itself: a package called it, or the process was asked to end.
            let message =
                format!("The code ended its own R session on {node}: it left R's exit mark.");
            let failure = outcome::failure(FailureKind::SessionEnded, message);
            return End::failed(TaskState::Failed, failure);
        }
        match outcome::fate(may_repeat, proof.is_dead(), before) {
            Fate::Repeat => End::failed(
                TaskState::Queued,
                outcome::failure(
                    FailureKind::Grid,
                    format!("The R session on {node} was lost ({seen}); it runs again."),
                ),
            ),
            Fate::Uncertain => End::failed(
                TaskState::Uncertain,
                outcome::failure(
                    FailureKind::Grid,
                    format!(
                        "The R session on {node} was lost ({seen}) and is not proven dead: it may still \
                         run. It runs again as soon as that is proven; or cancel it."
                    ),
                ),
            ),
            Fate::GridFailed => End::failed(
                TaskState::Failed,
                outcome::failure(
                    FailureKind::Grid,
                    format!(
                        "The R session on {node} was lost ({seen}). The task may not be repeated by \
                         itself; submit it again if it may run again."
                    ),
                ),
            ),
            Fate::OwnFault => End::failed(
                TaskState::Failed,
                outcome::failure(
                    FailureKind::SessionEnded,
                    format!(
                        "Its R session ended a second time, now on {node} ({seen}): the code itself seems \
                         to end it, by a crash or by taking too much memory."
                    ),
                ),
            ),
        }
    }
}
