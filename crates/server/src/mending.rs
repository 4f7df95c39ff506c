//! Makes the tree of hashes anew where it is not that of the files (after an upgrade, a restore, or writes of an older server), at the
//! active server, a step at a time with pauses between, so that nobody waits for long.

use crate::group::Standing;
use crate::store::{Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether there is something to do.
const EVERY: Duration = Duration::from_secs(2);
/// The pause between two steps, in which other writers go on.
const PAUSE: Duration = Duration::from_millis(20);

/// Takes steps until there is nothing more to do, or this server is not active; how many steps there were.
///
/// # Errors
/// The store's; the steps before stand.
pub(crate) async fn mend(
    store: &dyn Store,
    standing: &watch::Receiver<Standing>,
) -> Result<usize, StoreError> {
    let mut steps = 0;
    loop {
        let Ok(fence) = standing.borrow().fence() else {
            return Ok(steps);
        };
        if !store.mend_tree(&fence).await? {
            return Ok(steps);
        }
        steps += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Keeps looking as long as the server runs.
pub(crate) async fn keep_mending(
    store: Arc<dyn Store>,
    standing: watch::Receiver<Standing>,
    stopping: CancellationToken,
) {
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = interval.tick() => {}
        }
        match mend(&*store, &standing).await {
            Ok(0) => {}
            Ok(steps) => tracing::info!(steps, "the tree of hashes was made anew"),
            Err(error) => {
                tracing::warn!(%error, "the tree of hashes could not be made anew; tried again");
            }
        }
    }
}
