//! What a replication would do.

use crate::compare::{Compared, Comparison, Parity};
use crate::tree::hex;
use gridhelm_api::changeset::{ChangesetRequest, MAX_OPERATIONS, ManifestEntry, Operation};
use gridhelm_api::repository::FileId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What a person decided about one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// The target shall be as the source: overwritten, or taken away where the source has none.
    Source,
    /// The target stays as it is.
    Target,
}

/// What of a comparison shall be replicated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only these files; `None`: all.
    pub files: Option<BTreeSet<FileId>>,
    /// Decisions about single files; they go before everything else but `files`.
    pub choices: BTreeMap<FileId, Choice>,
    /// Take files away that only the target has.
    pub delete_extra: bool,
}

/// How many files of the selection are treated how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Made in the target.
    pub create: usize,
    /// Overwritten in the target.
    pub update: usize,
    /// Taken away from the target.
    pub delete: usize,
    /// In conflict and not decided: left as they are.
    pub conflict: usize,
    /// Left because the target moved on, only it has them, or a person said so.
    pub kept: usize,
    /// The same on both sides.
    pub same: usize,
}

/// What a replication would do: the same inputs give the same plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Its id for people, `7f3a-91c2`: a short hash over both groups, both roots and the operations.
    pub id: String,
    /// The group it copies from.
    pub source: String,
    /// The group it copies to.
    pub target: String,
    /// The source's root hash when it was made.
    pub source_root: String,
    /// The target's root hash when it was made.
    pub target_root: String,
    /// What to do, by author, directory and name; each quotes what the target has now.
    pub operations: Vec<Operation>,
    /// How many files are treated how.
    pub counts: Counts,
    /// Bytes of content that the target may not have yet, each content once.
    pub bytes: u64,
}

impl Plan {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Whether it has more operations than one changeset may have.
    pub const fn is_too_big(&self) -> bool {
        self.operations.len() > MAX_OPERATIONS
    }

    /// The changeset that it opens at the target.
    pub fn request(&self, reason: &str) -> ChangesetRequest {
        ChangesetRequest {
            plan: self.id.clone(),
            source: self.source.clone(),
            operations: self.operations.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// Plans a replication.
///
/// Missing files are made and differing ones overwritten; files that only the target has are taken away
/// where the selection says so; where the target moved on, or both did, nothing happens unless a person
/// chose the source.
pub fn plan(comparison: &Comparison, selection: &Selection) -> Plan {
    let mut counts = Counts::default();
    let mut operations = Vec::new();
    for file in &comparison.files {
        if selection
            .files
            .as_ref()
            .is_none_or(|f| f.contains(&file.id))
            && does(file, selection, &mut counts)
        {
            let source = comparison.source_of(file);
            operations.push(operation(&file.id, source, comparison.target_of(file)));
        }
    }
    let (source, target) = (&comparison.source, &comparison.target);
    Plan {
        id: id_of(comparison, &operations),
        source: source.group.clone(),
        target: target.group.clone(),
        source_root: source.root.clone(),
        target_root: target.root.clone(),
        bytes: bytes_of(comparison, &operations),
        operations,
        counts,
    }
}

/// Whether a file of the selection is made as the source; counts it.
fn does(file: &Compared, selection: &Selection, counts: &mut Counts) -> bool {
    let choice = selection.choices.get(&file.id);
    let wanted = match (file.parity, choice) {
        (Parity::Same, _) | (Parity::Newer | Parity::Conflict, None) => false,
        (_, Some(choice)) => *choice == Choice::Source,
        (Parity::Missing | Parity::Differs, None) => true,
        (Parity::Extra, None) => selection.delete_extra,
    };
    let count = match (file.parity, wanted) {
        (Parity::Same, _) => &mut counts.same,
        (Parity::Missing, true) => &mut counts.create,
        (Parity::Extra, true) => &mut counts.delete,
        (_, true) => &mut counts.update,
        (Parity::Conflict, false) if choice.is_none() => &mut counts.conflict,
        (_, false) => &mut counts.kept,
    };
    *count += 1;
    wanted
}

fn operation(
    id: &FileId,
    source: Option<&ManifestEntry>,
    target: Option<&ManifestEntry>,
) -> Operation {
    Operation {
        id: id.clone(),
        expect: target.map(|t| t.sha256.clone()),
        sha256: source.map(|s| s.sha256.clone()),
        size: source.map_or(0, |s| s.size),
    }
}

/// Bytes of the contents that the target's manifest does not know, each once.
fn bytes_of(comparison: &Comparison, operations: &[Operation]) -> u64 {
    let contents = operations.iter();
    let mut new: BTreeMap<&str, u64> = BTreeMap::new();
    new.extend(contents.filter_map(|op| Some((op.sha256.as_deref()?, op.size))));
    for entry in &comparison.target.entries {
        for known in entry.earlier.iter().chain([&entry.sha256]) {
            new.remove(known.as_str());
        }
    }
    new.values().sum()
}

fn id_of(comparison: &Comparison, operations: &[Operation]) -> String {
    let mut hash = Sha256::new();
    let mut put = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    put("gridhelm-plan-1");
    for manifest in [&comparison.source, &comparison.target] {
        put(&manifest.group);
        put(&manifest.root);
    }
    for op in operations {
        put(&op.id.author);
        put(&op.id.directory);
        put(&op.id.name);
        put(op.expect.as_deref().unwrap_or_default());
        put(op.sha256.as_deref().unwrap_or_default());
    }
    let digits = hex(&hash.finalize()[..4]);
    format!("{}-{}", &digits[..4], &digits[4..])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::testing::{apply, entries, entry, manifest};
    use crate::{compare, verify};
    use proptest::prelude::*;

    #[test]
    fn counts_and_bytes_are_what_people_read() {
        let mut newer = entry("a/d/newer", "target's");
        newer.earlier = vec![entry("a/d/newer", "source's").sha256];
        let mut source = entry("a/d/conflict", "one");
        let mut target = entry("a/d/conflict", "two");
        source.earlier = vec!["0".repeat(64)];
        target.earlier = source.earlier.clone();
        let comparison = compare(
            manifest(
                "east",
                vec![
                    entry("a/d/differs", "12345"),
                    entry("a/d/missing", "12345"),
                    entry("a/d/missing too", "123"),
                    entry("a/d/same", "same"),
                    entry("a/d/newer", "source's"),
                    source,
                ],
            ),
            manifest(
                "west",
                vec![
                    entry("a/d/differs", "old"),
                    entry("a/d/same", "same"),
                    entry("a/d/extra", "extra"),
                    newer,
                    target,
                ],
            ),
        );
        let made = plan(&comparison, &Selection::default());
        let counts = Counts {
            create: 2,
            update: 1,
            delete: 0,
            conflict: 1,
            kept: 2,
            same: 1,
        };
        assert_eq!(made.counts, counts);
        assert_eq!(made.bytes, 8, "the same content counts once");
        assert!(made.id.len() == 9 && made.id.as_bytes()[4] == b'-');
        assert!(made.request("why").check().is_empty());

        let with_deletion = Selection {
            delete_extra: true,
            ..Selection::default()
        };
        let deleting = plan(&comparison, &with_deletion);
        assert_eq!((deleting.counts.delete, deleting.counts.kept), (1, 1));
        assert_ne!(deleting.id, made.id);

        let id = |n: &str| entry(n, "").id;
        let chosen = Selection {
            files: Some([id("a/d/conflict"), id("a/d/newer"), id("a/d/differs")].into()),
            choices: [
                (id("a/d/conflict"), Choice::Source),
                (id("a/d/newer"), Choice::Source),
                (id("a/d/differs"), Choice::Target),
            ]
            .into(),
            delete_extra: true,
        };
        let made = plan(&comparison, &chosen);
        let counts = Counts {
            update: 2,
            kept: 1,
            ..Counts::default()
        };
        assert_eq!(made.counts, counts);
        assert_eq!(made.operations.len(), 2);
    }

    proptest! {
        #[test]
        fn an_applied_plan_makes_the_chosen_files_equal(a in entries(10), b in entries(10), every in 1_usize..4) {
            let comparison = compare(manifest("east", a), manifest("west", b));
            let ids: BTreeSet<_> = comparison.files.iter().step_by(every).map(|f| f.id.clone()).collect();
            let selection = Selection {
                choices: ids.iter().map(|id| (id.clone(), Choice::Source)).collect(),
                files: Some(ids.clone()),
                delete_extra: true,
            };
            let made = plan(&comparison, &selection);
            let after = apply(&comparison.target, &made);
            let again = compare(comparison.source.clone(), after.clone());
            for file in &again.files {
                if ids.contains(&file.id) {
                    prop_assert_eq!(file.parity, Parity::Same);
                } else {
                    // What was not chosen is as it was.
                    prop_assert_eq!(again.target_of(file).map(|e| &e.sha256),
                        comparison.file(&file.id).and_then(|f| comparison.target_of(f)).map(|e| &e.sha256));
                }
            }
            prop_assert!(verify(&made, &after).ok());
            prop_assert_eq!(every > 1 || after.root == comparison.source.root, true);
        }

        #[test]
        fn equal_manifests_give_an_empty_plan(a in entries(10)) {
            let made = plan(
                &compare(manifest("east", a.clone()), manifest("west", a)),
                &Selection { delete_extra: true, ..Selection::default() },
            );
            prop_assert!(made.is_empty());
            prop_assert_eq!(made.bytes, 0);
        }
    }
}
