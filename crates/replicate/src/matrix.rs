//! Files by groups: where does which file stand how.

use crate::compare::{ParityCounts, gone_in_order, in_order};
use crate::parity::{Here, Parity, parity};
use gridhelm_api::changeset::{Manifest, ManifestEntry};
use gridhelm_api::repository::FileId;
use std::sync::Arc;

/// The parity of every file in every group, seen from one of them. Files that are the same everywhere are counted and not kept: of a million
/// there are few others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matrix {
    /// The groups, in the order in which they were given.
    pub groups: Vec<String>,
    /// The place of the group from which it is seen.
    pub reference: usize,
    /// Files that every group has, with the same content and the same said about them.
    pub same: usize,
    /// Every other file of any group, by author, directory and name.
    pub rows: Vec<MatrixRow>,
    /// The sums of each group's column; the reference's own counts as the same.
    pub counts: Vec<ParityCounts>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixRow {
    /// Which file.
    pub id: FileId,
    /// A cell for each group. `None`: neither this group nor the reference has it.
    pub cells: Vec<Option<Parity>>,
}

impl Matrix {
    /// Takes in the matrix of the files behind those of this one, of the same groups.
    pub fn join(&mut self, mut behind: Self) {
        if self.groups.is_empty() {
            *self = behind;
            return;
        }
        self.same += behind.same;
        self.rows.append(&mut behind.rows);
        for (counts, more) in self.counts.iter_mut().zip(&behind.counts) {
            counts.merge(more);
        }
    }
}

/// Compares several groups' manifests with that at place `reference`, each as the target. An out-of-range
/// `reference` is the last group.
pub fn matrix(manifests: &[Arc<Manifest>], reference: usize) -> Matrix {
    let reference = reference.min(manifests.len().saturating_sub(1));
    let orders: Vec<Vec<usize>> = manifests.iter().map(|m| in_order(&m.entries)).collect();
    let gone: Vec<_> = manifests.iter().map(|m| gone_in_order(&m.gone)).collect();
    let mut next = vec![0_usize; manifests.len()];
    let mut counts = vec![ParityCounts::default(); manifests.len()];
    let (mut same, mut rows) = (0, Vec::new());
    loop {
        let heads: Vec<Option<&ManifestEntry>> = (0..manifests.len())
            .map(|g| orders[g].get(next[g]).map(|n| &manifests[g].entries[*n]))
            .collect();
        let Some(id) = heads.iter().flatten().map(|e| &e.id).min() else {
            break;
        };
        let here: Vec<Option<&ManifestEntry>> =
            heads.iter().map(|e| e.filter(|e| e.id == *id)).collect();
        let side = |group: usize| Here::of(here[group], &gone[group], id);
        let cells: Vec<Option<Parity>> = (0..here.len())
            .map(|group| {
                let somewhere = here[reference].is_some() || here[group].is_some();
                somewhere.then(|| parity(side(reference), side(group)))
            })
            .collect();
        for (group, cell) in cells.iter().enumerate() {
            next[group] += usize::from(here[group].is_some());
            if let Some(parity) = cell {
                counts[group].add(*parity);
            }
        }
        if cells.iter().all(|cell| *cell == Some(Parity::Same)) {
            same += 1;
        } else {
            rows.push(MatrixRow {
                id: id.clone(),
                cells,
            });
        }
    }
    Matrix {
        groups: manifests.iter().map(|m| m.group.clone()).collect(),
        reference,
        same,
        rows,
        counts,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::Parity::{Differs, Extra, Missing, Same};
    use super::*;
    use crate::compare;
    use crate::testing::{entries, entry, manifest};
    use proptest::prelude::*;

    #[test]
    fn a_cell_says_how_a_group_stands_to_the_reference() {
        let groups = [
            manifest("west", vec![entry("a/d/1", "one"), entry("a/d/2", "other")]),
            manifest("east", vec![entry("a/d/1", "one"), entry("a/d/2", "two")]),
            manifest("south", vec![entry("a/d/3", "three")]),
        ];
        let found = matrix(&groups, 1);
        assert_eq!(found.groups, ["west", "east", "south"]);
        let cells: Vec<_> = found.rows.iter().map(|r| r.cells.clone()).collect();
        assert_eq!(
            cells,
            [
                vec![Some(Same), Some(Same), Some(Missing)],
                vec![Some(Differs), Some(Same), Some(Missing)],
                vec![None, None, Some(Extra)],
            ]
        );
        assert_eq!(found.counts[1].same, 2);
        assert_eq!(found.same, 0);
        assert!(matrix(&[], 0).rows.is_empty());
        let alone = matrix(&groups[..1], 0);
        assert_eq!((alone.same, alone.rows.len()), (2, 0));
    }

    proptest! {
        #[test]
        fn two_groups_are_a_comparison(a in entries(8), b in entries(8)) {
            let (source, target) = (manifest("east", a), manifest("west", b));
            let found = matrix(&[source.clone(), target.clone()], 0);
            let compared = compare(source, target);
            let cells: Vec<_> = found.rows.iter().map(|r| (&r.id, r.cells[1])).collect();
            let other = compared.files.iter().filter(|f| f.parity != Same);
            let wanted: Vec<_> = other.map(|f| (&f.id, Some(f.parity))).collect();
            prop_assert_eq!(cells, wanted);
            prop_assert_eq!(found.counts[1], compared.counts());
            prop_assert_eq!(found.same, compared.counts().same);
        }

        #[test]
        fn what_is_compared_part_by_part_is_the_whole(a in entries(12), b in entries(12), c in entries(12), reference in 0_usize..3, cuts in proptest::collection::vec("[ab]/[de]", 0..4)) {
            let of = |group: &str, files: &[ManifestEntry]| manifest(group, files.to_vec());
            let whole = [of("east", &a), of("west", &b), of("south", &c)];
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut joined = Matrix::default();
            for part in 0..=cuts.len() {
                // Directories between two cuts, as they are read: all of one together.
                let within = |file: &&ManifestEntry| {
                    let place = format!("{}/{}", file.id.author, file.id.directory);
                    cuts.iter().filter(|cut| **cut <= place).count() == part
                };
                let some = |files: &[ManifestEntry]| files.iter().filter(within).cloned().collect::<Vec<_>>();
                let parts = [of("east", &some(&a)), of("west", &some(&b)), of("south", &some(&c))];
                joined.join(matrix(&parts, reference));
            }
            prop_assert_eq!(joined, matrix(&whole, reference));
        }
    }
}
