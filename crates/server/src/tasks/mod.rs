//! Tasks: accepted, queued by priority, dispatched to slots, run, and kept with their results.
//!
//! The order that makes it safe: a task is committed before anyone is told that it was accepted; an
//! attempt and its session are committed before anything is evaluated, and the lease is looked at again
//! right then; no end of an attempt is told before its commit. An attempt whose session was lost is
//! repeated only when that session is proven dead.

mod artifacts;
mod console;
mod dispatch;
mod end_session;
mod finish;
mod install;
mod live;
mod lost;
mod objects;
mod outcome;
mod phases;
pub mod queue;
mod recover;
mod run;
mod shift;
mod stats;
mod submit;

pub(crate) use install::title as install_title;
pub use objects::Found as FoundObjects;
pub use queue::QueueLimits;
pub use submit::Submission;

use crate::clock;
use crate::grid::{Grid, SessionError};
use crate::group::{InFlight, NotActive, Standing};
use crate::hub::Hub;
use crate::store::{Notes, Result as StoreResult, Store, StoreError};
use gridhelm_api::group::GroupStats;
use gridhelm_api::packages::PackagesAnswer;
use gridhelm_api::task::{ConsoleChunk, Task, TaskState};
use live::Live;
use phases::Phases;
use queue::Queue;
use shift::Shift;
use stats::Stats;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};

/// The most console chunks in one answer.
pub const MAX_CONSOLE: u32 = 1_000;

/// Why a task was not accepted or could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// This server does no work now.
    #[error(transparent)]
    NotActive(#[from] NotActive),
    /// So many tasks wait that no more is taken.
    #[error("{0} tasks wait already; try again when some have ended, or enable more nodes")]
    QueueFull(usize),
    /// So many tasks of one account wait that no more of its own is taken.
    #[error(
        "{most} tasks of {user} wait already, as many as one account may have waiting; try again when some have ended"
    )]
    UserFull {
        /// The account.
        user: String,
        /// How many of its tasks may wait.
        most: usize,
    },
    /// There is no such task.
    #[error("there is no task {0}")]
    NotFound(String),
    /// The task is in a state in which this cannot be done.
    #[error("{0}")]
    Conflict(String),
    /// The database refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is certain that no node has the packages that the code names.
    #[error("{}", install::nowhere(.0))]
    PackagesMissing(PackagesAnswer),
    /// A node does not do what the task is about.
    #[error(transparent)]
    Node(#[from] SessionError),
    /// No slot became free for what is done at once or not at all.
    #[error(
        "no slot became free within 10 s; try again when tasks have ended, or enable more nodes"
    )]
    NoSlot,
    /// R could not read a file as data.
    #[error("{0}")]
    NotData(String),
    /// The system gives no random numbers.
    #[error("the system's random source failed: {0}")]
    Random(String),
}

/// The tasks of a group, as this server handles them.
pub struct Tasks {
    store: Arc<dyn Store>,
    hub: Hub,
    standing: watch::Receiver<Standing>,
    grid: Arc<Grid>,
    state: Mutex<State>,
    limits: QueueLimits,
    /// The dispatcher should look again.
    wake: Notify,
    /// Attempts under way.
    running: watch::Sender<usize>,
    /// Attempts under way by account. Locked inside of `state`, never around it.
    running_of: Mutex<HashMap<Arc<str>, usize>>,
    /// Files in the repository, as last told.
    files: AtomicU64,
    /// Files of R data that are read for the names in them.
    objects: Arc<Semaphore>,
    /// Where their time goes.
    pub(crate) phases: Phases,
}

#[derive(Default)]
struct State {
    queue: Queue,
    live: HashMap<String, Arc<Live>>,
    uncertain: BTreeSet<String>,
    stats: Stats,
    /// No attempt is started.
    paused: bool,
    shift: Option<Arc<Shift>>,
}

impl Tasks {
    /// The tasks of a group, not on duty yet.
    pub fn new(
        store: Arc<dyn Store>,
        hub: Hub,
        standing: watch::Receiver<Standing>,
        grid: Arc<Grid>,
        limits: QueueLimits,
    ) -> Arc<Self> {
        Arc::new(Self {
            limits,
            store,
            hub,
            standing,
            grid,
            state: Mutex::default(),
            wake: Notify::new(),
            running: watch::Sender::new(0),
            running_of: Mutex::default(),
            files: AtomicU64::new(0),
            objects: Arc::new(Semaphore::new(objects::AT_ONCE)),
            phases: Phases::default(),
        })
    }

    /// Waits until a task is final or uncertain, or the time is over; then the task as it is, whole. `None`:
    /// there is no such task.
    pub async fn wait(&self, id: &str, within: Duration) -> StoreResult<Option<Task>> {
        let live = self.lock().live.get(id).cloned();
        match live {
            Some(live) => {
                self.settled(&live, within).await;
                Ok(Some(live.task()))
            }
            None => Ok(self.store.task(id).await?.map(|t| t.task)),
        }
    }

    /// Waits until nothing more happens to a task here.
    async fn settled(&self, live: &Live, within: Duration) {
        let mut done = live.done.subscribe();
        let settled = async { done.wait_for(|done| *done).await.is_ok() };
        let _ = tokio::time::timeout(within, settled).await;
    }

    /// A task whole, as it is now.
    pub async fn task(&self, id: &str) -> StoreResult<Option<Task>> {
        self.wait(id, Duration::ZERO).await
    }

    /// Cancels a task: a waiting one at once, a running one by interrupting its session. Answers as soon as
    /// that is under way; `notes` are written with it. [`TaskError::Conflict`] when it is final.
    pub async fn cancel(
        self: &Arc<Self>,
        id: &str,
        by: &str,
        notes: Notes,
    ) -> Result<(), TaskError> {
        let fence = self.standing.borrow().fence()?;
        let (live, queued) = {
            let mut state = self.lock();
            (state.live.get(id).cloned(), state.queue.remove(id))
        };
        let Some(live) = live else {
            return self.cancel_settled(&fence, id, by, notes).await;
        };
        if !queued {
            let events = self.store.note(notes).await?;
            live.cancelled.send_replace(Some(by.to_owned()));
            self.grid.publish_events(events);
            return Ok(());
        }
        match self.store.cancel_queued(&fence, id, notes).await {
            Ok(events) => {
                self.cancelled_queued(&live, by);
                self.grid.publish_events(events);
                Ok(())
            }
            Err(error) => {
                // It waits on as if nothing had happened.
                self.lock().queue.push(id, live.waiting());
                self.wake.notify_one();
                Err(error.into())
            }
        }
    }

    /// Console output of a task from chunk `from` on, at most [`MAX_CONSOLE`] chunks.
    pub async fn console(&self, id: &str, from: u64) -> StoreResult<Vec<ConsoleChunk>> {
        let live = self.lock().live.get(id).cloned();
        let here = live.and_then(|l| l.lock().console.from(from, MAX_CONSOLE as usize));
        match here {
            Some(chunks) => Ok(chunks),
            None => self.store.console(id, from, MAX_CONSOLE).await,
        }
    }

    /// Counts for the group's screens.
    pub fn stats(&self) -> GroupStats {
        let now = clock::now();
        let state = self.lock();
        GroupStats {
            queued: state.queue.len() as u64,
            running: *self.running.borrow() as u64,
            uncertain: state.uncertain.len() as u64,
            per_minute: state.stats.per_minute(now),
            wait_p95_ms: state.stats.wait_p95(now),
            run_p95_ms: state.stats.run_p95(now),
            re_executed: state.stats.repeated_of_late(now),
            files: self.files.load(Ordering::Relaxed),
        }
    }

    /// Tells how many files the repository has; the counts show it.
    pub fn set_files(&self, files: u64) {
        self.files.store(files, Ordering::Relaxed);
    }

    /// What is under way now.
    pub fn in_flight(&self) -> InFlight {
        InFlight {
            running: *self.running.borrow(),
            queued: self.lock().queue.len(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cancelled_queued(&self, live: &Live, by: &str) {
        {
            let mut state = live.lock();
            let task = &mut state.stored.task;
            task.state = TaskState::Cancelled;
            task.ended_at = Some(clock::now());
            task.failure = Some(outcome::cancelled(by));
        }
        self.lock().live.remove(&live.id);
        live.publish(&self.hub);
        live.done.send_replace(true);
    }
}
