//! Tasks: one execution of a script or code, and its attempts.

use crate::repository::FileId;
use crate::{FieldError, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a task runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A script of the repository, at a version or the latest.
    Script {
        /// Which file.
        file: FileId,
        /// Which version; absent: the latest at the time of submission.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<i64>,
    },
    /// Code as given, at most 1 MiB.
    Code {
        /// The code.
        code: String,
    },
}

/// `POST /tasks`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct TaskRequest {
    /// What to run.
    pub source: Source,
    /// R variables set before it runs: name to JSON value.
    #[serde(default)]
    pub inputs: BTreeMap<String, serde_json::Value>,
    /// R variables whose values are wanted afterwards.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// The longest time one attempt may run, seconds, 1 to 86,400; the default is 300.
    #[serde(default = "default_timeout")]
    pub timeout_s: u32,
    /// Higher goes first; -100 to 100.
    #[serde(default)]
    pub priority: i32,
    /// Whether it may run again, once, when the grid fails under it.
    #[serde(default)]
    pub re_executable: bool,
    /// Only nodes with this label; `node=NAME` is the label of one node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether it is accepted although every node lacks a package that its code names.
    #[serde(default)]
    pub ignore_packages: bool,
    /// Whether it may run in an R session that ran such tasks of the same account before, and leave its own to later
    /// ones: sooner, with an empty global environment, but with the packages that were loaded.
    #[serde(default)]
    pub reuse: bool,
}

const fn default_timeout() -> u32 {
    300
}

impl TaskRequest {
    /// Every field that is not acceptable, with the reason.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        match &self.source {
            Source::Script { file, .. } => errors.extend(file.check()),
            Source::Code { code } if code.len() > 1 << 20 => {
                errors.push(FieldError::new("source", "Give at most 1 MiB of code."));
            }
            Source::Code { .. } => {}
        }
        if !(1..=86_400).contains(&self.timeout_s) {
            errors.push(FieldError::new("timeout_s", "Give 1 to 86400 seconds."));
        }
        if !(-100..=100).contains(&self.priority) {
            errors.push(FieldError::new("priority", "Give -100 to 100."));
        }
        if self.inputs.len() > 1000 || !self.inputs.keys().all(|n| is_r_name(n)) {
            errors.push(FieldError::new(
                "inputs",
                "Give at most 1000 inputs with syntactic R names.",
            ));
        }
        if self.outputs.len() > 1000 || !self.outputs.iter().all(|n| is_r_name(n)) {
            errors.push(FieldError::new(
                "outputs",
                "Give at most 1000 syntactic R names.",
            ));
        }
        errors
    }
}

/// Whether a text is a plain R variable name: letters, digits, `.` and `_`, at most 255 bytes, starting
/// with a letter or with a dot that no digit follows.
pub fn is_r_name(name: &str) -> bool {
    let mut chars = name.chars();
    let start_ok = match chars.next() {
        Some('.') => !name[1..].starts_with(|c: char| c.is_ascii_digit()),
        Some(c) => c.is_ascii_alphabetic(),
        None => false,
    };
    start_ok
        && name.len() <= 255
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'))
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Waits for a slot.
    Queued,
    /// Runs on a slot.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended with an error of R, of the grid, or by its time-out.
    Failed,
    /// Ended because someone asked for it.
    Cancelled,
    /// Its old session is not proven dead; a person decides.
    Uncertain,
}

impl TaskState {
    /// Whether nothing more will happen to it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// What ended a task badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The code does not parse.
    Parse,
    /// R raised an error.
    Error,
    /// The time-out passed.
    Timeout,
    /// Someone cancelled it.
    Cancelled,
    /// The code ended its own session: `quit()` or a crash it repeated.
    SessionEnded,
    /// The grid failed: node, network or server.
    Grid,
}

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct TaskFailure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// R's message, or ours.
    pub message: String,
    /// The R call that raised it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Line of the script, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// R's call stack, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<String>,
}

/// One run of a task on a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// Where it ran.
    pub node: String,
    /// The slot, from 1.
    pub slot: u32,
    /// The R process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i64>,
    /// The epoch under which it ran.
    pub epoch: i64,
    /// When it began.
    pub started_at: Millis,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<TaskFailure>,
}

/// A file or a plot that a task left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Artifact {
    /// Its name in the session's work directory.
    pub name: String,
    /// Its size, bytes.
    pub size: u64,
    /// Whether it is a plot that the graphics device wrote.
    pub plot: bool,
    /// SHA-256 of the content, hexadecimal.
    pub sha256: String,
}

/// A task. Lists leave out `code`, `value`, `outputs`, `failure.trace` and the attempts' failures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Task {
    /// Its id, `t-…`; sorts by time of submission.
    pub id: String,
    /// What it is called on screens: the script's path, or "Code".
    pub title: String,
    /// Where it stands.
    pub state: TaskState,
    /// Who submitted it.
    pub submitted_by: String,
    /// When.
    pub submitted_at: Millis,
    /// When the first attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Millis>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// Higher goes first.
    pub priority: i32,
    /// The longest time one attempt may run, seconds.
    pub timeout_s: u32,
    /// Whether it may run again when the grid fails under it.
    pub re_executable: bool,
    /// The script it runs, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<FileId>,
    /// The script's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script_version: Option<i64>,
    /// The attempts so far.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<TaskFailure>,
    /// The value of the last visible expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// The values of the outputs that were asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, serde_json::Value>,
    /// Plots and files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
}

/// What a piece of console output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum ConsoleKind {
    /// Printed output.
    Output,
    /// `message()`.
    Message,
    /// `warning()`.
    Warning,
    /// An error.
    Error,
    /// A word of the server: started, repeated, interrupted.
    System,
}

/// A piece of a task's console output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct ConsoleChunk {
    /// Its number within the task, from 0, without gaps.
    pub seq: u64,
    /// What it is.
    pub kind: ConsoleKind,
    /// The text; never HTML.
    pub text: String,
}

/// A one-time address under which a browser can fetch one thing without a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct OneTimeLink {
    /// The path at the same server, `/download/…`; good for one fetch within a minute.
    pub path: String,
}
