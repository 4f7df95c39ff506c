//! Reading what differs between groups: only the branches of the trees of hashes that do.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gridhelm_api::changeset::{Branch, Listings, ListingsRequest, MAX_BRANCHES, Manifest, Tree};
use gridhelm_api::repository::FileId;
use gridhelm_replicate::Sum;

use crate::error::{Error, Result};
use crate::methods::Client;

/// How often a side is read again that changes while it is read.
const READINGS: usize = 4;

/// Repositories of at most so many files are read whole: nobody waits for that, and all of it can be shown.
const SMALL: u64 = 1_000;

/// A directory: its author and its name.
pub type Place = (String, String);

/// Two repositories, as far as they differ.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Whether all of both was read.
    pub whole: bool,
    /// The source: its root, and the files of the directories that were read.
    pub source: Arc<Manifest>,
    /// The target, likewise.
    pub target: Arc<Manifest>,
    /// The directories that were read, in order: those that differ, and those that were asked for.
    pub directories: Vec<Place>,
    /// Files of all other directories, which are the same on both sides.
    pub same: u64,
    /// Requests that it took at each side.
    pub requests: usize,
}

impl Pair {
    /// As much of this pair as tells what changed since an earlier one was read: of directories that were the same on both sides
    /// then, only what is not the same now.
    #[must_use]
    pub fn since(mut self, earlier: &Self) -> Self {
        if earlier.whole {
            return self;
        }
        let was_read = |id: &FileId| {
            let place = (id.author.clone(), id.directory.clone());
            earlier.directories.binary_search(&place).is_ok()
        };
        let (source, target) = (Arc::clone(&self.source), Arc::clone(&self.target));
        let only = |mine: &Manifest, other: &Manifest| {
            let there: HashMap<&FileId, &str> =
                other.entries.iter().map(|e| (&e.id, &*e.sha256)).collect();
            let mut mine = mine.clone();
            mine.entries
                .retain(|e| was_read(&e.id) || there.get(&e.id) != Some(&&*e.sha256));
            Arc::new(mine)
        };
        self.source = only(&source, &target);
        self.target = only(&target, &source);
        self
    }
}

/// Reads what differs between two groups, and these directories in any case; all of it where they are small or `whole` says so.
/// Equal repositories cost one request a side.
pub async fn read_pair(
    source: &Client,
    target: &Client,
    also: &[Place],
    whole: bool,
) -> Result<Pair> {
    let mut last = None;
    for _ in 0..READINGS {
        match read_once(source, target, also, whole).await? {
            Ok(pair) => return Ok(pair),
            Err(unstable) => last = Some(unstable),
        }
    }
    let url = last.unwrap_or_else(|| source.base().to_owned());
    Err(Error::Decode {
        url,
        status: 200,
        detail: "the repository changes faster than it can be read".to_owned(),
    })
}

/// As [`read_pair`]; the address of a side that changed meanwhile.
async fn read_once(
    source: &Client,
    target: &Client,
    also: &[Place],
    whole: bool,
) -> Result<core::result::Result<Pair, String>> {
    let (from, to) = futures_util::try_join!(source.tree(None), target.tree(None))?;
    if whole || from.files.max(to.files) <= SMALL {
        let (from, to) =
            futures_util::try_join!(source.manifest(&to.group), target.manifest(&from.group))?;
        return Ok(Ok(Pair {
            whole: true,
            source: Arc::new(from),
            target: Arc::new(to),
            directories: Vec::new(),
            same: 0,
            requests: 2,
        }));
    }
    let mut directories: Vec<Place> = also.to_vec();
    let mut hashes: [BTreeMap<Place, Branch>; 2] = Default::default();
    let mut requests = 1;
    let mut authors = differing(&from.branches, &to.branches);
    authors.extend(also.iter().map(|(author, _)| author.clone()));
    authors.sort_unstable();
    authors.dedup();
    for author in authors {
        requests += 1;
        let (from_here, to_here) =
            futures_util::try_join!(source.tree(Some(&author)), target.tree(Some(&author)))?;
        for (now, before, side) in [(&from_here, &from, source), (&to_here, &to, target)] {
            if now.root != before.root {
                return Ok(Err(side.base().to_owned()));
            }
        }
        let named = differing(&from_here.branches, &to_here.branches);
        directories.extend(named.into_iter().map(|name| (author.clone(), name)));
        keep(&mut hashes, &author, [from_here, to_here]);
    }
    let same = unread(from.files, &mut directories, &hashes[0]);
    requests += directories.len().div_ceil(MAX_BRANCHES);
    let (from_group, to_group) = (from.group.clone(), to.group.clone());
    let (source_side, target_side) = futures_util::try_join!(
        side(source, from, &directories, &to_group, &hashes[0]),
        side(target, to, &directories, &from_group, &hashes[1])
    )?;
    Ok(match (source_side, target_side) {
        (Some(source), Some(target)) => Ok(Pair {
            whole: false,
            source: Arc::new(source),
            target: Arc::new(target),
            directories,
            same,
            requests,
        }),
        (None, _) => Err(source.base().to_owned()),
        (_, None) => Err(target.base().to_owned()),
    })
}

/// Any number of groups, as far as not all of them are the same; and how many files the first has where they are.
pub async fn read_groups(groups: &[Client]) -> Result<(Vec<Arc<Manifest>>, u64)> {
    let roots = futures_util::future::try_join_all(groups.iter().map(|g| g.tree(None))).await?;
    let Some(first) = roots.first() else {
        return Ok((Vec::new(), 0));
    };
    let (with, files) = (first.group.clone(), first.files);
    let mut authors: Vec<String> = roots
        .iter()
        .skip(1)
        .flat_map(|other| differing(&first.branches, &other.branches))
        .collect();
    authors.sort_unstable();
    authors.dedup();
    let mut hashes: Vec<BTreeMap<Place, Branch>> = vec![BTreeMap::new(); groups.len()];
    let mut directories: Vec<Place> = Vec::new();
    for author in authors {
        let asked = groups.iter().map(|group| group.tree(Some(&author)));
        let trees = futures_util::future::try_join_all(asked).await?;
        for other in trees.iter().skip(1) {
            let named = differing(&trees[0].branches, &other.branches);
            directories.extend(named.into_iter().map(|name| (author.clone(), name)));
        }
        keep(&mut hashes, &author, trees);
    }
    let same = unread(files, &mut directories, &hashes[0]);
    let sides = groups.iter().zip(roots).zip(&hashes);
    let sides =
        sides.map(|((client, tree), hashes)| side(client, tree, &directories, &with, hashes));
    let found = futures_util::future::try_join_all(sides).await?;
    let mut manifests = Vec::new();
    for (manifest, client) in found.into_iter().zip(groups) {
        let manifest = manifest.ok_or_else(|| Error::Decode {
            url: client.base().to_owned(),
            status: 200,
            detail: "the repository changed while it was read; compare again".to_owned(),
        })?;
        manifests.push(Arc::new(manifest));
    }
    Ok((manifests, same))
}

/// Keeps what an author's trees say of each directory, side by side.
fn keep(
    hashes: &mut [BTreeMap<Place, Branch>],
    author: &str,
    trees: impl IntoIterator<Item = Tree>,
) {
    for (hashes, tree) in hashes.iter_mut().zip(trees) {
        let of = tree.branches.into_iter();
        hashes.extend(of.map(|b| ((author.to_owned(), b.name.clone()), b)));
    }
}

/// Puts the directories to read in order, each once; how many of so many files are in no such directory.
fn unread(files: u64, directories: &mut Vec<Place>, hashes: &BTreeMap<Place, Branch>) -> u64 {
    directories.sort_unstable();
    directories.dedup();
    let read = directories.iter().filter_map(|place| hashes.get(place));
    files.saturating_sub(read.map(|branch| branch.files).sum())
}

/// Names of branches that are not the same on both sides, in order.
fn differing(a: &[Branch], b: &[Branch]) -> Vec<String> {
    let other: HashMap<&str, &str> = b.iter().map(|b| (&*b.name, &*b.hash)).collect();
    let mine: HashMap<&str, &str> = a.iter().map(|a| (&*a.name, &*a.hash)).collect();
    let of_a = a.iter().filter(|a| other.get(&*a.name) != Some(&&*a.hash));
    let of_b = b.iter().filter(|b| !mine.contains_key(&*b.name));
    of_a.chain(of_b).map(|branch| branch.name.clone()).collect()
}

/// One side's files of these directories; `None` when it changed since its tree was read. What the server says of a directory must be
/// what its files have: a side that is damaged must not pass for equal.
async fn side(
    client: &Client,
    tree: Tree,
    directories: &[Place],
    with: &str,
    hashes: &BTreeMap<Place, Branch>,
) -> Result<Option<Manifest>> {
    let mut manifest = Manifest {
        group: tree.group,
        epoch: tree.epoch,
        root: tree.root,
        entries: Vec::new(),
        gone: Vec::new(),
    };
    for some in directories.chunks(MAX_BRANCHES) {
        let request = ListingsRequest {
            directories: some.to_vec(),
            with: Some(with.to_owned()),
        };
        let Listings {
            root,
            entries,
            gone,
        } = client.listings(&request).await?;
        if root != manifest.root {
            return Ok(None);
        }
        manifest.entries.extend(entries);
        manifest.gone.extend(gone);
    }
    for files in manifest
        .entries
        .chunk_by(|a, b| (&a.id.author, &a.id.directory) == (&b.id.author, &b.id.directory))
    {
        let mut sum = Sum::default();
        for file in files {
            sum.add_entry(file);
        }
        let id = &files[0].id;
        let told = hashes.get(&(id.author.clone(), id.directory.clone()));
        if told.is_some_and(|told| told.hash != sum.digest()) {
            return Err(Error::Decode {
                url: client.base().to_owned(),
                status: 200,
                detail: format!(
                    "the hash of {}/{} is not that of its files",
                    id.author, id.directory
                ),
            });
        }
    }
    Ok(Some(manifest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_of_one_side_alone_differ() {
        let branch = |name: &str, hash: &str| Branch {
            name: name.to_owned(),
            hash: hash.to_owned(),
            files: 1,
            bytes: 1,
        };
        let a = [branch("one", "1"), branch("same", "s"), branch("two", "2")];
        let b = [
            branch("same", "s"),
            branch("three", "3"),
            branch("two", "3"),
        ];
        assert_eq!(differing(&a, &b), ["one", "two", "three"]);
        assert!(differing(&a, &a).is_empty());
    }
}
