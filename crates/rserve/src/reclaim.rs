//! Ends sessions that another connection left behind, or that must be interrupted.
//!
//! Everything happens from a second session on the same node: R checks who owns a process and sends
//! the signal in one evaluation, so that a process number that changes hands in between cannot be
//! hit. Nothing without a marker of ours is touched unless [`Rule::Any`] says so.

use serde::{Deserialize, Serialize};

use crate::value::{Data, Value};
use crate::{Connection, Error};

const RECLAIM: &str = include_str!("../r/reclaim.R");

/// Whose a session is: the text of its marker file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// The group of the server that opened it.
    pub group: String,
    /// That server.
    pub server: String,
    /// Its epoch; at most 15 digits, what R's numbers keep exactly.
    pub epoch: u64,
}

impl Marker {
    /// The text for [`crate::run::prepare`]: JSON in exactly this order, which the R side relies on.
    pub fn text(&self) -> String {
        format!(
            "{},\"epoch\":{}}}",
            format_args!("{}{}", prefix(&self.group), json_text(&self.server)),
            self.epoch
        )
    }

    /// Reads a marker's text; `None` for what is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// How every marker of `group` begins.
fn prefix(group: &str) -> String {
    format!("{{\"group\":{},\"server\":", json_text(group))
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The session to end, as it was recorded when it opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its process.
    pub pid: u32,
    /// The start of that process, clock ticks after boot.
    pub start_time_ticks: u64,
    /// The kernel's boot id at that time.
    pub boot_id: String,
}

impl From<&crate::run::SessionInfo> for Target {
    fn from(session: &crate::run::SessionInfo) -> Self {
        Self {
            pid: session.pid,
            start_time_ticks: session.start_time_ticks,
            boot_id: session.boot_id.clone(),
        }
    }
}

/// Which marker allows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Sessions of this group with an epoch below `epoch`: what a new active server reclaims.
    OlderThan {
        /// The group.
        group: String,
        /// The epoch of the server that asks.
        epoch: u64,
    },
    /// Sessions of this group with exactly this epoch: a server's own.
    Own {
        /// The group.
        group: String,
        /// The epoch of the server that asks.
        epoch: u64,
    },
    /// Sessions without any marker: only when a person said so.
    Unmarked,
    /// Whatever it bears: only when a person said so.
    Any,
}

/// What to do to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// SIGINT to R: stops R code, not a call into compiled code or a child process.
    Interrupt,
    /// SIGKILL to the session and all its descendants, deepest first; then its directory is removed.
    Kill,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Reclaimed {
    /// The interrupt was sent; whether R heeds it, its connection shows.
    Interrupted,
    /// The session is dead.
    Killed {
        /// Processes ended, the session's own included.
        processes: u32,
        /// Whether its directory is gone.
        work_dir_removed: bool,
    },
    /// It was dead before: no such process, another one with its number, or the host was restarted.
    Gone {
        /// Whether its directory was there and is removed.
        work_dir_removed: bool,
        /// Whether it bears the mark of code that ended its own session ([`crate::run::EXIT_FILE`]).
        ended_itself: bool,
    },
    /// Nothing was done.
    Refused {
        /// Why.
        why: Refusal,
        /// The marker found, empty for none.
        marker: String,
    },
    /// It was sent SIGKILL and is still there after 2 s: the kernel holds it.
    StillThere,
}

/// Why a session was left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It bears no marker: nobody of ours opened it.
    NoMarker,
    /// Its marker is another group's, or no marker that we know; or it bears one where none was expected.
    Foreign,
    /// Its epoch is not one that the rule allows.
    Epoch,
    /// The process is no session of this node.
    NoSession,
    /// The node's user may not signal it.
    NotPermitted,
}

/// Checks and ends one session through `connection`, a session of the same node.
pub async fn end(
    connection: &mut Connection,
    action: Action,
    target: &Target,
    rule: &Rule,
) -> Result<Reclaimed, Error> {
    let (rule, prefix, limit) = match rule {
        Rule::OlderThan { group, epoch } => ("older", prefix(group), *epoch),
        Rule::Own { group, epoch } => ("exact", prefix(group), *epoch),
        Rule::Unmarked => ("unmarked", String::new(), 0),
        Rule::Any => ("any", String::new(), 0),
    };
    let how = match action {
        Action::Interrupt => "interrupt",
        Action::Kill => "kill",
    };
    let Ok(pid) = i32::try_from(target.pid) else {
        return Ok(Reclaimed::Gone {
            work_dir_removed: false,
            ended_itself: false,
        });
    };
    #[allow(clippy::cast_precision_loss)] // epochs are far below 2^53
    let arguments = [
        Value::text(how),
        Value::integer(pid),
        Value::text(target.start_time_ticks.to_string()),
        Value::text(&*target.boot_id),
        Value::text(rule),
        Value::text(prefix),
        Value::double(limit as f64),
    ];
    let answer = connection
        .eval_call(&call("end", arguments), |_| {})
        .await?;
    read(&answer).ok_or_else(|| unreadable(connection))
}

/// Removes what ended sessions of `group` left on the node's disk, and empty session directories, and
/// ends processes that outlived a session whose directory is gone; says how many. Rserve never does it itself, not even for connections that never signed in.
pub async fn sweep(connection: &mut Connection, group: &str) -> Result<u64, Error> {
    let answer = connection
        .eval_call(&call("sweep", [Value::text(prefix(group))]), |_| {})
        .await?;
    answer.as_u64().ok_or_else(|| unreadable(connection))
}

/// `eval(parse(text = RECLAIM), baseenv())$function(arguments)`.
fn call(function: &str, arguments: impl IntoIterator<Item = Value>) -> Value {
    let functions = evaluated(RECLAIM);
    let mut items = vec![(None, Value::call("$", [functions, Value::symbol(function)]))];
    items.extend(arguments.into_iter().map(|a| (None, a)));
    Data::Language(items).into()
}

/// A call that evaluates R source outside the global environment, where R would compile functions
/// that run once.
pub(crate) fn evaluated(source: &str) -> Value {
    let parse = Data::Language(vec![
        (None, Value::symbol("parse")),
        (Some("text".to_owned()), Value::text(source)),
        (Some("keep.source".to_owned()), Value::logical(false)),
    ]);
    Value::call("eval", [parse.into(), Value::call("baseenv", [])])
}

fn read(answer: &Value) -> Option<Reclaimed> {
    let work_dir_removed = answer.get("removed")?.as_bool()?;
    let refused = |why| {
        let marker = answer
            .get("marker")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        Some(Reclaimed::Refused { why, marker })
    };
    match answer.get("what")?.as_str()? {
        "interrupted" => Some(Reclaimed::Interrupted),
        "killed" => {
            let processes = u32::try_from(answer.get("processes")?.as_u64()?).unwrap_or(u32::MAX);
            Some(Reclaimed::Killed {
                processes,
                work_dir_removed,
            })
        }
        "gone" => Some(Reclaimed::Gone {
            work_dir_removed,
            ended_itself: answer.get("exit")?.as_bool()?,
        }),
        "still_there" => Some(Reclaimed::StillThere),
        "no_marker" => refused(Refusal::NoMarker),
        "foreign" => refused(Refusal::Foreign),
        "epoch" => refused(Refusal::Epoch),
        "no_session" => refused(Refusal::NoSession),
        "not_permitted" => refused(Refusal::NotPermitted),
        _ => None,
    }
}

fn unreadable(connection: &Connection) -> Error {
    Error::Protocol {
        endpoint: connection.endpoint().to_owned(),
        what: "the answer to a reclaim has not the expected form".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_marker_reads_back_and_begins_as_the_check_expects() {
        for group in ["east", "e\"a,st", "\\", "ø", "\",\"server\":\"x"] {
            let marker = Marker {
                group: group.into(),
                server: "s-1".into(),
                epoch: 12,
            };
            assert_eq!(Marker::parse(&marker.text()), Some(marker.clone()));
            assert!(marker.text().starts_with(&prefix(group)));
            assert!(marker.text().ends_with(",\"epoch\":12}"));
        }
        assert_eq!(Marker::parse("{}"), None);
    }
}
