//! Grid and tasks together, as the group's keeper takes them up and lays them down.

use crate::grid::Grid;
use crate::group::{Duties, InFlight};
use crate::store::Fence;
use crate::tasks::Tasks;
use async_trait::async_trait;
use gridhelm_api::switch::Check;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// What the active server does for its group.
pub struct Work {
    grid: Arc<Grid>,
    tasks: Arc<Tasks>,
    /// Duties that are still being laid down must not take those with them that are taken up meanwhile.
    turn: Mutex<()>,
}

impl Work {
    /// Grid and tasks of one server.
    pub fn new(grid: Arc<Grid>, tasks: Arc<Tasks>) -> Self {
        Self {
            grid,
            tasks,
            turn: Mutex::new(()),
        }
    }
}

#[async_trait]
impl Duties for Work {
    async fn take_up(&self, fence: Fence) {
        let _turn = self.turn.lock().await;
        let duty = self.grid.take_up(fence).await;
        self.tasks.take_up(duty).await;
    }

    fn in_flight(&self) -> InFlight {
        self.tasks.in_flight()
    }

    async fn drain(&self, within: Duration) -> Result<(), usize> {
        self.tasks.drain(within).await
    }

    fn interrupt(&self) {
        self.tasks.interrupt();
    }

    async fn resume(&self) {
        self.tasks.resume();
    }

    async fn lay_down(&self, fenced: bool) {
        let _turn = self.turn.lock().await;
        self.tasks.lay_down(fenced).await;
        self.grid.lay_down(fenced).await;
    }

    async fn reach_nodes(&self) -> Check {
        self.grid.reach_nodes().await
    }
}
