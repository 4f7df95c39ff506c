//! The tasks of the groups in scope, newest first.

use std::sync::Arc;

use crate::reactive::{Callback, Memo, Signal};
use crate::ui::view;
use gridhelm_api::task::Task;
use leptos::prelude::*;

use super::View;
use super::words;
use crate::deployment::Group;
use crate::ui::{Button, Empty, Icon, ago, state, use_clock};

/// A row's group and task.
type Row = (&'static Group, crate::deployment::Entry<Task>);

/// Rows, the same as others when they are of the same tasks: what a task has become, its row follows.
#[derive(Clone)]
struct Rows(Vec<Row>);

impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        let keys = |rows: &Self| {
            rows.0
                .iter()
                .map(|(_, entry)| Arc::clone(&entry.key))
                .collect::<Vec<_>>()
        };
        keys(self) == keys(other)
    }
}

/// The table.
pub(super) fn table(view: View) -> AnyView {
    let rows = Memo::new(move |_| Rows(shown(view)));
    let body = move || {
        let Rows(rows) = rows.get();
        if rows.is_empty() {
            let filtered = view
                .address
                .with(|address| address.q.is_some() || address.state.is_some());
            if filtered {
                let all = Callback::new(move |()| {
                    view.set(|address| {
                        address.q = None;
                        address.state = None;
                    })
                });
                return view! { <Empty picture=Icon::Search title="No task matches" text="The filters hide the others."><Button on_click=all>"Clear filters"</Button></Empty> }.into_any();
            }
            let run =
                Callback::new(move |()| view.set(|address| address.panel = Some("run".to_owned())));
            return view! { <Empty picture=Icon::Tasks title="No task yet" text="A task is one run of a script on a slot. Run one: its output, plots and results stand here. Applications send theirs over HTTP."><Button on_click=run>"Run task…"</Button></Empty> }.into_any();
        }
        view! {
            <table class="tbl tbl--tasks">
                <thead><tr><th scope="col">"Task"</th><th scope="col">"State"</th><th scope="col">"Group"</th><th scope="col">"Where"</th><th scope="col">"By"</th><th scope="col" class="num">"Waited"</th><th scope="col" class="num">"Ran"</th><th scope="col" class="num">"Submitted"</th></tr></thead>
                <tbody>{rows.into_iter().map(|row| line(view, row)).collect_view()}</tbody>
            </table>
        }
        .into_any()
    };
    view! { <section class="panel scroll grow" aria-label="List of tasks" tabindex="0">{body}</section> }
        .into_any()
}

fn shown(view: View) -> Vec<Row> {
    let (filter, text) = view
        .address
        .with(|address| (address.state.clone(), address.q.clone().unwrap_or_default()));
    let mut rows: Vec<Row> = Vec::new();
    for group in view.groups() {
        for entry in group.tasks.rows().iter() {
            // A state filter follows each task; without one, only which tasks there are matters.
            let task = if filter.is_some() {
                entry.get()
            } else {
                entry.item.get_untracked()
            };
            if words::shows(filter.as_deref(), task.state) && words::matches(&task, &text) {
                rows.push((group, entry.clone()));
            }
        }
    }
    crate::ui::order::sort(&mut rows, |(_, a), (_, b)| b.key.cmp(&a.key));
    rows
}

fn line(view: View, (group, entry): Row) -> AnyView {
    let clock = use_clock();
    let id = entry.key.to_string();
    let task = {
        let entry = entry.clone();
        Signal::derive(move || entry.get())
    };
    let chosen = {
        let id = id.clone();
        move || {
            view.address
                .with(|address| address.task.as_deref() == Some(id.as_str()))
        }
    };
    let href = {
        let id = id.clone();
        move || view.href(Some(id.clone()))
    };
    let submitted = ago(task.get_untracked().submitted_at);
    let shape = move || {
        let (shape, word) = words::state(task.with(|task| task.state));
        state(shape, word)
    };
    view! {
        <tr aria-selected=move || chosen().then_some("true")>
            <td><a class="row-link" href=href>{move || task.with(|task| task.title.clone())}</a>" "<span class="mono muted">{id}</span></td>
            <td>{shape}</td>
            <td class="ink2">{group.name.as_str()}</td>
            <td class="ink2">{move || task.with(|task| words::place(task))}</td>
            <td class="ink2">{move || task.with(|task| task.submitted_by.clone())}</td>
            <td class="num ink2">{move || task.with(|task| words::waited(task, live(task, clock)))}</td>
            <td class="num ink2">{move || task.with(|task| words::ran(task, live(task, clock)))}</td>
            <td class="num muted">{move || submitted.get()}</td>
        </tr>
    }
    .into_any()
}

/// The time for a task that is not over; an ended one needs no clock and costs nothing.
pub(super) fn live(task: &Task, clock: crate::ui::clock::Clock) -> f64 {
    if task.state.is_final() {
        0.0
    } else {
        clock.wall_seconds()
    }
}
