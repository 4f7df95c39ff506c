//! Files and their versions.

use leptos::prelude::*;

use crate::ui::PageHead;

/// Files and their versions.
#[component]
pub fn Page() -> AnyView {
    view! { <section aria-labelledby="page-title"><PageHead title="Repository" answer=""/></section> }.into_any()
}
