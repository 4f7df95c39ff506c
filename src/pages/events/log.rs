//! The journal: live, filtered, each line opens.

use std::sync::Arc;

use crate::reactive::{Callback, Effect, Memo, RwSignal, Signal};
use crate::ui::{For, Show, view};
use gridhelm_api::Millis;
use gridhelm_api::event::{Event, Topic};
use gridhelm_client::EventQuery;
use leptos::prelude::*;

use super::filter::{
    Filter, Line, PERIODS, SEVERITIES, TOPICS, facets, histogram, merged, severity_label, ticked,
    topic_label,
};
use super::older::Older;
use super::{View, severity_glyph};
use crate::app::route::{GridView, SwitchView, TasksView};
use crate::app::{Route, use_router};
use crate::ui::format::{count, counted};
use crate::ui::page::facts;
use crate::ui::{
    Button, Choice, Empty, ErrorBox, Icon, SearchField, Segment, Weight, glyph, icon, moment,
    time_of_day, use_clock,
};

/// How many lines are shown at first, and how many more at a press.
const STEP: usize = 200;

#[derive(Clone, Copy)]
struct Log {
    view: View,
    all: Memo<Arc<Vec<Line>>>,
    filter: Memo<Filter>,
    shown: Memo<Arc<Vec<Line>>>,
    limit: RwSignal<usize>,
    older: Older<Event>,
}

/// The tab.
pub(crate) fn log(view: View, answer: RwSignal<String>) -> AnyView {
    let clock = use_clock();
    let older = Older::<Event>::new();
    let all = Memo::new(move |_| {
        let mut lines = Vec::new();
        for group in view.scope.get() {
            view.deployment.groups[group].events.with(|events| {
                lines.extend(events.iter().map(|event| Line {
                    group,
                    event: event.clone(),
                }))
            });
        }
        let scope = view.scope.get();
        older.items.with(|items| {
            lines.extend(items.iter().filter(|(group, _)| scope.contains(group)).map(
                |(group, event)| Line {
                    group: *group,
                    event: event.clone(),
                },
            ))
        });
        Arc::new(merged(lines))
    });
    // The beginning of the period moves on once a minute.
    let minute = Memo::new(move |_| now(clock.wall_seconds()) / 60_000 * 60_000 + 60_000);
    let filter = Memo::new(move |_| {
        let now = minute.get();
        view.address.with(|address| {
            Filter::new(
                address.q.as_deref(),
                address.severity.as_deref(),
                address.kind.as_deref(),
                address.period.as_deref(),
                now,
            )
        })
    });
    let shown = Memo::new(move |_| {
        Arc::new(filter.with(|filter| {
            all.with(|all| {
                all.iter()
                    .filter(|line| filter.leaves(&line.event))
                    .cloned()
                    .collect::<Vec<_>>()
            })
        }))
    });
    let log = Log {
        view,
        all,
        filter,
        shown,
        limit: RwSignal::new(STEP),
        older,
    };
    Effect::new(move |_| {
        let (number, of) = (shown.with(|shown| shown.len()), all.with(|all| all.len()));
        let filtered = if number == of {
            String::new()
        } else {
            format!(" of {}", count(of as u64))
        };
        answer.set(format!(
            "What the grid did and what people did, in one order. {}{filtered} shown.",
            counted(number, "event")
        ));
    });
    let drawn = Memo::new(move |_| {
        filter.with(|filter| all.with(|all| histogram(all, filter, minute.get())))
    });
    view! {
        {toolbar(log)}
        <div class="evwrap">
            {boxes(log)}
            <section class="panel ev-panel" aria-label="Events">
                <div class="pad ev-hist">{move || drawn.with(super::histogram::draw)}</div>
                {table(log)}
            </section>
        </div>
    }
    .into_any()
}

#[allow(clippy::cast_possible_truncation)] // milliseconds since 1970
fn now(wall: f64) -> Millis {
    wall as Millis
}

fn toolbar(log: Log) -> AnyView {
    let view = log.view;
    let q = Signal::derive(move || {
        view.address
            .with(|address| address.q.clone().unwrap_or_default())
    });
    let search = Callback::new(move |text: String| {
        view.replace(|address| address.q = Some(text).filter(|text| !text.is_empty()))
    });
    let mut choices: Vec<Choice> = PERIODS
        .iter()
        .map(|(name, label, _)| Choice::new(*name, *label))
        .collect();
    choices.push(Choice::new("all", "All"));
    let period = Signal::derive(move || {
        view.address
            .with(|address| address.period.clone().unwrap_or_else(|| "all".to_owned()))
    });
    let pick = Callback::new(move |name: String| {
        view.replace(|address| address.period = Some(name).filter(|name| name != "all"))
    });
    let filtered = move || {
        view.address.with(|address| {
            address.q.is_some()
                || address.severity.is_some()
                || address.kind.is_some()
                || address.period.is_some()
        })
    };
    let clear = Callback::new(move |()| {
        view.replace(|address| {
            address.q = None;
            address.severity = None;
            address.kind = None;
            address.period = None;
        });
    });
    let paused = move || view.deployment.paused.with(Option::is_some);
    view! {
        <div class="toolbar" role="group" aria-label="Filter events">
            <SearchField name="Search events" placeholder="Text, node, task or actor" value=q on_input=search main=true/>
            <Segment label="Period" choices=choices value=period on_pick=pick/>
            <Show when=filtered><Button weight=Weight::Ghost on_click=clear>"Clear filters"</Button></Show>
            <span class="grow"></span>
            <span class="live" class:live--stale=paused><i></i>{move || if paused() { "paused" } else { "following" }}</span>
        </div>
    }
    .into_any()
}

fn boxes(log: Log) -> AnyView {
    let view = log.view;
    let counts = Memo::new(move |_| {
        log.filter
            .with(|filter| log.all.with(|all| facets(all, filter)))
    });
    let severity = move |index: usize| {
        let (severity, name, label) = SEVERITIES[index];
        let on = move || {
            view.address.with(|address| {
                address
                    .severity
                    .as_deref()
                    .is_none_or(|shown| shown.split(',').any(|known| known == name))
            })
        };
        let tick = move |_| {
            view.replace(|address| {
                address.severity = ticked(
                    address.severity.as_deref(),
                    name,
                    &SEVERITIES.map(|(_, name, _)| name),
                )
            })
        };
        view! { <label><input type="checkbox" prop:checked=on on:change=tick/>{glyph(severity_glyph(severity))}<span>{label}</span><span class="n">{move || counts.with(|counts| count(counts.severities[index] as u64))}</span></label> }.into_any()
    };
    let topic = move |index: usize| {
        let (_, name, label) = TOPICS[index];
        let on = move || {
            view.address.with(|address| {
                address
                    .kind
                    .as_deref()
                    .is_none_or(|shown| shown.split(',').any(|known| known == name))
            })
        };
        let tick = move |_| {
            view.replace(|address| {
                address.kind = ticked(
                    address.kind.as_deref(),
                    name,
                    &TOPICS.map(|(_, name, _)| name),
                )
            })
        };
        view! { <label class="p"><input type="checkbox" prop:checked=on on:change=tick/><span>{label}</span><span class="n">{move || counts.with(|counts| count(counts.topics[index] as u64))}</span></label> }.into_any()
    };
    view! {
        <form class="panel facet" aria-label="Facets" on:submit=|event| event.prevent_default()>
            <h2>"Severity"</h2>{(0..SEVERITIES.len()).map(severity).collect_view()}
            <h2>"Topic"</h2>{(0..TOPICS.len()).map(topic).collect_view()}
        </form>
    }
    .into_any()
}

/// What an open line is called in the address.
fn key(view: View, line: &Line) -> String {
    [
        view.deployment.groups[line.group].name.as_str(),
        &line.event.id.to_string(),
    ]
    .join("/")
}

fn table(log: Log) -> AnyView {
    let lines = move || {
        log.shown.with(|shown| {
            shown
                .iter()
                .take(log.limit.get())
                .cloned()
                .collect::<Vec<_>>()
        })
    };
    let hidden = Memo::new(move |_| {
        log.shown
            .with(|shown| shown.len())
            .saturating_sub(log.limit.get())
    });
    let more = Callback::new(move |()| {
        if hidden.get_untracked() > 0 {
            log.limit.update(|limit| *limit += STEP);
            return;
        }
        log.limit.update(|limit| *limit += STEP);
        let oldest = |group: usize| {
            log.all
                .with_untracked(|all| {
                    all.iter()
                        .filter(|line| line.group == group)
                        .map(|line| line.event.id)
                        .min()
                })
                .map(|id| id.to_string())
        };
        log.older.fetch(
            log.view,
            "The events",
            oldest,
            |client, before| async move {
                let query = EventQuery {
                    before,
                    limit: Some(200),
                    ..EventQuery::default()
                };
                client.events(&query).await
            },
        );
    });
    let can = Memo::new(move |_| hidden.get() > 0 || log.older.has_more(log.view));
    let busy = Signal::derive(move || log.older.busy.get().then(|| "Loading…".to_owned()));
    let none = Memo::new(move |_| log.shown.with(|shown| shown.is_empty()));
    let any = Memo::new(move |_| log.all.with(|all| !all.is_empty()));
    view! {
        <div class="scroll grow" role="region" aria-label="Event list" tabindex="0">
            <table class="tbl tbl--events">
                <thead><tr><th scope="col"><span class="sr">"Open"</span></th><th scope="col">"Time"</th><th scope="col">"Severity"</th><th scope="col">"Topic"</th><th scope="col">"Subject"</th><th scope="col">"What happened"</th><th scope="col">"Actor"</th><th scope="col">"Group"</th></tr></thead>
                <tbody><For each=lines key=|line| (line.group, line.event.id) children=move |line| row(log.view, line)/></tbody>
            </table>
            {move || none.get().then(|| if any.get() {
                view! { <Empty picture=Icon::Search title="No event matches" text="The filters hide all that is loaded. Choose a longer period or fewer filters, or load older ones below."/> }.into_any()
            } else {
                view! { <Empty picture=Icon::Events title="No events yet" text="Every change stands here at once: nodes lost and found, tasks that failed, switches, files, accounts; with who and why. Register a node to see the first."/> }.into_any()
            })}
            {move || log.older.failed.get().map(|trouble| view! { <div class="pad"><ErrorBox trouble=trouble/></div> })}
            <Show when=move || can.get()><div class="pad ev-more"><Button small=true busy=busy on_click=more>"Load older"</Button></div></Show>
        </div>
    }
    .into_any()
}

fn row(view: View, line: Line) -> AnyView {
    let own = key(view, &line);
    let open = {
        let own = own.clone();
        Memo::new(move |_| {
            view.address
                .with(|address| address.event.as_deref() == Some(own.as_str()))
        })
    };
    let turn = move |_| {
        view.replace(|address| {
            address.event = if address.event.as_deref() == Some(own.as_str()) {
                None
            } else {
                Some(own.clone())
            }
        })
    };
    let group = view.deployment.groups[line.group].name.as_str();
    let event = line.event;
    let shape = severity_glyph(event.severity);
    let name = format!(
        "{} {}, {}",
        event.subject,
        event.message,
        time_of_day(event.at)
    );
    let details = {
        let event = event.clone();
        move || open.get().then(|| details(&event, group))
    };
    view! {
        <tr aria-selected=move || if open.get() { "true" } else { "false" } on:click=turn>
            <td><button type="button" class="btn btn--ghost btn--sm btn--icon" aria-label=name aria-expanded=move || if open.get() { "true" } else { "false" }>{move || icon(if open.get() { Icon::Down } else { Icon::Right })}</button></td>
            <td class="muted">{moment(event.at)}</td>
            <td><span class="st thin">{glyph(shape)}{severity_label(event.severity)}</span></td>
            <td class="ink2">{topic_label(event.topic)}</td>
            <td><b class="strong">{event.subject.clone()}</b></td>
            <td>{event.message.clone()}</td>
            <td class="ink2">{event.actor.clone()}</td>
            <td class="ink2">{group}</td>
        </tr>
        {details}
    }
    .into_any()
}

fn details(event: &Event, group: &'static str) -> AnyView {
    let router = use_router();
    let target = match event.topic {
        Topic::Grid => Some((
            "Open the node",
            Route::Grid(GridView {
                node: Some(event.subject.clone()),
                ..GridView::default()
            }),
        )),
        Topic::Task => Some((
            "Open the task",
            Route::Tasks(TasksView {
                task: Some(event.subject.clone()),
                ..TasksView::default()
            }),
        )),
        Topic::Switch => Some(("Open the switch", Route::Switch(SwitchView::default()))),
        _ => None,
    };
    let mut rows: Vec<(&'static str, AnyView)> = vec![
        (
            "What happened",
            view! { <b class="strong">{event.subject.clone()}</b>" "{event.message.clone()} }
                .into_any(),
        ),
        (
            "Kind",
            view! { <span class="mono">{event.kind.clone()}</span> }.into_any(),
        ),
        (
            "Time",
            [moment(event.at), time_of_day(event.at)]
                .into_iter()
                .reduce(|a, b| if a == b { a } else { format!("{a}, {b}") })
                .unwrap_or_default()
                .into_any(),
        ),
        ("Actor", event.actor.clone().into_any()),
        (
            "Group",
            format!("{group}, epoch {}", event.epoch).into_any(),
        ),
        ("Number", format!("{} in {group}", event.id).into_any()),
    ];
    if let Some((label, route)) = target {
        rows.push((
            "Next",
            view! { <a href=move || router.href(route.clone())>{label}</a> }.into_any(),
        ));
    }
    view! { <tr class="ev-open"><td colspan="8"><div class="ev-details">{facts(rows)}</div></td></tr> }.into_any()
}
