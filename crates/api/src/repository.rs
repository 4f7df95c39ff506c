//! The repository: files by author, directory and name, with versions.

use crate::names::check_file_name;
use crate::{FieldError, Millis};
use serde::{Deserialize, Serialize};

/// The largest file that the repository takes in one request, bytes (256 MiB). What is larger comes in parts, by a changeset.
pub const MAX_FILE: u64 = 256 << 20;
/// The largest file that the repository takes at all, bytes (16 GiB).
pub const MAX_LARGE_FILE: u64 = 16 << 30;
/// The largest content that a search reads, bytes (1 MiB).
pub const MAX_SEARCHED: u64 = 1 << 20;
/// The largest file of R data whose objects are told, bytes (64 MiB).
pub const MAX_OBJECTS_FILE: u64 = 64 << 20;
/// The most objects of a file that are told.
pub const MAX_OBJECTS: usize = 1_000;
/// The longest description, inputs or outputs of a file, characters.
pub const MAX_TEXT: usize = 4_000;
/// The most tags of a file, and the longest, characters.
pub const MAX_TAGS: usize = 32;

/// What identifies a file within a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

/// Who may see a file, in the words of the programs' API. It decides who may read and run it where the group's rules say so
/// ([`crate::hold::RepositoryRules::enforce_access`]); otherwise every file is shown to everyone who may sign in.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Its authors.
    #[default]
    Private,
    /// Accounts with one of the named roles.
    Restricted,
    /// Everyone who signs in.
    Shared,
    /// Everyone.
    Public,
}

impl Access {
    /// Its name on screens and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Restricted => "restricted",
            Self::Shared => "shared",
            Self::Public => "public",
        }
    }
}

/// What is said about a file beside its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct FileInfo {
    /// Who may see it.
    #[serde(default, skip_serializing_if = "is_private")]
    pub access: Access,
    /// The roles, where the access is restricted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// What it is, at most 4,000 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Words to find it by; at most 32, each of at most 32 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What a script takes, at most 4,000 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub inputs: String,
    /// What a script gives, at most 4,000 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub outputs: String,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde gives it a reference"
)]
const fn is_private(access: &Access) -> bool {
    matches!(access, Access::Private)
}

impl FileInfo {
    /// Whether nothing is said.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// As it is kept, hashed and compared: the same text for the same information, empty where nothing is said.
    pub fn text(&self) -> String {
        if self.is_plain() {
            return String::new();
        }
        // Strings and lists of strings always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Of its text; `None` for a text that is none.
    pub fn of_text(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        serde_json::from_str(text).ok()
    }

    /// Every part that is not acceptable, with the reason.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let bad = |text: &str| text.chars().any(|c| c.is_control() && !"\n\t".contains(c));
        for (name, text) in [
            ("description", &self.description),
            ("inputs", &self.inputs),
            ("outputs", &self.outputs),
        ] {
            if text.chars().count() > MAX_TEXT || bad(text) {
                errors.push(FieldError::new(
                    name,
                    "Give at most 4000 characters of plain text.",
                ));
            }
        }
        for (name, words) in [("tags", &self.tags), ("roles", &self.roles)] {
            let wrong = |w: &String| w.is_empty() || w.chars().count() > MAX_TAGS || bad(w);
            if words.len() > MAX_TAGS || words.iter().any(wrong) {
                errors.push(FieldError::new(
                    name,
                    "Give at most 32 words of at most 32 characters each.",
                ));
            }
        }
        errors
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
    /// What is said about it; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Box<FileInfo>>,
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
    /// The changeset that wrote it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changeset: Option<String>,
}

/// `POST /repository/search`: files by words in their paths, or in their texts, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct SearchRequest {
    /// The words, 2 to 200 characters; capitals do not count.
    pub text: String,
    /// Whether texts of up to 1 MiB are read, too.
    #[serde(default)]
    pub contents: bool,
    /// Go on behind this file, as an earlier answer's `next` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<FileId>,
}

/// A file that a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Found {
    /// Which file.
    pub id: FileId,
    /// Its latest version.
    pub version: i64,
    /// Its size, bytes.
    pub size: u64,
    /// The first line in which the words occur, from 1; absent: they occur in its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// That line, cut to 200 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct SearchAnswer {
    /// The files, by author, directory and name; at most 200.
    pub found: Vec<Found>,
    /// How many files were looked at.
    pub looked: u64,
    /// Where to go on; absent: all files were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<FileId>,
}

/// An object in a file of R data, as R tells it. All texts come from the file: at most 400 characters each, and never more than text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct RObject {
    /// Its name; empty for the one value of a file that `saveRDS()` wrote.
    pub name: String,
    /// Its classes, comma between them.
    pub class: String,
    /// Its dimensions (`120 x 4`) or its length; empty where it has none.
    pub shape: String,
    /// Its size in R's memory, bytes.
    pub size: u64,
    /// A sum over its value: equal sums are equal values. Empty where none could be made. It is no proof against somebody who means to deceive.
    pub sum: String,
}

/// `GET /repository/objects`: what a file of R data holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct RObjects {
    /// The file's version that was read.
    pub version: i64,
    /// The node whose R read it.
    pub node: String,
    /// The objects by name, at most 1,000.
    pub objects: Vec<RObject>,
    /// How many there are.
    pub total: u64,
}

/// Whether a file's name is that of R data: `.RData`, `.rda` or `.rds`, in any case.
pub fn is_r_data(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".rdata", ".rda", ".rds"]
        .iter()
        .any(|end| name.len() > end.len() && name.ends_with(end))
}
