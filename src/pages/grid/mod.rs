//! Nodes and slots.

use leptos::prelude::*;

use crate::ui::PageHead;

/// Nodes and slots.
#[component]
pub fn Page() -> AnyView {
    view! { <section aria-labelledby="page-title"><PageHead title="Grid" answer=""/></section> }
        .into_any()
}
