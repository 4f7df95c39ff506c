//! Tasks: what ran, runs and waits; running a script or code; one task with its output.

mod details;
mod list;
mod needs;
mod output;
mod run;
mod sessions;
mod words;

use std::sync::Arc;

use crate::reactive::{Callback, Memo, Signal};
use crate::ui::view;
use gridhelm_api::task::Task;
use leptos::prelude::*;

use crate::app::route::TasksView;
use crate::app::{Route, Router, use_router};
use crate::deployment::{Deployment, Group, as_curl, use_deployment};
use crate::ui::{Button, Chip, Icon, PageHead, SearchField, Weight, copy_as_curl};

/// What of the page is chosen: it is all in the address.
#[derive(Clone, Copy)]
struct View {
    deployment: &'static Deployment,
    address: Memo<TasksView>,
    scope: Memo<Option<String>>,
    router: Router,
}

impl View {
    /// The groups in scope. Tracks.
    fn groups(self) -> Vec<&'static Group> {
        self.deployment.in_scope(self.scope.get().as_deref())
    }

    /// A task by its id, as lists know it. Tracks it.
    fn find(self, id: &str) -> Option<(&'static Group, Arc<Task>)> {
        self.deployment
            .groups
            .iter()
            .find_map(|group| group.tasks.get(id).map(|task| (group, task)))
    }

    fn changed(self, change: impl Fn(&mut TasksView)) -> Route {
        let mut address = self.address.get_untracked();
        change(&mut address);
        Route::Tasks(address)
    }

    fn set(self, change: impl Fn(&mut TasksView)) {
        self.router.go(self.changed(change));
    }

    fn replace(self, change: impl Fn(&mut TasksView)) {
        self.router.replace(self.changed(change));
    }

    /// The address with another task open. Tracks.
    fn href(self, task: Option<String>) -> String {
        let mut address = self.address.get();
        address.task = task;
        address.tab = None;
        self.router.href(Route::Tasks(address))
    }
}

/// The page.
#[component]
pub fn Page() -> AnyView {
    let router = use_router();
    let address = router.select(|place| match &place.route {
        Route::Tasks(view) => view.clone(),
        _ => TasksView::default(),
    });
    let view = View {
        deployment: use_deployment(),
        address,
        scope: router.select(|place| place.group.clone()),
        router,
    };
    let sentence = Signal::derive(move || {
        let (mut running, mut queued, mut uncertain) = (0, 0, 0);
        for group in view.groups() {
            group.stats.with(|stats| {
                running += stats.running;
                queued += stats.queued;
                uncertain += stats.uncertain;
            });
        }
        words::sentence(running, queued, uncertain)
    });
    let open = Callback::new(move |()| view.set(|address| address.panel = Some("run".to_owned())));
    let form = Memo::new(move |_| {
        address.with(|address| {
            (address.panel.as_deref() == Some("run")).then(|| address.script.clone())
        })
    });
    let left_over =
        Callback::new(move |()| view.set(|address| address.panel = Some("sessions".to_owned())));
    let sessions =
        Memo::new(move |_| address.with(|address| address.panel.as_deref() == Some("sessions")));
    let chosen = Memo::new(move |_| address.with(|address| address.task.clone()));
    view! {
        <section data-fit="" aria-labelledby="page-title">
            <PageHead title="Tasks" answer=sentence>
                {copy_as_curl(Callback::new(move |()| as_curl(&untrack(|| view.groups()), "/tasks")))}
                <Button on_click=left_over>"Left-over sessions…"</Button>
                <Button weight=Weight::Primary icon=Icon::Tasks on_click=open>"Run task"</Button>
            </PageHead>
            {toolbar(view)}
            <div class="taskwrap" class=("taskwrap--wide", move || chosen.with(Option::is_none))>
                {list::table(view)}
                {move || chosen.get().map(|id| details::panel(view, &id))}
            </div>
            {move || form.get().map(|script| run::drawer(view, script))}
            {move || sessions.get().then(|| sessions::drawer(view))}
        </section>
    }
    .into_any()
}

fn toolbar(view: View) -> AnyView {
    let q = Signal::derive(move || {
        view.address
            .with(|address| address.q.clone().unwrap_or_default())
    });
    let search = Callback::new(move |text: String| {
        view.replace(|address| address.q = Some(text.clone()).filter(|text| !text.is_empty()))
    });
    let chip =
        move |(state, name, label): (gridhelm_api::task::TaskState, &'static str, &'static str)| {
            let on = Signal::derive(move || {
                view.address.with(|address| {
                    address.state.is_some() && words::shows(address.state.as_deref(), state)
                })
            });
            let toggle = Callback::new(move |()| {
                view.replace(|address| {
                    address.state = words::toggled(address.state.as_deref(), name)
                })
            });
            view! { <Chip label=label state=words::state(state).0 on=on on_toggle=toggle/> }
                .into_any()
        };
    view! {
        <div class="toolbar" role="toolbar" aria-label="Filter tasks">
            <SearchField name="Search tasks" placeholder="Script, id or person" value=q on_input=search main=true/>
            {words::STATES.map(chip)}
        </div>
    }
    .into_any()
}
