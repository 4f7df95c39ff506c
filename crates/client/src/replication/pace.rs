//! How much is asked for at once: little at first, more where the line is fast, so that no honest transfer meets a time-out, progress is
//! seen, and little is lost when it breaks off.

use gridhelm_api::changeset::PART_STEP;

/// At the beginning, and at most, bytes.
const FIRST: u64 = 1 << 20;
pub(super) const MOST: u64 = 16 << 20;
/// The largest part of a content, bytes; a multiple of the step that the server asks for.
const PART: u64 = 7 << 20;
/// Requests that take less are made larger, and those that take more smaller, milliseconds.
const SHORT_MS: f64 = 2_000.0;
const LONG_MS: f64 = 8_000.0;
/// What one more is larger by, at most.
const GROWS: u64 = 4;

/// The size of requests, as the ones before went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace(u64);

impl Default for Pace {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Pace {
    /// Bytes of the next pack.
    pub(super) fn pack(self) -> u64 {
        self.0
    }

    /// Bytes of the next part.
    pub(super) fn part(self) -> u64 {
        (self.0.min(PART) / PART_STEP).max(1) * PART_STEP
    }

    /// So many bytes took so long, one way.
    pub(super) fn took(&mut self, bytes: u64, ms: f64) {
        if ms > LONG_MS {
            // Bytes a request are far below what a `f64` counts exactly.
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss
            )]
            let fits = (bytes as f64 * (SHORT_MS / ms)) as u64;
            self.0 = fits.clamp(PART_STEP, self.0);
        } else if ms < SHORT_MS && bytes.saturating_mul(2) >= self.0.min(PART) {
            self.0 = self.0.saturating_mul(GROWS).min(MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_precision_loss)]
    use super::*;

    /// What the requests of a lane at this pace take, milliseconds.
    fn lane(bytes_a_second: f64, requests: usize) -> Vec<f64> {
        let mut pace = Pace::default();
        let mut all = Vec::new();
        for _ in 0..requests {
            let bytes = pace.pack();
            let ms = 1e3 * bytes as f64 / bytes_a_second;
            pace.took(bytes, ms);
            all.push(ms);
        }
        all
    }

    #[test]
    fn no_request_takes_minutes_on_a_slow_line() {
        for rate in [10e3, 40e3, 200e3, 2e6, 100e6] {
            let all = lane(rate, 20);
            assert!(all.iter().all(|ms| *ms < 120e3), "{rate}: {all:?}");
            let settled = all.iter().skip(3).all(|ms| *ms < 30e3);
            assert!(settled, "{rate}: {all:?}");
        }
    }

    #[test]
    fn a_fast_line_has_full_packs_soon() {
        let mut pace = Pace::default();
        for _ in 0..2 {
            pace.took(pace.pack(), 20.0);
        }
        assert_eq!((pace.pack(), pace.part()), (MOST, PART));
        // Small ones are slow for other reasons.
        pace.took(1_000, 100.0);
        assert_eq!(pace.pack(), MOST);
        pace.took(MOST, 60_000.0);
        assert!(pace.pack() < 1 << 20);
        assert!(pace.part().is_multiple_of(PART_STEP) && pace.part() > 0);
    }
}
