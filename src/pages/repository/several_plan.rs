//! What is done with several files at once, as a function of values: the request that each needs, or why it is left as it is.

use std::collections::BTreeSet;

use gridhelm_api::changeset::ChangesetRequest;
use gridhelm_api::names::check_file_name;
use gridhelm_api::repository::{Access, FileId, FileInfo, FileMeta};

use super::about::placing;
use super::directory::{ARCHIVE, other_name};
use crate::ui::format::counted;

/// What shall be done with each of the files.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    Delete,
    Move(String),
    Copy(String),
    Archive,
    Unarchive,
    /// Who may see them, and the roles where that is restricted.
    Access(Access, Vec<String>),
    Tag(Vec<String>),
    Untag(Vec<String>),
}

/// What one file needs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Delete,
    /// A changeset by which it is at another place; and whether it leaves its old one.
    Place {
        request: ChangesetRequest,
        to: FileId,
        moves: bool,
    },
    Describe(FileInfo),
}

/// Names that a sentence tells.
const TOLD: usize = 3;

impl Act {
    /// Why it can be done with no file at all, if so.
    pub(super) fn fault(&self) -> Option<String> {
        match self {
            Self::Move(directory) | Self::Copy(directory) => {
                let error = check_file_name("directory", directory).err()?;
                Some(format!("Directory: {}", error.message))
            }
            Self::Tag(words) | Self::Untag(words) if words.is_empty() => {
                Some("Give at least one tag.".to_owned())
            }
            Self::Access(Access::Restricted, roles) if roles.is_empty() => {
                Some("Give at least one role.".to_owned())
            }
            _ => None,
        }
    }

    /// What is done, for a button: "Delete 3 files".
    pub(super) fn verb(&self, files: usize) -> String {
        let files = counted(files, "file");
        match self {
            Self::Delete => format!("Delete {files}"),
            Self::Move(_) => format!("Move {files}"),
            Self::Copy(_) => format!("Copy {files}"),
            Self::Archive => format!("Archive {files}"),
            Self::Unarchive => format!("Take {files} out of the archive"),
            Self::Access(..) => format!("Change who may see {files}"),
            Self::Tag(_) => format!("Tag {files}"),
            Self::Untag(_) => format!("Take tags from {files}"),
        }
    }

    /// What will happen.
    pub(super) fn effect(&self) -> String {
        match self {
            Self::Delete => "They are taken away. Scripts that source them, and programs that call them, will fail. Other groups keep their copies.".to_owned(),
            Self::Move(to) => format!("They move to {to}, each in one step; scripts that name them by their old place will fail."),
            Self::Copy(to) => format!("{to} gets a copy of each, as it is now, without its earlier versions."),
            Self::Archive => format!("Each moves to its directory's archive, whose name ends in {ARCHIVE}."),
            Self::Unarchive => "Each moves back to the directory whose archive it is in.".to_owned(),
            Self::Access(access, roles) if *access == Access::Restricted => {
                format!("They are restricted to {}.", roles.join(", "))
            }
            Self::Access(access, _) => format!("They are {} then.", access.name()),
            Self::Tag(words) => format!("Each has {}, too.", words.join(", ")),
            Self::Untag(words) => format!("None of them has {} any more.", words.join(", ")),
        }
    }

    /// The way back.
    pub(super) fn way_back(&self) -> &'static str {
        match self {
            Self::Delete => {
                "Their versions stay. “Take it back” beside the results restores them, as long as nobody writes them anew."
            }
            Self::Move(_) | Self::Archive | Self::Unarchive => {
                "Their earlier versions stay under the old name. “Take it back” beside the results moves them back."
            }
            Self::Copy(_) => {
                "Nothing is overwritten. “Take it back” beside the results deletes the copies."
            }
            Self::Access(..) | Self::Tag(_) | Self::Untag(_) => {
                "Each gets a new version with the same content, as its versions tell. “Take it back” beside the results sets what was said before."
            }
        }
    }
}

/// The first names, and how many more.
pub(super) fn names(files: &[FileMeta]) -> String {
    let told: Vec<String> = files
        .iter()
        .take(TOLD)
        .map(|file| format!("{}/{}", file.id.directory, file.id.name))
        .collect();
    let told = told.join(", ");
    match files.len().saturating_sub(TOLD) {
        0 => told,
        more => format!("{told} and {} more", counted(more, "file")),
    }
}

/// What each of the chosen files needs, in their order, or why it is left as it is. `all` are the group's files.
pub(super) fn steps(
    act: &Act,
    group: &str,
    chosen: &[FileMeta],
    all: &[FileMeta],
) -> Vec<Result<Step, String>> {
    let mut taken: BTreeSet<FileId> = match act {
        Act::Move(_) | Act::Copy(_) | Act::Archive | Act::Unarchive => {
            all.iter().map(|file| file.id.clone()).collect()
        }
        _ => BTreeSet::new(),
    };
    let step = |file: &FileMeta| {
        let (to, moves) = match act {
            Act::Delete => return Ok(Step::Delete),
            Act::Access(..) | Act::Tag(_) | Act::Untag(_) => return described(act, file),
            Act::Move(to) => (to.clone(), true),
            Act::Copy(to) => (to.clone(), false),
            Act::Archive | Act::Unarchive => {
                let name = &file.id.directory;
                let other = other_name(name);
                let inside = other.len() < name.len();
                if inside != (*act == Act::Unarchive) {
                    return Err(if inside {
                        "It is in the archive."
                    } else {
                        "It is not in an archive."
                    }
                    .to_owned());
                }
                (other, true)
            }
        };
        if to == file.id.directory {
            return Err(format!("It is in {to} already."));
        }
        let to = FileId::new(&file.id.author, to, &file.id.name);
        if let Some(error) = to.check().into_iter().next() {
            return Err(error.message);
        }
        if !taken.insert(to.clone()) {
            return Err(format!("{} has a file of that name.", to.directory));
        }
        let request = placing(group, file, &to, moves);
        Ok(Step::Place { request, to, moves })
    };
    chosen.iter().map(step).collect()
}

/// What shall be said of a file.
fn described(act: &Act, file: &FileMeta) -> Result<Step, String> {
    let before = file.info.as_deref().cloned().unwrap_or_default();
    let mut info = before.clone();
    match act {
        Act::Access(access, roles) => {
            info.access = *access;
            info.roles = if *access == Access::Restricted {
                roles.clone()
            } else {
                Vec::new()
            };
        }
        Act::Tag(words) => {
            for word in words {
                if !info.tags.contains(word) {
                    info.tags.push(word.clone());
                }
            }
        }
        Act::Untag(words) => info.tags.retain(|tag| !words.contains(tag)),
        _ => {}
    }
    if info == before {
        return Err("It is so already.".to_owned());
    }
    match info.check().into_iter().next() {
        Some(error) => Err(format!("{}: {}", error.field, error.message)),
        None => Ok(Step::Describe(info)),
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
#[path = "several_plan_tests.rs"]
mod tests;
