//! Changes of role: claim, take, lose; and telling them.

use super::Standing;
use super::automatic::{BY_ITSELF, mode_of};
use super::keeper::Keeper;
use super::lease::{Because, Claim, Holder, View, Watcher, claim};
use super::state::Held;
use crate::clock::Moment;
use crate::identity::{Life, life};
use crate::store::{AuditDraft, EpochRow, EventDraft, Fence, Notes, Owner, Seen, StoreError};
use gridhelm_api::event::{Event, Severity, Topic};
use gridhelm_api::group::{ServerRole, ServerStatus};
use gridhelm_api::stream::Delta;
use gridhelm_api::switch::{SwitchRecord, SwitchState};
use std::sync::Arc;
use std::time::Duration;

/// Why and how the active role is taken.
#[derive(Debug, Clone)]
pub(super) struct Taking {
    /// What was seen; the new epoch is one more.
    pub(super) seen: Seen,
    /// Who makes it so.
    pub(super) by: String,
    /// Why.
    pub(super) reason: String,
    /// How grave that is.
    pub(super) severity: Severity,
    /// An audit row, when a person asked here.
    pub(super) audit: Option<AuditDraft>,
}

impl Keeper {
    /// Makes [`Standing`] of what is known now and publishes it if it changed.
    pub(super) fn tell(&self) {
        // The state stays locked, so that standings are told in the order in which they arise.
        let state = self.state();
        let now = Moment::now();
        let row = state.row.as_ref();
        let owner = row.and_then(|r| r.owner.as_ref());
        // Past its lease it works no more, and says so; it goes on when it can renew under the same epoch.
        let lapsed = state.held.as_ref().is_some_and(|h| !h.holder.may_work(now));
        let role = if lapsed {
            ServerRole::Standby
        } else {
            state.role
        };
        let (active, active_url) = if state.held.is_some() {
            let serving = role != ServerRole::Taking && !lapsed;
            let me = &self.parts.me;
            (
                serving.then(|| me.server.clone()),
                serving.then(|| me.url.clone()),
            )
        } else {
            let lives = row.is_some_and(|r| !r.released) && !state.watcher.lapsed(now);
            let owner = owner.filter(|o| lives && o.server != self.parts.me.server);
            (
                owner.map(|o| o.server.clone()),
                owner.map(|o| o.url.clone()),
            )
        };
        let held = state.held.as_ref();
        let epoch = held.map_or(row.map_or(0, |r| r.epoch), |h| h.fence.epoch);
        let fence = held.map(|h| h.fence.clone());
        let valid_until = held.and_then(|h| h.holder.valid_until());
        let parking = state.parking;
        // A renewal that hangs has not failed yet, and says nothing: the clock does.
        let trouble = state.trouble.clone().or_else(|| {
            lapsed.then(|| "the database has not confirmed its lease in time".to_owned())
        });
        self.parts.standing.send_if_modified(|standing| {
            let next = Standing {
                status: ServerStatus {
                    role,
                    epoch,
                    active,
                    active_url,
                    ready: trouble.is_none(),
                    not_ready: trouble,
                    ..standing.status.clone()
                },
                fence,
                valid_until,
                parking,
                left: standing.left_as(role, now),
            };
            if next.status != standing.status {
                self.parts.hub.publish(&Delta::Server(next.status.clone()));
            }
            let changed = next != *standing;
            *standing = next;
            changed
        });
    }

    /// Publishes committed events.
    pub(super) fn publish(&self, events: Vec<Event>) {
        self.parts.hub.publish_events(events);
    }

    /// An event about this group's active role.
    pub(super) fn event(
        severity: Severity,
        kind: &'static str,
        subject: &str,
        message: String,
        actor: &str,
    ) -> EventDraft {
        EventDraft {
            severity,
            topic: Topic::Switch,
            kind,
            subject: subject.to_owned(),
            message,
            actor: actor.to_owned(),
        }
    }

    /// Writes an event alone. What cannot be written is logged.
    pub(super) async fn note(&self, event: EventDraft) {
        let (kind, message) = (event.kind, event.message.clone());
        let notes = Notes::event(event);
        match self.parts.store.note(notes).await {
            Ok(events) => self.publish(events),
            Err(error) => tracing::warn!(%error, kind, message, "an event was not recorded"),
        }
    }

    /// Claims the active role if what was seen makes it this server's to claim.
    pub(super) async fn consider(self: &Arc<Self>, row: &EpochRow, now: Moment) {
        let me = &self.parts.me.server;
        let decided = {
            let state = self.state();
            if state.leading.is_some() {
                return;
            }
            let view = View {
                me,
                mode: mode_of(row),
                epoch: row.epoch,
                owner: row.owner.as_ref().map(|o| o.server.as_str()),
                released: row.released,
                successor: row.successor.as_deref(),
                lapsed: state.watcher.lapsed(now),
            };
            claim(view)
        };
        let because = match decided {
            Claim::Stay => {
                // Gained while it might have been needed; the active server, if one is, may want it back.
                self.state().give_lock_back();
                return;
            }
            Claim::IfDead(_) if self.state().lock.is_none() => return,
            Claim::Now(because) | Claim::IfDead(because) => because,
            Claim::IfGone(because) => {
                if !self.last_owner_gone(row).await {
                    return;
                }
                because
            }
        };
        let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() else {
            return;
        };
        if matches!(because, Because::Released | Because::Died | Because::Lapsed) {
            drop(turn);
            self.spawn(Arc::clone(self).take_over_by_itself(because, row.clone()));
            return;
        }
        let taking = self.taking_for(because, row);
        let keeper = Arc::clone(self);
        self.spawn(async move {
            match keeper.take(&taking).await {
                Ok(epoch) => {
                    tracing::info!(epoch, reason = taking.reason, "active");
                    keeper.follow_present();
                }
                Err(StoreError::Fenced { epoch, .. }) => {
                    tracing::info!(epoch, "another server took the active role first");
                }
                Err(error) => tracing::warn!(%error, "the active role was not taken"),
            }
            drop(turn);
        });
    }

    /// If this server became active by a switch that another one leads, shows how that ends.
    pub(super) fn follow_present(self: &Arc<Self>) {
        let followed = {
            let state = self.state();
            let running =
                |s: &&SwitchRecord| s.state == SwitchState::Running && s.to == self.parts.me.server;
            let id = state.switch.as_ref().filter(running).map(|s| s.id.clone());
            id.filter(|_| state.leading.is_none())
        };
        if let Some(id) = followed {
            self.spawn(Arc::clone(self).follow_to_end(id));
        }
    }

    /// Whether the last owner's process is proven gone: this process gains its lock, or the recorded process
    /// ran on this host and does not any more.
    async fn last_owner_gone(&self, row: &EpochRow) -> bool {
        let gained = self.gain_lock().await;
        let mut state = self.state();
        match gained {
            Ok(true) => return true,
            Ok(false) => {}
            Err(error) => {
                state.trouble = Some(error.to_string());
                return false;
            }
        }
        match &row.owner {
            Some(owner) if self.is_dead(owner) => true,
            Some(owner) => {
                state.trouble = Some(format!(
                    "another process (pid {}) runs as {} and holds the active role",
                    owner.pid, owner.server
                ));
                false
            }
            None => false,
        }
    }

    /// Whether that process is known to be dead: of one on another host nothing is known here.
    fn is_dead(&self, owner: &Owner) -> bool {
        let knowable = self.parts.store.on_one_host() || owner.host_boot == self.parts.me.host_boot;
        knowable && life(owner) == Life::Dead
    }

    fn taking_for(&self, because: Because, row: &EpochRow) -> Taking {
        let me = &self.parts.me.server;
        let asked = self.state().switch.clone().filter(|s| {
            because == Because::Successor && s.state == SwitchState::Running && s.to == *me
        });
        let (by, reason, severity) = match because {
            Because::Successor => {
                let (by, reason) = asked.map_or_else(
                    || (me.clone(), "named by the last active server".to_owned()),
                    |SwitchRecord { by, reason, .. }| (by, reason),
                );
                (by, reason, Severity::Good)
            }
            Because::Fresh => (
                me.clone(),
                "first start of the group".into(),
                Severity::Good,
            ),
            Because::LastOwner if row.released => {
                (me.clone(), "started again".into(), Severity::Good)
            }
            Because::LastOwner => (
                me.clone(),
                "started again; its last process ended without handing over".into(),
                Severity::Warn,
            ),
            Because::Released | Because::Died | Because::Lapsed => (
                BY_ITSELF.to_owned(),
                "the active server is gone".into(),
                Severity::Warn,
            ),
        };
        Taking {
            seen: row.epoch.into(),
            by,
            reason,
            severity,
            audit: None,
        }
    }

    /// Takes the active role and the duties. The caller holds the turn.
    pub(super) async fn take(&self, taking: &Taking) -> Result<i64, StoreError> {
        let epoch = self.seize(taking).await?;
        self.assume().await;
        Ok(epoch)
    }

    /// Takes the epoch. The caller holds the turn, and goes on with [`Keeper::assume`].
    pub(super) async fn seize(&self, taking: &Taking) -> Result<i64, StoreError> {
        {
            let mut state = self.state();
            if let Some(held) = &state.held {
                return Ok(held.fence.epoch);
            }
            state.role = ServerRole::Taking;
        }
        self.tell();
        let me = &self.parts.me;
        let notes = Notes {
            events: vec![Self::event(
                taking.severity,
                "switch.taken",
                &me.server,
                format!(
                    "active under epoch {}: {}",
                    taking.seen.epoch + 1,
                    taking.reason
                ),
                &taking.by,
            )],
            audit: taking.audit.iter().cloned().collect(),
        };
        let sent = Moment::now();
        let taken = self
            .parts
            .store
            .take_epoch(taking.seen, me, &taking.by, &taking.reason, notes)
            .await;
        let result = {
            let mut state = self.state();
            match taken {
                Ok((row, events)) => {
                    let epoch = row.epoch;
                    state.held = Some(Held {
                        fence: Fence {
                            epoch,
                            boot: me.boot.clone(),
                        },
                        holder: Holder::new(mode_of(&row), sent),
                        since: sent,
                        committed: None,
                    });
                    state.row = Some(row);
                    // What was seen before says nothing of whoever is active after this process.
                    state.watcher = Watcher::default();
                    state.trouble = None;
                    state.alert_until = None;
                    state.silent_told = None;
                    Ok((epoch, events))
                }
                Err(error) => {
                    state.role = ServerRole::Standby;
                    state.lock = None;
                    Err(error)
                }
            }
        };
        self.tell();
        let (epoch, events) = result?;
        self.publish(events);
        self.wake.notify_one();
        Ok(epoch)
    }

    /// Takes the duties up and becomes active, unless the role was lost meanwhile. The caller holds the turn.
    pub(super) async fn assume(&self) {
        let fence = {
            let state = self.state();
            // An order that comes twice, or after this server has seen the released lease by itself: two sets of duties would look
            // after the nodes, and only one of them would be laid down.
            if state.role == ServerRole::Active {
                return;
            }
            state.held.as_ref().map(|h| h.fence.clone())
        };
        let Some(fence) = fence else { return };
        self.parts.duties.take_up(fence.clone()).await;
        {
            let mut state = self.state();
            if state.held.as_ref().is_some_and(|h| h.fence == fence) {
                state.role = ServerRole::Active;
            }
        }
        self.tell();
        self.publish_group(true).await;
    }

    /// The active role was lost to a higher epoch: no work from this moment on; then the duties are laid down
    /// without a write.
    pub(super) fn lose(self: &Arc<Self>, fence: &Fence, epoch: i64, owner: Option<&str>) {
        {
            let mut state = self.state();
            if state.held.as_ref().is_none_or(|h| h.fence != *fence) {
                return;
            }
            state.held = None;
            state.lock = None;
            state.parking = false;
            state.role = ServerRole::Standby;
        }
        self.tell();
        let owner = owner.unwrap_or("another server").to_owned();
        tracing::warn!(mine = fence.epoch, epoch, owner, "the active role was lost");
        let running = self.parts.duties.in_flight().running;
        let keeper = Arc::clone(self);
        let mine = fence.epoch;
        self.spawn(async move {
            let turn = keeper.turn.lock().await;
            keeper.parts.duties.lay_down(true).await;
            drop(turn);
            let me = &keeper.parts.me.server;
            let cut = match running {
                0 => "no task was cut off".to_owned(),
                1 => "1 running task was cut off".to_owned(),
                n => format!("{n} running tasks were cut off"),
            };
            let message = format!(
                "lost the active role of epoch {mine}: {owner} holds epoch {epoch}; {cut}; stays standby"
            );
            keeper
                .note(Self::event(Severity::Warn, "switch.fenced", me, message, me))
                .await;
        });
    }

    /// How long this process has been active.
    pub(super) fn active_for(&self) -> Option<Duration> {
        let state = self.state();
        let held = state.held.as_ref()?;
        Some(Moment::now().since(held.since))
    }
}
