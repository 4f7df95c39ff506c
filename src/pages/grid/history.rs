//! Load and memory of each node over the last 30 minutes, collected in the page: the servers send the present value only.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::reactive::ArcRwSignal;
use gridhelm_api::node::Node;
use leptos::prelude::*;

use crate::deployment::Deployment;

/// How often a value is taken, seconds.
pub(crate) const EVERY_S: usize = 10;
/// How many values are kept: 30 minutes.
const KEPT: usize = 30 * 60 / EVERY_S;
/// So many nodes are looked at in one go, and then a frame goes by: no frame waits for 10,000 nodes.
const AT_ONCE: usize = 500;
/// See [`AT_ONCE`].
const PAUSE: Duration = Duration::from_millis(16);
/// A value that was not there.
const GAP: u8 = u8::MAX;

/// The values of one node, as percent, oldest first; two bytes a moment, so that 10,000 nodes take 4 MB.
#[derive(Default)]
struct Trace {
    load: Vec<u8>,
    memory: Vec<u8>,
}

#[derive(Default)]
struct Store {
    traces: HashMap<(usize, String), Trace>,
}

static STORE: OnceLock<Mutex<Store>> = OnceLock::new();

/// Collects as long as the page lives. A small handle: take it with [`history`].
#[derive(Clone)]
pub(crate) struct History {
    revision: ArcRwSignal<u64>,
}

/// The collector; the first call starts it. It belongs to no page, so that its lines go on while another page is shown.
pub(crate) fn history(deployment: &'static Deployment) -> History {
    static ONE: OnceLock<History> = OnceLock::new();
    ONE.get_or_init(|| {
        let history = History {
            revision: ArcRwSignal::new(0),
        };
        let revision = history.revision.clone();
        let _ = set_interval_with_handle(
            move || take(deployment, (0, 0), revision.clone()),
            Duration::from_secs(EVERY_S as u64),
        );
        history
    })
    .clone()
}

impl History {
    /// Tracks the next moment, at most ten seconds from now.
    pub(crate) fn track(&self) {
        self.revision.track();
    }

    /// Load per core and memory of one node, as shares of 1, oldest first, with the present value at the end. Tracks the next moment.
    pub(crate) fn of(&self, group: usize, node: &Node) -> (Vec<f64>, Vec<f64>) {
        self.revision.track();
        let store = store();
        let trace = store.traces.get(&(group, node.name.clone()));
        let line = |values: Option<&Vec<u8>>, now: Option<f64>| {
            let kept = values.map(Vec::as_slice).unwrap_or_default();
            kept.iter()
                .filter(|value| **value != GAP)
                .map(|value| f64::from(*value) / 100.0)
                .chain(now)
                .collect()
        };
        (
            line(trace.map(|trace| &trace.load), node.load),
            line(trace.map(|trace| &trace.memory), node.memory_used),
        )
    }
}

fn store() -> std::sync::MutexGuard<'static, Store> {
    STORE
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// Takes a value of each node, from this group and this node in it on; then tells that it is done.
fn take(
    deployment: &'static Deployment,
    (index, from): (usize, usize),
    revision: ArcRwSignal<u64>,
) {
    let Some(group) = deployment.groups.get(index) else {
        return revision.update(|revision| *revision += 1);
    };
    let rows = untrack(|| group.nodes.rows());
    let to = (from + AT_ONCE).min(rows.len());
    let mut store = store();
    for row in rows.get(from..to).unwrap_or_default() {
        let node = row.item.get_untracked();
        let trace = store.traces.entry((index, node.name.clone())).or_default();
        push(&mut trace.load, node.load);
        push(&mut trace.memory, node.memory_used);
    }
    let next = if to < rows.len() {
        (index, to)
    } else {
        if store.traces.keys().filter(|(of, _)| *of == index).count() > rows.len() {
            let known: HashSet<&str> = rows.iter().map(|row| &*row.key).collect();
            store
                .traces
                .retain(|(of, name), _| *of != index || known.contains(name.as_str()));
        }
        (index + 1, 0)
    };
    drop(store);
    if to.saturating_sub(from) < AT_ONCE {
        return take(deployment, next, revision);
    }
    set_timeout(move || take(deployment, next, revision), PAUSE);
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped to 0..=254
fn push(values: &mut Vec<u8>, value: Option<f64>) {
    if values.len() == KEPT {
        values.remove(0);
    }
    values.push(
        value
            .filter(|value| value.is_finite())
            .map_or(GAP, |value| (value * 100.0).clamp(0.0, 254.0) as u8),
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn half_an_hour_is_kept_and_no_more() {
        let mut values = Vec::new();
        for step in 0..KEPT + 5 {
            push(&mut values, Some(if step < 5 { 0.0 } else { 0.5 }));
        }
        assert_eq!(values.len(), KEPT);
        assert!(values.iter().all(|value| *value == 50));
    }

    #[test]
    fn what_was_not_seen_is_a_gap_and_what_is_too_great_is_cut() {
        let mut values = Vec::new();
        for value in [None, Some(f64::NAN), Some(-1.0), Some(9.0)] {
            push(&mut values, value);
        }
        assert_eq!(values, [GAP, GAP, 0, 254]);
    }
}
