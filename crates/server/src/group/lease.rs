//! The lease as functions of values: who may work, who may claim the active role. No I/O and no clock
//! inside, so that every interleaving can be tested.
//!
//! No decision compares two machines' clocks. The holder counts from the moment it *sent* a renewal; a
//! watcher counts from the moment it first *saw* the present counter, which is never earlier. So a watcher
//! that waits [`LAPSE_AFTER`] begins when the holder has stopped for at least
//! `LAPSE_AFTER - STOP_AFTER`, whatever the network did.
//!
//! The lease decides who *starts* work. What makes a write safe is the fence in the database.

use crate::clock::Moment;
use std::time::Duration;

/// How often the holder renews.
pub const RENEW_EVERY: Duration = Duration::from_millis(500);

/// How often a standby looks in automatic mode, and tries the holder's lock.
pub const LOOK_EVERY_AUTOMATIC: Duration = Duration::from_millis(50);

/// In automatic mode the holder takes no work any more when its last renewal that succeeded was sent so
/// long ago.
pub const STOP_AFTER: Duration = Duration::from_secs(2);

/// A watcher holds the lease for lapsed when it has seen the same counter for so long.
pub const LAPSE_AFTER: Duration = Duration::from_millis(2_500);

/// A watcher that had no answer for so long was blind; looks are a quarter of a second apart.
pub const BLIND_AFTER: Duration = Duration::from_millis(1_500);

/// Who decides that a silent active server is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// A person. The holder steps down only for a higher epoch.
    #[default]
    Manual,
    /// The standby, when the lease has lapsed. The holder stops in time.
    Automatic,
}

/// The lease as its holder sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Holder {
    mode: Mode,
    renewed: Moment,
    next: Moment,
    lock_lost: Option<Moment>,
}

impl Holder {
    /// A lease just taken by a transaction that was sent at `sent`.
    pub fn new(mode: Mode, sent: Moment) -> Self {
        Self {
            mode,
            renewed: sent,
            next: sent.after(RENEW_EVERY),
            lock_lost: None,
        }
    }

    /// How long from `now` until the next renewal is due.
    pub fn due_in(&self, now: Moment) -> Duration {
        self.next.since(now)
    }

    /// The group's mode changed. To automatic it must be told here first, and to the database then: no standby
    /// may act on a mode under which the holder does not yet stop.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// A renewal is being sent.
    pub fn sending(&mut self, now: Moment) {
        self.next = now.after(RENEW_EVERY);
    }

    /// The renewal that was sent at `sent` succeeded.
    pub fn renewed(&mut self, sent: Moment) {
        self.renewed = self.renewed.max(sent);
        self.lock_lost = self.lock_lost.filter(|lost| sent < *lost);
    }

    /// The lock for life was lost at `now`, with the connection that held it: another server may gain it and take
    /// over at once. A renewal that is sent from now on and succeeds proves that none has. It is due at once.
    pub fn lock_lost(&mut self, now: Moment) {
        self.lock_lost = Some(now);
        self.next = now;
    }

    /// Until when work may be started; `None` where no time limit holds.
    pub fn valid_until(&self) -> Option<Moment> {
        match self.mode {
            Mode::Manual => None,
            Mode::Automatic => {
                let until = self.renewed.after(STOP_AFTER);
                Some(self.lock_lost.map_or(until, |lost| lost.min(until)))
            }
        }
    }

    /// Whether work may be started at `now`.
    pub fn may_work(&self, now: Moment) -> bool {
        self.valid_until().is_none_or(|until| now < until)
    }
}

/// What a watcher reads of the epoch and the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sign {
    /// The epoch.
    pub epoch: i64,
    /// The lease's counter.
    pub counter: i64,
    /// Whether the owner gave it up.
    pub released: bool,
}

/// The lease as another server sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Watcher {
    seen: Option<(Sign, Moment)>,
    looked: Option<Moment>,
}

impl Watcher {
    /// Notes what was read by a look that was sent at `sent` and answered at `now`. When the watcher was blind
    /// for long (the database did not answer, or the watcher itself stood still) the count begins anew: the
    /// holder may have been blind, too, and has the first claim.
    pub fn observe(&mut self, sign: Sign, sent: Moment, now: Moment) {
        let blind = now.since(self.looked.unwrap_or(sent)) > BLIND_AFTER;
        self.looked = Some(now);
        if blind || self.seen.is_none_or(|(seen, _)| seen != sign) {
            self.seen = Some((sign, now));
        }
    }

    /// The database did not answer a look: what was seen before says nothing any more.
    pub fn blinded(&mut self) {
        self.seen = None;
    }

    /// For how long the present counter has been seen; zero before the first look.
    pub fn silent_for(&self, now: Moment) -> Duration {
        self.seen
            .map(|(_, since)| now.since(since))
            .unwrap_or_default()
    }

    /// Whether the lease has lapsed: no renewal was seen for [`LAPSE_AFTER`].
    pub fn lapsed(&self, now: Moment) -> bool {
        self.seen.is_some() && self.silent_for(now) >= LAPSE_AFTER
    }
}

/// What a server that is not active sees of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View<'a> {
    /// This server's name.
    pub me: &'a str,
    /// Who decides, as stored with the group.
    pub mode: Mode,
    /// The epoch; 0 in a group that never had an active server.
    pub epoch: i64,
    /// The owner's name.
    pub owner: Option<&'a str>,
    /// Whether the owner gave the active role up.
    pub released: bool,
    /// Whom the owner named to take over.
    pub successor: Option<&'a str>,
    /// Whether the lease has lapsed, as this server has watched it.
    pub lapsed: bool,
}

/// Why a server claims the active role without a person's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// The group never had an active server.
    Fresh,
    /// The owner released the role and named this server.
    Successor,
    /// The last owner was a process of this server, which has been restarted.
    LastOwner,
    /// The owner stopped in order and named nobody (automatic mode only).
    Released,
    /// The owner's process is proven dead (automatic mode only).
    Died,
    /// The lease has lapsed (automatic mode only). The transaction that takes the epoch must compare the
    /// lease's counter, too: the holder may have renewed since the watcher looked.
    Lapsed,
}

impl Because {
    /// Whether the claim rests on what was seen of the lease.
    pub fn rests_on_lease(self) -> bool {
        matches!(self, Self::Lapsed | Self::Died)
    }
}

/// What a server may do about the active role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Watch on.
    Stay,
    /// Claim it if the last owner's process is proven gone: by gaining its lock, or by its absence.
    IfGone(Because),
    /// Claim it if the owner is [`proven_dead`].
    IfDead(Because),
    /// Claim it now.
    Now(Because),
}

/// Decides whether a server that is not active claims the active role. A claim is made by taking the very
/// epoch that was seen, so of several that claim only one succeeds.
pub fn claim(view: View<'_>) -> Claim {
    let Some(owner) = view.owner.filter(|_| view.epoch > 0) else {
        return Claim::IfGone(Because::Fresh);
    };
    if view.released && view.successor == Some(view.me) {
        return Claim::Now(Because::Successor);
    }
    if owner == view.me {
        // A named successor has the first claim for one time-out.
        return if view.released && view.successor.is_some() && !view.lapsed {
            Claim::Stay
        } else {
            Claim::IfGone(Because::LastOwner)
        };
    }
    match view.mode {
        Mode::Manual => Claim::Stay,
        Mode::Automatic if view.released && view.successor.is_none() => {
            Claim::Now(Because::Released)
        }
        Mode::Automatic if view.lapsed => Claim::Now(Because::Lapsed),
        Mode::Automatic if view.released => Claim::Stay,
        Mode::Automatic => Claim::IfDead(Because::Died),
    }
}

/// How an address answers a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// It takes it.
    Open,
    /// It refuses it: nothing listens there, or a firewall says so.
    Refused,
    /// It does not answer in time, or is not reached.
    Silent,
}

/// Whether an owner is proven dead before its lease lapsed: its lock for life could be gained *and* its port
/// refuses. Neither is enough: a firewall refuses for a server that lives, and a server whose connection to
/// the database broke has lost its lock and may still work.
pub const fn proven_dead(lock_gained: bool, port: Port) -> bool {
    lock_gained && matches!(port, Port::Refused)
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
