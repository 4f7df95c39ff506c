//! The writing thread: group commit over a connection that may break.
//!
//! A transaction begins as soon as a write waits, with the group's locks; only then all that wait are taken,
//! so as long as the database cannot be reached a caller can still give up. Each runs in a savepoint of its
//! own; the answers follow the commit. While a commit is under way the next group gathers.
//!
//! A connection that breaks before the commit was sent leaves nothing behind: the group runs again on a
//! new one. One that breaks during the commit leaves it open whether that happened; then the writer's row is
//! looked at, which the transaction has changed and locked.

use super::broken::Broken;
use super::link::Link;
use super::session::{self, Session};
use crate::store::failpoint;
use crate::store::sql::job::{Job, Jobs, Kind, fail_all, settle};
use crate::store::sql::tx::Tx;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How many writes one transaction takes at most: bounds how long the first waits for its answer.
const GROUP: usize = 128;
/// How long to wait before the database is tried again.
pub(super) const PAUSE: Duration = Duration::from_millis(50);
/// How much longer than a call's deadline it is asked whether a commit happened. Nothing else can be written
/// meanwhile, and a database that fails over takes its time: its caller had better learn what became of it.
const ASK: Duration = Duration::from_mins(1);
/// The same for a renewal: the next one tells as much.
const ASK_RENEWAL: Duration = Duration::from_secs(2);

const NOTHING: &str = "; nothing was written";

/// The writing thread's life. `name` is this writer's alone.
pub(super) fn run(
    link: Arc<Link>,
    queue: &Jobs,
    name: String,
    deadline: Duration,
    statement: Duration,
) {
    let runtime = match session::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the database's thread cannot run");
            queue.close();
            return;
        }
    };
    let mut writer = Writer {
        link,
        runtime,
        name,
        batch: 0,
        session: None,
        deadline,
        statement,
    };
    let mut told = false;
    while queue.wait() {
        let Some(kind) = queue.first(|job| job.kind()) else {
            continue;
        };
        match writer.begin(kind) {
            Ok(()) => {
                if told {
                    tracing::info!("the database takes writes again");
                    told = false;
                }
                queue.set_trouble(None);
                writer.serve(claim(queue, kind));
            }
            Err(broken) => {
                if !told {
                    tracing::warn!(why = broken.message(), "the database takes no writes");
                    told = true;
                }
                queue.set_trouble(Some(broken.message().to_owned()));
                // Those that wait decide themselves when to give up.
                queue.retain(|job| job.ticket().is_waiting());
                std::thread::sleep(PAUSE);
            }
        }
    }
    if let Some(session) = writer.session.take() {
        session.close();
    }
}

/// The jobs that share a transaction: one that takes the epoch has it alone.
fn claim(queue: &Jobs, kind: Kind) -> Vec<Box<dyn Job>> {
    let most = if kind == Kind::TakeEpoch { 1 } else { GROUP };
    let mut group = queue.take_while(most, |job| job.kind() == kind);
    group.retain(|job| job.ticket().take());
    group
}

/// What the thread works with.
pub(super) struct Writer {
    pub(super) link: Arc<Link>,
    pub(super) runtime: Rc<Runtime>,
    /// Its row's name.
    pub(super) name: String,
    /// The number of the transaction begun last.
    pub(super) batch: i64,
    /// The connection; `None` until it is needed and after it broke.
    pub(super) session: Option<Session>,
    deadline: Duration,
    /// How long a statement may take.
    pub(super) statement: Duration,
}

/// How a group's transaction ended.
enum End {
    /// Its jobs have their answers.
    Known,
    /// Nothing was written; it can be tried again.
    Again(Broken),
    /// Nothing was written, and trying again would end the same way.
    Failed(Broken),
    /// It is open whether it was committed.
    Open(Broken),
}

impl Writer {
    /// Does a group whose transaction has begun, until each job has its answer.
    fn serve(&mut self, group: Vec<Box<dyn Job>>) {
        self.serve_until(group, Instant::now() + self.deadline);
    }

    fn serve_until(&mut self, mut group: Vec<Box<dyn Job>>, until: Instant) {
        let kind = group.first().map_or(Kind::Write, |job| job.kind());
        let patience = if kind == Kind::Renew {
            ASK_RENEWAL
        } else {
            ASK
        };
        loop {
            let broken = match self.attempt(&mut group) {
                End::Known => return settle(group),
                End::Failed(broken) if group.len() == 1 => {
                    tracing::error!(why = broken.message(), "a write failed");
                    return fail_all(group, &broken.trouble(NOTHING));
                }
                End::Failed(broken) => {
                    tracing::warn!(
                        why = broken.message(),
                        writes = group.len(),
                        "a group of writes failed; trying each alone"
                    );
                    return self.each_alone(group, until);
                }
                End::Again(broken) => broken,
                End::Open(broken) => match self.was_committed(until + patience) {
                    Some(true) => return settle(group),
                    Some(false) => broken,
                    None => {
                        tracing::error!(
                            why = broken.message(),
                            writes = group.len(),
                            "it is open whether writes were committed"
                        );
                        return fail_all(group, &broken.trouble(
                            "; the connection broke during the commit: it may or may not have been written",
                        ));
                    }
                },
            };
            tracing::warn!(why = broken.message(), "writes are done again");
            if let Err(broken) = self.begin_until(kind, until, broken) {
                return fail_all(group, &broken.trouble(NOTHING));
            }
        }
    }

    fn each_alone(&mut self, group: Vec<Box<dyn Job>>, until: Instant) {
        for job in group {
            let first = Broken::Lost("the database was not reached".to_owned());
            match self.begin_until(job.kind(), until, first) {
                Ok(()) => self.serve_until(vec![job], until),
                Err(broken) => job.fail(&broken.trouble(NOTHING)),
            }
        }
    }

    /// Runs and commits a group in the transaction that has begun.
    fn attempt(&mut self, group: &mut [Box<dyn Job>]) -> End {
        let Some(session) = self.session.take() else {
            return End::Again(Broken::Lost("there is no connection".to_owned()));
        };
        let (end, lost) = match run_group(&session, group) {
            Ok(true) => match commit(&session, group) {
                Ok(()) => (End::Known, false),
                Err(broken @ Broken::Lost(_)) => (End::Open(broken), true),
                Err(broken @ Broken::Failed(_)) => (End::Failed(broken), false),
                Err(broken) => (End::Again(broken), false),
            },
            // The only job was refused.
            Ok(false) => (End::Known, session.roll_back().is_err()),
            Err(broken @ Broken::Failed(_)) => (End::Failed(broken), session.roll_back().is_err()),
            Err(broken @ Broken::Lost(_)) => (End::Again(broken), true),
            Err(broken) => (End::Again(broken), session.roll_back().is_err()),
        };
        if !lost {
            self.session = Some(session);
        }
        end
    }

    /// Whether the transaction whose commit was cut off was committed: what a new connection finds, after it
    /// has waited for the old one's end. `None` when that cannot be found out in time.
    fn was_committed(&mut self, until: Instant) -> Option<bool> {
        while Instant::now() < until {
            let Ok(session) = Session::open(&self.runtime, &self.link, self.statement) else {
                std::thread::sleep(PAUSE);
                continue;
            };
            let name = &self.name;
            let row = session.wait(session.client().query_opt(
                "SELECT batch FROM writers WHERE writer = $1 FOR UPDATE",
                &[name],
            ));
            match row {
                Ok(row) => {
                    let last: Option<i64> = row.and_then(|row| row.try_get(0).ok());
                    // Without its row this is another database than before: what that one did not pass on is lost.
                    return Some(last.is_some_and(|last| last >= self.batch));
                }
                Err(broken) => {
                    tracing::warn!(
                        why = broken.message(),
                        "whether writes were committed cannot be found out yet"
                    );
                    std::thread::sleep(PAUSE);
                }
            }
        }
        None
    }
}

fn commit(session: &Session, group: &[Box<dyn Job>]) -> Result<(), Broken> {
    if group.first().is_some_and(|job| job.kind() == Kind::Write) {
        failpoint::before_commit();
    }
    session.commit()
}

/// Runs the jobs and writes their notes; whether there is something to commit.
fn run_group(session: &Session, group: &mut [Box<dyn Job>]) -> Result<bool, Broken> {
    let shared = group.len() > 1;
    for job in group {
        session.begin_job(shared);
        let keep = job.run(Tx(session));
        if let Some(broken) = session.broken() {
            return Err(broken);
        }
        if !keep && !shared {
            return Ok(false);
        }
        if !keep {
            session.undo_job()?;
        }
    }
    session.flush()?;
    Ok(true)
}
