//! The methods of the admin API, one for each route.

use gridhelm_api::account::{Account, AccountDraft, AccountPatch, AuditRow, SignIn, SignedIn};
use gridhelm_api::changeset::{Changeset, ChangesetRequest, Committed, Manifest};
use gridhelm_api::deployment::Deployment;
use gridhelm_api::event::Event;
use gridhelm_api::group::{Group, ServerStatus};
use gridhelm_api::node::{IntentChange, Node, NodeDraft, NodePatch, NodeTest, TimelinePoint};
use gridhelm_api::repository::{FileId, FileMeta, FileVersion};
use gridhelm_api::stream::Delta;
use gridhelm_api::switch::{Preflight, SwitchRecord, SwitchRequest};
use gridhelm_api::task::{ConsoleChunk, OneTimeLink, Task, TaskRequest};
use gridhelm_api::{Millis, Page};
use serde::de::DeserializeOwned;

use crate::error::{Error, Result, bare};
use crate::platform;
use crate::request::{Answer, Body, Method, Request, Token, add_query, encode};
use crate::sse::{Message, Parser};

/// How long a request may take unless it is known to take longer, seconds.
const TIMEOUT: u32 = 10;
/// How long a test of a node's connection, or a preflight, may take, seconds.
const SLOW: u32 = 30;
/// How long content may take to be sent or received, seconds.
const CONTENT: u32 = 300;

/// A server's admin API, as one account or as nobody.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    token: Option<Token>,
}

/// Which tasks a list shall have, newest first.
#[derive(Clone, Debug, Default)]
pub struct TaskQuery {
    /// States, comma between them; all when empty.
    pub state: String,
    /// Text that id or title must contain.
    pub q: String,
    /// The `next` of the page before.
    pub before: Option<String>,
    /// How many at most.
    pub limit: Option<u32>,
}

/// Which events a list shall have, newest first.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Topics, comma between them; all when empty.
    pub topic: String,
    /// Severities, comma between them; all when empty.
    pub severity: String,
    /// Text that kind, subject, message or actor must contain.
    pub q: String,
    /// Only from this time on.
    pub from: Option<Millis>,
    /// Only before this time.
    pub to: Option<Millis>,
    /// The `next` of the page before.
    pub before: Option<String>,
    /// How many at most.
    pub limit: Option<u32>,
}

impl Client {
    /// A client of the server at `base` (`http(s)://host:port`, or the empty text for the page's own origin), without a token.
    pub fn new(base: impl Into<String>) -> Self {
        let mut base = base.into();
        while base.ends_with('/') {
            base.pop();
        }
        Self { base, token: None }
    }

    /// The same server, as the account whose token it is.
    #[must_use]
    pub fn with_token(mut self, token: Option<Token>) -> Self {
        self.token = token;
        self
    }

    /// The server's address, without a trailing slash.
    pub fn base(&self) -> &str {
        &self.base
    }

    fn request(&self, method: Method, path: &str, body: Body) -> Request<'_> {
        Request {
            method,
            url: [self.base.as_str(), "/api/v1", path].concat(),
            token: self.token.as_ref(),
            headers: Vec::new(),
            body,
            timeout_s: TIMEOUT,
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        platform::send(self.request(Method::Get, path, Body::None))
            .await?
            .json()
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Body,
        version: Option<i64>,
    ) -> Result<T> {
        let mut request = self.request(method, path, body);
        request.headers.extend(if_match(version));
        platform::send(request).await?.json()
    }

    /// Sends a request to a path below `/api/v1` for which there is no method here, or whose answer is not JSON.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        headers: Vec<(&'static str, String)>,
        body: Body,
        timeout_s: u32,
    ) -> Result<Answer> {
        let mut request = self.request(method, path, body);
        request.headers = headers;
        request.timeout_s = timeout_s;
        platform::send(request).await
    }

    // ---- who is there

    /// Who answers, and who is active. Needs no token.
    pub async fn server(&self) -> Result<ServerStatus> {
        self.get("/server").await
    }

    /// The group: epoch, active server, members.
    pub async fn group(&self) -> Result<Group> {
        self.get("/group").await
    }

    /// The deployment that this server, or a static host, describes to a console: a file beside the page, not part of the API.
    pub async fn deployment(&self) -> Result<Deployment> {
        let mut request = self.request(Method::Get, "", Body::None);
        request.url = [self.base.as_str(), "/deployment.json"].concat();
        platform::send(request).await?.json()
    }

    // ---- accounts

    /// Signs in to this server's group.
    pub async fn sign_in(&self, sign_in: &SignIn) -> Result<SignedIn> {
        self.call(Method::Post, "/session", Body::json(sign_in), None)
            .await
    }

    /// The account of the token.
    pub async fn session(&self) -> Result<Account> {
        self.get("/me").await
    }

    /// Ends the token.
    pub async fn sign_out(&self) -> Result<()> {
        self.call(Method::Delete, "/session", Body::None, None)
            .await
    }

    /// All accounts of the group.
    pub async fn users(&self) -> Result<Vec<Account>> {
        self.get("/users").await
    }

    /// Makes an account.
    pub async fn create_user(&self, draft: &AccountDraft) -> Result<Account> {
        self.call(Method::Post, "/users", Body::json(draft), None)
            .await
    }

    /// Changes an account.
    pub async fn patch_user(&self, username: &str, patch: &AccountPatch) -> Result<Account> {
        self.call(
            Method::Patch,
            &path(&["users", username]),
            Body::json(patch),
            None,
        )
        .await
    }

    /// The audit log, newest first.
    pub async fn audit(&self, before: Option<&str>) -> Result<Page<AuditRow>> {
        let mut url = "/audit".to_owned();
        add_some(&mut url, "before", before);
        self.get(&url).await
    }

    // ---- nodes

    /// All nodes of the group.
    pub async fn nodes(&self) -> Result<Vec<Node>> {
        let page: Page<Node> = self.get("/nodes").await?;
        Ok(page.items)
    }

    /// One node.
    pub async fn node(&self, name: &str) -> Result<Node> {
        self.get(&path(&["nodes", name])).await
    }

    /// Tries whether a node would work, without registering it.
    pub async fn test_node(&self, draft: &NodeDraft) -> Result<NodeTest> {
        let mut request = self.request(Method::Post, "/nodes/test", Body::json(draft));
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }

    /// Registers a node.
    pub async fn create_node(&self, draft: &NodeDraft) -> Result<Node> {
        self.call(Method::Post, "/nodes", Body::json(draft), None)
            .await
    }

    /// Changes a node, if it still is at that version.
    pub async fn patch_node(&self, name: &str, version: i64, patch: &NodePatch) -> Result<Node> {
        self.call(
            Method::Patch,
            &path(&["nodes", name]),
            Body::json(patch),
            Some(version),
        )
        .await
    }

    /// Enables, drains or disables a node, if it still is at that version.
    pub async fn set_intent(
        &self,
        name: &str,
        version: i64,
        change: &IntentChange,
    ) -> Result<Node> {
        self.call(
            Method::Post,
            &path(&["nodes", name, "intent"]),
            Body::json(change),
            Some(version),
        )
        .await
    }

    /// Takes a node out of the grid for good, if it still is at that version.
    pub async fn remove_node(&self, name: &str, version: i64) -> Result<()> {
        self.call(
            Method::Delete,
            &path(&["nodes", name]),
            Body::None,
            Some(version),
        )
        .await
    }

    /// Looks at a node now instead of at the next turn.
    pub async fn probe_node(&self, name: &str) -> Result<Node> {
        let mut request = self.request(Method::Post, &path(&["nodes", name, "probe"]), Body::None);
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }

    /// How many slots of a node could be used, over the last 30 minutes.
    pub async fn node_timeline(&self, name: &str) -> Result<Vec<TimelinePoint>> {
        self.get(&path(&["nodes", name, "timeline"])).await
    }

    // ---- tasks

    /// Tasks, newest first.
    pub async fn tasks(&self, query: &TaskQuery) -> Result<Page<Task>> {
        let mut url = "/tasks".to_owned();
        add_some(&mut url, "state", Some(&query.state));
        add_some(&mut url, "q", Some(&query.q));
        add_some(&mut url, "before", query.before.as_deref());
        add_number(&mut url, "limit", query.limit.map(i64::from));
        self.get(&url).await
    }

    /// Submits a task.
    pub async fn submit(&self, task: &TaskRequest) -> Result<Task> {
        self.call(Method::Post, "/tasks", Body::json(task), None)
            .await
    }

    /// One task, whole.
    pub async fn task(&self, id: &str) -> Result<Task> {
        self.get(&path(&["tasks", id])).await
    }

    /// A task's console output from the piece numbered `from` on.
    pub async fn console(&self, id: &str, from: u64) -> Result<Vec<ConsoleChunk>> {
        let mut url = path(&["tasks", id, "console"]);
        add_query(&mut url, "from", &from.to_string());
        self.get(&url).await
    }

    /// Ends a task.
    pub async fn cancel(&self, id: &str) -> Result<Task> {
        self.call(
            Method::Post,
            &path(&["tasks", id, "cancel"]),
            Body::None,
            None,
        )
        .await
    }

    /// A plot or file that a task left.
    pub async fn artifact(&self, id: &str, name: &str) -> Result<Vec<u8>> {
        self.content(&path(&["tasks", id, "artifacts", name])).await
    }

    /// An address under which the browser itself can fetch a plot or file, once.
    pub async fn artifact_link(&self, id: &str, name: &str) -> Result<OneTimeLink> {
        self.call(
            Method::Post,
            &path(&["tasks", id, "artifacts", name, "link"]),
            Body::None,
            None,
        )
        .await
    }

    // ---- repository

    /// The latest version of all files.
    pub async fn files(&self) -> Result<Page<FileMeta>> {
        self.get("/repository/files").await
    }

    /// A file's content; the latest version unless one is named.
    pub async fn read_file(&self, file: &FileId, version: Option<i64>) -> Result<Vec<u8>> {
        let mut url = file_url("/repository/content", file);
        add_number(&mut url, "version", version);
        self.content(&url).await
    }

    /// Writes a file: a new one when `version` is none, else the next version after that one.
    pub async fn write_file(
        &self,
        file: &FileId,
        version: Option<i64>,
        message: &str,
        content: Vec<u8>,
    ) -> Result<FileMeta> {
        let mut url = file_url("/repository/content", file);
        add_some(&mut url, "message", Some(message));
        let mut request = self.request(Method::Put, &url, Body::Bytes(content));
        request.timeout_s = CONTENT;
        request.headers.push(match if_match(version) {
            Some(header) => header,
            None => ("if-none-match", "*".to_owned()),
        });
        platform::send(request).await?.json()
    }

    /// Takes a file away, if it still is at that version; its versions stay.
    pub async fn delete_file(&self, file: &FileId, version: i64) -> Result<()> {
        self.call(
            Method::Delete,
            &file_url("/repository/content", file),
            Body::None,
            Some(version),
        )
        .await
    }

    /// A file's versions, newest first.
    pub async fn versions(&self, file: &FileId) -> Result<Vec<FileVersion>> {
        self.get(&file_url("/repository/versions", file)).await
    }

    /// An address under which the browser itself can fetch a file, once.
    pub async fn file_link(&self, file: &FileId, version: Option<i64>) -> Result<OneTimeLink> {
        let mut url = file_url("/repository/link", file);
        add_number(&mut url, "version", version);
        self.call(Method::Post, &url, Body::None, None).await
    }

    // ---- replication

    /// The repository's content as a tree of hashes.
    pub async fn manifest(&self) -> Result<Manifest> {
        let mut request = self.request(Method::Get, "/repository/manifest", Body::None);
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }

    /// Content by its SHA-256.
    pub async fn blob(&self, sha256: &str) -> Result<Vec<u8>> {
        self.content(&path(&["repository", "content", sha256])).await
    }

    /// Opens a changeset at this server's group, the target.
    pub async fn open_changeset(&self, changeset: &ChangesetRequest) -> Result<Changeset> {
        self.call(
            Method::Post,
            "/repository/changesets",
            Body::json(changeset),
            None,
        )
        .await
    }

    /// Sends one content that the changeset misses.
    pub async fn upload_blob(&self, changeset: &str, sha256: &str, content: Vec<u8>) -> Result<()> {
        let mut request = self.request(
            Method::Put,
            &path(&["repository", "changesets", changeset, "content", sha256]),
            Body::Bytes(content),
        );
        request.timeout_s = CONTENT;
        platform::send(request).await?.json()
    }

    /// Commits a changeset: all of it, or, when the target changed meanwhile, nothing.
    pub async fn commit_changeset(&self, changeset: &str) -> Result<Committed> {
        let mut request = self.request(
            Method::Post,
            &path(&["repository", "changesets", changeset, "commit"]),
            Body::None,
        );
        request.timeout_s = CONTENT;
        platform::send(request).await?.json()
    }

    /// Gives a changeset up.
    pub async fn drop_changeset(&self, changeset: &str) -> Result<()> {
        self.call(
            Method::Delete,
            &path(&["repository", "changesets", changeset]),
            Body::None,
            None,
        )
        .await
    }

    // ---- switching

    /// Checks whether `to` could take over now.
    pub async fn preflight(&self, to: &str) -> Result<Preflight> {
        let mut url = "/switch/preflight".to_owned();
        add_query(&mut url, "to", to);
        let mut request = self.request(Method::Get, &url, Body::None);
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }

    /// Starts a switch; its steps come with the events.
    pub async fn switch(&self, switch: &SwitchRequest) -> Result<SwitchRecord> {
        let mut request = self.request(Method::Post, "/switch", Body::json(switch));
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }

    /// Past switches, newest first.
    pub async fn switches(&self) -> Result<Page<SwitchRecord>> {
        self.get("/switches").await
    }

    // ---- events

    /// The journal, newest first.
    pub async fn events(&self, query: &EventQuery) -> Result<Page<Event>> {
        let mut url = "/events".to_owned();
        add_some(&mut url, "topic", Some(&query.topic));
        add_some(&mut url, "severity", Some(&query.severity));
        add_some(&mut url, "q", Some(&query.q));
        add_number(&mut url, "from", query.from);
        add_number(&mut url, "to", query.to);
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

    async fn content(&self, path: &str) -> Result<Vec<u8>> {
        let mut request = self.request(Method::Get, path, Body::None);
        request.timeout_s = CONTENT;
        Ok(platform::send(request).await?.body)
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

fn if_match(version: Option<i64>) -> Option<(&'static str, String)> {
    version.map(|version| ("if-match", format!("\"{version}\"")))
}

fn path(parts: &[&str]) -> String {
    let mut url = String::new();
    for part in parts {
        url.push('/');
        encode(&mut url, part);
    }
    url
}

fn file_url(path: &str, file: &FileId) -> String {
    let mut url = path.to_owned();
    add_query(&mut url, "author", &file.author);
    add_query(&mut url, "directory", &file.directory);
    add_query(&mut url, "name", &file.name);
    url
}

fn add_some(url: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        add_query(url, name, value);
    }
}

fn add_number(url: &mut String, name: &str, value: Option<i64>) {
    if let Some(value) = value {
        add_query(url, name, &value.to_string());
    }
}
