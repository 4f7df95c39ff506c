//! A number that changes when files change: their names and contents.

use std::hash::{DefaultHasher, Hasher as _};
use std::path::Path;

use crate::error::Error;

/// The fingerprint of files and folders below `root`; those that are not there count as not there.
pub fn of(root: &Path, names: &[&str]) -> Result<String, Error> {
    let mut hasher = DefaultHasher::new();
    for name in names {
        add(root, &root.join(name), &mut hasher)?;
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn add(root: &Path, path: &Path, hasher: &mut DefaultHasher) -> Result<(), Error> {
    let name = path.strip_prefix(root).unwrap_or(path);
    let mut field = |bytes: &[u8]| {
        hasher.write_usize(bytes.len());
        hasher.write(bytes);
    };
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(Error::file("read", path))?;
        let mut entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        entries.sort();
        entries
            .iter()
            .try_for_each(|entry| add(root, entry, hasher))
    } else if path.is_file() {
        field(name.as_os_str().as_encoded_bytes());
        field(&std::fs::read(path).map_err(Error::file("read", path))?);
        Ok(())
    } else {
        field(b"absent");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn names_and_contents_count() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let now = || of(folder.path(), &["."]).unwrap();
        write("a", "1");
        let first = now();
        assert_eq!(first, now());
        write("a", "2");
        let second = now();
        assert_ne!(first, second);
        std::fs::rename(folder.path().join("a"), folder.path().join("b")).unwrap();
        assert_ne!(second, now());
        assert!(of(folder.path(), &["missing"]).is_ok());
    }
}
