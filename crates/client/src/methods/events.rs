//! The journal, and the stream of changes.

use gridhelm_api::Page;
use gridhelm_api::event::{Event, Severity, Topic};
use gridhelm_api::stream::Delta;

use super::{Client, add_number, add_some};
use crate::error::{Error, Result, bare};
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

    /// The stream of changes, from `last_id` on if the server still knows that.
    pub async fn stream(&self, last_id: Option<&str>) -> Result<EventStream> {
        let mut request = self.request(Method::Get, "/events", Body::None);
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
            match serde_json::from_str(&message.data) {
                Ok(delta) => return Some(Ok((message.id, delta))),
                Err(error) if known(&message.event) => {
                    return Some(Err(
                        self.broken(&format!("event {}: {error}", message.event))
                    ));
                }
                Err(_) => {}
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

/// Whether this build knows an event's name, so that failing to read it is an error, not news from a later version.
fn known(event: &str) -> bool {
    matches!(
        event,
        "snapshot"
            | "server"
            | "group"
            | "node"
            | "node_removed"
            | "task"
            | "console"
            | "event"
            | "switch"
            | "repository"
            | "tick"
    )
}
