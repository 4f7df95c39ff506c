//! What a server does about once a second whatever its role: announce itself, publish the group; and what a
//! standby tells people about the active server and about switches that others lead.

use super::another::Others;
use super::keeper::Keeper;
use super::record;
use crate::clock::Moment;
use crate::store::{EpochRow, EventFilter, Fence, Notes};
use gridhelm_api::event::Severity;
use gridhelm_api::group::{Group, Member};
use gridhelm_api::stream::Delta;
use gridhelm_api::switch::{SwitchKind, SwitchRecord, SwitchState};
use std::sync::Arc;
use std::time::Duration;

/// How often a server announces itself.
const PULSE: Duration = Duration::from_secs(1);
/// How often the group is published though nothing but times changed.
const GROUP_EVERY: Duration = Duration::from_secs(5);
/// How many events at most are published each second from the other servers' part of the journal.
const TAIL: u32 = 100;
/// How often the new active server looks whether the leader of the switch has stored its end.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);
/// How long a new active server waits before it closes the record of a switch that nobody leads.
const ORPHAN: Duration = Duration::from_secs(10);

impl Keeper {
    pub(super) async fn pulse(self: Arc<Self>) {
        let mut interval = tokio::time::interval(PULSE);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut answered = true;
        let mut newest = None;
        let mut others = Others::default();
        loop {
            interval.tick().await;
            let status = self.status();
            let member = Member {
                name: status.name,
                url: self.parts.me.url.clone(),
                version: status.version,
                seen_at: crate::clock::now(),
            };
            let announced = self.parts.store.announce(&member).await;
            if let (Err(error), true) = (&announced, answered) {
                tracing::warn!(%error, "this server could not announce itself");
            }
            answered = announced.is_ok();
            if answered {
                self.publish_group(false).await;
                self.tail_journal(&mut newest).await;
                self.end_pause().await;
                self.begin_due().await;
                self.look_for_another(&mut others).await;
                if self.active_for().is_some_and(|time| time > ORPHAN) {
                    self.close_orphan().await;
                }
            }
        }
    }

    /// Publishes what the group's other servers wrote into the journal. `newest` is the last event seen; what
    /// was there before the first look is left to snapshots.
    async fn tail_journal(&self, newest: &mut Option<i64>) {
        let filter = EventFilter {
            limit: TAIL,
            ..EventFilter::default()
        };
        let page = match self.parts.store.events(&filter).await {
            Ok(page) => page,
            Err(error) => {
                tracing::debug!(%error, "the journal cannot be read");
                return;
            }
        };
        let last = page.items.first().map_or(0, |event| event.id);
        if let Some(seen) = *newest {
            let new = page.items.into_iter().rev().filter(|e| e.id > seen);
            self.parts.hub.publish_events(new.collect());
        }
        *newest = Some(newest.map_or(last, |seen| seen.max(last)));
    }

    /// Shows the switch by which this server became active until its leader has stored its end.
    pub(super) async fn follow_to_end(self: Arc<Self>, id: String) {
        let deadline = Moment::now().after(ORPHAN);
        while Moment::now() < deadline {
            tokio::time::sleep(FOLLOW_EVERY).await;
            let Ok(switches) = self.parts.store.switches(1).await else {
                continue;
            };
            let Some(latest) = switches.into_iter().next().filter(|s| s.id == id) else {
                return;
            };
            if latest.state != SwitchState::Running {
                self.show(&latest);
                return;
            }
        }
    }

    /// Publishes the group if it changed, or at least every 5 s; always when `now`.
    pub(super) async fn publish_group(&self, now: bool) {
        let group = match self.group().await {
            Ok(group) => group,
            Err(error) => {
                tracing::debug!(%error, "the group cannot be read");
                return;
            }
        };
        let moment = Moment::now();
        {
            let mut state = self.state();
            let due = match &state.group {
                Some((last, at)) => !alike(last, &group) || moment.since(*at) >= GROUP_EVERY,
                None => true,
            };
            if !due && !now {
                return;
            }
            state.group = Some((group.clone(), moment));
        }
        self.parts.hub.publish(&Delta::Group(group));
    }

    /// Publishes a switch and remembers it as the present one, without storing it.
    pub(super) fn show(&self, record: &SwitchRecord) {
        let mut state = self.state();
        state.switch = Some(record.clone());
        // Under the lock, so that the order of publishing is that of the states.
        let delta = Delta::Switch(Box::new(record.clone()));
        self.parts.hub.publish(&delta);
    }

    /// Shows and stores a switch. A record that cannot be stored is logged: it must not stop the switch.
    pub(super) async fn keep_record(&self, record: &SwitchRecord, notes: Notes) {
        self.show(record);
        match self.parts.store.put_switch(record, notes).await {
            Ok(events) => self.publish(events),
            Err(error) => tracing::warn!(%error, id = record.id, "the switch was not recorded"),
        }
    }

    /// What a standby does after each look: follow the switch that another server leads, and tell people of
    /// the active server's silence.
    pub(super) async fn follow(&self, row: &EpochRow) {
        if let Ok(switches) = self.parts.store.switches(1).await
            && let Some(latest) = switches.into_iter().next()
        {
            let (new, introduce) = {
                let mut state = self.state();
                let known = state.switch.as_ref();
                // What the leader told directly is fresher than what it stored, until it stores the end.
                let fresher = known.is_some_and(|known| {
                    known.id == latest.id
                        && state.alert_until.is_some()
                        && latest.state == SwitchState::Running
                });
                let new = known != Some(&latest) && state.leading.is_none() && !fresher;
                let introduce = !state.introduced && state.held.is_none();
                state.introduced = true;
                if new && latest.state != SwitchState::Running {
                    state.alert_until = None;
                }
                (new, introduce)
            };
            if introduce {
                self.introduce(row, &latest).await;
            }
            if new {
                self.show(&latest);
            }
        }
        self.tell_silence(row).await;
    }

    /// A server that a failover replaced says so when it is back.
    async fn introduce(&self, row: &EpochRow, latest: &SwitchRecord) {
        let me = &self.parts.me.server;
        let replaced = latest.kind != SwitchKind::Planned
            && latest.state == SwitchState::Done
            && latest.from.as_ref() == Some(me)
            && latest.epoch_after == Some(row.epoch);
        let Some(owner) = row.owner.as_ref().filter(|o| replaced && o.server != *me) else {
            return;
        };
        let message = format!(
            "is back and stays standby: {} took over under epoch {} ({})",
            owner.server, row.epoch, latest.reason
        );
        self.note(Self::event(
            Severity::Info,
            "switch.returned",
            me,
            message,
            me,
        ))
        .await;
    }

    /// Tells once when the active server falls silent, and once when it is heard again.
    async fn tell_silence(&self, row: &EpochRow) {
        let me = &self.parts.me.server;
        let Some(owner) = row.owner.as_ref().filter(|o| o.server != *me) else {
            return;
        };
        let silence = self.silence().filter(|_| !row.released);
        let (told, newly) = {
            let mut state = self.state();
            let told = state.silent_told == Some(row.epoch);
            let newly = silence.is_some() != told;
            if newly {
                state.silent_told = silence.map(|_| row.epoch);
            }
            (told, newly)
        };
        if !newly {
            return;
        }
        let (severity, kind, message) = if told {
            if row.released {
                return;
            }
            (
                Severity::Good,
                "switch.heard",
                format!(
                    "renews its lease again and is active under epoch {}",
                    row.epoch
                ),
            )
        } else {
            (
                Severity::Fail,
                "switch.silent",
                format!(
                    "has not renewed its lease for {:.1} s; nobody works for this group. Fail over by hand, or start it again",
                    silence.unwrap_or_default().as_secs_f64()
                ),
            )
        };
        self.note(Self::event(severity, kind, &owner.server, message, me))
            .await;
        self.publish_group(true).await;
    }

    /// Tells that the database took no writes for so long, and that this server went on under its epoch.
    pub(super) fn tell_return(self: &Arc<Self>, fence: &Fence, away: Duration) {
        let me = self.parts.me.server.clone();
        let message = format!(
            "the database took no writes for {:.1} s; {me} stays active under epoch {}",
            away.as_secs_f64(),
            fence.epoch
        );
        let group = &self.parts.group;
        let event = Self::event(Severity::Warn, "database.returned", group, message, &me);
        let keeper = Arc::clone(self);
        self.spawn(async move { keeper.note(event).await });
    }

    /// Ends the record of a switch whose leader died on the way. Only the active server does so.
    async fn close_orphan(&self) {
        let Ok(switches) = self.parts.store.switches(1).await else {
            return;
        };
        let Some(mut record) = switches.into_iter().next() else {
            return;
        };
        let (leading, epoch) = {
            let state = self.state();
            let epoch = state.held.as_ref().map(|h| h.fence.epoch);
            (state.leading.is_some(), epoch)
        };
        let Some(epoch) = epoch.filter(|_| record.state == SwitchState::Running && !leading) else {
            return;
        };
        let me = &self.parts.me.server;
        let (severity, message) = if record.to == *me && epoch > record.epoch_before {
            record.epoch_after.get_or_insert(epoch);
            record::finish_open_steps(
                &mut record,
                "the server that led the switch ended before it could tell",
            );
            record::finish(&mut record);
            (
                Severity::Good,
                format!("{me} is active under epoch {epoch}"),
            )
        } else {
            record::fail(
                &mut record,
                "the server that led the switch ended on the way",
            );
            (
                Severity::Warn,
                "the server that led the switch ended on the way".to_owned(),
            )
        };
        let event = Self::event(severity, "switch.closed", &record.id, message, me);
        let notes = Notes::event(event);
        self.keep_record(&record, notes).await;
    }
}

/// Whether two groups differ in nothing but the times at which their servers were seen.
fn alike(a: &Group, b: &Group) -> bool {
    let timeless = |group: &Group| {
        let mut group = group.clone();
        for member in &mut group.members {
            member.seen_at = 0;
        }
        group
    };
    timeless(a) == timeless(b)
}
