//! What stands beside the pages (the command palette, the notifications, the list of shortcuts): which of it is open, and the little that the shell
//! needs of it before its code has come.

use crate::reactive::{Callback, Memo, RwSignal};
use crate::ui::view;
use gridhelm_api::event::{Event, Severity};
use leptos::prelude::*;

use super::lazy::{Part, lazy};
use crate::deployment::{Deployment, Group};
use crate::ui::{Button, Dialog, Icon, icon};

/// Something beside the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// Goes anywhere and begins anything.
    Palette,
    /// What happened while one looked elsewhere.
    Notices,
    /// The keys, and whether single ones count.
    Shortcuts,
    /// That console and servers are of different versions; stands below the banner.
    Versions,
    /// The first steps of a new group; stand on the overview.
    FirstSteps,
}

/// A tool where one stands. `missing` is shown when its code does not come.
pub(crate) fn tool(which: Tool, missing: fn(Part, AnyView) -> AnyView) -> AnyView {
    untrack(|| {
        provide_context(which);
        lazy(Part::Tool, |_| ().into_any(), missing)
    })
}

/// Which of it is open, and what was read. A small handle, made once; take it with [`use_tools`].
#[derive(Clone, Copy)]
pub(crate) struct Tools {
    open: RwSignal<Option<Tool>>,
    /// What was read in this tab.
    pub(crate) marks: RwSignal<Marks>,
}

/// Where the marks are kept.
const MARKS: &str = "gridhelm.read";

/// The tools of this console.
pub(crate) fn use_tools() -> Tools {
    expect_context::<Tools>()
}

impl Tools {
    pub(super) fn start() -> Self {
        let kept = storage().and_then(|storage| storage.get_item(MARKS).ok().flatten());
        Self {
            open: RwSignal::new(None),
            marks: RwSignal::new(Marks::parse(&kept.unwrap_or_default())),
        }
    }

    /// Opens one, in place of another that may be open.
    pub(crate) fn open(self, tool: Tool) {
        self.open.set(Some(tool));
    }

    /// Closes what is open.
    pub(crate) fn close(self) {
        self.open.set(None);
    }

    /// Whether this one is open. Tracks nothing.
    pub(super) fn is_open(self, tool: Tool) -> bool {
        self.open.with_untracked(|open| *open == Some(tool))
    }

    /// Changes what is read, and keeps it for the tab.
    pub(crate) fn mark(self, change: impl FnOnce(&mut Marks)) {
        self.marks.update(change);
        if let Some(storage) = storage() {
            // A browser that keeps nothing forgets at a reload what was read.
            let _ = storage.set_item(MARKS, &self.marks.with_untracked(Marks::write));
        }
    }
}

fn storage() -> Option<web_sys::Storage> {
    window().session_storage().ok().flatten()
}

/// Up to which event of a group all is read, and what was read beyond it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    group: String,
    upto: i64,
    also: Vec<i64>,
}

/// What was read in this tab, group by group. Events of a group are numbered in the order in which they were committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks(Vec<Mark>);

impl Marks {
    /// Reads what [`write`](Self::write) wrote; lines that it did not write count for nothing.
    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let mut words = line.split(' ');
            let group = words.next()?.to_owned();
            let upto = words.next()?.parse().ok()?;
            let also = words.filter_map(|word| word.parse().ok()).collect();
            Some(Mark { group, upto, also })
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// A line for each group: its name, the number up to which all is read, the numbers beyond. Names have no spaces.
    fn write(&self) -> String {
        let mut text = String::new();
        for mark in &self.0 {
            text.push_str(&mark.group);
            for id in std::iter::once(&mark.upto).chain(&mark.also) {
                text.push(' ');
                text.push_str(&id.to_string());
            }
            text.push('\n');
        }
        text
    }

    fn of(&self, group: &str) -> Option<&Mark> {
        self.0.iter().find(|mark| mark.group == group)
    }

    /// Whether an event of a group was read. Of a group that was never seen, all is read: it is news only from then on.
    pub(crate) fn has(&self, group: &str, event: i64) -> bool {
        self.of(group)
            .is_none_or(|mark| event <= mark.upto || mark.also.contains(&event))
    }

    /// Takes one event as read.
    pub(crate) fn read(&mut self, group: &str, event: i64) {
        if let Some(mark) = self.0.iter_mut().find(|mark| mark.group == group)
            && event > mark.upto
            && !mark.also.contains(&event)
        {
            mark.also.push(event);
        }
    }

    /// Takes all events of a group up to this one as read.
    pub(crate) fn read_all(&mut self, group: &str, newest: i64) {
        match self.0.iter_mut().find(|mark| mark.group == group) {
            Some(mark) => {
                mark.upto = mark.upto.max(newest);
                mark.also.retain(|id| *id > newest);
            }
            None => self.0.push(Mark {
                group: group.to_owned(),
                upto: newest,
                also: Vec::new(),
            }),
        }
    }
}

/// Whether an event is one that a person should not miss: a warning, a failure, or the end of something that was asked for.
pub(crate) fn is_notice(event: &Event) -> bool {
    event.severity >= Severity::Warn
        || matches!(
            event.kind.as_str(),
            "switch.done" | "switch.cancelled" | "repository.replicated" | "node.drained"
        )
}

/// How many notices of a group are not read. Tracks.
fn unread(tools: Tools, group: &Group) -> usize {
    tools.marks.with(|marks| {
        group.events.with(|events| {
            events
                .iter()
                .filter(|event| is_notice(event) && !marks.has(&group.name, event.id))
                .count()
        })
    })
}

/// What is open, above the page.
pub(super) fn place(deployment: &'static Deployment) -> AnyView {
    let tools = use_tools();
    // What is there when a group is first seen is no news.
    crate::reactive::Effect::new(move |_| {
        for group in &deployment.groups {
            let newest = group
                .events
                .with(|events| events.first().map(|event| event.id));
            if let Some(newest) = newest
                && tools
                    .marks
                    .with_untracked(|marks| marks.of(&group.name).is_none())
            {
                tools.mark(|marks| marks.read_all(&group.name, newest));
            }
        }
    });
    let content = move || tools.open.get().map(|which| tool(which, missing));
    view! { {content} }.into_any()
}

/// In place of what did not come.
fn missing(_: Part, fault: AnyView) -> AnyView {
    let tools = use_tools();
    let footer =
        move || view! { <Button on_click=Callback::new(move |()| tools.close())>"Close"</Button> };
    view! { <Dialog title="Not loaded" on_close=Callback::new(move |()| tools.close()) footer=footer>{fault}</Dialog> }.into_any()
}

/// What opens the palette: a field in the top bar, an icon on a phone.
pub(super) fn search(class: &'static str) -> AnyView {
    let tools = use_tools();
    view! {
        <button class=class type="button" aria-haspopup="dialog" on:click=move |_| tools.open(Tool::Palette)>
            {icon(Icon::Search)}<span>"Search, or run a command"</span><kbd>"Ctrl K"</kbd>
        </button>
    }
    .into_any()
}

/// The bell, with how many notices are not read.
pub(super) fn bell(deployment: &'static Deployment) -> AnyView {
    let tools = use_tools();
    let number = Memo::new(move |_| {
        deployment
            .groups
            .iter()
            .map(|group| unread(tools, group))
            .sum::<usize>()
    });
    let name = move || match number.get() {
        0 => "Notifications".to_owned(),
        unread => format!("Notifications, {unread} not read"),
    };
    let badge = move || {
        let number = number.get();
        let shown = if number > 99 {
            "99+".to_owned()
        } else {
            number.to_string()
        };
        (number > 0).then(|| view! { <span class="bell-n" aria-hidden="true">{shown}</span> })
    };
    view! {
        <button class="btn btn--ghost btn--icon bell" type="button" aria-label=name aria-haspopup="dialog" on:click=move |_| tools.open(Tool::Notices)>
            {icon(Icon::Bell)}{badge}
        </button>
    }
    .into_any()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
#[path = "tools_tests.rs"]
mod tests;
