//! Forgets what is older than the configuration keeps, at the active server, a little at a time.

use crate::clock;
use crate::config::Keep;
use crate::group::Standing;
use crate::store::{Limits, Store, StoreError, Trim};
use gridhelm_api::Millis;
use gridhelm_api::upkeep::SizeOf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often it is looked for what is too old.
const EVERY: Duration = Duration::from_mins(10);
/// How many of those looks are made before versions and results are looked at again: that reads many rows.
const SELDOM: u32 = 36;
/// The pause between two steps, so that nobody waits for them.
const PAUSE: Duration = Duration::from_millis(200);
/// A day, milliseconds.
const DAY: Millis = 86_400_000;

/// What went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Gone {
    tasks: usize,
    events: usize,
    /// Results and versions.
    trimmed: usize,
}

/// What is older than these moments goes.
fn limits(keep: Keep, now: Millis) -> Limits {
    let days = |days: u32| (days > 0).then(|| now - Millis::from(days) * DAY);
    Limits {
        tasks: days(keep.tasks_days),
        results: days(keep.results_days),
        versions: days(keep.versions_days).map(|before| (before, keep.versions_least.max(1))),
        events: days(keep.events_days),
    }
}

/// What results and versions go, as steps begin.
fn trims(limits: Limits) -> Vec<Trim> {
    let results = limits.results.map(|before| Trim::Results {
        before,
        behind: String::new(),
    });
    let versions = limits.versions.map(|(before, keep)| Trim::Versions {
        before,
        keep,
        behind: i64::MIN,
    });
    results.into_iter().chain(versions).collect()
}

/// Removes what is too old now, step by step; what went. Results and versions only when `thoroughly`.
///
/// # Errors
/// The store's; what went before it stays gone.
pub(crate) async fn forget(
    store: &dyn Store,
    standing: &watch::Receiver<Standing>,
    keep: Keep,
    now: Millis,
    thoroughly: bool,
) -> Result<Gone, StoreError> {
    let limits = limits(keep, now);
    let mut gone = Gone::default();
    loop {
        let Ok(fence) = standing.borrow().fence() else {
            return Ok(gone);
        };
        let (tasks, events) = store.prune(&fence, limits.tasks, limits.events).await?;
        gone.tasks += tasks;
        gone.events += events;
        if tasks + events == 0 {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    for first in trims(limits).into_iter().filter(|_| thoroughly) {
        let mut step = Some(first);
        while let Some(trim) = step {
            let Ok(fence) = standing.borrow().fence() else {
                return Ok(gone);
            };
            let (removed, next) = store.trim(&fence, &trim).await?;
            gone.trimmed += removed;
            step = next;
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(gone)
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
    let mut looks = 0_u32;
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = interval.tick() => {}
        }
        let thoroughly = looks.is_multiple_of(SELDOM);
        if standing.borrow().fence().is_ok() {
            looks = looks.wrapping_add(1);
        }
        match forget(&*store, &standing, keep, clock::now(), thoroughly).await {
            Ok(gone) if gone == Gone::default() => {}
            Ok(Gone {
                tasks,
                events,
                trimmed,
            }) => {
                tracing::info!(
                    tasks,
                    events,
                    trimmed,
                    "removed what is older than [keep] says"
                );
            }
            Err(error) => {
                tracing::warn!(%error, "what is too old could not be removed; tried again")
            }
        }
    }
}

/// How much there is of each kind, how long it is kept, and how much goes within a day.
///
/// # Errors
/// The store's.
pub(crate) async fn sizes(
    store: &dyn Store,
    keep: Keep,
    now: Millis,
) -> Result<Vec<SizeOf>, StoreError> {
    let mut kinds = store.sizes(&limits(keep, now + DAY)).await?;
    for size in &mut kinds {
        size.kept = kept(keep, &size.kind);
    }
    Ok(kinds)
}

/// How long a kind is kept, in words.
fn kept(keep: Keep, kind: &str) -> String {
    let days = |days: u32, otherwise: &str| match days {
        0 => otherwise.to_owned(),
        1 => "a day".to_owned(),
        days => format!("{days} days"),
    };
    match kind {
        "tasks" => days(keep.tasks_days, "for ever"),
        "results" => days(keep.results_days, "as long as the task"),
        "versions" => match keep.versions_days {
            0 => "for ever".to_owned(),
            age => format!(
                "{}, and the newest {} of each file",
                days(age, ""),
                keep.versions_least
            ),
        },
        "contents" => "a day after nothing refers to it".to_owned(),
        "events" => days(keep.events_days, "for ever"),
        _ => "until a person cuts it".to_owned(),
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
            results_days: 1,
            versions_days: 3,
            versions_least: 5,
        };
        let now = 10 * DAY;
        let limits = limits(keep, now);
        assert_eq!(limits.tasks, Some(8 * DAY));
        assert_eq!(limits.events, None);
        assert_eq!(limits.versions, Some((7 * DAY, 5)));
        assert_eq!(trims(limits).len(), 2);
        assert_eq!(trims(super::limits(Keep::default(), now)), Vec::new());
        assert_eq!(kept(keep, "events"), "for ever");
        assert_eq!(kept(keep, "results"), "a day");
        assert_eq!(
            kept(keep, "versions"),
            "3 days, and the newest 5 of each file"
        );
        assert!(kept(keep, "audit").contains("a person"));
    }
}
