//! What the store keeps that the API does not show as it is.

use gridhelm_api::Millis;
use gridhelm_api::account::{Account, Role};
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::group::Failover;
use gridhelm_api::node::{Health, Intent, Node, OperatingType};
use gridhelm_api::repository::FileId;
use gridhelm_api::task::{Artifact, ConsoleChunk, Task, TaskFailure, TaskState};
use std::collections::{BTreeMap, BTreeSet};

/// One server *process*: what owns an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The server's name.
    pub server: String,
    /// The process's random boot id.
    pub boot: String,
    /// Its process id on its host.
    pub pid: i64,
    /// Its start time: field 22 of `/proc/<pid>/stat`, clock ticks since boot.
    pub start_ticks: i64,
    /// The host's `/proc/sys/kernel/random/boot_id`.
    pub host_boot: String,
    /// Where it is reached.
    pub url: String,
}

/// Under which epoch a write is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The epoch that this process took.
    pub epoch: i64,
    /// This process's boot id.
    pub boot: String,
}

/// The rows of epoch and lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochRow {
    /// The epoch; 0 in a group that never had an active server.
    pub epoch: i64,
    /// Who took it.
    pub owner: Option<Owner>,
    /// Since when.
    pub since: Option<Millis>,
    /// Who made it so, and why.
    pub by: Option<String>,
    /// The reason.
    pub reason: Option<String>,
    /// The lease's renewal counter.
    pub counter: i64,
    /// Whether the owner gave it up.
    pub released: bool,
    /// Whom the owner named to take over.
    pub successor: Option<String>,
    /// Who decides that an owner that is gone is replaced.
    pub failover: Failover,
}

/// What a claim of the active role was decided on; the transaction that takes the epoch compares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The epoch.
    pub epoch: i64,
    /// The lease's counter, where the claim rests on the lease: the holder may have renewed since.
    pub counter: Option<i64>,
}

impl From<i64> for Seen {
    fn from(epoch: i64) -> Self {
        Self {
            epoch,
            counter: None,
        }
    }
}

/// An event to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDraft {
    /// How grave.
    pub severity: Severity,
    /// What about.
    pub topic: Topic,
    /// The kind's stable name.
    pub kind: &'static str,
    /// The thing.
    pub subject: String,
    /// One sentence.
    pub message: String,
    /// Who did it.
    pub actor: String,
}

/// An audit row to be.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditDraft {
    /// Who.
    pub actor: String,
    /// What: `node.create`.
    pub action: &'static str,
    /// On what.
    pub subject: String,
    /// The state before, without secrets. The store fills it in where it reads the row anyway.
    pub before: Option<serde_json::Value>,
    /// The state after, without secrets.
    pub after: Option<serde_json::Value>,
    /// The reason given.
    pub reason: Option<String>,
    /// The caller's address.
    pub address: String,
    /// The program that the caller says it is, cut to 200 characters.
    pub agent: String,
    /// The request's id.
    pub request_id: String,
}

/// Which audit rows are wanted. All given conditions hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// By this account.
    pub actor: Option<String>,
    /// Of actions that begin so: `node.` or `node.create`.
    pub action: Option<String>,
    /// With this text in the subject or the reason; letters' case does not matter.
    pub text: Option<String>,
    /// Written at this moment or later.
    pub since: Option<Millis>,
    /// Written before this moment.
    pub until: Option<Millis>,
    /// With a smaller number.
    pub before: Option<i64>,
    /// At most so many, 1 to 1,000.
    pub limit: u32,
}

impl AuditFilter {
    /// The newest rows, whatever they are about.
    pub fn newest(limit: u32) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }
}

/// What a write leaves behind in the same transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Notes {
    /// Journal events.
    pub events: Vec<EventDraft>,
    /// Audit rows.
    pub audit: Vec<AuditDraft>,
}

impl Notes {
    /// One event and no audit row.
    pub fn event(event: EventDraft) -> Self {
        Self {
            events: vec![event],
            audit: Vec::new(),
        }
    }

    /// One audit row and no event.
    pub fn audit(row: AuditDraft) -> Self {
        Self {
            events: Vec::new(),
            audit: vec![row],
        }
    }
}

/// A step of removing what outlives its use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trim {
    /// Values, outputs, plots and files of tasks that ended before a moment; the tasks stay.
    Results {
        /// The moment.
        before: Millis,
        /// Only of tasks behind this one.
        behind: String,
    },
    /// Versions of files that were written before a moment, but not the newest ones.
    Versions {
        /// The moment.
        before: Millis,
        /// How many of the newest versions of each file stay in any case, at least 1.
        keep: u32,
        /// Only of files behind the one of this number.
        behind: i64,
    },
}

/// What is too old, for counting what goes; `None` where things are kept for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Ended tasks from before this.
    pub tasks: Option<Millis>,
    /// Results of tasks that ended before this.
    pub results: Option<Millis>,
    /// Versions from before this, but for the newest of each file, so many.
    pub versions: Option<(Millis, u32)>,
    /// Events from before this.
    pub events: Option<Millis>,
}

/// An account with its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredAccount {
    /// What others may see.
    pub account: Account,
    /// The argon2id hash in PHC form.
    pub hash: String,
    /// Grows when tokens made before shall end.
    pub generation: i64,
}

/// What verifies tokens without the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenState {
    /// Ids of revoked tokens.
    pub revoked: BTreeSet<String>,
    /// Each account's generation, role and disabled state.
    pub accounts: BTreeMap<String, (i64, Role, bool)>,
}

/// A token by which a server joins the group, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredJoinToken {
    /// Its id.
    pub id: String,
    /// SHA-256 of the token, hexadecimal: the token itself is not kept.
    pub hash: String,
    /// Who made it.
    pub made_by: String,
    /// When.
    pub made_at: Millis,
    /// When its time is over.
    pub expires_at: Millis,
    /// The server that joined by it.
    pub used_by: Option<String>,
    /// When that was.
    pub used_at: Option<Millis>,
    /// Who took it back.
    pub revoked_by: Option<String>,
}

/// Which events are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Older than this id.
    pub before: Option<i64>,
    /// At most so many, 1 to 1,000.
    pub limit: u32,
    /// Only of this topic.
    pub topic: Option<Topic>,
    /// Only about this thing.
    pub subject: Option<String>,
    /// At least so grave.
    pub severity: Option<Severity>,
}

/// A node as it is kept. `Debug` hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredNode {
    /// Its name.
    pub name: String,
    /// Host of Rserve.
    pub host: String,
    /// Port of Rserve.
    pub port: u16,
    /// The user at Rserve.
    pub user: Option<String>,
    /// That user's password.
    pub password: Option<String>,
    /// Slots.
    pub slot_limit: u32,
    /// Kinds of task.
    pub operating_type: OperatingType,
    /// Labels.
    pub labels: Vec<String>,
    /// What people want of it.
    pub intent: Intent,
    /// Why.
    pub intent_reason: Option<String>,
    /// Who set it.
    pub intent_by: Option<String>,
    /// Since when.
    pub intent_since: Millis,
    /// When it ends by itself.
    pub intent_until: Option<Millis>,
    /// Whether what still runs is interrupted then, or at once where it does not end.
    pub intent_force: bool,
    /// Grows with each edit, from 1.
    pub version: i64,
    /// When it was registered.
    pub created_at: Millis,
}

impl core::fmt::Debug for StoredNode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StoredNode")
            .field("name", &self.name)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("intent", &self.intent)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// An R session that is or was held. By node, pid, start time and boot id it can be told from any other
/// process that ever gets its pid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionRow {
    /// A random id.
    pub id: String,
    /// The node.
    pub node: String,
    /// The R process on the node.
    pub pid: i64,
    /// Its start time, clock ticks since boot.
    pub start_ticks: i64,
    /// The node host's boot id.
    pub host_boot: String,
    /// Its work directory on the node.
    pub work_dir: String,
    /// The server that opened it.
    pub server: String,
    /// The epoch under which it was opened.
    pub epoch: i64,
    /// When.
    pub opened_at: Millis,
}

/// A task with what lists leave out.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTask {
    /// The task as the API shows it, whole.
    pub task: Task,
    /// The code that it runs (a script's content at the time of submission).
    pub code: String,
    /// Its inputs.
    pub inputs: BTreeMap<String, serde_json::Value>,
    /// The outputs that are wanted.
    pub outputs: Vec<String>,
    /// Only nodes with this label.
    pub label: Option<String>,
    /// Whether the submitter waits for the answer (operating type `authenticated`) or not.
    pub waited_for: bool,
}

/// The beginning of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptStart {
    /// 1 for the first.
    pub number: u32,
    /// The node.
    pub node: String,
    /// The slot, from 1.
    pub slot: u32,
    /// The session's id.
    pub session: String,
    /// The R process.
    pub pid: i64,
    /// When.
    pub at: Millis,
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptEnd {
    /// The task.
    pub task: String,
    /// The attempt's number.
    pub number: u32,
    /// The session to forget; `None` keeps its row (its process is not proven dead).
    pub session: Option<String>,
    /// What the task becomes: final, `Queued` for another attempt, or `Uncertain`.
    pub state: TaskState,
    /// When.
    pub at: Millis,
    /// Why it failed.
    pub failure: Option<TaskFailure>,
    /// The value of the last visible expression.
    pub value: Option<serde_json::Value>,
    /// Output values.
    pub outputs: BTreeMap<String, serde_json::Value>,
    /// Plots and files, their content put before.
    pub artifacts: Vec<Artifact>,
    /// The console output of the whole task so far, from `seq` 0 or where the last attempt ended.
    pub console: Vec<ConsoleChunk>,
}

/// What a writer saw of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// It did not exist.
    Absent,
    /// It was at this version.
    Version(i64),
}

/// A new version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileWrite {
    /// Which file.
    pub id: FileId,
    /// What the writer saw.
    pub expect: Expect,
    /// SHA-256 of the content, put before.
    pub sha256: String,
    /// Its size, bytes.
    pub size: u64,
    /// Who writes.
    pub by: String,
    /// What for.
    pub message: String,
    /// What shall be said about it; `None`: what is said stays.
    pub info: Option<Box<gridhelm_api::repository::FileInfo>>,
}

/// The setting in which [`gridhelm_api::hold::RepositoryRules`] are.
pub const REPOSITORY_RULES: &str = "repository_rules";

/// A changeset on record.
#[derive(Debug, Clone)]
pub struct Reported {
    /// The changeset.
    pub record: gridhelm_api::changeset::ChangesetRecord,
    /// What it wrote.
    pub files: Vec<gridhelm_api::changeset::WrittenFile>,
    /// While it is open: contents that are absent.
    pub missing: Vec<String>,
    /// While it is open: what it would do.
    pub planned: Vec<gridhelm_api::changeset::Operation>,
}

impl StoredNode {
    /// The node as the API shows it, without its password; what only the active server sees is left at
    /// "unknown".
    pub fn shown(&self) -> Node {
        Node {
            name: self.name.clone(),
            host: self.host.clone(),
            port: self.port,
            user: self.user.clone(),
            slot_limit: self.slot_limit,
            operating_type: self.operating_type,
            labels: self.labels.clone(),
            intent: self.intent,
            intent_reason: self.intent_reason.clone(),
            intent_by: self.intent_by.clone(),
            intent_since: self.intent_since,
            intent_until: self.intent_until,
            intent_force: self.intent_force,
            version: self.version,
            created_at: self.created_at,
            health: Health::Unknown,
            health_reason: None,
            health_since: 0,
            failures: 0,
            last_heartbeat: None,
            heartbeat_ms: None,
            load: None,
            memory_used: None,
            facts: None,
            drain: None,
            slots: Vec::new(),
        }
    }
}
