//! The chosen slot: what it does, for whom, since when.

use crate::reactive::{Callback, Memo, Signal};
use crate::ui::view;
use gridhelm_api::Millis;
use gridhelm_api::account::Role;
use gridhelm_api::node::{OBJECT_NAMES, SlotStall, StallKind};
use leptos::prelude::*;

use super::select::Grid;
use crate::app::route::TasksView;
use crate::app::{Route, use_router};
use crate::deployment::slot_glyph;
use crate::ui::format::count;
use crate::ui::page::facts;
use crate::ui::{Button, Weight, ago, state, time_of_day};

/// The card of the chosen slot.
pub(crate) fn slot_card(grid: Grid) -> AnyView {
    let number = Memo::new(move |_| grid.slot().unwrap_or(0));
    let chosen = Memo::new(move |_| {
        let (_, node) = grid.chosen()?;
        let slot = node.slots.get(number.get().checked_sub(1)?)?.clone();
        Some((node.name.clone(), slot))
    });
    let router = use_router();
    let idle = Memo::new(move |_| {
        chosen.with(|chosen| {
            chosen.as_ref().is_none_or(|(_, slot)| {
                let task = slot.task.as_deref();
                task.is_none_or(|task| task == OBJECT_NAMES)
            })
        })
    });
    let off = Signal::derive(move || {
        let group = grid
            .chosen()
            .map(|(group, _)| &grid.deployment.groups[group]);
        group.and_then(|group| group.write_off(Role::Operator))
    });
    let end = Callback::new(move |()| grid.go(|view| view.panel = Some("end".to_owned())));
    let view = move || {
        let number = number.get();
        let Some((node, slot)) = chosen.get() else {
            return view! { <h3>"Slot "{number}</h3><p class="ink2">"There is no such slot any more."</p> }.into_any();
        };
        let shape = slot_glyph(slot.state);
        let mut rows: Vec<(&'static str, AnyView)> = Vec::new();
        if let Some(stall) = &slot.stall {
            let told = evidence(stall, time_of_day).into_iter();
            rows.extend(told.map(|(name, text)| (name, text.into_any())));
        }
        if let Some(holder) = slot.held_by {
            rows.push(("Held by", holder.into_any()));
        }
        if slot.task.as_deref() == Some(OBJECT_NAMES) {
            let work = "reads which objects a file of R data holds";
            rows.push(("Work", work.into_any()));
        } else if let Some(task) = slot.task {
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
    view! { <div aria-live="polite">{view}</div>{action} }.into_any()
}

/// What is known of a slot that is stalled: what was seen, how often, and when the session was last seen well.
fn evidence(stall: &SlotStall, at: fn(Millis) -> String) -> Vec<(&'static str, String)> {
    let mut rows = vec![("Why", stall.what.clone())];
    if stall.kind == StallKind::Stopping {
        return rows;
    }
    rows.push((
        "Looks",
        format!(
            "{} in a row, {} to {}",
            count(stall.tries.into()),
            at(stall.since),
            at(stall.looked_at)
        ),
    ));
    let good = stall.last_good.map_or_else(|| "never".to_owned(), at);
    rows.push(("Last seen well", good));
    rows
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn a_stalled_slot_tells_what_was_seen_how_often_and_when() {
        let stall = SlotStall {
            kind: StallKind::Stopped,
            what: "its process is stopped".to_owned(),
            tries: 1_204,
            since: 5,
            ..SlotStall::default()
        };
        let at = |at: Millis| format!("at {at}");
        let rows = evidence(&stall, at);
        assert_eq!(rows[0], ("Why", "its process is stopped".to_owned()));
        assert_eq!(rows[1].1, "1,204 in a row, at 5 to at 0");
        assert_eq!(rows[2], ("Last seen well", "never".to_owned()));
        let stopping = SlotStall {
            kind: StallKind::Stopping,
            ..stall
        };
        assert_eq!(evidence(&stopping, at).len(), 1, "nobody looked");
    }
}
