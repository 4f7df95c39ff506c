//! R's dates and date-times as ISO 8601 text.

use serde_json::Value as Json;

use super::{is_na, number};

/// Days since 1970-01-01 as `YYYY-MM-DD`; numbers outside the years 0 to 9999 stay numbers.
pub(super) fn date(days: f64) -> Json {
    if is_na(days) {
        return Json::Null;
    }
    match civil(days.floor()) {
        Some((year, month, day)) => Json::from(format!("{year:04}-{month:02}-{day:02}")),
        None => number(days),
    }
}

/// Seconds since 1970-01-01 UTC as `YYYY-MM-DDThh:mm:ss.mmmZ`.
pub(super) fn date_time(seconds: f64) -> Json {
    if is_na(seconds) {
        return Json::Null;
    }
    let millis = (seconds * 1000.0).round();
    let days = (millis / 86_400_000.0).floor();
    let Some((year, month, day)) = civil(days) else {
        return number(seconds);
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 86,400,000
    let rest = (millis - days * 86_400_000.0).clamp(0.0, 86_399_999.0) as u32;
    let (h, m, s, ms) = (
        rest / 3_600_000,
        rest / 60_000 % 60,
        rest / 1000 % 60,
        rest % 1000,
    );
    Json::from(format!(
        "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{ms:03}Z"
    ))
}

/// Year, month and day of a day number (Howard Hinnant's `civil_from_days`), for the years 0 to 9999.
fn civil(days: f64) -> Option<(i64, i64, i64)> {
    if !(-719_528.0..2_932_897.0).contains(&days) {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)] // in range by the test above
    let z = days as i64 + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    Some((yoe + era * 400 + i64::from(month <= 2), month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_seconds_become_iso_text() {
        assert_eq!(date(0.0), Json::from("1970-01-01"));
        assert_eq!(date(20_779.0), Json::from("2026-11-22"));
        assert_eq!(date(-1.0), Json::from("1969-12-31"));
        assert_eq!(date(11_016.0), Json::from("2000-02-29"));
        assert_eq!(date_time(1.5), Json::from("1970-01-01T00:00:01.500Z"));
        assert_eq!(date_time(-0.001), Json::from("1969-12-31T23:59:59.999Z"));
        assert_eq!(date(f64::INFINITY), Json::from("Inf"));
        assert_eq!(date(1e18), number(1e18));
    }
}
