//! Counts for the group's screen, from what happened in this process.

use gridhelm_api::Millis;
use std::collections::VecDeque;

const MINUTE: Millis = 60_000;
/// Minutes of throughput that are shown.
const MINUTES: usize = 30;
/// Samples of waits and runs that are kept, at most.
const SAMPLES: usize = 4_096;
/// How far back percentiles look.
const WINDOW: Millis = 5 * MINUTE;
/// How far back repetitions are counted.
const HOUR: Millis = 60 * MINUTE;

/// Throughput, waits and run times of late.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    /// Ended tasks by minute since the epoch, newest last.
    ended: VecDeque<(Millis, u32)>,
    waits: VecDeque<(Millis, f64)>,
    runs: VecDeque<(Millis, f64)>,
    repeated: VecDeque<Millis>,
}

impl Stats {
    /// A task began after waiting.
    pub(crate) fn began(&mut self, now: Millis, waited_ms: f64) {
        sample(&mut self.waits, now, waited_ms);
    }

    /// A task ended after running.
    pub(crate) fn ended(&mut self, now: Millis, ran_ms: f64) {
        sample(&mut self.runs, now, ran_ms);
        let minute = now.div_euclid(MINUTE);
        match self.ended.back_mut() {
            Some((at, n)) if *at == minute => *n = n.saturating_add(1),
            _ => self.ended.push_back((minute, 1)),
        }
        while self.ended.len() > MINUTES {
            self.ended.pop_front();
        }
    }

    /// An attempt will be repeated after the grid failed.
    pub(crate) fn repeated(&mut self, now: Millis) {
        self.repeated.push_back(now);
        if self.repeated.len() > SAMPLES {
            self.repeated.pop_front();
        }
    }

    /// Tasks ended in each of the last 30 minutes, oldest first.
    pub(crate) fn per_minute(&self, now: Millis) -> Vec<u32> {
        let last = now.div_euclid(MINUTE);
        let mut out = vec![0; MINUTES];
        for (minute, n) in &self.ended {
            let age = usize::try_from(last - minute).unwrap_or(usize::MAX);
            if age < MINUTES {
                out[MINUTES - 1 - age] = *n;
            }
        }
        out
    }

    /// 95th percentile of the waits in the last 5 minutes, milliseconds.
    pub(crate) fn wait_p95(&self, now: Millis) -> Option<f64> {
        p95(&self.waits, now)
    }

    /// 95th percentile of the run times in the last 5 minutes, milliseconds.
    pub(crate) fn run_p95(&self, now: Millis) -> Option<f64> {
        p95(&self.runs, now)
    }

    /// Attempts repeated in the last hour.
    pub(crate) fn repeated_of_late(&self, now: Millis) -> u64 {
        self.repeated.iter().filter(|at| now - **at <= HOUR).count() as u64
    }
}

fn sample(samples: &mut VecDeque<(Millis, f64)>, now: Millis, value: f64) {
    samples.push_back((now, value));
    if samples.len() > SAMPLES {
        samples.pop_front();
    }
}

fn p95(samples: &VecDeque<(Millis, f64)>, now: Millis) -> Option<f64> {
    let mut values: Vec<f64> = samples
        .iter()
        .filter(|(at, _)| now - at <= WINDOW)
        .map(|(_, value)| *value)
        .collect();
    let last = values.len().checked_sub(1)?;
    values.sort_by(f64::total_cmp);
    values.get((last * 95).div_ceil(100)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throughput_is_counted_by_minute() {
        let mut stats = Stats::default();
        let now = 100 * MINUTE + 5;
        for at in [now - 40 * MINUTE, now - 29 * MINUTE, now - MINUTE, now, now] {
            stats.ended(at, 10.0);
        }
        let minutes = stats.per_minute(now);
        assert_eq!(minutes.len(), 30);
        assert_eq!((minutes[0], minutes[28], minutes[29]), (1, 1, 2));
        assert_eq!(stats.per_minute(now + MINUTE)[28], 2);
    }

    #[test]
    #[allow(clippy::float_cmp)] // exact values
    fn percentiles_forget_what_is_old() {
        let mut stats = Stats::default();
        assert_eq!(stats.wait_p95(0), None);
        stats.began(0, 9_999.0);
        for i in 1..=100 {
            stats.began(10 * MINUTE, f64::from(i));
        }
        assert_eq!(stats.wait_p95(10 * MINUTE), Some(96.0));
        stats.repeated(0);
        stats.repeated(HOUR);
        assert_eq!(stats.repeated_of_late(HOUR + 1), 1);
    }
}
