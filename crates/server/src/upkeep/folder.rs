//! The folder that backups are in.

use super::day::compact;
use crate::store::backup::head_of;
use gridhelm_api::Millis;
use gridhelm_api::upkeep::BackupFile;
use std::collections::HashMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// How names of backups end.
const ENDING: &str = ".backup";
/// The most files that are listed.
const MOST: usize = 2_000;

/// The folder. Heads that were read are remembered by name and size.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    known: Mutex<HashMap<(String, u64), BackupFile>>,
}

/// Whether a name can be one of a backup: never a path.
pub(super) fn is_name(name: &str) -> bool {
    name.len() <= 200
        && name.ends_with(ENDING)
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// The name of a backup of that moment.
pub(super) fn name(group: &str, at: Millis) -> String {
    format!("{group}-{}{ENDING}", compact(at))
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            known: Mutex::default(),
        }
    }

    /// Makes the folder, for its owner alone, when it is not there.
    pub(super) fn make(&self) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
    }

    /// The path of a backup that is there.
    pub(super) fn find(&self, name: &str) -> Option<PathBuf> {
        let path = self.path.join(name);
        (is_name(name) && path.is_file()).then_some(path)
    }

    /// All backups, newest first. Reads the heads of those that were not seen before.
    pub(super) fn list(&self) -> io::Result<Vec<BackupFile>> {
        let entries = match std::fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = Vec::new();
        for entry in entries.take(MOST) {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let facts = entry.metadata()?;
            if facts.is_file() && is_name(&name) {
                found.push(self.look(&entry.path(), name, facts.len()));
            }
        }
        found.sort_by(|one, two| (two.made_at, &two.name).cmp(&(one.made_at, &one.name)));
        Ok(found)
    }

    fn look(&self, path: &Path, name: String, size: u64) -> BackupFile {
        let key = (name.clone(), size);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = known.get(&key) {
            return file.clone();
        }
        let file = match head_of(path) {
            Ok(head) => BackupFile {
                name,
                size,
                made_at: Some(head.made_at),
                made_by: head.made_by,
                server: head.server,
                version: head.version,
                database: head.database,
                epoch: head.epoch,
                fault: None,
            },
            Err(error) => BackupFile {
                name,
                size,
                made_at: None,
                made_by: String::new(),
                server: String::new(),
                version: String::new(),
                database: String::new(),
                epoch: 0,
                fault: Some(error.to_string()),
            },
        };
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, file.clone());
        file
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_is_never_a_path() {
        assert!(is_name(&name("east", 0)));
        for bad in [
            "../x.backup",
            "/etc/x.backup",
            ".x.backup",
            "x.db",
            "a b.backup",
            "x\0.backup",
            "",
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_no_backup_is_listed_with_its_fault_and_other_files_are_not() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().join("backups"));
        assert_eq!(folder.list().unwrap(), Vec::new(), "before the first one");
        folder.make().unwrap();
        std::fs::write(folder.path.join("x.backup"), b"nothing of ours at all").unwrap();
        std::fs::write(folder.path.join("x.backup.part"), b"").unwrap();
        std::fs::write(folder.path.join("notes.txt"), b"").unwrap();
        let listed = folder.list().unwrap();
        assert_eq!(listed.len(), 1);
        assert!(listed[0].fault.as_ref().unwrap().contains("not a backup"));
        assert!(folder.find("x.backup").is_some());
        assert!(folder.find("../backups/x.backup").is_none());
    }
}
