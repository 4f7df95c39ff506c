//! What can be chosen for a planned switch, as values.

use gridhelm_api::Millis;
use gridhelm_api::switch::AfterDrain;

/// What running tasks may be given: key, words, seconds, what then.
const DRAINS: [(&str, &str, u32, AfterDrain); 5] = [
    (
        "wait",
        "Wait up to 2 min, then call the switch off",
        120,
        AfterDrain::CallOff,
    ),
    (
        "long",
        "Wait up to 1 h, then call the switch off",
        3_600,
        AfterDrain::CallOff,
    ),
    (
        "brief",
        "Wait up to 30 s, then interrupt them",
        30,
        AfterDrain::Interrupt,
    ),
    (
        "patient",
        "Wait up to 10 min, then interrupt them",
        600,
        AfterDrain::Interrupt,
    ),
    ("now", "Interrupt them at once", 0, AfterDrain::Interrupt),
];

/// When it shall begin: key, words, minutes from now.
const TIMES: [(&str, &str, u32); 4] = [
    ("now", "Now", 0),
    ("soon", "In 10 minutes", 10),
    ("hour", "In 1 hour", 60),
    ("at", "At a time of my own…", 0),
];

/// The choices for running tasks.
pub(super) fn drains() -> Vec<(String, String)> {
    DRAINS
        .iter()
        .map(|(key, words, ..)| ((*key).to_owned(), (*words).to_owned()))
        .collect()
}

/// How long tasks may go on, seconds, and what becomes of those that still run.
pub(super) fn drain(key: &str) -> (u32, AfterDrain) {
    DRAINS
        .iter()
        .find(|(own, ..)| *own == key)
        .map_or((120, AfterDrain::CallOff), |(_, _, s, then)| (*s, *then))
}

/// What becomes of running tasks, as a promise.
pub(super) fn promise(key: &str) -> (bool, &'static str) {
    match drain(key) {
        (0, AfterDrain::Interrupt) => (
            false,
            "Interrupts running tasks: those that may repeat run again, the others fail.",
        ),
        (_, AfterDrain::Interrupt) => (
            false,
            "Lets running tasks end; what still runs then is interrupted, and runs again or fails.",
        ),
        (_, AfterDrain::CallOff) => (
            true,
            "Lets running tasks end. If they take too long, nothing is changed.",
        ),
    }
}

/// The choices for the time.
pub(super) fn times() -> Vec<(String, String)> {
    TIMES
        .iter()
        .map(|(key, words, _)| ((*key).to_owned(), (*words).to_owned()))
        .collect()
}

/// When it shall begin, or what is missing. `own` is the moment that was typed, if it is one.
#[allow(
    clippy::cast_possible_truncation,
    reason = "milliseconds since 1970 fit 53 bits"
)]
pub(super) fn begins(
    key: &str,
    own: Option<f64>,
    now: f64,
) -> Result<Option<Millis>, &'static str> {
    if key == "at" {
        return match own {
            Some(own) if own > now => Ok(Some(own as Millis)),
            Some(_) => Err("The time to begin is over; choose a later one."),
            None => Err("Give the day and time to begin."),
        };
    }
    let minutes = TIMES
        .iter()
        .find(|(own, ..)| *own == key)
        .map_or(0, |(.., minutes)| *minutes);
    Ok((minutes > 0).then(|| (now + f64::from(minutes) * 60_000.0) as Millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_says_what_it_does() {
        for (key, _) in drains() {
            let (waits, _) = promise(&key);
            assert_eq!(waits, drain(&key).1 == AfterDrain::CallOff, "{key}");
        }
        assert_eq!(drain("wait"), (120, AfterDrain::CallOff));
        assert_eq!(drain("now"), (0, AfterDrain::Interrupt));
    }

    #[test]
    fn a_time_lies_ahead() {
        assert_eq!(begins("now", None, 5_000.0), Ok(None));
        assert_eq!(begins("hour", None, 5_000.0), Ok(Some(3_605_000)));
        assert_eq!(begins("at", Some(9_000.0), 5_000.0), Ok(Some(9_000)));
        assert!(begins("at", Some(4_000.0), 5_000.0).is_err());
        assert!(begins("at", None, 5_000.0).is_err());
    }
}
