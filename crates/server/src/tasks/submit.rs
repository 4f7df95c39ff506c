//! Accepting a task; and, when a slot is free at once, starting it in the same commit.

use super::live::Live;
use super::phases::Phase;
use super::queue::Full;
use super::shift::{Accepting, Shift, UnderWay};
use super::{TaskError, Tasks};
use crate::clock;
use crate::grid::Claim;
use crate::group::NotActive;
use crate::store::{Fence, Notes, StoreError, StoredTask};
use gridhelm_api::repository::FileId;
use gridhelm_api::task::{Task, TaskRequest, TaskState};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer waits for a session before the task is accepted into the queue instead.
const OPEN_FIRST: Duration = Duration::from_millis(250);

/// A task to be: the request, checked, with its source resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// What was asked for.
    pub request: TaskRequest,
    /// The code to run: the script's content, or the request's code.
    pub code: String,
    /// What screens call it: the script's path, or "Code".
    pub title: String,
    /// The script, if it is one.
    pub script: Option<FileId>,
    /// The script's version.
    pub script_version: Option<i64>,
    /// Who submits it.
    pub by: String,
    /// Whether the submitter waits for the answer.
    pub waited_for: bool,
    /// Written in the same transaction.
    pub notes: Notes,
}

impl Tasks {
    /// Accepts a task. Answers after the commit with the task as it is then: queued, or running when a slot
    /// was free at once.
    pub async fn submit(self: &Arc<Self>, submission: Submission) -> Result<Task, TaskError> {
        Ok(self.accept(submission).await?.task())
    }

    /// As [`Tasks::submit`], and waits until the task is final or uncertain or the time is over.
    pub async fn submit_and_wait(
        self: &Arc<Self>,
        submission: Submission,
        within: Duration,
    ) -> Result<Task, TaskError> {
        let live = self.accept(submission).await?;
        self.settled(&live, within).await;
        Ok(live.task())
    }

    async fn accept(self: &Arc<Self>, submission: Submission) -> Result<Arc<Live>, TaskError> {
        let fence = self.standing.borrow().fence()?;
        let now = clock::now();
        let task = crate::ids::task_id(now).map_err(|e| TaskError::Random(e.to_string()))?;
        let notes = submission.notes.clone();
        let ignores = submission.request.ignore_packages;
        let reuse = submission.request.reuse;
        let live = Live::new(stored(submission, task, now), 0).reusing(reuse);
        let live = Arc::new(live);
        if !ignores {
            let lacking = self.grid.lacking(&live.needs.needed, &live.need());
            if lacking.is_nowhere() {
                return Err(TaskError::PackagesMissing(lacking));
            }
        }
        let (shift, claim, accepting) = {
            let state = self.lock();
            let Some(shift) = state.shift.clone() else {
                return Err(self.not_active().into());
            };
            // Those that are being committed will wait, too.
            let (committing, own) = shift.committing(&live.user);
            let queued = state.queue.len() + committing;
            let of_user = state.queue.of_user(&live.user) + own;
            self.limits
                .admit(queued, of_user)
                .map_err(|full| refused(full, &live.user))?;
            // Tasks that wait already go first.
            let at_once = !state.paused && state.queue.is_empty() && self.may_run(&live.user);
            let claim = at_once
                .then(|| self.grid.claim(&shift.duty, &live.need(), &live.id))
                .flatten()
                .map(|claim| (claim, self.under_way(&live.user)));
            let accepting = Accepting::new(self, &shift, &live.id, &live.user);
            (shift, claim, accepting)
        };
        let accepted = match claim {
            Some((claim, under_way)) => {
                self.accept_on(&shift, &fence, live, claim, under_way, notes)
                    .await
            }
            None => self
                .enqueue(&shift, &fence, &live, notes, true)
                .await
                .map(|()| live),
        };
        if !matches!(
            &accepted,
            Err(TaskError::Store(StoreError::Unavailable { .. }))
        ) {
            accepting.settled();
        }
        accepted
    }

    /// A slot is there: opens a session (or has one) and commits task, attempt and session together. When
    /// the session takes its time the task is committed as queued, and begins when the session is open.
    async fn accept_on(
        self: &Arc<Self>,
        shift: &Arc<Shift>,
        fence: &Fence,
        live: Arc<Live>,
        claim: Claim,
        under_way: UnderWay,
        notes: Notes,
    ) -> Result<Arc<Live>, TaskError> {
        let mut opening = self.open(claim);
        let opened = tokio::time::timeout(OPEN_FIRST, &mut opening).await;
        let Ok((claim, Ok(opened))) = opened else {
            // Still opening, or it failed: either way the task is accepted first.
            self.enqueue(shift, fence, &live, notes, false).await?;
            let opening = match opened {
                Ok(failed) => Box::pin(std::future::ready(failed)),
                Err(_) => opening,
            };
            self.begin(shift, &live, opening, under_way);
            return Ok(live);
        };
        let start = live.start_on(&claim, opened.row());
        let session = opened.unrecorded();
        let stored = live.lock().stored.clone();
        let write = self
            .store
            .submit_and_start(fence, &stored, &start, session, notes);
        let written = self.phases.time(Phase::Start, write).await;
        match written {
            Ok(events) => {
                self.hold(shift, &live, false);
                self.began(&live, &start, fence.epoch);
                self.grid.publish_events(events);
                self.execute_soon(shift, &live, claim, opened, start.number, under_way);
                Ok(live)
            }
            Err(error) => {
                self.discard(shift, claim, opened);
                Err(error.into())
            }
        }
    }

    /// Commits a task as queued; `waits`: for a slot, not for a session that opens already.
    async fn enqueue(
        &self,
        shift: &Arc<Shift>,
        fence: &Fence,
        live: &Arc<Live>,
        notes: Notes,
        waits: bool,
    ) -> Result<(), TaskError> {
        let stored = live.lock().stored.clone();
        let events = self.store.submit_task(fence, &stored, notes).await?;
        self.hold(shift, live, waits);
        live.publish(&self.hub);
        self.grid.publish_events(events);
        if waits {
            self.wake.notify_one();
        }
        Ok(())
    }

    pub(super) fn not_active(&self) -> NotActive {
        let standing = self.standing.borrow();
        NotActive {
            active: standing.status.active.clone(),
            active_url: standing.status.active_url.clone(),
        }
    }
}

fn refused(full: Full, user: &str) -> TaskError {
    match full {
        Full::Queue(most) => TaskError::QueueFull(most),
        Full::User(most) => TaskError::UserFull {
            user: user.to_owned(),
            most,
        },
    }
}

fn stored(submission: Submission, id: String, now: gridhelm_api::Millis) -> StoredTask {
    let request = submission.request;
    StoredTask {
        task: Task {
            id,
            title: submission.title,
            state: TaskState::Queued,
            submitted_by: submission.by,
            submitted_at: now,
            started_at: None,
            ended_at: None,
            priority: request.priority,
            timeout_s: request.timeout_s,
            re_executable: request.re_executable,
            script: submission.script,
            script_version: submission.script_version,
            attempts: Vec::new(),
            failure: None,
            value: None,
            outputs: BTreeMap::new(),
            artifacts: Vec::new(),
        },
        code: submission.code,
        inputs: request.inputs,
        outputs: request.outputs,
        label: request.label,
        waited_for: submission.waited_for,
    }
}
