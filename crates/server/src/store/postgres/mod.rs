//! The store on PostgreSQL: for groups whose servers are on several hosts.
//!
//! One writing thread with group commit ([`writer`]), reading threads, each on a snapshot ([`reader`]), and the
//! life lock on a connection of its own ([`lock`]). All connections lead to the one host that takes writes,
//! and follow it when that changes.
//!
//! There is one writing transaction of a group at a time: each locks the row of the counters first. Before that
//! it takes the fence's lock, shared, so that whoever takes the epoch can wait for it ([`takeover`]).

mod begin;
mod broken;
mod engine;
mod link;
mod lock;
mod notes;
mod reader;
mod restore;
mod schema;
mod session;
mod standing;
mod takeover;
mod target;
#[cfg(test)]
pub(super) mod tests;
mod tls;
mod writer;

pub use restore::restore;
pub use schema::look;
pub use target::PostgresTarget;

use super::sql::job::{Jobs, Kind, call};
use super::sql::tidy::{self, Place};
use super::sql::value::params;
use super::sql::{Backend, LongRead, SqlStore};
use super::{LifeLock, Result, StoreError};
use crate::clock;
use async_trait::async_trait;
use gridhelm_api::switch::Check;
use link::Link;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;

/// How long one statement of a write may take: the commit of the largest changeset is a few long ones.
const WRITE_WITHIN: Duration = Duration::from_secs(20);
/// How long one statement of a read may take, or of a renewal.
const READ_WITHIN: Duration = Duration::from_secs(4);
/// How often content without a reference is looked for.
const TIDY_EVERY: Duration = Duration::from_hours(1);
/// How long the row of a writer that writes no more is kept: long after anybody may ask for it.
const WRITERS_KEPT_MS: i64 = 24 * 3600 * 1000;

/// How a [`PostgresStore`] works.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The server's name, by which the database's connections are told apart.
    pub server: String,
    /// This process's random id.
    pub boot: String,
    /// How long a call waits for the database before it is [`StoreError::Unavailable`].
    pub deadline: Duration,
    /// How many calls read at the same time, 1 to 16.
    pub readers: usize,
}

impl PostgresOptions {
    /// What suits a server.
    pub fn new(server: &str, boot: &str) -> Self {
        Self {
            server: server.to_owned(),
            boot: boot.to_owned(),
            deadline: Duration::from_secs(5),
            readers: 2,
        }
    }
}

/// A database in PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    link: Arc<Link>,
    spare: lock::Spare,
    care: AbortHandle,
}

/// The group's database in PostgreSQL.
pub type PostgresStore = SqlStore<Postgres>;

impl PostgresStore {
    /// Opens the group's database, and brings its schema up to date. The database itself must be there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when no host takes writes, when the database is of a schema that this build
    /// does not know, or belongs to another group.
    pub async fn open(
        target: &PostgresTarget,
        group: &str,
        options: &PostgresOptions,
    ) -> Result<Self> {
        let (server, boot) = (&options.server, &options.boot);
        let link = Arc::new(Link::new(target.clone(), group, server, boot));
        schema::prepare(&link, group).await?;
        let writes = Arc::new(Jobs::new());
        let care = tokio::spawn(care(Arc::clone(&writes), options.deadline)).abort_handle();
        let backend = Postgres {
            link: Arc::clone(&link),
            spare: lock::Spare::default(),
            care,
        };
        let deadline = options.deadline;
        let renewals = Arc::new(Jobs::new());
        let (to_write, to_renew) = (Arc::clone(&writes), Arc::clone(&renewals));
        let store = Self::over(backend, group, deadline, writes, renewals);
        // The lease is renewed beside the other writes: a long one must not let it lapse.
        for (thread, queue, statement) in [
            ("store-write", to_write, WRITE_WITHIN),
            ("store-renew", to_renew, READ_WITHIN),
        ] {
            let (link, name) = (Arc::clone(&link), writer_name(boot)?);
            store.spawn(thread, move || {
                writer::run(link, &queue, name, deadline, statement);
            })?;
        }
        for _ in 0..options.readers.clamp(1, 16) {
            let (link, reads) = (Arc::clone(&link), Arc::clone(&store.reads));
            store.spawn("store-read", move || {
                reader::run(link, &reads, deadline, READ_WITHIN)
            })?;
        }
        Ok(store)
    }
}

/// A name that no other writer has, not even one of the same process.
fn writer_name(boot: &str) -> Result<String> {
    let random = crate::random::hex(8).map_err(|error| StoreError::Unavailable {
        operation: "open",
        message: format!("the system gives no random bytes: {error}"),
    })?;
    Ok(format!("{boot}/{random}"))
}

#[async_trait]
impl Backend for Postgres {
    fn shown(&self) -> String {
        format!("PostgreSQL at {}", self.link.target.hosts())
    }

    fn on_one_host(&self) -> bool {
        false
    }

    fn at_length(&self, operation: &'static str, work: LongRead<'_>) -> Result<()> {
        restore::at_length(&self.link, operation, work)
    }

    async fn try_life_lock(&self) -> Result<Option<Box<dyn LifeLock>>> {
        match lock::try_gain(&self.link, &self.spare).await {
            Ok(held) => Ok(held.map(|lock| Box::new(lock) as Box<dyn LifeLock>)),
            Err(broken) => Err(broken.trouble("").into_error("life lock")),
        }
    }

    async fn look(&self) -> Vec<Check> {
        let seen = standing::look(&self.link).await;
        if let Some(history) = standing::newest(&seen) {
            self.link.known.learn(history);
        }
        standing::checks(&seen)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.care.abort();
    }
}

/// Tidies up once in a while, step by step among the other writes.
async fn care(writes: Arc<Jobs>, deadline: Duration) {
    loop {
        tokio::time::sleep(TIDY_EVERY).await;
        match tidy_up(&writes, deadline, clock::now()).await {
            Ok(0) => {}
            Ok(removed) => {
                tracing::info!(removed, "contents that nothing refers to were removed");
            }
            Err(error) => {
                tracing::warn!(%error, "the database could not be tidied; the next time tries again");
            }
        }
    }
}

/// Removes what nothing refers to any more, as of `now`; answers how many contents went.
async fn tidy_up(writes: &Jobs, deadline: Duration, now: gridhelm_api::Millis) -> Result<usize> {
    call(writes, deadline, Kind::Write, "tidy up", move |tx| {
        let before = now - WRITERS_KEPT_MS;
        tx.execute("DELETE FROM writers WHERE seen_at < ?1", params![before])
    })
    .await?;
    let mut removed = 0;
    let mut place = Some(Place::START);
    while let Some(from) = place {
        let step = move |tx: super::sql::tx::Tx<'_>| tidy::step(tx, now, &from);
        let (gone, next) = call(writes, deadline, Kind::Write, "tidy up", step).await?;
        removed += gone;
        place = next;
    }
    Ok(removed)
}
