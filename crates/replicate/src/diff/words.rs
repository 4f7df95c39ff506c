//! Which words of a changed line differ.

use super::lines::{Line, Span};
use similar::{Algorithm, DiffOp, capture_diff_slices};

/// Longer lines, in bytes, get no emphasis.
const MAX_LINE: usize = 2_000;
/// Below this share of common text, in percent, the lines are different lines and get no emphasis.
const MIN_COMMON: usize = 40;

/// Marks the words that only one of two lines has, if the lines have enough in common.
pub(super) fn emphasise(old: &mut Line, new: &mut Line) {
    let (a, b) = (old.text(), new.text());
    if a.len().max(b.len()) > MAX_LINE {
        return;
    }
    let (left, right) = (words(&a), words(&b));
    let ops = capture_diff_slices(Algorithm::Myers, &left, &right);
    let common: usize = ops
        .iter()
        .filter_map(|op| match op {
            DiffOp::Equal { old_index, len, .. } => Some(&left[*old_index..old_index + len]),
            _ => None,
        })
        .flatten()
        .map(|w| w.trim().len())
        .sum();
    let longer = solid(&a).max(solid(&b));
    if common * 100 < longer * MIN_COMMON {
        return;
    }
    let mut old_spans = Vec::new();
    let mut new_spans = Vec::new();
    for op in ops {
        let emphasis = !matches!(op, DiffOp::Equal { .. });
        push(&mut old_spans, emphasis, &left[op.old_range()]);
        push(&mut new_spans, emphasis, &right[op.new_range()]);
    }
    old.spans = old_spans;
    new.spans = new_spans;
}

/// Bytes that are not white space.
fn solid(text: &str) -> usize {
    text.split_whitespace().map(str::len).sum()
}

fn push(spans: &mut Vec<Span>, emphasis: bool, words: &[&str]) {
    if words.is_empty() {
        return;
    }
    match spans.last_mut() {
        Some(last) if last.emphasis == emphasis => last.text.extend(words.iter().copied()),
        _ => spans.push(Span {
            emphasis,
            text: words.concat(),
        }),
    }
}

/// Splits code into names and numbers, runs of white space, and single other characters.
fn words(line: &str) -> Vec<&str> {
    #[derive(PartialEq, Clone, Copy)]
    enum Kind {
        Name,
        Space,
        Other,
    }
    let kind = |c: char| {
        if c.is_alphanumeric() || matches!(c, '_' | '.') {
            Kind::Name
        } else if c.is_whitespace() {
            Kind::Space
        } else {
            Kind::Other
        }
    };
    let mut words = Vec::new();
    let mut start = 0;
    let mut before: Option<Kind> = None;
    for (at, c) in line.char_indices() {
        let here = kind(c);
        if before.is_some_and(|b| b != here || here == Kind::Other) {
            words.push(&line[start..at]);
            start = at;
        }
        before = Some(here);
    }
    if start < line.len() {
        words.push(&line[start..]);
    }
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::diff::{Block, TextDiff};
    use proptest::prelude::*;

    fn marked(old: &str, new: &str) -> (String, String) {
        let show = |line: &Line| -> String {
            let spans = line.spans.iter();
            spans
                .map(|s| {
                    if s.emphasis {
                        format!("[{}]", s.text)
                    } else {
                        s.text.clone()
                    }
                })
                .collect()
        };
        match &TextDiff::new(old, new).blocks[..] {
            [Block::Changed { old, new }] => (show(&old[0]), show(&new[0])),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_words_that_differ_are_marked() {
        assert_eq!(
            marked(
                "fit <- lm(y ~ x, data = old.data)",
                "fit <- lm(y ~ x + z, data = new.data)"
            ),
            (
                "fit <- lm(y ~ x, data = [old.data])".to_owned(),
                "fit <- lm(y ~ x[ + z], data = [new.data])".to_owned()
            )
        );
    }

    #[test]
    fn different_lines_get_no_marks() {
        let (old, new) = marked("library(forecast)", "x = 1; y = 2");
        assert_eq!(
            (old.as_str(), new.as_str()),
            ("library(forecast)", "x = 1; y = 2")
        );
    }

    proptest! {
        #[test]
        fn words_make_up_the_line(line in ".{0,60}") {
            prop_assert_eq!(words(&line).concat(), line);
        }
    }
}
