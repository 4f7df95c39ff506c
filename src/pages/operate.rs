//! What is done with several nodes, and the grid's past: a part of the grid's page whose code comes when it is first opened.

use leptos::prelude::*;

/// The drawer that the address names.
#[component]
pub fn Panel() -> AnyView {
    super::grid::operate_panel()
}
