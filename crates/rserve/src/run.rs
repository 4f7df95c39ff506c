//! Runs user code in a session.
//!
//! [`prepare`] marks a fresh session and loads the runner (`r/runner.R`); [`run`] evaluates code
//! expression by expression like R's prompt, sends output while it runs, and gathers results, plots
//! and files. Each is one round trip.

use std::sync::OnceLock;

use crate::error::bounded;
use crate::reclaim::evaluated;
use crate::value::{Data, Value};
use crate::{Connection, Error, proc_text};

mod outcome;
mod types;

use outcome::Collector;
pub use types::{
    FileInfo, GraphicsOptions, RError, RErrorKind, RunEvent, RunOutcome, RunRequest, SessionInfo,
};

const SESSION: &str = include_str!("../r/session.R");
const RUNNER: &str = include_str!("../r/runner.R");

/// What the work directory of a session holds from its first evaluation on: the text given to
/// [`prepare`].
pub const MARKER_FILE: &str = ".gridhelm";
/// Left in the work directory when the code itself ended the session (`quit()`).
pub const EXIT_FILE: &str = ".gridhelm-exit";

/// Longest marker, bytes.
const MAX_MARKER: usize = 4096;
/// Longest name of an input or output, bytes (R's own limit for a symbol is 10,000).
const MAX_NAME: usize = 256;

/// R code that a node may `source` before it forks: [`prepare`] then finds the runner loaded and
/// plots need no set-up. Everything works without it, only later.
pub fn preload_source() -> &'static str {
    concat!(
        "local({\n  text <- r\"---(",
        include_str!("../r/runner.R"),
        ")---\"\n",
        include_str!("../r/preload.R")
    )
}

/// Marks a fresh session with the text `marker` (see [`crate::reclaim::Marker`]) and returns what
/// identifies the session; nothing of the user's may be evaluated before it. One round trip on a node
/// that loaded [`preload_source`], two on another, which must be sent the runner first.
pub async fn prepare(connection: &mut Connection, marker: &str) -> Result<SessionInfo, Error> {
    if marker.len() > MAX_MARKER {
        return Err(invalid(connection, "the marker is longer than 4096 bytes"));
    }
    // if (exists(".gridhelm_<version>")) .gridhelm_<version>$start(marker)
    let preloaded = format!(".gridhelm_{}", version());
    let exists = Value::call("exists", [Value::text(&*preloaded)]);
    let begin = Value::call("$", [Value::symbol(&*preloaded), Value::symbol("start")]);
    let begin = Data::Language(vec![(None, begin), (None, Value::text(marker))]);
    let mut reply = connection
        .eval_call(&Value::call("if", [exists, begin.into()]), |_| {})
        .await?;
    if reply.data == Data::Null {
        let mut items = vec![(None, evaluated(SESSION))];
        let arguments = [
            Value::text(marker),
            Value::text(version()),
            Value::text(RUNNER),
        ];
        items.extend(arguments.into_iter().map(|a| (None, a)));
        reply = connection
            .eval_call(&Data::Language(items).into(), |_| {})
            .await?;
    }
    let facts = match &reply.as_texts()[..] {
        [stat, boot_id, work_dir, r_version] => proc_text::stat(stat).map(|stat| SessionInfo {
            pid: stat.pid,
            start_time_ticks: stat.start_ticks,
            boot_id: boot_id.clone(),
            work_dir: work_dir.clone(),
            listener_pid: stat.parent,
            r_version: r_version.clone(),
        }),
        _ => None,
    };
    facts.ok_or_else(|| Error::Protocol {
        endpoint: connection.endpoint().to_owned(),
        what: "the session did not tell its process; nodes must run on Linux".to_owned(),
    })
}

/// Runs code in a session that [`prepare`] prepared, and hands what it tells to `on_event` as it
/// comes. One round trip.
///
/// [`Error::Closed`] means that the session ended under the code; `quit_status` tells when the code
/// itself did it. To stop a run, see [`crate::reclaim`].
pub async fn run(
    connection: &mut Connection,
    request: &RunRequest,
    on_event: impl FnMut(RunEvent) + Send,
) -> Result<RunOutcome, Error> {
    let call = call(connection, request)?;
    let mut collector = Collector::new(on_event, request.max_output);
    let reply = connection
        .eval_call(&call, |value| collector.take(&value))
        .await;
    match reply {
        Ok(value) => collector.finish(&value).ok_or_else(|| Error::Protocol {
            endpoint: connection.endpoint().to_owned(),
            what: "the runner's answer has not the expected form; the code may have replaced the runner".to_owned(),
        }),
        Err(Error::Closed { endpoint, reason, .. }) => match collector.quit {
            Some(status) => Err(Error::Closed {
                endpoint,
                reason: format!("the code called quit() with status {status}"),
                quit_status: Some(status),
            }),
            None => Err(Error::Closed { endpoint, reason, quit_status: None }),
        },
        Err(error) => Err(error),
    }
}

/// Runs nothing, once. The first run of a fresh process costs 1 to 3 ms more than the later ones, for
/// memory that it shares with its node until it writes to it; a session opened ahead of need can have
/// that behind it.
pub async fn warm_up(connection: &mut Connection) -> Result<(), Error> {
    run(connection, &RunRequest::default(), |_| {})
        .await
        .map(|_| ())
}

/// Makes a session ready for other code of the same person, after a [`run`] that was told of it (`again`): an empty global
/// environment and work directory, R's options, environment variables, search path and random numbers as before the first
/// code, no open connections. What cannot be undone stays: loaded namespaces, classes and methods that were
/// defined, the locale.
///
/// `false`: it must not be used again, for instance because it has child processes. One round trip.
pub async fn renew(connection: &mut Connection) -> Result<bool, Error> {
    let function = Value::call("$", [Value::symbol(".gridhelm"), Value::symbol("renew")]);
    let call = Data::Language(vec![(None, function)]);
    let renewed = connection.eval_call(&call.into(), |_| {}).await?;
    Ok(renewed.as_bool() == Some(true))
}

/// Removes the session's own directory, which Rserve leaves. Never another one, whatever the node's
/// configuration made of the present directory.
pub(crate) const REMOVE_WORK_DIR: &str =
    "if(basename(d<-getwd())==paste0(\"conn\",Sys.getpid()))unlink(d,TRUE)";

/// Removes the session's work directory and closes the session. Rserve itself leaves the directory.
pub async fn discard(mut connection: Connection, session: &SessionInfo) -> Result<(), Error> {
    let back = Value::call("setwd", [Value::text(session.work_dir.clone())]);
    // The code may have changed the directory.
    let result = match connection.eval_call(&back, |_| {}).await {
        Ok(_) => {
            connection
                .eval(&format!("local({{{REMOVE_WORK_DIR}}})"))
                .await
        }
        Err(error) => Err(error),
    };
    connection.close().await;
    result.map(|_| ())
}

/// What [`collect`] found.
#[cfg(feature = "fuzzing")]
pub(crate) struct Collected {
    /// Bytes printed that were kept.
    pub(crate) printed: usize,
    /// The outcome, if the answer has its form.
    pub(crate) outcome: Option<RunOutcome>,
}

/// The outcome of what the runner sent and answered.
#[cfg(feature = "fuzzing")]
pub(crate) fn collect(sent: &[Value], answer: &Value, max_output: usize) -> Collected {
    let mut collector = Collector::new(|_| {}, max_output as u64);
    for value in sent {
        collector.take(value);
    }
    let outcome = collector.finish(answer);
    let printed = outcome.as_ref().map_or(0, |outcome| outcome.printed.len());
    Collected { printed, outcome }
}

fn call(connection: &Connection, request: &RunRequest) -> Result<Value, Error> {
    let bad = |reason: String| invalid(connection, &reason);
    let mut inputs = Vec::with_capacity(request.inputs.len());
    for (name, json) in &request.inputs {
        if let Some(reason) = bad_name(name) {
            return Err(bad(format!(
                "the input name '{}' {reason}",
                bounded(name, 80).escape_default()
            )));
        }
        let value = Value::from_json(json).map_err(|e| bad(format!("the input '{name}': {e}")))?;
        inputs.push((name.clone(), value));
    }
    for name in &request.outputs {
        if let Some(reason) = bad_name(name) {
            return Err(bad(format!(
                "the output name '{}' {reason}",
                bounded(name, 80).escape_default()
            )));
        }
    }
    let GraphicsOptions { width, height, res } = request.graphics;
    for (what, number, range) in [
        ("width", width, 16..=8192),
        ("height", height, 16..=8192),
        ("res", res, 24..=1200),
    ] {
        if !range.contains(&number) {
            return Err(bad(format!(
                "the plot's {what} {number} is not within {} to {}",
                range.start(),
                range.end()
            )));
        }
    }
    let function = Value::call("$", [Value::symbol(".gridhelm"), Value::symbol("run")]);
    #[allow(clippy::cast_precision_loss)] // limits far below 2^53
    let arguments = [
        Value::texts(request.code.lines()),
        Value::text(&*request.file_name),
        Value::named_list(inputs),
        Value::texts(request.outputs.iter().cloned()),
        Value::double(f64::from(width)),
        Value::double(f64::from(height)),
        Value::double(f64::from(res)),
        Value::double(request.max_output as f64),
        Value::double(request.max_value as f64),
        Value::logical(request.echo),
        Value::logical(request.again),
    ];
    let mut items = vec![(None, function)];
    items.extend(arguments.into_iter().map(|a| (None, a)));
    Ok(Data::Language(items).into())
}

/// Why `name` cannot name a variable.
fn bad_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("is empty");
    }
    if name.len() > MAX_NAME {
        return Some("is longer than 256 bytes");
    }
    if name.contains(char::is_control) {
        return Some("contains a control character");
    }
    None
}

fn invalid(connection: &Connection, reason: &str) -> Error {
    Error::Invalid {
        endpoint: connection.endpoint().to_owned(),
        reason: reason.to_owned(),
    }
}

/// Identifies the runner's text: another text, another version. A sum that R's numbers can keep; the
/// same as in `r/preload.R`.
fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let sum = RUNNER
            .bytes()
            .fold(0_u64, |sum, b| (sum * 31 + u64::from(b)) % 2_147_483_647);
        format!("{}_{sum}", RUNNER.len())
    })
}
