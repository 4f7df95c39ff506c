//! One task: state, attempts, live console, plots, results, and what failed.

use std::sync::Arc;

use crate::reactive::{Callback, Effect, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::task::{Task, TaskFailure};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::View;
use super::list::live;
use super::output::{artifacts, console, results};
use super::words;
use crate::deployment::{Group, trouble};
use crate::ui::{
    Button, Choice, ErrorBox, Icon, Segment, Skeleton, Trouble, Weight, facts, moment, state,
    use_clock,
};

/// The panel at the right, for the task in the address.
pub(super) fn panel(view: View, id: &str) -> AnyView {
    let (id, task) = (
        id.to_owned(),
        RwSignal::new(None::<(&'static Group, Arc<Task>)>),
    );
    let fault = RwSignal::new(None::<Trouble>);
    {
        let id = id.clone();
        Effect::new(move |_| {
            // The list's copy leaves out values and code: the whole is fetched when the task is new here, and again when it ends.
            let known = view.find(&id);
            let groups = match &known {
                Some((group, task)) => {
                    task.state.is_final().then_some(());
                    vec![*group]
                }
                None => view
                    .deployment
                    .groups
                    .iter()
                    .filter(|group| group.signed_in())
                    .collect(),
            };
            fetch(id.clone(), groups, task, fault);
        });
    }
    let close = Callback::new(move |()| {
        view.set(|address| {
            address.task = None;
            address.tab = None;
        })
    });
    let listed = {
        let id = id.clone();
        Memo::new(move |_| {
            view.find(&id)
                .map(|(group, task)| (group.name.clone(), task))
        })
    };
    let head = {
        let id = id.clone();
        move || {
            let title = listed
                .with(|listed| listed.as_ref().map(|(_, task)| task.title.clone()))
                .or_else(|| task.with(|task| task.as_ref().map(|(_, task)| task.title.clone())));
            view! { <h2 id="h-task">{title.unwrap_or_else(|| id.clone())}</h2> }
        }
    };
    let body = move || match (task.get(), fault.get()) {
        (Some((group, task)), _) => whole(view, group, task).into_any(),
        (None, Some(trouble)) => {
            view! { <section><ErrorBox trouble=trouble/></section> }.into_any()
        }
        (None, None) => view! { <Skeleton name="The task is being fetched"/> }.into_any(),
    };
    view! {
        <aside class="panel detail task-detail" aria-labelledby="h-task">
            <div class="pad detail-head"><div class="grow">{head}<span class="mono muted">{id}</span></div><Button weight=Weight::Ghost small=true icon=Icon::Close name="Close details" on_click=close/></div>
            {body}
        </aside>
    }
    .into_any()
}

/// Fetches a task whole from the first of the groups that knows it.
fn fetch(
    id: String,
    groups: Vec<&'static Group>,
    task: RwSignal<Option<(&'static Group, Arc<Task>)>>,
    fault: RwSignal<Option<Trouble>>,
) {
    spawn_local(async move {
        let wanted = id.as_str();
        for group in groups {
            match group
                .act(|client| async move { client.task(wanted).await })
                .await
            {
                Ok(found) => {
                    let _ = task.try_set(Some((group, Arc::new(found))));
                    let _ = fault.try_set(None);
                    return;
                }
                Err(error) => {
                    let _ = fault.try_set(Some(trouble("The task cannot be shown", &error)));
                }
            }
        }
    });
}

fn whole(view: View, group: &'static Group, task: Arc<Task>) -> AnyView {
    let clock = use_clock();
    let (shape, word) = words::state(task.state);
    let cancel = (!task.state.is_final()).then(|| cancel(group, task.id.clone()));
    let times = {
        let task = Arc::clone(&task);
        move || {
            let now = live(&task, clock);
            match words::ran(&task, now) {
                ran if ran.is_empty() => format!("waits for {}", words::waited(&task, now)),
                ran => format!("{ran}, after {} of waiting", words::waited(&task, now)),
            }
        }
    };
    let tab = Memo::new(move |_| {
        view.address
            .with(|address| address.tab.clone())
            .unwrap_or_else(|| "console".to_owned())
    });
    let mut choices = vec![
        Choice::new("console", "Console"),
        Choice::new("results", "Results"),
    ];
    choices.push(Choice::new(
        "plots",
        format!("Plots and files {}", task.artifacts.len()),
    ));
    choices.push(Choice::new(
        "attempts",
        format!("Attempts {}", task.attempts.len()),
    ));
    let pick =
        Callback::new(move |tab: String| view.replace(|address| address.tab = Some(tab.clone())));
    let part = {
        let task = Arc::clone(&task);
        move || match tab.get().as_str() {
            "results" => results(&task),
            "plots" => artifacts(group, &task),
            "attempts" => attempts(&task),
            _ => {
                // What people look for first stands together: what it said, and what it drew.
                let plots = task
                    .artifacts
                    .iter()
                    .any(|artifact| artifact.plot)
                    .then(|| artifacts(group, &task));
                view! { {console(group, &task)}{plots} }.into_any()
            }
        }
    };
    view! {
        <section>
            <div class="task-state">{state(shape, word)}<span class="ink2">{times}</span><span class="grow"></span>{cancel}</div>
            {facts(vec![
                ("Group", group.name.as_str().into_any()),
                ("Where", words::place(&task).into_any()),
                ("By", task.submitted_by.clone().into_any()),
                ("Submitted", moment(task.submitted_at).into_any()),
                ("Time-out", format!("{} s", task.timeout_s).into_any()),
            ])}
        </section>
        {task.failure.as_ref().map(failure)}
        <section class="task-tabs"><Segment label="Part of the task" choices=choices value=tab on_pick=pick/></section>
        {part}
    }
    .into_any()
}

fn failure(failure: &TaskFailure) -> AnyView {
    let line = failure
        .line
        .map(|line| format!(", line {line}"))
        .unwrap_or_default();
    let call = failure
        .call
        .as_ref()
        .map(|call| view! { <dt>"Call"</dt><dd class="mono">{call.clone()}</dd> });
    let trace = (!failure.trace.is_empty()).then(|| {
        view! { <details><summary>"Call stack"</summary><ol class="trace mono">{failure.trace.iter().map(|call| view! { <li>{call.clone()}</li> }).collect_view()}</ol></details> }
    });
    view! {
        <section role="group" aria-label="Failure">
            <h3>{words::failure(failure.kind)}{line}</h3>
            <div class="errbox">{failure.message.clone()}</div>
            <dl class="kv">{call}</dl>
            {trace}
        </section>
    }
    .into_any()
}

fn cancel(group: &'static Group, id: String) -> AnyView {
    let busy = RwSignal::new(None::<String>);
    let toasts = crate::ui::use_toasts();
    let off = Signal::derive(move || group.refuses_operator());
    let press = Callback::new(move |()| {
        let id = id.clone();
        busy.set(Some("Cancelling…".to_owned()));
        spawn_local(async move {
            let wanted = id.as_str();
            if let Err(error) = group
                .act(|client| async move { client.cancel(wanted).await })
                .await
            {
                toasts.trouble(&trouble("The task was not cancelled", &error));
            }
            let _ = busy.try_set(None);
        });
    });
    view! { <Button small=true weight=Weight::Danger off=off busy=busy on_click=press>"Cancel task"</Button> }.into_any()
}

fn attempts(task: &Task) -> AnyView {
    let row = |attempt: &gridhelm_api::task::Attempt| {
        let ended = attempt
            .ended_at
            .map_or_else(|| "running".to_owned(), moment);
        let outcome = attempt
            .failure
            .as_ref()
            .map_or_else(String::new, |failure| failure.message.clone());
        view! {
            <tr>
                <td class="num">{attempt.number}</td><td>{attempt.node.clone()}", slot "{attempt.slot}</td><td class="num">{attempt.epoch}</td>
                <td class="ink2">{moment(attempt.started_at)}</td><td class="ink2">{ended}</td><td class="ink2">{outcome}</td>
            </tr>
        }
    };
    view! {
        <section class="scroll" tabindex="0" role="region" aria-label="Attempts">
            <table class="tbl">
                <thead><tr><th scope="col" class="num">"No."</th><th scope="col">"Where"</th><th scope="col" class="num">"Epoch"</th><th scope="col">"Began"</th><th scope="col">"Ended"</th><th scope="col">"Outcome"</th></tr></thead>
                <tbody>{task.attempts.iter().map(row).collect_view()}</tbody>
            </table>
        </section>
    }
    .into_any()
}
