//! Numbers, sizes and ages as people read them. Pure, so that every sentence of the console says the same in the same words.

/// `1234567` as `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with its noun, in the plural where it needs one: `1 node`, `3 nodes`.
pub fn counted(number: usize, noun: &str) -> String {
    let text = count(number as u64);
    if number == 1 {
        format!("{text} {noun}")
    } else {
        format!("{text} {noun}s")
    }
}

/// One digit after the point where it tells something, none from ten on.
fn short(value: f64) -> String {
    if value < 9.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// A size in bytes, decimal units: `212 kB`, `4.1 GB`.
#[allow(clippy::cast_precision_loss)] // three digits are shown
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if size < 1000 {
        return format!("{size} B");
    }
    let mut value = size as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{} {}", short(value), UNITS[unit])
}

/// A length of time from milliseconds: `12 ms`, `1.2 s`, `34 s`, `2 min 6 s`, `5 h 30 min`, `3 d`.
pub fn duration(millis: f64) -> String {
    if !millis.is_finite() || millis < 0.0 {
        return "0 ms".to_owned();
    }
    if millis < 999.5 {
        return if millis < 9.95 && millis > 0.0 {
            format!("{millis:.1} ms")
        } else {
            format!("{millis:.0} ms")
        };
    }
    let seconds = millis / 1000.0;
    if seconds < 59.5 {
        return format!("{} s", short(seconds));
    }
    let two = |whole: f64, unit: &str, part: f64, small: &str| {
        if part < 0.5 {
            format!("{whole:.0} {unit}")
        } else {
            format!("{whole:.0} {unit} {part:.0} {small}")
        }
    };
    let seconds = seconds.round();
    if seconds < 600.0 {
        return two((seconds / 60.0).floor(), "min", seconds % 60.0, "s");
    }
    let minutes = (seconds / 60.0).round();
    if minutes < 60.0 {
        return format!("{minutes:.0} min");
    }
    if minutes < 24.0 * 60.0 {
        return two((minutes / 60.0).floor(), "h", minutes % 60.0, "min");
    }
    let hours = (minutes / 60.0).round();
    two((hours / 24.0).floor(), "d", hours % 24.0, "h")
}

/// How old something is, coarser than [`duration`]: `0.4 s`, `4 s`, `11 min`, `5 h 30 min`.
pub fn age(millis: f64) -> String {
    let millis = millis.max(0.0);
    if millis < 9950.0 {
        return format!("{:.1} s", millis / 1000.0);
    }
    if millis < 59_500.0 {
        return format!("{:.0} s", millis / 1000.0);
    }
    if millis < 3_570_000.0 {
        return format!("{:.0} min", (millis / 60_000.0).round());
    }
    duration((millis / 60_000.0).round() * 60_000.0)
}

/// A share of 1 in percent: `53 %`.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// The first letters of a hash, enough to tell two apart by eye.
pub fn short_hash(hash: &str) -> String {
    hash.chars().take(10).collect()
}

/// Joins names as a sentence does: `a`, `a and b`, `a, b and c`.
pub fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

/// As [`listed`]; of more than `most` names the first ones, and how many more.
pub fn listed_some(names: &[String], most: usize) -> String {
    match names.split_at_checked(most) {
        Some((some, rest)) if !rest.is_empty() => {
            format!("{} and {} more", some.join(", "), rest.len())
        }
        _ => listed(names),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn counts_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"].map(str::to_owned)
        );
        assert_eq!(counted(1, "node"), "1 node");
        assert_eq!(counted(0, "node"), "0 nodes");
    }

    #[test]
    fn sizes_keep_two_digits_and_never_show_a_thousand_of_a_unit() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (212_400, "212 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (4_100_000_000, "4.1 GB"),
            (u64::MAX, "18447 PB"),
        ];
        for (size, text) in cases {
            assert_eq!(bytes(size), text, "{size}");
        }
    }

    #[test]
    fn durations_roll_over_cleanly() {
        let cases = [
            (0.0, "0 ms"),
            (0.8, "0.8 ms"),
            (12.4, "12 ms"),
            (999.0, "999 ms"),
            (999.6, "1.0 s"),
            (34_000.0, "34 s"),
            (59_600.0, "1 min"),
            (126_000.0, "2 min 6 s"),
            (599_700.0, "10 min"),
            (3_599_000.0, "1 h"),
            (19_800_000.0, "5 h 30 min"),
            (90_000_000.0, "1 d 1 h"),
            (f64::NAN, "0 ms"),
            (-5.0, "0 ms"),
        ];
        for (millis, text) in cases {
            assert_eq!(duration(millis), text, "{millis}");
        }
    }

    #[test]
    fn ages_are_coarse() {
        let cases = [
            (-3.0, "0.0 s"),
            (400.0, "0.4 s"),
            (12_300.0, "12 s"),
            (52_000.0, "52 s"),
            (660_000.0, "11 min"),
            (3_590_000.0, "1 h"),
            (19_800_000.0, "5 h 30 min"),
        ];
        for (millis, text) in cases {
            assert_eq!(age(millis), text, "{millis}");
        }
    }

    #[test]
    fn lists_read_as_sentences() {
        let names = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(listed(&names), "a, b and c");
        assert_eq!(listed(&names[..2]), "a and b");
        assert_eq!(listed(&names[..1]), "a");
    }
}
