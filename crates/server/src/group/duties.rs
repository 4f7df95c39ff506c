//! What the active server does for its group, as the group's keeper sees it.

use crate::store::Fence;
use async_trait::async_trait;
use gridhelm_api::switch::Check;
use std::time::Duration;

/// What is under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Tasks that run.
    pub running: usize,
    /// Tasks that wait in the queue.
    pub queued: usize,
}

/// Grid and tasks: taken up with the active role and laid down with it.
#[async_trait]
pub trait Duties: Send + Sync + 'static {
    /// Begins to watch the nodes, to reclaim sessions of lower epochs and to dispatch tasks, all under
    /// this fence. Returns as soon as work can be accepted.
    async fn take_up(&self, fence: Fence);

    /// What is under way now.
    fn in_flight(&self) -> InFlight;

    /// Starts no attempt any more and waits until none runs; accepting into the queue goes on. Answers
    /// how many still run when `within` has passed.
    async fn drain(&self, within: Duration) -> Result<(), usize>;

    /// Interrupts what still runs while the drain goes on: what may repeat is queued again, the rest fails.
    fn interrupt(&self);

    /// A switch was called off: dispatching goes on.
    async fn resume(&self);

    /// Ends everything that `take_up` began, open sessions included. After a fence was lost (`fenced`)
    /// nothing is written; what still runs is killed.
    async fn lay_down(&self, fenced: bool);

    /// Looks from this server, whatever its role, whether the enabled nodes answer. For a preflight.
    async fn reach_nodes(&self) -> Check;
}
