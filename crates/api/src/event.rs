//! The journal: what happened in a group, for people.

use crate::Millis;
use serde::{Deserialize, Serialize};

/// How grave an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For the record.
    Info,
    /// Something got better.
    Good,
    /// Look at it.
    Warn,
    /// Something is lost or failed.
    Fail,
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// Nodes and slots: contraction, expansion, registration.
    Grid,
    /// Tasks.
    Task,
    /// Files and replication.
    Repository,
    /// Who is active.
    Switch,
    /// Accounts and sign-ins.
    Account,
    /// The server itself.
    Server,
}

/// One event of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Event {
    /// Its number in the group, in commit order.
    pub id: i64,
    /// When.
    pub at: Millis,
    /// How grave.
    pub severity: Severity,
    /// What about.
    pub topic: Topic,
    /// The stable name of the kind: `node.contracted`, `task.failed`.
    pub kind: String,
    /// The thing: a node's name, a task's id, a file's path.
    pub subject: String,
    /// One sentence for people, without the subject's name in front: "lost: connection refused".
    pub message: String,
    /// Who did it: an account or a server.
    pub actor: String,
    /// The epoch under which it was written.
    pub epoch: i64,
}
