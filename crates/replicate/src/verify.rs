//! Whether a replication did what its plan said.

use crate::plan::Plan;
use crate::tree::root;
use gridhelm_api::changeset::{Manifest, ManifestEntry};
use gridhelm_api::repository::FileId;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A file that is not as the plan wanted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrong {
    /// Which file.
    pub id: FileId,
    /// The hash that the plan gives it; absent: taken away.
    pub wanted: Option<String>,
    /// The hash it has; absent: it does not exist.
    pub found: Option<String>,
}

/// What a check by hash found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// How many files were checked: those of the plan.
    pub checked: usize,
    /// Those that are not as planned.
    pub wrong: Vec<Wrong>,
    /// The target's root hash; of a whole manifest computed here from its entries.
    pub root: String,
    /// Whether the target says the same root.
    pub root_agrees: bool,
}

impl Verified {
    /// Whether every file is as planned and the target's root is that of its entries.
    pub const fn ok(&self) -> bool {
        self.wrong.is_empty() && self.root_agrees
    }
}

/// Checks the target's manifest after a commit against the plan, hash by hash, and its root against its entries: for a manifest of the
/// whole repository.
pub fn verify(plan: &Plan, target: &Manifest) -> Verified {
    let root = root(&target.entries);
    Verified {
        root_agrees: root == target.root,
        root,
        ..verify_files(plan, target)
    }
}

/// Checks a part of the target's manifest that has the plan's directories against the plan, hash by hash. Whoever read it compared the
/// directories' hashes with the tree's.
pub fn verify_files(plan: &Plan, target: &Manifest) -> Verified {
    let found: HashMap<&FileId, &ManifestEntry> =
        target.entries.iter().map(|e| (&e.id, e)).collect();
    let wrong = plan
        .operations
        .iter()
        .filter_map(|op| {
            let found = found.get(&op.id).map(|e| &e.sha256);
            (found != op.sha256.as_ref()).then(|| Wrong {
                id: op.id.clone(),
                wanted: op.sha256.clone(),
                found: found.cloned(),
            })
        })
        .collect();
    Verified {
        checked: plan.operations.len(),
        wrong,
        root_agrees: true,
        root: target.root.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::testing::{apply, entry, manifest};
    use crate::{Selection, compare, plan};

    #[test]
    fn what_is_not_as_planned_is_named() {
        let comparison = compare(
            manifest("east", vec![entry("a/d/1", "one"), entry("a/d/2", "two")]),
            manifest("west", vec![entry("a/d/1", "old"), entry("a/d/3", "three")]),
        );
        let selection = Selection {
            delete_extra: true,
            ..Selection::default()
        };
        let made = plan(&comparison, &selection);
        let good = apply(&comparison.target, &made);
        assert!(verify(&made, &good).ok());
        assert_eq!(verify(&made, &good).checked, 3);

        let bad = verify(&made, &comparison.target);
        let names: Vec<_> = bad.wrong.iter().map(|w| w.id.name.as_str()).collect();
        assert_eq!(names, ["1", "2", "3"]);
        assert!(bad.root_agrees && !bad.ok());

        let mut lying = Manifest::clone(&good);
        lying.root = "0".repeat(64);
        assert!(!verify(&made, &lying).ok());
    }
}
