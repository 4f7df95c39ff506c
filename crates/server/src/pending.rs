//! Parts that are not in yet, as far as the wiring needs them. Each goes when its module comes.

use crate::group::{Duties, InFlight};
use crate::store::{Fence, Result as StoreResult};
use async_trait::async_trait;
use gridhelm_api::group::GroupStats;
use gridhelm_api::node::{Node, NodeDraft, NodeTest};
use gridhelm_api::switch::{Check, Outcome};
use std::time::Duration;

/// The grid.
pub struct Grid;

#[allow(clippy::unused_async)]
impl Grid {
    /// All nodes.
    pub async fn nodes(&self) -> StoreResult<Vec<Node>> {
        Ok(Vec::new())
    }
    /// One node.
    pub async fn node(&self, _name: &str) -> StoreResult<Option<Node>> {
        Ok(None)
    }
    /// A node's row changed.
    pub async fn changed(&self, _name: &str) -> StoreResult<()> {
        Ok(())
    }
    /// A node's row is gone.
    pub fn removed(&self, _name: &str) {}
    /// Tests a node to be.
    pub async fn test(&self, _draft: &NodeDraft) -> NodeTest {
        NodeTest {
            ok: false,
            code: None,
            steps: Vec::new(),
            latency_ms: None,
            facts: None,
            suggested_slots: None,
            tested_from: String::new(),
        }
    }
    /// Looks at a node now.
    pub fn probe_now(&self, _name: &str) -> bool {
        false
    }
}

/// Tasks.
pub struct Tasks;

impl Tasks {
    /// Counts.
    pub fn stats(&self) -> GroupStats {
        GroupStats::default()
    }
}

/// Grid and tasks together.
pub struct Work;

#[async_trait]
impl Duties for Work {
    async fn take_up(&self, _fence: Fence) {}
    fn in_flight(&self) -> InFlight {
        InFlight::default()
    }
    async fn drain(&self, _within: Duration) -> Result<(), usize> {
        Ok(())
    }
    async fn resume(&self) {}
    async fn lay_down(&self, _fenced: bool) {}
    async fn reach_nodes(&self) -> Check {
        Check {
            id: "nodes_reachable".into(),
            title: "Nodes reachable from the standby".into(),
            outcome: Outcome::Warn,
            evidence: "This build has no grid.".into(),
            repair: None,
        }
    }
}
