//! The reading threads: each call sees one snapshot of the server that takes writes.

use super::broken::Broken;
use super::link::Link;
use super::session::{self, Session};
use crate::store::sql::job::{Job, Jobs};
use crate::store::sql::tx::Tx;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How long to wait before the database is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// A reading thread's life.
pub(super) fn run(link: Arc<Link>, queue: &Jobs, deadline: Duration, statement: Duration) {
    let runtime = match session::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the database's thread cannot run");
            return;
        }
    };
    let mut reader = Reader {
        link,
        runtime,
        session: None,
        statement,
    };
    while let Some(mut job) = queue.pop() {
        if !job.ticket().take() {
            continue;
        }
        match reader.read(job.as_mut(), Instant::now() + deadline) {
            Ok(()) => {
                queue.set_trouble(None);
                job.settle();
            }
            Err(broken) => {
                queue.set_trouble(Some(broken.message().to_owned()));
                job.fail(&broken.trouble(""));
            }
        }
        reader.end_transaction();
    }
    if let Some(session) = reader.session.take() {
        session.close();
    }
}

struct Reader {
    link: Arc<Link>,
    runtime: Rc<Runtime>,
    session: Option<Session>,
    /// How long a statement may take.
    statement: Duration,
}

impl Reader {
    /// Runs the job in a snapshot; again on a new connection when one breaks, until then.
    fn read(&mut self, job: &mut dyn Job, until: Instant) -> Result<(), Broken> {
        loop {
            let broken = match self.attempt(job) {
                Ok(()) => return Ok(()),
                Err(broken) => broken,
            };
            if matches!(broken, Broken::Failed(_)) || Instant::now() >= until {
                return Err(broken);
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn attempt(&mut self, job: &mut dyn Job) -> Result<(), Broken> {
        let session = match self.session.take() {
            Some(session) => session.checked(&self.link)?,
            None => Session::open(&self.runtime, &self.link, self.statement)?,
        };
        session.begin_lazily("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        job.run(Tx(&session));
        match session.broken() {
            None => {
                self.session = Some(session);
                Ok(())
            }
            Some(broken) => {
                if !matches!(broken, Broken::Lost(_)) && session.roll_back().is_ok() {
                    self.session = Some(session);
                }
                Err(broken)
            }
        }
    }

    /// Ends the transaction after its caller has its answer.
    fn end_transaction(&mut self) {
        if let Some(session) = self.session.take()
            && session.end_reading().is_ok()
        {
            self.session = Some(session);
        }
    }
}
