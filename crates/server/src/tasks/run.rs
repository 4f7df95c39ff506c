//! Runs one attempt: evaluates, streams, watches the clock, stops, and decides how it ended.

use super::Tasks;
use super::console::SEND_EVERY;
use super::live::Live;
use super::lost::{End, KILL};
use super::outcome::{self, Stop};
use super::phases::Phase;
use super::shift::{Ending, Shift, UnderWay};
use crate::clock;
use crate::grid::{Claim, Opened, Session, SessionError, target};
use crate::group::Standing;
use crate::store::SessionRow;
use gridhelm_api::Millis;
use gridhelm_api::task::{Artifact, ConsoleKind, FailureKind, TaskState};
use gridhelm_rserve::run::{RunOutcome, RunRequest};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, sleep, timeout};

/// How long interrupted code may take to come to its end.
const INTERRUPT: Duration = Duration::from_secs(2);
/// Largest result that is kept, bytes as R counts them.
const MAX_VALUE: u64 = 8 << 20;

/// How an evaluation ended.
enum Ran {
    /// The code came to an end, or was brought to it; the session is fine.
    Ended(Box<RunOutcome>, Option<Stop>),
    /// The session did not take the request; nothing ran.
    Refused(SessionError),
    /// The session is lost, or the code did not heed its interruption.
    Lost(Option<SessionError>, Option<Stop>),
    /// The fence is lost.
    Fenced,
}

impl Tasks {
    /// As [`Tasks::execute`], on its own.
    pub(super) fn execute_soon(
        self: &Arc<Self>,
        shift: &Arc<Shift>,
        live: &Arc<Live>,
        claim: Claim,
        opened: Opened,
        number: u32,
        under_way: UnderWay,
    ) {
        let (tasks, live) = (Arc::clone(self), Arc::clone(live));
        let this = Arc::clone(shift);
        shift.attempts.spawn(async move {
            tasks
                .execute(&this, &live, claim, opened.session, number, under_way)
                .await;
        });
    }

    /// Runs an attempt that is committed, to its committed end.
    pub(super) async fn execute(
        self: &Arc<Self>,
        shift: &Arc<Shift>,
        live: &Arc<Live>,
        claim: Claim,
        mut session: Box<dyn Session>,
        number: u32,
        under_way: UnderWay,
    ) {
        let row = session.row().clone();
        if !self.may_evaluate(shift).await {
            session.end().await;
            return self.let_go(live);
        }
        let running = self.supervise(shift, live, &claim, session.as_mut(), number);
        let ran = self.phases.time(Phase::Evaluate, running).await;
        let (mut keep, mut renewed) = (false, false);
        let (end, session) = match ran {
            Ran::Fenced => {
                drop(session);
                self.kill_quietly(shift, &claim, &row).await;
                return self.let_go(live);
            }
            Ran::Ended(outcome, stop) => {
                let keeping = self.keep_files(live, session.as_mut(), &outcome);
                let (artifacts, usable) = self.phases.time(Phase::Files, keeping).await;
                let again = live.lock().stored.task.re_executable;
                keep = usable && stop.is_none() && live.reuse && claim.may_keep();
                renewed = outcome.renewed;
                let mut end = ended(*outcome, stop, artifacts, &row, again);
                if keep {
                    // Its row stays with it.
                    end.forget = None;
                }
                if usable {
                    (end, Some(session))
                } else {
                    drop(session);
                    claim.bury(row, true, KILL).await;
                    (
                        End {
                            forget: None,
                            ..end
                        },
                        None,
                    )
                }
            }
            Ran::Refused(error) => {
                let failure = outcome::failure(FailureKind::Error, error.message);
                let mut end = End::failed(TaskState::Failed, failure);
                end.forget = Some(row.id);
                (end, Some(session))
            }
            Ran::Lost(error, stop) => {
                drop(session);
                (self.lost(shift, live, &claim, row, error, stop).await, None)
            }
        };
        if let Some(failure) = end
            .failure
            .as_ref()
            .filter(|_| end.state == TaskState::Failed)
        {
            let text = outcome::console_text(failure);
            live.say(&self.hub, ConsoleKind::Error, &text);
        }
        self.finish(shift, live, claim.node(), number, end).await;
        drop(under_way);
        // The answer is out; now the session goes, and then its slot is free.
        match session {
            Some(session) if keep => claim.keep(session, renewed, &live.user).await,
            Some(session) => {
                session.end().await;
            }
            None => {}
        }
        live.left(number);
    }

    /// Looks at the lease once more, right before an evaluation. While it is only late (the role was not
    /// lost) this waits for its renewal.
    pub(super) async fn may_evaluate(&self, shift: &Shift) -> bool {
        let mut standing = self.standing.clone();
        loop {
            let now = standing.borrow_and_update().clone();
            match now.fence() {
                Ok(fence) => return fence == shift.duty.fence,
                Err(_) if lost_for_good(&now) => return false,
                Err(_) => {}
            }
            tokio::select! {
                changed = standing.changed() => if changed.is_err() { return false },
                () = sleep(Duration::from_millis(50)) => {}
                _ = shift.ended() => return false,
            }
        }
    }

    async fn supervise(
        &self,
        shift: &Shift,
        live: &Live,
        claim: &Claim,
        session: &mut dyn Session,
        number: u32,
    ) -> Ran {
        let row = session.row().clone();
        let (request, limit_s) = request(live);
        let mut cancelled = live.cancelled.subscribe();
        let cancelled = async move {
            let by = cancelled.wait_for(Option::is_some).await;
            by.ok().and_then(|by| by.clone()).unwrap_or_default()
        };
        let mut on_event = |event| live.take(&self.hub, &event);
        let mut running = session.run(request, &mut on_event);
        let mut sending = tokio::time::interval_at(Instant::now() + SEND_EVERY, SEND_EVERY);
        sending.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let deadline = sleep(Duration::from_secs(u64::from(limit_s)));
        claim.ends_by(clock::now() + Millis::from(limit_s) * 1_000);
        let interrupted = async {
            tokio::select! {
                () = shift.interrupted() => Stop::HandingOver,
                why = claim.evicted() => Stop::Evicted(why),
                why = live.session_is_to_end(number) => Stop::SessionEnded(why),
            }
        };
        tokio::pin!(cancelled, deadline, interrupted);
        let stop = loop {
            tokio::select! {
                biased;
                result = &mut running => return of_result(result, None),
                why = shift.ended() => match why {
                    Ending::Fenced => return Ran::Fenced,
                    Ending::Stopping => return Ran::Lost(None, Some(Stop::Stopping)),
                },
                () = &mut deadline => break Stop::Timeout(limit_s),
                by = &mut cancelled => break Stop::Cancelled(by),
                stop = &mut interrupted => break stop,
                _ = sending.tick() => live.send(&self.hub, false),
            }
        };
        let told = outcome::stopped(&stop).message;
        claim.stalled(
            told.split_once("; ")
                .map_or(told.as_str(), |(what, _)| what),
        );
        let why = match &stop {
            Stop::Timeout(_) => "The time-out has passed; interrupting.\n".to_owned(),
            _ => format!("{told} Interrupting.\n"),
        };
        live.say(&self.hub, ConsoleKind::System, &why);
        let node = claim.stored();
        let target = target(&row);
        let marker = self.grid.marker(&shift.duty);
        let interrupting = timeout(
            INTERRUPT,
            self.grid.provider.interrupt(&node, &target, &marker),
        );
        let patience = async {
            if let Ok(Err(error)) = interrupting.await {
                tracing::debug!(task = live.id, %error, "not interrupted");
            }
            sleep(INTERRUPT).await;
        };
        tokio::pin!(patience);
        tokio::select! {
            biased;
            result = &mut running => of_result(result, Some(stop)),
            why = shift.ended() => match why {
                Ending::Fenced => Ran::Fenced,
                Ending::Stopping => Ran::Lost(None, Some(stop)),
            },
            () = &mut patience => Ran::Lost(None, Some(stop)),
        }
    }

    /// Ends a session without a word to the store.
    pub(super) async fn kill_quietly(&self, shift: &Shift, claim: &Claim, row: &SessionRow) {
        let node = claim.stored();
        let target = target(row);
        let epoch = shift.duty.fence.epoch;
        let killed = self
            .grid
            .provider
            .reclaim(&node, &target, &self.grid.group, epoch);
        if !matches!(timeout(INTERRUPT, killed).await, Ok(Ok(proof)) if proof.is_dead()) {
            tracing::warn!(node = node.name, pid = row.pid, "a session may still run");
        }
    }
}

/// Whether this server holds the active role no more. One whose lease is only late tells the world that it stands by, but
/// keeps its fence: it goes on when it can renew.
fn lost_for_good(standing: &Standing) -> bool {
    standing.fence.is_none()
}

fn request(live: &Live) -> (RunRequest, u32) {
    let state = live.lock();
    let stored = &state.stored;
    let file_name = stored
        .task
        .script
        .as_ref()
        .map_or_else(|| "code.R".to_owned(), |file| file.name.clone());
    let request = RunRequest {
        code: stored.code.clone(),
        file_name,
        inputs: stored.inputs.clone(),
        outputs: stored.outputs.clone(),
        max_output: super::console::MAX_BYTES as u64,
        max_value: MAX_VALUE,
        again: live.reuse,
        ..RunRequest::default()
    };
    (request, stored.task.timeout_s)
}

fn of_result(result: Result<RunOutcome, SessionError>, stop: Option<Stop>) -> Ran {
    match result {
        Ok(outcome) => Ran::Ended(Box::new(outcome), stop),
        Err(error) if error.usable && stop.is_none() => Ran::Refused(error),
        Err(error) => Ran::Lost(Some(error), stop),
    }
}

fn ended(
    outcome: RunOutcome,
    stop: Option<Stop>,
    artifacts: Vec<Artifact>,
    row: &SessionRow,
    may_repeat: bool,
) -> End {
    let (state, failure) = match (stop, outcome.error) {
        // It came to its end before the interruption reached it.
        (Some(Stop::HandingOver | Stop::Evicted(_) | Stop::SessionEnded(_)) | None, None) => {
            (TaskState::Succeeded, None)
        }
        (Some(stop), _) => (stop.state(may_repeat), Some(outcome::stopped(&stop))),
        (None, Some(error)) => (TaskState::Failed, Some(outcome::of_r(error))),
    };
    End {
        state,
        failure,
        value: outcome.value,
        outputs: outcome.outputs,
        artifacts,
        forget: Some(row.id.clone()),
    }
}
