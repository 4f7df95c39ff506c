//! The details of a node: why it is so, what happened in the last 30 minutes, what was measured, what ran there, what it is, what can be done; in
//! this order.

use std::sync::Arc;

use crate::reactive::{Callback, Effect, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::node::{Health, Intent, Node, NodeFacts, TimelinePoint};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::actions::actions;
use super::lane::{DAY, WINDOW, lane};
use super::lane_view::draw;
use super::measured::{measured, ran};
use super::reason::left;
use super::register::runs_word;
use super::row::address;
use super::select::Grid;
use super::wish::drain_words;
use crate::deployment::{Group, node_state, node_word, trouble};
use crate::ui::format::{age, bytes, count, counted, duration};
use crate::ui::page::facts;
use crate::ui::{
    Button, Choice, Empty, ErrorBox, Glyph, Icon, Segment, Skeleton, Tag, Trouble, Weight, ago,
    clock, live_glyph, moment, use_clock,
};

/// The panel for the chosen node.
pub(crate) fn details(grid: Grid) -> AnyView {
    let close = Callback::new(move |()| {
        grid.go(|view| {
            view.node = None;
            view.slot = None;
        });
    });
    // Made anew for another node; what changes in the node, its parts follow themselves.
    let which = Memo::new(move |_| {
        grid.chosen()
            .map(|(group, node)| (group, node.name.clone()))
    });
    let content = move || {
        if let Some((group, name)) = which.get() {
            return of_node(grid, group, &name, close);
        }
        let name = untrack(|| grid.chosen_name())
            .map(|(_, name)| name)
            .unwrap_or_default();
        view! {
            <div class="pad">
                <Empty title=format!("No node {name}") text="No group in this deployment has a node of that name, or its servers have not answered yet.">
                    <Button on_click=close>"Close"</Button>
                </Empty>
            </div>
        }
        .into_any()
    };
    view! { {content} }.into_any()
}

fn of_node(grid: Grid, index: usize, name: &str, close: Callback<()>) -> AnyView {
    let group: &'static Group = &grid.deployment.groups[index];
    let Some(item) = group.nodes.find(name) else {
        return ().into_any();
    };
    let node = Signal::derive(move || item.get());
    let clock = use_clock();
    let state = Memo::new(move |_| node.with(|node| node_state(node)));
    let since = move || {
        #[allow(clippy::cast_precision_loss)] // exact until the year 287396
        let long = |at: i64| (at > 0).then(|| age((clock.wall_seconds() - at as f64).max(0.0)));
        node.with(|node| match state.get() {
            Glyph::Ready | Glyph::Todo => None,
            Glyph::Disabled | Glyph::Draining => long(node.intent_since),
            _ => long(node.health_since),
        })
    };
    view! {
        <div class="pad detail-head">
            <div class="grow">
                <h2>{name.to_owned()}</h2>
                <span class=move || ["st ", state.get().text_class()].concat()>
                    {live_glyph(state.into())}{move || node.with(|node| node_word(node))}{move || since().map(|age| format!(" for {age}"))}
                </span>
            </div>
            <Button weight=Weight::Ghost small=true icon=Icon::Close name="Close details" on_click=close/>
        </div>
        {why(node)}
        {timeline(group, name.to_owned(), node)}
        {measured(group, name.to_owned())}
        {ran(group, name.to_owned())}
        {what(group, node)}
        {actions(grid, group, node)}
    }
    .into_any()
}

/// What people want of it and what is seen of it, apart.
fn why(node: Signal<Arc<Node>>) -> AnyView {
    let fault = Memo::new(move |_| {
        node.with(|node| {
            node.health_reason
                .clone()
                .filter(|_| node.health != Health::Healthy)
        })
    });
    let intent = Memo::new(move |_| {
        node.with(|node| {
            (
                node.intent,
                node.intent_reason.clone(),
                node.intent_by.clone(),
                node.intent_since,
                node.intent_until,
                node.intent_force,
            )
        })
    });
    let tasks = Memo::new(move |_| {
        node.with(|node| {
            (node.intent == Intent::Draining)
                .then(|| node.drain.as_ref().map_or_else(|| left(node), drain_words))
        })
    });
    let seen = Memo::new(move |_| {
        node.with(|node| {
            (
                node.health,
                node.health_since,
                node.last_heartbeat,
                node.heartbeat_ms,
                node.failures,
            )
        })
    });
    let rows = move || {
        let mut rows: Vec<(&'static str, AnyView)> = Vec::new();
        let (wanted, reason, by, at, until, force) = intent.get();
        if wanted != Intent::Enabled {
            let who = by
                .filter(|by| !by.is_empty())
                .map(|by| format!(" by {by}"))
                .unwrap_or_default();
            let word = if wanted == Intent::Draining {
                "draining"
            } else {
                "disabled"
            };
            rows.push(("Intent", format!("{word}{who}, {}", moment(at)).into_any()));
            if let Some(reason) = reason {
                rows.push(("Reason", reason.into_any()));
            }
            if let Some(until) = until {
                let what = match (wanted, force) {
                    (Intent::Disabled, _) => "enabled again by itself",
                    (_, true) => "then what runs is interrupted",
                    _ => "the deadline of the drain",
                };
                rows.push(("Until", format!("{}, {what}", moment(until)).into_any()));
            }
        }
        if let Some(left) = tasks.get() {
            rows.push(("Tasks", left.into_any()));
        }
        let (health, since, last, millis, failures) = seen.get();
        let word = match health {
            Health::Healthy => "answers in time",
            Health::Degraded => "answers late or in part",
            Health::Unreachable => "does not answer",
            Health::Unknown => "not looked at yet by the active server",
        };
        rows.push(("Observed", word.into_any()));
        if since > 0 {
            rows.push(("Since", moment(since).into_any()));
        }
        if failures > 0 {
            rows.push((
                "Tries",
                format!("{} failed in a row", count(u64::from(failures))).into_any(),
            ));
        }
        if let Some(last) = last {
            let age = ago(last);
            let took = millis
                .map(|millis| format!(", took {}", duration(millis)))
                .unwrap_or_default();
            rows.push((
                "Last answer",
                view! { {move || age.get()}" ago"{took} }.into_any(),
            ));
        }
        facts(rows)
    };
    view! { <section><h3>"Why"</h3>{move || fault.get().map(|fault| view! { <div class="errbox">{fault}</div> })}{rows}</section> }.into_any()
}

/// What happened in the last 30 minutes: asked of the server when the details open, and again when the usable slots change.
fn timeline(group: &'static Group, name: String, node: Signal<Arc<Node>>) -> AnyView {
    let usable = Memo::new(move |_| {
        node.with(|node| {
            node.slots
                .iter()
                .filter(|slot| slot.state.is_usable())
                .count()
        })
    });
    let found = RwSignal::new(None::<Result<Vec<TimelinePoint>, Trouble>>);
    let window = RwSignal::new(WINDOW);
    let asked = {
        let name = name.clone();
        move || {
            let name = name.clone();
            #[allow(clippy::cast_possible_truncation)] // milliseconds since 1970
            let since = clock::wall() as i64 - window.get_untracked();
            spawn_local(async move {
                let answer = group
                    .act(|client| {
                        let name = name.clone();
                        async move { client.node_timeline_since(&name, since).await }
                    })
                    .await;
                // The panel may be closed by now.
                let _ = found.try_set(Some(
                    answer.map_err(|error| trouble("Could not read what happened", &error)),
                ));
            });
        }
    };
    let ask = asked.clone();
    Effect::new(move |_| {
        usable.track();
        window.track();
        ask();
    });
    let clock = use_clock();
    let view = move || {
        found.with(|found| match found {
            None => view! { <Skeleton lines=2 name="Asking what happened"/> }.into_any(),
            Some(Err(trouble)) => {
                let again = asked.clone();
                view! { <ErrorBox trouble=trouble.clone()><Button small=true on_click=Callback::new(move |()| again())>"Try again"</Button></ErrorBox> }.into_any()
            }
            Some(Ok(points)) => {
                let name = name.clone();
                let points = points.clone();
                let drawn = Memo::new(move |_| {
                    #[allow(clippy::cast_possible_truncation)] // milliseconds since 1970
                    let now = clock.wall_seconds() as i64;
                    // Every ten seconds it moves by a pixel or so.
                    let now = now - now.rem_euclid(10_000) + 10_000;
                    let window = window.get();
                    (lane(&points, now, window), now, window)
                });
                view! { {move || drawn.with(|(lane, now, window)| draw(&name, lane, *now, *window))} }.into_any()
            }
        })
    };
    let choices = vec![Choice::new("30m", "30 min"), Choice::new("24h", "24 h")];
    let chosen = Signal::derive(move || if window.get() == DAY { "24h" } else { "30m" }.to_owned());
    let pick = Callback::new(move |word: String| {
        window.set(if word == "24h" { DAY } else { WINDOW });
    });
    view! { <section><div class="act"><h3>"Usable slots"</h3><Segment label="How far back" choices=choices value=chosen on_pick=pick/></div>{view}</section> }.into_any()
}

/// What it is.
fn what(group: &'static Group, node: Signal<Arc<Node>>) -> AnyView {
    let known = Memo::new(move |_| {
        node.with(|node| {
            (
                address(node),
                node.user.clone(),
                runs_word(node.operating_type),
                node.slot_limit,
                node.labels.clone(),
                node.facts.clone(),
                node.created_at,
            )
        })
    });
    let view = move || {
        let (place, user, runs, slots, labels, found, created) = known.get();
        let runtime = match &found {
            Some(found) if !found.r_version.is_empty() => format!(
                "R {}, Rserve {}, {runs}, {}",
                found.r_version,
                found.rserve_version,
                counted(slots as usize, "slot")
            ),
            _ => format!("{runs}, {}", counted(slots as usize, "slot")),
        };
        let mut rows: Vec<(&'static str, AnyView)> = vec![
            (
                "Address",
                view! { <span class="mono">{place}</span> }.into_any(),
            ),
            ("Runtime", runtime.into_any()),
        ];
        if let Some(user) = user {
            rows.push(("Signs in as", user.into_any()));
        }
        rows.extend(found.map(machine).unwrap_or_default());
        if !labels.is_empty() {
            let tag = |label: String| view! { <Tag line=true>{label}</Tag>" " };
            rows.push((
                "Labels",
                labels.into_iter().map(tag).collect_view().into_any(),
            ));
        }
        rows.push(("Group", group.name.clone().into_any()));
        if created > 0 {
            rows.push(("Registered", moment(created).into_any()));
        }
        facts(rows)
    };
    view! { <section><h3>"What it is"</h3>{view}</section> }.into_any()
}

fn machine(found: NodeFacts) -> Vec<(&'static str, AnyView)> {
    let mut rows: Vec<(&'static str, AnyView)> = Vec::new();
    if !found.host.is_empty() {
        rows.push(("Host", found.host.into_any()));
    }
    if found.cores > 0 {
        let memory = if found.memory_total > 0 {
            format!(
                ", {} memory, {} free",
                bytes(found.memory_total),
                bytes(found.memory_available)
            )
        } else {
            String::new()
        };
        rows.push((
            "Machine",
            format!("{}{memory}", counted(found.cores as usize, "core")).into_any(),
        ));
    }
    if found.disk_free > 0 {
        rows.push(("Free disk", bytes(found.disk_free).into_any()));
    }
    if found.packages > 0 {
        rows.push(("Packages", count(u64::from(found.packages)).into_any()));
    }
    if found.at > 0 {
        rows.push((
            "Clock",
            format!("off by {} ms", count(found.clock_offset_ms.unsigned_abs())).into_any(),
        ));
        let age = ago(found.at);
        rows.push(("Probed", view! { {move || age.get()}" ago" }.into_any()));
    }
    rows
}
