//! The files of directories that differ, page by page, each directory checked against what the tree of hashes said of it.

use std::collections::{BTreeMap, BTreeSet};

use gridhelm_api::changeset::{
    Branch, Listings, ListingsRequest, MAX_BRANCHES, ManifestEntry, Tree,
};
use gridhelm_replicate::Sum;

use crate::error::{Error, Result};
use crate::methods::Client;

/// A directory: its author and its name.
pub type Place = (String, String);

/// Files of one side in a page. An answer is there as text, as JSON and as files at once, and a browser never gives memory back that its
/// program once took: so the page is what that costs, however many files differ.
const PAGE: u64 = 5_000;

/// A side changed while it was read: its address.
#[derive(Debug)]
pub(super) struct Changed(pub(super) String);

/// What is read of a side that does not change meanwhile.
pub(super) type Steady<T> = core::result::Result<T, Changed>;

/// What a side's trees say of directories.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<Place, Branch>);

impl Told {
    /// Keeps what an author's tree says of these of its directories.
    pub(super) fn keep(&mut self, author: &str, tree: Tree, wanted: &BTreeSet<String>) {
        let wanted = tree
            .branches
            .into_iter()
            .filter(|branch| wanted.contains(&branch.name));
        self.0
            .extend(wanted.map(|branch| ((author.to_owned(), branch.name.clone()), branch)));
    }

    /// How many files a directory has.
    pub(super) fn files(&self, place: &Place) -> u64 {
        self.0.get(place).map_or(0, |branch| branch.files)
    }

    /// The first of these directories, or of those of the files, whose files do not have the hash that was told. Files are by author and
    /// directory.
    fn contradicted(&self, directories: &[Place], entries: &[ManifestEntry]) -> Option<Place> {
        let mut found: BTreeMap<(&str, &str), String> = BTreeMap::new();
        let same = |a: &ManifestEntry, b: &ManifestEntry| {
            (&a.id.author, &a.id.directory) == (&b.id.author, &b.id.directory)
        };
        for files in entries.chunk_by(same) {
            let mut sum = Sum::default();
            for file in files {
                sum.add_entry(file);
            }
            let id = &files[0].id;
            found.insert((&id.author, &id.directory), sum.digest());
        }
        let asked = directories.iter().map(|(a, d)| (a.as_str(), d.as_str()));
        let all: BTreeSet<(&str, &str)> = asked.chain(found.keys().copied()).collect();
        let owned = |(author, directory): (&str, &str)| (author.to_owned(), directory.to_owned());
        all.into_iter().map(owned).find(|place| {
            let told = self.0.get(place).map(|branch| branch.hash.as_str());
            let is = found.get(&(place.0.as_str(), place.1.as_str()));
            told != is.map(String::as_str)
        })
    }
}

/// One side of a reading.
pub(super) struct Side<'c> {
    pub(super) client: &'c Client,
    /// Its root.
    pub(super) tree: Tree,
    /// What it says of the directories that are read.
    pub(super) told: Told,
    /// The group with which it is compared.
    pub(super) with: String,
}

impl Side<'_> {
    /// The files of some directories as they were when the tree was read. What was written elsewhere since is no matter; what the server
    /// says of a directory must be what its files have: a side that is damaged must not pass for equal.
    pub(super) async fn page(&self, directories: &[Place]) -> Result<Steady<Listings>> {
        let request = ListingsRequest {
            directories: directories.to_vec(),
            with: Some(self.with.clone()),
        };
        let page = self.client.listings(&request).await?;
        let Some((author, directory)) = self.told.contradicted(directories, &page.entries) else {
            return Ok(Ok(page));
        };
        let url = self.client.base().to_owned();
        if page.root != self.tree.root {
            return Ok(Err(Changed(url)));
        }
        Err(Error::Decode {
            url,
            status: 200,
            detail: format!("the hash of {author}/{directory} is not that of its files"),
        })
    }
}

/// Directories in pages, in their order: each of as many as have no more files than a page holds on any side, and of one at least.
pub(super) fn pages<'p>(directories: &'p [Place], sides: &[Side<'_>]) -> Vec<&'p [Place]> {
    cut(directories, |place| {
        let files = sides.iter().map(|side| side.told.files(place));
        files.max().unwrap_or_default()
    })
}

fn cut(mut directories: &[Place], files: impl Fn(&Place) -> u64) -> Vec<&[Place]> {
    let mut pages = Vec::new();
    while !directories.is_empty() {
        let mut held = 0_u64;
        let fits = |place: &&Place| {
            held = held.saturating_add(files(place));
            held <= PAGE
        };
        let fitting = directories.iter().take(MAX_BRANCHES).take_while(fits);
        let (page, behind) = directories.split_at(fitting.count().max(1));
        pages.push(page);
        directories = behind;
    }
    pages
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gridhelm_api::repository::FileId;
    use proptest::prelude::*;

    fn place(n: usize) -> Place {
        ("ann".to_owned(), format!("{n:05}"))
    }

    proptest! {
        #[test]
        fn pages_are_bounded_and_lose_no_directory(files in proptest::collection::vec(prop_oneof![8 => 0..2_000_u64, 1 => 0..u64::MAX], 0..60)) {
            let directories: Vec<Place> = (0..files.len()).map(place).collect();
            let of = |place: &Place| files[place.1.parse::<usize>().unwrap()];
            let pages = cut(&directories, of);
            prop_assert_eq!(pages.concat(), directories.clone());
            for (n, page) in pages.iter().enumerate() {
                let held = page.iter().map(of).fold(0, u64::saturating_add);
                prop_assert!(page.len() == 1 || held <= PAGE);
                let more = pages.get(n + 1).map(|next| held.saturating_add(of(&next[0])));
                prop_assert!(more.is_none_or(|more| more > PAGE), "no page is cut too soon");
            }
        }
    }

    #[test]
    fn a_page_names_no_more_directories_than_a_server_takes() {
        let directories: Vec<Place> = (0..=MAX_BRANCHES).map(place).collect();
        let pages = cut(&directories, |_| 0);
        assert_eq!((pages.len(), pages[1].len()), (2, 1));
    }

    #[test]
    fn what_is_not_as_told_is_seen() {
        let file = |directory: &str, content: &str| ManifestEntry {
            id: FileId::new("ann", directory, "f.R"),
            sha256: gridhelm_replicate::content_hash(content.as_bytes()),
            size: 1,
            version: 1,
            written_at: 0,
            written_by: "ann".to_owned(),
            earlier: Vec::new(),
            info: None,
            base: None,
        };
        let of = |name: &str| ("ann".to_owned(), name.to_owned());
        let files = [file("a", "x"), file("b", "y")];
        let mut told = Told::default();
        for entry in &files {
            let mut sum = Sum::default();
            sum.add_entry(entry);
            let name = entry.id.directory.clone();
            let branch = Branch {
                name: name.clone(),
                hash: sum.digest(),
                files: 1,
                bytes: 1,
            };
            told.0.insert(of(&name), branch);
        }
        let asked = [of("a"), of("b"), of("not there")];
        assert_eq!(told.contradicted(&asked, &files), None);
        let other = [file("a", "x"), file("b", "z")];
        assert_eq!(told.contradicted(&asked, &other), Some(of("b")));
        assert_eq!(
            told.contradicted(&asked, &files[1..]),
            Some(of("a")),
            "a directory that is told and has no files"
        );
        let more = [file("a", "x"), file("b", "y"), file("c", "z")];
        assert_eq!(
            told.contradicted(&asked, &more),
            Some(of("c")),
            "files of a directory of which nothing was told"
        );
    }
}
