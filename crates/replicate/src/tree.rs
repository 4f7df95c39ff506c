//! The tree of hashes over a repository: what a write changes costs the same however large the repository is.

use gridhelm_api::changeset::ManifestEntry;
use gridhelm_api::repository::{FileId, FileInfo};
use sha2::{Digest, Sha256};

/// What names this definition of the hashes; a new definition gets a new name.
const DOMAIN: &[u8] = b"gridhelm-tree-2";
/// Bytes of a [`Sum`] as it is kept.
pub const SUM_BYTES: usize = 256;
const LANES: usize = SUM_BYTES / 8;

/// The sum over a set of files, in any order: files can be added and taken out again, and sums of parts added up.
///
/// Each file is spread to a number of 2048 bits (SHA-256 of its names, content and metadata, counted up eight times), and the
/// numbers are added modulo 2^2048. The length is what keeps sets of equal sums out of reach of those who may choose the files: with
/// the 2^20 files of a large repository, looking for one costs more than 2^100 steps (a generalised birthday search), where it would
/// cost 2^32 in 256 bits. See `docs/decisions/070-manifest-tree.md`.
#[derive(Clone, PartialEq, Eq)]
pub struct Sum([u64; LANES]);

impl Default for Sum {
    fn default() -> Self {
        Self([0; LANES])
    }
}

impl core::fmt::Debug for Sum {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Sum({})", &self.digest()[..12])
    }
}

impl Sum {
    /// A file comes in.
    pub fn add(&mut self, file: &File<'_>) {
        self.merge(&file.spread());
    }

    /// The file of a manifest's entry comes in.
    pub fn add_entry(&mut self, entry: &ManifestEntry) {
        let info = entry.info.as_deref().map(FileInfo::text);
        let info = info.unwrap_or_default();
        self.add(&File::new(&entry.id, &entry.sha256, &info));
    }

    /// A file that is in goes out.
    pub fn remove(&mut self, file: &File<'_>) {
        self.take(&file.spread());
    }

    /// All files of another set come in.
    pub fn merge(&mut self, other: &Self) {
        let mut carry = false;
        for (lane, more) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = lane.overflowing_add(more);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *lane = sum;
            carry = first || second;
        }
    }

    /// All files of another set that are in go out.
    pub fn take(&mut self, other: &Self) {
        let mut borrow = false;
        for (lane, less) in self.0.iter_mut().zip(other.0) {
            let (rest, first) = lane.overflowing_sub(less);
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            *lane = rest;
            borrow = first || second;
        }
    }

    /// As it is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|lane| lane.to_le_bytes()).collect()
    }

    /// Of how it is kept; `None` for any other number of bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != SUM_BYTES {
            return None;
        }
        let mut sum = Self::default();
        for (lane, eight) in sum.0.iter_mut().zip(bytes.chunks_exact(8)) {
            *lane = u64::from_le_bytes(eight.try_into().ok()?);
        }
        Some(sum)
    }

    /// The hash that people and programs compare: SHA-256, hexadecimal.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(self.to_bytes());
        hex(&hash.finalize())
    }
}

/// The root hash of a manifest's entries: equal exactly when the files, their contents and their metadata (access, description, tags,
/// inputs, outputs) are; versions, times and people do not count, and neither does the order.
pub fn root(entries: &[ManifestEntry]) -> String {
    let mut sum = Sum::default();
    for entry in entries {
        sum.add_entry(entry);
    }
    sum.digest()
}

/// What of a file counts for the hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File<'a> {
    /// Its author.
    pub author: &'a str,
    /// Its directory.
    pub directory: &'a str,
    /// Its name.
    pub name: &'a str,
    /// SHA-256 of its content, hexadecimal in lower case.
    pub sha256: &'a str,
    /// What is said about it, as [`FileInfo::text`] writes it; empty for a file about which nothing is said.
    pub info: &'a str,
}

impl<'a> File<'a> {
    /// A file of this id.
    pub fn new(id: &'a FileId, sha256: &'a str, info: &'a str) -> Self {
        Self {
            author: &id.author,
            directory: &id.directory,
            name: &id.name,
            sha256,
            info,
        }
    }

    /// The sum of this file alone.
    fn spread(&self) -> Sum {
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        for part in [
            self.author,
            self.directory,
            self.name,
            self.sha256,
            self.info,
        ] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let seed = hash.finalize();
        let mut sum = Sum::default();
        for (count, lanes) in (0_u8..).zip(sum.0.chunks_exact_mut(4)) {
            let mut hash = Sha256::new();
            hash.update(seed);
            hash.update([count]);
            let block = hash.finalize();
            for (lane, eight) in lanes.iter_mut().zip(block.chunks_exact(8)) {
                *lane = eight
                    .iter()
                    .rev()
                    .fold(0, |all, byte| (all << 8) | u64::from(*byte));
            }
        }
        sum
    }
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

/// SHA-256 of a content that comes piece by piece.
#[derive(Debug, Clone, Default)]
pub struct ContentHash(Sha256);

impl ContentHash {
    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all, hexadecimal in lower case.
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
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
    fn neighbours_cannot_be_moved_across_a_border() {
        let a = [entry("ab/c/d.R", "x")];
        let b = [entry("a/bc/d.R", "x")];
        let c = [entry("a/b/cd.R", "x")];
        assert_ne!(root(&a), root(&b));
        assert_ne!(root(&b), root(&c));
        assert_ne!(root(&a), root(&c));
    }

    #[test]
    fn carries_run_through_all_lanes() {
        let most = Sum([u64::MAX; LANES]);
        let mut one = Sum::default();
        one.0[0] = 1;
        let mut sum = most.clone();
        sum.merge(&one);
        assert_eq!(sum, Sum::default());
        sum.take(&one);
        assert_eq!(sum, most);
        assert_eq!(Sum::from_bytes(&most.to_bytes()), Some(most));
        assert_eq!(Sum::from_bytes(&[0; 255]), None);
    }

    #[test]
    fn what_is_said_about_a_file_counts() {
        let plain = entry("a/d/f.R", "x");
        let mut public = plain.clone();
        public.info = Some(Box::new(FileInfo {
            tags: vec!["risk".to_owned()],
            ..FileInfo::default()
        }));
        let roots = |a: &ManifestEntry, b: &ManifestEntry| {
            let root = |e: &ManifestEntry| root(std::slice::from_ref(e));
            (root(a), root(b))
        };
        let (one, other) = roots(&plain, &public);
        assert_ne!(one, other);
        public.info = Some(Box::default());
        let (one, other) = roots(&plain, &public);
        assert_eq!(one, other, "nothing said is nothing said");
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
        fn a_sum_that_was_kept_up_is_the_sum_of_what_is_there(files in entries(12), gone in proptest::collection::vec(any::<bool>(), 12)) {
            let mut kept = Sum::default();
            for file in &files {
                kept.add_entry(file);
            }
            let mut left = Vec::new();
            for (file, gone) in files.iter().rev().zip(gone) {
                if gone {
                    kept.remove(&File::new(&file.id, &file.sha256, ""));
                } else {
                    left.push(file.clone());
                }
            }
            prop_assert_eq!(kept.digest(), root(&left));
        }
    }
}
