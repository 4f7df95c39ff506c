//! Ending the R session that a task runs in, as a person wants it: the task is told why, and runs again if it may.

use super::live::Live;
use super::{Tasks, outcome};
use gridhelm_api::session::SessionEnded;
use gridhelm_api::task::TaskState;
use std::time::Duration;
use tokio::time::timeout;

/// How long a session may take to come to its end: it is interrupted, then killed, then proven dead.
const WITHIN: Duration = Duration::from_secs(12);

impl Live {
    /// Completes when a person wants the session of this attempt ended; who, and why.
    pub(super) async fn session_is_to_end(&self, number: u32) -> String {
        let mut wanted = self.session_ends.subscribe();
        let found = wanted
            .wait_for(|wanted| matches!(wanted, Some((of, _)) if *of == number))
            .await
            .ok()
            .and_then(|wanted| wanted.clone());
        match found {
            Some((_, why)) => why,
            // The sender lives as long as the task.
            None => std::future::pending().await,
        }
    }

    /// The attempt that runs on a node, and its process.
    fn runs_on(&self, node: &str) -> Option<(u32, i64)> {
        let state = self.lock();
        let task = &state.stored.task;
        let last = task.attempts.last()?;
        let runs = task.state == TaskState::Running && last.ended_at.is_none();
        (runs && last.node == node).then(|| (last.number, last.pid.unwrap_or(0)))
    }
}

impl Tasks {
    /// Ends the R session that a task runs in on a node: it is interrupted, then killed. Answers when the attempt is over, or after 12 s.
    pub async fn end_session(
        &self,
        node: &str,
        task: &str,
        by: &str,
        reason: &str,
    ) -> SessionEnded {
        let left = |pid: i64, said: &str| SessionEnded {
            pid,
            task: Some(task.to_owned()),
            ended: false,
            said: said.to_owned(),
        };
        let live = self.lock().live.get(task).cloned();
        let running = live.and_then(|live| Some((live.runs_on(node)?, live)));
        let Some(((number, pid), live)) = running else {
            return left(
                0,
                "It does not run here any more. Look at the node as it is now.",
            );
        };
        let why = outcome::ended_by(by, reason);
        let mut over = live.over.subscribe();
        live.session_ends.send_replace(Some((number, why)));
        let over = over.wait_for(|last| *last >= number);
        if !matches!(timeout(WITHIN, over).await, Ok(Ok(_))) {
            return left(
                pid,
                "It was interrupted and is being killed, but is not proven dead yet. Look again in a moment.",
            );
        }
        let state = live.lock().stored.task.state;
        let said = match state {
            TaskState::Queued | TaskState::Running => "The task may run again and is queued again.",
            TaskState::Succeeded => "The task came to its end before.",
            _ => "The task failed and says why.",
        };
        SessionEnded {
            ended: true,
            ..left(pid, said)
        }
    }
}
