//! R's dates and date-times as ISO 8601 text.

use serde_json::Value as Json;

use super::{is_na, number};
use crate::value::{Data, Value};

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

/// The date-times of a `POSIXlt`, whose parts R keeps in vectors of their own; `None` when they are not
/// all there. Where R does not know the distance to UTC, the texts are local and have no `Z`.
pub(super) fn broken_down(value: &Value) -> Option<Vec<Json>> {
    let part = |name: &str| value.get(name).filter(|part| !part.is_empty());
    let parts = ["sec", "min", "hour", "mday", "mon", "year"].map(part);
    let length = value
        .as_list()
        .iter()
        .map(Value::len)
        .max()
        .unwrap_or_default();
    if parts.contains(&None) {
        return (value.get("sec")?.is_empty()).then(Vec::new);
    }
    let utc = value.attribute("tzone").is_some_and(|zone| {
        matches!(
            zone.as_texts().first().map(String::as_str),
            Some("UTC" | "GMT")
        )
    });
    let show = |at: usize| {
        let [sec, min, hour, mday, mon, year] =
            parts.map(|part| part.map_or(f64::NAN, |part| element(part, at)));
        let months = year * 12.0 + mon;
        let days =
            day_number(1900.0 + (months / 12.0).floor(), months.rem_euclid(12.0))? + mday - 1.0;
        let seconds = days * 86_400.0 + hour * 3600.0 + min * 60.0 + sec;
        let offset = part("gmtoff").map_or(f64::NAN, |part| element(part, at));
        if utc || !offset.is_nan() {
            let offset = if utc { 0.0 } else { offset };
            return Some(date_time(seconds - offset));
        }
        Some(match date_time(seconds) {
            Json::String(text) => Json::from(text.trim_end_matches('Z')),
            other => other,
        })
    };
    Some(
        (0..length)
            .map(|at| show(at).unwrap_or(Json::Null))
            .collect(),
    )
}

/// One element of a vector that R recycles; NaN for NA.
fn element(part: &Value, at: usize) -> f64 {
    match &part.data {
        Data::Double(v) => v.get(at % v.len().max(1)).copied().unwrap_or(f64::NAN),
        Data::Integer(v) => v
            .get(at % v.len().max(1))
            .copied()
            .flatten()
            .map_or(f64::NAN, f64::from),
        _ => f64::NAN,
    }
}

/// Days from 1970-01-01 to the first of a month (0 to 11): Hinnant's `days_from_civil`.
fn day_number(year: f64, month: f64) -> Option<f64> {
    if !(year.abs() < 1e6 && (0.0..12.0).contains(&month)) {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)] // in range by the test above
    let (year, month) = (year as i64, month as i64 + 1);
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let yoe = year.rem_euclid(400);
    let doy = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    Some((era * 146_097 + doe - 719_468) as f64)
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
