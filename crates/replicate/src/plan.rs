//! What a replication would do.

use crate::compare::{Compared, Comparison};
use crate::parity::Parity;
use crate::tree::hex;
use gridhelm_api::changeset::{ChangesetRequest, MAX_OPERATIONS, ManifestEntry, Operation};
use gridhelm_api::repository::{Access, FileId, FileInfo};
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
    /// The target keeps its own, and gets the source's beside it under another name.
    Both,
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
    /// Take files away that were taken away in the source.
    pub delete_dropped: bool,
    /// Files whose `author/directory/name` fits one of these are left as they are; `*` stands for any characters but `/`, `**` for any, `?`
    /// for one.
    pub ignore: Vec<String>,
    /// Only files with one of these tags: as the source says, or the target where the source has none. Empty: all files.
    pub tags: Vec<String>,
}

/// Who may see a file after a replication, where that changes or where others than its authors may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessChange {
    /// Which file of the target.
    pub id: FileId,
    /// Who may see it now; absent: it does not exist.
    pub before: Option<Access>,
    /// Who may see it then.
    pub after: Access,
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
    /// About which something else is said in the target then, the content staying.
    pub metadata: usize,
    /// Left because an ignore rule fits.
    pub ignored: usize,
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
    /// Who will see what: changed access, and new files that others than their authors may see.
    pub access: Vec<AccessChange>,
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
/// Missing files are made and differing ones overwritten; files that only the target has, or that were taken away in the source, are
/// taken away where the selection says so; where the target moved on, or both did, nothing happens unless a person
/// chose the source, or both.
pub fn plan(comparison: &Comparison, selection: &Selection) -> Plan {
    let mut counts = Counts::default();
    let mut operations = Vec::new();
    let mut access = Vec::new();
    for file in &comparison.files {
        let chosen = selection.files.as_ref();
        if chosen.is_some_and(|files| !files.contains(&file.id)) {
            continue;
        }
        let (source, target) = (comparison.source_of(file), comparison.target_of(file));
        if !selection.tags.is_empty() && !is_tagged(source.or(target), &selection.tags) {
            continue;
        }
        let path = || file.id.path();
        if file.parity != Parity::Same && selection.ignore.iter().any(|rule| fits(rule, &path())) {
            counts.ignored += 1;
            continue;
        }
        let operation = match does(file, selection, &mut counts) {
            Does::Nothing => continue,
            Does::AsSource => operation(&file.id, source, target),
            Does::Beside => {
                let Some(id) = beside(comparison, &file.id) else {
                    continue;
                };
                operation(&id, source, None)
            }
        };
        access.extend(access_change(&operation, source, target));
        operations.push(operation);
    }
    operations.sort_by(|a, b| a.id.cmp(&b.id));
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
        access,
    }
}

/// What is done with a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Nothing,
    AsSource,
    Beside,
}

/// What is done with a file of the selection; counts it.
fn does(file: &Compared, selection: &Selection, counts: &mut Counts) -> Does {
    let choice = selection.choices.get(&file.id);
    let there = (file.in_source(), file.in_target());
    let does = match (file.parity, choice) {
        (Parity::Same, _)
        | (Parity::Newer | Parity::Conflict | Parity::Deleted, None)
        | (_, Some(Choice::Target)) => Does::Nothing,
        (_, Some(Choice::Both)) if there == (true, true) && file.parity != Parity::Metadata => {
            Does::Beside
        }
        (_, Some(Choice::Source | Choice::Both))
        | (Parity::Missing | Parity::Differs | Parity::Metadata, None) => Does::AsSource,
        (Parity::Extra, None) if selection.delete_extra => Does::AsSource,
        (Parity::Dropped, None) if selection.delete_dropped => Does::AsSource,
        (Parity::Extra | Parity::Dropped, None) => Does::Nothing,
    };
    let count = match (file.parity, does) {
        (Parity::Same, _) => &mut counts.same,
        (Parity::Conflict, Does::Nothing) if choice.is_none() => &mut counts.conflict,
        (_, Does::Nothing) => &mut counts.kept,
        (_, Does::Beside) => &mut counts.create,
        (Parity::Metadata, Does::AsSource) => &mut counts.metadata,
        (_, Does::AsSource) => match there {
            (true, false) => &mut counts.create,
            (false, _) => &mut counts.delete,
            (true, true) => &mut counts.update,
        },
    };
    *count += 1;
    does
}

/// A name beside that of a file which neither side has: `limits.R` becomes `limits (from east).R`.
fn beside(comparison: &Comparison, id: &FileId) -> Option<FileId> {
    let (stem, ending) = match id.name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => (stem, format!(".{ending}")),
        _ => (id.name.as_str(), String::new()),
    };
    let from = &comparison.source.group;
    let names = (1..100).map(|n| match n {
        1 => format!("{stem} (from {from}){ending}"),
        n => format!("{stem} (from {from} {n}){ending}"),
    });
    names
        .map(|name| FileId::new(&id.author, &id.directory, name))
        .find(|id| comparison.file(id).is_none() && id.check().is_empty())
}

/// Whether a path fits an ignore rule; see [`Selection::ignore`].
pub fn fits(rule: &str, path: &str) -> bool {
    // Which places of the rule can be reached by what was read so far: no rule can make this slow.
    let rule: Vec<char> = rule.trim().chars().collect();
    if rule.is_empty() {
        return false;
    }
    let step = |places: &mut Vec<bool>| {
        for at in 0..rule.len() {
            if places[at] && rule[at] == '*' {
                places[at + 1] = true;
            }
        }
    };
    let mut places = vec![false; rule.len() + 1];
    places[0] = true;
    step(&mut places);
    for c in path.chars() {
        let mut next = vec![false; rule.len() + 1];
        for at in (0..rule.len()).filter(|at| places[*at]) {
            let double = rule[at] == '*'
                && (rule.get(at + 1) == Some(&'*') || (at > 0 && rule[at - 1] == '*'));
            match rule[at] {
                '*' if c != '/' || double => next[at] = true,
                '?' if c != '/' => next[at + 1] = true,
                r if r == c && r != '*' => next[at + 1] = true,
                _ => {}
            }
        }
        step(&mut next);
        places = next;
    }
    places[rule.len()]
}

fn said(entry: Option<&ManifestEntry>) -> Option<&FileInfo> {
    entry
        .and_then(|e| e.info.as_deref())
        .filter(|i| !i.is_plain())
}

fn is_tagged(entry: Option<&ManifestEntry>, tags: &[String]) -> bool {
    said(entry).is_some_and(|info| info.tags.iter().any(|tag| tags.contains(tag)))
}

fn operation(
    id: &FileId,
    source: Option<&ManifestEntry>,
    target: Option<&ManifestEntry>,
) -> Operation {
    let told = source.is_some() && said(source) != said(target);
    Operation {
        id: id.clone(),
        expect: target.map(|t| t.sha256.clone()),
        sha256: source.map(|s| s.sha256.clone()),
        size: source.map_or(0, |s| s.size),
        version: target.map(|t| t.version),
        info: told.then(|| Box::new(said(source).cloned().unwrap_or_default())),
    }
}

/// Who will see a file, where that is another than now or where it is new and not private.
fn access_change(
    operation: &Operation,
    source: Option<&ManifestEntry>,
    target: Option<&ManifestEntry>,
) -> Option<AccessChange> {
    operation.sha256.as_ref()?;
    let access = |entry| said(entry).map_or(Access::Private, |info| info.access);
    let before = (operation.expect.is_some())
        .then_some(target)
        .flatten()
        .map(|target| access(Some(target)));
    let after = access(source);
    (before.unwrap_or_default() != after).then(|| AccessChange {
        id: operation.id.clone(),
        before,
        after,
    })
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
    put("gridhelm-plan-2");
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
        put(&op
            .info
            .as_deref()
            .map(|info| format!("+{}", info.text()))
            .unwrap_or_default());
    }
    let digits = hex(&hash.finalize()[..4]);
    format!("{}-{}", &digits[..4], &digits[4..])
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
