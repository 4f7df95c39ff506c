//! Moments as people read them in names of files, UTC.

use gridhelm_api::Millis;
use std::time::{Duration, UNIX_EPOCH};

/// A day, milliseconds.
pub(super) const DAY: Millis = 86_400_000;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `20261123T064500Z`.
pub(super) fn compact(at: Millis) -> String {
    let since = Duration::from_millis(u64::try_from(at).unwrap_or_default());
    // "Mon, 23 Nov 2026 06:45:00 GMT"
    let text = httpdate::fmt_http_date(UNIX_EPOCH + since);
    let words: Vec<&str> = text
        .split([' ', ',', ':'])
        .filter(|word| !word.is_empty())
        .collect();
    let [_, day, month, year, hour, minute, second, ..] = words[..] else {
        return at.to_string();
    };
    let month = MONTHS
        .iter()
        .position(|name| *name == month)
        .map_or(0, |n| n + 1);
    format!("{year}{month:02}{day}T{hour}{minute}{second}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_named_so_that_names_sort_as_they_do() {
        assert_eq!(compact(0), "19700101T000000Z");
        assert_eq!(compact(1_795_416_300_000), "20261123T064500Z");
        assert!(compact(1_795_416_300_000) < compact(1_795_416_301_000));
    }
}
