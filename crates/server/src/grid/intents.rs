//! Ends intents whose time has come: maintenance is over, the deadline of a drain has passed.

use super::{Duty, Grid};
use crate::clock;
use crate::store::{EventDraft, Notes, StoreError, StoredNode};
use gridhelm_api::Millis;
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::node::Intent;
use std::sync::Arc;
use std::time::Duration;

/// The longest time between two looks: a clock may be set meanwhile.
const LOOK: Duration = Duration::from_secs(10);
/// Pause before a write is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// What follows when an intent's time has come: the event that tells it, if it is worth one. `busy`: tasks that run on the node.
fn told(node: &StoredNode, busy: usize) -> Option<(Severity, &'static str, String)> {
    let why = node
        .intent_reason
        .as_deref()
        .filter(|reason| !reason.is_empty())
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default();
    let by = node
        .intent_by
        .as_deref()
        .map(|by| format!(" by {by}"))
        .unwrap_or_default();
    match node.intent {
        Intent::Enabled => None,
        Intent::Disabled => Some((
            Severity::Good,
            "node.enabled",
            format!("enabled again: the time for which it was disabled{by} is over{why}"),
        )),
        Intent::Draining if busy == 0 => None,
        Intent::Draining => {
            let tasks = if busy == 1 {
                "1 task".to_owned()
            } else {
                format!("{busy} tasks")
            };
            let what = match (node.intent_force, busy) {
                (true, 1) => "is interrupted",
                (true, _) => "are interrupted",
                (false, 1) => "still runs",
                (false, _) => "still run",
            };
            Some((
                Severity::Warn,
                "node.drain_due",
                format!("the deadline of its drain{by} has passed; {tasks} {what}{why}"),
            ))
        }
    }
}

/// Whether an intent's time has come.
fn is_due(node: &StoredNode, now: Millis) -> bool {
    node.intent != Intent::Enabled && node.intent_until.is_some_and(|until| until <= now)
}

/// How long to wait until the next intent's time comes.
fn pause(untils: impl Iterator<Item = Millis>, now: Millis) -> Duration {
    untils
        .min()
        .map(|until| Duration::from_millis(u64::try_from(until - now).unwrap_or(0)))
        .map_or(LOOK, |pause| pause.min(LOOK))
}

/// Looks until the duty ends.
pub(super) async fn run(grid: Arc<Grid>, duty: Arc<Duty>) {
    loop {
        let now = clock::now();
        let mut wait = None;
        for cell in grid.cells() {
            let (node, busy) = {
                let state = cell.lock();
                if !is_due(&state.stored, now) {
                    continue;
                }
                (state.stored.clone(), state.slots.busy())
            };
            if !grid.pass(&duty, &node, busy).await {
                wait = Some(RETRY);
            }
        }
        let wait = wait.unwrap_or_else(|| {
            let untils = grid.cells().into_iter().filter_map(|cell| {
                let state = cell.lock();
                (state.stored.intent != Intent::Enabled)
                    .then_some(state.stored.intent_until)
                    .flatten()
            });
            pause(untils, clock::now())
        });
        tokio::select! {
            () = duty.cancel.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            () = grid.intents_changed.notified() => {}
        }
    }
}

impl Grid {
    /// Ends an intent; `false`: try again.
    async fn pass(self: &Arc<Self>, duty: &Arc<Duty>, node: &StoredNode, busy: usize) -> bool {
        let event = told(node, busy).map(|(severity, kind, message)| EventDraft {
            severity,
            topic: Topic::Grid,
            kind,
            subject: node.name.clone(),
            message,
            actor: self.server.clone(),
        });
        let notes = Notes {
            events: event.into_iter().collect(),
            audit: Vec::new(),
        };
        let (name, version) = (&node.name, node.version);
        let passed = self
            .store
            .intent_passed(&duty.fence, name, version, &self.server, notes)
            .await;
        match passed {
            Ok((stored, events)) => {
                self.publish_events(events);
                self.adopt(duty, stored);
                true
            }
            Err(StoreError::VersionMismatch { .. } | StoreError::NotFound { .. }) => {
                // Somebody was faster; what is there now comes with their change.
                self.changed(name).await.is_ok()
            }
            Err(error) => {
                tracing::warn!(node = name, %error, "an intent could not be ended; trying again");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::reach::to_be;
    use gridhelm_api::node::{NodeDraft, OperatingType};

    fn node(intent: Intent, until: Option<Millis>, force: bool) -> StoredNode {
        let draft = NodeDraft {
            name: "r01".to_owned(),
            host: "h".to_owned(),
            port: 1,
            slot_limit: 2,
            operating_type: OperatingType::Mixed,
            user: None,
            password: None,
            labels: Vec::new(),
            intent,
        };
        StoredNode {
            intent_until: until,
            intent_force: force,
            intent_reason: Some("new disk".to_owned()),
            intent_by: Some("ana".to_owned()),
            ..to_be(&draft)
        }
    }

    #[test]
    fn only_what_has_an_end_ends() {
        assert!(is_due(&node(Intent::Disabled, Some(10), false), 10));
        assert!(!is_due(&node(Intent::Disabled, Some(10), false), 9));
        assert!(!is_due(&node(Intent::Disabled, None, false), 10));
        assert!(!is_due(&node(Intent::Enabled, Some(10), false), 20));
    }

    #[test]
    fn the_end_is_told_as_it_is() {
        let words = |intent, force, busy| told(&node(intent, Some(1), force), busy).map(|t| t.2);
        assert_eq!(
            words(Intent::Disabled, false, 0).as_deref(),
            Some("enabled again: the time for which it was disabled by ana is over: new disk")
        );
        assert_eq!(words(Intent::Draining, true, 0), None);
        assert_eq!(
            words(Intent::Draining, true, 2).as_deref(),
            Some("the deadline of its drain by ana has passed; 2 tasks are interrupted: new disk")
        );
        assert_eq!(
            words(Intent::Draining, false, 1).as_deref(),
            Some("the deadline of its drain by ana has passed; 1 task still runs: new disk")
        );
    }

    #[test]
    fn the_next_look_is_when_the_next_one_ends() {
        assert_eq!(pause([50, 30].into_iter(), 10), Duration::from_millis(20));
        assert_eq!(pause([5].into_iter(), 10), Duration::ZERO);
        assert_eq!(pause(std::iter::empty(), 10), LOOK);
        assert_eq!(pause([10_000_000].into_iter(), 0), LOOK);
    }
}
