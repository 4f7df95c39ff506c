//! Installing packages on a node: an ordinary task that goes to that node only.

use super::{Submission, TaskError, Tasks};
use crate::grid::packages::ReadError;
use crate::store::Notes;
use gridhelm_api::packages::{
    NODE_LABEL, NodePackages, PackageInstall, PackagesAnswer, node_label,
};
use gridhelm_api::task::{Source, Task, TaskRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What runs on the node; its inputs are `names` and `outdated`.
const INSTALL: &str = include_str!("install.R");
/// How many names a title or a message tells.
const TOLD: usize = 5;

impl Tasks {
    /// Installs packages on a node, from the node's own repositories, as a task. `notes` are written with it.
    ///
    /// # Errors
    /// [`TaskError::Conflict`] when the node takes no tasks, installs already, or is not set up for it;
    /// [`TaskError::Node`] when its packages cannot be read.
    pub async fn install(
        self: &Arc<Self>,
        node: &str,
        order: &PackageInstall,
        by: &str,
        notes: Notes,
    ) -> Result<Task, TaskError> {
        if let Some(task) = self.installs().remove(node) {
            let text = format!("task {task} installs on {node} already; wait for it, or cancel it");
            return Err(TaskError::Conflict(text));
        }
        if let Some(why) = self.grid.takes_none(node) {
            return Err(TaskError::Conflict(why));
        }
        // As the node is now, and not as it was: somebody may just have mended it.
        let packages = self
            .grid
            .read_packages(node)
            .await
            .map_err(|error| match error {
                ReadError::Node(error) => TaskError::Node(error),
                error @ ReadError::NotFound(_) => TaskError::Conflict(error.to_string()),
            })?;
        if let Some(why) = refusal(&packages) {
            return Err(TaskError::Conflict(why));
        }
        self.submit(submission(node, order, by, notes)).await
    }

    /// The nodes on which packages are being installed by an order, each with the task that does it.
    pub fn installs(&self) -> BTreeMap<String, String> {
        let state = self.lock();
        let installing = state.live.values().filter(|live| live.needs.installs);
        installing
            .filter_map(|live| {
                let label = live.lock().stored.label.clone()?;
                let node = label.strip_prefix(NODE_LABEL)?;
                Some((node.to_owned(), live.id.clone()))
            })
            .collect()
    }
}

/// Why nothing can be installed on a node, with what to do.
fn refusal(node: &NodePackages) -> Option<String> {
    let name = &node.node;
    if node.repositories.is_empty() {
        return Some(format!(
            "no repository is set on {name}; set one with the line: eval options(repos = c(CRAN = \"https://…\")) in its Rserve \
             configuration, and start Rserve again"
        ));
    }
    if node.libraries.iter().any(|library| library.writable) {
        return None;
    }
    let folders: Vec<&str> = node.libraries.iter().map(|l| l.path.as_str()).collect();
    Some(format!(
        "the user {} of {name} can write none of its libraries ({}); make a folder that it owns and name it in R_LIBS_USER where \
         Rserve is started",
        node.user,
        folders.join(", ")
    ))
}

/// What an order is about, in words.
pub(crate) fn title(node: &str, order: &PackageInstall) -> String {
    if order.outdated {
        return format!("Update packages on {node}");
    }
    format!("Install {} on {node}", told(&order.names))
}

fn told(names: &[String]) -> String {
    let more = names.len().saturating_sub(TOLD);
    let named = names[..names.len() - more].join(", ");
    if more == 0 {
        named
    } else {
        format!("{named} and {more} more")
    }
}

fn submission(node: &str, order: &PackageInstall, by: &str, notes: Notes) -> Submission {
    let inputs = BTreeMap::from([
        ("names".to_owned(), order.names.clone().into()),
        ("outdated".to_owned(), order.outdated.into()),
    ]);
    let request = TaskRequest {
        source: Source::Code {
            code: INSTALL.to_owned(),
        },
        inputs,
        outputs: Vec::new(),
        timeout_s: order.timeout_s,
        priority: 0,
        re_executable: false,
        label: Some(node_label(node)),
        ignore_packages: true,
        reuse: false,
    };
    Submission {
        request,
        code: INSTALL.to_owned(),
        title: title(node, order),
        script: None,
        script_version: None,
        by: by.to_owned(),
        waited_for: false,
        notes,
    }
}

/// That no node has what the code names, in words.
pub(super) fn nowhere(answer: &PackagesAnswer) -> String {
    let mut nodes: Vec<&str> = answer
        .lacked
        .iter()
        .flat_map(|package| package.nodes.iter().map(String::as_str))
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    let packages: Vec<String> = answer.lacked.iter().map(|p| p.name.clone()).collect();
    let nodes: Vec<String> = nodes.into_iter().map(str::to_owned).collect();
    format!(
        "no node has all packages that the code names: {} missing on {}; install them on the Packages page, or send \
         ignore_packages to run it all the same",
        told(&packages),
        told(&nodes)
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gridhelm_api::packages::{LackedPackage, Library, needs};

    fn node(repositories: &[&str], writable: bool) -> NodePackages {
        NodePackages {
            node: "n1".into(),
            user: "rserve".into(),
            repositories: repositories.iter().map(|r| (*r).to_owned()).collect(),
            libraries: vec![Library {
                path: "/usr/lib/R/library".into(),
                writable,
            }],
            ..NodePackages::default()
        }
    }

    #[test]
    fn a_node_that_is_not_set_up_says_what_to_do() {
        assert_eq!(refusal(&node(&["https://cran.example"], true)), None);
        let no_repository = refusal(&node(&[], true)).unwrap();
        assert!(no_repository.contains("options(repos"), "{no_repository}");
        let no_library = refusal(&node(&["https://cran.example"], false)).unwrap();
        for word in ["rserve", "/usr/lib/R/library", "R_LIBS_USER"] {
            assert!(no_library.contains(word), "{no_library}");
        }
    }

    #[test]
    fn the_installing_code_is_known_as_such_and_needs_nothing() {
        let found = needs(INSTALL);
        assert!(found.installs);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn many_names_are_told_shortly() {
        let order = |n: usize| PackageInstall {
            names: (0..n).map(|i| format!("p{i}")).collect(),
            ..PackageInstall::default()
        };
        assert_eq!(title("n1", &order(1)), "Install p0 on n1");
        assert_eq!(
            title("n1", &order(7)),
            "Install p0, p1, p2, p3, p4 and 2 more on n1"
        );
        let answer = PackagesAnswer {
            lacked: vec![LackedPackage {
                name: "zoo".into(),
                nodes: vec!["n2".into(), "n1".into()],
            }],
            ..PackagesAnswer::default()
        };
        let text = nowhere(&answer);
        assert!(text.contains("zoo missing on n1, n2"), "{text}");
    }
}
