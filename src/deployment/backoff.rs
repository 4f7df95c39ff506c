//! When to try again: 1, 2, 4 … 30 s. Pure.

/// The longest wait between two tries, seconds.
const LONGEST: u32 = 30;

/// How long to wait after that many failed tries in a row, seconds.
pub(super) fn wait_s(failures: u32) -> u32 {
    match failures {
        0 => 0,
        1..=5 => 1 << (failures - 1),
        _ => LONGEST,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_wait_doubles_to_half_a_minute() {
        let waits: Vec<u32> = (0..9).map(wait_s).collect();
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(wait_s(u32::MAX), 30);
    }
}
