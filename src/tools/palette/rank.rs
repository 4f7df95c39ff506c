//! Which entries are shown for what is typed, and in which order.

use super::entries::{Entry, Section};
use super::fuzzy::{Fit, fit};
use crate::ui::order::sort;

/// The most lines of a section.
const SECTION: usize = 6;
/// The most lines in all.
const ALL: usize = 24;

/// An entry that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Its place among the entries.
    pub(crate) entry: usize,
    /// Where the typed letters are in its label.
    pub(crate) at: Vec<usize>,
}

/// The entries that fit, by section. The section with the best entry comes first, the best entry of a section first in it; of equal ones, the one that
/// stands first among the entries. When nothing is typed: all pages, and the first of each other kind but what there are many of.
pub(crate) fn ranked(query: &str, entries: &[Entry]) -> Vec<(Section, Vec<Hit>)> {
    if query.trim().is_empty() {
        return at_rest(entries);
    }
    let mut found: Vec<(usize, Fit)> = entries
        .iter()
        .enumerate()
        .filter_map(|(index, entry)| fit(query, &entry.label).map(|fit| (index, fit)))
        .collect();
    sort(&mut found, |(a, left), (b, right)| {
        right.score.cmp(&left.score).then(a.cmp(b))
    });
    let mut sections: Vec<(Section, Vec<Hit>)> = Vec::new();
    let mut left = ALL;
    for (entry, fit) in found {
        if left == 0 {
            break;
        }
        let section = entries[entry].section;
        let known = sections.iter().position(|(of, _)| *of == section);
        let place = known.unwrap_or_else(|| {
            sections.push((section, Vec::new()));
            sections.len() - 1
        });
        let hits = &mut sections[place].1;
        if hits.len() < SECTION {
            hits.push(Hit { entry, at: fit.at });
            left -= 1;
        }
    }
    sections
}

fn at_rest(entries: &[Entry]) -> Vec<(Section, Vec<Hit>)> {
    let first = |section: Section, most: usize| {
        let hits: Vec<Hit> = entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.section == section)
            .take(most)
            .map(|(entry, _)| Hit {
                entry,
                at: Vec::new(),
            })
            .collect();
        (section, hits)
    };
    [
        first(Section::Pages, usize::MAX),
        first(Section::Tasks, 3),
        first(Section::Actions, 4),
    ]
    .into_iter()
    .filter(|(_, hits)| !hits.is_empty())
    .collect()
}

/// The line that a key leads to, of so many: up and down go round, a page is eight lines.
pub(crate) fn step(key: &str, at: usize, of: usize) -> Option<usize> {
    let last = of.checked_sub(1)?;
    Some(match key {
        "ArrowDown" if at >= last => 0,
        "ArrowDown" => at + 1,
        "ArrowUp" if at == 0 => last,
        "ArrowUp" => at - 1,
        "PageDown" => (at + 8).min(last),
        "PageUp" => at.saturating_sub(8),
        _ => return None,
    })
}
