//! Make one group's repository equal to another's.

use leptos::prelude::*;

use crate::ui::PageHead;

/// Make one group's repository equal to another's.
#[component]
pub fn Page() -> AnyView {
    view! { <section aria-labelledby="page-title"><PageHead title="Replicate" answer=""/></section> }.into_any()
}
