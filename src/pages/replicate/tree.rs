//! Parity, file by group: what the source has, how the target stands, and what is taken into the plan.

use std::sync::Arc;

use crate::reactive::{Callback, Memo, Signal};
use crate::ui::view;
use gridhelm_api::repository::FileId;
use gridhelm_replicate::{Comparison, Parity};
use leptos::prelude::*;

use super::Address;
use super::work::{Line, Work, lines, short};
use crate::ui::format::counted;
use crate::ui::{Choice, Glyph, Icon, SearchField, Segment, VirtualList, glyph, icon};

/// Height of a line, pixels.
const ROW: f64 = 26.0;

/// A parity's shape and word.
pub(super) fn shape(parity: Parity) -> (Glyph, &'static str) {
    match parity {
        Parity::Same => (Glyph::Same, "Same"),
        Parity::Differs => (Glyph::Differs, "Differs"),
        Parity::Missing => (Glyph::Missing, "Missing"),
        Parity::Extra => (Glyph::Extra, "Extra"),
        Parity::Newer => (Glyph::Newer, "Newer"),
        Parity::Conflict => (Glyph::Conflict, "Conflict"),
        Parity::Metadata => (Glyph::Differs, "Metadata only"),
        Parity::Deleted => (Glyph::Newer, "Deleted here"),
        Parity::Dropped => (Glyph::Extra, "Deleted in source"),
    }
}

/// The panel of the tree, with the apply bar given to it at the bottom.
pub(super) fn panel(work: Work, address: Address, bar: AnyView) -> AnyView {
    let comparison = move || {
        work.compared.with(|compared| {
            compared
                .as_ref()
                .map(|(comparison, _)| Arc::clone(comparison))
        })
    };
    let counts = Memo::new(move |_| {
        comparison()
            .map(|comparison| (comparison.counts().unequal(), comparison.files.len()))
            .unwrap_or_default()
    });
    let choices = Signal::derive(move || {
        let (todo, all) = counts.get();
        vec![
            Choice::new("todo", format!("To do {todo}")),
            Choice::new("all", format!("All {all}")),
        ]
    });
    let shown = Signal::derive(move || address.get().show.unwrap_or_else(|| "todo".to_owned()));
    let show = Callback::new(move |show: String| {
        address.replace(|view| view.show = Some(show.clone()).filter(|show| show == "all"))
    });
    let q = Signal::derive(move || address.get().q.unwrap_or_default());
    let search = Callback::new(move |text: String| {
        address.replace(|view| view.q = Some(text.clone()).filter(|text| !text.is_empty()))
    });
    let tree = Memo::new(move |_| {
        Arc::new(
            comparison()
                .map(|comparison| lines(&comparison, shown.with(|show| show == "all"), &q.get()))
                .unwrap_or_default(),
        )
    });
    let view_row = Callback::new(move |index: usize| {
        let line = tree.with(|tree| tree.get(index).cloned());
        match (line, comparison()) {
            (Some(Line::Directory { name, files, todo }), Some(comparison)) => {
                directory(work, &comparison, &name, &files, todo)
            }
            (Some(Line::File(index)), Some(comparison)) => file(work, address, &comparison, index),
            _ => ().into_any(),
        }
    });
    let key = Callback::new(move |index: usize| {
        let at = work
            .compared
            .with(|compared| compared.as_ref().map_or(0.0, |(_, at)| *at));
        tree.with(|tree| match (tree.get(index), comparison()) {
            (Some(Line::Directory { name, files, .. }), _) => {
                format!("{at} {name}/ {}", files.len())
            }
            (Some(Line::File(index)), Some(comparison)) => {
                format!("{at} {}", comparison.files[*index].id.path())
            }
            _ => String::new(),
        })
    });
    let legend = move || {
        let counts = comparison()
            .map(|comparison| comparison.counts())
            .unwrap_or_default();
        let one = |parity| {
            let (shape, word) = shape(parity);
            view! { <span>{glyph(shape)}{word}" "{counts.of(parity)}</span> }
        };
        let shown = Parity::ALL.iter().zip(0..);
        shown
            .filter(|(parity, at)| *at < 6 || counts.of(**parity) > 0)
            .map(|(parity, _)| one(*parity))
            .collect_view()
    };
    let dropped = move || {
        let some = comparison().is_some_and(|comparison| comparison.counts().dropped > 0);
        some.then(|| view! { <label class="take-away"><input type="checkbox" prop:checked=move || work.delete_dropped.get() on:change=move |event| work.delete_dropped.set(event_target_checked(&event))/>"Delete what the source deleted"</label> })
    };
    view! {
        <section class="panel" aria-label="Parity, file by group">
            <header class="panel-head tree-tools">
                <Segment label="Show" choices=choices value=shown on_pick=show/>
                <SearchField name="Filter files" placeholder="Filter files" value=q on_input=search main=true/>
            </header>
            <div class="tree-row tree-heads" aria-hidden="true"><span></span><span>"File"</span><span>{work.source.name.as_str()}", source"</span><span>{work.target.name.as_str()}", target"</span></div>
            <VirtualList count=Signal::derive(move || tree.with(|tree| tree.len())) row=ROW name="Files" view=view_row key=key/>
            <div class="legend tree-legend">{legend}<span class="grow"></span><label class="take-away"><input type="checkbox" prop:checked=move || work.delete_extra.get() on:change=move |event| work.delete_extra.set(event_target_checked(&event))/>"Delete extra files"</label>{dropped}</div>
            {bar}
        </section>
    }
    .into_any()
}

fn directory(
    work: Work,
    comparison: &Arc<Comparison>,
    name: &str,
    files: &[usize],
    todo: usize,
) -> AnyView {
    let members: Arc<Vec<(FileId, Parity)>> = Arc::new(
        files
            .iter()
            .map(|index| &comparison.files[*index])
            .filter(|file| {
                matches!(
                    file.parity,
                    Parity::Differs | Parity::Missing | Parity::Metadata
                )
            })
            .map(|file| (file.id.clone(), file.parity))
            .collect(),
    );
    let none = members.is_empty();
    let on = {
        let members = Arc::clone(&members);
        move || !members.is_empty() && members.iter().all(|(id, _)| work.includes(id))
    };
    let change = move |event: web_sys::Event| work.include(&members, event_target_checked(&event));
    let todo = if todo == 0 {
        "Same".to_owned()
    } else {
        format!("{todo} to do")
    };
    view! {
        <div class="tree-row tree-row--dir">
            <input type="checkbox" aria-label=format!("Include {name}") disabled=none prop:checked=on on:change=change/>
            <span class="f">{icon(Icon::Folder)}{name.to_owned()}</span>
            <span class="muted">{counted(files.len(), "file")}</span>
            <span>{todo}</span>
        </div>
    }
    .into_any()
}

fn file(work: Work, address: Address, comparison: &Arc<Comparison>, index: usize) -> AnyView {
    let compared = &comparison.files[index];
    let (id, parity) = (compared.id.clone(), compared.parity);
    let version = |entry: Option<&gridhelm_api::changeset::ManifestEntry>| {
        entry
            .map(|entry| format!("v{}", entry.version))
            .unwrap_or_default()
    };
    let (source, target) = (
        version(comparison.source_of(compared)),
        version(comparison.target_of(compared)),
    );
    let (shape, word) = shape(parity);
    let path = id.path();
    let chosen = {
        let path = path.clone();
        move || (address.get().file.as_deref() == Some(path.as_str())).then_some("true")
    };
    let href = move || address.href(|view| view.file = Some(path.clone()));
    let on = {
        let id = id.clone();
        move || work.includes(&id)
    };
    let label = format!("Include {}", short(&id));
    let name = id.name.clone();
    let change = move |event: web_sys::Event| {
        work.include(&[(id.clone(), parity)], event_target_checked(&event))
    };
    view! {
        <div class="tree-row" aria-current=chosen>
            <input type="checkbox" aria-label=label disabled={parity == Parity::Same} prop:checked=on on:change=change/>
            <a class="f d1 row-link" href=href>{icon(Icon::File)}{name}</a>
            <span class="mono ink2">{source}</span>
            <span class="par">{glyph(shape)}{word}" "<span class="v">{target}</span></span>
        </div>
    }
    .into_any()
}
