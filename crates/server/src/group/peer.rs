//! What the servers of a group say to each other directly, over HTTP:
//!
//! - `GET /api/v1/server`, as everyone;
//! - `GET /api/v1/switch/reach`: a [`Check`](gridhelm_api::switch::Check) whether the enabled nodes answer
//!   the asked server;
//! - `POST /api/v1/switch/take` with a [`TakeOrder`], answered by [`Taken`].
//!
//! The last two are for the group's servers alone: they bear a token signed with the group's key, whose
//! subject is `server:NAME` and which lives for seconds. They only make a switch faster and its checks
//! better: what makes it safe is the epoch in the database.

use gridhelm_api::switch::SwitchRecord;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Makes a token for the next call to a server of the group.
pub type PeerToken = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// The leaving server to its successor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeOrder {
    /// The switch, as it stands.
    pub switch: SwitchRecord,
    /// The epoch that was released; absent while the switch is only being prepared: then the successor
    /// looks at the epoch often, so that it takes over at once even if the next call never arrives.
    #[serde(default)]
    pub released: Option<i64>,
}

/// The successor's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The epoch as the successor knows it now: its own when it has taken the active role.
    pub epoch: i64,
    /// Whether it is active now.
    pub active: bool,
}
