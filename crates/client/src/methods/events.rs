//! The journal, and the stream of changes.

use gridhelm_api::event::{Event, Severity, Topic};
use gridhelm_api::group::GroupStats;
use gridhelm_api::stream::{Delta, Snapshot};
use gridhelm_api::task::ConsoleChunk;
use gridhelm_api::{Millis, Page, patch};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Client, add_number, add_some};
use crate::error::{Error, Result, bare};
use crate::json;
use crate::pieces;
use crate::platform;
use crate::request::{Body, Method};
use crate::sse::{Message, Parser};

/// Which events a list shall have, newest first.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Only of this topic.
    pub topic: Option<Topic>,
    /// Only of this severity.
    pub severity: Option<Severity>,
    /// Only about this thing.
    pub subject: Option<String>,
    /// The `next` of the page before.
    pub before: Option<String>,
    /// How many at most, 1 to 1,000; 100 when none.
    pub limit: Option<u32>,
}

const fn topic_name(topic: Topic) -> &'static str {
    match topic {
        Topic::Grid => "grid",
        Topic::Task => "task",
        Topic::Repository => "repository",
        Topic::Switch => "switch",
        Topic::Account => "account",
        Topic::Server => "server",
    }
}

const fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Good => "good",
        Severity::Warn => "warn",
        Severity::Fail => "fail",
    }
}

impl Client {
    /// The journal, newest first.
    pub async fn events(&self, query: &EventQuery) -> Result<Page<Event>> {
        let mut url = "/events".to_owned();
        add_some(&mut url, "topic", query.topic.map(topic_name));
        add_some(&mut url, "severity", query.severity.map(severity_name));
        add_some(&mut url, "subject", query.subject.as_deref());
        add_some(&mut url, "before", query.before.as_deref());
        add_number(&mut url, "limit", query.limit.map(i64::from));
        self.get(&url).await
    }

    /// The stream of changes, from `last_id` on if the server still knows that. What changes of nodes comes as patches, from a server
    /// that knows them.
    pub async fn stream(&self, last_id: Option<&str>) -> Result<EventStream> {
        let mut url = "/events".to_owned();
        add_number(&mut url, "patches", Some(patch::VERSION.into()));
        let mut request = self.request(Method::Get, &url, Body::None);
        request
            .headers
            .push(("accept", "text/event-stream".to_owned()));
        if let Some(id) = last_id.filter(|id| !id.is_empty()) {
            request.headers.push(("last-event-id", id.to_owned()));
        }
        let url = request.url.clone();
        Ok(EventStream {
            url,
            pieces: platform::open(request).await?,
            parser: Parser::new(),
            ready: Vec::new().into_iter(),
            buffer: Vec::new(),
        })
    }
}

/// A stream of changes. Dropping it ends the connection.
pub struct EventStream {
    url: String,
    pieces: platform::Pieces,
    parser: Parser,
    ready: std::vec::IntoIter<Message>,
    buffer: Vec<Message>,
}

impl EventStream {
    /// The next message; `None` when the server has ended the stream.
    pub async fn next(&mut self) -> Option<Result<Message>> {
        loop {
            if let Some(message) = self.ready.next() {
                return Some(Ok(message));
            }
            let piece = match self.pieces.next().await? {
                Ok(piece) => piece,
                Err(error) => return Some(Err(error)),
            };
            if let Err(error) = self.parser.push(&piece, &mut self.buffer) {
                return Some(Err(self.broken(&error.to_string())));
            }
            self.ready = core::mem::take(&mut self.buffer).into_iter();
        }
    }

    /// The next change, with the id to resume after it. Kinds that this build does not know are passed over.
    pub async fn next_delta(&mut self) -> Option<Result<(String, Delta)>> {
        loop {
            let message = match self.next().await? {
                Ok(message) => message,
                Err(error) => return Some(Err(error)),
            };
            match delta(&message.event, &message.data) {
                Ok(Some(delta)) => return Some(Ok((message.id, delta))),
                Ok(None) => {}
                Err(error) => {
                    return Some(Err(
                        self.broken(&format!("event {}: {error}", message.event))
                    ));
                }
            }
        }
    }

    fn broken(&self, detail: &str) -> Error {
        Error::Decode {
            url: bare(&self.url),
            status: 200,
            detail: detail.to_owned(),
        }
    }
}

/// A change as it travels.
#[derive(Deserialize)]
struct Of<T> {
    data: T,
}

#[derive(Deserialize)]
struct NodeRemoved {
    name: String,
}

#[derive(Deserialize)]
struct Console {
    task: String,
    chunks: Vec<ConsoleChunk>,
}

#[derive(Deserialize)]
struct Repository {
    files: u64,
}

#[derive(Deserialize)]
struct Tick {
    at: Millis,
    stats: Option<GroupStats>,
}

/// The change of a message; `None` for a kind of which only a later version knows.
///
/// It is told by the event's name, which comes first: a [`Delta`] read by the type inside it would have to be kept aside until that
/// is found, and each of its kinds be read by code of its own once more.
fn delta(event: &str, text: &str) -> serde_json::Result<Option<Delta>> {
    fn read<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
        json::read::<Of<T>>(text).map(|of| of.data)
    }
    Ok(Some(match event {
        "snapshot" => Delta::Snapshot(snapshot(text)?.into()),
        "server" => Delta::Server(read(text)?),
        "group" => Delta::Group(read(text)?),
        "node" => Delta::Node(read(text)?),
        // Without the wrapper of the others: it comes often.
        "patch" => Delta::Patch(json::read(text)?),
        "node_removed" => {
            let NodeRemoved { name } = read(text)?;
            Delta::NodeRemoved { name }
        }
        "task" => Delta::Task(read(text)?),
        "console" => {
            let Console { task, chunks } = read(text)?;
            Delta::Console { task, chunks }
        }
        "event" => Delta::Event(read(text)?),
        "switch" => Delta::Switch(read(text)?),
        "repository" => {
            let Repository { files } = read(text)?;
            Delta::Repository { files }
        }
        "tick" => {
            let Tick { at, stats } = read(text)?;
            Delta::Tick { at, stats }
        }
        _ => return Ok(None),
    }))
}

/// A snapshot, its nodes one by one.
fn snapshot(text: &str) -> serde_json::Result<Snapshot> {
    let Some(cut) = pieces::cut(text, "nodes", 2) else {
        return json::read::<Of<Snapshot>>(text).map(|of| of.data);
    };
    let mut snapshot = json::read::<Of<Snapshot>>(&cut.rest)?.data;
    let nodes: serde_json::Result<_> = cut.items.into_iter().map(json::read).collect();
    snapshot.nodes = nodes?;
    Ok(snapshot)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_change_is_read_as_it_was_written() {
        let stats = GroupStats::default();
        for written in [
            Delta::NodeRemoved {
                name: "r1".to_owned(),
            },
            Delta::Console {
                task: "t".to_owned(),
                chunks: Vec::new(),
            },
            Delta::Repository { files: 3 },
            Delta::Tick { at: 1, stats: None },
            Delta::Tick {
                at: 2,
                stats: Some(stats),
            },
        ] {
            let text = serde_json::to_string(&written).unwrap();
            assert_eq!(delta(written.name(), &text).unwrap(), Some(written));
        }
        let node = |name: &str| {
            serde_json::json!({
                "name": name, "host": "h", "port": 1, "slot_limit": 1, "operating_type": "mixed", "intent": "enabled",
                "intent_since": 0, "version": 1, "created_at": 0,
            })
        };
        for nodes in [vec![], vec![node("r1"), node("],\\\"")]] {
            let all = serde_json::json!({
                "server": gridhelm_api::group::ServerStatus::default(), "stats": GroupStats::default(),
                "group": { "name": "nodes", "epoch": 1, "members": [], "database": "d" },
                "nodes": nodes, "tasks": [], "events": [],
            });
            let written = Delta::Snapshot(serde_json::from_value(all).unwrap());
            let text = serde_json::to_string(&written).unwrap();
            assert_eq!(delta("snapshot", &text).unwrap(), Some(written));
        }
        assert!(delta("snapshot", "{\"data\":{\"nodes\":[{}]}}").is_err());
        assert_eq!(delta("weather", "{}").unwrap(), None);
        assert!(delta("tick", "{}").is_err());
    }
}
