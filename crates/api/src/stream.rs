//! `GET /events` with `Accept: text/event-stream`: one stream of deltas per server.
//!
//! Each SSE message has the id `boot:sequence`, in commit order, the event name [`Delta::name`] and the
//! delta as JSON data. A client resumes with `Last-Event-ID`; when the id is of another boot or too old,
//! the stream begins with a [`Delta::Snapshot`]. The stream ends when its token does. Who asks for it gets patches of nodes instead of whole
//! ones ([`crate::patch`]).

use crate::Millis;
use crate::event::Event;
use crate::group::{Group, GroupStats, ServerStatus};
use crate::node::Node;
use crate::patch::Patch;
use crate::switch::SwitchRecord;
use crate::task::{ConsoleChunk, Task};
use serde::{Deserialize, Serialize};

/// All that a console needs to begin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Snapshot {
    /// Who answers.
    pub server: ServerStatus,
    /// The group.
    pub group: Group,
    /// The nodes; empty at a server that is not active.
    pub nodes: Vec<Node>,
    /// Tasks that are not final, and the latest final ones, newest first, at most 200; empty at a server
    /// that is not active.
    pub tasks: Vec<Task>,
    /// The latest events, newest first, at most 200.
    pub events: Vec<Event>,
    /// Counts.
    pub stats: GroupStats,
    /// A switch under way, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<SwitchRecord>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum Delta {
    /// Replaces all that the client has of this server.
    Snapshot(Box<Snapshot>),
    /// This server's status changed.
    Server(ServerStatus),
    /// The group changed: epoch, active server, members.
    Group(Group),
    /// A node is new or changed (its slots included).
    Node(Box<Node>),
    /// What changed of some nodes; to those who ask for it, and without this wrapper.
    Patch(Box<Patch>),
    /// A node was removed.
    NodeRemoved {
        /// Its name.
        name: String,
    },
    /// A task is new or changed; as in lists.
    Task(Box<Task>),
    /// Console output of a task.
    Console {
        /// The task's id.
        task: String,
        /// The output.
        chunks: Vec<ConsoleChunk>,
    },
    /// A new event of the journal.
    Event(Event),
    /// A switch moved on.
    Switch(Box<SwitchRecord>),
    /// The repository changed; fetch what you show of it again.
    Repository {
        /// Files in it now.
        files: u64,
    },
    /// Counts, and a sign of life, about once a second at every server.
    Tick {
        /// The server's clock.
        at: Millis,
        /// Counts; absent at a server that is not active and, beside patches, when they are as they were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stats: Option<GroupStats>,
    },
}

impl Delta {
    /// The SSE event name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Snapshot(_) => "snapshot",
            Self::Server(_) => "server",
            Self::Group(_) => "group",
            Self::Node(_) => "node",
            Self::Patch(_) => "patch",
            Self::NodeRemoved { .. } => "node_removed",
            Self::Task(_) => "task",
            Self::Console { .. } => "console",
            Self::Event(_) => "event",
            Self::Switch(_) => "switch",
            Self::Repository { .. } => "repository",
            Self::Tick { .. } => "tick",
        }
    }
}
