//! Comparing two repositories file by file.

use gridhelm_api::changeset::{Manifest, ManifestEntry};
use gridhelm_api::repository::FileId;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::sync::Arc;

/// How a file of the source stands to the same file of the target.
///
/// Both sides keep the hashes of earlier versions, so it can often be told which side moved on:
///
/// | the source's content is an earlier one of the target | the target's is an earlier one of the source | |
/// |---|---|---|
/// | no | yes | [`Parity::Differs`]: the source moved on, the target has an old state |
/// | yes | no | [`Parity::Newer`]: the target moved on, the source has an old state |
/// | yes | yes | [`Parity::Conflict`]: each went back to what the other had |
/// | no | no, but a common earlier one | [`Parity::Conflict`]: both moved on from it |
/// | no | no, and none in common | [`Parity::Differs`]: written independently, or too long ago to tell |
///
/// The last line is a decision: where no record speaks for the target, the direction that the person chose
/// does. What the target had stays in its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parity {
    /// The same content on both sides.
    Same,
    /// Other content; a replication updates it.
    Differs,
    /// Not in the target; a replication makes it.
    Missing,
    /// Only in the target; a replication takes it away where that is chosen.
    Extra,
    /// The target moved on from the source's content; a replication would go back, so it is left out
    /// unless it is chosen.
    Newer,
    /// Both moved on; a person decides.
    Conflict,
}

impl Parity {
    /// All of them, in the order of a legend.
    pub const ALL: [Self; 6] = [
        Self::Same,
        Self::Differs,
        Self::Missing,
        Self::Extra,
        Self::Newer,
        Self::Conflict,
    ];

    /// Its name on screens and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Newer => "newer",
            Self::Conflict => "conflict",
        }
    }
}

/// One file of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Which file.
    pub id: FileId,
    /// How the sides stand.
    pub parity: Parity,
    source: Option<usize>,
    target: Option<usize>,
}

/// How many files stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParityCounts {
    /// Files with the same content.
    pub same: usize,
    /// Files with other content.
    pub differs: usize,
    /// Files that the target lacks.
    pub missing: usize,
    /// Files that only the target has.
    pub extra: usize,
    /// Files at which the target moved on.
    pub newer: usize,
    /// Files at which both moved on.
    pub conflict: usize,
}

impl ParityCounts {
    /// How many files are not the same.
    pub const fn unequal(&self) -> usize {
        self.differs + self.missing + self.extra + self.newer + self.conflict
    }

    /// How many files stand so.
    pub const fn of(&self, parity: Parity) -> usize {
        match parity {
            Parity::Same => self.same,
            Parity::Differs => self.differs,
            Parity::Missing => self.missing,
            Parity::Extra => self.extra,
            Parity::Newer => self.newer,
            Parity::Conflict => self.conflict,
        }
    }

    pub(crate) const fn add(&mut self, parity: Parity) {
        let count = match parity {
            Parity::Same => &mut self.same,
            Parity::Differs => &mut self.differs,
            Parity::Missing => &mut self.missing,
            Parity::Extra => &mut self.extra,
            Parity::Newer => &mut self.newer,
            Parity::Conflict => &mut self.conflict,
        };
        *count += 1;
    }
}

/// Two manifests, compared. Cheap to clone as far as the manifests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Where it would be copied from.
    pub source: Arc<Manifest>,
    /// Where it would be copied to.
    pub target: Arc<Manifest>,
    /// Every file of either side, by author, directory and name.
    pub files: Vec<Compared>,
}

impl Comparison {
    /// The source's entry of a file of this comparison.
    pub fn source_of(&self, file: &Compared) -> Option<&ManifestEntry> {
        file.source.and_then(|i| self.source.entries.get(i))
    }

    /// The target's entry of a file of this comparison.
    pub fn target_of(&self, file: &Compared) -> Option<&ManifestEntry> {
        file.target.and_then(|i| self.target.entries.get(i))
    }

    /// How many files stand how.
    pub fn counts(&self) -> ParityCounts {
        let mut counts = ParityCounts::default();
        for file in &self.files {
            counts.add(file.parity);
        }
        counts
    }

    /// The file of this id.
    pub fn file(&self, id: &FileId) -> Option<&Compared> {
        self.files
            .binary_search_by(|f| f.id.cmp(id))
            .ok()
            .and_then(|i| self.files.get(i))
    }
}

/// Compares two manifests, whatever their order. Of entries that occur twice the last one counts.
pub fn compare(source: Arc<Manifest>, target: Arc<Manifest>) -> Comparison {
    let from = in_order(&source.entries);
    let to = in_order(&target.entries);
    let mut files = Vec::with_capacity(from.len().max(to.len()));
    let (mut i, mut j) = (0, 0);
    loop {
        let s = from.get(i).map(|n| (*n, &source.entries[*n]));
        let t = to.get(j).map(|n| (*n, &target.entries[*n]));
        let order = match (s, t) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((_, s)), Some((_, t))) => s.id.cmp(&t.id),
        };
        let s = s.filter(|_| order.is_le());
        let t = t.filter(|_| order.is_ge());
        i += usize::from(s.is_some());
        j += usize::from(t.is_some());
        let Some((_, named)) = s.or(t) else { break };
        files.push(Compared {
            id: named.id.clone(),
            parity: match (s, t) {
                (Some((_, s)), Some((_, t))) => parity(s, t),
                (Some(_), None) => Parity::Missing,
                _ => Parity::Extra,
            },
            source: s.map(|(n, _)| n),
            target: t.map(|(n, _)| n),
        });
    }
    Comparison {
        source,
        target,
        files,
    }
}

/// Places of the entries by id, each id once.
pub(crate) fn in_order(entries: &[ManifestEntry]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..entries.len()).collect();
    if entries.is_sorted_by(|a, b| a.id < b.id) {
        return places;
    }
    // Later entries of the same id come first and win.
    places.sort_by(|a, b| entries[*a].id.cmp(&entries[*b].id).then(b.cmp(a)));
    places.dedup_by(|b, a| entries[*a].id == entries[*b].id);
    places
}

/// How two entries of the same file stand; see [`Parity`].
pub(crate) fn parity(source: &ManifestEntry, target: &ManifestEntry) -> Parity {
    if source.sha256 == target.sha256 {
        return Parity::Same;
    }
    let target_moved = target.earlier.contains(&source.sha256);
    let source_moved = source.earlier.contains(&target.sha256);
    match (target_moved, source_moved) {
        (true, false) => Parity::Newer,
        (true, true) => Parity::Conflict,
        (false, false) if source.earlier.iter().any(|e| target.earlier.contains(e)) => {
            Parity::Conflict
        }
        (false, _) => Parity::Differs,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::testing::{entry, manifest};

    fn with_history(content: &str, earlier: &[&str]) -> ManifestEntry {
        let mut e = entry("a/d/f.R", content);
        e.earlier = earlier
            .iter()
            .map(|c| crate::content_hash(c.as_bytes()))
            .collect();
        e
    }

    #[test]
    fn history_tells_which_side_moved_on() {
        let cases = [
            (
                "same content",
                ("1", vec!["0"]),
                ("1", vec![]),
                Parity::Same,
            ),
            (
                "the source moved on",
                ("2", vec!["1"]),
                ("1", vec![]),
                Parity::Differs,
            ),
            (
                "the target moved on",
                ("1", vec![]),
                ("2", vec!["1"]),
                Parity::Newer,
            ),
            (
                "both moved on",
                ("2", vec!["1"]),
                ("3", vec!["1"]),
                Parity::Conflict,
            ),
            (
                "each went back",
                ("1", vec!["2"]),
                ("2", vec!["1"]),
                Parity::Conflict,
            ),
            (
                "nothing in common",
                ("1", vec!["0"]),
                ("2", vec!["9"]),
                Parity::Differs,
            ),
            ("no history", ("1", vec![]), ("2", vec![]), Parity::Differs),
        ];
        for (what, (s, s_earlier), (t, t_earlier), wanted) in cases {
            let found = parity(&with_history(s, &s_earlier), &with_history(t, &t_earlier));
            assert_eq!(found, wanted, "{what}");
        }
    }

    #[test]
    fn every_file_of_either_side_is_there_once_and_in_order() {
        let source = manifest(
            "east",
            vec![
                entry("a/d/3", "x"),
                entry("a/d/1", "x"),
                entry("a/d/1", "y"),
            ],
        );
        let target = manifest("west", vec![entry("a/d/1", "y"), entry("a/d/2", "z")]);
        let found = compare(source, target);
        let seen: Vec<_> = found
            .files
            .iter()
            .map(|f| (f.id.name.as_str(), f.parity))
            .collect();
        assert_eq!(
            seen,
            [
                ("1", Parity::Same),
                ("2", Parity::Extra),
                ("3", Parity::Missing)
            ]
        );
        let first = &found.files[0];
        assert_eq!(
            found.source_of(first).unwrap().sha256,
            crate::content_hash(b"y")
        );
        assert!(found.source_of(&found.files[1]).is_none());
        assert_eq!(found.file(&found.files[2].id), Some(&found.files[2]));
        let counts = found.counts();
        assert_eq!((counts.same, counts.unequal()), (1, 2));
    }
}
