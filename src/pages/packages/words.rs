//! What the page decides and says, without a browser.

use gridhelm_api::packages::{GridPackages, NodeReading, PackageRow};

use crate::ui::format::{counted, listed_some};

/// Nodes that get a column of their own; with more of them the others are told in words.
pub(super) const COLUMNS: usize = 12;
/// Rows that are drawn; the filter finds the others.
pub(super) const ROWS: usize = 400;
/// Names of nodes that are told in one place.
const TOLD: usize = 4;

/// What a node has of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// The usual version.
    Usual(String),
    /// Another one.
    Other(String),
    /// Not there.
    Missing,
    /// Its list was not read yet.
    Unknown,
}

pub(super) fn cell(row: &PackageRow, node: &NodeReading) -> Cell {
    if node.read_at.is_none() {
        return Cell::Unknown;
    }
    match row.on(&node.node) {
        None => Cell::Missing,
        version if version == row.version.as_deref() => {
            Cell::Usual(version.unwrap_or_default().to_owned())
        }
        version => Cell::Other(version.unwrap_or_default().to_owned()),
    }
}

/// The rows that are wanted, as indices.
pub(super) fn wanted(packages: &GridPackages, text: &str, differing: bool) -> Vec<usize> {
    let text = text.trim().to_lowercase();
    let rows = packages.packages.iter().enumerate();
    rows.filter(|(_, row)| (!differing || row.differs()) && row.name.to_lowercase().contains(&text))
        .map(|(index, _)| index)
        .collect()
}

/// Where it is otherwise, in a sentence.
pub(super) fn others(row: &PackageRow) -> String {
    let parts: Vec<String> = row
        .others
        .iter()
        .map(|other| {
            let nodes = listed_some(&other.nodes, TOLD);
            match &other.version {
                Some(version) => format!("{version} on {nodes}"),
                None => format!("missing on {nodes}"),
            }
        })
        .collect();
    parts.join("; ")
}

/// What differs, in a sentence.
pub(super) fn summary(packages: &GridPackages) -> String {
    let known = packages.nodes.iter().filter(|n| n.read_at.is_some());
    let (known, all) = (known.count(), packages.nodes.len());
    let differing = packages.packages.iter().filter(|row| row.differs()).count();
    let failed: Vec<String> = packages
        .nodes
        .iter()
        .filter(|n| n.fault.is_some())
        .map(|n| n.node.clone())
        .collect();
    let mut rest = String::new();
    if known < all {
        rest = format!("; {known} of {all} nodes were read");
    }
    if !failed.is_empty() {
        rest = format!(
            "{rest}; not read when last tried: {}",
            listed_some(&failed, TOLD)
        );
    }
    let every = if rest.is_empty() {
        "every node"
    } else {
        "every node that was read"
    };
    match (packages.packages.len(), differing) {
        (0, _) => "No node's packages are known yet.".to_owned(),
        (total, 0) => format!("{}, the same on {every}{rest}.", counted(total, "package")),
        (total, n) => format!("{n} of {total} packages differ between nodes{rest}."),
    }
}

/// The names that a person typed, with commas or spaces between them.
pub(super) fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for name in text.split(|c: char| c == ',' || c.is_whitespace()) {
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridhelm_api::packages::OtherVersion;

    fn reading(node: &str, read_at: Option<i64>) -> NodeReading {
        NodeReading {
            node: node.to_owned(),
            read_at,
            fault: None,
            packages: 2,
            task: None,
        }
    }

    fn row(name: &str, others: &[(Option<&str>, &[&str])]) -> PackageRow {
        PackageRow {
            name: name.to_owned(),
            version: Some("2.0".to_owned()),
            base: false,
            others: others
                .iter()
                .map(|(version, nodes)| OtherVersion {
                    version: version.map(str::to_owned),
                    nodes: nodes.iter().map(|n| (*n).to_owned()).collect(),
                })
                .collect(),
        }
    }

    fn packages() -> GridPackages {
        GridPackages {
            nodes: vec![
                reading("n1", Some(1)),
                reading("n2", Some(1)),
                reading("n3", None),
            ],
            packages: vec![
                row("R6", &[]),
                row("zoo", &[(Some("1.0"), &["n2"]), (None, &["n4", "n5"])]),
            ],
        }
    }

    #[test]
    fn a_cell_tells_usual_other_missing_and_unknown() {
        let all = packages();
        let zoo = &all.packages[1];
        assert_eq!(cell(zoo, &all.nodes[0]), Cell::Usual("2.0".to_owned()));
        assert_eq!(cell(zoo, &all.nodes[1]), Cell::Other("1.0".to_owned()));
        assert_eq!(cell(zoo, &all.nodes[2]), Cell::Unknown);
        assert_eq!(cell(zoo, &reading("n4", Some(1))), Cell::Missing);
    }

    #[test]
    fn rows_are_found_by_name_and_by_what_differs() {
        let all = packages();
        assert_eq!(wanted(&all, "", false), [0, 1]);
        assert_eq!(wanted(&all, "", true), [1]);
        assert_eq!(wanted(&all, "ZO", false), [1]);
        assert_eq!(wanted(&all, "r6", true), [] as [usize; 0]);
    }

    #[test]
    fn sentences_name_versions_and_nodes() {
        let all = packages();
        assert_eq!(others(&all.packages[1]), "1.0 on n2; missing on n4 and n5");
        assert_eq!(
            summary(&all),
            "1 of 2 packages differ between nodes; 2 of 3 nodes were read."
        );
        let mut same = packages();
        same.packages.pop();
        same.nodes.pop();
        assert_eq!(summary(&same), "1 package, the same on every node.");
        same.nodes[1].fault = Some("its port refuses".to_owned());
        assert_eq!(
            summary(&same),
            "1 package, the same on every node that was read; not read when last tried: n2."
        );
        let many: Vec<String> = (1..=6).map(|n| format!("n{n}")).collect();
        assert_eq!(listed_some(&many, TOLD), "n1, n2, n3, n4 and 2 more");
        assert_eq!(names(" zoo, R6\nzoo  "), ["zoo", "R6"]);
    }
}
