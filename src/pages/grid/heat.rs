//! The heat map: every slot as a cell, drawn on a canvas, with a table twin that a keyboard and a screen reader use.

use std::sync::Arc;

use crate::reactive::{Callback, Effect, Memo, RwSignal, Signal};
use crate::ui::{For, view};
use gridhelm_api::node::SlotState;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::heat_plan::{
    Bands, CELL, Item, PITCH, Part, Plan, Spot, Step, banded, by_node, label, numbered, plan,
};
use super::select::{Grid, Line};
use crate::deployment::{SLOT_STATES, slot_glyph};
use crate::ui::format::count;
use crate::ui::{Choice, Segment, glyph, use_clock};

/// The greatest height of the map before it scrolls.
const HIGHEST: f64 = 172.0;
/// The most nodes of the table twin; the rest follows as one moves.
const TWIN: usize = 60;

/// What the parts of the map share.
#[derive(Clone, Copy)]
struct Heat {
    grid: Grid,
    plan: Memo<Arc<Plan>>,
    /// The slot that the address names.
    chosen: Memo<Option<Spot>>,
    /// That one, or the one that the keys are at.
    present: Memo<Option<Spot>>,
    /// The slot that the keys are at.
    cursor: RwSignal<Option<Spot>>,
    /// Whether the twin has the focus.
    focus: RwSignal<bool>,
}

/// The panel with the map, its legend, and the chosen slot.
pub(crate) fn heat_panel(grid: Grid) -> AnyView {
    let width = RwSignal::new(600.0);
    let bands = Memo::new(move |_| grid.view.with(|view| Bands::parse(view.by.as_deref())));
    let sets = Memo::new(move |_| sets(grid, bands.get()));
    let by_node = Memo::new(move |_| {
        let zoom = grid.view.with(|view| view.zoom.clone());
        sets.with(|sets| by_node(sets, zoom.as_deref()))
    });
    let plan = Memo::new(move |_| Arc::new(plan(sets.get(), width.get(), by_node.get())));
    let cursor = RwSignal::new(None);
    let chosen = Memo::new(move |_| chosen(grid, plan));
    let heat = Heat {
        grid,
        plan,
        chosen,
        present: Memo::new(move |_| {
            // Where the keys are may not be there any more.
            let at = || {
                cursor
                    .get()
                    .filter(|at| plan.with(|plan| plan.place(*at).is_some()))
            };
            chosen.get().or_else(at)
        }),
        cursor,
        focus: RwSignal::new(false),
    };
    let as_table = Memo::new(move |_| {
        grid.view
            .with(|view| view.slots.as_deref() == Some("table"))
    });
    let turn = move |_| {
        grid.replace(|view| {
            view.slots = if view.slots.is_some() {
                None
            } else {
                Some("table".to_owned())
            }
        })
    };
    let none = Memo::new(move |_| plan.with(|plan| plan.rows.is_empty()));
    let slot = Memo::new(move |_| grid.slot().is_some());
    view! {
        <section class="panel heat-panel" aria-labelledby="h-heat" hidden=move || none.get()>
            <header class="panel-head">
                <h2 id="h-heat">"Slots"</h2>
                {legend(grid)}
                <div class="end">{group_by(grid, bands)}{zoom(grid, by_node)}<button type="button" class="link" aria-pressed=move || if as_table.get() { "true" } else { "false" } on:click=turn>"As table"</button></div>
            </header>
            <div class="heat">
                <div class="heat-map">
                    {move || (!as_table.get()).then(|| canvas(heat, width))}
                    {twin(heat, as_table)}
                </div>
                {move || slot.get().then(|| view! { <div class="slotcard">{super::beside(crate::app::lazy::Part::SlotCard)}</div> })}
            </div>
        </section>
    }
    .into_any()
}

/// By what the nodes of a group stand together.
fn group_by(grid: Grid, bands: Memo<Bands>) -> AnyView {
    let option = |(own, key, word): (Bands, &'static str, &'static str)| {
        view! { <option value=key selected=move || bands.get() == own>{word}</option> }.into_any()
    };
    let pick = move |event| {
        let by = event_target_value(&event);
        grid.replace(|view| view.by = Some(by).filter(|by| Bands::parse(Some(by)) != Bands::None));
    };
    view! { <label>"Group by "<select class="select" aria-label="Group by" on:change=pick>{Bands::ALL.map(option).collect_view()}</select></label> }
        .into_any()
}

/// What the map has a cell for.
fn zoom(grid: Grid, by_node: Memo<bool>) -> AnyView {
    let choices = vec![Choice::new("slots", "Slots"), Choice::new("nodes", "Nodes")];
    let value = Signal::derive(move || if by_node.get() { "nodes" } else { "slots" }.to_owned());
    let pick = Callback::new(move |zoom: String| grid.replace(|view| view.zoom = Some(zoom)));
    view! { <Segment label="A cell for each of the" choices=choices value=value on_pick=pick/> }
        .into_any()
}

/// How many slots are in each state.
fn legend(grid: Grid) -> AnyView {
    let entry = move |state: SlotState| {
        let number = Memo::new(move |_| {
            grid.groups()
                .iter()
                .map(|group| group.tally.with(|tally| tally.slots_in(state)))
                .sum::<usize>()
        });
        let shape = slot_glyph(state);
        let always = matches!(state, SlotState::Busy | SlotState::Idle);
        let view = move || {
            (always || number.get() > 0).then(|| view! { <span>{glyph(shape)}{shape.label()}" "{move || count(number.get() as u64)}</span> })
        };
        view! { {view} }.into_any()
    };
    view! { <div class="legend">{SLOT_STATES.map(entry).collect_view()}</div> }.into_any()
}

/// The nodes of the table, group by group and band by band: changes only when nodes, their order, their number of slots or their bands do.
fn sets(grid: Grid, bands: Bands) -> Vec<Part> {
    let mut sets: Vec<Part> = Vec::new();
    for group in grid.groups() {
        group.shape.track();
    }
    for line in grid.lines.get().iter() {
        match line {
            Line::Head(group) => sets.push(Part {
                group: *group,
                name: grid.deployment.groups[*group].name.clone(),
                band: String::new(),
                items: Vec::new(),
            }),
            Line::Node(group, name) => {
                let slots = grid.deployment.groups[*group]
                    .nodes
                    .find(name)
                    .map_or(0, |node| node.with_untracked(|node| node.slots.len()));
                if let Some(set) = sets.last_mut() {
                    set.items.push(Item {
                        name: Arc::clone(name),
                        slots,
                    });
                }
            }
        }
    }
    if bands == Bands::None {
        return sets;
    }
    for group in grid.groups() {
        group.nodes.track_all();
    }
    banded(sets, |group, name| {
        let node = grid.deployment.groups[group].nodes.find(name);
        node.map(|node| node.with_untracked(|node| bands.of(node)))
            .unwrap_or_default()
    })
}

/// The slot that the address names; where cells are nodes, that node. Tracks.
fn chosen(grid: Grid, plan: Memo<Arc<Plan>>) -> Option<Spot> {
    if plan.with(|plan| plan.nodes) {
        let (group, name) = grid.chosen_name()?;
        let (block, item) = plan.with(|plan| plan.item(group?, &name))?;
        return Some(Spot {
            block,
            item,
            slot: 0,
        });
    }
    let slot: usize = grid
        .view
        .with(|view| view.slot.as_deref().and_then(|slot| slot.parse().ok()))?;
    let (group, name) = grid.chosen_name()?;
    plan.with(|plan| plan.find(group?, &name, slot.checked_sub(1)?))
}

impl Heat {
    /// Adds the states of the slots of a block's node. Tracks that node.
    fn states(self, plan: &Plan, (block, item): (usize, usize), states: &mut Vec<SlotState>) {
        let set = &plan.blocks[block].set;
        let nodes = &self.grid.deployment.groups[set.group].nodes;
        if let Some(node) = nodes.find(&set.items[item].name) {
            node.with(|node| states.extend(node.slots.iter().map(|slot| slot.state)));
        }
    }

    fn choose(self, spot: Spot) {
        self.cursor.set(Some(spot));
        let plan = self.plan.get_untracked();
        let Some(block) = plan.blocks.get(spot.block) else {
            return;
        };
        let Some(item) = block.set.items.get(spot.item) else {
            return;
        };
        let key = self.grid.key(block.set.group, &item.name);
        let number = (!plan.nodes).then(|| (spot.slot + 1).to_string());
        self.grid.replace(|view| {
            view.node = Some(key);
            view.slot = number;
        });
    }
}

fn canvas(heat: Heat, width: RwSignal<f64>) -> AnyView {
    let scroller = NodeRef::<leptos::html::Div>::new();
    let canvas = NodeRef::<leptos::html::Canvas>::new();
    let scroll = RwSignal::new(0_i32);
    let theme = {
        let clock = use_clock();
        Memo::new(move |_| {
            clock.tenths();
            document()
                .document_element()
                .and_then(|root| root.get_attribute("data-theme"))
        })
    };
    let measure = move || {
        // The page may have been left before the frame came.
        if let Some(scroller) = scroller.try_get_untracked().flatten() {
            let own = f64::from(scroller.client_width());
            if own > 0.0 && (own - width.get_untracked()).abs() > 0.5 {
                width.set(own);
            }
        }
    };
    let resize = window_event_listener(leptos::ev::resize, move |_| measure());
    on_cleanup(move || resize.remove());
    // The panel is hidden before the first nodes come, and narrower beside the details of one: it is measured once it stands.
    Effect::new(move |_| {
        scroller.track();
        heat.plan.track();
        heat.grid.view.track();
        request_animation_frame(measure);
    });
    Effect::new(move |_| {
        let theme = theme.get().unwrap_or_default();
        let ring = heat
            .present
            .get()
            .filter(|_| heat.focus.get() || heat.chosen.with(Option::is_some));
        let (Some(canvas), plan, top) = (canvas.get(), heat.plan.get(), f64::from(scroll.get()))
        else {
            return;
        };
        // It follows the nodes that it paints, and no other.
        let seen = (top, HIGHEST);
        super::heat_paint::paint(&canvas, &theme, &plan, seen, ring, |block, item, states| {
            heat.states(&plan, (block, item), states)
        });
    });
    let click = move |event: web_sys::MouseEvent| {
        let y = f64::from(event.offset_y()) + f64::from(scroll.get_untracked());
        if let Some(spot) = heat
            .plan
            .with_untracked(|plan| plan.hit(f64::from(event.offset_x()), y))
        {
            heat.choose(spot);
        }
    };
    let height = move || format!("{}px", heat.plan.with(|plan| plan.height));
    let shown = move || format!("{}px", heat.plan.with(|plan| plan.height.min(HIGHEST)));
    view! {
        <div class="heat-scroll" node_ref=scroller style:height=shown on:scroll=move |_| scroll.set(scroller.get_untracked().map_or(0, |scroller| scroller.scroll_top()))>
            <div style:height=height><canvas node_ref=canvas aria-hidden="true" on:click=click></canvas></div>
        </div>
    }
    .into_any()
}

/// The same as a table: hidden but for those who need it, or shown in place of the drawing.
fn twin(heat: Heat, as_table: Memo<bool>) -> AnyView {
    let rows = Memo::new(move |_| {
        let at = heat.present.get();
        heat.plan.with(|plan| {
            let all: Vec<(usize, usize)> = plan
                .blocks
                .iter()
                .enumerate()
                .flat_map(|(block, whole)| {
                    (0..whole.set.items.len()).map(move |item| (block, item))
                })
                .collect();
            let here = at
                .and_then(|at| all.iter().position(|row| *row == (at.block, at.item)))
                .unwrap_or(0);
            let from = here
                .saturating_sub(TWIN / 2)
                .min(all.len().saturating_sub(TWIN));
            all.into_iter()
                .skip(from)
                .take(TWIN)
                .map(|(block, item)| {
                    (
                        block,
                        item,
                        Arc::clone(&plan.blocks[block].set.items[item].name),
                        plan.blocks[block].set.group,
                    )
                })
                .collect::<Vec<_>>()
        })
    });
    let on_key = move |event: web_sys::KeyboardEvent| {
        let at = heat.present.get_untracked().unwrap_or(Spot {
            block: 0,
            item: 0,
            slot: 0,
        });
        if let Some(step) = Step::of_key(&event.key()) {
            event.prevent_default();
            let to = heat.plan.with_untracked(|plan| plan.step(at, step));
            heat.choose(to);
            request_animation_frame(focus_cell);
        } else if matches!(event.key().as_str(), "Enter" | " ") {
            event.prevent_default();
            heat.choose(at);
        }
    };
    let class = move || if as_table.get() { "twin" } else { "twin sr" };
    view! {
        <div class=class>
            <table role="grid" aria-label="Slots by node" on:keydown=on_key on:focusin=move |_| heat.focus.set(true) on:focusout=move |_| heat.focus.set(false)>
                <tbody><For each=move || rows.get() key=|row| (row.3, Arc::clone(&row.2)) children=move |(_, _, name, group)| twin_row(heat, group, &name)/></tbody>
            </table>
        </div>
    }
    .into_any()
}

fn focus_cell() {
    let cell = document()
        .query_selector(".twin [tabindex='0']")
        .ok()
        .flatten();
    if let Some(cell) = cell.and_then(|cell| cell.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = cell.focus();
    }
}

fn twin_row(heat: Heat, group: usize, name: &str) -> AnyView {
    let Some(node) = heat.grid.deployment.groups[group].nodes.find(name) else {
        return ().into_any();
    };
    let slots = Memo::new(move |_| {
        node.with(|node| {
            node.slots
                .iter()
                .map(|slot| (slot.state, slot.held_by.clone()))
                .collect::<Vec<_>>()
        })
    });
    let name: Arc<str> = Arc::from(name);
    let text = name.to_string();
    // Where the node stands: looked for once, not for each cell.
    let row = {
        let name = Arc::clone(&name);
        Memo::new(move |_| heat.plan.with(|plan| plan.item(group, &name)))
    };
    // The slot of this row that the keys are at.
    let at = Memo::new(move |_| {
        let (block, item) = row.get()?;
        let first = Spot {
            block: 0,
            item: 0,
            slot: 0,
        };
        let at = heat.present.get().unwrap_or(first);
        (at.block == block && at.item == item).then_some(at.slot)
    });
    let cells = move || {
        let name = Arc::clone(&name);
        let cell = move |(index, (state, held)): (usize, (SlotState, Option<String>))| {
            let here = move || at.get() == Some(index);
            let click = move |_| {
                if let Some((block, item)) = row.get_untracked() {
                    heat.choose(Spot {
                        block,
                        item,
                        slot: index,
                    });
                }
            };
            let shape = slot_glyph(state);
            let words = match held {
                Some(holder) => format!(
                    "{name} slot {}, {}, held by {holder}",
                    index + 1,
                    shape.word()
                ),
                None => format!("{name} slot {}, {}", index + 1, shape.word()),
            };
            view! { <td role="gridcell" tabindex=move || if here() { "0" } else { "-1" } aria-label=words on:click=click>{glyph(shape)}</td> }.into_any()
        };
        slots.get().into_iter().enumerate().map(cell).collect_view()
    };
    let band = move || {
        let (block, _) = row.get()?;
        let band = heat
            .plan
            .with(|plan| plan.blocks.get(block).map(|of| of.set.band.clone()))?;
        (!band.is_empty()).then(|| view! { <span class="ink2">", "{band}</span> })
    };
    view! { <tr><th scope="row">{text}{band}</th>{cells}</tr> }.into_any()
}

/// What the painter writes: kept here so that the drawing and the twin agree.
pub(super) fn row_label(plan: &Plan, block: usize, item: usize) -> String {
    let set = &plan.blocks[block].set;
    label(&set.name, &set.items[item].name)
}

/// The numbers over the columns: what and where.
#[allow(clippy::cast_precision_loss)] // pixels
pub(super) fn column_numbers(plan: &Plan, block: usize) -> impl Iterator<Item = (String, f64)> {
    let of = &plan.blocks[block];
    let (cells, free) = (of.cells, of.x + of.set.head_width());
    let numbers = numbered(if plan.nodes { 0 } else { of.columns });
    let placed = numbers.map(move |column| (column, cells + (column - 1) as f64 * PITCH));
    // Not over the head.
    let placed = placed.filter(move |(_, x)| *x >= free);
    placed.map(|(column, x)| (column.to_string(), x + CELL / 2.0))
}
