//! What is done with several nodes at once, the grid's past, the grid as a list, what the table shows, and two nodes side by side: drawers whose
//! code comes when one is first opened.

mod compare;
mod compare_view;
mod ending;
mod export;
mod list;
mod list_view;
mod past;
mod several;
mod table_view;

use crate::reactive::{Callback, Memo};
use crate::ui::view;
use leptos::prelude::*;

use super::select::Grid;

/// The drawer that the address names.
pub(crate) fn panel(grid: Grid) -> AnyView {
    let panel = Memo::new(move |_| grid.view.with(|view| view.panel.clone()));
    let found = Memo::new(move |_| grid.chosen().is_some());
    let close = Callback::new(move |()| grid.go(|view| view.panel = None));
    let drawer = move || match panel.get().as_deref() {
        Some("several") => Some(untrack(|| several::drawer(grid, close))),
        Some("past") => Some(untrack(|| past::drawer(grid, close))),
        Some("list") => Some(untrack(|| list_view::drawer(grid, close))),
        Some("table") => Some(untrack(|| table_view::drawer(grid, close))),
        // After a reload the node is there a moment later than the page.
        Some("end" | "end-all") if !found.get() => None,
        Some("end") => Some(untrack(|| ending::dialog(grid, false, close))),
        Some("end-all") => Some(untrack(|| ending::dialog(grid, true, close))),
        Some("compare") => Some(untrack(|| compare_view::drawer(grid))),
        _ => None,
    };
    view! { {drawer} }.into_any()
}
