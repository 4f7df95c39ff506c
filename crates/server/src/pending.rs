//! Parts that are not in yet, as far as the wiring needs them. Each goes when its module comes.

use crate::app::App;
use crate::group::{Duties, InFlight};
use crate::store::Fence;
use async_trait::async_trait;
use gridhelm_api::switch::{Check, Outcome};
use std::sync::Arc;
use std::time::Duration;

/// The grid.
pub struct Grid;

/// Tasks.
pub struct Tasks;

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

/// The HTTP interface.
pub fn router(_app: Arc<App>) -> axum::Router {
    axum::Router::new()
}
