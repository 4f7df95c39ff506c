//! How many requests for work were refused of late because no server was active: what a switch cost its clients.

use crate::clock::Moment;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// For how long refusals are counted apart; a switch that took longer counts its last minutes.
const KEPT: Duration = Duration::from_mins(10);
/// How exactly the time of a refusal is kept.
const GRAIN: Duration = Duration::from_millis(100);

/// Counts by time.
#[derive(Debug, Default)]
pub struct Refusals {
    counts: Mutex<VecDeque<(Moment, u64)>>,
}

impl Refusals {
    /// A request for work is refused at `now`.
    pub fn note(&self, now: Moment) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        while counts.front().is_some_and(|(at, _)| now.since(*at) > KEPT) {
            counts.pop_front();
        }
        match counts.back_mut() {
            Some((at, count)) if now.since(*at) < GRAIN => *count += 1,
            _ => counts.push_back((now, 1)),
        }
    }

    /// How many were refused in the time `within` before `now`.
    pub fn of_late(&self, now: Moment, within: Duration) -> u64 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let late = |(at, _): &&(Moment, u64)| now.since(*at) <= within + GRAIN;
        counts.iter().rev().take_while(late).map(|(_, n)| n).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_late_ones_count_and_old_ones_go() {
        let start = Moment::now();
        let at = |ms| start.after(Duration::from_millis(ms));
        let refusals = Refusals::default();
        for ms in [0, 50, 5_000, 5_010, 5_020] {
            refusals.note(at(ms));
        }
        assert_eq!(refusals.of_late(at(5_100), Duration::from_secs(1)), 3);
        assert_eq!(refusals.of_late(at(5_100), Duration::from_secs(10)), 5);
        assert_eq!(refusals.of_late(at(9_000), Duration::from_secs(1)), 0);
        refusals.note(at(700_000));
        assert_eq!(refusals.of_late(at(700_000), Duration::from_secs(1_000)), 1);
    }
}
