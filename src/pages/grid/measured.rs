//! What was measured of a node in the last hour, and what ran on it lately: parts of its details.

use std::sync::Arc;

use crate::reactive::{Effect, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::measures::{EVERY_MS, Latency, NodeMeasures};
use gridhelm_api::task::{Attempt, FailureKind, Task, TaskState};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::history::history;
use crate::app::route::TasksView;
use crate::app::{Route, use_router};
use crate::deployment::{Group, trouble, use_deployment};
use crate::ui::format::{count, counted, duration, percent};
use crate::ui::page::facts;
use crate::ui::{ErrorBox, Glyph, Skeleton, Sparkline, Tag, Trouble, time_of_day};

/// The most attempts that are listed.
const LISTED: usize = 8;

/// Percentiles of its heartbeats, load and memory over the last hour: asked of the server when the details open, and every ten seconds.
pub(super) fn measured(group: &'static Group, name: String) -> AnyView {
    let found = RwSignal::new(None::<Result<Arc<NodeMeasures>, Trouble>>);
    let moments = history(use_deployment());
    Effect::new(move |_| {
        moments.track();
        let name = name.clone();
        spawn_local(async move {
            let answer = group
                .act(|client| {
                    let name = name.clone();
                    async move { client.node_measures(&name).await }
                })
                .await;
            let answer = answer
                .map(Arc::new)
                .map_err(|error| trouble("Could not read what was measured", &error));
            // The panel may be closed by now.
            let _ = found.try_set(Some(answer));
        });
    });
    let known = Memo::new(move |_| {
        found.with(|found| match found {
            Some(Ok(measures)) => Some(Arc::clone(measures)),
            _ => None,
        })
    });
    let there = Memo::new(move |_| known.with(Option::is_some));
    let view = move || {
        if there.get() {
            return drawn(known);
        }
        found.with(|found| match found {
            Some(Err(trouble)) => view! { <ErrorBox trouble=trouble.clone()/> }.into_any(),
            _ => view! { <Skeleton lines=2 name="Reading what was measured"/> }.into_any(),
        })
    };
    view! { <section><h3>"Last hour"</h3>{view}</section> }.into_any()
}

fn drawn(known: Memo<Option<Arc<NodeMeasures>>>) -> AnyView {
    let beats = Memo::new(move |_| known.with(|known| known.as_ref()?.heartbeats));
    let line = move |name: &'static str, of: fn(&NodeMeasures) -> &[Option<f64>], top: f64| {
        let values = Memo::new(move |_| {
            known.with(|known| known.as_ref().map_or_else(Vec::new, |m| of(m).to_vec()))
        });
        let words = Signal::derive(move || values.with(|values| span(name, values)));
        let shown = Signal::derive(move || {
            values.with(|values| values.iter().flatten().copied().collect::<Vec<f64>>())
        });
        view! { <Sparkline values=shown top=top width=150 height=26 name=words/><br/><span class="ink2">{move || words.get()}</span> }.into_any()
    };
    let told = move || {
        beats.get().map_or_else(
            || "none was answered yet".to_owned(),
            |beats| latency(&beats, &time_of_day(beats.since)),
        )
    };
    facts(vec![
        ("Heartbeats", view! { {told} }.into_any()),
        ("Load", line("Load", |measures| &measures.load, 1.25)),
        ("Memory", line("Memory", |measures| &measures.memory, 1.0)),
    ])
}

/// Percentiles in words.
fn latency(beats: &Latency, since: &str) -> String {
    format!(
        "half within {}, 90 % within {}, 99 % within {}; the slowest of {} since {since} took {}",
        duration(beats.p50),
        duration(beats.p90),
        duration(beats.p99),
        count(beats.number.into()),
        duration(beats.slowest)
    )
}

/// A quantity over time in words: the time that it covers, its least and its greatest value, the last one.
fn span(name: &str, values: &[Option<f64>]) -> String {
    let mut least = f64::INFINITY;
    let mut greatest = f64::NEG_INFINITY;
    for value in values.iter().flatten() {
        least = least.min(*value);
        greatest = greatest.max(*value);
    }
    if least > greatest {
        return format!("{name} was not measured");
    }
    let minutes = values.len() * usize::try_from(EVERY_MS).unwrap_or(0) / 60_000;
    let now = values.last().copied().flatten();
    let now = now.map_or_else(String::new, |now| format!(", now {}", percent(now)));
    format!(
        "{} to {} in {}{now}",
        percent(least),
        percent(greatest),
        counted(minutes.max(1), "minute")
    )
}

/// An attempt on this node, with its task.
#[derive(Clone, Debug, PartialEq)]
struct Ran {
    task: String,
    title: String,
    slot: u32,
    at: i64,
    took: Option<f64>,
    shape: Glyph,
    word: &'static str,
}

/// How an attempt stands, or how it ended.
fn outcome(task: &Task, attempt: &Attempt) -> (Glyph, &'static str) {
    match &attempt.failure {
        Some(failure) if failure.kind == FailureKind::Cancelled => (Glyph::Disabled, "cancelled"),
        Some(failure) if failure.kind == FailureKind::Grid => (Glyph::Lost, "lost or ended"),
        Some(_) => (Glyph::Fail, "failed"),
        None if attempt.ended_at.is_some() => (Glyph::Pass, "done"),
        None if task.state == TaskState::Uncertain => (Glyph::Warn, "uncertain"),
        None => (Glyph::Busy, "running"),
    }
}

/// The attempts of these tasks that were on a node, the latest first; and how many there are in all.
fn attempts<'a>(tasks: impl Iterator<Item = &'a Task>, node: &str) -> (Vec<Ran>, usize) {
    let mut all = Vec::new();
    for task in tasks {
        for attempt in task.attempts.iter().filter(|attempt| attempt.node == node) {
            let (shape, word) = outcome(task, attempt);
            let took = attempt
                .ended_at
                .map(|ended| (ended - attempt.started_at).max(0) as f64);
            all.push(Ran {
                task: task.id.clone(),
                title: task.title.clone(),
                slot: attempt.slot,
                at: attempt.started_at,
                took,
                shape,
                word,
            });
        }
    }
    crate::ui::order::sort(&mut all, |a, b| b.at.cmp(&a.at));
    let number = all.len();
    all.truncate(LISTED);
    (all, number)
}

/// The attempts that were on the node, of the latest tasks of the group that are known here.
pub(super) fn ran(group: &'static Group, name: String) -> AnyView {
    let router = use_router();
    let found = Memo::new(move |_| {
        group.tasks.track_all();
        let rows = group.tasks.rows();
        let tasks: Vec<Arc<Task>> = rows.iter().map(|row| row.item.get_untracked()).collect();
        attempts(tasks.iter().map(|task| &**task), &name)
    });
    let row = move |ran: Ran| {
        let href = router.href(Route::Tasks(TasksView {
            task: Some(ran.task.clone()),
            tab: Some("attempts".to_owned()),
            ..TasksView::default()
        }));
        let took = ran.took.map_or_else(|| "–".to_owned(), duration);
        view! {
            <tr>
                <td><a href=href title=ran.task>{ran.title}</a></td>
                <td class="num">{ran.slot}</td>
                <td>{time_of_day(ran.at)}</td>
                <td class="num">{took}</td>
                <td><Tag state=ran.shape shape=true>{ran.word}</Tag></td>
            </tr>
        }
        .into_any()
    };
    let view = move || {
        let (rows, number) = found.get();
        if rows.is_empty() {
            return view! { <p class="ink2">"None of the latest tasks ran here."</p> }.into_any();
        }
        let more = (number > rows.len()).then(|| {
            let text = format!(
                "The latest {} of {} attempts that are known here.",
                rows.len(),
                count(number as u64)
            );
            view! { <p class="ink2">{text}</p> }
        });
        view! {
            <div class="scroll" tabindex="0" role="region" aria-label="Attempts on this node">
                <table class="tbl">
                    <thead><tr><th scope="col">"Task"</th><th scope="col" class="num">"Slot"</th><th scope="col">"Began"</th><th scope="col" class="num">"Took"</th><th scope="col">"How"</th></tr></thead>
                    <tbody>{rows.into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
            {more}
        }
        .into_any()
    };
    view! { <section><h3>"Ran here"</h3>{view}</section> }.into_any()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn task(id: &str, attempts: serde_json::Value) -> Task {
        serde_json::from_value(serde_json::json!({
            "id": id, "title": "Code", "state": "running", "submitted_by": "ana", "submitted_at": 1,
            "priority": 0, "timeout_s": 60, "re_executable": false, "attempts": attempts,
        }))
        .unwrap()
    }

    #[test]
    fn attempts_here_are_listed_the_latest_first() {
        let lost = serde_json::json!({ "kind": "grid", "message": "lost" });
        let one = task(
            "t-1",
            serde_json::json!([
                { "number": 1, "node": "r1", "slot": 2, "epoch": 1, "started_at": 10, "ended_at": 60, "failure": lost },
                { "number": 2, "node": "r2", "slot": 1, "epoch": 1, "started_at": 70 },
            ]),
        );
        let other = task(
            "t-2",
            serde_json::json!([{ "number": 1, "node": "r1", "slot": 1, "epoch": 1, "started_at": 80 }]),
        );
        let (here, number) = attempts([&one, &other].into_iter(), "r1");
        assert_eq!(number, 2);
        let seen: Vec<_> = here
            .iter()
            .map(|ran| (ran.task.as_str(), ran.word, ran.took))
            .collect();
        assert_eq!(
            seen,
            [
                ("t-2", "running", None),
                ("t-1", "lost or ended", Some(50.0))
            ]
        );
        assert_eq!(attempts([&one].into_iter(), "r9"), (Vec::new(), 0));
        let many: Vec<Task> = (0..20).map(|_| other.clone()).collect();
        let (listed, number) = attempts(many.iter(), "r1");
        assert_eq!((listed.len(), number), (LISTED, 20));
    }

    #[test]
    fn what_was_measured_is_said_in_words() {
        assert_eq!(span("Load", &[None, None]), "Load was not measured");
        let values: Vec<Option<f64>> = (0..60)
            .map(|n| (n != 30).then_some(f64::from(n) / 100.0))
            .collect();
        assert_eq!(span("Load", &values), "0 % to 59 % in 10 minutes, now 59 %");
        let beats = Latency {
            number: 1_700,
            since: 0,
            p50: 3.0,
            p90: 4.0,
            p99: 12.0,
            slowest: 30.0,
        };
        assert_eq!(
            latency(&beats, "14:02:00"),
            "half within 3.0 ms, 90 % within 4.0 ms, 99 % within 12 ms; the slowest of 1,700 since 14:02:00 took 30 ms"
        );
    }
}
