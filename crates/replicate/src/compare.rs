//! Comparing two repositories file by file.

use crate::parity::{Here, Parity, parity};
use gridhelm_api::changeset::{Gone, Manifest, ManifestEntry};
use gridhelm_api::repository::FileId;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::sync::Arc;

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

impl Compared {
    /// Whether the source has it.
    pub const fn in_source(&self) -> bool {
        self.source.is_some()
    }

    /// Whether the target has it.
    pub const fn in_target(&self) -> bool {
        self.target.is_some()
    }
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
    /// Files about which something else is said.
    pub metadata: usize,
    /// Files that were taken away in the target.
    pub deleted: usize,
    /// Files that were taken away in the source.
    pub dropped: usize,
}

impl ParityCounts {
    /// How many files are not the same.
    pub const fn unequal(&self) -> usize {
        self.differs
            + self.missing
            + self.extra
            + self.newer
            + self.conflict
            + self.metadata
            + self.deleted
            + self.dropped
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
            Parity::Metadata => self.metadata,
            Parity::Deleted => self.deleted,
            Parity::Dropped => self.dropped,
        }
    }

    /// Adds up.
    pub(crate) const fn merge(&mut self, more: &Self) {
        self.same += more.same;
        self.differs += more.differs;
        self.missing += more.missing;
        self.extra += more.extra;
        self.newer += more.newer;
        self.conflict += more.conflict;
        self.metadata += more.metadata;
        self.deleted += more.deleted;
        self.dropped += more.dropped;
    }

    pub(crate) const fn add(&mut self, parity: Parity) {
        let count = match parity {
            Parity::Same => &mut self.same,
            Parity::Differs => &mut self.differs,
            Parity::Missing => &mut self.missing,
            Parity::Extra => &mut self.extra,
            Parity::Newer => &mut self.newer,
            Parity::Conflict => &mut self.conflict,
            Parity::Metadata => &mut self.metadata,
            Parity::Deleted => &mut self.deleted,
            Parity::Dropped => &mut self.dropped,
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
    let (source_gone, target_gone) = (gone_in_order(&source.gone), gone_in_order(&target.gone));
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
            parity: parity(
                Here::of(s.map(|(_, s)| s), &source_gone, &named.id),
                Here::of(t.map(|(_, t)| t), &target_gone, &named.id),
            ),
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

/// What was taken away, by id.
pub(crate) fn gone_in_order(gone: &[Gone]) -> Vec<&Gone> {
    let mut all: Vec<&Gone> = gone.iter().collect();
    if !all.is_sorted_by(|a, b| a.id < b.id) {
        all.sort_by(|a, b| a.id.cmp(&b.id));
    }
    all
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
