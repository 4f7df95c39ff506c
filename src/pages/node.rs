//! The details of a node: a part of the grid's page whose code comes when a node is first looked at.

use leptos::prelude::*;

/// The details of the node that the address names.
#[component]
pub fn Details() -> AnyView {
    super::grid::node_details()
}
