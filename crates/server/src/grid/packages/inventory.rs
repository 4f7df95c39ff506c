//! The packages of one node as they were read, and how lists are laid side by side. Values only.

use gridhelm_api::Millis;
use gridhelm_api::packages::{
    InstalledPackage, Library, MAX_PACKAGES, OtherVersion, PackageRow, compare_versions,
};
use gridhelm_rserve::packages::Packages;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The longest name or version, bytes; R itself allows no longer ones.
const MAX_TEXT: usize = 200;
/// The longest name of a library or a repository, bytes.
const MAX_PLACE: usize = 1_000;

/// The packages of a node at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// When they were read.
    pub read_at: Millis,
    /// The user that R runs as.
    pub user: String,
    /// The libraries, in R's order.
    pub libraries: Vec<Library>,
    /// The repositories that are set.
    pub repositories: Vec<String>,
    /// Whether there were more packages.
    pub cut: bool,
    /// The packages, in the order of the libraries.
    pub packages: Vec<InstalledPackage>,
    /// What tells that nothing changed; see [`mark`].
    pub mark: u64,
    /// Name to the first of that name.
    first: BTreeMap<String, usize>,
}

impl Inventory {
    /// What was read at a moment.
    pub fn new(read: Packages, read_at: Millis) -> Self {
        let pairs = read.installed.iter();
        let mark = mark(pairs.map(|p| (p.name.as_str(), p.version.as_str())));
        let packages: Vec<InstalledPackage> = read
            .installed
            .into_iter()
            .take(MAX_PACKAGES)
            .map(|p| InstalledPackage {
                name: cut(p.name, MAX_TEXT),
                version: cut(p.version, MAX_TEXT),
                library: cut(p.library, MAX_PLACE),
                priority: Some(p.priority)
                    .filter(|p| !p.is_empty())
                    .map(|p| cut(p, MAX_TEXT)),
                built: cut(p.built, MAX_TEXT),
            })
            .collect();
        let mut first = BTreeMap::new();
        for (index, package) in packages.iter().enumerate() {
            first.entry(package.name.clone()).or_insert(index);
        }
        let libraries = read.libraries.into_iter();
        Self {
            read_at,
            user: cut(read.user, MAX_TEXT),
            libraries: libraries
                .map(|(path, writable)| Library {
                    path: cut(path, MAX_PLACE),
                    writable,
                })
                .collect(),
            repositories: read
                .repositories
                .into_iter()
                .map(|r| cut(r, MAX_PLACE))
                .collect(),
            cut: read.cut,
            packages,
            mark,
            first,
        }
    }

    /// Whether R finds a package of this name. In a list that was cut every package may be.
    pub fn has(&self, name: &str) -> bool {
        self.cut || self.first.contains_key(name)
    }

    /// How many of these names R does not find.
    pub fn lacks(&self, names: &BTreeSet<String>) -> usize {
        names.iter().filter(|name| !self.has(name)).count()
    }

    /// Each package once, as R finds it.
    fn found(&self) -> impl Iterator<Item = &InstalledPackage> {
        self.first.values().filter_map(|at| self.packages.get(*at))
    }
}

/// A number that another list has with the same packages in the same order only. The first 20,000 count.
pub fn mark<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for pair in pairs.take(MAX_PACKAGES) {
        pair.hash(&mut hasher);
    }
    hasher.finish()
}

fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

/// The lists of several nodes side by side: a row for every package that any of them has, by name.
pub fn merge(lists: &[(String, std::sync::Arc<Inventory>)]) -> Vec<PackageRow> {
    let mut by_name: BTreeMap<&str, (bool, BTreeMap<&str, Vec<usize>>)> = BTreeMap::new();
    for (node, (_, list)) in lists.iter().enumerate() {
        for package in list.found() {
            let (base, versions) = by_name
                .entry(&package.name)
                .or_insert((true, BTreeMap::new()));
            *base &= package.is_base();
            versions.entry(&package.version).or_default().push(node);
        }
    }
    by_name
        .into_iter()
        .map(|(name, (base, versions))| PackageRow {
            base,
            ..row(name, versions, lists)
        })
        .collect()
}

fn row(
    name: &str,
    versions: BTreeMap<&str, Vec<usize>>,
    lists: &[(String, std::sync::Arc<Inventory>)],
) -> PackageRow {
    let having: BTreeSet<usize> = versions.values().flatten().copied().collect();
    let lacking: Vec<usize> = (0..lists.len()).filter(|n| !having.contains(n)).collect();
    let mut kinds: Vec<(Option<&str>, Vec<usize>)> =
        versions.into_iter().map(|(v, n)| (Some(v), n)).collect();
    // Newest first, and none at all last.
    kinds.sort_by(|(a, _), (b, _)| compare_versions(b.unwrap_or(""), a.unwrap_or("")));
    if !lacking.is_empty() {
        kinds.push((None, lacking));
    }
    let most = kinds.iter().map(|(_, nodes)| nodes.len()).max();
    let usual = kinds
        .iter()
        .position(|(_, nodes)| Some(nodes.len()) == most)
        .unwrap_or(0);
    let version = kinds.get(usual).and_then(|(v, _)| v.map(str::to_owned));
    let others = kinds
        .into_iter()
        .enumerate()
        .filter(|(at, _)| *at != usual)
        .map(|(_, (version, nodes))| OtherVersion {
            version: version.map(str::to_owned),
            nodes: nodes
                .into_iter()
                .filter_map(|n| lists.get(n).map(|(node, _)| node.clone()))
                .collect(),
        })
        .collect();
    PackageRow {
        name: name.to_owned(),
        version,
        base: false,
        others,
    }
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
