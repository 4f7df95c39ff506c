//! Who is active, and handing over.

use leptos::prelude::*;

use crate::ui::PageHead;

/// Who is active, and handing over.
#[component]
pub fn Page() -> AnyView {
    view! { <section aria-labelledby="page-title"><PageHead title="Switch active server" answer=""/></section> }.into_any()
}
