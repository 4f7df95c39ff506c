//! Decides a node's health from what was seen of it. A function of values and a clock that is passed in.
//!
//! A node is taken out at once when there is proof (its listener is gone or stopped, or its port
//! refuses), and after [`Rules::fall`] failures in a row when there is only silence. It comes back after
//! [`Rules::rise`] heartbeats in a row; one that was lost several times of late is held back longer each
//! time, so that a flapping node does not take tasks with it again and again.

use gridhelm_api::node::Health;
use std::collections::VecDeque;

/// Thresholds. Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Failures without proof, in a row, that take a node out.
    pub fall: u32,
    /// Heartbeats in a row that bring it back.
    pub rise: u32,
    /// A heartbeat that takes longer is late.
    pub late_ms: u64,
    /// Late heartbeats in a row that degrade a node, and heartbeats in time that mend it.
    pub late_count: u32,
    /// Losses within this time make the next return slower.
    pub window_ms: u64,
    /// How long a node is held back after its second loss within the window; doubles with each more.
    pub hold_ms: u64,
    /// The longest time a node is held back.
    pub hold_max_ms: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            fall: 2,
            rise: 2,
            late_ms: 1_000,
            late_count: 2,
            window_ms: 300_000,
            hold_ms: 1_000,
            hold_max_ms: 60_000,
        }
    }
}

/// Something that was seen of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Sign {
    /// A full heartbeat was answered after so many milliseconds.
    Beat {
        /// How long it took.
        ms: f64,
    },
    /// A full heartbeat, or the opening of a session, failed.
    BeatFailed {
        /// Why, in words.
        reason: String,
        /// Whether this proves that nothing can run there: the port refuses, or another service answers.
        certain: bool,
    },
    /// The held watch saw that the listener is gone, a zombie or stopped.
    ListenerDown {
        /// What it saw.
        reason: String,
    },
    /// The held watch broke: no proof, but a reason to look at once.
    WatchLost,
    /// The full probe failed while heartbeats are answered.
    ProbeFailed {
        /// Why.
        reason: String,
    },
    /// The full probe was answered.
    Probed,
}

/// A change that takes slots out or back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// The first look found it answering.
    FoundUp,
    /// The node's slots are out.
    Contracted {
        /// Why.
        reason: String,
    },
    /// The node's slots are back.
    Expanded {
        /// How long they were out, milliseconds.
        out_ms: u64,
    },
}

/// What a sign led to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The slots go out or come back.
    pub turn: Option<Turn>,
    /// Health or its reason changed.
    pub changed: bool,
    /// The next heartbeat should come soon.
    pub look_soon: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Phase {
    Unknown,
    Up,
    Down {
        reason: String,
        since: u64,
        good: u32,
    },
    Held {
        since: u64,
        until: u64,
        hold: u64,
        times: usize,
    },
}

/// The health of one node.
#[derive(Debug, Clone)]
pub struct Machine {
    rules: Rules,
    phase: Phase,
    failures: u32,
    late: u32,
    in_time: u32,
    /// Why heartbeats degrade it.
    slow: Option<String>,
    /// Why the probe degrades it.
    probe: Option<String>,
    /// When it was lost, oldest first, within the window.
    losses: VecDeque<u64>,
}

impl Machine {
    /// A node that was not looked at yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            phase: Phase::Unknown,
            failures: 0,
            late: 0,
            in_time: 0,
            slow: None,
            probe: None,
            losses: VecDeque::new(),
        }
    }

    /// The health as it is shown.
    pub fn health(&self) -> Health {
        match &self.phase {
            Phase::Unknown => Health::Unknown,
            Phase::Up if self.slow.is_none() && self.probe.is_none() => Health::Healthy,
            Phase::Up | Phase::Held { .. } => Health::Degraded,
            Phase::Down { .. } => Health::Unreachable,
        }
    }

    /// Why it is not healthy.
    pub fn reason(&self) -> Option<String> {
        match &self.phase {
            Phase::Unknown => None,
            Phase::Up => self.slow.clone().or_else(|| self.probe.clone()),
            Phase::Down { reason, .. } => Some(reason.clone()),
            Phase::Held { hold, times, .. } => Some(format!(
                "answers again; held back for {} because it was lost {times} times in {} minutes",
                seconds(*hold),
                self.rules.window_ms / 60_000
            )),
        }
    }

    /// Whether its slots may take work.
    pub fn usable(&self) -> bool {
        self.phase == Phase::Up
    }

    /// Whether it does not answer.
    pub fn is_down(&self) -> bool {
        matches!(self.phase, Phase::Down { .. })
    }

    /// Failed heartbeats in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Takes a sign seen at `now` (milliseconds of a clock that never goes back).
    pub fn observe(&mut self, sign: Sign, now: u64) -> Verdict {
        let before = (self.health(), self.reason());
        let (turn, look_soon) = match sign {
            Sign::Beat { ms } => self.beat(ms, now),
            Sign::BeatFailed { reason, certain } => self.failed(reason, certain, now),
            Sign::ListenerDown { reason } => (self.lose(reason, now), true),
            Sign::WatchLost => (None, self.usable()),
            Sign::ProbeFailed { reason } => {
                self.probe = Some(format!("the probe failed: {reason}"));
                (None, false)
            }
            Sign::Probed => {
                self.probe = None;
                (None, false)
            }
        };
        Verdict {
            turn,
            changed: before != (self.health(), self.reason()),
            look_soon,
        }
    }

    fn beat(&mut self, ms: f64, now: u64) -> (Option<Turn>, bool) {
        self.failures = 0;
        #[allow(clippy::cast_precision_loss)] // a threshold of a second
        let late = ms > self.rules.late_ms as f64;
        match &mut self.phase {
            Phase::Unknown => {
                self.phase = Phase::Up;
                (Some(Turn::FoundUp), false)
            }
            Phase::Up => {
                if late {
                    self.late += 1;
                    self.in_time = 0;
                    if self.late >= self.rules.late_count {
                        self.slow = Some(format!("the last heartbeat took {ms:.0} ms"));
                    }
                } else {
                    self.in_time += 1;
                    self.late = 0;
                    if self.in_time >= self.rules.late_count {
                        self.slow = None;
                    }
                }
                (None, self.slow.is_some() && !late)
            }
            Phase::Down { good, since, .. } => {
                *good += 1;
                if *good < self.rules.rise {
                    return (None, true);
                }
                let since = *since;
                let (hold, times) = self.hold(now);
                if hold == 0 {
                    return (Some(self.rise(since, now)), false);
                }
                self.phase = Phase::Held {
                    since,
                    until: now + hold,
                    hold,
                    times,
                };
                (None, false)
            }
            Phase::Held { since, until, .. } => {
                if now < *until {
                    return (None, false);
                }
                let since = *since;
                (Some(self.rise(since, now)), false)
            }
        }
    }

    fn failed(&mut self, reason: String, certain: bool, now: u64) -> (Option<Turn>, bool) {
        self.failures = self.failures.saturating_add(1);
        match &mut self.phase {
            Phase::Down {
                good, reason: old, ..
            } => {
                *good = 0;
                *old = reason;
                (None, false)
            }
            _ if certain || self.failures >= self.rules.fall => (self.lose(reason, now), false),
            Phase::Unknown => (None, true),
            Phase::Up => {
                self.in_time = 0;
                self.slow = Some(format!("the last heartbeat failed: {reason}"));
                (None, true)
            }
            Phase::Held { .. } => (self.lose(reason, now), false),
        }
    }

    fn lose(&mut self, reason: String, now: u64) -> Option<Turn> {
        let since = match &self.phase {
            Phase::Down { since, .. } | Phase::Held { since, .. } => *since,
            Phase::Up | Phase::Unknown => now,
        };
        let out_already = matches!(self.phase, Phase::Down { .. } | Phase::Held { .. });
        if !self.is_down() {
            self.forget_old_losses(now);
            self.losses.push_back(now);
        }
        self.phase = Phase::Down {
            reason: reason.clone(),
            since,
            good: 0,
        };
        self.late = 0;
        self.in_time = 0;
        self.slow = None;
        self.probe = None;
        (!out_already).then_some(Turn::Contracted { reason })
    }

    fn rise(&mut self, since: u64, now: u64) -> Turn {
        self.phase = Phase::Up;
        Turn::Expanded {
            out_ms: now.saturating_sub(since),
        }
    }

    /// How long to hold it back now, and the losses that count.
    fn hold(&mut self, now: u64) -> (u64, usize) {
        self.forget_old_losses(now);
        let times = self.losses.len();
        let hold = match times {
            0 | 1 => 0,
            n => {
                let doublings = u32::try_from(n - 2).unwrap_or(u32::MAX).min(16);
                self.rules
                    .hold_ms
                    .saturating_mul(1 << doublings)
                    .min(self.rules.hold_max_ms)
            }
        };
        (hold, times)
    }

    fn forget_old_losses(&mut self, now: u64) {
        while self
            .losses
            .front()
            .is_some_and(|at| now.saturating_sub(*at) > self.rules.window_ms)
        {
            self.losses.pop_front();
        }
        // Far more than what reaches the longest hold.
        while self.losses.len() > 64 {
            self.losses.pop_front();
        }
    }
}

/// A time in words for people: `0.8 s`, `12 s`, `4 min`, `3 h`.
pub(crate) fn seconds(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10_000..120_000 => format!("{} s", ms / 1000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
