//! Goes on with the tasks that servers of lower epochs left behind.

use super::Tasks;
use super::live::{Live, losses};
use super::lost::End;
use super::outcome::{self, Fate};
use super::shift::Shift;
use crate::store::StoredTask;
use gridhelm_api::task::{FailureKind, TaskState};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Pause before the database is asked again.
const RETRY: Duration = Duration::from_millis(200);
/// How long the session of a lost attempt may take to be proven dead before its task is uncertain.
const PROOF: Duration = Duration::from_secs(15);

/// Takes over what is not final. Does not wait for sessions to be reclaimed.
pub(super) async fn begin(tasks: &Arc<Tasks>, shift: &Arc<Shift>) {
    match tasks.store.open_tasks().await {
        Ok(open) => adopt(tasks, shift, open).await,
        Err(error) => {
            tracing::warn!(%error, "the open tasks cannot be read yet; trying again");
            adopt_later(tasks, shift, |_| true);
        }
    }
}

/// Takes up one task that may have been committed although nobody was told so.
pub(super) fn look_for(tasks: &Arc<Tasks>, shift: &Arc<Shift>, id: String) {
    adopt_later(tasks, shift, move |stored| stored.task.id == id);
}

/// Asks the store until it answers, and takes up what is wanted of its answer.
fn adopt_later(
    tasks: &Arc<Tasks>,
    shift: &Arc<Shift>,
    wanted: impl Fn(&StoredTask) -> bool + Send + 'static,
) {
    let (tasks, this) = (Arc::clone(tasks), Arc::clone(shift));
    shift.attempts.spawn(async move {
        loop {
            tokio::select! {
                _ = this.ended() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
            if let Ok(mut open) = tasks.store.open_tasks().await {
                open.retain(&wanted);
                return adopt(&tasks, &this, open).await;
            }
        }
    });
}

impl Tasks {
    /// Takes up what waits in the store and nobody has in hands, as at the beginning of a duty.
    pub async fn look_again(self: &Arc<Self>) {
        let shift = self.lock().shift.clone();
        if let Some(shift) = shift {
            begin(self, &shift).await;
        }
    }

    /// Whether a task is in hands here already, or about to be.
    fn has(&self, shift: &Shift, id: &str) -> bool {
        let state = self.lock();
        // In this order: it is taken in hand before it is no longer being committed.
        let accepts = shift.accepts(id);
        accepts || state.live.contains_key(id) || state.uncertain.contains(id)
    }
}

async fn adopt(tasks: &Arc<Tasks>, shift: &Arc<Shift>, open: Vec<StoredTask>) {
    for stored in open {
        let id = stored.task.id.clone();
        let state = stored.task.state;
        if tasks.has(shift, &id) {
            continue;
        }
        let console_from = if stored.task.attempts.is_empty() {
            0
        } else {
            stored_chunks(tasks, &id).await
        };
        let live = Arc::new(Live::new(stored, console_from));
        match state {
            TaskState::Queued => tasks.hold(shift, &live, true),
            TaskState::Running | TaskState::Uncertain => {
                if state == TaskState::Uncertain {
                    tasks.lock().uncertain.insert(id.clone());
                } else {
                    tasks.hold(shift, &live, false);
                }
                settle_soon(tasks, shift, &live);
            }
            _ => {}
        }
    }
    tasks.wake.notify_one();
}

/// How many console chunks the store has of a task.
async fn stored_chunks(tasks: &Tasks, id: &str) -> u64 {
    let mut from = 0;
    loop {
        let chunks = match tasks.store.console(id, from, super::MAX_CONSOLE).await {
            Ok(chunks) => chunks,
            Err(error) => {
                tracing::warn!(task = id, %error, "its earlier console output cannot be counted");
                return from;
            }
        };
        match chunks.last() {
            Some(last) => from = last.seq + 1,
            None => return from,
        }
    }
}

/// Settles a lost attempt on its own.
pub(super) fn settle_soon(tasks: &Arc<Tasks>, shift: &Arc<Shift>, live: &Arc<Live>) {
    let (tasks, this, live) = (Arc::clone(tasks), Arc::clone(shift), Arc::clone(live));
    // Boxed, as it may come to settle once more.
    let settling: Pin<Box<dyn Future<Output = ()> + Send>> =
        Box::pin(async move { settle(&tasks, &this, &live).await });
    shift.attempts.spawn(settling);
}

/// An attempt whose server or session was lost: proves its session dead, then repeats the task or fails it.
/// For a task that is uncertain already this waits for the proof as long as it takes.
async fn settle(tasks: &Arc<Tasks>, shift: &Arc<Shift>, live: &Arc<Live>) {
    let task = live.task();
    let was_uncertain = task.state == TaskState::Uncertain;
    let Some(attempt) = task.attempts.last().cloned() else {
        tracing::error!(task = task.id, "it runs without an attempt on record");
        return;
    };
    let within = if was_uncertain { None } else { Some(PROOF) };
    let proven = tokio::select! {
        proven = tasks.grid.dead(&attempt.node, attempt.pid, attempt.epoch, within) => proven,
        _ = shift.ended() => return,
    };
    let (node, epoch) = (&attempt.node, attempt.epoch);
    let what = format!("The server of epoch {epoch} ended while it ran on {node}");
    let before = losses(&task) - usize::from(attempt.failure.is_some() && was_uncertain);
    let (state, kind, message) = match outcome::fate(task.re_executable, proven, before) {
        Fate::Repeat => (
            TaskState::Queued,
            FailureKind::Grid,
            format!("{what}; it runs again."),
        ),
        Fate::Uncertain if was_uncertain => return,
        Fate::Uncertain => (
            TaskState::Uncertain,
            FailureKind::Grid,
            format!(
                "{what}, and its R session is not proven dead: it may still run. It runs again as soon as \
                 that is proven; or cancel it."
            ),
        ),
        Fate::GridFailed => (
            TaskState::Failed,
            FailureKind::Grid,
            format!(
                "{what}. The task may not be repeated by itself; submit it again if it may run again."
            ),
        ),
        Fate::OwnFault => (
            TaskState::Failed,
            FailureKind::Grid,
            format!("{what}, as an attempt before; it is not repeated a second time."),
        ),
    };
    if was_uncertain {
        live.done.send_replace(false);
        tasks.hold(shift, live, false);
    }
    let end = End::failed(state, outcome::failure(kind, message));
    tasks.finish(shift, live, node, attempt.number, end).await;
    live.left(attempt.number);
}
