//! The one way into the piece: each way of its own would cost the first load.

use crate::ui::view;
use leptos::prelude::*;

use super::first_steps::FirstSteps;
use super::notices::Notices;
use super::palette::Palette;
use super::shortcuts::Shortcuts;
use super::versions::Versions;
use crate::app::tools::Tool;

/// The tool that the place asks for: [`tool`](crate::app::tools::tool) says which.
#[component]
pub fn Any() -> AnyView {
    match expect_context::<Tool>() {
        Tool::Palette => view! { <Palette/> }.into_any(),
        Tool::Notices => view! { <Notices/> }.into_any(),
        Tool::Shortcuts => view! { <Shortcuts/> }.into_any(),
        Tool::Versions => view! { <Versions/> }.into_any(),
        Tool::FirstSteps => view! { <FirstSteps/> }.into_any(),
    }
}
