//! What the palette offers, from what is known: a function of values.

use crate::app::route::{
    AccountsView, GridView, ReplicateView, RepositoryView, Route, SwitchView, TasksView,
};
use crate::app::tools::Tool;
use crate::app::{Page, Place, icon_of};
use crate::ui::Icon;
use gridhelm_api::node::Intent;

/// Beyond so many nodes they are offered without what can be done with each.
const NODES_WITH_ACTIONS: usize = 2_000;

/// A heading of the palette. Their order is that of an empty query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    /// Pages.
    Pages,
    /// What can be done.
    Actions,
    /// Tasks of late.
    Tasks,
    /// Nodes.
    Nodes,
    /// Servers.
    Servers,
    /// Files that R can run.
    Scripts,
}

impl Section {
    /// Its heading.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Pages => "Pages",
            Self::Actions => "Actions",
            Self::Tasks => "Recent tasks",
            Self::Nodes => "Nodes",
            Self::Servers => "Servers",
            Self::Scripts => "Scripts",
        }
    }
}

/// What an entry does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "a place holds what an address may; there are some dozens, for as long as the palette is open"
)]
pub(crate) enum Act {
    /// Goes to a place.
    Visit(Place),
    /// Opens another tool.
    Open(Tool),
    /// Holds live data back, or lets it come.
    Pause(bool),
    /// Chooses a theme.
    Theme(&'static str),
    /// Signs out of every group.
    SignOut,
}

/// A line of the palette.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it stands.
    pub(crate) section: Section,
    /// Its picture.
    pub(crate) icon: Icon,
    /// What is read and searched.
    pub(crate) label: String,
    /// What is read at the right: a group, a state, a key.
    pub(crate) note: String,
    /// Why it cannot be done now.
    pub(crate) off: Option<String>,
    /// What it does.
    pub(crate) act: Act,
}

/// A node as the palette needs it.
#[derive(Clone, Debug)]
pub(crate) struct NodeKnown {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) intent: Intent,
}

/// A group as the palette needs it. Only groups that one is signed in to.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupKnown {
    pub(crate) name: String,
    /// Names and roles of its servers.
    pub(crate) servers: Vec<(String, &'static str)>,
    /// The server that is active.
    pub(crate) active: Option<String>,
    pub(crate) nodes: Vec<NodeKnown>,
    /// Ids, titles and states of its latest tasks, newest first.
    pub(crate) tasks: Vec<(String, String, &'static str)>,
    /// Why an operator's work cannot be done here.
    pub(crate) no_operator: Option<String>,
    /// Why an admin's work cannot be done here.
    pub(crate) no_admin: Option<String>,
}

/// All that the palette knows when it opens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) groups: Vec<GroupKnown>,
    /// The group that every page is narrowed to.
    pub(crate) scope: Option<String>,
    pub(crate) paused: bool,
}

/// All entries, in the order in which they stand when nothing is typed.
pub(crate) fn entries(known: &Known) -> Vec<Entry> {
    let mut all = Vec::new();
    for page in Page::ALL {
        all.push(Entry {
            section: Section::Pages,
            icon: icon_of(page),
            label: page.title().to_owned(),
            note: page.keys().to_owned(),
            off: None,
            act: Act::Visit(Place {
                group: known.scope.clone(),
                route: page.route(),
            }),
        });
    }
    actions(known, &mut all);
    let several = known.groups.len() > 1;
    for group in &known.groups {
        things(known, group, several, &mut all);
    }
    all
}

/// An action of one group; its name says which, where there are several.
struct Ask<'a> {
    known: &'a Known,
    group: &'a GroupKnown,
    all: &'a mut Vec<Entry>,
}

impl Ask<'_> {
    fn to(&mut self, icon: Icon, label: &str, off: Option<&String>, route: Route) {
        let several = self.known.groups.len() > 1;
        self.all.push(Entry {
            section: Section::Actions,
            icon,
            label: label.to_owned(),
            note: if several {
                self.group.name.clone()
            } else {
                String::new()
            },
            off: off.cloned(),
            act: Act::Visit(Place {
                // The forms take the group that the pages are narrowed to.
                group: Some(self.group.name.clone()).filter(|_| several),
                route,
            }),
        });
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn actions(known: &Known, all: &mut Vec<Entry>) {
    let scoped = |group: &&GroupKnown| {
        known
            .scope
            .as_ref()
            .is_none_or(|scope| *scope == group.name)
    };
    for group in known.groups.iter().filter(scoped) {
        let (operator, admin) = (group.no_operator.as_ref(), group.no_admin.as_ref());
        let mut ask = Ask { known, group, all };
        let run = TasksView {
            panel: some("run"),
            ..TasksView::default()
        };
        ask.to(Icon::Tasks, "Run a task…", operator, Route::Tasks(run));
        let register = GridView {
            panel: some("register"),
            ..GridView::default()
        };
        ask.to(
            Icon::Plus,
            "Register a node…",
            operator,
            Route::Grid(register),
        );
        for (server, _) in &group.servers {
            if group.active.as_ref() == Some(server) {
                continue;
            }
            let to = SwitchView {
                to: Some(server.clone()),
                ..SwitchView::default()
            };
            let force = SwitchView {
                panel: some("failover"),
                ..to.clone()
            };
            let name = &group.name;
            let label = format!("Switch {name} to {server}…");
            ask.to(Icon::Switch, &label, operator, Route::Switch(to));
            let label = format!("Force failover of {name} to {server}…");
            ask.to(Icon::Switch, &label, operator, Route::Switch(force));
        }
        for target in known.groups.iter().filter(|other| other.name != group.name) {
            let view = ReplicateView {
                source: Some(group.name.clone()),
                target: Some(target.name.clone()),
                ..ReplicateView::default()
            };
            let label = format!("Replicate {} to {}…", group.name, target.name);
            let off = target.no_operator.as_ref();
            ask.to(Icon::Copy, &label, off, Route::Replicate(view));
        }
        for (label, icon, panel) in [
            ("Write a file…", Icon::Edit, "new"),
            ("Upload files…", Icon::Upload, "upload"),
        ] {
            let view = RepositoryView {
                panel: some(panel),
                ..RepositoryView::default()
            };
            ask.to(icon, label, operator, Route::Repository(view));
        }
        for (label, icon, panel, off) in [
            ("New account…", Icon::User, "new", admin),
            ("New token for a program…", Icon::Lock, "token", None),
            ("Change my password…", Icon::Lock, "password", None),
        ] {
            let view = AccountsView {
                panel: some(panel),
                of: Some(group.name.clone()),
                user: None,
            };
            ask.to(icon, label, off, Route::Accounts(view));
        }
    }
    let mut plain = |icon, label: &str, note: &str, act| {
        all.push(Entry {
            section: Section::Actions,
            icon,
            label: label.to_owned(),
            note: note.to_owned(),
            off: None,
            act,
        });
    };
    plain(Icon::Bell, "Notifications", "", Act::Open(Tool::Notices));
    plain(
        Icon::More,
        "Keyboard shortcuts",
        "?",
        Act::Open(Tool::Shortcuts),
    );
    let pause = if known.paused {
        "Resume live updates"
    } else {
        "Pause live updates"
    };
    plain(Icon::Pause, pause, ".", Act::Pause(!known.paused));
    plain(Icon::Sun, "Light theme", "", Act::Theme("light"));
    plain(Icon::Moon, "Dark theme", "", Act::Theme("dark"));
    plain(Icon::Auto, "Theme of the system", "", Act::Theme("auto"));
    plain(Icon::SignOut, "Sign out", "", Act::SignOut);
}

/// Servers, nodes and tasks of a group.
fn things(known: &Known, group: &GroupKnown, several: bool, all: &mut Vec<Entry>) {
    let place = |route| Place {
        group: known.scope.clone().filter(|scope| *scope == group.name),
        route,
    };
    let of = |state: &str| {
        if several {
            [state, " in ", &group.name].concat()
        } else {
            state.to_owned()
        }
    };
    for (id, title, state) in &group.tasks {
        all.push(Entry {
            section: Section::Tasks,
            icon: Icon::Run,
            label: [title.as_str(), " ", id].concat(),
            note: of(state),
            off: None,
            act: Act::Visit(place(Route::Tasks(TasksView {
                task: Some(id.clone()),
                ..TasksView::default()
            }))),
        });
    }
    let with_actions = group.nodes.len() <= NODES_WITH_ACTIONS;
    for node in &group.nodes {
        let open = Act::Visit(place(Route::Grid(GridView {
            node: Some([group.name.as_str(), "/", &node.name].concat()),
            ..GridView::default()
        })));
        all.push(Entry {
            section: Section::Nodes,
            icon: Icon::Grid,
            label: node.name.clone(),
            note: of(&node.state),
            off: None,
            act: open.clone(),
        });
        if !with_actions {
            continue;
        }
        // The form opens; nothing is done at once.
        for (intent, verb) in [
            (Intent::Draining, "Drain"),
            (Intent::Disabled, "Disable"),
            (Intent::Enabled, "Enable"),
        ] {
            if node.intent != intent {
                all.push(Entry {
                    section: Section::Actions,
                    icon: Icon::Grid,
                    label: format!("{verb} {}…", node.name),
                    note: of(&node.state),
                    off: group.no_operator.clone(),
                    act: open.clone(),
                });
            }
        }
    }
    for (server, role) in &group.servers {
        all.push(Entry {
            section: Section::Servers,
            icon: Icon::Globe,
            label: server.clone(),
            note: of(role),
            off: None,
            act: Act::Visit(Place {
                group: Some(group.name.clone()).filter(|_| several),
                route: Route::Switch(SwitchView {
                    to: Some(server.clone()).filter(|name| group.active.as_ref() != Some(name)),
                    ..SwitchView::default()
                }),
            }),
        });
    }
}

/// The scripts of a group, by their paths: each is opened.
pub(crate) fn scripts(group: &str, several: bool, paths: &[String]) -> Vec<Entry> {
    let entry = |path: &String| Entry {
        section: Section::Scripts,
        icon: Icon::File,
        label: path.clone(),
        note: if several {
            group.to_owned()
        } else {
            String::new()
        },
        off: None,
        act: Act::Visit(Place {
            group: Some(group.to_owned()).filter(|_| several),
            route: Route::Repository(RepositoryView {
                file: Some(path.clone()),
                ..RepositoryView::default()
            }),
        }),
    };
    paths.iter().map(entry).collect()
}
