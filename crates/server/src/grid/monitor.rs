//! Looks after one node: a held watch every 200 ms, a full heartbeat every 2 s, a probe every 30 s.

use super::cell::Cell;
use super::health::Sign;
use super::session::{LOOKED_AT_ONCE, Marker, Watch};
use super::{Duty, Grid, ahead, pace, packages, reclaim};
use crate::clock;
use gridhelm_api::node::Health;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Between two looks of the watch.
const LOOK: Duration = Duration::from_millis(200);
/// Each so many looks take in the sessions' processes: once a second.
const SESSIONS_EVERY: u32 = 5;
/// A look that takes longer has failed.
const LOOK_LIMIT: Duration = Duration::from_secs(1);
/// Between two heartbeats of a node that answers.
const BEAT: Duration = Duration::from_secs(2);
/// Between two heartbeats of a node that answers but is held back.
const BEAT_HELD: Duration = Duration::from_millis(500);
/// The first pause between heartbeats of a node that does not answer; grows to [`BEAT`].
const BEAT_DOWN: Duration = Duration::from_millis(250);
/// No two heartbeats are closer.
const BEAT_CLOSEST: Duration = Duration::from_millis(50);
/// Between two probes.
const PROBE: Duration = Duration::from_secs(30);
/// A probe waits this long after the node came up, so that it is not in the way of work.
const PROBE_DELAY: Duration = Duration::from_millis(500);
/// No connection is waited for longer than this.
const LIMIT: Duration = Duration::from_secs(5);
/// Pause before a watch is opened again.
const WATCH_AGAIN: Duration = Duration::from_millis(250);

/// Starts the loops that look after a node; they end with `stop`.
pub(super) fn start(
    grid: &Arc<Grid>,
    duty: &Arc<Duty>,
    cell: &Arc<Cell>,
    stop: &CancellationToken,
) {
    let minder = Minder {
        grid: Arc::clone(grid),
        duty: Arc::clone(duty),
        cell: Arc::clone(cell),
        stop: stop.clone(),
    };
    duty.tracker.spawn(minder.clone().beats());
    duty.tracker.spawn(minder.clone().watches());
    duty.tracker.spawn(minder.clone().probes());
    duty.tracker.spawn(ahead::run(minder.clone()));
    duty.tracker.spawn(packages::run(minder.clone()));
    duty.tracker.spawn(reclaim::run(minder));
}

/// What each loop needs.
#[derive(Clone)]
pub(super) struct Minder {
    pub(super) grid: Arc<Grid>,
    pub(super) duty: Arc<Duty>,
    pub(super) cell: Arc<Cell>,
    pub(super) stop: CancellationToken,
}

impl Minder {
    pub(super) fn marker(&self) -> Marker {
        self.grid.marker(&self.duty)
    }

    /// Waits; `false` when the loop should end.
    pub(super) async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = sleep(time) => true,
        }
    }

    fn see(&self, sign: Sign) {
        if !self.stop.is_cancelled() {
            self.grid.see(&self.duty, &self.cell, sign);
        }
    }

    async fn beats(self) {
        let mut pause = BEAT_DOWN;
        while !self.stop.is_cancelled() {
            let node = self.cell.stored();
            let started = Instant::now();
            let beat = timeout(LIMIT, self.grid.provider.heartbeat(&node)).await;
            match beat {
                Ok(Ok(took)) => {
                    let ms = took.as_secs_f64() * 1_000.0;
                    {
                        let mut state = self.cell.lock();
                        let (now, load, memory) = (clock::now(), state.load, state.memory_used);
                        state.measures.beat(now, ms, load, memory);
                        state.last_heartbeat = Some(now);
                        state.heartbeat_ms = Some((ms * 100.0).round() / 100.0);
                    }
                    self.see(Sign::Beat { ms });
                    self.grid.publish_beat(&self.cell);
                }
                Ok(Err(error)) => self.see(Sign::BeatFailed {
                    reason: error.brief().to_owned(),
                    certain: error.is_proof(),
                }),
                Err(_) => self.see(Sign::BeatFailed {
                    reason: format!("no answer within {} s", LIMIT.as_secs()),
                    certain: false,
                }),
            }
            let (down, usable, expired) = {
                let mut state = self.cell.lock();
                let expired = state.take_expired(clock::now());
                (state.machine.is_down(), state.machine.usable(), expired)
            };
            if !expired.is_empty() {
                self.grid.dismiss(&self.duty, expired);
                self.cell.refill.notify_one();
            }
            let next = if down {
                let next = pause;
                pause = (pause * 3 / 2).min(BEAT);
                next
            } else {
                pause = BEAT_DOWN;
                if usable { BEAT } else { BEAT_HELD }
            };
            let sooner = async {
                self.cell.look_now.notified().await;
                sleep(BEAT_CLOSEST.saturating_sub(started.elapsed())).await;
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep_until(pace::after(next)) => {}
                () = sooner => {}
            }
        }
    }

    async fn watches(self) {
        loop {
            let came_up = self.cell.came_up.notified();
            if !self.cell.lock().machine.usable() {
                tokio::select! {
                    () = self.stop.cancelled() => return,
                    () = came_up => {}
                    () = sleep(Duration::from_secs(1)) => {}
                }
                continue;
            }
            let node = self.cell.stored();
            let marker = self.marker();
            match timeout(LIMIT, self.grid.provider.watch(&node, &marker)).await {
                Ok(Ok(mut watch)) => {
                    self.look(watch.as_mut()).await;
                    if timeout(LOOK_LIMIT, watch.end()).await.is_err() {
                        tracing::debug!(node = node.name, "a watch did not end in time");
                    }
                }
                Ok(Err(error)) => {
                    tracing::debug!(node = node.name, %error, "no watch");
                    self.blind(error.brief());
                }
                Err(_) => self.blind(&format!("no answer within {} s", LIMIT.as_secs())),
            }
            if !self.pause(WATCH_AGAIN).await {
                return;
            }
        }
    }

    /// Looks until something is wrong or the loop should end.
    async fn look(&self, watch: &mut dyn Watch) {
        let mut ticks = tokio::time::interval_at(pace::after(Duration::ZERO), LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (mut looks, mut from) = (0_u32, 0);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            looks = looks.wrapping_add(1);
            let sessions = if looks.is_multiple_of(SESSIONS_EVERY) {
                let (pids, next) = self.cell.lock().slots.to_look_at(from, LOOKED_AT_ONCE);
                from = next;
                pids
            } else {
                Vec::new()
            };
            match timeout(LOOK_LIMIT, watch.look(&sessions)).await {
                Ok(Ok(sight)) => {
                    {
                        // Published with the next heartbeat: nobody needs them five times a second.
                        let mut state = self.cell.lock();
                        let cores = state.facts.as_ref().map(|f| f.cores.max(1));
                        state.load = sight.load.zip(cores).map(|(load, n)| load / f64::from(n));
                        state.memory_used = sight.memory_used.or(state.memory_used);
                    }
                    if !sight.sessions.is_empty() && !self.stop.is_cancelled() {
                        self.grid
                            .see_sessions(&self.duty, &self.cell, &sight.sessions);
                    }
                    if let Err(reason) = sight.listener {
                        return self.see(Sign::ListenerDown { reason });
                    }
                }
                Ok(Err(error)) => return self.blind(error.brief()),
                Err(_) => {
                    let limit = LOOK_LIMIT.as_secs();
                    return self.blind(&format!("no answer within {limit} s"));
                }
            }
        }
    }

    /// The watch saw nothing, for this reason.
    fn blind(&self, why: &str) {
        self.see(Sign::WatchLost);
        if !self.stop.is_cancelled() {
            self.grid.see_nothing(&self.duty, &self.cell, why);
        }
    }

    async fn probes(self) {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.cell.probe_now.notified() => {
                    if !self.pause(PROBE_DELAY).await {
                        return;
                    }
                }
                () = sleep(PROBE) => {}
            }
            let health = self.cell.lock().machine.health();
            if matches!(health, Health::Unknown | Health::Unreachable) {
                continue;
            }
            let node = self.cell.stored();
            match timeout(LIMIT, self.grid.provider.probe(&node)).await {
                Ok(Ok(probed)) => {
                    {
                        let mut state = self.cell.lock();
                        state.facts = Some(probed.facts);
                        state.seen.look(&probed.sessions, clock::now());
                    }
                    self.see(Sign::Probed);
                    self.grid.publish_beat(&self.cell);
                    packages::compare(&self.cell, probed.packages_mark);
                    reclaim::doom_strays(&self, &probed.sessions);
                }
                Ok(Err(error)) => self.see(Sign::ProbeFailed {
                    reason: error.brief().to_owned(),
                }),
                Err(_) => self.see(Sign::ProbeFailed {
                    reason: format!("no answer within {} s", LIMIT.as_secs()),
                }),
            }
        }
    }
}
