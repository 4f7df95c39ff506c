//! The life lock on PostgreSQL: an advisory lock of a session on a connection of its own. The end of the
//! connection, on either side, is the end of the lock.

use super::broken::{Broken, words};
use super::link::{self, Link};
use crate::store::LifeLock;
use futures_util::future::{BoxFuture, FutureExt as _};
use std::time::Duration;
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

/// Tries to gain the lock; `None` when another session holds it.
pub(super) async fn try_gain(link: &Link) -> Result<Option<SessionLock>, Broken> {
    let open = link.connect().await?;
    let (client, connection) = (open.client, open.connection);
    let lost = CancellationToken::new();
    let broke = lost.clone();
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(
                error = words(&error),
                "the connection of the life lock ended"
            );
        }
        broke.cancel();
    });
    let gained = async {
        link::init(&client).await?;
        let row = client
            .query_one("SELECT pg_try_advisory_lock($1)", &[&link.keys.life])
            .await?;
        row.try_get::<_, bool>(0)
    };
    match tokio::time::timeout(WITHIN, gained).await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => return Ok(None),
        Ok(Err(error)) => return Err(Broken::of(&error)),
        Err(_) => return Err(Broken::Lost(format!("{} does not answer", open.host))),
    }
    let watch = tokio::spawn(watch(client, lost.clone()));
    Ok(Some(SessionLock { lost, watch }))
}

/// Tries the connection until it does not answer; then lets it go.
async fn watch(client: Client, lost: CancellationToken) {
    loop {
        let pause = tokio::time::timeout(TRY_EVERY, lost.cancelled());
        if pause.await.is_ok() {
            return;
        }
        let answer = tokio::time::timeout(WITHIN, client.batch_execute(""));
        if !matches!(answer.await, Ok(Ok(()))) {
            lost.cancel();
            return;
        }
    }
}
