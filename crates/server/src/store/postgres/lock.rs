//! The life lock on PostgreSQL: an advisory lock of a session on a connection of its own. The end of the
//! connection, on either side, is the end of the lock.

use super::broken::{Broken, words};
use super::link::{self, Known, Link};
use super::standing::History;
use crate::store::LifeLock;
use futures_util::future::{BoxFuture, FutureExt as _};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

/// How often the connection is tried: a network that swallows everything ends none.
const TRY_EVERY: Duration = Duration::from_millis(500);
/// How long an answer may take.
const WITHIN: Duration = Duration::from_millis(1_500);

/// The lock, held until it is dropped or its connection breaks.
#[derive(Debug)]
pub(super) struct SessionLock {
    lost: CancellationToken,
    watch: JoinHandle<()>,
}

impl LifeLock for SessionLock {
    fn lost(&self) -> BoxFuture<'static, ()> {
        self.lost.clone().cancelled_owned().boxed()
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        // The connection goes with its client.
        self.watch.abort();
    }
}

/// A connection on which the lock is tried for. A standby tries many times a second, so one that did not gain
/// it is kept for the next try.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Option<Line>>);

/// A connection with nothing else to do.
#[derive(Debug)]
struct Line {
    client: Client,
    lost: CancellationToken,
    host: String,
    history: Option<History>,
}

/// Tries to gain the lock; `None` when another session holds it.
pub(super) async fn try_gain(link: &Link, spare: &Spare) -> Result<Option<SessionLock>, Broken> {
    let mut spare = spare.0.lock().await;
    if let Some(line) = spare.take() {
        match line.try_lock(link).await {
            Ok(true) => return Ok(Some(line.hold(link))),
            Ok(false) => {
                *spare = Some(line);
                return Ok(None);
            }
            Err(broken) => tracing::debug!(why = broken.message(), "the lock is tried for anew"),
        }
    }
    let line = Line::open(link).await?;
    if line.try_lock(link).await? {
        return Ok(Some(line.hold(link)));
    }
    *spare = Some(line);
    Ok(None)
}

impl Line {
    async fn open(link: &Link) -> Result<Self, Broken> {
        let open = link.connect().await?;
        let lost = CancellationToken::new();
        let (broke, connection) = (lost.clone(), open.connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(
                    error = words(&error),
                    "the connection of the life lock ended"
                );
            }
            broke.cancel();
        });
        let line = Self {
            client: open.client,
            lost,
            host: open.host,
            history: open.history,
        };
        line.within(link::init(&line.client, WITHIN)).await?;
        Ok(line)
    }

    /// Whether the lock was gained. A server that became a standby has no say.
    async fn try_lock(&self, link: &Link) -> Result<bool, Broken> {
        if let Some(why) = link.known.refuses(self.history.as_ref()) {
            return Err(Broken::Lost(format!("{}: {why}", self.host)));
        }
        let key: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&link.keys.life];
        let asked = self.client.query_one(
            "SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_try_advisory_lock($1) END",
            &key,
        );
        let row = self.within(asked).await?;
        let gained: Option<bool> = row.try_get(0).map_err(|error| Broken::of(&error))?;
        gained.ok_or_else(|| Broken::Lost(format!("{} takes no writes any more", self.host)))
    }

    async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Broken> {
        match tokio::time::timeout(WITHIN, call).await {
            Ok(done) => done.map_err(|error| Broken::of(&error)),
            Err(_) => Err(Broken::Lost(format!("{} does not answer", self.host))),
        }
    }

    fn hold(self, link: &Link) -> SessionLock {
        let lost = self.lost.clone();
        let watch = tokio::spawn(watch(self, link.known.clone()));
        SessionLock { lost, watch }
    }
}

/// Tries the connection until it does not answer, or leads to what turned out to be an old primary; then lets it go.
async fn watch(line: Line, known: Known) {
    let Line {
        client,
        lost,
        history,
        ..
    } = line;
    loop {
        let pause = tokio::time::timeout(TRY_EVERY, lost.cancelled());
        if pause.await.is_ok() {
            return;
        }
        let answer = tokio::time::timeout(WITHIN, client.batch_execute(""));
        let answers = matches!(answer.await, Ok(Ok(())));
        if !answers || known.refuses(history.as_ref()).is_some() {
            lost.cancel();
            return;
        }
    }
}
