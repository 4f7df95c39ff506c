//! The chosen slot: what it does, for whom, since when.

use crate::reactive::{Callback, Memo, Signal};
use crate::ui::view;
use gridhelm_api::account::Role;
use leptos::prelude::*;

use super::select::Grid;
use crate::app::route::TasksView;
use crate::app::{Route, use_router};
use crate::deployment::slot_glyph;
use crate::ui::page::facts;
use crate::ui::{Button, Weight, ago, state, time_of_day};

/// The card of slot `number`, from 1, of the chosen node.
pub(crate) fn slot_card(grid: Grid, number: usize) -> AnyView {
    let chosen = Memo::new(move |_| {
        let (_, node) = grid.chosen()?;
        let slot = node.slots.get(number.checked_sub(1)?)?.clone();
        Some((node.name.clone(), slot))
    });
    let router = use_router();
    let idle = Memo::new(move |_| {
        chosen.with(|chosen| chosen.as_ref().is_none_or(|(_, slot)| slot.task.is_none()))
    });
    let off = Signal::derive(move || {
        let group = grid
            .chosen()
            .map(|(group, _)| &grid.deployment.groups[group]);
        group.and_then(|group| group.write_off(Role::Operator))
    });
    let end = Callback::new(move |()| grid.go(|view| view.panel = Some("end".to_owned())));
    let view = move || {
        let Some((node, slot)) = chosen.get() else {
            return view! { <h3>"Slot "{number}</h3><p class="ink2">"There is no such slot any more."</p> }.into_any();
        };
        let shape = slot_glyph(slot.state);
        let mut rows: Vec<(&'static str, AnyView)> = Vec::new();
        if let Some(holder) = slot.held_by {
            rows.push(("Held by", holder.into_any()));
        }
        if let Some(task) = slot.task {
            let href = router.href(Route::Tasks(TasksView {
                task: Some(task.clone()),
                ..TasksView::default()
            }));
            rows.push((
                "Task",
                view! { <a class="mono" href=href>{task}</a> }.into_any(),
            ));
        }
        if slot.since > 0 {
            let age = ago(slot.since);
            rows.push((
                "Since",
                view! { {time_of_day(slot.since)}", "{move || age.get()} }.into_any(),
            ));
        }
        if let Some(pid) = slot.pid {
            rows.push(("R process", format!("pid {pid}").into_any()));
        }
        view! { <h3>{node}", slot "{number}</h3>{state(shape, shape.label())}{facts(rows)} }
            .into_any()
    };
    // Outside of what is read out whenever it changes.
    let action = move || {
        (!idle.get()).then(|| view! { <Button small=true weight=Weight::Danger off=off on_click=end>"End session…"</Button> })
    };
    view! { <div class="slotcard"><div aria-live="polite">{view}</div>{action}</div> }.into_any()
}
