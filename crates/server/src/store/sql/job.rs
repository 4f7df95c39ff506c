//! A call on its way to a thread of the database and back.
//!
//! A caller of a write learns one of two things: committed, or not committed. When its deadline passes before
//! a thread took its call, the call is dropped; once taken, the caller waits for the outcome. (A read
//! that is late is given up in any case.)

use super::queue::{Queue, Refused};
use super::tx::{Done, Fail, Trouble, Tx};
use crate::store::{Result, StoreError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

const WAITING: u8 = 0;
const TAKEN: u8 = 1;
const DROPPED: u8 = 2;

/// Tells who decides about a waiting call: the thread that takes it or the caller that gives up.
#[derive(Clone, Default)]
pub(in crate::store) struct Ticket(Arc<AtomicU8>);

impl Ticket {
    /// The thread takes the call; false when the caller gave it up.
    pub(in crate::store) fn take(&self) -> bool {
        self.swap(TAKEN)
    }

    /// The caller gives the call up; false when it is under way.
    fn give_up(&self) -> bool {
        self.swap(DROPPED)
    }

    /// Neither has happened yet.
    pub(in crate::store) fn is_waiting(&self) -> bool {
        self.0.load(Ordering::Acquire) == WAITING
    }

    fn swap(&self, to: u8) -> bool {
        self.0
            .compare_exchange(WAITING, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

/// What kind of call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Kind {
    /// Reads one snapshot.
    Read,
    /// Writes; may share its transaction with others.
    Write,
    /// Renews the lease: a write without notes, which need not wait for long ones where the database can do both.
    Renew,
    /// Takes the epoch: a write that wants all writers of the group out of the way.
    TakeEpoch,
}

/// A call in the queue.
pub(in crate::store) trait Job: Send {
    /// Who decides about it.
    fn ticket(&self) -> &Ticket;
    /// What kind it is.
    fn kind(&self) -> Kind;
    /// Does the work; whether it shall be kept. May be done again from the start in another transaction.
    fn run(&mut self, tx: Tx<'_>) -> bool;
    /// Answers with what `run` found; call it after the commit.
    fn settle(self: Box<Self>);
    /// Answers that the database failed. The trouble's words say whether something may have been written.
    fn fail(self: Box<Self>, trouble: &Trouble);
}

struct Call<T, F> {
    operation: &'static str,
    kind: Kind,
    ticket: Ticket,
    work: F,
    found: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: Fn(Tx<'_>) -> Done<T> + Send> Job for Call<T, F> {
    fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn run(&mut self, tx: Tx<'_>) -> bool {
        let found = catch_unwind(AssertUnwindSafe(|| (self.work)(tx))).unwrap_or_else(|_| {
            Err(Fail::Store(StoreError::Unavailable {
                operation: self.operation,
                message: "a fault in the store stopped this call; nothing was written".to_owned(),
            }))
        });
        let keep = found.is_ok();
        self.found = Some(found.map_err(|fail| fail.into_error(self.operation)));
        keep
    }

    fn settle(self: Box<Self>) {
        let found = self.found.unwrap_or_else(|| {
            Err(StoreError::Unavailable {
                operation: self.operation,
                message: "the call was not run; nothing was written".to_owned(),
            })
        });
        // The caller may have gone; what it wrote stands all the same.
        let _ = self.answer.send(found);
    }

    fn fail(self: Box<Self>, trouble: &Trouble) {
        let _ = self
            .answer
            .send(Err(trouble.clone().into_error(self.operation)));
    }
}

/// A queue of calls.
pub(in crate::store) type Jobs = Queue<Box<dyn Job>>;

/// Up to `most` calls that may share a transaction and whose callers still wait.
pub(in crate::store) fn claim(queue: &Jobs, most: usize) -> Vec<Box<dyn Job>> {
    let mut group = queue.take(most);
    group.retain(|job| job.ticket().take());
    group
}

/// Answers all of them with what they found; call it after the commit.
pub(in crate::store) fn settle(jobs: Vec<Box<dyn Job>>) {
    for job in jobs {
        job.settle();
    }
}

/// Answers all of them that the database failed.
pub(in crate::store) fn fail_all(jobs: Vec<Box<dyn Job>>, trouble: &Trouble) {
    for job in jobs {
        job.fail(trouble);
    }
}

/// Does `work` in a transaction on a thread of the database; a write is answered after its commit. `work`
/// may run more than once; each run starts from the committed state.
pub(in crate::store) async fn call<T, F>(
    queue: &Jobs,
    deadline: Duration,
    kind: Kind,
    operation: &'static str,
    work: F,
) -> Result<T>
where
    T: Send + 'static,
    F: Fn(Tx<'_>) -> Done<T> + Send + 'static,
{
    let unavailable = |message: &str| StoreError::Unavailable {
        operation,
        message: message.to_owned(),
    };
    let (answer, mut outcome) = oneshot::channel();
    let ticket = Ticket::default();
    queue
        .push(Box::new(Call {
            operation,
            kind,
            ticket: ticket.clone(),
            work,
            found: None,
            answer,
        }))
        .map_err(|refused: Refused| unavailable(refused.message()))?;
    let outcome = match tokio::time::timeout(deadline, &mut outcome).await {
        Ok(outcome) => outcome,
        Err(_) if ticket.give_up() || kind == Kind::Read => {
            let why = queue.trouble().unwrap_or_else(|| {
                "the database is held by another process or its disk is stuck".to_owned()
            });
            let nothing = if kind == Kind::Read {
                ""
            } else {
                "; nothing was written"
            };
            return Err(unavailable(&format!("no answer in time: {why}{nothing}")));
        }
        Err(_) => outcome.await,
    };
    outcome.unwrap_or_else(|_| Err(unavailable("the database's thread has ended")))
}
