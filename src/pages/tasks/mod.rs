//! Executions of scripts and code.

use leptos::prelude::*;

use crate::ui::PageHead;

/// Executions of scripts and code.
#[component]
pub fn Page() -> AnyView {
    view! { <section aria-labelledby="page-title"><PageHead title="Tasks" answer=""/></section> }
        .into_any()
}
