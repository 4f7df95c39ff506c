//! Lines that are equal, removed or added, with the words that differ inside of changed lines.

use super::words::emphasise;
use similar::{Algorithm, DiffOp, capture_diff_slices};

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LineEnd {
    /// With a line feed.
    Lf,
    /// With carriage return and line feed.
    CrLf,
    /// The text ends without a line end.
    None,
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Whether the other side's line lacks it.
    pub emphasis: bool,
    /// The text; never HTML.
    pub text: String,
}

/// A line of one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// Its text in pieces, without its end.
    pub spans: Vec<Span>,
    /// How it ends; worth showing where only that differs.
    pub end: LineEnd,
}

impl Line {
    /// The line's text.
    pub fn text(&self) -> String {
        self.spans.iter().map(|s| s.text.as_str()).collect()
    }
}

/// A run of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Lines that are the same on both sides.
    Equal {
        /// Number of the first one in the old text.
        old: usize,
        /// Number of the first one in the new text.
        new: usize,
        /// Their texts.
        lines: Vec<String>,
    },
    /// Lines that differ; either list may be empty, not both.
    Changed {
        /// Lines of the old text.
        old: Vec<Line>,
        /// Lines of the new text.
        new: Vec<Line>,
    },
}

/// Two texts, compared line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextDiff {
    /// All lines of both texts, in order; equal and changed blocks take turns.
    pub blocks: Vec<Block>,
    /// Lines that only the new text has.
    pub added: usize,
    /// Lines that only the old text has.
    pub removed: usize,
    /// How many differences there are to step through.
    pub differences: usize,
}

impl TextDiff {
    /// Compares two texts.
    pub fn new(old: &str, new: &str) -> Self {
        let (old, new) = (split(old), split(new));
        let mut found = Self {
            blocks: Vec::new(),
            added: 0,
            removed: 0,
            differences: 0,
        };
        let mut changed: Option<(core::ops::Range<usize>, core::ops::Range<usize>)> = None;
        for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
            if let DiffOp::Equal {
                old_index,
                new_index,
                len,
            } = op
            {
                found.add_change(changed.take(), &old, &new);
                let lines = old[old_index..old_index + len].iter();
                found.blocks.push(Block::Equal {
                    old: old_index + 1,
                    new: new_index + 1,
                    lines: lines.map(|l| l.text.to_owned()).collect(),
                });
            } else {
                let (o, n) = (op.old_range(), op.new_range());
                changed = Some(match changed {
                    None => (o, n),
                    Some((before, after)) => (before.start..o.end, after.start..n.end),
                });
            }
        }
        found.add_change(changed, &old, &new);
        found
    }

    fn add_change(
        &mut self,
        ranges: Option<(core::ops::Range<usize>, core::ops::Range<usize>)>,
        old: &[Raw<'_>],
        new: &[Raw<'_>],
    ) {
        let Some((o, n)) = ranges else { return };
        self.removed += o.len();
        self.added += n.len();
        self.differences += 1;
        let mut left: Vec<Line> = lines(old, &o);
        let mut right: Vec<Line> = lines(new, &n);
        for (l, r) in left.iter_mut().zip(&mut right) {
            emphasise(l, r);
        }
        self.blocks.push(Block::Changed {
            old: left,
            new: right,
        });
    }
}

/// A line as it is in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Raw<'t> {
    text: &'t str,
    end: LineEnd,
}

fn split(text: &str) -> Vec<Raw<'_>> {
    text.split_inclusive('\n')
        .map(|line| {
            if let Some(text) = line.strip_suffix("\r\n") {
                let end = LineEnd::CrLf;
                Raw { text, end }
            } else if let Some(text) = line.strip_suffix('\n') {
                let end = LineEnd::Lf;
                Raw { text, end }
            } else {
                let end = LineEnd::None;
                Raw { text: line, end }
            }
        })
        .collect()
}

fn lines(raw: &[Raw<'_>], range: &core::ops::Range<usize>) -> Vec<Line> {
    (range.start + 1..)
        .zip(&raw[range.clone()])
        .map(|(number, raw)| Line {
            number,
            spans: vec![Span {
                emphasis: false,
                text: raw.text.to_owned(),
            }],
            end: raw.end,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    /// Both texts, put together again from the blocks.
    fn texts(found: &TextDiff) -> (Vec<String>, Vec<String>) {
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for block in &found.blocks {
            match block {
                Block::Equal {
                    lines,
                    old: o,
                    new: n,
                } => {
                    assert_eq!((*o, *n), (old.len() + 1, new.len() + 1));
                    old.extend(lines.iter().cloned());
                    new.extend(lines.iter().cloned());
                }
                Block::Changed { old: o, new: n } => {
                    assert!(!o.is_empty() || !n.is_empty());
                    for line in o {
                        old.push(line.text());
                        assert_eq!(line.number, old.len());
                    }
                    for line in n {
                        new.push(line.text());
                        assert_eq!(line.number, new.len());
                    }
                }
            }
        }
        (old, new)
    }

    #[test]
    fn only_the_line_end_differs() {
        let found = TextDiff::new("a\r\nb", "a\nb\n");
        let Block::Changed { old, new } = &found.blocks[0] else {
            panic!("no change");
        };
        let ends = |lines: &[Line]| lines.iter().map(|l| l.end).collect::<Vec<_>>();
        assert_eq!(ends(old), [LineEnd::CrLf, LineEnd::None]);
        assert_eq!(ends(new), [LineEnd::Lf, LineEnd::Lf]);
    }

    #[test]
    fn texts_of_two_mebibytes_without_a_common_line_are_compared_in_bounded_time() {
        let line = |n: u64| format!("{:032x}\n", n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let text = |salt: u64| -> String { (0..60_000).map(|i| i * 2 + salt).map(line).collect() };
        let found = TextDiff::new(&text(0), &text(1));
        assert_eq!((found.added, found.removed), (60_000, 60_000));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_invented(old in "([abc]{0,3}\n){0,12}[ab]{0,2}", new in "([abc]{0,3}\n){0,12}[ab]{0,2}") {
            let found = TextDiff::new(&old, &new);
            let (o, n) = texts(&found);
            prop_assert_eq!(o, old.lines().map(str::to_owned).collect::<Vec<_>>());
            prop_assert_eq!(n, new.lines().map(str::to_owned).collect::<Vec<_>>());
            prop_assert_eq!(old == new, found.differences == 0);
            let alternating = found.blocks.windows(2).all(|w| {
                matches!(w[0], Block::Equal { .. }) != matches!(w[1], Block::Equal { .. })
            });
            prop_assert!(alternating);
        }
    }
}
