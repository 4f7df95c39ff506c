//! Where groups differ: the trees of hashes, as far as they do, and the files behind them in pages.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::future::try_join_all;
use gridhelm_api::changeset::{Branch, Manifest, Tree};

use super::listed::{Changed, Place, Side, Steady, Told, pages};
use crate::error::Result;
use crate::methods::Client;

/// Where groups differ, the first from any of the others.
pub(super) struct Differing<'c> {
    pub(super) sides: Vec<Side<'c>>,
    /// The directories to read, in order, each once: those that differ, and those that were asked for.
    pub(super) directories: Vec<Place>,
    /// Files of all other directories.
    pub(super) same: u64,
    /// Requests that it took at each side.
    pub(super) requests: usize,
}

impl<'c> Differing<'c> {
    /// Reads the trees of these groups, whose roots were read, as far as they differ; `with` names the group with which each is compared.
    /// Of a tree only what is said of those directories is kept: of a million files there are ten thousand others.
    pub(super) async fn find(
        clients: &[&'c Client],
        roots: Vec<Tree>,
        with: Vec<String>,
        also: &[Place],
    ) -> Result<Steady<Self>> {
        let mut asked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for author in all_differing(&roots) {
            asked.entry(author).or_default();
        }
        for (author, directory) in also {
            let of = asked.entry(author.clone()).or_default();
            of.insert(directory.clone());
        }
        let mut told: Vec<Told> = roots.iter().map(|_| Told::default()).collect();
        let mut directories: Vec<Place> = Vec::new();
        let requests = 1 + asked.len();
        for (author, mut wanted) in asked {
            let trees = try_join_all(clients.iter().map(|side| side.tree(Some(&author)))).await?;
            for ((now, before), side) in trees.iter().zip(&roots).zip(clients) {
                if now.root != before.root {
                    return Ok(Err(Changed(side.base().to_owned())));
                }
            }
            wanted.extend(all_differing(&trees));
            for (told, tree) in told.iter_mut().zip(trees) {
                told.keep(&author, tree, &wanted);
            }
            directories.extend(wanted.into_iter().map(|name| (author.clone(), name)));
        }
        let of_first = |place: &Place| told.first().map_or(0, |told| told.files(place));
        let read: u64 = directories.iter().map(of_first).sum();
        let files = roots.first().map_or(0, |root| root.files);
        let sides = clients.iter().zip(roots).zip(told).zip(with);
        let sides = sides.map(|(((client, tree), told), with)| Side {
            client,
            tree,
            told,
            with,
        });
        Ok(Ok(Self {
            sides: sides.collect(),
            directories,
            same: files.saturating_sub(read),
            requests,
        }))
    }

    /// Reads the files of the directories, a page of all sides at a time; how many requests it took at each side.
    pub(super) async fn each_page(
        &self,
        mut page: impl FnMut(Vec<Manifest>),
    ) -> Result<Steady<usize>> {
        let pages = pages(&self.directories, &self.sides);
        for directories in &pages {
            let asked = self.sides.iter().map(|side| side.page(directories));
            let mut read = Vec::new();
            for (side, listed) in self.sides.iter().zip(try_join_all(asked).await?) {
                match listed {
                    Ok(listed) => read.push(Manifest {
                        entries: listed.entries,
                        gone: listed.gone,
                        ..empty(&side.tree)
                    }),
                    Err(changed) => return Ok(Err(changed)),
                }
            }
            page(read);
        }
        Ok(Ok(pages.len()))
    }
}

/// A side of which nothing is read yet.
pub(super) fn empty(tree: &Tree) -> Manifest {
    Manifest {
        group: tree.group.clone(),
        epoch: tree.epoch,
        root: tree.root.clone(),
        entries: Vec::new(),
        gone: Vec::new(),
    }
}

/// Names of branches in which any of the trees is not as the first.
fn all_differing(trees: &[Tree]) -> BTreeSet<String> {
    let Some((first, others)) = trees.split_first() else {
        return BTreeSet::new();
    };
    let others = others.iter();
    others
        .flat_map(|other| differing(&first.branches, &other.branches))
        .collect()
}

/// Names of branches that are not the same on both sides, in order.
fn differing(a: &[Branch], b: &[Branch]) -> Vec<String> {
    let other: HashMap<&str, &str> = b.iter().map(|b| (&*b.name, &*b.hash)).collect();
    let mine: HashMap<&str, &str> = a.iter().map(|a| (&*a.name, &*a.hash)).collect();
    let of_a = a.iter().filter(|a| other.get(&*a.name) != Some(&&*a.hash));
    let of_b = b.iter().filter(|b| !mine.contains_key(&*b.name));
    of_a.chain(of_b).map(|branch| branch.name.clone()).collect()
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
