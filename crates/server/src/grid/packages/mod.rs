//! The packages of the nodes: read when a node comes up, when its probe sees others than before, after an installation, and
//! when somebody asks. Kept in memory; a server that takes over reads them again.

mod inventory;

pub use inventory::{Inventory, mark, merge};

use super::cell::{Cell, CellState};
use super::monitor::Minder;
use super::{Grid, Need};
use gridhelm_api::Millis;
use gridhelm_api::node::{Intent, OperatingType};
use gridhelm_api::packages::{
    GridPackages, LackedPackage, NodePackages, NodeReading, PackagesAnswer,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The longest that reading a list may take; a library on a slow disk takes its time.
pub(super) const READ_LIMIT: Duration = Duration::from_secs(20);

/// What is known of a node's packages.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// The last list that could be read.
    pub(super) list: Option<Arc<Inventory>>,
    /// Why the last reading failed.
    pub(super) fault: Option<String>,
}

/// Why a node's packages could not be read now.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// There is no such node here.
    #[error("there is no node {0}")]
    NotFound(String),
    /// The node did not answer, or not well.
    #[error(transparent)]
    Node(#[from] super::SessionError),
}

/// Reads a node's list whenever it is asked for, until the duty ends.
pub(super) async fn run(minder: Minder) {
    loop {
        tokio::select! {
            () = minder.stop.cancelled() => return,
            () = minder.cell.list_packages.notified() => {}
        }
        tokio::select! {
            () = minder.stop.cancelled() => return,
            read = minder.grid.read_list(&minder.cell) => if let Err(error) = read {
                tracing::debug!(node = minder.cell.name, %error, "the packages could not be read");
            }
        }
    }
}

/// Has the list read again when a probe saw other packages than it names.
pub(super) fn compare(cell: &Cell, seen: u64) {
    let same = {
        let state = cell.lock();
        let list = state.packages.list.as_ref();
        list.is_some_and(|list| list.mark == seen)
    };
    if !same {
        cell.list_packages.notify_one();
    }
}

impl Grid {
    /// The packages of a node as they were last read; `None`: there is no such node here.
    pub fn packages(&self, node: &str) -> Option<NodePackages> {
        self.cell(node).map(|cell| shown(&cell))
    }

    /// Reads a node's packages now, in at most 20 s.
    ///
    /// # Errors
    /// [`ReadError`]; what was known stays.
    pub async fn read_packages(&self, node: &str) -> Result<NodePackages, ReadError> {
        let cell = self.cell(node);
        let cell = cell.ok_or_else(|| ReadError::NotFound(node.to_owned()))?;
        self.read_list(&cell).await?;
        Ok(shown(&cell))
    }

    /// Call it when a node's packages may be others now: they are read again soon.
    pub(crate) fn packages_changed(&self, node: &str) {
        if let Some(cell) = self.cell(node) {
            cell.list_packages.notify_one();
        }
    }

    async fn read_list(&self, cell: &Arc<Cell>) -> Result<(), super::SessionError> {
        // One at a time on a node; who waited for another's reading that began later than the question has the answer.
        let asked = crate::clock::now();
        let _turn = cell.reading.lock().await;
        let fresh = |at: Millis| at > asked;
        if matches!(&cell.lock().packages.list, Some(list) if fresh(list.read_at)) {
            return Ok(());
        }
        let node = cell.stored();
        let began = crate::clock::now();
        let read = timeout(READ_LIMIT, self.provider.packages(&node)).await;
        let read = read.unwrap_or_else(|_| {
            Err(super::SessionError {
                code: gridhelm_api::Code::NodeSilent,
                message: format!(
                    "{} did not list its packages within {} s; its libraries lie on a slow disk, or it is overloaded",
                    node.name,
                    READ_LIMIT.as_secs()
                ),
                ended_itself: false,
                usable: false,
            })
        });
        let mut state = cell.lock();
        match read {
            Ok(mut list) => {
                list.read_at = began;
                state.packages = Known {
                    list: Some(Arc::new(list)),
                    fault: None,
                };
                drop(state);
                // A task may have waited for a node with these.
                self.slots_changed.notify_one();
                Ok(())
            }
            Err(error) => {
                state.packages.fault = Some(error.brief().to_owned());
                Err(error)
            }
        }
    }

    /// The packages of the whole grid, side by side.
    pub async fn all_packages(&self) -> GridPackages {
        let mut nodes = Vec::new();
        let mut lists = Vec::new();
        for cell in self.cells() {
            let known = cell.lock().packages.clone();
            let count = known.list.as_ref().map_or(0, |list| list.packages.len());
            nodes.push(NodeReading {
                node: cell.name.clone(),
                read_at: known.list.as_ref().map(|list| list.read_at),
                fault: known.fault,
                packages: u32::try_from(count).unwrap_or(u32::MAX),
                task: None,
            });
            lists.extend(known.list.map(|list| (cell.name.clone(), list)));
        }
        // Thousands of nodes with hundreds of packages each take their time.
        let merged = tokio::task::spawn_blocking(move || merge(&lists)).await;
        GridPackages {
            nodes,
            packages: merged.unwrap_or_default(),
        }
    }

    /// Which of these packages the nodes lack that take such tasks now.
    pub fn lacking(&self, names: &BTreeSet<String>, need: &Need) -> PackagesAnswer {
        self.lacking_where(names, |state| {
            state.fits(need.waited_for, need.label.as_deref())
        })
    }

    fn lacking_where(
        &self,
        names: &BTreeSet<String>,
        fits: impl Fn(&CellState) -> bool,
    ) -> PackagesAnswer {
        let mut answer = PackagesAnswer::default();
        if names.is_empty() {
            return answer;
        }
        let mut lacked: Vec<LackedPackage> = names
            .iter()
            .map(|name| LackedPackage {
                name: name.clone(),
                nodes: Vec::new(),
            })
            .collect();
        for cell in self.cells() {
            let state = cell.lock();
            if !state.slots.open_for_work() || !fits(&state) {
                continue;
            }
            let Some(list) = &state.packages.list else {
                answer.unknown.push(cell.name.clone());
                continue;
            };
            let mut complete = true;
            for package in &mut lacked {
                if !list.has(&package.name) {
                    complete = false;
                    package.nodes.push(cell.name.clone());
                }
            }
            if complete {
                answer.complete.push(cell.name.clone());
            }
        }
        lacked.retain(|package| !package.nodes.is_empty());
        answer.lacked = lacked;
        answer
    }

    /// Which of these packages the nodes lack that take work now, whatever kind of work.
    pub fn lacking_anywhere(&self, names: &BTreeSet<String>) -> PackagesAnswer {
        self.lacking_where(names, |state| {
            state.stored.operating_type != OperatingType::Anonymous
        })
    }

    /// Why a node takes no tasks now, for people; `None`: it takes them, or is not here.
    pub(crate) fn takes_none(&self, node: &str) -> Option<String> {
        let cell = self.cell(node)?;
        let state = cell.lock();
        if state.slots.open_for_work() {
            return None;
        }
        Some(match state.stored.intent {
            Intent::Draining => format!("{node} is draining and takes no tasks; enable it first"),
            Intent::Disabled => format!("{node} is disabled and takes no tasks; enable it first"),
            Intent::Enabled => {
                let why = state.machine.reason();
                let why = why.unwrap_or_else(|| "it has not answered yet".to_owned());
                format!("{node} cannot be reached: {why}; look at it on the Grid page")
            }
        })
    }
}

fn shown(cell: &Cell) -> NodePackages {
    let known = cell.lock().packages.clone();
    let mut shown = NodePackages {
        node: cell.name.clone(),
        fault: known.fault,
        ..NodePackages::default()
    };
    if let Some(list) = known.list {
        shown.read_at = Some(list.read_at);
        shown.user.clone_from(&list.user);
        shown.libraries.clone_from(&list.libraries);
        shown.repositories.clone_from(&list.repositories);
        shown.cut = list.cut;
        shown.packages.clone_from(&list.packages);
    }
    shown
}
