//! Two texts compared, line by line and then word by word, as rows to be shown. Pure.

use std::collections::HashMap;
use std::ops::Range;

use super::code::{DiffPiece, DiffRow};
use super::common::common;

/// The most lines of one side that are compared; beyond it, everything counts as changed rather than the page standing still.
const LINES: usize = 20_000;
/// The longest line, in bytes, that is compared word by word.
const LONG_LINE: usize = 2_000;

/// Compares two texts. `context` is how many equal lines are kept around each difference; `open` lists the rows of skips that are shown in full.
pub fn diff_rows(left: &str, right: &str, context: usize, open: &[usize]) -> Vec<DiffRow> {
    let old: Vec<&str> = left.lines().collect();
    let new: Vec<&str> = right.lines().collect();
    let mut rows = Vec::new();
    if old.len() > LINES || new.len() > LINES {
        change(&mut rows, &old, 0, &new, 0);
        return rows;
    }
    let stretches = compare(&old, &new);
    let last = stretches.len().saturating_sub(1);
    for (index, (alike, from, to)) in stretches.iter().enumerate() {
        if *alike {
            let edges = (
                if index == 0 { 0 } else { context },
                if index == last { 0 } else { context },
            );
            same(
                &mut rows,
                &old[from.clone()],
                from.start,
                to.start,
                edges,
                open,
            );
        } else {
            change(
                &mut rows,
                &old[from.clone()],
                from.start,
                &new[to.clone()],
                to.start,
            );
        }
    }
    rows
}

/// Where two lists of lines are alike and where they are not, in order, all of both covered. Beyond the lines that are compared all of them
/// count as changed.
pub fn stretches(old: &[&str], new: &[&str]) -> Vec<Stretch> {
    if old.len() > LINES || new.len() > LINES {
        return vec![(false, 0..old.len(), 0..new.len())];
    }
    compare(old, new)
}

/// A stretch of both sides: whether it is alike, and where it is.
pub type Stretch = (bool, Range<usize>, Range<usize>);

/// Compares by numbers, equal ones for equal parts: so the same code does it for lines and for words.
fn compare(old: &[&str], new: &[&str]) -> Vec<Stretch> {
    let mut known = HashMap::new();
    let mut numbers = |parts: &[&str]| -> Vec<usize> {
        let number = |part: &&str| {
            let next = known.len();
            *known.entry((*part).to_owned()).or_insert(next)
        };
        parts.iter().map(number).collect()
    };
    let (left, right) = (numbers(old), numbers(new));
    let mut found = Vec::new();
    common(&left, &right, (0, 0), &mut found);
    found.push((left.len(), right.len(), 0));
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut add = |alike: bool, from: Range<usize>, to: Range<usize>| match stretches.last_mut() {
        _ if from.is_empty() && to.is_empty() => {}
        Some((before, old, new)) if *before == alike => (old.end, new.end) = (from.end, to.end),
        _ => stretches.push((alike, from, to)),
    };
    let (mut x, mut y) = (0, 0);
    for (i, j, length) in found {
        add(false, x..i, y..j);
        (x, y) = (i + length, j + length);
        add(true, i..x, j..y);
    }
    stretches
}

/// Equal lines: those near a difference, and a skip for the rest. Positions count from 0.
fn same(
    rows: &mut Vec<DiffRow>,
    lines: &[&str],
    left: usize,
    right: usize,
    (before, after): (usize, usize),
    open: &[usize],
) {
    let skipped = lines.len().saturating_sub(before + after);
    // One or two lines cost as much room as saying that they are left out.
    let whole = skipped < 3 || open.contains(&(rows.len() + before));
    let mut line = |at: usize| {
        rows.push(DiffRow::Same {
            left: left + at + 1,
            right: right + at + 1,
            text: lines[at].to_owned(),
        })
    };
    if whole {
        (0..lines.len()).for_each(line);
        return;
    }
    (0..before).for_each(&mut line);
    rows.push(DiffRow::Skip(skipped));
    let mut line = |at: usize| {
        rows.push(DiffRow::Same {
            left: left + at + 1,
            right: right + at + 1,
            text: lines[at].to_owned(),
        })
    };
    (lines.len() - after..lines.len()).for_each(&mut line);
}

/// Lines that differ, paired in order.
fn change(rows: &mut Vec<DiffRow>, old: &[&str], old_start: usize, new: &[&str], new_start: usize) {
    for at in 0..old.len().max(new.len()) {
        let (left, right) = match (old.get(at), new.get(at)) {
            (Some(old), Some(new)) => {
                let (left, right) = words(old, new);
                (Some(left), Some(right))
            }
            (left, right) => (left.map(|line| plain(line)), right.map(|line| plain(line))),
        };
        rows.push(DiffRow::Change {
            left: left.map(|line| (old_start + at + 1, line)),
            right: right.map(|line| (new_start + at + 1, line)),
        });
    }
}

fn plain(line: &str) -> Vec<DiffPiece> {
    vec![(line.to_owned(), false)]
}

/// Which words of two lines differ. Lines that share little are not cut up: the colour of the line says enough.
fn words(old: &str, new: &str) -> (Vec<DiffPiece>, Vec<DiffPiece>) {
    if old.len() > LONG_LINE || new.len() > LONG_LINE {
        return (plain(old), plain(new));
    }
    let (a, b) = (split(old), split(new));
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut alike = 0;
    for (same, from, to) in compare(&a, &b) {
        let differs = !same;
        let (from, to) = (a[from].concat(), b[to].concat());
        if same {
            alike += from.trim().len();
        }
        push(&mut left, from, differs);
        push(&mut right, to, differs);
    }
    if alike * 3 < old.trim().len().max(new.trim().len()) {
        (plain(old), plain(new))
    } else {
        (left, right)
    }
}

fn push(pieces: &mut Vec<DiffPiece>, text: String, differs: bool) {
    if !text.is_empty() {
        pieces.push((text, differs));
    }
}

/// Words, and every other character by itself.
fn split(line: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut in_word = false;
    for (index, letter) in line.char_indices() {
        let word = letter.is_alphanumeric() || letter == '_' || letter == '.';
        if index > start && !(word && in_word) {
            parts.push(&line[start..index]);
            start = index;
        }
        in_word = word;
    }
    if start < line.len() {
        parts.push(&line[start..]);
    }
    parts
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn side(rows: &[DiffRow], right_side: bool) -> Vec<(usize, String)> {
        let mut lines = Vec::new();
        for row in rows {
            match row {
                DiffRow::Same { left, right, text } => {
                    lines.push((if right_side { *right } else { *left }, text.clone()))
                }
                DiffRow::Change { left, right } => {
                    if let Some((number, pieces)) = if right_side { right } else { left } {
                        lines.push((
                            *number,
                            pieces.iter().map(|(text, _)| text.as_str()).collect(),
                        ));
                    }
                }
                DiffRow::Skip(_) => panic!("nothing is skipped here"),
            }
        }
        lines
    }

    #[test]
    fn words_that_differ_are_marked() {
        let rows = diff_rows("x <- f(cap * 1.1)\n", "x <- f(cap)\n", 3, &[]);
        let DiffRow::Change {
            left: Some((1, left)),
            right: Some((1, right)),
        } = &rows[0]
        else {
            panic!("{rows:?}")
        };
        assert_eq!(
            left.iter()
                .filter(|(_, differs)| *differs)
                .map(|(text, _)| text.as_str())
                .collect::<String>(),
            " * 1.1"
        );
        assert!(right.iter().all(|(_, differs)| !differs));
    }

    #[test]
    fn equal_stretches_are_skipped_and_opened() {
        let old: String = (0..40).map(|line| format!("line {line}\n")).collect();
        let new = old.replace("line 20\n", "changed\n");
        let rows = diff_rows(&old, &new, 3, &[]);
        assert_eq!(rows[0], DiffRow::Skip(17));
        assert_eq!(rows.len(), 9);
        assert_eq!(rows.last(), Some(&DiffRow::Skip(16)));
        let rows = diff_rows(&old, &new, 3, &[0]);
        assert_eq!(
            rows[0],
            DiffRow::Same {
                left: 1,
                right: 1,
                text: "line 0".to_owned()
            }
        );
        assert_eq!(diff_rows(&old, &old, 3, &[]), [DiffRow::Skip(40)]);
    }

    proptest! {
        /// Each side can be read back from the rows, with its numbers.
        #[test]
        fn no_line_is_lost(old in prop::collection::vec("[ab .]{0,6}", 0..12), new in prop::collection::vec("[ab .]{0,6}", 0..12)) {
            let rows = diff_rows(&old.join("\n"), &new.join("\n"), 1000, &(0..100).collect::<Vec<_>>());
            for (lines, right) in [(old, false), (new, true)] {
                let text = lines.join("\n");
                let expected: Vec<(usize, String)> = text.lines().enumerate().map(|(index, line)| (index + 1, line.to_owned())).collect();
                prop_assert_eq!(side(&rows, right), expected);
            }
        }
    }
}
