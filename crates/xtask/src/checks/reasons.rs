//! Why tests failed, as the end of a run tells it again: what they print stands far above, between what others print.

use std::collections::VecDeque;

/// Lines of a reason that are told again; the whole one stands above.
const LINES: usize = 6;
/// Bytes of one line that are told again.
const WIDTH: usize = 600;
/// Reasons that are told again.
const MANY: usize = 20;

/// The reasons that a test program's lines tell, as far as they are told again.
#[derive(Debug, Default)]
pub struct Reasons {
    told: VecDeque<String>,
    /// How many more lines of the last one are taken.
    open: usize,
}

impl Reasons {
    /// Takes in a line of the program's output.
    pub fn line(&mut self, line: &str) {
        let begins = line
            .trim_start()
            .strip_prefix("thread '")
            .filter(|rest| rest.contains("' ") && rest.contains(" panicked at "));
        if begins.is_some() {
            self.told.push_back(short(line.trim_start()).to_owned());
            self.open = LINES;
            if self.told.len() > MANY {
                self.told.pop_back();
                self.open = 0;
            }
            return;
        }
        let over = line.starts_with("stack backtrace:") || line.starts_with("note: ");
        if over || self.open == 0 {
            self.open = 0;
            return;
        }
        self.open -= 1;
        if let Some(last) = self.told.back_mut() {
            last.push_str("\n    ");
            last.push_str(short(line));
        }
    }

    /// What was told, in its order.
    pub fn told(self) -> Vec<String> {
        self.told.into()
    }
}

fn short(line: &str) -> &str {
    line.char_indices()
        .nth(WIDTH)
        .map_or(line, |(at, _)| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let mut reasons = Reasons::default();
        text.lines().for_each(|line| reasons.line(line));
        reasons.told()
    }

    #[test]
    fn a_reason_is_told_without_its_stack() {
        let text = "test a ... ok\n\nthread 'a_test' (12) panicked at tests/a.rs:1:2:\nha-upgrade: 2 requests failed\nstack backtrace:\n   0: rust\nother";
        assert_eq!(
            told(text),
            ["thread 'a_test' (12) panicked at tests/a.rs:1:2:\n    ha-upgrade: 2 requests failed"]
        );
        let old = "thread 'a' panicked at a.rs:1:2:\nwhy\nnote: run with";
        assert_eq!(told(old), ["thread 'a' panicked at a.rs:1:2:\n    why"]);
    }

    #[test]
    fn long_ones_and_many_are_cut() {
        let mut text = "thread 'a' panicked at a.rs:1:2:\n".to_owned();
        text.push_str(&"line\n".repeat(50));
        text.push_str(&"ä".repeat(2 * WIDTH));
        assert_eq!(told(&text)[0].lines().count(), 1 + LINES);
        let wide = format!(
            "thread 'a' panicked at a.rs:1:2:\n{}",
            "ä".repeat(2 * WIDTH)
        );
        assert!(told(&wide)[0].chars().count() < 2 * WIDTH);
        assert_eq!(
            told(&"thread 'a' panicked at a\n".repeat(2 * MANY)).len(),
            MANY
        );
    }

    #[test]
    fn other_lines_tell_nothing() {
        assert!(told("thread 'main' is there\nnothing panicked at all\n").is_empty());
    }
}
