//! What a keeper knows.

use super::lease::{Holder, Watcher};
use crate::clock::Moment;
use crate::store::{EpochRow, Fence, LifeLock};
use futures_util::FutureExt as _;
use gridhelm_api::Millis;
use gridhelm_api::group::{Group, ServerRole};
use gridhelm_api::switch::{Check, SwitchRecord};
use std::time::Duration;

/// The active role as this process holds it.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) fence: Fence,
    pub(super) holder: Holder,
    pub(super) since: Moment,
    /// How long the last renewal took.
    pub(super) committed: Option<Duration>,
}

/// What the keeper knows. Never locked across an await.
#[derive(Debug)]
pub(super) struct State {
    pub(super) role: ServerRole,
    pub(super) held: Option<Held>,
    /// The row of the epoch as last read.
    pub(super) row: Option<EpochRow>,
    pub(super) watcher: Watcher,
    /// The life lock. Held by the active server, where it could gain it.
    pub(super) lock: Option<Box<dyn LifeLock>>,
    /// Why this server could not do its role now.
    pub(super) trouble: Option<String>,
    /// The switch under way, or the last one.
    pub(super) switch: Option<SwitchRecord>,
    /// The switch that this process leads: its id and its successor.
    pub(super) leading: Option<(String, String)>,
    /// Who called off the switch that this process leads.
    pub(super) called_off: Option<String>,
    /// That switch cannot be called off any more.
    pub(super) past_return: bool,
    /// New requests wait for the successor.
    pub(super) parking: bool,
    /// Until when the epoch is looked at often.
    pub(super) alert_until: Option<Moment>,
    /// Since when the active server's renewals have failed.
    pub(super) away_since: Option<Moment>,
    /// What was last found of the database itself.
    pub(super) database: Vec<Check>,
    /// What the other servers' certificates are worth, as the active server finds them.
    pub(super) certificates: Vec<Check>,
    /// Under which epoch it was told that nobody takes over by itself.
    pub(super) refusal_told: Option<i64>,
    /// Under which epoch the silence of the active server was told.
    pub(super) silent_told: Option<i64>,
    /// Until when automatic failover rests, as it was told.
    pub(super) resting_told: Option<Millis>,
    /// Whether the first look told how this server stands.
    pub(super) introduced: bool,
    /// The group as last published, and when.
    pub(super) group: Option<(Group, Moment)>,
}

impl State {
    /// Of a process that has just started.
    pub(super) fn new() -> Self {
        Self {
            role: ServerRole::Standby,
            held: None,
            row: None,
            watcher: Watcher::default(),
            lock: None,
            trouble: Some("it is starting".into()),
            switch: None,
            leading: None,
            called_off: None,
            past_return: false,
            parking: false,
            alert_until: None,
            away_since: None,
            database: Vec::new(),
            certificates: Vec::new(),
            refusal_told: None,
            silent_told: None,
            resting_told: None,
            introduced: false,
            group: None,
        }
    }

    /// Whether this process holds the life lock. One that was lost is let go, and an active server then takes no
    /// work in automatic mode until it has renewed its lease.
    pub(super) fn holds_lock(&mut self) -> bool {
        let lock = self.lock.as_deref();
        if lock.is_some_and(|lock| lock.lost().now_or_never().is_some()) {
            tracing::warn!("the life lock was lost");
            self.lock = None;
            if let Some(held) = &mut self.held {
                held.holder.lock_lost(Moment::now());
            }
        }
        self.lock.is_some()
    }

    /// Gives a lock back that was gained to find out whether the active server lives.
    pub(super) fn give_lock_back(&mut self) {
        if self.held.is_none() {
            self.lock = None;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::group::lease::Mode;
    use futures_util::future::{BoxFuture, pending, ready};

    #[derive(Debug)]
    struct Lock {
        lost: bool,
    }

    impl LifeLock for Lock {
        fn lost(&self) -> BoxFuture<'static, ()> {
            if self.lost {
                Box::pin(ready(()))
            } else {
                Box::pin(pending())
            }
        }
    }

    fn active(lost: bool) -> State {
        let now = Moment::now();
        State {
            held: Some(Held {
                fence: Fence {
                    epoch: 3,
                    boot: "b".into(),
                },
                holder: Holder::new(Mode::Automatic, now),
                since: now,
                committed: None,
            }),
            lock: Some(Box::new(Lock { lost })),
            ..State::new()
        }
    }

    #[test]
    fn whoever_finds_the_lock_lost_tells_the_lease() {
        let mut state = active(true);
        assert!(!state.holds_lock());
        let now = Moment::now();
        assert!(!state.held.as_ref().unwrap().holder.may_work(now));
        let mut state = active(false);
        assert!(state.holds_lock());
        assert!(state.held.as_ref().unwrap().holder.may_work(now));
    }

    #[test]
    fn only_who_is_not_active_gives_the_lock_back() {
        let mut state = active(false);
        state.give_lock_back();
        assert!(state.holds_lock());
        state.held = None;
        state.give_lock_back();
        assert!(!state.holds_lock());
    }
}
