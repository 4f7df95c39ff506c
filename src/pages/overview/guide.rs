//! Whether the first steps of a new group are shown; the list itself comes when it is (`src/tools/first_steps.rs`).

use leptos::prelude::*;

use super::Overview;
use crate::app::tools::{Tool, tool};
use crate::deployment::Group;
use crate::reactive::Memo;
use crate::ui::view;

/// What this browser keeps of a group's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Nothing.
    Nothing,
    /// It was shown and is to be finished.
    Open,
    /// It is not wanted.
    Closed,
}

fn key(group: &str) -> String {
    ["gridhelm.first-steps.", group].concat()
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

/// What is kept of a group's list.
pub(crate) fn kept(group: &str) -> Kept {
    match storage()
        .and_then(|storage| storage.get_item(&key(group)).ok().flatten())
        .as_deref()
    {
        Some("open") => Kept::Open,
        Some("closed") => Kept::Closed,
        _ => Kept::Nothing,
    }
}

/// Keeps it. A browser that keeps nothing shows the list again.
pub(crate) fn keep(group: &str, what: Kept) {
    if let Some(storage) = storage() {
        let word = if what == Kept::Open { "open" } else { "closed" };
        let _ = storage.set_item(&key(group), word);
    }
}

/// Whether a group's list is shown: it has no node or no file yet, or was shown before and is not closed. Tracks.
pub(crate) fn wanted(group: &Group, kept: Kept) -> bool {
    let seen = group.signed_in() && group.active().is_some();
    let new = || group.nodes.is_empty() || group.stats.with(|stats| stats.files == 0);
    seen && kept != Kept::Closed && (kept == Kept::Open || new())
}

/// Where it stands on the overview.
pub(crate) fn place(page: Overview) -> AnyView {
    let groups = &page.deployment.groups;
    let kept: Vec<Kept> = groups.iter().map(|group| kept(&group.name)).collect();
    let any = Memo::new(move |before: Option<&bool>| {
        // Once shown, the list itself knows when it ends.
        before.copied().unwrap_or(false)
            || groups
                .iter()
                .zip(&kept)
                .any(|(group, kept)| wanted(group, *kept))
    });
    let content = move || any.get().then(|| tool(Tool::FirstSteps, |_, fault| fault));
    view! { {content} }.into_any()
}
