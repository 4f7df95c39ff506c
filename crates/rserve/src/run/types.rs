//! What goes into a run and what comes out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The identity of a session: what a server records when it opens one, and what another server
/// needs to end it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// The process of the session.
    pub pid: u32,
    /// Its start, clock ticks after boot: with the pid, unique on one boot.
    pub start_time_ticks: u64,
    /// The kernel's id of this boot.
    pub boot_id: String,
    /// The session's own directory, absolute.
    pub work_dir: String,
    /// The Rserve process that forked the session; 1 when it was gone already.
    pub listener_pid: u32,
    /// R's version, `4.2.2`.
    pub r_version: String,
}

/// Size of plots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphicsOptions {
    /// Pixels, 16 to 8192.
    pub width: u32,
    /// Pixels, 16 to 8192.
    pub height: u32,
    /// Nominal pixels per inch, 24 to 1200: scales text and lines.
    pub res: u32,
}

impl Default for GraphicsOptions {
    fn default() -> Self {
        Self {
            width: 800,
            height: 600,
            res: 96,
        }
    }
}

/// Code to run, and what to give back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRequest {
    /// R code, UTF-8.
    pub code: String,
    /// The name that errors show for the code.
    pub file_name: String,
    /// Variables set before the code runs; see [`crate::Value::from_json`].
    pub inputs: BTreeMap<String, Json>,
    /// Variables whose values are wanted afterwards. Those that do not exist then are left out.
    pub outputs: Vec<String>,
    /// Size of plots that the code draws without opening a device itself.
    pub graphics: GraphicsOptions,
    /// Console output that is sent before it is cut with a notice, bytes.
    pub max_output: u64,
    /// Largest result that is sent, bytes as R counts them; a larger one is described instead.
    pub max_value: u64,
    /// Whether each expression is shown in the output before its result, as at R's prompt.
    pub echo: bool,
    /// Whether the session is to be used again: it then remembers how it was before its first code, for
    /// [`crate::run::renew`].
    pub again: bool,
}

impl Default for RunRequest {
    fn default() -> Self {
        Self {
            code: String::new(),
            file_name: "code.R".to_owned(),
            inputs: BTreeMap::new(),
            outputs: Vec::new(),
            graphics: GraphicsOptions::default(),
            max_output: 4 << 20,
            max_value: 64 << 20,
            echo: false,
            again: false,
        }
    }
}

/// What the code tells while it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunEvent {
    /// Printed text, any number of lines or a part of one.
    Output {
        /// The text.
        text: String,
    },
    /// Text of `message()`, or written to R's standard error.
    Message {
        /// The text, its own line end included.
        text: String,
    },
    /// A warning.
    Warning {
        /// The text, with the call that warned.
        text: String,
    },
    /// The code called `gridhelm_progress(done, total)`.
    Progress {
        /// Done so far.
        done: f64,
        /// Of this many.
        total: f64,
    },
    /// The code called `quit()`: the session ends now.
    Quit {
        /// The status given.
        status: i32,
    },
}

/// What kind of failure ended the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RErrorKind {
    /// It does not parse; nothing of it ran.
    Parse,
    /// R raised an error that the code did not handle.
    Error,
    /// It was interrupted.
    Interrupt,
}

/// Why the code did not run to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RError {
    /// What kind.
    pub kind: RErrorKind,
    /// R's message.
    pub message: String,
    /// The call that raised it.
    pub call: Option<String>,
    /// The line of the code, 1 for the first: where the innermost function of the code was, or else
    /// its expression began.
    pub line: Option<u32>,
    /// The calls from the outermost to the innermost; at most 30, the middle left out.
    pub trace: Vec<String>,
}

/// A file that the code made or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Its path below the session's work directory, with `/`.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// What a run gave. A failure of the code is an `error` here, not an [`Error`]: the session is fine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunOutcome {
    /// The value of the last expression, if R would print it.
    pub value: Option<Json>,
    /// All text printed, messages and warnings not included.
    pub printed: String,
    /// Whether output was cut at `max_output`.
    pub truncated: bool,
    /// The outputs that exist, by name.
    pub outputs: BTreeMap<String, Json>,
    /// Why the code did not run to its end.
    pub error: Option<RError>,
    /// Plots in the order drawn: PNG files in the work directory, at most 200.
    pub plots: Vec<String>,
    /// Other files made or changed below the work directory: no links, at most 1,000.
    pub files: Vec<FileInfo>,
    /// Time in R, milliseconds.
    pub elapsed_ms: u64,
    /// Whether the session is ready for other code of the same person; see [`crate::run::renew`].
    #[serde(default)]
    pub renewed: bool,
}
