//! What is measured of a node, for the last hour: how long its heartbeats took, its load, its memory. A few kilobytes a node.

use gridhelm_api::Millis;
use gridhelm_api::measures::{EVERY_MS, KEPT_MS, Latency, NodeMeasures};
use std::collections::VecDeque;

const MINUTE: Millis = 60_000;
/// Values of load and memory in a minute.
const PER_MINUTE: usize = 6;
/// A value that was not measured.
const NONE: u8 = u8::MAX;

/// One minute.
#[derive(Debug, Clone)]
struct Minute {
    /// Which, counted since 1970.
    number: i64,
    /// Tenths of a millisecond.
    beats: Vec<u16>,
    /// Percent.
    load: [u8; PER_MINUTE],
    memory: [u8; PER_MINUTE],
}

/// The last hour, minutes without an answer left out.
#[derive(Debug, Clone, Default)]
pub(super) struct Measures {
    minutes: VecDeque<Minute>,
}

impl Measures {
    /// A heartbeat was answered at `now`, after `ms`; load and memory as they are known then.
    pub(super) fn beat(&mut self, now: Millis, ms: f64, load: Option<f64>, memory: Option<f64>) {
        let number = now.div_euclid(MINUTE);
        // A clock that was set back begins anew.
        if self.minutes.back().is_some_and(|last| last.number > number) {
            self.minutes.clear();
        }
        self.minutes
            .retain(|minute| minute.number > number - KEPT_MS / MINUTE);
        if self.minutes.back().is_none_or(|last| last.number < number) {
            self.minutes.push_back(Minute {
                number,
                beats: Vec::new(),
                load: [NONE; PER_MINUTE],
                memory: [NONE; PER_MINUTE],
            });
        }
        if let Some(minute) = self.minutes.back_mut() {
            let place = usize::try_from(now.rem_euclid(MINUTE) / EVERY_MS).unwrap_or(0);
            minute.beats.push(tenths(ms));
            minute.load[place] = percent(load);
            minute.memory[place] = percent(memory);
        }
    }

    /// The hour before `now`.
    pub(super) fn shown(&self, now: Millis) -> NodeMeasures {
        let last = now.div_euclid(EVERY_MS);
        let first = last - KEPT_MS / EVERY_MS + 1;
        let kept = || {
            let from = now - KEPT_MS;
            self.minutes.iter().filter(move |minute| {
                (minute.number + 1) * MINUTE > from && minute.number * MINUTE <= now
            })
        };
        let number = usize::try_from(KEPT_MS / EVERY_MS).unwrap_or(0);
        let mut load = vec![None; number];
        let mut memory = load.clone();
        for minute in kept() {
            for place in 0..PER_MINUTE {
                let at = minute.number * MINUTE / EVERY_MS + place as i64 - first;
                let Some(at) = usize::try_from(at).ok().filter(|at| *at < number) else {
                    continue;
                };
                load[at] = share(minute.load[place]);
                memory[at] = share(minute.memory[place]);
            }
        }
        // What lies before the first value is not a gap: nobody measured yet.
        let before = (0..number)
            .find(|at| load[*at].is_some() || memory[*at].is_some())
            .unwrap_or(number);
        load.drain(..before);
        memory.drain(..before);
        let mut beats: Vec<u16> = kept()
            .flat_map(|minute| minute.beats.iter().copied())
            .collect();
        beats.sort_unstable();
        NodeMeasures {
            heartbeats: latency(&beats, kept().next().map_or(now, |m| m.number * MINUTE)),
            at: last * EVERY_MS,
            load,
            memory,
        }
    }
}

/// Of sorted tenths of milliseconds, by the nearest rank.
fn latency(beats: &[u16], since: Millis) -> Option<Latency> {
    let rank = |of: usize| {
        let at = (beats.len() * of).div_ceil(100).saturating_sub(1);
        beats.get(at).map(|tenths| f64::from(*tenths) / 10.0)
    };
    Some(Latency {
        number: u32::try_from(beats.len()).unwrap_or(u32::MAX),
        since,
        p50: rank(50)?,
        p90: rank(90)?,
        p99: rank(99)?,
        slowest: rank(100)?,
    })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped
fn tenths(ms: f64) -> u16 {
    (ms * 10.0).round().clamp(0.0, f64::from(u16::MAX)) as u16
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped to 0..=254
fn percent(value: Option<f64>) -> u8 {
    value
        .filter(|value| value.is_finite())
        .map_or(NONE, |value| {
            (value * 100.0).round().clamp(0.0, 254.0) as u8
        })
}

fn share(percent: u8) -> Option<f64> {
    (percent != NONE).then(|| f64::from(percent) / 100.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)] // exact values
    use super::*;
    use proptest::prelude::*;

    const START: Millis = 1_700_000_040_000;

    #[test]
    fn nothing_is_said_of_what_was_not_measured() {
        let shown = Measures::default().shown(START);
        assert_eq!(shown.heartbeats, None);
        assert!(shown.load.is_empty() && shown.memory.is_empty());
    }

    #[test]
    fn percentiles_are_of_the_last_hour_and_gaps_are_shown() {
        let mut measures = Measures::default();
        measures.beat(START, 900.0, Some(0.9), None);
        let later = START + KEPT_MS + MINUTE;
        for step in 0..100_i64 {
            measures.beat(
                later + step * 2_000,
                step as f64 + 1.0,
                Some(0.5),
                Some(0.25),
            );
        }
        let now = later + 99 * 2_000;
        measures.beat(now + 60_000, 100.0, None, Some(0.75));
        let shown = measures.shown(now + 60_000);
        let beats = shown.heartbeats.unwrap();
        assert_eq!(beats.number, 101, "the first is more than an hour old");
        assert_eq!((beats.p50, beats.p99, beats.slowest), (51.0, 100.0, 100.0));
        assert_eq!(beats.since, later);
        // 198 s are twenty values, then five of silence, then one.
        assert_eq!(shown.load.len(), 26);
        assert!(shown.load[..20].iter().all(|load| *load == Some(0.5)));
        assert!(shown.memory[20..25].iter().all(Option::is_none));
        assert_eq!((shown.load[25], shown.memory[25]), (None, Some(0.75)));
    }

    proptest! {
        /// Whatever comes, also from a clock that is set: no more than an hour is kept, and the percentiles are in order.
        #[test]
        fn it_is_bounded_and_in_order(
            steps in prop::collection::vec((-200_000_i64..400_000, 0.0..20_000.0_f64, prop::option::of(0.0..3.0_f64)), 1..200),
        ) {
            let mut measures = Measures::default();
            let mut now = START;
            for (step, ms, load) in steps {
                now += step;
                measures.beat(now, ms, load, load);
                prop_assert!(measures.minutes.len() <= 60);
                let shown = measures.shown(now);
                prop_assert!(shown.load.len() <= 360 && shown.load.len() == shown.memory.len());
                let beats = shown.heartbeats.unwrap();
                prop_assert!(beats.p50 <= beats.p90 && beats.p90 <= beats.p99 && beats.p99 <= beats.slowest);
                if let Some(load) = load {
                    prop_assert_eq!(shown.load.last().copied().flatten(), share(percent(Some(load))));
                }
            }
        }
    }
}
