//! The live state: groups, their servers, and what is known of each. Made once, lives as long as the page.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use crate::reactive::ArcRwSignal;
use futures_util::future::AbortHandle;
use gridhelm_api::account::Role;
use gridhelm_api::event::Event;
use gridhelm_api::group::{Group as GroupInfo, GroupStats, ServerRole, ServerStatus};
use gridhelm_api::node::Node;
use gridhelm_api::patch::Names;
use gridhelm_api::stream::Delta;
use gridhelm_api::switch::SwitchRecord;
use gridhelm_api::task::{ConsoleChunk, Task};
use gridhelm_client::{Client, Token};
use leptos::prelude::*;

use super::keyed::Keyed;
use super::tally::Tally;

/// What one console looks at. Everything in it is a signal, or never changes.
pub struct Deployment {
    /// A short name.
    pub name: String,
    /// One line about it.
    pub label: String,
    /// The load balancer's address, if there is one.
    pub load_balancer: Option<String>,
    /// The groups, in the order in which they are shown.
    pub groups: Vec<Group>,
    /// Since when changes are held back, by the page's clock: the screen stands still and says so. Live when `None`.
    pub paused: ArcRwSignal<Option<f64>>,
}

/// Servers that share one database and one grid.
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its servers, in the order of the deployment file.
    pub servers: Vec<Server>,
    /// Who is signed in to it; nobody when `None`.
    pub session: ArcRwSignal<Option<Session>>,
    /// Its nodes, by name.
    pub nodes: Keyed<Node>,
    /// Grows when a node has more or fewer slots than it had.
    pub shape: ArcRwSignal<u64>,
    /// How many nodes and slots are in which state.
    pub tally: ArcRwSignal<Tally>,
    /// Its latest tasks, newest first.
    pub tasks: Keyed<Task>,
    /// Its latest events, newest first.
    pub events: ArcRwSignal<Arc<Vec<Event>>>,
    /// Counts.
    pub stats: ArcRwSignal<GroupStats>,
    /// Who is active, since when and why; none before the first answer.
    pub info: ArcRwSignal<Option<GroupInfo>>,
    /// A switch under way, or the last one.
    pub switch: ArcRwSignal<Option<SwitchRecord>>,
    /// Grows when the repository changes: fetch what you show of it again.
    pub repository: ArcRwSignal<u64>,
    /// Index of the server whose grid is shown: the active one of the highest epoch, also after it went silent.
    pub source: ArcRwSignal<Option<usize>>,
    pub(super) consoles: Mutex<HashMap<String, ArcRwSignal<Arc<Vec<ConsoleChunk>>>>>,
    pub(super) queue: Mutex<Vec<(usize, Delta)>>,
    /// How often the queue was emptied.
    pub(super) batches: AtomicU64,
    /// The server whose patches can be read, with its names of nodes.
    pub(super) names: Mutex<(Option<usize>, Names)>,
}

/// One server, and the connection to it.
pub struct Server {
    /// Its name.
    pub name: String,
    /// Where it answers: `http(s)://host:port`.
    pub url: String,
    /// The connection.
    pub connection: ArcRwSignal<Connection>,
    /// What it last said of itself.
    pub status: ArcRwSignal<Option<ServerStatus>>,
    /// When it last said anything, by [`clock::now`](crate::ui::clock::now); none before the first word.
    pub heard: ArcRwSignal<Option<f64>>,
    /// How long a small request took, milliseconds.
    pub round_trip: ArcRwSignal<Option<f64>>,
    pub(super) stream: Mutex<Option<AbortHandle>>,
    /// When the whole was last asked for again, as a change did not fit, by the page's clock.
    pub(super) asked: Mutex<Option<f64>>,
}

/// How the connection to a server stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Connection {
    /// Nobody is signed in to its group.
    #[default]
    SignedOut,
    /// The first try is under way.
    Connecting,
    /// The stream is open.
    Live,
    /// The last try failed.
    Down {
        /// Since when, by the page's clock.
        since: f64,
        /// Why.
        reason: String,
        /// When it is tried again, by the page's clock.
        retry_at: f64,
    },
}

/// Who is signed in to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The token.
    pub token: Token,
    /// The account's name.
    pub username: String,
    /// What the account may do.
    pub role: Role,
    /// When the token ends, milliseconds since 1970 by the server's clock.
    pub expires_at: i64,
}

impl Server {
    pub(super) fn new(name: String, url: String) -> Self {
        Self {
            name,
            url,
            connection: ArcRwSignal::new(Connection::SignedOut),
            status: ArcRwSignal::new(None),
            heard: ArcRwSignal::new(None),
            round_trip: ArcRwSignal::new(None),
            stream: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// Whether its stream is open. Tracks.
    pub fn is_live(&self) -> bool {
        self.connection
            .with(|connection| *connection == Connection::Live)
    }

    /// Whether it says that it is the active one, or about to hand over. Tracks.
    pub fn says_active(&self) -> bool {
        self.status.with(|status| {
            status.as_ref().is_some_and(|status| {
                matches!(status.role, ServerRole::Active | ServerRole::Leaving)
            })
        })
    }

    /// How long it has said nothing, milliseconds; none before its first word. Tracks.
    pub fn silent_ms(&self, now: f64) -> Option<f64> {
        self.heard.get().map(|heard| (now - heard).max(0.0))
    }
}

impl Group {
    pub(super) fn new(name: String, servers: Vec<Server>) -> Self {
        Self {
            name,
            servers,
            session: ArcRwSignal::new(None),
            nodes: Keyed::new(false),
            shape: ArcRwSignal::new(0),
            tally: ArcRwSignal::new(Tally::default()),
            tasks: Keyed::new(true),
            events: ArcRwSignal::new(Arc::default()),
            stats: ArcRwSignal::new(GroupStats::default()),
            info: ArcRwSignal::new(None),
            switch: ArcRwSignal::new(None),
            repository: ArcRwSignal::new(0),
            source: ArcRwSignal::new(None),
            consoles: Mutex::default(),
            queue: Mutex::default(),
            batches: AtomicU64::new(0),
            names: Mutex::default(),
        }
    }

    /// The server whose grid is shown: the active one, also when it no longer answers. Tracks.
    pub fn active(&self) -> Option<&Server> {
        self.source.get().and_then(|index| self.servers.get(index))
    }

    /// How old what is shown of this group is, milliseconds; none before the first data. Tracks.
    pub fn age_ms(&self, now: f64) -> Option<f64> {
        self.active().and_then(|server| server.silent_ms(now))
    }

    /// Whether someone is signed in. Tracks.
    pub fn signed_in(&self) -> bool {
        self.session.with(Option::is_some)
    }

    /// Why this account may not do what an operator may; `None` when it may. Tracks.
    pub fn refuses_operator(&self) -> Option<String> {
        self.refuses(Role::Operator)
    }

    /// Why nothing that takes this role may be written now: the account's role, or no server that answers. Tracks.
    pub fn write_off(&self, needed: Role) -> Option<String> {
        self.refuses(needed).or_else(|| {
            (!self.servers.iter().any(Server::is_live))
                .then(|| format!("No server of {} answers.", self.name))
        })
    }

    /// Why this browser's person may not do what takes this role, if so. Tracks.
    pub fn refuses(&self, needed: Role) -> Option<String> {
        self.session.with(|session| match session {
            None => Some(format!("Sign in to {} first.", self.name)),
            Some(session) if session.role < needed => Some(format!(
                "{} is {} in {}; this takes {}.",
                session.username,
                a_role(session.role),
                self.name,
                a_role(needed)
            )),
            Some(_) => None,
        })
    }

    /// The server that should take a request: the active one if it is live, else any live one, which relays, else the active one.
    pub fn best_server(&self) -> Option<&Server> {
        untrack(|| {
            let active = self.active();
            let live = active
                .filter(|server| server.is_live())
                .or_else(|| self.servers.iter().find(|server| server.is_live()));
            live.or(active).or_else(|| self.servers.first())
        })
    }

    /// Whether the person is an admin of the group. Tracks.
    pub fn is_admin(&self) -> bool {
        self.session.with(|session| {
            session
                .as_ref()
                .is_some_and(|session| session.role >= Role::Admin)
        })
    }

    /// A client of the server that should take a request, with the group's token.
    pub fn client(&self) -> Client {
        self.best_server()
            .map_or_else(|| Client::new(""), |server| self.client_of(server))
    }

    /// A client of one server of this group, with the group's token.
    pub fn client_of(&self, server: &Server) -> Client {
        let token = self
            .session
            .with_untracked(|session| session.as_ref().map(|session| session.token.clone()));
        Client::new(server.url.as_str()).with_token(token)
    }

    /// A server by its name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name)
    }
}

impl Deployment {
    /// A group by its name.
    pub fn group(&'static self, name: &str) -> Option<&'static Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The groups that a scope shows: the named one, or all.
    pub fn in_scope(&'static self, scope: Option<&str>) -> Vec<&'static Group> {
        match scope.and_then(|name| self.group(name)) {
            Some(group) => vec![group],
            None => self.groups.iter().collect(),
        }
    }

    /// The group and the node of that name. Tracks the node, and which nodes there are.
    pub fn find_node(&'static self, name: &str) -> Option<(&'static Group, Arc<Node>)> {
        self.groups
            .iter()
            .find_map(|group| group.nodes.get(name).map(|node| (group, node)))
    }
}

/// A role with its article.
fn a_role(role: Role) -> &'static str {
    match role {
        Role::Viewer => "a viewer",
        Role::Operator => "an operator",
        Role::Admin => "an admin",
    }
}
