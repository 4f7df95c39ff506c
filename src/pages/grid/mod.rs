//! The grid: which slots and nodes are out, why, and for how long; and what can be done about it.

mod actions;
mod details;
mod heat;
mod heat_cells;
mod heat_paint;
mod heat_plan;
mod history;
mod lane;
mod lane_view;
mod measured;
mod operate;
pub(crate) mod order;
pub(crate) mod reason;
mod register;
mod row;
#[cfg(test)]
pub(crate) mod sample;
mod select;
mod slot_card;
mod table;
mod wish;

pub(crate) use heat_plan::label as row_label;
pub(crate) use history::history;

use crate::reactive::{Callback, Memo, Signal};
use crate::ui::{Show, view};
use leptos::prelude::*;

use self::order::{Filter, STATES, toggled};
use self::select::Grid;
use crate::app::Route;
use crate::app::lazy::{self, Part};
use crate::app::route::GridView;
use crate::deployment::{Tally, as_curl, use_deployment};
use crate::ui::format::{count, counted};
use crate::ui::{
    Button, Chip, Drawer, Glyph, Icon, PageHead, SearchField, Skeleton, Weight, copy_as_curl,
};

/// The page.
#[component]
pub fn Page() -> AnyView {
    let grid = Grid::new();
    // Starts to collect what the lines of the table show.
    let _ = history(use_deployment());
    let register =
        Callback::new(move |()| grid.go(|view| view.panel = Some("register".to_owned())));
    provide_context(grid);
    let asked = Memo::new(move |_| {
        grid.view
            .with(|view| matches!(view.panel.as_deref(), Some("register" | "edit")))
    });
    let operating = Memo::new(move |_| {
        grid.view.with(|view| {
            let panel = view.panel.as_deref();
            panel.is_some_and(|panel| !matches!(panel, "register" | "edit"))
        })
    });
    let open = move |panel: &'static str| {
        Callback::new(move |()| grid.go(|view| view.panel = Some(panel.to_owned())))
    };
    // One piece holds them all.
    let foresee = move || lazy::foresee(Part::NodeForm);
    let wide = Memo::new(move |_| grid.view.with(|view| view.node.is_none()));
    let on_key = move |event: web_sys::KeyboardEvent| select::on_key(grid, &event);
    view! {
        <section data-fit="" aria-labelledby="page-title" on:keydown=on_key>
            <PageHead title="Grid" answer=Signal::derive(move || sentence(grid))>
                {copy_as_curl(Callback::new(move |()| as_curl(&untrack(|| grid.groups()), "/nodes")))}
                <span class="acts" on:pointerenter=move |_| foresee() on:focusin=move |_| foresee()>
                    <Button on_click=open("table")>"Table…"</Button>
                    <Button on_click=open("past")>"Past…"</Button>
                    <Button on_click=open("several")>"Several nodes…"</Button>
                    <Button weight=Weight::Primary icon=Icon::Plus on_click=register>"Register node"</Button>
                </span>
            </PageHead>
            {toolbar(grid)}
            <div class="gridwrap" class=("gridwrap--wide", move || wide.get())>
                // Not when the pointer merely lies there, as it does when the page comes.
                <div class="left" on:pointerdown=move |_| foresee() on:focusin=move |_| foresee()>
                    {heat::heat_panel(grid)}
                    {table::table(grid)}
                </div>
                {move || (!wide.get()).then(details_frame)}
            </div>
            {move || asked.get().then(|| untrack(|| lazy::lazy(Part::NodeForm, |_| ().into_any(), no_form)))}
            {move || operating.get().then(|| untrack(|| lazy::lazy(Part::Operate, |_| ().into_any(), no_form)))}
        </section>
    }
    .into_any()
}

/// Where the details of the chosen node stand; their code may have to come first.
fn details_frame() -> AnyView {
    let content = beside(Part::NodeDetails);
    view! { <aside class="panel detail" aria-label="Node details" tabindex="0">{content}</aside> }
        .into_any()
}

/// A part that stands beside others on the page.
fn beside(part: Part) -> AnyView {
    fn coming(_: Part) -> AnyView {
        view! { <Skeleton/> }.into_any()
    }
    fn missing(_: Part, fault: AnyView) -> AnyView {
        view! { <div class="pad">{fault}</div> }.into_any()
    }
    untrack(|| lazy::lazy(part, coming, missing))
}

/// The details of the chosen node.
pub(crate) fn node_details() -> AnyView {
    details::details(expect_context::<Grid>())
}

/// The card of the chosen slot.
pub(crate) fn chosen_slot() -> AnyView {
    slot_card::slot_card(expect_context::<Grid>())
}

/// What is done with several nodes, and what was: the drawer that the address names.
pub(crate) fn operate_panel() -> AnyView {
    operate::panel(expect_context::<Grid>())
}

/// In place of the drawer whose code did not come.
fn no_form(_: Part, fault: AnyView) -> AnyView {
    let grid = expect_context::<Grid>();
    let close = Callback::new(move |()| grid.go(|view| view.panel = None));
    view! { <Drawer title="Node" on_close=close>{fault}</Drawer> }.into_any()
}

/// The drawer that the address names: it registers a node, or edits the chosen one.
#[component]
pub fn NodeForm() -> AnyView {
    let grid = expect_context::<Grid>();
    let panel = Memo::new(move |_| grid.view.with(|view| view.panel.clone()));
    let found = Memo::new(move |_| grid.chosen().is_some());
    let drawer = move || match panel.get().as_deref() {
        Some("register") => Some(untrack(|| register::register_drawer(grid))),
        // After a reload the node is there a moment later than the page.
        Some("edit") if found.get() => grid
            .chosen_untracked()
            .map(|(group, node)| untrack(|| register::edit_drawer(grid, group, node))),
        _ => None,
    };
    view! { {drawer} }.into_any()
}

fn total(grid: Grid) -> Tally {
    let mut total = Tally::default();
    for group in grid.groups() {
        total.merge(&group.tally.get());
    }
    total
}

fn sentence(grid: Grid) -> String {
    use gridhelm_api::node::SlotState;
    let tally = total(grid);
    if tally.nodes == 0 {
        return if grid
            .groups()
            .iter()
            .any(|group| group.age_ms(0.0).is_some())
        {
            "No nodes yet.".to_owned()
        } else {
            "Asking the servers for their nodes.".to_owned()
        };
    }
    format!(
        "{}, {}, {} usable now. {} idle.",
        counted(tally.nodes, "node"),
        counted(tally.slots(), "slot"),
        count(tally.usable() as u64),
        count(tally.slots_in(SlotState::Idle) as u64)
    )
}

fn toolbar(grid: Grid) -> AnyView {
    let q = Signal::derive(move || grid.view.with(|view| view.q.clone().unwrap_or_default()));
    let search = Callback::new(move |text: String| {
        grid.replace(|view| view.q = Some(text).filter(|text| !text.is_empty()))
    });
    let counts = Memo::new(move |_| {
        let mut counts = [0_usize; STATES.len()];
        // Kept up by what changes: nothing here goes through all nodes.
        for group in grid.groups() {
            group.tally.with(|tally| {
                for (count, (state, ..)) in counts.iter_mut().zip(STATES) {
                    *count += tally.nodes_in(state);
                }
            });
        }
        counts
    });
    let chip = move |index: usize| {
        let (state, name, label) = STATES[index];
        let on = Signal::derive(move || {
            grid.view
                .with(|view| Filter::new(None, view.state.as_deref()).has_state(state))
        });
        let toggle = Callback::new(move |()| {
            grid.replace(|view| view.state = toggled(view.state.as_deref(), state))
        });
        let shown = Memo::new(move |_| {
            counts.with(|counts| counts[index] > 0)
                || on.get()
                || matches!(state, Glyph::Ready | Glyph::Lost)
        });
        let _ = name;
        view! {
            <Show when=move || shown.get()>
                <Chip label=label state=state count=Signal::derive(move || Some(counts.with(|counts| counts[index]))) on=on on_toggle=toggle/>
            </Show>
        }
        .into_any()
    };
    let filtered = move || {
        grid.view
            .with(|view| view.q.is_some() || view.state.is_some())
    };
    let clear = Callback::new(move |()| {
        grid.replace(|view| {
            view.q = None;
            view.state = None;
        });
    });
    view! {
        <div class="toolbar" role="group" aria-label="Filter nodes">
            <SearchField name="Search nodes" placeholder="Name, host, label or reason" value=q on_input=search main=true/>
            {(0..STATES.len()).map(chip).collect_view()}
            <Show when=filtered><Button weight=Weight::Ghost on_click=clear>"Clear filters"</Button></Show>
        </div>
    }
    .into_any()
}

/// The address of the grid with one node's details open, and the rest of the view as it is.
pub(crate) fn node_href(view: &GridView, key: String) -> Route {
    Route::Grid(GridView {
        node: Some(key),
        slot: None,
        panel: None,
        with: None,
        ..view.clone()
    })
}
