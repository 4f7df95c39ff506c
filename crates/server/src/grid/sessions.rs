//! The R sessions that live on nodes: whose they are, what they hold, and ending those that nobody uses.

use super::cell::CellState;
use super::session::{EndRule, FoundSession, ReclaimTarget};
use super::{Grid, SessionError};
use futures_util::StreamExt as _;
use gridhelm_api::Millis;
use gridhelm_api::session::{NodeSession, SessionEnded, SessionId, SessionKind};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::timeout;

/// A session without a mark is none of the moment once it is so old, seconds: marking takes milliseconds, and a look at a
/// node is over within 10 s.
const SETTLED: u64 = 10;
/// How many sessions of a node are ended side by side.
const AT_ONCE: usize = 4;
/// The longest that ending one may take.
const LIMIT: Duration = Duration::from_secs(5);

/// What the last probe saw, beside what the one before did.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    at: Millis,
    sessions: Vec<(FoundSession, Option<f64>)>,
}

impl Seen {
    /// Takes what a probe saw at `now`.
    pub(super) fn look(&mut self, found: &[FoundSession], now: Millis) {
        let since = now.saturating_sub(self.at);
        let before: HashMap<(i64, i64), u64> = self
            .sessions
            .iter()
            .map(|(s, _)| ((s.pid, s.start_ticks), s.cpu_ms))
            .collect();
        let share = |s: &FoundSession| {
            let used = s
                .cpu_ms
                .checked_sub(*before.get(&(s.pid, s.start_ticks))?)?;
            #[allow(clippy::cast_precision_loss)] // milliseconds
            (since > 0).then(|| (used as f64 * 1_000.0 / since as f64).round() / 10.0)
        };
        self.sessions = found.iter().map(|s| (s.clone(), share(s))).collect();
        self.at = now;
    }

    fn find(&self, id: SessionId) -> Option<&FoundSession> {
        let mut all = self.sessions.iter().map(|(s, _)| s);
        all.find(|s| s.pid == id.pid && s.start_ticks == id.start)
    }
}

/// Whose a session is, for the active server of a group at an epoch; `held`: it is in one of that server's slots.
pub fn kind(found: &FoundSession, group: &str, epoch: i64, held: bool) -> SessionKind {
    match &found.marker {
        None if found.age_s < SETTLED => SessionKind::New,
        None => SessionKind::Unknown,
        Some(marker) if marker.group != group => SessionKind::Foreign,
        Some(marker) if marker.epoch < epoch => SessionKind::Zombie,
        Some(marker) if marker.epoch > epoch => SessionKind::Newer,
        Some(_) if found.client_gone && !held => SessionKind::Abandoned,
        Some(_) => SessionKind::Used,
    }
}

/// The rule that allows a person to have a session of this kind ended; `unknown`: they said so of sessions without a mark.
fn rule(kind: SessionKind, unknown: bool, group: &str, epoch: i64) -> Result<EndRule, String> {
    match kind {
        SessionKind::Zombie => Ok(EndRule::Older(group.to_owned(), epoch)),
        SessionKind::Abandoned => Ok(EndRule::Own(group.to_owned(), epoch)),
        SessionKind::Unknown if unknown => Ok(EndRule::Unmarked),
        SessionKind::Unknown => Err(
            "It bears no mark: nobody knows whose it is. Say that unknown ones may be ended, if it is to go.".to_owned(),
        ),
        other => Err(other.why_not().to_owned()),
    }
}

impl Grid {
    /// The sessions of all nodes as last looked at, by node and process. Empty at a server that is not active.
    pub fn sessions(&self) -> Vec<NodeSession> {
        let Some(duty) = self.on_duty() else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for cell in self.cells() {
            let state = cell.lock();
            all.extend(self.shown(&state, duty.fence.epoch));
        }
        all.sort_by(|a, b| (&a.node, a.pid).cmp(&(&b.node, b.pid)));
        all
    }

    fn shown(&self, state: &CellState, epoch: i64) -> Vec<NodeSession> {
        let held: HashMap<i64, Option<String>> = state.slots.held();
        let Seen { at, sessions } = &state.seen;
        let shown = |(found, share): &(FoundSession, Option<f64>)| NodeSession {
            node: state.stored.name.clone(),
            pid: found.pid,
            start: found.start_ticks,
            kind: kind(found, &self.group, epoch, held.contains_key(&found.pid)),
            group: found.marker.as_ref().map(|m| m.group.clone()),
            server: found.marker.as_ref().map(|m| m.server.clone()),
            epoch: found.marker.as_ref().map(|m| m.epoch),
            task: held.get(&found.pid).cloned().flatten(),
            age_s: found.age_s,
            cpu_ms: found.cpu_ms,
            cpu_percent: *share,
            memory: found.rss,
            stopped: found.stopped,
            orphan: found.orphan,
            client_gone: found.client_gone,
            at: *at,
        };
        sessions.iter().map(shown).collect()
    }

    /// Ends sessions of a node that nobody uses, as a person wants it. Each must be as the last probe saw it, and what
    /// allows it is looked at again on the node, in the evaluation that ends it. `None`: there is no such node here.
    pub async fn end_sessions(
        &self,
        node: &str,
        wanted: &[SessionId],
        unknown: bool,
    ) -> Option<Vec<SessionEnded>> {
        let (duty, cell) = (self.on_duty()?, self.cell(node)?);
        let epoch = duty.fence.epoch;
        let order = |id: &SessionId| {
            let state = cell.lock();
            let found = state.seen.find(*id).cloned().ok_or_else(|| {
                "It was not there when the node was last looked at. Look at the list again."
                    .to_owned()
            })?;
            let held = state.slots.held().contains_key(&found.pid);
            let rule = rule(
                kind(&found, &self.group, epoch, held),
                unknown,
                &self.group,
                epoch,
            )?;
            let target = ReclaimTarget {
                pid: found.pid,
                start_ticks: found.start_ticks,
                host_boot: found.host_boot,
            };
            Ok((target, rule))
        };
        let orders: Vec<(SessionId, Result<_, String>)> =
            wanted.iter().map(|id| (*id, order(id))).collect();
        let stored = cell.stored();
        let ends = orders.into_iter().map(|(id, order)| {
            let stored = &stored;
            async move {
                let (ended, said) = match order {
                    Ok((target, rule)) => self.end_one(stored, &target, &rule).await,
                    Err(why) => (false, why),
                };
                (
                    id,
                    SessionEnded {
                        pid: id.pid,
                        task: None,
                        ended,
                        said,
                    },
                )
            }
        });
        let done: Vec<(SessionId, SessionEnded)> = futures_util::stream::iter(ends)
            .buffered(AT_ONCE)
            .collect()
            .await;
        let gone = |s: &FoundSession| {
            done.iter()
                .any(|(id, d)| d.ended && id.pid == s.pid && id.start == s.start_ticks)
        };
        cell.lock().seen.sessions.retain(|(s, _)| !gone(s));
        cell.probe_now.notify_one();
        Some(done.into_iter().map(|(_, done)| done).collect())
    }

    async fn end_one(
        &self,
        node: &crate::store::StoredNode,
        target: &ReclaimTarget,
        rule: &EndRule,
    ) -> (bool, String) {
        let tried: Result<Result<_, SessionError>, _> =
            timeout(LIMIT, self.provider.end_found(node, target, rule)).await;
        match tried {
            Ok(Ok((proof, said))) => (proof.is_dead(), said),
            Ok(Err(error)) => (false, format!("{error}.")),
            Err(_) => (
                false,
                format!(
                    "{} did not answer within {} s; it is overloaded or stopped. Try again.",
                    node.name,
                    LIMIT.as_secs()
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::grid::Marker;
    use proptest::prelude::*;

    fn found(marker: Option<(&str, i64)>, age_s: u64, client_gone: bool) -> FoundSession {
        FoundSession {
            pid: 7,
            start_ticks: 9,
            host_boot: "b".to_owned(),
            marker: marker.map(|(group, epoch)| Marker {
                group: group.to_owned(),
                server: "s".to_owned(),
                epoch,
            }),
            rss: 1,
            age_s,
            cpu_ms: 100,
            stopped: false,
            orphan: false,
            client_gone,
        }
    }

    #[test]
    fn each_session_is_somebodys_or_nobodys() {
        let of = |found, held| kind(&found, "east", 5, held);
        assert_eq!(
            of(found(Some(("east", 4)), 0, false), false),
            SessionKind::Zombie
        );
        assert_eq!(
            of(found(Some(("east", 5)), 0, false), false),
            SessionKind::Used
        );
        assert_eq!(
            of(found(Some(("east", 5)), 99, true), false),
            SessionKind::Abandoned
        );
        assert_eq!(
            of(found(Some(("east", 5)), 99, true), true),
            SessionKind::Used
        );
        assert_eq!(
            of(found(Some(("east", 6)), 99, true), false),
            SessionKind::Newer
        );
        assert_eq!(
            of(found(Some(("west", 1)), 99, true), false),
            SessionKind::Foreign
        );
        assert_eq!(of(found(None, 99, true), false), SessionKind::Unknown);
        assert_eq!(of(found(None, 1, true), false), SessionKind::New);
    }

    proptest! {
        /// Whatever is on a node: a person can have nothing ended that is another group's, in use, of a newer epoch, or
        /// without a mark unless they said so.
        #[test]
        fn only_what_nobody_uses_can_be_ended(
            marker in prop::option::of(("east|west", 1_i64..9)), age in 0_u64..40, gone: bool, held: bool, unknown: bool,
        ) {
            let marker = marker.as_ref().map(|(group, epoch)| (group.as_str(), *epoch));
            let found = found(marker, age, gone);
            let kind = kind(&found, "east", 5, held);
            let allowed = rule(kind, unknown, "east", 5);
            let expected = match marker {
                Some(("east", epoch)) => epoch < 5 || epoch == 5 && gone && !held,
                Some(_) => false,
                None => unknown && age >= SETTLED,
            };
            prop_assert_eq!(allowed.is_ok(), expected, "{:?}", kind);
            if let Err(why) = allowed {
                prop_assert!(why.len() > 10);
            }
        }
    }

    #[test]
    #[allow(clippy::float_cmp)] // exact values
    fn the_share_of_a_processor_is_that_between_two_looks() {
        let mut seen = Seen::default();
        let mut session = found(None, 1, false);
        seen.look(std::slice::from_ref(&session), 1_000);
        assert_eq!(seen.sessions[0].1, None);
        session.cpu_ms += 450;
        seen.look(std::slice::from_ref(&session), 2_000);
        assert_eq!(seen.sessions[0].1, Some(45.0));
        // Another process with its number has no share yet.
        session.start_ticks += 1;
        seen.look(std::slice::from_ref(&session), 3_000);
        assert_eq!(seen.sessions[0].1, None);
    }
}
