//! The repository: files by author, directory and name, with versions.

use crate::names::check_file_name;
use crate::{FieldError, Millis};
use serde::{Deserialize, Serialize};

/// The largest file that the repository takes, bytes (256 MiB).
pub const MAX_FILE: u64 = 256 << 20;

/// What identifies a file within a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct FileId {
    /// The account that owns it.
    pub author: String,
    /// Its directory; one level.
    pub directory: String,
    /// Its name.
    pub name: String,
}

impl FileId {
    /// A file id of its three parts.
    pub fn new(
        author: impl Into<String>,
        directory: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            author: author.into(),
            directory: directory.into(),
            name: name.into(),
        }
    }

    /// `author/directory/name`.
    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.author, self.directory, self.name)
    }

    /// The id of an `author/directory/name` path; `None` when it has not exactly three parts.
    pub fn from_path(path: &str) -> Option<Self> {
        let mut parts = path.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(a), Some(d), Some(n), None) => Some(Self::new(a, d, n)),
            _ => None,
        }
    }

    /// Every part that is not acceptable, with the reason.
    pub fn check(&self) -> Vec<FieldError> {
        [
            check_file_name("author", &self.author),
            check_file_name("directory", &self.directory),
            check_file_name("name", &self.name),
        ]
        .into_iter()
        .filter_map(Result::err)
        .collect()
    }
}

/// The latest version of a file, without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct FileMeta {
    /// Which file.
    #[serde(flatten)]
    pub id: FileId,
    /// Its latest version, from 1; also its ETag.
    pub version: i64,
    /// The content's size, bytes.
    pub size: u64,
    /// SHA-256 of the content, hexadecimal.
    pub sha256: String,
    /// Who wrote this version.
    pub written_by: String,
    /// When.
    pub written_at: Millis,
}

/// One version of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct FileVersion {
    /// Its number, from 1.
    pub version: i64,
    /// The content's size, bytes.
    pub size: u64,
    /// SHA-256 of the content, hexadecimal; empty for a deletion.
    pub sha256: String,
    /// Whether this version took the file away.
    #[serde(default)]
    pub deleted: bool,
    /// Who wrote it.
    pub written_by: String,
    /// When.
    pub written_at: Millis,
    /// What it was for.
    #[serde(default)]
    pub message: String,
}
