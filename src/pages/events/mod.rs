//! What happened.

use leptos::prelude::*;

use crate::ui::PageHead;

/// What happened.
#[component]
pub fn Page() -> AnyView {
    view! { <section aria-labelledby="page-title"><PageHead title="Events & audit" answer=""/></section> }.into_any()
}

/// The shape of a severity.
pub(crate) const fn severity_glyph(severity: gridhelm_api::event::Severity) -> crate::ui::Glyph {
    use crate::ui::Glyph;
    use gridhelm_api::event::Severity;
    match severity {
        Severity::Info => Glyph::Info,
        Severity::Good => Glyph::Pass,
        Severity::Warn => Glyph::Warn,
        Severity::Fail => Glyph::Fail,
    }
}
