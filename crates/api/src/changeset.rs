//! Replication as it travels: manifests, and changesets that a target commits whole or not at all.

use crate::hold::Hold;
use crate::repository::{FileId, FileInfo, MAX_LARGE_FILE};
use crate::{FieldError, Millis};
use serde::{Deserialize, Serialize};

/// The most operations in one changeset.
pub const MAX_OPERATIONS: usize = 100_000;
/// The most contents asked for, and the most bytes sent, in one request of many contents.
pub const MAX_CONTENTS: usize = 10_000;
/// See [`MAX_CONTENTS`].
pub const MAX_PACK: u64 = 32 << 20;
/// Parts of a content are sent in multiples of so many bytes, but for the last.
pub const PART_STEP: u64 = 256 << 10;
/// The largest part, bytes.
pub const MAX_PART: u64 = 32 << 20;
/// The most directories in one request for listings.
pub const MAX_BRANCHES: usize = 20_000;

/// One file of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct ManifestEntry {
    /// Which file.
    #[serde(flatten)]
    pub id: FileId,
    /// SHA-256 of its latest content, hexadecimal.
    pub sha256: String,
    /// Its size, bytes.
    pub size: u64,
    /// Its latest version in this group.
    pub version: i64,
    /// When that version was written.
    pub written_at: crate::Millis,
    /// Who wrote it.
    pub written_by: String,
    /// Hashes of earlier versions, newest first, at most 20: by them a comparison tells which side moved on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<String>,
    /// What is said about it; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Box<FileInfo>>,
    /// What the last replication with the group that was asked about left here; absent: there was none, or nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Box<Base>>,
}

/// What a replication left of a file: the state that both groups had then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Base {
    /// Its content's SHA-256; absent: it was taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// When.
    pub at: Millis,
}

/// A file that was taken away and is remembered: by it a deletion is told from a file that was never there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Gone {
    /// Which file.
    #[serde(flatten)]
    pub id: FileId,
    /// When it was taken away.
    pub at: Millis,
    /// By whom.
    pub by: String,
    /// Hashes of what it was, newest first, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<String>,
    /// As in [`ManifestEntry`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Box<Base>>,
}

/// A branch of the tree: an author, or a directory of an author.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Branch {
    /// The author's, or the directory's, name.
    pub name: String,
    /// The hash over its files.
    pub hash: String,
    /// How many files it has.
    pub files: u64,
    /// Their sizes together, bytes.
    pub bytes: u64,
}

/// The tree's root with its authors, or an author with its directories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Tree {
    /// The group.
    pub group: String,
    /// The epoch under which it was read.
    pub epoch: i64,
    /// The hash over the whole repository; also the `ETag`.
    pub root: String,
    /// How many files the repository has.
    pub files: u64,
    /// Their sizes together, bytes.
    pub bytes: u64,
    /// The authors, or the directories of the author that was asked for, by name.
    pub branches: Vec<Branch>,
}

/// `POST /repository/listings`: the files of some directories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct ListingsRequest {
    /// Which directories, as author and name; at most 20,000.
    pub directories: Vec<(String, String)>,
    /// The group with which it is compared: entries say what the last replication from it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
}

/// The files of some directories.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Listings {
    /// The root hash of the repository as it was read.
    pub root: String,
    /// The files, by author, directory and name.
    pub entries: Vec<ManifestEntry>,
    /// What was taken away there, in the same order.
    pub gone: Vec<Gone>,
}

/// A repository's content: every file's hash, and the hash over all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Manifest {
    /// The group.
    pub group: String,
    /// The epoch under which it was read.
    pub epoch: i64,
    /// SHA-256 over the tree (see `gridhelm-replicate`), hexadecimal.
    pub root: String,
    /// The files, sorted by author, directory and name.
    pub entries: Vec<ManifestEntry>,
    /// What was taken away, where it was asked for; in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Gone>,
}

/// One operation of a changeset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Operation {
    /// Which file of the target.
    pub id: FileId,
    /// The hash that the target's file has now, as the plan saw it; absent: the file does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// The hash it shall have; absent: the file is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The size of the new content, bytes; 0 for a deletion.
    #[serde(default)]
    pub size: u64,
    /// The version that the target's file has now, as the plan saw it: so that a change of what is said about it is seen, too. Absent: not
    /// looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// What shall be said about it; absent: what is said stays, and nothing is said about a new file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Box<FileInfo>>,
}

/// `POST /repository/changesets`: open a changeset at the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct ChangesetRequest {
    /// The plan's id, as people saw it.
    pub plan: String,
    /// The group that it copies from.
    pub source: String,
    /// What to do; each file at most once.
    pub operations: Vec<Operation>,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: String,
}

impl ChangesetRequest {
    /// Every part that is not acceptable, with the reason.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if self.operations.is_empty() || self.operations.len() > MAX_OPERATIONS {
            errors.push(FieldError::new(
                "operations",
                "Give 1 to 100000 operations.",
            ));
        }
        if self.plan.is_empty() || self.plan.len() > 128 {
            errors.push(FieldError::new("plan", "Give the plan's id."));
        }
        let mut seen = std::collections::BTreeSet::new();
        for op in &self.operations {
            errors.extend(op.id.check());
            if !seen.insert(&op.id) {
                errors.push(FieldError::new(
                    "operations",
                    format!("{} occurs twice.", op.id.path()),
                ));
            }
            let is_hash = |h: &Option<String>| h.as_deref().is_none_or(is_sha256);
            if op.size > MAX_LARGE_FILE {
                errors.push(FieldError::new(
                    "operations",
                    format!("{}: larger than 16 GiB.", op.id.path()),
                ));
            }
            errors.extend(op.info.iter().flat_map(|info| info.check()));
            if !is_hash(&op.expect) || !is_hash(&op.sha256) {
                errors.push(FieldError::new(
                    "operations",
                    format!("{}: not a SHA-256.", op.id.path()),
                ));
            }
            if errors.len() > 20 {
                break;
            }
        }
        errors
    }
}

/// Whether a text is a SHA-256 as it travels: 64 lower-case hexadecimal digits.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// An open changeset: which contents the target still needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Changeset {
    /// Its id at the target.
    pub id: String,
    /// Contents (by SHA-256) that must be uploaded before the commit.
    pub missing: Vec<String>,
}

/// The answer to a commit: what the target's repository is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Committed {
    /// The changeset's id.
    pub id: String,
    /// Files made.
    pub created: u64,
    /// Files changed.
    pub updated: u64,
    /// Files taken away.
    pub deleted: u64,
    /// The manifest's root hash right after the commit; empty while the tree of hashes is made anew, after an upgrade or a restore of a
    /// large repository.
    pub root: String,
}

/// `POST /repository/contents`: contents by hash, many in one answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct ContentsRequest {
    /// Which; each must be the latest content of a file. At most 10,000, and 32 MiB together.
    pub sha256: Vec<String>,
}

/// How much of a content has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct PartState {
    /// Bytes from its beginning; the next part goes there.
    pub have: u64,
    /// Its size, bytes.
    pub size: u64,
    /// Whether it is whole and its hash was compared.
    pub whole: bool,
}

/// How many contents of a pack were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct PackTaken {
    /// How many came, each with the hash under which it was sent.
    pub contents: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A changeset on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct ChangesetRecord {
    /// Its id.
    pub id: String,
    /// The plan's id.
    pub plan: String,
    /// The group it copied from.
    pub source: String,
    /// Why.
    pub reason: String,
    /// Who opened it.
    pub by: String,
    /// When.
    pub at: Millis,
    /// What it did; absent: it is still open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<Committed>,
    /// What the last check of its files found; absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verification>,
    /// Whether it is, or was, held for another admin's approval, and what was said; absent: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

/// A file that a changeset wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct WrittenFile {
    /// Which file.
    pub id: FileId,
    /// The version that it wrote.
    pub version: i64,
    /// The hash before; absent: the file did not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The hash after; absent: it was taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The size before, bytes.
    pub size_before: u64,
    /// The size after, bytes.
    pub size_after: u64,
    /// What was said about it before, where that is not what is said after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_before: Option<Box<FileInfo>>,
    /// What is said about it after, where that is not what was said before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_after: Option<Box<FileInfo>>,
}

/// A changeset with every file: the report of a replication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct ChangesetReport {
    /// The group that it changed.
    pub group: String,
    /// The changeset.
    pub record: ChangesetRecord,
    /// What it wrote, by author, directory and name; nothing while it is open.
    pub files: Vec<WrittenFile>,
    /// While it is open: contents that have not come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// While it is open: what it would do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planned: Vec<Operation>,
}

/// `POST /repository/verify`: read contents again and compare their hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct VerifyRequest {
    /// Only the files that this changeset wrote; the outcome is kept with it. Absent: the whole repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changeset: Option<String>,
    /// Go on behind this file, as an earlier answer's `next` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<FileId>,
}

/// A file whose content is not what its hash says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Damaged {
    /// Which file.
    pub id: FileId,
    /// The hash that it should have; absent: it should not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was found: another hash, or what else is wrong.
    pub found: String,
}

/// What a check of contents found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Verification {
    /// When.
    pub at: Millis,
    /// Who asked.
    pub by: String,
    /// Files checked.
    pub files: u64,
    /// Bytes read again.
    pub bytes: u64,
    /// Files that are not as they should be, at most 1,000.
    pub damaged: Vec<Damaged>,
    /// Where to go on, when not all was looked at yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<FileId>,
}
