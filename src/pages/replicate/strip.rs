//! The line at the top: from where to where, what the plan would do, its id, and whether it is still true.

use crate::ui::view;
use leptos::prelude::*;

use super::work::Work;
use crate::deployment::Group;
use crate::ui::format::{bytes, count, counted};
use crate::ui::{Glyph, Icon, Tag, glyph, icon, time_of_day};

/// The strip.
pub(super) fn strip(work: Work) -> AnyView {
    let side = move |group: &'static Group, source: bool| {
        let words = move || {
            let files = work.compared.with(|compared| {
                compared.as_ref().map(|(comparison, _)| {
                    let read = if source {
                        comparison.source.entries.len()
                    } else {
                        comparison.target.entries.len()
                    };
                    let same = work
                        .pair
                        .with(|pair| pair.as_ref().map_or(0, |pair| pair.same));
                    read + usize::try_from(same).unwrap_or_default()
                })
            });
            let server = group
                .active()
                .map_or("no active server", |server| server.name.as_str());
            let verb = if source { "read from" } else { "written by" };
            files
                .map(|files| format!("{}, {verb} {server}", counted(files, "file")))
                .unwrap_or_default()
        };
        let head = if source {
            "Source, stays as it is"
        } else {
            "Target, will change"
        };
        view! { <div class="end2"><small>{head}</small><b>{group.name.as_str()}</b>" "<span class="muted">{words}</span></div> }
    };
    let figures = move || {
        work.plan.get().map(|plan| {
            let number = |label: &'static str, shape: Option<Glyph>, number: usize| {
                view! { <div><dt>{label}</dt><dd>{shape.filter(|_| number > 0).map(glyph)}{count(number as u64)}</dd></div> }
            };
            view! {
                <dl class="plan">
                    {number("Create", Some(Glyph::Plus), plan.counts.create)}
                    {number("Update", Some(Glyph::Differs), plan.counts.update)}
                    {number("Delete", Some(Glyph::Extra), plan.counts.delete)}
                    {number("Conflict", Some(Glyph::Conflict), plan.counts.conflict)}
                    {(plan.counts.metadata > 0).then(|| number("Metadata", Some(Glyph::Differs), plan.counts.metadata))}
                    {(plan.counts.ignored > 0).then(|| number("Ignored", None, plan.counts.ignored))}
                    <div><dt>"To copy"</dt><dd>{bytes(plan.bytes)}</dd></div>
                    <div><dt>"Plan"</dt><dd class="mono">{plan.id.clone()}</dd></div>
                    <div><dt>"State"</dt><dd>{move || truth(work)}</dd></div>
                </dl>
            }
        })
    };
    view! {
        <section class="panel route" aria-label="Direction and plan">
            {side(work.source, true)}
            <span class="arrow"><span>"overwrites"</span>{icon(Icon::Arrow)}</span>
            {side(work.target, false)}
            {figures}
        </section>
    }
    .into_any()
}

/// Current, or stale with how many files changed.
fn truth(work: Work) -> AnyView {
    let changed = work.changed.with(Vec::len);
    if changed > 0 {
        let text = format!("Stale, {} changed", counted(changed, "file"));
        return view! { <Tag state=Glyph::Warn>{text}</Tag> }.into_any();
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "milliseconds since 1970 fit"
    )]
    let at = work
        .compared
        .with(|compared| compared.as_ref().map(|(_, at)| time_of_day(*at as i64)));
    view! { <Tag state=Glyph::Pass>{format!("Current, {}", at.unwrap_or_default())}</Tag> }
        .into_any()
}
