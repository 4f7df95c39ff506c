//! A comparison laid out in rows: one column or two.

use super::CONTEXT;
use super::lines::{Block, Line, TextDiff};
use std::collections::BTreeSet;

/// The fewest lines that are worth a fold.
const MIN_FOLD: usize = 4;

/// Equal lines that are folded away: "16 lines alike".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    /// Number of the first one in the old text; also what names the fold when it is opened.
    pub old: usize,
    /// Number of the first one in the new text.
    pub new: usize,
    /// How many.
    pub lines: usize,
}

/// A row in one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnifiedRow {
    /// Folded lines.
    Fold(Fold),
    /// A line of both.
    Equal {
        /// Its number in the old text.
        old: usize,
        /// Its number in the new text.
        new: usize,
        /// Its text.
        text: String,
    },
    /// A line that only the old text has.
    Removed(Line),
    /// A line that only the new text has.
    Added(Line),
}

/// A row in two columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SplitRow {
    /// Folded lines.
    Fold(Fold),
    /// A line of both.
    Equal {
        /// Its number in the old text.
        old: usize,
        /// Its number in the new text.
        new: usize,
        /// Its text.
        text: String,
    },
    /// Lines that differ, side by side; one side may be empty.
    Changed {
        /// The old text's line.
        old: Option<Line>,
        /// The new text's line.
        new: Option<Line>,
    },
}

/// Rows, and where the differences begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout<R> {
    /// The rows from top to bottom.
    pub rows: Vec<R>,
    /// The place of the first row of each difference: for "previous" and "next".
    pub differences: Vec<usize>,
}

impl TextDiff {
    /// Laid out in one column. `opened` names the folds that people opened.
    pub fn unified(&self, opened: &BTreeSet<usize>) -> Layout<UnifiedRow> {
        self.lay_out(
            opened,
            UnifiedRow::Fold,
            |old, new, text| UnifiedRow::Equal { old, new, text },
            |old, new, rows| {
                rows.extend(old.iter().cloned().map(UnifiedRow::Removed));
                rows.extend(new.iter().cloned().map(UnifiedRow::Added));
            },
        )
    }

    /// Laid out in two columns. `opened` names the folds that people opened.
    pub fn split(&self, opened: &BTreeSet<usize>) -> Layout<SplitRow> {
        self.lay_out(
            opened,
            SplitRow::Fold,
            |old, new, text| SplitRow::Equal { old, new, text },
            |old, new, rows| {
                rows.extend((0..old.len().max(new.len())).map(|i| SplitRow::Changed {
                    old: old.get(i).cloned(),
                    new: new.get(i).cloned(),
                }));
            },
        )
    }

    fn lay_out<R>(
        &self,
        opened: &BTreeSet<usize>,
        fold: impl Fn(Fold) -> R,
        equal: impl Fn(usize, usize, String) -> R,
        changed: impl Fn(&[Line], &[Line], &mut Vec<R>),
    ) -> Layout<R> {
        let mut rows = Vec::new();
        let mut differences = Vec::new();
        for (place, block) in self.blocks.iter().enumerate() {
            match block {
                Block::Changed { old, new } => {
                    differences.push(rows.len());
                    changed(old, new, &mut rows);
                }
                Block::Equal { old, new, lines } => {
                    let before = if place == 0 { 0 } else { CONTEXT };
                    let after = if place + 1 == self.blocks.len() {
                        0
                    } else {
                        CONTEXT
                    };
                    let hidden = lines.len().saturating_sub(before + after);
                    let folded = hidden >= MIN_FOLD && !opened.contains(&(old + before));
                    for (i, text) in lines.iter().enumerate() {
                        if folded && i == before {
                            rows.push(fold(Fold {
                                old: old + i,
                                new: new + i,
                                lines: hidden,
                            }));
                        }
                        if !folded || i < before || i >= before + hidden {
                            rows.push(equal(old + i, new + i, text.clone()));
                        }
                    }
                }
            }
        }
        Layout { rows, differences }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn texts() -> (String, String) {
        let old: Vec<String> = (1..=40).map(|i| format!("line {i}\n")).collect();
        let mut new = old.clone();
        new[19] = "line twenty\n".to_owned();
        new.insert(20, "one more\n".to_owned());
        (old.concat(), new.concat())
    }

    #[test]
    fn equal_runs_fold_and_open() {
        let (old, new) = texts();
        let found = TextDiff::new(&old, &new);
        let rows = found.unified(&BTreeSet::new());
        let kinds: String = rows
            .rows
            .iter()
            .map(|r| match r {
                UnifiedRow::Fold(_) => 'f',
                UnifiedRow::Equal { .. } => '=',
                UnifiedRow::Removed(_) => '-',
                UnifiedRow::Added(_) => '+',
            })
            .collect();
        assert_eq!(kinds, "f===-++===f");
        assert_eq!(rows.differences, [4]);
        assert_eq!(
            rows.rows[0],
            UnifiedRow::Fold(Fold {
                old: 1,
                new: 1,
                lines: 16
            })
        );
        assert_eq!(
            rows.rows[10],
            UnifiedRow::Fold(Fold {
                old: 24,
                new: 25,
                lines: 17
            })
        );

        let opened = found.unified(&[1, 24].into());
        assert_eq!(opened.rows.len(), 42);
    }

    #[test]
    fn two_columns_pair_the_lines() {
        let (old, new) = texts();
        let rows = TextDiff::new(&old, &new).split(&BTreeSet::new());
        let pair = |i: usize| match &rows.rows[i] {
            SplitRow::Changed { old, new } => (
                old.as_ref().map(|l| l.number),
                new.as_ref().map(|l| l.number),
            ),
            other => panic!("{other:?}"),
        };
        assert_eq!(pair(4), (Some(20), Some(20)));
        assert_eq!(pair(5), (None, Some(21)));
        assert_eq!(rows.differences, [4]);
    }

    #[test]
    fn short_runs_stay_open() {
        let found = TextDiff::new("a\nb\nc\nd\n", "a\nb\nc\nD\n");
        let rows = found.unified(&BTreeSet::new());
        assert_eq!(rows.rows.len(), 5);
    }
}
