//! Keeps this server's place in its group.
//!
//! One loop looks at the epoch while this server stands by, and renews the lease while it is active. Every
//! change of role holds the *turn*, so that two never overlap; what the role is, is told to the process
//! through [`Standing`] and to the world through the hub, in the same order.

use super::hold::FailoverLimit;
use super::lease::{LAPSE_AFTER, STOP_AFTER, Sign};
use super::peer::Peers;
use super::refusals::Refusals;
use super::state::State;
use super::{Duties, PeerToken, Standing};
use crate::balancer::BalancerConfig;
use crate::clock::Moment;
use crate::hub::Hub;
use crate::store::{Fence, Owner, Store, StoreError};
use crate::tls::Tls;
use crate::upkeep::Board;
use gridhelm_api::Millis;
use gridhelm_api::group::{Group, ServerRole, ServerStatus};
use gridhelm_api::switch::{Check, SwitchRecord};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// How often a standby looks at the epoch.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often the successor in a switch looks at it.
const LOOK_ALERT: Duration = Duration::from_millis(20);
/// How often a lease that nobody renews is looked at.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// How long duties may take to be laid down when the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(8);

/// What a keeper is made of.
pub struct KeeperParts {
    /// The group's database.
    pub store: Arc<dyn Store>,
    /// Where changes are published.
    pub hub: Hub,
    /// What is taken up and laid down with the active role.
    pub duties: Arc<dyn Duties>,
    /// Where this server's standing is told.
    pub standing: watch::Sender<Standing>,
    /// This process.
    pub me: Owner,
    /// The group's name.
    pub group: String,
    /// When this process started.
    pub started_at: Millis,
    /// Makes tokens for calls to the group's other servers.
    pub peer_token: PeerToken,
    /// The load balancer on this host, if this server may ask it.
    pub balancer: Option<BalancerConfig>,
    /// How often automatic failover may follow on itself.
    pub limit: FailoverLimit,
    /// What this server shows, and whom it trusts when it calls the others.
    pub tls: Tls,
    /// Lines of checks that other parts put up.
    pub board: Board,
}

impl KeeperParts {
    /// What `GET /server` answers before the database was asked.
    pub fn first_status(me: &Owner, group: &str, started_at: Millis) -> ServerStatus {
        ServerStatus {
            name: me.server.clone(),
            group: group.to_owned(),
            role: ServerRole::Standby,
            ready: false,
            not_ready: Some("it is starting".into()),
            version: crate::release::version().into(),
            boot: me.boot.clone(),
            started_at,
            ..ServerStatus::default()
        }
    }
}

/// Keeps this server's place in its group: announces it, claims the active role where that is its to
/// claim, renews the lease, watches the epoch, and leads or follows a switch.
pub struct Keeper {
    pub(super) parts: KeeperParts,
    pub(super) peers: Peers,
    /// Held through every change of role.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    pub(super) wake: Notify,
    pub(super) ended: CancellationToken,
    /// Requests for work that this server refused because it was not active.
    pub refusals: Refusals,
    /// When somebody last asked `/health/active` here.
    pub(super) asked_active: Mutex<Option<Moment>>,
    state: Mutex<State>,
}

impl Keeper {
    /// Starts to keep.
    pub fn start(parts: KeeperParts) -> Arc<Self> {
        let keeper = Arc::new(Self {
            peers: Peers::new(Arc::clone(&parts.peer_token), &parts.tls),
            turn: Arc::default(),
            wake: Notify::new(),
            ended: CancellationToken::new(),
            refusals: Refusals::default(),
            asked_active: Mutex::default(),
            state: Mutex::new(State::new()),
            parts,
        });
        keeper.spawn(Arc::clone(&keeper).keep());
        keeper.spawn(Arc::clone(&keeper).pulse());
        keeper.spawn(Arc::clone(&keeper).watch_lease());
        keeper.spawn(Arc::clone(&keeper).watch_database());
        keeper
    }

    /// Runs something until the keeper ends.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.ended.clone().run_until_cancelled_owned(work));
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The switch that is under way, or the last one that this server knows of.
    pub fn current_switch(&self) -> Option<SwitchRecord> {
        self.state().switch.clone()
    }

    /// Whether new requests shall wait for the next active server: from the moment that this server stops
    /// taking work in a switchover until its successor is active or the switchover has failed. The end shows
    /// as a change of [`Standing`].
    pub fn parking(&self) -> bool {
        self.state().parking
    }

    /// Whether this process holds the active role.
    pub(super) fn held(&self) -> bool {
        self.state().held.is_some()
    }

    /// What `GET /server` answers.
    pub(super) fn status(&self) -> ServerStatus {
        self.parts.standing.borrow().status.clone()
    }

    /// The group, its active server left out when that has fallen silent.
    ///
    /// # Errors
    /// The store's.
    pub async fn group(&self) -> Result<Group, StoreError> {
        let mut group = self.parts.store.group().await?;
        group.database_checks.clone_from(&self.state().database);
        let certificates = self.certificates();
        group.database_checks.extend(certificates);
        group.database_checks.extend(self.parts.board.lines());
        if group.active.is_some() && group.active != self.status().active {
            let state = self.state();
            let same = state.row.as_ref().is_some_and(|r| r.epoch == group.epoch);
            if same && state.held.is_none() && state.watcher.lapsed(Moment::now()) {
                group.active = None;
            }
        }
        Ok(group)
    }

    /// Looks from here whether the enabled nodes answer (`GET /switch/reach`, for the group's servers).
    pub async fn reach(&self) -> Check {
        self.parts.duties.reach_nodes().await
    }

    /// Somebody asked `/health/active`: most likely a load balancer.
    pub fn asked_active(&self) {
        let mut asked = self
            .asked_active
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *asked = Some(Moment::now());
    }

    /// How long the last renewal of the lease took, while this server is active.
    pub fn last_commit(&self) -> Option<Duration> {
        self.state().held.as_ref().and_then(|held| held.committed)
    }

    /// Requests for work that this server refused in the last ten minutes because none was active.
    pub fn refused_of_late(&self) -> u64 {
        self.refusals
            .of_late(Moment::now(), Duration::from_mins(10))
    }

    /// Looks and renews.
    async fn keep(self: Arc<Self>) {
        loop {
            let pause = if self.held() {
                self.renew().await
            } else {
                self.look().await
            };
            tokio::select! {
                () = self.pause(pause) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Tells in time that the lease ran out: a renewal that hangs tells nothing.
    async fn watch_lease(self: Arc<Self>) {
        let mut interval = tokio::time::interval(TELL_EVERY);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            if !self.held() {
                continue;
            }
            let lost = {
                let mut state = self.state();
                state.lock.is_some() && !state.holds_lock()
            };
            if lost {
                self.wake.notify_one();
            }
            self.tell();
        }
    }

    /// Tries to gain the life lock; whether this process has it now.
    ///
    /// # Errors
    /// The store's: then it is not known who has it.
    pub(super) async fn gain_lock(&self) -> Result<bool, StoreError> {
        if self.state().holds_lock() {
            return Ok(true);
        }
        let gained = self.parts.store.try_life_lock().await;
        let gained =
            gained.inspect_err(|error| tracing::debug!(%error, "the life lock was not tried"))?;
        let mut state = self.state();
        if gained.is_some() {
            state.lock = gained;
        }
        Ok(state.lock.is_some())
    }

    /// Renews the lease; answers how long to wait for the next time.
    async fn renew(self: &Arc<Self>) -> Duration {
        let now = Moment::now();
        let fence = {
            let mut state = self.state();
            let Some(held) = &mut state.held else {
                return Duration::ZERO;
            };
            let due = held.holder.due_in(now);
            if !due.is_zero() {
                return due;
            }
            held.holder.sending(now);
            held.fence.clone()
        };
        match self.parts.store.renew_lease(&fence).await {
            Ok(_) => {
                let away = {
                    let mut state = self.state();
                    state.trouble = None;
                    if let Some(held) = state.held.as_mut().filter(|h| h.fence == fence) {
                        held.holder.renewed(now);
                        held.committed = Some(Moment::now().since(now));
                    }
                    Moment::now().since(state.away_since.take().unwrap_or(now))
                };
                self.tell();
                if away >= STOP_AFTER {
                    self.tell_return(&fence, away);
                }
                // Sent long ago it says little: the next one is due before the lock is seen to.
                let late = {
                    let state = self.state();
                    let held = state.held.as_ref();
                    held.is_some_and(|held| !held.holder.may_work(Moment::now()))
                };
                if late {
                    return Duration::ZERO;
                }
                self.regain_lock(&fence).await;
            }
            Err(StoreError::Fenced { epoch, owner }) => {
                self.lose(&fence, epoch, owner.as_deref());
                return Duration::ZERO;
            }
            Err(error) => {
                tracing::warn!(%error, "the lease was not renewed");
                {
                    let mut state = self.state();
                    state.away_since.get_or_insert(now);
                    state.trouble = Some(format!("the database does not answer: {error}"));
                }
                self.tell();
            }
        }
        let state = self.state();
        let due = state.held.as_ref().map(|h| h.holder.due_in(Moment::now()));
        due.unwrap_or_default()
    }

    /// Sees to it that the active server holds the life lock: it may not have had it yet, or have lost it.
    async fn regain_lock(&self, fence: &Fence) {
        // Not gained is no matter: the next renewal tries again.
        let _ = self.gain_lock().await;
        let mut state = self.state();
        if state.held.as_ref().is_none_or(|h| h.fence != *fence) {
            state.lock = None;
        }
    }

    /// Looks at the epoch and claims it if it is this server's; answers how long to wait for the next look.
    async fn look(self: &Arc<Self>) -> Duration {
        let sent = Moment::now();
        match self.parts.store.epoch().await {
            Ok(row) => {
                let now = Moment::now();
                {
                    let mut state = self.state();
                    if state.held.is_some() {
                        return Duration::ZERO;
                    }
                    state.watcher.observe(
                        Sign {
                            epoch: row.epoch,
                            counter: row.counter,
                            released: row.released,
                        },
                        sent,
                        now,
                    );
                    state.row = Some(row.clone());
                    state.trouble = None;
                }
                self.consider(&row, now).await;
                self.tell();
                self.follow(&row).await;
            }
            Err(error) => {
                let mut state = self.state();
                if state.trouble.is_none() {
                    tracing::warn!(%error, "the epoch cannot be read");
                }
                state.trouble = Some(format!("the database does not answer: {error}"));
                state.watcher.blinded();
                drop(state);
                self.tell();
            }
        }
        let state = self.state();
        if state.alert_until.is_some_and(|until| Moment::now() < until) {
            LOOK_ALERT
        } else {
            LOOK_EVERY
        }
    }

    /// For how long the active server has been silent, if that is long enough to call it so.
    pub(super) fn silence(&self) -> Option<Duration> {
        let state = self.state();
        let silent = state.watcher.silent_for(Moment::now());
        (state.held.is_none() && silent >= LAPSE_AFTER).then_some(silent)
    }

    /// Stops at once and leaves everything as it stands: lease, lock and duties. What the group's other
    /// servers then see is what they see of a process that hangs.
    #[doc(hidden)]
    pub fn halt(&self) {
        self.ended.cancel();
    }

    /// Ends: lays the duties down, releases the lease and the lock. In manual mode the next process of this
    /// server claims the active role again.
    pub async fn stop(&self) {
        self.ended.cancel();
        let turn = tokio::time::timeout(STOP_WITHIN, self.turn.lock()).await;
        let held = {
            let mut state = self.state();
            state.parking = false;
            if state.held.is_some() {
                state.role = ServerRole::Leaving;
            }
            state.held.clone()
        };
        self.tell();
        if let Some(held) = held {
            let laid = self.parts.duties.lay_down(false);
            if tokio::time::timeout(STOP_WITHIN, laid).await.is_err() {
                tracing::warn!("the duties were not laid down within {STOP_WITHIN:?}");
            }
            if let Err(error) = self.parts.store.release_lease(&held.fence, None).await {
                tracing::warn!(%error, "the lease was not released");
            }
        }
        let mut state = self.state();
        state.held = None;
        state.lock = None;
        state.role = ServerRole::Standby;
        drop(state);
        self.tell();
        drop(turn);
    }
}
