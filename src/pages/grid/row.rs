//! The lines of the table. Each follows its own node: what changes in one touches no other.

use std::sync::Arc;

use crate::reactive::{Memo, Signal};
use crate::ui::view;
use gridhelm_api::node::{Node, Slot};
use leptos::prelude::*;

use super::history::{EVERY_S, history};
use super::order::{Column, r_version, used};
use super::reason::reason;
use super::register::runs_word;
use super::select::Grid;
use crate::deployment::{Group, node_state, node_word, slot_glyph};
use crate::ui::format::{age, counted, duration, percent};
use crate::ui::{Glyph, SlotStrip, Sparkline, clock, glyph, live_glyph, use_clock};

/// From which share on load and memory are shown as hot.
const HOT_LOAD: f64 = 1.0;
/// The same for memory.
const HOT_MEMORY: f64 = 0.9;
/// From which age on a heartbeat is shown as late, milliseconds.
const LATE: f64 = 5_000.0;

/// The head of a group: how many nodes, which server looks after them, and how old that is.
pub(crate) fn group_row(grid: Grid, index: usize, columns: usize) -> AnyView {
    let group: &'static Group = &grid.deployment.groups[index];
    let clock = use_clock();
    let text = move || {
        let tally = group.tally.get();
        let active = group.active().map_or_else(
            || "no active server is known".to_owned(),
            |server| format!("active server {}", server.name),
        );
        format!(
            "{}, {}, {active}",
            counted(tally.nodes, "node"),
            counted(tally.slots(), "slot")
        )
    };
    let old = Memo::new(move |_| {
        group
            .age_ms(clock.seconds())
            .filter(|age| *age >= 3_000.0)
            .map(age)
    });
    view! {
        <tr class="grp"><td colspan=columns>
            <b class="strong">{group.name.as_str()}</b>" "{text}
            {move || old.get().map(|old| view! { <span class="t-stalled">" · data is "{old}" old"</span> })}
        </td></tr>
    }
    .into_any()
}

/// The line of a node, with these columns.
pub(crate) fn node_row(grid: Grid, index: usize, name: &str, columns: &[Column]) -> AnyView {
    let group: &'static Group = &grid.deployment.groups[index];
    let Some(item) = group.nodes.find(name) else {
        return ().into_any();
    };
    let node = Signal::derive(move || item.get());
    let key: Arc<str> = Arc::from(name);
    let chosen = {
        let key = Arc::clone(&key);
        Memo::new(move |_| grid.is_chosen(index, &key))
    };
    let open = {
        let key = Arc::clone(&key);
        move |event: web_sys::MouseEvent| {
            // The name is a link: it opens by itself, in a new tab if someone wants that.
            if !event.default_prevented() {
                grid.open(index, &key);
            }
        }
    };
    // Opened here: the router hears no click that the line could hear, too. What is asked for in another tab is the browser's.
    let follow = {
        let key = Arc::clone(&key);
        move |event: web_sys::MouseEvent| {
            event.stop_propagation();
            if !(event.ctrl_key() || event.meta_key() || event.shift_key()) {
                event.prevent_default();
                grid.open(index, &key);
            }
        }
    };
    let href = {
        let key = Arc::clone(&key);
        move || grid.href(index, &key)
    };
    let rest = columns.iter().filter(|column| **column != Column::Node);
    let cells = rest
        .map(|column| cell(grid, index, node, *column))
        .collect_view();
    view! {
        <tr data-node=key.to_string() aria-selected=move || if chosen.get() { "true" } else { "false" } on:click=open>
            <td><a class="node-name" href=href on:click=follow>{key.to_string()}</a>" "<span class="mono muted addr">{move || node.with(|node| address(node))}</span></td>
            {cells}
        </tr>
    }
    .into_any()
}

/// What a node's line has in a column.
fn cell(grid: Grid, index: usize, node: Signal<Arc<Node>>, column: Column) -> AnyView {
    let text = move |class: &'static str, text: fn(&Node) -> String| {
        let text = Memo::new(move |_| node.with(|node| text(node)));
        view! { <td class=class>{move || text.get()}</td> }.into_any()
    };
    match column {
        Column::Node => ().into_any(),
        Column::State => {
            let state = Memo::new(move |_| node.with(|node| node_state(node)));
            let word = Memo::new(move |_| node.with(|node| node_word(node)));
            view! { <td class="why"><span class=move || ["st ", state.get().text_class()].concat()>{live_glyph(state.into())}{move || word.get()}</span>" "<span class="ink2">{why(node)}</span></td> }.into_any()
        }
        Column::Slots => {
            let slots = Memo::new(move |_| {
                let glyph = |slot: &Slot| slot_glyph(slot.state);
                node.with(|node| node.slots.iter().map(glyph).collect::<Vec<_>>())
            });
            view! { <td><SlotStrip slots=slots/></td> }.into_any()
        }
        Column::Used => text("num ink2", |node| {
            let all = node.slots.len().max(node.slot_limit as usize);
            format!("{}/{all}", used(node))
        }),
        Column::Load => line(grid, index, node, &LOAD),
        Column::Memory => line(grid, index, node, &MEMORY),
        Column::R => view! { <td class="ink2">{r_cell(grid, index, node)}</td> }.into_any(),
        Column::Heartbeat => view! { <td class="num">{beat(node)}</td> }.into_any(),
        Column::Latency => text("num ink2", |node| {
            node.heartbeat_ms.map_or_else(|| "–".to_owned(), duration)
        }),
        Column::Type => text("ink2", |node| runs_word(node.operating_type).to_owned()),
        Column::Labels => text("ink2", |node| node.labels.join(", ")),
    }
}

/// Host and port.
pub(crate) fn address(node: &Node) -> String {
    if node.host.contains(':') {
        format!("[{}]:{}", node.host, node.port)
    } else {
        format!("{}:{}", node.host, node.port)
    }
}

/// The reason, which is renewed every second only while it holds an age.
fn why(node: Signal<Arc<Node>>) -> impl Fn() -> String + Send + Sync + 'static {
    let clock = use_clock();
    let ages = Memo::new(move |_| {
        node.with(|node| matches!(node_state(node), Glyph::Stalled | Glyph::Zombie))
    });
    move || {
        let wall = if ages.get() {
            clock.wall_seconds()
        } else {
            clock::wall()
        };
        node.with(|node| reason(node, wall))
    }
}

/// Load and memory over time.
type Lines = (Vec<f64>, Vec<f64>);

/// A quantity that is drawn as a line over time.
struct Quantity {
    name: &'static str,
    /// The value at the top of the drawing.
    top: f64,
    /// From which value on it is shown as hot.
    hot: f64,
    now: fn(&Node) -> Option<f64>,
    /// Which of the history's two it is.
    of: fn(Lines) -> Vec<f64>,
}

const LOAD: Quantity = Quantity {
    name: "Load",
    top: 1.25,
    hot: HOT_LOAD,
    now: |node| node.load,
    of: |both| both.0,
};

const MEMORY: Quantity = Quantity {
    name: "Memory",
    top: 1.0,
    hot: HOT_MEMORY,
    now: |node| node.memory_used,
    of: |both| both.1,
};

fn line(grid: Grid, index: usize, node: Signal<Arc<Node>>, quantity: &'static Quantity) -> AnyView {
    let values = Memo::new(move |_| {
        (quantity.of)(node.with(|node| history(grid.deployment).of(index, node)))
    });
    let now = Memo::new(move |_| node.with(|node| (quantity.now)(node)));
    let name = Signal::derive(move || {
        let minutes = values.with(|values| values.len().saturating_sub(1) * EVERY_S / 60);
        let span = if minutes == 0 {
            String::new()
        } else {
            format!(", last {}", counted(minutes, "minute"))
        };
        now.get().map_or_else(
            || format!("{} unknown", quantity.name),
            |now| format!("{}{span}, now {}", quantity.name, percent(now)),
        )
    });
    let drawn = Signal::derive(move || values.with(|values| level(values)));
    let hot = Signal::derive(move || now.get().is_some_and(|now| now > quantity.hot));
    view! { <td><Sparkline values=drawn top=quantity.top width=38 height=15 hot=hot name=name/></td> }.into_any()
}

/// One value alone is drawn as a level line.
fn level(values: &[f64]) -> Vec<f64> {
    if let [one] = values {
        vec![*one, *one]
    } else {
        values.to_vec()
    }
}

/// R's version, marked where it differs from what most nodes of the group run.
fn r_cell(grid: Grid, index: usize, node: Signal<Arc<Node>>) -> AnyView {
    let version = Memo::new(move |_| node.with(|node| r_version(node).to_owned()));
    let odd = Memo::new(move |_| {
        let common = grid
            .common_r
            .with(|common| common.get(index).cloned().flatten());
        common.filter(|common| version.with(|own| !own.is_empty() && own != common))
    });
    let view = move || {
        match odd.get() {
        Some(common) => view! { <span class="st t-stalled">{version.get()}{glyph(Glyph::Warn)}<span class="sr">", most nodes of the group run "{common}</span></span> }.into_any(),
        None if version.with(String::is_empty) => view! { <span class="muted" aria-label="not read yet">"–"</span> }.into_any(),
        None => version.get().into_any(),
    }
    };
    view! { {view} }.into_any()
}

#[allow(clippy::cast_precision_loss)] // exact until the year 287396
fn beat(node: Signal<Arc<Node>>) -> AnyView {
    let clock = use_clock();
    let last = Memo::new(move |_| node.with(|node| node.last_heartbeat));
    let silent = Memo::new(move |_| {
        last.get()
            .map(|at| (clock.wall_seconds() - at as f64).max(0.0))
    });
    let class = move || {
        if silent.get().is_some_and(|age| age > LATE) {
            "t-lost"
        } else {
            "muted"
        }
    };
    view! { <span class=class>{move || silent.get().map_or_else(|| "never".to_owned(), age)}</span> }.into_any()
}
