//! When backups are made by themselves, and which go for it. Pure.

use super::day::DAY;
use gridhelm_api::Millis;
use serde::{Deserialize, Deserializer};
use std::path::PathBuf;

/// `[backup]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackupConfig {
    /// The folder that backups are made in; beside an SQLite database its folder `backups`, when absent.
    pub folder: Option<PathBuf>,
    /// Every day at this time, `HH:MM`, UTC; only by hand when absent. Minutes since midnight.
    #[serde(deserialize_with = "time_of_day")]
    pub at: Option<u32>,
    /// How many of those that were made so are kept, 1 to 1,000.
    pub keep: u32,
}

impl Default for BackupConfig {
    fn default() -> Self {
        Self {
            folder: None,
            at: None,
            keep: 7,
        }
    }
}

fn time_of_day<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<u32>, D::Error> {
    let text = String::deserialize(reader)?;
    minutes(&text).map(Some).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "backup.at: \"{text}\" is not a time of the day; give HH:MM (UTC), as \"03:30\""
        ))
    })
}

/// Minutes since midnight of `HH:MM`.
pub(crate) fn minutes(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        let two = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        two.then(|| text.parse::<u32>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// `HH:MM`.
pub(super) fn shown(minutes: u32) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The last time of the schedule, now or before.
pub(super) fn last(at: u32, now: Millis) -> Millis {
    let today = now - now.rem_euclid(DAY) + Millis::from(at) * 60_000;
    if today <= now { today } else { today - DAY }
}

/// After a failure it is tried again so much later.
const AGAIN: Millis = 30 * 60_000;

/// Whether one is to be made now. `newest`: when the newest that was made by itself was made; `tried`: when one was tried
/// last. A time that passed while no server was active is made up for.
pub(super) fn due(at: u32, newest: Option<Millis>, tried: Option<Millis>, now: Millis) -> bool {
    let wanted = last(at, now);
    newest.is_none_or(|newest| newest < wanted)
        && tried.is_none_or(|tried| tried < wanted || now - tried >= AGAIN)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const HOUR: Millis = 3_600_000;

    #[test]
    fn a_time_of_the_day_is_read_strictly() {
        assert_eq!(minutes("03:30"), Some(210));
        for bad in ["3:30", "24:00", "12:60", "12", "", "+1:00", "aa:bb"] {
            assert_eq!(minutes(bad), None, "{bad}");
        }
        assert_eq!(shown(210), "03:30");
    }

    #[test]
    fn one_is_made_a_day_and_a_failure_is_tried_again_later() {
        let three = 180;
        let night = 10 * DAY + 3 * HOUR;
        assert!(due(three, None, None, night));
        assert!(due(three, Some(night - DAY), Some(night - DAY), night));
        assert!(!due(three, Some(night - DAY), Some(night - DAY), night - 1));
        assert!(!due(three, Some(night), Some(night), night + HOUR));
        let failed = night + 60_000;
        assert!(!due(
            three,
            Some(night - DAY),
            Some(failed),
            failed + 60_000
        ));
        assert!(due(three, Some(night - DAY), Some(failed), failed + AGAIN));
        assert!(
            due(three, Some(night - 3 * DAY), None, night + 5 * HOUR),
            "a server that was down then"
        );
    }

    proptest! {
        #[test]
        fn the_last_time_is_within_a_day_and_at_that_time(at in 0_u32..1440, now in 0_i64..4_000_000_000_000) {
            let last = last(at, now);
            prop_assert!(last <= now && now - last < DAY);
            prop_assert_eq!(last.rem_euclid(DAY), Millis::from(at) * 60_000);
        }
    }
}
