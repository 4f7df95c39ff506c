//! The chosen slot: a part of the grid's page whose code comes with the details of a node.

use leptos::prelude::*;

/// The card of the slot that the address names.
#[component]
pub fn Card() -> AnyView {
    super::grid::chosen_slot()
}
