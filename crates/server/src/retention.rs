//! Forgets what is older than the configuration keeps, at the active server, a little at a time.

use crate::clock;
use crate::config::Keep;
use crate::group::Standing;
use crate::store::{Store, StoreError};
use gridhelm_api::Millis;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often it is looked for what is too old.
const EVERY: Duration = Duration::from_mins(10);
/// The pause between two steps, so that nobody waits for them.
const PAUSE: Duration = Duration::from_millis(200);
/// A day, milliseconds.
const DAY: Millis = 86_400_000;

/// What is older than these moments goes.
fn before(keep: Keep, now: Millis) -> (Option<Millis>, Option<Millis>) {
    let days = |days: u32| (days > 0).then(|| now - Millis::from(days) * DAY);
    (days(keep.tasks_days), days(keep.events_days))
}

/// Removes what is too old now, step by step; how many tasks and events went.
///
/// # Errors
/// The store's; what went before it stays gone.
pub(crate) async fn forget(
    store: &dyn Store,
    standing: &watch::Receiver<Standing>,
    keep: Keep,
    now: Millis,
) -> Result<(usize, usize), StoreError> {
    let (tasks_before, events_before) = before(keep, now);
    let (mut tasks, mut events) = (0, 0);
    loop {
        let Ok(fence) = standing.borrow().fence() else {
            return Ok((tasks, events));
        };
        let (t, e) = store.prune(&fence, tasks_before, events_before).await?;
        tasks += t;
        events += e;
        if t + e == 0 {
            return Ok((tasks, events));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Keeps forgetting as long as the server runs.
pub(crate) async fn keep_forgetting(
    store: Arc<dyn Store>,
    standing: watch::Receiver<Standing>,
    keep: Keep,
    stopping: CancellationToken,
) {
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = interval.tick() => {}
        }
        match forget(&*store, &standing, keep, clock::now()).await {
            Ok((0, 0)) => {}
            Ok((tasks, events)) => {
                tracing::info!(tasks, events, "removed what is older than [keep] says");
            }
            Err(error) => {
                tracing::warn!(%error, "old tasks and events could not be removed; tried again")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_days_are_for_ever() {
        let keep = Keep {
            tasks_days: 2,
            events_days: 0,
        };
        assert_eq!(before(keep, 10 * DAY), (Some(8 * DAY), None));
    }
}
