//! The hash over a whole repository.

use gridhelm_api::changeset::ManifestEntry;
use sha2::{Digest, Sha256};

/// What names this definition of the hash; a new definition gets a new name.
const DOMAIN: &[u8] = b"gridhelm-tree-1";

/// The root hash of a repository: a tree of SHA-256 over author, directory and file, hexadecimal.
///
/// Two repositories have the same root exactly when they hold the same files with the same content;
/// versions, times and people do not count, and neither does the order of `files`. The definition, with
/// `str(x)` the length of `x` in bytes as a 64-bit little-endian number followed by `x`, all in order
/// of bytes:
///
/// - directory = SHA-256 of `str(name) str(sha256)` of its files,
/// - author = SHA-256 of `str(directory) hash` of its directories,
/// - root = SHA-256 of `gridhelm-tree-1` and `str(author) hash` of the authors.
pub fn root_of<'a, I>(files: I) -> String
where
    I: IntoIterator<Item = File<'a>>,
{
    let mut files: Vec<File<'a>> = files.into_iter().collect();
    if !files.is_sorted() {
        files.sort_unstable();
    }
    let directories = files
        .chunk_by(|a, b| (a.author, a.directory) == (b.author, b.directory))
        .map(|files| Directory {
            author: files[0].author,
            directory: files[0].directory,
            hash: directory_hash(files.iter().map(|f| (f.name, f.sha256))),
        });
    root_of_directories(&directories.collect::<Vec<_>>())
}

/// The hash of a directory of its files' names and hashes, in order of names; see [`root_of`].
pub fn directory_hash<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (name, sha256) in files {
        put(&mut hash, name);
        put(&mut hash, sha256);
    }
    hash.finalize().into()
}

/// The root hash of directories that have files, in order of author and directory; see [`root_of`].
pub fn root_of_directories(directories: &[Directory<'_>]) -> String {
    let mut root = Sha256::new();
    root.update(DOMAIN);
    for of_author in directories.chunk_by(|a, b| a.author == b.author) {
        let mut author = Sha256::new();
        for directory in of_author {
            put(&mut author, directory.directory);
            author.update(directory.hash);
        }
        put(&mut root, of_author[0].author);
        root.update(author.finalize());
    }
    hex(&root.finalize())
}

/// A directory with its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Directory<'a> {
    /// Its author.
    pub author: &'a str,
    /// Its name.
    pub directory: &'a str,
    /// The hash over its files.
    pub hash: [u8; 32],
}

/// The root hash of a manifest's entries; see [`root_of`].
pub fn root(entries: &[ManifestEntry]) -> String {
    root_of(entries.iter().map(|e| File {
        author: &e.id.author,
        directory: &e.id.directory,
        name: &e.id.name,
        sha256: &e.sha256,
    }))
}

/// What of a file counts for the root hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct File<'a> {
    /// Its author.
    pub author: &'a str,
    /// Its directory.
    pub directory: &'a str,
    /// Its name.
    pub name: &'a str,
    /// SHA-256 of its content, hexadecimal in lower case.
    pub sha256: &'a str,
}

fn put(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .map(|d| char::from(DIGITS[usize::from(d)]))
        .collect()
}

/// SHA-256 of a content, hexadecimal in lower case: what identifies content everywhere.
pub fn content_hash(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::testing::{entries, entry};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_definition_does_not_change() {
        assert_eq!(root(&[]), content_hash(b"gridhelm-tree-1"));
        let files = [entry("ann/plots/a.R", "one"), entry("ann/plots/b.R", "two")];
        assert_eq!(
            root(&files),
            "351ec4c9d06ee91e584dc2d2ee1d4f6d7a216c8245e57a40672f46f9f0f86756"
        );
    }

    #[test]
    fn neighbours_cannot_be_moved_across_a_border() {
        let a = [entry("ab/c/d.R", "x")];
        let b = [entry("a/bc/d.R", "x")];
        let c = [entry("a/b/cd.R", "x")];
        assert_ne!(root(&a), root(&b));
        assert_ne!(root(&b), root(&c));
        assert_ne!(root(&a), root(&c));
    }

    proptest! {
        #[test]
        fn roots_are_equal_exactly_when_paths_and_contents_are(a in entries(6), b in entries(6)) {
            let set = |files: &[ManifestEntry]| -> BTreeSet<(String, String)> {
                files.iter().map(|f| (f.id.path(), f.sha256.clone())).collect()
            };
            prop_assert_eq!(root(&a) == root(&b), set(&a) == set(&b));
        }

        #[test]
        fn order_does_not_count(files in entries(12), seed in any::<u64>()) {
            let mut shuffled = files.clone();
            let n = shuffled.len().max(1) as u64;
            for (i, turn) in (0..shuffled.len()).zip((0..64).step_by(7).cycle()) {
                let j = usize::try_from(seed.rotate_left(turn) % n).unwrap();
                shuffled.swap(i, j);
            }
            prop_assert_eq!(root(&files), root(&shuffled));
        }
    }
}
