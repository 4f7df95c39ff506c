//! Counting tests from what the test programs print.

use std::fmt;
use std::ops::Add;

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Those that passed.
    pub passed: u64,
    /// Those that failed; a part that could not be built counts as one.
    pub failed: u64,
}

impl Totals {
    /// One check that has only a yes or a no.
    pub fn one(passed: bool) -> Self {
        Self {
            passed: u64::from(passed),
            failed: u64::from(!passed),
        }
    }

    /// The totals in a line such as `test result: ok. 12 passed; 0 failed; 0 ignored; …`; `None` for any other line.
    pub fn in_line(line: &str) -> Option<Self> {
        let (_, counts) = line
            .trim_start()
            .strip_prefix("test result:")?
            .split_once(". ")?;
        let count = |word: &str| {
            counts
                .split(';')
                .find_map(|part| part.trim().strip_suffix(word))
                .and_then(|number| number.trim().parse().ok())
        };
        Some(Self {
            passed: count("passed")?,
            failed: count("failed")?,
        })
    }

    /// The totals of a command that printed these results and `succeeded` or not: a failure that no test accounts for counts as one.
    #[must_use]
    pub fn of_command(self, succeeded: bool) -> Self {
        if !succeeded && self.failed == 0 {
            Self { failed: 1, ..self }
        } else {
            self
        }
    }
}

impl Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(
            Totals::in_line(line),
            Some(Totals {
                passed: 12,
                failed: 3
            })
        );
        let browser =
            "    test result: ok. 4 passed; 0 failed; 0 ignored; 0 filtered out; finished in 0.02s";
        assert_eq!(
            Totals::in_line(browser),
            Some(Totals {
                passed: 4,
                failed: 0
            })
        );
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in [
            "test a ... ok",
            "running 3 tests",
            "",
            "test result: nonsense",
            "expected \"test result: ok. 1 passed; 0 failed\"",
        ] {
            assert_eq!(Totals::in_line(line), None, "{line}");
        }
    }

    #[test]
    fn what_fails_without_a_test_counts_as_one() {
        let none = Totals::default();
        assert_eq!(
            none.of_command(false),
            Totals {
                passed: 0,
                failed: 1
            }
        );
        assert_eq!(none.of_command(true), none);
        let counted = Totals {
            passed: 5,
            failed: 2,
        };
        assert_eq!(counted.of_command(false), counted);
        assert_eq!(
            (counted + Totals::one(true)).to_string(),
            "6 passed, 2 failed"
        );
    }
}
