//! The console's addresses: one enum of places, one parser, one builder.
//!
//! Everything that a person would share is in the query of the URL (`?page=grid&group=east&node=east-r01`), because the query is the one
//! part of an address that any static file server hands back untouched: the page stays `index.html`, under whatever path it lies.

/// Declares what of a page is in its address: each field is one parameter of the query, absent when `None`.
macro_rules! views {
    ($($(#[$doc:meta])* $view:ident { $($(#[$field_doc:meta])* $field:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $view { $($(#[$field_doc])* pub $field: Option<String>,)* }

        impl $view {
            fn read(query: &[(String, String)]) -> Self {
                let _ = query;
                Self { $($field: find(query, stringify!($field)),)* }
            }

            fn write(&self, url: &mut String) {
                let _ = (self, &url);
                $(push(url, stringify!($field), self.$field.as_deref());)*
            }
        }
    )*};
}

views! {
    /// The overview: whether the deployment serves, and what comes first.
    OverviewView {
        /// `list` shows the topology as a list instead of a drawing.
        topology,
    }
    /// The grid: nodes and slots.
    GridView {
        /// Id or name of the node whose details are open.
        node,
        /// Index of the chosen slot on that node, from 1.
        slot,
        /// Text that name, host, label or reason must contain.
        q,
        /// Node states shown, comma between them; all when absent.
        state,
        /// Columns that rows are sorted by, comma between them; a leading `-` means descending.
        sort,
        /// Columns shown, comma between them; the usual ones when absent.
        columns,
        /// How high lines are: `compact` or `roomy`; usual when absent.
        density,
        /// The node that the chosen one is compared with.
        with,
        /// `table` shows the heat map as a table.
        slots,
        /// `cluster`, `type` or `health`: by what the nodes of a group stand together in the heat map; by nothing when absent.
        by,
        /// `slots` or `nodes`: what the heat map has a cell for; as many as fit when absent.
        zoom,
        /// The open drawer: `register`, `edit`, `several`, `past`, `list`, `table` or `compare`.
        panel,
    }
    /// Tasks: those that ran, run and wait.
    TasksView {
        /// Id of the task whose details are open.
        task,
        /// Task states shown, comma between them; all when absent.
        state,
        /// Text that the name of the script or task must contain.
        q,
        /// The open drawer: `run`.
        panel,
        /// Path of the script that the run form starts with, `author/directory/name`.
        script,
        /// Tab of the details: `console`, `results`, `plots`, `attempts`.
        tab,
    }
    /// The repository: files and their versions.
    RepositoryView {
        /// Directory shown.
        directory,
        /// Path of the open file, `author/directory/name`.
        file,
        /// Version shown; latest when absent.
        version,
        /// Text that the file name must contain.
        q,
        /// The open drawer: `edit`, `upload`, `new`, `directory` or `several`.
        panel,
    }
    /// Replication: compare groups, plan, apply, verify.
    ReplicateView {
        /// Group that is read.
        source,
        /// Group that is written.
        target,
        /// Path of the file whose differences are shown.
        file,
        /// `all` shows equal files, too.
        show,
        /// `unified` or `split`.
        diff,
        /// Text that the file name must contain.
        q,
    }
    /// Switching the active server of a group.
    SwitchView {
        /// Server that shall become active.
        to,
        /// The open dialog: `failover`.
        panel,
        /// Kind of the switches shown in the history: `planned`, `forced`, `automatic`; all when absent.
        kind,
        /// How the switches shown ended: `done`, `failed`, `cancelled`; all when absent.
        state,
        /// Text that who or why of the switches shown must contain.
        q,
    }
    /// Events and the audit log.
    EventsView {
        /// Text that the event must contain.
        q,
        /// Topics shown, comma between them; all when absent.
        kind,
        /// Severities shown, comma between them; all when absent.
        severity,
        /// Id of the event that is expanded.
        event,
        /// How far back: `1h`, `24h`, `7d`; all that is loaded when absent.
        period,
        /// `audit` shows who tried to write what, `alerts` what rules found.
        tab,
    }
    /// Accounts, one's own password, tokens for programs.
    AccountsView {
        /// The open form: `new`, `edit`, `token`, `password`.
        panel,
        /// The group that the form is for.
        of,
        /// The account that is edited.
        user,
    }
    /// R packages of the nodes.
    PackagesView {
        /// Text that the package's name must contain.
        q,
        /// `differs` shows only what differs between nodes.
        show,
        /// The node that the form for installing is open for.
        node,
        /// The group of that node.
        of,
    }
    /// Backups, sizes, the bundle for support.
    BackupsView {}
}

/// A page, with what of it is in the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `?page=overview`, and the bare address.
    Overview(OverviewView),
    /// `?page=grid`.
    Grid(GridView),
    /// `?page=tasks`.
    Tasks(TasksView),
    /// `?page=repository`.
    Repository(RepositoryView),
    /// `?page=replicate`.
    Replicate(ReplicateView),
    /// `?page=switch`.
    Switch(SwitchView),
    /// `?page=events`.
    Events(EventsView),
    /// `?page=accounts`.
    Accounts(AccountsView),
    /// `?page=packages`.
    Packages(PackagesView),
    /// `?page=backups`.
    Backups(BackupsView),
    /// A page that this console does not have; the name is kept to be shown.
    Unknown(String),
}

/// A page without its view: what the navigation knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Whether the deployment serves.
    Overview,
    /// Nodes and slots.
    Grid,
    /// Executions.
    Tasks,
    /// Files.
    Repository,
    /// Equal repositories.
    Replicate,
    /// Who is active.
    Switch,
    /// What happened.
    Events,
    /// Who may do what.
    Accounts,
    /// What R has on the nodes.
    Packages,
    /// The whole group in a file.
    Backups,
}

impl Page {
    /// All pages, in the order of the navigation.
    pub const ALL: [Self; 10] = [
        Self::Overview,
        Self::Grid,
        Self::Packages,
        Self::Tasks,
        Self::Repository,
        Self::Replicate,
        Self::Switch,
        Self::Events,
        Self::Accounts,
        Self::Backups,
    ];

    /// Its name in the address.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Grid => "grid",
            Self::Tasks => "tasks",
            Self::Repository => "repository",
            Self::Replicate => "replicate",
            Self::Switch => "switch",
            Self::Events => "events",
            Self::Accounts => "accounts",
            Self::Packages => "packages",
            Self::Backups => "backups",
        }
    }

    /// Its name on the screen.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Grid => "Grid",
            Self::Tasks => "Tasks",
            Self::Repository => "Repository",
            Self::Replicate => "Replicate",
            Self::Switch => "Switch active server",
            Self::Events => "Events & audit",
            Self::Accounts => "Accounts",
            Self::Packages => "Packages",
            Self::Backups => "Backups",
        }
    }

    /// The keys that lead to it.
    pub const fn keys(self) -> &'static str {
        match self {
            Self::Overview => "g o",
            Self::Grid => "g g",
            Self::Tasks => "g t",
            Self::Repository => "g r",
            Self::Replicate => "g p",
            Self::Switch => "g s",
            Self::Events => "g e",
            Self::Accounts => "g a",
            Self::Packages => "g k",
            Self::Backups => "g b",
        }
    }

    /// The page as it looks before anything in it is chosen.
    pub fn route(self) -> Route {
        match self {
            Self::Overview => Route::Overview(OverviewView::default()),
            Self::Grid => Route::Grid(GridView::default()),
            Self::Tasks => Route::Tasks(TasksView::default()),
            Self::Repository => Route::Repository(RepositoryView::default()),
            Self::Replicate => Route::Replicate(ReplicateView::default()),
            Self::Switch => Route::Switch(SwitchView::default()),
            Self::Events => Route::Events(EventsView::default()),
            Self::Accounts => Route::Accounts(AccountsView::default()),
            Self::Packages => Route::Packages(PackagesView::default()),
            Self::Backups => Route::Backups(BackupsView::default()),
        }
    }
}

impl Route {
    /// The page, or none for an unknown one.
    pub fn page(&self) -> Option<Page> {
        Some(match self {
            Self::Overview(_) => Page::Overview,
            Self::Grid(_) => Page::Grid,
            Self::Tasks(_) => Page::Tasks,
            Self::Repository(_) => Page::Repository,
            Self::Replicate(_) => Page::Replicate,
            Self::Switch(_) => Page::Switch,
            Self::Events(_) => Page::Events,
            Self::Accounts(_) => Page::Accounts,
            Self::Packages(_) => Page::Packages,
            Self::Backups(_) => Page::Backups,
            Self::Unknown(_) => return None,
        })
    }
}

/// Where the console is: a page, and the group that every page is narrowed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Group shown; all groups when `None`.
    pub group: Option<String>,
    /// Page shown.
    pub route: Route,
}

impl Place {
    /// Reads the query of an address, with or without its `?`. Every query has a place; what it does not know, it leaves out.
    pub fn parse(query: &str) -> Self {
        let query = pairs(query);
        let name = find(&query, "page").unwrap_or_else(|| "overview".to_owned());
        let route = match name.as_str() {
            "overview" => Route::Overview(OverviewView::read(&query)),
            "grid" => Route::Grid(GridView::read(&query)),
            "tasks" => Route::Tasks(TasksView::read(&query)),
            "repository" => Route::Repository(RepositoryView::read(&query)),
            "replicate" => Route::Replicate(ReplicateView::read(&query)),
            "switch" => Route::Switch(SwitchView::read(&query)),
            "events" => Route::Events(EventsView::read(&query)),
            "accounts" => Route::Accounts(AccountsView::read(&query)),
            "packages" => Route::Packages(PackagesView::read(&query)),
            "backups" => Route::Backups(BackupsView::read(&query)),
            _ => Route::Unknown(name),
        };
        Self {
            group: find(&query, "group"),
            route,
        }
    }

    /// The address, a query that starts with `?`: relative, so that it keeps whatever path the console is served under.
    pub fn url(&self) -> String {
        let page = match &self.route {
            Route::Unknown(name) => name,
            known => known.page().map_or("overview", Page::name),
        };
        let mut url = String::from("?page=");
        escape(&mut url, page);
        push(&mut url, "group", self.group.as_deref());
        match &self.route {
            Route::Overview(view) => view.write(&mut url),
            Route::Grid(view) => view.write(&mut url),
            Route::Tasks(view) => view.write(&mut url),
            Route::Repository(view) => view.write(&mut url),
            Route::Replicate(view) => view.write(&mut url),
            Route::Switch(view) => view.write(&mut url),
            Route::Events(view) => view.write(&mut url),
            Route::Accounts(view) => view.write(&mut url),
            Route::Packages(view) => view.write(&mut url),
            Route::Backups(view) => view.write(&mut url),
            Route::Unknown(_) => {}
        }
        url
    }
}

/// Longest query that is read, in bytes. Longer ones are nobody's address.
const QUERY_LIMIT: usize = 8192;

fn pairs(query: &str) -> Vec<(String, String)> {
    let query = query.strip_prefix('?').unwrap_or(query);
    if query.len() > QUERY_LIMIT {
        return Vec::new();
    }
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (unescape(name), unescape(value))
    };
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(pair)
        .collect()
}

/// The first value of that name that is not empty: `?q=` says nothing.
fn find(query: &[(String, String)], name: &str) -> Option<String> {
    query
        .iter()
        .find(|(key, value)| key == name && !value.is_empty())
        .map(|(_, value)| value.clone())
}

fn push(url: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        url.push('&');
        url.push_str(name);
        url.push('=');
        escape(url, value);
    }
}

/// Percent-encodes all but what a query shows plainly and safely. `/`, `:`, `,` and `@` stay: they make paths and lists readable.
pub(crate) fn escape(url: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'~'
            | b'/'
            | b':'
            | b','
            | b'@' => url.push(char::from(byte)),
            b' ' => url.push('+'),
            _ => {
                url.push('%');
                url.push(char::from(HEX[usize::from(byte >> 4)]));
                url.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let hex = |index: usize| {
        bytes
            .get(index)
            .and_then(|byte| char::from(*byte).to_digit(16))
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
