//! Taking tasks up with the active role, and laying them down with it.

use super::live::Live;
use super::{Tasks, dispatch, recover};
use crate::grid::{Claim, Duty, Opened, SessionError};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// How long attempts may take to end when the duty ends.
const LAY_DOWN: Duration = Duration::from_secs(3);

/// A session that is being opened in a claimed slot.
pub(super) type Opening =
    Pin<Box<dyn Future<Output = (Claim, Result<Opened, SessionError>)> + Send>>;

/// Why all attempts must end now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The server stops, or hands over: what ends is recorded.
    Stopping,
    /// The fence is lost: nothing is written.
    Fenced,
}

/// The tasks' share of a duty.
pub(super) struct Shift {
    pub(super) duty: Arc<Duty>,
    pub(super) ending: watch::Sender<Option<Ending>>,
    /// Running code is interrupted: the server hands over and does not wait for it.
    pub(super) interrupted: watch::Sender<bool>,
    /// Attempts, and what follows them.
    pub(super) attempts: TaskTracker,
    /// Tasks that are being committed, and whose: in the store perhaps, and not in hands yet.
    accepting: Mutex<HashMap<String, Arc<str>>>,
}

/// A task that is being committed. Until it is in hands, nobody else may take it up from the store: there would be two that run it, and
/// the one that is late would show it as waiting for ever.
pub(super) struct Accepting {
    tasks: Arc<Tasks>,
    shift: Arc<Shift>,
    id: String,
    settled: bool,
}

impl Accepting {
    pub(super) fn new(tasks: &Arc<Tasks>, shift: &Arc<Shift>, id: &str, user: &Arc<str>) -> Self {
        shift.accepting().insert(id.to_owned(), Arc::clone(user));
        Self {
            tasks: Arc::clone(tasks),
            shift: Arc::clone(shift),
            id: id.to_owned(),
            settled: false,
        }
    }

    /// It is in hands, or surely not in the store.
    pub(super) fn settled(mut self) {
        self.settled = true;
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.shift.accepting().remove(&self.id);
        if !self.settled {
            // The caller went away, or the database did: it may be committed all the same.
            recover::look_for(&self.tasks, &self.shift, std::mem::take(&mut self.id));
        }
    }
}

/// Counts an attempt as long as it lives, for all and for its account.
pub(super) struct UnderWay {
    tasks: Arc<Tasks>,
    user: Arc<str>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.tasks.running.send_modify(|n| *n = n.saturating_sub(1));
        let mut running = self.tasks.running_of();
        if let Some(count) = running.get_mut(&self.user) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                running.remove(&self.user);
            }
        }
        drop(running);
        // Another task of the account may go now.
        if self.tasks.limits.running_per_user > 0 {
            self.tasks.wake.notify_one();
        }
    }
}

impl Tasks {
    /// Begins to dispatch under a duty, with what the store has of tasks that are not final.
    pub(crate) async fn take_up(self: &Arc<Self>, duty: Arc<Duty>) {
        let shift = Arc::new(Shift {
            duty,
            ending: watch::Sender::new(None),
            interrupted: watch::Sender::new(false),
            attempts: TaskTracker::new(),
            accepting: Mutex::default(),
        });
        {
            let mut state = self.lock();
            state.shift = Some(Arc::clone(&shift));
            state.paused = false;
        }
        shift
            .duty
            .tracker
            .spawn(dispatch::run(Arc::clone(self), Arc::clone(&shift)));
        recover::begin(self, &shift).await;
    }

    /// Starts no attempt any more and waits until none runs; accepting goes on. Answers how many still run
    /// when `within` has passed.
    pub(crate) async fn drain(&self, within: Duration) -> Result<(), usize> {
        self.lock().paused = true;
        let mut running = self.running.subscribe();
        let idle = async { running.wait_for(|n| *n == 0).await.is_ok() };
        match tokio::time::timeout(within, idle).await {
            Ok(_) => Ok(()),
            Err(_) => Err(*self.running.borrow()),
        }
    }

    /// Interrupts what runs. Those that may repeat go back into the queue, the others fail. Only while draining.
    pub(crate) fn interrupt(&self) {
        if let Some(shift) = &self.lock().shift {
            shift.interrupted.send_replace(true);
        }
    }

    /// Dispatching goes on.
    pub(crate) fn resume(&self) {
        {
            let mut state = self.lock();
            state.paused = false;
            if let Some(shift) = &state.shift {
                shift.interrupted.send_replace(false);
            }
        }
        self.wake.notify_one();
    }

    /// Ends every attempt, and forgets what this process had in hands: the store has it.
    pub(crate) async fn lay_down(&self, fenced: bool) {
        let shift = {
            let mut state = self.lock();
            state.paused = true;
            state.shift.take()
        };
        let Some(shift) = shift else { return };
        let why = if fenced {
            Ending::Fenced
        } else {
            Ending::Stopping
        };
        shift.ending.send_replace(Some(why));
        shift.attempts.close();
        if tokio::time::timeout(LAY_DOWN, shift.attempts.wait())
            .await
            .is_err()
        {
            tracing::warn!("some attempts did not end in time; their sessions are on record");
        }
        let left: Vec<Arc<Live>> = {
            let mut state = self.lock();
            state.queue = super::queue::Queue::default();
            state.uncertain.clear();
            state.live.drain().map(|(_, live)| live).collect()
        };
        for live in left {
            live.done.send_replace(true);
        }
    }

    /// Takes a committed task in hand, in the queue when it waits for a slot. When its shift is over meanwhile this does nothing:
    /// whoever is active next finds it in the store. What an earlier shift left behind would hide it from a later one.
    pub(super) fn hold(&self, shift: &Arc<Shift>, live: &Arc<Live>, waits: bool) {
        let mut state = self.lock();
        if !state
            .shift
            .as_ref()
            .is_some_and(|now| Arc::ptr_eq(now, shift))
        {
            live.done.send_replace(true);
            return;
        }
        if waits {
            state.queue.push(&live.id, live.waiting());
        }
        state.live.insert(live.id.clone(), Arc::clone(live));
    }

    /// Counts one more attempt.
    pub(super) fn under_way(self: &Arc<Self>, user: &Arc<str>) -> UnderWay {
        self.running.send_modify(|n| *n += 1);
        let mut running = self.running_of();
        let count = running.entry(Arc::clone(user)).or_default();
        *count = count.saturating_add(1);
        UnderWay {
            tasks: Arc::clone(self),
            user: Arc::clone(user),
        }
    }

    /// Whether one more task of an account may run now. Whoever acts on it holds the state's lock until it is counted.
    pub(super) fn may_run(&self, user: &str) -> bool {
        let running = self.running_of().get(user).copied().unwrap_or(0);
        self.limits.may_run(running)
    }

    fn running_of(&self) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
        self.running_of
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shift {
    fn accepting(&self) -> MutexGuard<'_, HashMap<String, Arc<str>>> {
        self.accepting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a task is being committed.
    pub(super) fn accepts(&self, id: &str) -> bool {
        self.accepting().contains_key(id)
    }

    /// How many tasks are being committed, and how many of them are this account's.
    pub(super) fn committing(&self, user: &str) -> (usize, usize) {
        let accepting = self.accepting();
        let own = accepting.values().filter(|of| &***of == user).count();
        (accepting.len(), own)
    }

    /// Completes when running code is interrupted for a hand-over.
    pub(super) async fn interrupted(&self) {
        let mut interrupted = self.interrupted.subscribe();
        if interrupted.wait_for(|now| *now).await.is_err() {
            // The sender lives as long as `self`.
            std::future::pending::<()>().await;
        }
    }

    /// Completes when all attempts must end.
    pub(super) async fn ended(&self) -> Ending {
        let mut ending = self.ending.subscribe();
        let ended = ending.wait_for(Option::is_some).await.map(|e| *e);
        match ended {
            Ok(Some(why)) => why,
            // The sender lives as long as `self`.
            _ => std::future::pending().await,
        }
    }
}
