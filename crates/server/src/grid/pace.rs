//! When the loops that look after nodes wake.

use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::Instant;

/// Loops wake at whole multiples of this. A thousand nodes are looked at five thousand times a second: those that are due
/// within one step share a wake-up of the process and its reads of the network, instead of having one each.
const STEP: Duration = Duration::from_millis(20);

/// From where steps are counted.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The next moment to wake that is at least this far away; at most one step farther.
pub(super) fn after(time: Duration) -> Instant {
    let beginning = *BEGINNING;
    beginning + whole_steps(beginning.elapsed() + time)
}

/// The time, rounded up to whole steps.
fn whole_steps(time: Duration) -> Duration {
    let steps = time.as_nanos().div_ceil(STEP.as_nanos());
    STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_step_is_a_step() {
        assert_eq!(whole_steps(Duration::ZERO), Duration::ZERO);
        assert_eq!(whole_steps(Duration::from_nanos(1)), STEP);
        assert_eq!(whole_steps(STEP), STEP);
    }

    proptest! {
        #[test]
        fn nothing_wakes_early_nor_much_later(ms in 0_u64..100_000_000) {
            let time = Duration::from_micros(ms * 37);
            let rounded = whole_steps(time);
            prop_assert!(rounded >= time && rounded < time + STEP);
            prop_assert_eq!(rounded.as_nanos() % STEP.as_nanos(), 0);
        }
    }
}
