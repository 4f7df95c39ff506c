//! Replication as it travels: manifests, and changesets that a target commits whole or not at all.

use crate::FieldError;
use crate::repository::FileId;
use serde::{Deserialize, Serialize};

/// The most operations in one changeset.
pub const MAX_OPERATIONS: usize = 100_000;

/// One file of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
}

/// One operation of a changeset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
            let is_hash = |h: &Option<String>| {
                h.as_ref()
                    .is_none_or(|h| h.len() == 64 && h.bytes().all(|b| b.is_ascii_hexdigit()))
            };
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
    /// The manifest's root hash right after the commit.
    pub root: String,
}
