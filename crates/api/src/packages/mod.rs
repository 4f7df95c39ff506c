//! R packages: what nodes have, what differs between them, what a script needs, and installing.

mod needs;
mod version;

pub use needs::{Needs, needs};
pub use version::compare_versions;

use crate::names::check_reason;
use crate::{FieldError, Millis};
use serde::{Deserialize, Serialize};

/// The most packages of one node that are kept; more are cut off.
pub const MAX_PACKAGES: usize = 20_000;
/// The most names in one request.
pub const MAX_NAMES: usize = 100;

/// The label by which a task goes to one node and no other; every node has it without being given it.
pub fn node_label(node: &str) -> String {
    format!("{NODE_LABEL}{node}")
}

/// How [`node_label`] begins.
pub const NODE_LABEL: &str = "node=";

/// A package in a library of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct InstalledPackage {
    /// Its name.
    pub name: String,
    /// Its version, `1.8.7`.
    pub version: String,
    /// The library, a folder on the node, that it is in.
    pub library: String,
    /// `base` or `recommended` for what comes with R.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// The version of R that it was built with.
    pub built: String,
}

impl InstalledPackage {
    /// Whether it is a part of R itself: always there, never installed.
    pub fn is_base(&self) -> bool {
        self.priority.as_deref() == Some("base")
    }
}

/// A library of a node: a folder with packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Library {
    /// The folder on the node.
    pub path: String,
    /// Whether the node's user may write there.
    pub writable: bool,
}

/// The packages of one node, as they were last read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct NodePackages {
    /// The node.
    pub node: String,
    /// When the list was read; absent while it never was since the active server took over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Millis>,
    /// Why the last reading failed; what is shown is older then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The task that installs on it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The user that R runs as.
    #[serde(default)]
    pub user: String,
    /// Its libraries, in the order in which R looks into them.
    #[serde(default)]
    pub libraries: Vec<Library>,
    /// The repositories from which it installs; empty while none is set.
    #[serde(default)]
    pub repositories: Vec<String>,
    /// Whether there were more than 20,000 packages; those behind are not here.
    #[serde(default)]
    pub cut: bool,
    /// The packages, in the order of the libraries. What is in two libraries occurs twice: R takes the first.
    #[serde(default)]
    pub packages: Vec<InstalledPackage>,
}

/// A node's part in [`GridPackages`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct NodeReading {
    /// The node.
    pub node: String,
    /// When its list was read; absent: its packages are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Millis>,
    /// Why the last reading failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// How many packages it has.
    pub packages: u32,
    /// The task that installs on it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}

/// Nodes that have another version of a package than most, or that lack it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct OtherVersion {
    /// The version; absent: they lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The nodes, by name.
    pub nodes: Vec<String>,
}

/// One package over the nodes whose lists are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct PackageRow {
    /// Its name.
    pub name: String,
    /// The version that most nodes have, the newest of those that equally many have; absent: most lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether it is a part of R itself.
    pub base: bool,
    /// The nodes where it is otherwise, newest version first, those that lack it last. Empty: it is the same everywhere.
    pub others: Vec<OtherVersion>,
}

impl PackageRow {
    /// Whether the nodes differ.
    pub fn differs(&self) -> bool {
        !self.others.is_empty()
    }

    /// What a node has of it, the node's list being known.
    pub fn on(&self, node: &str) -> Option<&str> {
        let other = self
            .others
            .iter()
            .find(|other| other.nodes.iter().any(|name| name == node));
        other.map_or(self.version.as_deref(), |other| other.version.as_deref())
    }
}

/// `GET /packages`: the packages of the grid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct GridPackages {
    /// The nodes, by name, with the age of their lists.
    pub nodes: Vec<NodeReading>,
    /// The packages, by name, over the nodes whose lists are known.
    pub packages: Vec<PackageRow>,
}

/// `POST /nodes/{name}/packages`: installs from the node's own repositories. Give names, or `outdated`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct PackageInstall {
    /// What to install, or to bring to the newest version; 1 to 100 names.
    #[serde(default)]
    pub names: Vec<String>,
    /// Instead of names: whatever has a newer version in the repositories.
    #[serde(default)]
    pub outdated: bool,
    /// Why; 3 to 500 characters.
    pub reason: String,
    /// The longest time that it may take, seconds, 1 to 86,400; the default is 1,800.
    #[serde(default = "default_timeout")]
    pub timeout_s: u32,
}

const fn default_timeout() -> u32 {
    1_800
}

impl PackageInstall {
    /// Every field that is not acceptable, with the reason.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if self.outdated != self.names.is_empty() {
            let text = "Give names, or outdated, and not both.";
            errors.push(FieldError::new("names", text));
        }
        errors.extend(check_names(&self.names).err());
        errors.extend(check_reason("reason", &self.reason).err());
        if !(1..=86_400).contains(&self.timeout_s) {
            errors.push(FieldError::new("timeout_s", "Give 1 to 86400 seconds."));
        }
        errors
    }
}

/// Whether a text can be an R package's name: 2 to 100 ASCII letters, digits and dots, starting with a letter and not
/// ending with a dot.
pub fn is_package_name(name: &str) -> bool {
    (2..=100).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && !name.ends_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
}

fn check_names(names: &[String]) -> Result<(), FieldError> {
    if names.len() > MAX_NAMES {
        return Err(FieldError::new("names", "Give at most 100 names."));
    }
    match names.iter().find(|name| !is_package_name(name)) {
        None => Ok(()),
        Some(bad) => {
            let bad: String = bad.chars().take(40).collect();
            Err(FieldError::new(
                "names",
                format!(
                    "“{bad}” is no R package's name: 2 to 100 letters, digits and dots, starting with a letter."
                ),
            ))
        }
    }
}

/// `POST /packages/check`: which of these packages the group's nodes lack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct PackagesQuestion {
    /// The packages, at most 100 names.
    pub names: Vec<String>,
}

impl PackagesQuestion {
    /// Every field that is not acceptable, with the reason.
    pub fn check(&self) -> Vec<FieldError> {
        check_names(&self.names).err().into_iter().collect()
    }
}

/// A package that nodes lack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct LackedPackage {
    /// The package.
    pub name: String,
    /// The nodes that lack it, by name.
    pub nodes: Vec<String>,
}

/// What nodes that take work lack of the packages asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct PackagesAnswer {
    /// The packages that some node lacks, by name.
    pub lacked: Vec<LackedPackage>,
    /// The nodes that have all of them, by name.
    pub complete: Vec<String>,
    /// The nodes whose packages are not known.
    pub unknown: Vec<String>,
}

impl PackagesAnswer {
    /// Whether it is certain that no node has them all.
    pub fn is_nowhere(&self) -> bool {
        !self.lacked.is_empty() && self.complete.is_empty() && self.unknown.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_that_are_no_packages_are_refused() {
        for good in ["R6", "data.table", "jsonlite", "A1"] {
            assert!(is_package_name(good), "{good}");
        }
        let long = "x".repeat(101);
        for bad in [
            "", "x", ".x", "1x", "a b", "a;b", "x.", "a/b", "a\"b", "ä1", &long,
        ] {
            assert!(!is_package_name(bad), "{bad}");
        }
    }

    #[test]
    fn an_order_names_packages_or_all_that_is_outdated() {
        let order = |names: &[&str], outdated| PackageInstall {
            names: names.iter().map(|n| (*n).to_owned()).collect(),
            outdated,
            reason: "needed by risk".to_owned(),
            timeout_s: 60,
        };
        assert!(order(&["jsonlite"], false).check().is_empty());
        assert!(order(&[], true).check().is_empty());
        assert_eq!(order(&[], false).check().len(), 1);
        assert_eq!(order(&["jsonlite"], true).check().len(), 1);
        assert_eq!(order(&["x; quit()"], false).check().len(), 1);
    }

    #[test]
    fn a_row_tells_what_each_node_has() {
        let row = PackageRow {
            name: "R6".into(),
            version: Some("2.5".into()),
            base: false,
            others: vec![OtherVersion {
                version: None,
                nodes: vec!["n2".into()],
            }],
        };
        assert_eq!(row.on("n1"), Some("2.5"));
        assert_eq!(row.on("n2"), None);
        assert!(row.differs());
    }
}
