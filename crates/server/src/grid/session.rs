//! The seam to an R session. Plain Rserve is its first implementation (`grid::rserve`); an agent on the
//! node that keeps sessions alive over a server's death is to be another.

use super::packages::Inventory;
use super::pulse::Look;
use crate::store::{SessionRow, StoredNode};
use async_trait::async_trait;
use gridhelm_api::node::{NodeFacts, NodeTest};
use gridhelm_rserve::run::{RunEvent, RunOutcome, RunRequest};
use std::time::Duration;

/// Who opens a session: what its marker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The group.
    pub group: String,
    /// The server.
    pub server: String,
    /// The epoch.
    pub epoch: i64,
}

/// Why a session could not be opened or did not go on. The message says what, where and what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct SessionError {
    /// The stable code, as in problems.
    pub code: gridhelm_api::Code,
    /// For people.
    pub message: String,
    /// Whether the code in the session ended it by itself (it called `quit()`).
    pub ended_itself: bool,
    /// Whether the session can still be used: the request was at fault, not the session.
    pub usable: bool,
}

impl SessionError {
    /// Whether this proves that nothing can run at the address: the port refuses, or is not Rserve's.
    pub fn is_proof(&self) -> bool {
        matches!(
            self.code,
            gridhelm_api::Code::NodeRefused | gridhelm_api::Code::NodeNotRserve
        )
    }

    /// The message up to the advice, for places with little room.
    pub fn brief(&self) -> &str {
        self.message
            .split_once("; ")
            .map_or(self.message.as_str(), |(brief, _)| brief)
    }
}

/// One open R session, used by one task; or by several of one account that asked for it.
#[async_trait]
pub trait Session: Send + Sync {
    /// Its row, as it must be recorded before anything is evaluated.
    fn row(&self) -> &SessionRow;

    /// Gets over what only the first run of a session costs, ahead of need. Evaluates nothing of a user's.
    async fn warm_up(&mut self) -> Result<(), SessionError>;

    /// Runs user code. Events arrive while it runs.
    async fn run(
        &mut self,
        request: RunRequest,
        on_event: &mut (dyn FnMut(RunEvent) + Send),
    ) -> Result<RunOutcome, SessionError>;

    /// Makes it ready for another task of the same account, after a run that was told of it. Whether it may be used again.
    async fn renew(&mut self) -> Result<bool, SessionError> {
        Ok(false)
    }

    /// Writes a file into the work directory.
    async fn put(&mut self, name: &str, content: &[u8]) -> Result<(), SessionError>;

    /// Fetches a file from the work directory.
    async fn fetch(&mut self, name: &str, max_bytes: u64) -> Result<Vec<u8>, SessionError>;

    /// Whether it is not known to have ended. Asks nobody.
    fn is_alive(&self) -> bool;

    /// Ends it, its processes and its work directory. Answers whether it is known to have ended.
    async fn end(self: Box<Self>) -> bool;
}

/// How many sessions one look of a watch can take in.
pub const LOOKED_AT_ONCE: usize = gridhelm_rserve::watch::SESSIONS_AT_ONCE;

/// What a watch saw of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    /// Whether the listener process runs (not gone, not a zombie, not stopped), in words when not.
    pub listener: Result<(), String>,
    /// Load average of the last minute.
    pub load: Option<f64>,
    /// Share of memory in use, 0 to 1.
    pub memory_used: Option<f64>,
    /// The sessions that were asked for, as far as they were looked at.
    pub sessions: Vec<(i64, Look)>,
}

/// A held session that watches its node's listener.
#[async_trait]
pub trait Watch: Send {
    /// One look; about 0.1 ms, no fork. The processes of these sessions are looked at, too: the first [`LOOKED_AT_ONCE`] of them.
    async fn look(&mut self, sessions: &[i64]) -> Result<Sight, SessionError>;

    /// Ends the watch's session and removes its work directory.
    async fn end(self: Box<Self>);
}

/// A session that lives on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSession {
    /// Its process.
    pub pid: i64,
    /// Its start time, clock ticks since boot.
    pub start_ticks: i64,
    /// The node's boot id.
    pub host_boot: String,
    /// Its marker, if it bears ours.
    pub marker: Option<Marker>,
    /// Resident memory, bytes.
    pub rss: u64,
    /// Time since its start, seconds.
    pub age_s: u64,
    /// Processor time used, milliseconds.
    pub cpu_ms: u64,
    /// Whether it is stopped.
    pub stopped: bool,
    /// Whether the listener that made it is gone.
    pub orphan: bool,
    /// Whether its client is gone.
    pub client_gone: bool,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// The node's facts.
    pub facts: NodeFacts,
    /// Sessions that live on the node, the probe's own left out.
    pub sessions: Vec<FoundSession>,
    /// Changes with the installed packages; see [`super::packages::mark`].
    pub packages_mark: u64,
}

/// What is known of a session that was to be ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: it may still run.
    #[default]
    None,
    /// It is dead.
    Dead,
    /// It was dead before, and bears the mark of code that ended its own session.
    EndedItself,
}

impl Proof {
    /// Whether it is proven dead.
    pub const fn is_dead(self) -> bool {
        !matches!(self, Self::None)
    }
}

/// What allows a person to have a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndRule {
    /// It is of this group, with an epoch below this one.
    Older(String, i64),
    /// It is of this group, with exactly this epoch.
    Own(String, i64),
    /// It bears no marker.
    Unmarked,
}

/// What reclaim may end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReclaimTarget {
    /// The process.
    pub pid: i64,
    /// Its start time.
    pub start_ticks: i64,
    /// The node's boot id.
    pub host_boot: String,
}

/// Opens and looks after sessions on nodes.
#[async_trait]
pub trait SessionProvider: Send + Sync + 'static {
    /// Opens a session and writes its marker, before any evaluation of user code.
    async fn open(
        &self,
        node: &StoredNode,
        marker: &Marker,
    ) -> Result<Box<dyn Session>, SessionError>;

    /// Opens a watch.
    async fn watch(
        &self,
        node: &StoredNode,
        marker: &Marker,
    ) -> Result<Box<dyn Watch>, SessionError>;

    /// When the certificate that this server shows to nodes ends, milliseconds since 1970; `None` if it shows none.
    fn certificate_ends(&self) -> Option<i64> {
        None
    }

    /// A full heartbeat: connect, handshake, tiny evaluation; how long it took.
    async fn heartbeat(&self, node: &StoredNode) -> Result<Duration, SessionError>;

    /// The full probe, with the sessions that live on the node.
    async fn probe(&self, node: &StoredNode) -> Result<Probed, SessionError>;

    /// Lists the installed packages.
    async fn packages(&self, node: &StoredNode) -> Result<Inventory, SessionError>;

    /// Interrupts the running evaluation of a session that bears exactly this marker's group and epoch.
    /// Whether the interrupt was sent.
    async fn interrupt(
        &self,
        node: &StoredNode,
        target: &ReclaimTarget,
        marker: &Marker,
    ) -> Result<bool, SessionError>;

    /// Ends a session's process tree and removes its work directory if it bears our group's marker with an
    /// epoch of at most `max_epoch` and pid, start time and boot id match, all checked in the same
    /// evaluation. Answers whether it is proven dead now (also when it was dead before), and how it ended.
    async fn reclaim(
        &self,
        node: &StoredNode,
        target: &ReclaimTarget,
        group: &str,
        max_epoch: i64,
    ) -> Result<Proof, SessionError>;

    /// Ends a session as [`SessionProvider::reclaim`] does, if the rule allows it; in words what came of it.
    async fn end_found(
        &self,
        node: &StoredNode,
        target: &ReclaimTarget,
        rule: &EndRule,
    ) -> Result<(Proof, String), SessionError>;

    /// Tests a node to be, step by step, in at most about 6 s.
    async fn test(&self, node: &StoredNode, tested_from: &str) -> NodeTest;
}
