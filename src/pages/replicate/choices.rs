//! What stands out in a plan: who will see what. And rules for what stays out of it, and the plan as a file.

use crate::ui::view;
use leptos::prelude::*;

use super::export;
use super::work::{Work, short};
use crate::ui::format::counted;
use crate::ui::{Glyph, glyph};

/// Files that are named before the rest is counted.
const NAMED: usize = 20;

/// The notice about access; nothing while a plan changes none.
pub(super) fn access(work: Work) -> AnyView {
    let lines = move || {
        let plan = work.plan.get()?;
        if plan.access.is_empty() {
            return None;
        }
        let line = |change: &gridhelm_replicate::AccessChange| {
            let before = change.before.map_or("new", |access| access.name());
            let words = format!("{}: {before} → {}", short(&change.id), change.after.name());
            view! { <li>{words}</li> }
        };
        let more = plan.access.len().saturating_sub(NAMED);
        let head = format!(
            "Who may see {} changes, or others than their authors may.",
            counted(plan.access.len(), "file")
        );
        Some(view! {
            <section class="note note--warn" aria-label="Access">
                <p>{glyph(Glyph::Warn)}{head}</p>
                <ul class="changed">{plan.access.iter().take(NAMED).map(line).collect_view()}{(more > 0).then(|| view! { <li>{format!("{} more", counted(more, "file"))}</li> })}</ul>
            </section>
        })
    };
    view! { {lines} }.into_any()
}

/// Rules, tags, and the plan as a file.
pub(super) fn rules(work: Work) -> AnyView {
    view! {
        <details class="panel rep-rules">
            <summary>"Rules, tags and export"</summary>
            <div class="pad">
                <label>"Files to leave as they are, one rule a line. * stands for any characters but /, ** for any; a path is author/directory/name."
                    <textarea rows="3" class="mono" prop:value=move || work.ignore.get() on:change=move |event| work.ignore.set(event_target_value(&event))></textarea>
                </label>
                <label>"Only files with one of these tags, with commas between them; all files when empty."
                    <input type="text" maxlength="500" prop:value=move || work.tags.get() on:change=move |event| work.tags.set(event_target_value(&event))/>
                </label>
                {export::buttons(work)}
            </div>
        </details>
    }
    .into_any()
}
