//! What happened.

use leptos::prelude::*;

use crate::ui::PageHead;

/// What happened.
#[component]
pub fn Page() -> AnyView {
    view! { <section aria-labelledby="page-title"><PageHead title="Events & audit" answer=""/></section> }.into_any()
}
