//! The live topology: balancer, servers, database, nodes, from left to right. Each server and each node follows its own state.

use std::sync::Arc;

use crate::reactive::{Callback, Memo, Signal};
use crate::ui::view;
use gridhelm_api::group::ServerRole;
use leptos::prelude::*;

use super::Overview;
use super::glance::GroupGlance;
use super::list::list;
use super::place::{
    BASE_HIGH, CELLS, FRAME, Frame, NODES, SERVER, SERVER_HIGH, frames, height, route,
};
use crate::app::route::OverviewView;
use crate::app::{Route, use_router};
use crate::deployment::{Group, SLOT_STATES, Server, node_state, node_word, slot_glyph};
use crate::pages::grid::order::used;
use crate::pages::grid::reason::left;
use crate::ui::format::{age, count, counted, duration};
use crate::ui::{Choice, Glyph, Segment, glyph, use_clock};

/// Which nodes of a group are drawn: all that fit, or those that are not ready first.
fn drawn(group: &'static Group) -> (Vec<Arc<str>>, usize) {
    let rows = group.nodes.rows();
    if rows.len() <= NODES {
        return (rows.iter().map(|row| Arc::clone(&row.key)).collect(), 0);
    }
    group.nodes.track_all();
    let (ready, other): (Vec<_>, Vec<_>) = rows
        .iter()
        .partition(|row| row.item.with_untracked(|node| node_state(node)) == Glyph::Ready);
    let shown: Vec<Arc<str>> = other
        .into_iter()
        .chain(ready)
        .take(NODES - 1)
        .map(|row| Arc::clone(&row.key))
        .collect();
    let more = rows.len() - shown.len();
    (shown, more)
}

/// The panel.
pub(crate) fn panel(page: Overview) -> AnyView {
    let router = use_router();
    let choices = vec![
        Choice::new("drawing", "Drawing"),
        Choice::new("list", "List"),
    ];
    let value = Signal::derive(move || {
        if page.as_list.get() {
            "list"
        } else {
            "drawing"
        }
        .to_owned()
    });
    let pick = Callback::new(move |form: String| {
        router.replace(Route::Overview(OverviewView {
            topology: Some(form).filter(|form| form == "list"),
        }))
    });
    let legend = SLOT_STATES.map(|state| {
        let shape = slot_glyph(state);
        view! { <span>{glyph(shape)}{shape.label()}</span> }
    });
    let class = move || {
        if page.as_list.get() {
            "panel p-topo p-topo--list"
        } else {
            "panel p-topo"
        }
    };
    view! {
        <section class=class aria-labelledby="h-topo">
            <header class="panel-head"><h2 id="h-topo">"Topology"</h2><div class="legend">{legend.into_iter().collect_view()}</div><div class="end"><Segment label="Topology view" choices=choices value=value on_pick=pick/></div></header>
            {drawing(page)}
            {list(page)}
        </section>
    }
    .into_any()
}

fn drawing(page: Overview) -> AnyView {
    let rows = Memo::new(move |_| page.shown().into_iter().map(drawn).collect::<Vec<_>>());
    let frames = Memo::new(move |_| {
        let counts: Vec<(usize, usize)> = page
            .shown()
            .iter()
            .zip(rows.get())
            .map(|(group, (shown, more))| {
                (group.servers.len(), shown.len() + usize::from(more > 0))
            })
            .collect();
        Arc::new(frames(&counts))
    });
    let balancer = page.deployment.load_balancer.clone();
    let left = if balancer.is_some() { -10.0 } else { 148.0 };
    let view_box = move || {
        format!(
            "{left} 0 {} {}",
            840.0 - left - 10.0,
            frames.with(|frames| height(frames)) + 1.0
        )
    };
    let desc = Memo::new(move |_| page.groups.with(|groups| describe(groups)));
    let groups = move || {
        let frames = frames.get();
        let each = |(position, group): (usize, &'static Group)| {
            let frame = frames[position].clone();
            let names = rows.with(|rows| rows.get(position).cloned().unwrap_or_default());
            group_view(group, &frame, names)
        };
        page.shown()
            .into_iter()
            .enumerate()
            .map(each)
            .collect_view()
    };
    let wires = move || {
        balancer
            .clone()
            .map(|address| balancer_view(page, &address, &frames.get()))
    };
    view! {
        <svg class="topo" viewBox=view_box role="img" aria-label="Live topology" aria-describedby="topo-words">
            {groups}
            {wires}
        </svg>
        <p class="sr" id="topo-words">{move || desc.get()}</p>
    }
    .into_any()
}

/// The drawing in words.
fn describe(groups: &[GroupGlance]) -> String {
    let of_group = |group: &GroupGlance| {
        let active = group
            .servers
            .iter()
            .find(|server| server.is_active())
            .map_or_else(
                || format!("No server of {} is active", group.name),
                |server| format!("{} is the active server of {}", server.name, group.name),
            );
        let rest: Vec<String> = group
            .servers
            .iter()
            .filter(|server| !server.is_active())
            .map(|server| {
                format!(
                    "{} {}",
                    server.name,
                    if server.live {
                        "stands by"
                    } else {
                        "does not answer"
                    }
                )
            })
            .collect();
        let servers = if rest.is_empty() {
            active
        } else {
            format!("{active}, {}", rest.join(", "))
        };
        format!(
            "{servers}. Its grid has {} with {}, {} of them usable.",
            counted(group.tally.nodes, "node"),
            counted(group.tally.slots(), "slot"),
            group.tally.usable()
        )
    };
    groups.iter().map(of_group).collect::<Vec<_>>().join(" ") + " The list view has the same facts."
}

/// A server as it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Takes the work.
    Active,
    /// Lives, and is not the active one.
    Standby,
    /// Does not answer.
    Silent,
    /// Not asked yet.
    Unknown,
}

/// What a server is. Tracks.
pub(crate) fn part(server: &Server) -> Part {
    use crate::deployment::Connection;
    match server.connection.get() {
        Connection::Live if server.says_active() => Part::Active,
        Connection::Live => Part::Standby,
        Connection::Down { .. } => Part::Silent,
        Connection::SignedOut | Connection::Connecting => Part::Unknown,
    }
}

/// Its word.
pub(crate) fn part_word(server: &Server) -> &'static str {
    match (
        part(server),
        server
            .status
            .with(|status| status.as_ref().map(|status| status.role)),
    ) {
        (Part::Silent, Some(ServerRole::Active | ServerRole::Leaving)) => "Was active",
        (Part::Silent, _) => "No answer",
        (Part::Unknown, _) => "Asking",
        (_, Some(ServerRole::Leaving)) => "Hands over",
        (_, Some(ServerRole::Taking)) => "Takes over",
        (Part::Active, _) => "Active",
        _ => "Standby",
    }
}

/// Its second line: epoch, tasks and distance of the active one; readiness of a standby; the age of a silent one. Tracks.
pub(crate) fn part_line(group: &Group, server: &Server, now: impl Fn() -> f64) -> String {
    let distance = server.round_trip.get().map(duration).unwrap_or_default();
    let epoch = server
        .status
        .with(|status| status.as_ref().map_or(0, |status| status.epoch));
    let mut parts = match part(server) {
        Part::Active => vec![
            format!("epoch {epoch}"),
            counted(
                usize::try_from(group.stats.with(|stats| stats.running)).unwrap_or(usize::MAX),
                "task",
            ),
            distance,
        ],
        Part::Standby => {
            let why = server.status.with(|status| {
                status.as_ref().and_then(|status| {
                    (!status.ready).then(|| {
                        status
                            .not_ready
                            .clone()
                            .unwrap_or_else(|| "not ready".to_owned())
                    })
                })
            });
            vec![
                why.unwrap_or_else(|| "ready".to_owned()),
                distance,
                "no traffic".to_owned(),
            ]
        }
        Part::Silent => vec![server.silent_ms(now()).map_or_else(
            || "never answered".to_owned(),
            |silent| format!("no answer for {}", age(silent)),
        )],
        Part::Unknown => vec!["connecting".to_owned()],
    };
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

fn group_view(
    group: &'static Group,
    frame: &Frame,
    (names, more): (Vec<Arc<str>>, usize),
) -> AnyView {
    let clock = use_clock();
    let right = FRAME.0 + FRAME.1 - 13.5;
    let old = Memo::new(move |_| {
        group
            .age_ms(clock.seconds())
            .filter(|millis| *millis >= 3_000.0)
            .map(age)
    });
    let total = move || {
        group.tally.with(|tally| {
            format!(
                "{} · {}",
                counted(tally.slots(), "slot"),
                counted(tally.nodes, "node")
            )
        })
    };
    let base_words = move || {
        group.info.with(|info| {
            info.as_ref()
                .map_or_else(|| "unknown".to_owned(), |info| info.database.clone())
        })
    };
    let servers = group
        .servers
        .iter()
        .zip(&frame.servers)
        .map(|(server, y)| server_view(group, server, *y, frame.base))
        .collect_view();
    let count_of_names = names.len();
    let nodes = names
        .iter()
        .zip(&frame.nodes)
        .map(|(name, y)| node_view(group, name, *y))
        .collect_view();
    let rest = (more > 0).then(|| {
        let y = frame.nodes.get(count_of_names).copied().unwrap_or(frame.y + 39.0) + 4.0;
        view! { <text class="s" x="422" y=y.to_string()>{format!("and {} more", counted(more, "node"))}</text> }
    });
    let (top, bottom) = (frame.y, frame.base + BASE_HIGH / 2.0);
    let grid = bus(group, frame);
    let (base, rim) = cylinder(frame.base);
    // Beside the name, whose letters take about so much.
    #[allow(clippy::cast_precision_loss)] // pixels
    let note = 184.0 + group.name.chars().count() as f64 * 7.2;
    view! {
        <g>
            <rect class="frame" x=FRAME.0.to_string() y=top.to_string() width=FRAME.1.to_string() height=frame.height.to_string() rx="7"/>
            <text class="b" x="172" y=(top + 19.5).to_string()>{group.name.as_str()}</text>
            {move || match old.get() {
                Some(old) => view! { <text class="old" x=note.to_string() y=(top + 19.5).to_string()>{format!("data is {old} old")}</text> }.into_any(),
                None => view! { <text class="s" x=note.to_string() y=(top + 19.5).to_string()>"one database, one grid"</text> }.into_any(),
            }}
            <text class="s" x=right.to_string() y=(top + 19.5).to_string() text-anchor="end">{total}</text>
            <path class="box" d=base/><path class="box rim" d=rim/>
            <text class="base" x="270.5" y=(bottom + 1.0).to_string() text-anchor="middle">"database"</text>
            <text class="s base-note" x="270.5" y=(bottom + 12.0).to_string() text-anchor="middle">{base_words}</text>
            {servers}
            {grid}
            {nodes}
            {rest}
        </g>
    }
    .into_any()
}

fn cylinder(y: f64) -> (String, String) {
    let y = y + 4.5;
    let high = BASE_HIGH - 9.0;
    (
        format!("M206.5 {y}a64 4.5 0 0 1 128 0v{high}a64 4.5 0 0 1 -128 0z"),
        format!("M206.5 {y}a64 4.5 0 0 0 128 0"),
    )
}

/// From the active server to its nodes; dotted while nobody works them.
fn bus(group: &'static Group, frame: &Frame) -> AnyView {
    let Some(last) = frame.nodes.last().copied() else {
        return ().into_any();
    };
    let first = frame.nodes.first().copied().unwrap_or(last);
    let tops = frame.servers.clone();
    let from = Memo::new(move |_| {
        group
            .servers
            .iter()
            .position(|server| part(server) == Part::Active)
            .and_then(|index| tops.get(index).copied())
    });
    let path = move || {
        from.get().map(|top| {
            let y = top + 16.0;
            view! { <path class="wire flow" d=format!("M{} {y}H400.5", SERVER.0 + SERVER.1)/><path class="wire flow" d=format!("M400.5 {}V{}", y.min(first), y.max(last))/> }
        })
    };
    let cut = move || {
        from.get()
            .is_none()
            .then(|| view! { <path class="wire cut" d=format!("M400.5 {first}V{last}")/> })
    };
    view! { {path}{cut} }.into_any()
}

fn server_view(group: &'static Group, server: &'static Server, y: f64, base: f64) -> AnyView {
    let clock = use_clock();
    let kind = Memo::new(move |_| part(server));
    let (left, wide) = SERVER;
    let word = Memo::new(move |_| part_word(server));
    let line = Memo::new(move |_| part_line(group, server, || clock.seconds()));
    let right = left + wide;
    // Down to the database, at the right of the boxes.
    let wire = format!(
        "M{right} {}h6a4 4 0 0 1 4 4V{}a4 4 0 0 1 -4 4H335",
        y + 34.0,
        base + BASE_HIGH / 2.0 - 4.0
    );
    let wire_class = move || match kind.get() {
        Part::Active => "wire",
        Part::Standby | Part::Unknown => "wire dash",
        Part::Silent => "wire cut",
    };
    let box_class = move || match kind.get() {
        Part::Active => "box act",
        Part::Silent => "box lost",
        _ => "box",
    };
    let word_class = move || match kind.get() {
        Part::Active => "s word word--active",
        Part::Silent => "s word word--lost",
        _ => "s word",
    };
    let shape = move || match kind.get() {
        Part::Active => "#m-active",
        Part::Silent => "#c-lost",
        Part::Standby => "#m-standby",
        Part::Unknown => "#m-todo",
    };
    view! {
        <path class=wire_class d=wire/>
        <rect class=box_class x=left.to_string() y=y.to_string() width=wide.to_string() height=SERVER_HIGH.to_string() rx="5"/>
        <use_ href=shape x=(left + 8.0).to_string() y=(y + 10.0).to_string() width="11" height="11"/>
        <text class="b" x=(left + 25.0).to_string() y=(y + 19.5).to_string()>{server.name.as_str()}</text>
        <text class=word_class x=(right - 10.0).to_string() y=(y + 19.5).to_string() text-anchor="end">{move || word.get()}</text>
        <text class="s" class=("word--lost", move || kind.get() == Part::Silent) x=(left + 25.0).to_string() y=(y + 35.0).to_string()>{move || line.get()}</text>
    }
    .into_any()
}

/// A node's name where there is little room.
fn short(group: &str, name: &str) -> String {
    if name.chars().count() <= 8 {
        name.to_owned()
    } else {
        crate::pages::grid::row_label(group, name)
            .chars()
            .take(8)
            .collect()
    }
}

fn node_view(group: &'static Group, name: &str, y: f64) -> AnyView {
    let Some(item) = group.nodes.find(name) else {
        return ().into_any();
    };
    let node = Signal::derive(move || item.get());
    let state = Memo::new(move |_| node.with(|node| node_state(node)));
    let slots = Memo::new(move |_| {
        node.with(|node| {
            node.slots
                .iter()
                .map(|slot| slot_glyph(slot.state))
                .collect::<Vec<_>>()
        })
    });
    let figure = Memo::new(move |_| {
        node.with(|node| {
            format!(
                "{}/{}",
                used(node),
                node.slots.len().max(node.slot_limit as usize)
            )
        })
    });
    let words = Memo::new(move |_| node.with(|node| words(node)));
    let branch = move || match state.get() {
        Glyph::Lost => "wire cut",
        Glyph::Disabled | Glyph::Draining | Glyph::Todo => "wire dash",
        _ => "wire flow thin",
    };
    let top = (y - 5.0).to_string();
    let cells = {
        let top = top.clone();
        move || {
            let slots = slots.get();
            if slots.len() > CELLS {
                return view! { <text class="s" x="481" y=(y + 4.0).to_string()>{crate::ui::slots::spoken(&slots)}</text> }.into_any();
            }
            slots.into_iter().enumerate().map(|(index, slot)| view! { <use_ href=slot.href() x=(481 + index * 11).to_string() y=top.clone() width="10" height="10"/> }).collect_view().into_any()
        }
    };
    let trouble = move || {
        let words = words.get();
        (!words.is_empty()).then(|| view! { <use_ href=state.get().href() x="705" y=top.clone() width="10" height="10"/><text class=["s state ", state.get().text_class()].concat() x="720" y=(y + 4.0).to_string()>{words}</text> })
    };
    view! {
        <path class=branch d=format!("M400 {y}H416")/>
        <text class="m" class=("m--bad", move || state.get() != Glyph::Ready) x="422" y=(y + 4.0).to_string()>{short(&group.name, name)}<title>{name.to_owned()}</title></text>
        {cells}
        <text class="m quiet" x="694" y=(y + 4.0).to_string() text-anchor="end">{move || figure.get()}</text>
        {trouble}
    }
    .into_any()
}

/// What stands beside a node that is not simply ready: short, as there is little room.
fn words(node: &gridhelm_api::node::Node) -> String {
    use gridhelm_api::node::SlotState;
    let slots = |state: SlotState| node.slots.iter().filter(|slot| slot.state == state).count();
    match node_state(node) {
        Glyph::Ready => String::new(),
        Glyph::Draining => format!(
            "draining, {}",
            left(node).replace(" tasks", "").replace(" task", "")
        ),
        Glyph::Zombie | Glyph::Stalled
            if slots(SlotState::Stalled) + slots(SlotState::Zombie) > 0 =>
        {
            let parts = [
                (slots(SlotState::Stalled), "stalled"),
                (slots(SlotState::Zombie), "zombie"),
            ];
            parts
                .into_iter()
                .filter(|(number, _)| *number > 0)
                .map(|(number, word)| format!("{} {word}", count(number as u64)))
                .collect::<Vec<_>>()
                .join(", ")
        }
        _ => node_word(node).to_lowercase(),
    }
}

/// The load balancer and its lines: solid where traffic goes, dashed where it could, dotted where the way is cut.
#[allow(clippy::cast_precision_loss)] // pixels
fn balancer_view(page: Overview, address: &str, frames: &[Frame]) -> AnyView {
    let middle = height(frames) / 2.0;
    let (left, wide, high) = (-8.5, 122.0, 62.0);
    let all: Vec<(&'static Server, f64)> = page
        .shown()
        .into_iter()
        .zip(frames)
        .flat_map(|(group, frame)| {
            group
                .servers
                .iter()
                .zip(frame.servers.clone())
                .collect::<Vec<_>>()
        })
        .collect();
    let step = (high - 20.0) / (all.len().max(2) - 1) as f64;
    let line = |(index, (server, top)): (usize, &(&'static Server, f64))| {
        let server: &'static Server = server;
        let kind = Memo::new(move |_| part(server));
        let from = (
            left + wide,
            middle - high / 2.0 + 10.0 + index as f64 * step,
        );
        let to = (SERVER.0, top + 22.0);
        let (active, other) = (route(from, 128.0, to), route(from, 138.0, to));
        let path = move || {
            if kind.get() == Part::Active {
                active.clone()
            } else {
                other.clone()
            }
        };
        let class = move || match kind.get() {
            Part::Active => "wire flow",
            Part::Standby | Part::Unknown => "wire dash",
            Part::Silent => "wire cut",
        };
        let tip = move || {
            (kind.get() == Part::Active)
                .then(|| view! { <path class="tip" d=format!("M{} {}l-6 -3.5v7z", to.0, to.1)/> })
        };
        view! { <path class=class d=path/>{tip} }.into_any()
    };
    let lines = all.iter().enumerate().map(line).collect_view();
    let whole = address
        .split("://")
        .nth(1)
        .unwrap_or(address)
        .trim_end_matches('/')
        .to_owned();
    let place: String = if whole.chars().count() > 16 {
        whole.chars().take(15).chain(['…']).collect()
    } else {
        whole
    };
    view! {
        {lines}
        <rect class="box" x=left.to_string() y=(middle - high / 2.0).to_string() width=wide.to_string() height=high.to_string() rx="5"/>
        <text class="b" x=(left + 10.0).to_string() y=(middle - 12.0).to_string()>"Load balancer"</text>
        <text class="m" x=(left + 10.0).to_string() y=(middle + 4.0).to_string()>{place}</text>
        <text class="s" x=(left + 10.0).to_string() y=(middle + 20.0).to_string()>"one way per group"</text>
    }
    .into_any()
}
