//! What is worth knowing of a certificate before browsers tell it. Pure.

use gridhelm_api::Millis;
use gridhelm_api::group::Certificate;
use gridhelm_api::switch::{Check, Outcome};

/// A day, milliseconds.
const DAY: Millis = 86_400_000;
/// From so many days before its end on a certificate is worth a warning.
const WARN_DAYS: Millis = 30;
/// From so many days before its end on it is bad.
const BAD_DAYS: Millis = 7;

/// How the certificate of a server stands.
pub(crate) fn check(server: &str, certificate: &Certificate, now: Millis) -> Check {
    let left = certificate.not_after.saturating_sub(now);
    let days = left.div_euclid(DAY);
    let renew =
        "Put the new certificate and its key where [tls] says; the server takes them by itself.";
    let (outcome, evidence, repair) = if left <= 0 {
        let ago = left.saturating_neg().div_euclid(DAY);
        (
            Outcome::Fail,
            format!(
                "{server} shows a certificate that expired {} ago: browsers and other servers refuse it.",
                span(ago)
            ),
            Some(renew),
        )
    } else if days < BAD_DAYS {
        (
            Outcome::Fail,
            format!("The certificate of {server} expires in {}.", span(days)),
            Some(renew),
        )
    } else if certificate.stale {
        (
            Outcome::Warn,
            format!(
                "{server} goes on with its certificate ({} left): the files that replaced it cannot be used.",
                span(days)
            ),
            Some("Its log says why. Mend the files; the server takes them by itself."),
        )
    } else if days < WARN_DAYS {
        (
            Outcome::Warn,
            format!("The certificate of {server} expires in {}.", span(days)),
            Some(renew),
        )
    } else {
        (
            Outcome::Pass,
            format!("The certificate of {server} is good for {}.", span(days)),
            None,
        )
    };
    Check {
        id: "certificate".to_owned(),
        title: format!("Certificate of {server}"),
        outcome,
        evidence,
        repair: repair.map(str::to_owned),
    }
}

/// What is said of a server whose certificate another one does not trust.
pub(crate) fn untrusted(server: &str, by: &str, why: &str) -> Check {
    Check {
        id: "certificate".to_owned(),
        title: format!("Certificate of {server}"),
        outcome: Outcome::Fail,
        evidence: format!(
            "{by} does not trust {server}: {why}. It cannot relay to it, nor hand over."
        ),
        repair: Some(format!(
            "Name the certificate that signed it as ca in [tls] at {by}, or give {server} one for the name in its public_url."
        )),
    }
}

/// Whether an error of a call was about the other server's certificate: what it says, if so.
pub(crate) fn distrust(error: &str) -> Option<&str> {
    error
        .find("invalid peer certificate")
        .map(|at| &error[at..])
}

fn span(days: Millis) -> String {
    match days {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        n => format!("{n} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(left: Millis, stale: bool) -> Check {
        let certificate = Certificate {
            not_after: 1_000 * DAY + left,
            stale,
        };
        check("east-1", &certificate, 1_000 * DAY)
    }

    #[test]
    fn the_nearer_its_end_the_louder() {
        for (left, stale, outcome, said) in [
            (400 * DAY, false, Outcome::Pass, "400 days"),
            (30 * DAY, false, Outcome::Pass, "30 days"),
            (30 * DAY - 1, false, Outcome::Warn, "29 days"),
            (7 * DAY, false, Outcome::Warn, "7 days"),
            (7 * DAY - 1, false, Outcome::Fail, "6 days"),
            (1, false, Outcome::Fail, "less than a day"),
            (0, false, Outcome::Fail, "expired"),
            (-3 * DAY, false, Outcome::Fail, "3 days ago"),
            (400 * DAY, true, Outcome::Warn, "cannot be used"),
            (DAY, true, Outcome::Fail, "1 day"),
        ] {
            let check = at(left, stale);
            assert_eq!(check.outcome, outcome, "{left}");
            assert!(check.evidence.contains(said), "{}", check.evidence);
            assert_eq!(check.repair.is_none(), outcome == Outcome::Pass);
        }
    }

    #[test]
    fn distrust_is_told_from_silence() {
        assert_eq!(
            distrust("https://a cannot be reached: Connection refused"),
            None
        );
        let why = "invalid peer certificate: UnknownIssuer";
        assert_eq!(
            distrust(&format!("https://a cannot be reached: {why}")),
            Some(why)
        );
    }

    proptest! {
        #[test]
        fn it_never_gets_better_by_waiting(left in -100 * DAY..500 * DAY, wait in 0..500 * DAY, stale: bool) {
            let rank = |check: Check| match check.outcome { Outcome::Pass => 0, Outcome::Warn => 1, Outcome::Fail => 2 };
            prop_assert!(rank(at(left - wait, stale)) >= rank(at(left, stale)));
        }

        #[test]
        fn any_time_is_told(not_after: Millis, now: Millis, stale: bool) {
            let check = check("a", &Certificate { not_after, stale }, now);
            prop_assert!(!check.evidence.is_empty());
        }
    }
}
