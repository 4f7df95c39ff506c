//! The seam to the database. Nothing outside this folder writes SQL.
//!
//! [`Store`] is what the rest of the server knows; `sqlite` and `postgres` implement it, on the SQL that both
//! share (`sql`). The tests in `store::contract` run against any implementation.
//!
//! # The fence
//!
//! Every write that only the active server may do takes a [`Fence`]: the epoch and the owner under which
//! the caller believes to be active. The implementation compares both with the group's epoch row *inside*
//! the transaction that writes, in a way that holds under the database's isolation (SQLite: after
//! `BEGIN IMMEDIATE`; PostgreSQL: under an advisory lock that whoever takes the epoch wants alone). When they differ nothing is written and the answer is [`StoreError::Fenced`].
//!
//! # What a write leaves behind
//!
//! [`Note`]s travel with a write and are committed in the same transaction: journal events and audit
//! rows. The committed events come back with their ids, in commit order, so that the caller can publish
//! them; nothing is published before its commit.

pub mod backup;
pub mod chain;
#[cfg(test)]
pub(crate) mod contract;
mod error;
pub mod failpoint;
mod postgres;
mod sql;
mod sqlite;
mod types;

pub use error::StoreError;
pub use postgres::{
    PostgresOptions, PostgresStore, PostgresTarget, look as look_at_postgres,
    restore as restore_postgres,
};
pub use sqlite::{
    Held as HeldSqlite, SqliteOptions, SqliteStore, hold as hold_sqlite, restore as restore_sqlite,
    save_held as save_held_sqlite,
};
pub use types::*;

use async_trait::async_trait;
use backup::{BackupError, Contents, Progress};
use futures_util::future::BoxFuture;
use gridhelm_api::account::{Account, ApiToken, AuditChain, AuditCut, AuditRow, Role};
use gridhelm_api::alert::{Alert, Delivery};
use gridhelm_api::changeset::{
    ChangesetRecord, ChangesetRequest, Committed, Listings, Manifest, PartState, Tree, Verification,
};
use gridhelm_api::event::Event;
use gridhelm_api::group::{Failover, Group, Member};
use gridhelm_api::hold::{Hold, HoldVerdict};
use gridhelm_api::node::{IntentChange, NodePatch, TimelinePoint};
use gridhelm_api::repository::{FileId, FileMeta, FileVersion};
use gridhelm_api::switch::{Check, SwitchFilter, SwitchRecord};
use gridhelm_api::task::{ConsoleChunk, Task, TaskState};
use gridhelm_api::upkeep::SizeOf;
use gridhelm_api::{Millis, Page};
use std::path::Path;
use std::sync::Arc;

/// What a store answers.
pub type Result<T> = core::result::Result<T, StoreError>;

/// The lock that the active server holds for life. Dropping it frees it.
pub trait LifeLock: core::fmt::Debug + Send + Sync {
    /// Ends when the lock is gone although nobody dropped it, because the connection that held it broke. A
    /// lock that only the end of its process frees never ends this. May be asked any number of times.
    fn lost(&self) -> BoxFuture<'static, ()>;
}

/// The most tokens for programs that an account may have.
pub const MOST_TOKENS: usize = 50;

/// The group's database. Cheap to clone behind an `Arc`; every call is one transaction.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // ---- group: epoch, lease, members, switches ------------------------------------------------

    /// The group's row of epoch and owner, and the lease beside it, as committed now.
    async fn epoch(&self) -> Result<EpochRow>;

    /// Takes the active role: if epoch (and lease counter, where given) are still as `seen`, makes it `seen + 1` with this owner, resets the
    /// lease counter and its release and commits the notes, all in one transaction. [`StoreError::Fenced`] otherwise.
    /// The way in which `last_owner` of a restarted process keeps first claim is the caller's affair.
    async fn take_epoch(
        &self,
        seen: Seen,
        owner: &Owner,
        by: &str,
        reason: &str,
        notes: Notes,
    ) -> Result<(EpochRow, Vec<Event>)>;

    /// Renews the lease: adds one to its counter. Fenced.
    async fn renew_lease(&self, fence: &Fence) -> Result<i64>;

    /// Gives the active role up without another taking it yet: marks the lease released, so that the named
    /// successor takes over at once. Fenced, and from then on every write under this fence is, too: whoever
    /// wants to go on takes the epoch anew.
    async fn release_lease(&self, fence: &Fence, successor: Option<&str>) -> Result<()>;

    /// Sets who decides that an owner that is gone is replaced. `VersionMismatch` unless `failover.version` is one
    /// more than the present one. Fenced.
    async fn set_failover(
        &self,
        fence: &Fence,
        failover: &Failover,
        notes: Notes,
    ) -> Result<Vec<Event>>;

    /// Tries to gain the lock that the active server holds for life; `None` when another process holds it.
    /// Whoever gains it knows that the last holder's process is gone or has lost its database. It tells
    /// *when* the active role may be tried for, never *whether* a write may be committed: that is the fence's.
    async fn try_life_lock(&self) -> Result<Option<Box<dyn LifeLock>>>;

    /// Whether all servers of the group run on the database's host, so that a recorded process that does
    /// not run here runs nowhere.
    fn on_one_host(&self) -> bool;

    /// Looks at the database itself: whether only one of its hosts takes writes, and whether it keeps what it acknowledged.
    /// Empty for one in which neither can be in doubt. A failed check means that nobody may take over by itself.
    async fn look_at_database(&self) -> Vec<Check>;

    /// Writes that a server lives: its name, address and version. Not fenced; about every second.
    async fn announce(&self, member: &Member) -> Result<()>;

    /// The group as the API shows it.
    async fn group(&self) -> Result<Group>;

    /// Inserts or updates a switch by its id. Not fenced: it is the record of a change of fences.
    async fn put_switch(&self, record: &SwitchRecord, notes: Notes) -> Result<Vec<Event>>;

    /// The latest switches, newest first, at most `limit`.
    async fn switches(&self, limit: u32) -> Result<Vec<SwitchRecord>>;

    /// The switches that a filter wants, newest first; `next` of the page is the start of its last one when there
    /// are more.
    async fn switch_page(&self, filter: &SwitchFilter) -> Result<Page<SwitchRecord>>;

    /// Removes some of what is older than this, oldest first: ended tasks with all that belongs to them, and events.
    /// Answers how many of each; call again until nothing went. Fenced.
    async fn prune(
        &self,
        fence: &Fence,
        tasks_before: Option<Millis>,
        events_before: Option<Millis>,
    ) -> Result<(usize, usize)>;

    /// One step of removing what outlives its use: how many rows went, and the next step, `None` at the end. Fenced.
    async fn trim(&self, fence: &Fence, what: &Trim) -> Result<(usize, Option<Trim>)>;

    /// How much there is of each kind of thing, counted in one snapshot. Takes long in a large database.
    async fn sizes(&self, limits: &Limits) -> Result<Vec<SizeOf>>;

    /// Removes the audit log's rows from before a moment, and writes a row about that, whose subject is the last hash that was
    /// removed; `None` when there are none. Whoever calls it has verified the log, and a person has signed it off.
    async fn cut_audit(
        &self,
        before: Millis,
        by: &str,
        reason: &str,
        row: &AuditDraft,
    ) -> Result<Option<AuditCut>>;

    /// Writes everything of one snapshot to a new file, reads it back, and answers what it has. Other calls go on
    /// meanwhile. Nothing is left behind unless it succeeds.
    async fn back_up(
        &self,
        path: &Path,
        by: &str,
        server: &str,
        progress: Arc<Progress>,
    ) -> core::result::Result<Contents, BackupError>;

    /// Takes no more calls, does those that wait and lets the database go. Later calls are
    /// [`StoreError::Unavailable`].
    async fn shut_down(&self);

    // ---- accounts ------------------------------------------------------------------------------

    /// The group's secret for signing tokens, made at the first call.
    async fn token_key(&self) -> Result<Vec<u8>>;

    /// All accounts.
    async fn accounts(&self) -> Result<Vec<Account>>;

    /// One account with its password hash.
    async fn account(&self, username: &str) -> Result<Option<StoredAccount>>;

    /// Makes an account. `AlreadyExists` when the name is taken.
    async fn create_account(&self, account: &StoredAccount, notes: Notes) -> Result<Vec<Event>>;

    /// Changes role, disabled state or password hash; `generation` grows so that old tokens end.
    async fn update_account(
        &self,
        username: &str,
        role: Option<Role>,
        disabled: Option<bool>,
        hash: Option<&str>,
        notes: Notes,
    ) -> Result<Vec<Event>>;

    /// Records that a token ended before its time.
    async fn revoke_token(&self, id: &str, expires_at: Millis, notes: Notes) -> Result<()>;

    /// Ids of revoked tokens that have not yet expired, and each account's generation: what a server needs
    /// to verify tokens while the database is away.
    async fn token_state(&self) -> Result<TokenState>;

    /// Audit rows, newest first.
    async fn audit(&self, filter: &AuditFilter) -> Result<Page<AuditRow>>;

    /// Walks the audit log's chain. `noted`: a hash that was its end once, which is looked for.
    async fn verify_audit(&self, noted: Option<&str>) -> Result<AuditChain>;

    /// Writes when an account signed in last.
    async fn signed_in(&self, username: &str, at: Millis, notes: Notes) -> Result<()>;

    /// Tokens for programs, newest first: of one account, or of all. Those whose time is over are forgotten.
    async fn api_tokens(&self, username: Option<&str>) -> Result<Vec<ApiToken>>;

    /// Records a token for a program. `Conflict` when its owner has [`MOST_TOKENS`] already.
    async fn create_api_token(&self, token: &ApiToken, notes: Notes) -> Result<Vec<Event>>;

    /// Forgets a token for a program and revokes it. `NotFound` unless it is there and, where `username` is given,
    /// that account's.
    async fn end_api_token(
        &self,
        id: &str,
        username: Option<&str>,
        notes: Notes,
    ) -> Result<Vec<Event>>;

    /// Tokens by which servers join, newest first; those that ended a month ago are left out.
    async fn join_tokens(&self) -> Result<Vec<StoredJoinToken>>;

    /// The join token of that hash.
    async fn join_token(&self, hash: &str) -> Result<Option<StoredJoinToken>>;

    /// Keeps a new join token. Not fenced, as accounts are not.
    async fn create_join_token(&self, token: &StoredJoinToken, notes: Notes) -> Result<Vec<Event>>;

    /// Takes a join token back; `Conflict` when a server has joined by it. One that is revoked stays so.
    async fn revoke_join_token(&self, id: &str, by: &str, notes: Notes) -> Result<Vec<Event>>;

    /// Uses a join token up for a server at that time; `None`, with nothing written, when it was used or revoked
    /// before, or its time is over. Of two calls at once, one gets it.
    async fn take_join_token(
        &self,
        hash: &str,
        server: &str,
        now: Millis,
        notes: Notes,
    ) -> Result<Option<Vec<Event>>>;

    /// Writes notes alone (a refused write, a sign-in).
    async fn note(&self, notes: Notes) -> Result<Vec<Event>>;

    /// Events, newest first, older than `before` when given.
    async fn events(&self, filter: &EventFilter) -> Result<Page<Event>>;

    // ---- nodes ---------------------------------------------------------------------------------

    /// All nodes, by name.
    async fn nodes(&self) -> Result<Vec<StoredNode>>;

    /// Registers a node. `AlreadyExists` names whether the name or host:port is taken. Fenced.
    async fn create_node(
        &self,
        fence: &Fence,
        node: &StoredNode,
        notes: Notes,
    ) -> Result<(StoredNode, Vec<Event>)>;

    /// Edits a node whose version is `version`; `VersionMismatch` carries the present one. Fenced.
    async fn update_node(
        &self,
        fence: &Fence,
        name: &str,
        version: i64,
        patch: &NodePatch,
        notes: Notes,
    ) -> Result<(StoredNode, Vec<Event>)>;

    /// Sets a node's intent with who and why. `version` as in `update_node`. Fenced.
    async fn set_intent(
        &self,
        fence: &Fence,
        name: &str,
        version: i64,
        change: &IntentChange,
        by: &str,
        notes: Notes,
    ) -> Result<(StoredNode, Vec<Event>)>;

    /// Ends an intent whose time has come: a disabled node is enabled, by `by`; a draining one drains on without a
    /// deadline. `version` as in `update_node`. Fenced.
    async fn intent_passed(
        &self,
        fence: &Fence,
        name: &str,
        version: i64,
        by: &str,
        notes: Notes,
    ) -> Result<(StoredNode, Vec<Event>)>;

    /// Removes a node; its history ends with that. Fenced.
    async fn remove_node(
        &self,
        fence: &Fence,
        name: &str,
        version: i64,
        notes: Notes,
    ) -> Result<Vec<Event>>;

    /// Records a contraction or expansion of a node: a timeline point and its notes. Fenced.
    async fn record_capacity(
        &self,
        fence: &Fence,
        node: &str,
        point: &TimelinePoint,
        notes: Notes,
    ) -> Result<Vec<Event>>;

    /// A node's timeline from `since` on, with the last point before it, oldest first.
    async fn timeline(&self, node: &str, since: Millis) -> Result<Vec<TimelinePoint>>;

    /// The latest point of each registered node.
    async fn last_points(&self) -> Result<Vec<(String, TimelinePoint)>>;

    /// The points of all nodes, those that were removed included, from `since` on and before `until`, oldest first; before them each
    /// node's last one from before. At most `limit` and one more within the time, which tells that there are more.
    async fn points(
        &self,
        since: Millis,
        until: Millis,
        limit: u32,
    ) -> Result<Vec<(String, TimelinePoint)>>;

    // ---- settings and alerts -------------------------------------------------------------------

    /// What the group is set to under that name, as JSON.
    async fn setting(&self, name: &'static str) -> Result<Option<String>>;

    /// Sets that, if what is there now has this `version` (its field of that name; 0 when nothing is there). Fenced.
    async fn put_setting(
        &self,
        fence: &Fence,
        name: &'static str,
        version: i64,
        value: &str,
        notes: Notes,
    ) -> Result<Vec<Event>>;

    /// Alerts, newest first: all that are open, and of those that ended the latest, at most `ended`.
    async fn alerts(&self, ended: u32) -> Result<Vec<Alert>>;

    /// Writes alerts, new ones and changed ones, and the messages about them. Fenced.
    async fn put_alerts(
        &self,
        fence: &Fence,
        alerts: &[Alert],
        deliveries: &[Delivery],
        notes: Notes,
    ) -> Result<Vec<Event>>;

    /// Messages that are due before a moment, oldest first, at most `limit`.
    async fn due_deliveries(&self, before: Millis, limit: u32) -> Result<Vec<Delivery>>;

    /// The latest messages, newest first, at most `limit`.
    async fn deliveries(&self, limit: u32) -> Result<Vec<Delivery>>;

    /// Writes what became of a try to deliver. Fenced.
    async fn put_delivery(
        &self,
        fence: &Fence,
        delivery: &Delivery,
        notes: Notes,
    ) -> Result<Vec<Event>>;

    // ---- sessions ------------------------------------------------------------------------------

    /// Records opened R sessions before anything is evaluated in them. Fenced.
    async fn open_sessions(&self, fence: &Fence, sessions: &[SessionRow]) -> Result<()>;

    /// Forgets sessions that ended. Fenced.
    async fn close_sessions(&self, fence: &Fence, ids: &[String]) -> Result<()>;

    /// Every recorded session.
    async fn sessions(&self) -> Result<Vec<SessionRow>>;

    // ---- tasks ---------------------------------------------------------------------------------

    /// Accepts a task as queued. Fenced.
    async fn submit_task(
        &self,
        fence: &Fence,
        task: &StoredTask,
        notes: Notes,
    ) -> Result<Vec<Event>>;

    /// Accepts a task and starts its first attempt in one transaction (a slot was free at once). When
    /// `session` is given it is recorded, too, as by `open_sessions`. Fenced.
    async fn submit_and_start(
        &self,
        fence: &Fence,
        task: &StoredTask,
        start: &AttemptStart,
        session: Option<&SessionRow>,
        notes: Notes,
    ) -> Result<Vec<Event>>;

    /// Starts an attempt of a queued task: `Conflict` when it is not queued any more. Fenced.
    async fn start_attempt(
        &self,
        fence: &Fence,
        task: &str,
        start: &AttemptStart,
        session: Option<&SessionRow>,
        notes: Notes,
    ) -> Result<Vec<Event>>;

    /// Ends an attempt: final state or back to queued; stores value, outputs, failure, console and
    /// artifacts (content by hash, put before with `put_blob`); forgets the session row. Fenced.
    async fn end_attempt(
        &self,
        fence: &Fence,
        end: &AttemptEnd,
        notes: Notes,
    ) -> Result<Vec<Event>>;

    /// Cancels a queued task; `Conflict` when it is not queued any more. Fenced.
    async fn cancel_queued(&self, fence: &Fence, task: &str, notes: Notes) -> Result<Vec<Event>>;

    /// A task whole, with its code.
    async fn task(&self, id: &str) -> Result<Option<StoredTask>>;

    /// Tasks as in lists, newest first.
    async fn tasks(
        &self,
        states: &[TaskState],
        before: Option<&str>,
        limit: u32,
    ) -> Result<Page<Task>>;

    /// Tasks that are not final, in queue order (priority, then age), whole.
    async fn open_tasks(&self) -> Result<Vec<StoredTask>>;

    /// Console output of an ended task from `from` on, at most `limit` chunks.
    async fn console(&self, task: &str, from: u64, limit: u32) -> Result<Vec<ConsoleChunk>>;

    // ---- content -------------------------------------------------------------------------------

    /// Stores content under its SHA-256, in chunks; a no-op when it is there. Not fenced: content without
    /// a reference is harmless and collected later.
    async fn put_blob(&self, sha256: &str, content: &[u8]) -> Result<()>;

    /// Stores contents, each under its SHA-256, which the caller computed. As [`Store::put_blob`] otherwise.
    async fn put_blobs(&self, contents: Vec<(String, Vec<u8>)>) -> Result<()>;

    /// Adds a part to a content of a changeset that has `size` bytes. A part that does not begin where the content ends so far is
    /// left; the answer says where that is. With the last byte the content is read again: `Conflict` when its hash is another, and nothing
    /// of it is kept. Not fenced, as [`Store::put_blob`].
    async fn put_part(
        &self,
        changeset: &str,
        sha256: &str,
        size: u64,
        offset: u64,
        bytes: &[u8],
    ) -> Result<PartState>;

    /// Which of these contents are the latest of a file, with their sizes.
    async fn present_contents(&self, sha256: &[String]) -> Result<Vec<(String, u64)>>;

    /// Which of these contents are absent.
    async fn missing_blobs(&self, sha256: &[String]) -> Result<Vec<String>>;

    /// A range of a content; `None` when it is absent.
    async fn read_blob(&self, sha256: &str, offset: u64, length: u64) -> Result<Option<Vec<u8>>>;

    // ---- repository ----------------------------------------------------------------------------

    /// The latest versions of files, by directory and name; `directory` narrows.
    async fn files(&self, directory: Option<&str>) -> Result<Vec<FileMeta>>;

    /// One file at a version, or the latest; `None` when it does not exist or is deleted.
    async fn file(&self, id: &FileId, version: Option<i64>) -> Result<Option<FileMeta>>;

    /// Writes a new version whose content was put before. `expect`: `Absent` (If-None-Match: *) or the
    /// version that the caller saw. The same content as the latest makes no new version. Fenced.
    async fn write_file(
        &self,
        fence: &Fence,
        write: &FileWrite,
        notes: Notes,
    ) -> Result<(FileMeta, Vec<Event>)>;

    /// Deletes a file (a version that says so; its history stays). Fenced.
    async fn delete_file(
        &self,
        fence: &Fence,
        id: &FileId,
        version: i64,
        by: &str,
        notes: Notes,
    ) -> Result<Vec<Event>>;

    /// All versions of a file, newest first.
    async fn versions(&self, id: &FileId) -> Result<Vec<FileVersion>>;

    /// How many files the repository has.
    async fn count_files(&self) -> Result<u64>;

    /// The manifest, read in one transaction. With a group's name: also what was taken away, and what the last replication from that
    /// group left of each file.
    async fn manifest(&self, with: Option<&str>) -> Result<Manifest>;

    /// The root of the tree of hashes with its authors, or an author with its directories.
    async fn tree(&self, author: Option<&str>) -> Result<Tree>;

    /// The files of these directories (author, name), as in [`Store::manifest`].
    async fn listings(
        &self,
        directories: &[(String, String)],
        with: Option<&str>,
    ) -> Result<Listings>;

    /// The next files by author, directory and name, without content.
    async fn files_behind(&self, after: Option<&FileId>, limit: u32) -> Result<Vec<FileMeta>>;

    /// Opens a changeset; answers its id. One that is open for the same plan, source, reason and operations goes on. Fenced.
    async fn open_changeset(
        &self,
        fence: &Fence,
        request: &ChangesetRequest,
        by: &str,
    ) -> Result<String>;

    /// The request of an open changeset.
    async fn changeset(&self, id: &str) -> Result<Option<ChangesetRequest>>;

    /// How large the contents are that an open changeset names among these; `NotFound` without such a changeset.
    async fn changeset_sizes(&self, id: &str, sha256: &[String]) -> Result<Vec<(String, u64)>>;

    /// Forgets an open changeset with what came for it. Fenced.
    async fn discard_changeset(&self, fence: &Fence, id: &str) -> Result<()>;

    /// Changesets, newest first, behind the one of that id.
    async fn changesets(&self, before: Option<&str>, limit: u32) -> Result<Vec<ChangesetRecord>>;

    /// A changeset, what it wrote, and while it is open what it would do and which contents are absent.
    async fn changeset_report(&self, id: &str) -> Result<Option<Reported>>;

    /// Keeps what an admin says about a changeset that is held, and tells how it stands; an approval holds for as long as the rules say.
    /// `Conflict` when it is not held, `OwnPlan` when the admin opened it. Fenced.
    async fn judge_changeset(
        &self,
        fence: &Fence,
        id: &str,
        verdict: &HoldVerdict,
        notes: Notes,
    ) -> Result<(Hold, Vec<Event>)>;

    /// A step of making the tree of hashes anew, where it is not that of the files; whether there is more to do. Fenced.
    async fn mend_tree(&self, fence: &Fence) -> Result<bool>;

    /// Keeps what a check of a changeset's files found. Fenced.
    async fn keep_verification(&self, fence: &Fence, id: &str, found: &Verification) -> Result<()>;

    /// Commits a changeset whole or not at all: every `expect` is compared with the present state first
    /// (`PlanStale` lists the paths that differ), every content must be there, and one that is held must have been approved (`Held`). Fenced.
    async fn commit_changeset(
        &self,
        fence: &Fence,
        id: &str,
        by: &str,
        notes: Notes,
    ) -> Result<(Committed, Vec<Event>)>;
}
