//! Whether the deployment serves, and what comes first.

use leptos::prelude::*;

use crate::ui::PageHead;

/// Whether the deployment serves, and what comes first.
#[component]
pub fn Page() -> AnyView {
    view! { <section aria-labelledby="page-title"><PageHead title="Overview" answer=""/></section> }
        .into_any()
}
