//! The notifications: what happened while one looked elsewhere, newest first. What was read is kept for the tab; each leads to its place.

use crate::reactive::{Callback, Memo, RwSignal, Signal};
use crate::ui::order::sort;
use crate::ui::{For, view};
use gridhelm_api::event::{Event, Topic};
use gridhelm_api::repository::FileId;
use leptos::prelude::*;

use crate::app::route::{EventsView, GridView, RepositoryView, Route, SwitchView, TasksView};
use crate::app::tools::{is_notice, use_tools};
use crate::app::{Page, Place, use_router};
use crate::deployment::use_deployment;
use crate::pages::events::severity_glyph;
use crate::ui::format::counted;
use crate::ui::{Button, Choice, Drawer, Empty, Icon, Segment, ago, glyph, moment};

/// The most that are listed; the Events page has all.
const MOST: usize = 100;

/// One of them: the group's index, and the event.
#[derive(Clone, PartialEq)]
struct Notice {
    group: usize,
    event: Event,
}

/// The name of what happened, for events whose subject is a number that nobody knows by heart.
fn headline(event: &Event) -> &str {
    match event.kind.as_str() {
        "switch.done" => "Switch done",
        "switch.failed" => "Switch failed",
        "switch.cancelled" => "Switch called off",
        "repository.replicated" => "Replicated",
        _ => event.subject.as_str(),
    }
}

/// Where an event leads.
fn place_of(group: &str, event: &Event) -> Place {
    let route = match event.topic {
        Topic::Grid => Route::Grid(GridView {
            node: Some([group, "/", &event.subject].concat()),
            ..GridView::default()
        }),
        Topic::Task => Route::Tasks(TasksView {
            task: Some(event.subject.clone()),
            ..TasksView::default()
        }),
        Topic::Switch => Route::Switch(SwitchView::default()),
        Topic::Repository if FileId::from_path(&event.subject).is_some() => {
            Route::Repository(RepositoryView {
                file: Some(event.subject.clone()),
                ..RepositoryView::default()
            })
        }
        Topic::Repository => Page::Repository.route(),
        Topic::Account => Page::Accounts.route(),
        Topic::Server => Route::Events(EventsView {
            q: Some(event.subject.clone()),
            ..EventsView::default()
        }),
    };
    Place {
        group: Some(group.to_owned()),
        route,
    }
}

/// The list.
#[component]
pub fn Notices() -> AnyView {
    let (deployment, router, tools) = (use_deployment(), use_router(), use_tools());
    let new_only = RwSignal::new(false);
    let name = move |group: usize| deployment.groups[group].name.as_str();
    let is_new = move |notice: &Notice| {
        tools
            .marks
            .with(|marks| !marks.has(name(notice.group), notice.event.id))
    };
    let all = Memo::new(move |_| {
        let mut all: Vec<Notice> = Vec::new();
        for (group, of) in deployment.groups.iter().enumerate() {
            of.events.with(|events| {
                let told = events.iter().filter(|event| is_notice(event)).take(MOST);
                all.extend(told.map(|event| Notice {
                    group,
                    event: event.clone(),
                }));
            });
        }
        sort(&mut all, |a, b| {
            (b.event.at, b.event.id).cmp(&(a.event.at, a.event.id))
        });
        all.truncate(MOST);
        all
    });
    let unread = Memo::new(move |_| all.with(|all| all.iter().filter(|one| is_new(one)).count()));
    let shown = move || {
        let mut all = all.get();
        if new_only.get() {
            all.retain(is_new);
        }
        all
    };
    let close = Callback::new(move |()| tools.close());
    let read_all = Callback::new(move |()| {
        tools.mark(|marks| {
            for group in &deployment.groups {
                let newest = group
                    .events
                    .with_untracked(|events| events.first().map(|event| event.id));
                if let Some(newest) = newest {
                    marks.read_all(&group.name, newest);
                }
            }
        });
    });
    let several = deployment.groups.len() > 1;
    let line = move |notice: Notice| {
        let (group, event) = (name(notice.group), notice.event.clone());
        let shape = severity_glyph(event.severity);
        let unread = Memo::new(move |_| is_new(&notice));
        let place = place_of(group, &event);
        let (id, url) = (event.id, place.url());
        let open = move |pressed: web_sys::MouseEvent| {
            tools.mark(|marks| marks.read(group, id));
            if pressed.ctrl_key() || pressed.meta_key() || pressed.shift_key() {
                return;
            }
            pressed.prevent_default();
            tools.close();
            router.visit(place.clone(), false);
        };
        let age = ago(event.at);
        view! {
            <li class="notice" class=("notice--new", move || unread.get())>
                {glyph(shape)}
                <div class="grow">
                    <a href=url on:click=open><span class="sr">{move || if unread.get() { "Not read. " } else { "" }}{shape.word()}": "</span>{headline(&event).to_owned()}</a>
                    <p>{event.message.clone()}</p>
                    <p class="muted">{several.then(|| format!("{group} · "))}<span title=moment(event.at)>{move || age.get()}" ago"</span>{(!event.actor.is_empty()).then(|| format!(" · {}", event.actor))}</p>
                </div>
                {move || unread.get().then(|| view! { <Button weight=crate::ui::Weight::Ghost small=true on_click=Callback::new(move |()| tools.mark(|marks| marks.read(group, id)))>"Mark as read"</Button> })}
            </li>
        }
        .into_any()
    };
    let none = move || {
        if all.with(Vec::is_empty) {
            return Some(view! { <Empty picture=Icon::Bell title="Nothing to tell" text="Warnings and failures stand here, and when a switch, a replication or a drain has ended. Look elsewhere: the bell counts what is new."/> }.into_any());
        }
        (new_only.get() && unread.get() == 0).then(|| {
            view! { <Empty picture=Icon::Check title="All read" text="What is new will stand here at once."/> }.into_any()
        })
    };
    let text = Signal::derive(move || match unread.get() {
        0 => "Warnings, failures, and what has ended. All read.".to_owned(),
        number => format!("{} not read in this tab.", counted(number, "notice")),
    });
    let which = Signal::derive(move || if new_only.get() { "new" } else { "all" }.to_owned());
    let choices = vec![Choice::new("all", "All"), Choice::new("new", "Not read")];
    let pick = Callback::new(move |picked: String| new_only.set(picked == "new"));
    let off = Signal::derive(move || (unread.get() == 0).then(|| "All are read.".to_owned()));
    let footer = move || {
        let href = move || router.href(Page::Events.route());
        view! {
            <Button off=off on_click=read_all>"Mark all as read"</Button>
            <span class="grow"></span>
            <a class="btn btn--ghost" href=href on:click=move |_| tools.close()>"All events"</a>
        }
    };
    view! {
        <Drawer title="Notifications" text=text on_close=close footer=footer>
            <div><Segment label="Which are listed" choices=choices value=which on_pick=pick/></div>
            <ul class="notices"><For each=shown key=|notice| (notice.group, notice.event.id) children=line/></ul>
            {none}
        </Drawer>
    }
    .into_any()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use gridhelm_api::event::Severity;

    fn event(topic: Topic, kind: &str, subject: &str) -> Event {
        Event {
            id: 7,
            at: 0,
            severity: Severity::Warn,
            topic,
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            message: "m".to_owned(),
            actor: "ana".to_owned(),
            epoch: 1,
        }
    }

    #[test]
    fn each_leads_to_its_place_in_its_group() {
        for (event, url) in [
            (
                event(Topic::Grid, "node.drained", "east-r05"),
                "?page=grid&group=east&node=east/east-r05",
            ),
            (
                event(Topic::Task, "task.failed", "t-9"),
                "?page=tasks&group=east&task=t-9",
            ),
            (
                event(Topic::Switch, "switch.done", "sw-1"),
                "?page=switch&group=east",
            ),
            (
                event(Topic::Repository, "repository.replicated", "plan-1"),
                "?page=repository&group=east",
            ),
            (
                event(Topic::Repository, "file.deleted", "ana/fit/a.R"),
                "?page=repository&group=east&file=ana/fit/a.R",
            ),
            (
                event(Topic::Server, "database.lost", "east-1"),
                "?page=events&group=east&q=east-1",
            ),
        ] {
            assert_eq!(place_of("east", &event).url(), url);
        }
    }

    #[test]
    fn a_switch_is_called_by_what_became_of_it() {
        let done = event(Topic::Switch, "switch.done", "sw-1");
        assert_eq!(headline(&done), "Switch done");
        let lost = event(Topic::Grid, "node.contracted", "east-r05");
        assert_eq!(headline(&lost), "east-r05");
    }
}
