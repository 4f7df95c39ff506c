//! Whether a plan still tells the truth.

use crate::compare::{Comparison, compare};
use crate::plan::Plan;
use gridhelm_api::changeset::Manifest;
use gridhelm_api::repository::FileId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One of the two sides of a replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Where it is copied from.
    Source,
    /// Where it is copied to.
    Target,
}

/// A file that changed after a comparison was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// On which side.
    pub side: Side,
    /// Which file.
    pub id: FileId,
    /// The hash that the comparison saw; absent: the file did not exist.
    pub was: Option<String>,
    /// The hash it has now; absent: the file does not exist.
    pub now: Option<String>,
    /// Whether the plan does something with it.
    pub planned: bool,
}

/// What changed on either side since the plan was made, source first, by path. An empty list: the plan is
/// what a new one would be. Where files of the plan changed the target would refuse it; where others did
/// the plan would still apply, but does not show all that differs.
pub fn stale(
    plan: &Plan,
    comparison: &Comparison,
    source: &Arc<Manifest>,
    target: &Arc<Manifest>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for (side, before, now) in [
        (Side::Source, &comparison.source, source),
        (Side::Target, &comparison.target, target),
    ] {
        if before.root == now.root {
            continue;
        }
        let between = compare(Arc::clone(before), Arc::clone(now));
        changes.extend(between.files.iter().filter_map(|file| {
            let was = between.source_of(file).map(|e| &e.sha256);
            let now = between.target_of(file).map(|e| &e.sha256);
            (was != now).then(|| Change {
                side,
                id: file.id.clone(),
                was: was.cloned(),
                now: now.cloned(),
                planned: plan
                    .operations
                    .binary_search_by(|op| op.id.cmp(&file.id))
                    .is_ok(),
            })
        }));
    }
    changes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::testing::{entries, entry, manifest};
    use crate::{Selection, plan};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_change_on_either_side_is_named() {
        let source = manifest("east", vec![entry("a/d/1", "one"), entry("a/d/2", "two")]);
        let target = manifest("west", vec![entry("a/d/2", "two")]);
        let comparison = compare(source.clone(), target.clone());
        let made = plan(&comparison, &Selection::default());
        assert!(stale(&made, &comparison, &source, &target).is_empty());

        let source_now = manifest("east", vec![entry("a/d/1", "1"), entry("a/d/2", "two")]);
        let target_now = manifest("west", vec![]);
        let found = stale(&made, &comparison, &source_now, &target_now);
        let seen: Vec<_> = found
            .iter()
            .map(|c| (c.side, c.id.name.as_str(), c.now.is_some(), c.planned))
            .collect();
        assert_eq!(
            seen,
            [
                (Side::Source, "1", true, true),
                (Side::Target, "2", false, false)
            ]
        );
    }

    proptest! {
        #[test]
        fn exactly_the_changed_files_are_found(before in entries(8), after in entries(8)) {
            let hashes = |files: &[gridhelm_api::changeset::ManifestEntry]| -> BTreeMap<FileId, String> {
                files.iter().map(|f| (f.id.clone(), f.sha256.clone())).collect()
            };
            let (old, new) = (hashes(&before), hashes(&after));
            let comparison = compare(manifest("east", vec![]), manifest("west", before));
            let made = plan(&comparison, &Selection { delete_extra: true, ..Selection::default() });
            let found = stale(&made, &comparison, &comparison.source.clone(), &manifest("west", after));
            let mut wanted: Vec<_> = old.keys().chain(new.keys()).filter(|id| old.get(id) != new.get(id)).collect();
            wanted.sort();
            wanted.dedup();
            prop_assert_eq!(found.iter().map(|c| &c.id).collect::<Vec<_>>(), wanted);
            for change in &found {
                prop_assert_eq!(change.side, Side::Target);
                prop_assert_eq!(change.planned, old.contains_key(&change.id));
            }
        }
    }
}
