//! The command palette: goes anywhere and begins anything, by a few letters. A combobox with a list, as the ARIA practices describe it: the focus stays
//! in the field, the arrows move through the list.

mod entries;
mod fuzzy;
mod known;
mod rank;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;

use std::sync::Arc;

use crate::reactive::{Callback, Effect, Memo, RwSignal};
use crate::ui::view;
use leptos::prelude::*;

use self::entries::{Act, Entry, Section, entries};
use self::rank::{Hit, ranked, step};
use crate::app::keys::singles;
use crate::app::theme::Theme;
use crate::app::tools::{Tool, use_tools};
use crate::app::use_router;
use crate::deployment::{sign_out, use_deployment};
use crate::ui::format::counted;
use crate::ui::{Icon, icon, layer};

/// The most letters that are typed here.
const QUERY: u32 = 64;

/// What is shown: sections of lines.
#[derive(Clone, Default, PartialEq)]
struct Shown {
    sections: Vec<(Section, Vec<(Hit, Entry)>)>,
}

impl Shown {
    fn len(&self) -> usize {
        self.sections.iter().map(|(_, hits)| hits.len()).sum()
    }

    fn get(&self, at: usize) -> Option<&Entry> {
        let mut lines = self.sections.iter().flat_map(|(_, hits)| hits);
        lines.nth(at).map(|(_, entry)| entry)
    }
}

/// The palette.
#[component]
pub fn Palette() -> AnyView {
    let (deployment, router, tools) = (use_deployment(), use_router(), use_tools());
    let theme = expect_context::<Theme>();
    let known = untrack(|| known::known(deployment, router));
    let all = RwSignal::new(Arc::new(entries(&known)));
    let left_out = known::scripts(deployment, &known, all);
    let query = RwSignal::new(String::new());
    let at = RwSignal::new(0_usize);
    let shown = Memo::new(move |_| {
        let all = all.get();
        let sections = query.with(|query| ranked(query, &all));
        let with_entry = |hit: Hit| {
            let entry = all[hit.entry].clone();
            (hit, entry)
        };
        Shown {
            sections: sections
                .into_iter()
                .map(|(section, hits)| (section, hits.into_iter().map(with_entry).collect()))
                .collect(),
        }
    });
    let close = Callback::new(move |()| tools.close());
    let choose = Callback::new(move |place: usize| {
        let Some(entry) = shown.with_untracked(|shown| shown.get(place).cloned()) else {
            return;
        };
        // What is off says why, beside it and in the line that is spoken.
        if entry.off.is_some() {
            at.set(place);
            return;
        }
        tools.close();
        match entry.act {
            Act::Visit(place) => router.visit(place, false),
            Act::Open(tool) => tools.open(tool),
            Act::Pause(on) => deployment.pause(on),
            Act::Theme(name) => theme.pick(name.to_owned()),
            Act::SignOut => sign_out(deployment),
        }
    });
    let on_key = move |event: web_sys::KeyboardEvent| {
        if event.is_composing() {
            return;
        }
        let key = event.key();
        if key == "Enter" {
            event.prevent_default();
            choose.run(at.get_untracked());
        } else if let Some(next) = step(&key, at.get_untracked(), shown.with_untracked(Shown::len))
        {
            event.prevent_default();
            at.set(next);
        }
    };
    Effect::new(move |_| {
        let id = option_id(at.get());
        shown.track();
        // After the list is drawn.
        request_animation_frame(move || {
            if let Some(option) = document().get_element_by_id(&id) {
                let options = web_sys::ScrollIntoViewOptions::new();
                options.set_block(web_sys::ScrollLogicalPosition::Nearest);
                option.scroll_into_view_with_scroll_into_view_options(&options);
            }
        });
    });
    let active = move || (shown.with(Shown::len) > 0).then(|| option_id(at.get()));
    let spoken = move || {
        let off = shown.with(|shown| shown.get(at.get()).and_then(|entry| entry.off.clone()));
        off.unwrap_or_else(|| {
            if query.with(|query| query.trim().is_empty()) {
                String::new()
            } else {
                shown.with(|shown| counted(shown.len(), "result"))
            }
        })
    };
    let list = move || {
        let shown = shown.get();
        let mut first = 0;
        let sections = shown.sections.into_iter().map(|(section, hits)| {
            let from = first;
            first += hits.len();
            group(section, from, hits, at, choose)
        });
        sections.collect_view()
    };
    let none = move || {
        (shown.with(Shown::len) == 0).then(|| {
            view! { <p class="palette-none">"Nothing is called that. Names of pages, nodes, servers, scripts and recent tasks are looked through, and what can be done."</p> }
        })
    };
    let keys = if singles() { "?" } else { "" };
    let content = view! {
        <div class="q">
            {icon(Icon::Search)}
            <input
                type="text"
                role="combobox"
                aria-label="Search, or run a command"
                aria-expanded="true"
                aria-controls="palette-list"
                aria-autocomplete="list"
                aria-activedescendant=active
                placeholder="Page, node, server, script, task or command"
                maxlength=QUERY
                autocomplete="off"
                autocapitalize="off"
                spellcheck="false"
                autofocus=true
                prop:value=move || query.get()
                on:input=move |event| { at.set(0); query.set(event_target_value(&event)); }
                on:keydown=on_key
            />
            <button class="btn btn--ghost btn--sm" type="button" aria-label="Esc: close" on:click=move |_| close.run(())><kbd>"Esc"</kbd></button>
        </div>
        <div class="palette-list" id="palette-list" role="listbox" aria-label="Results" tabindex="-1">{list}</div>
        {none}
        {move || left_out.get().map(|text| view! { <p class="palette-none palette-note">{text}</p> })}
        <div class="sr" role="status">{spoken}</div>
        <footer>
            <span><kbd>"\u{2191}"</kbd><kbd>"\u{2193}"</kbd>"move"</span><span><kbd>"\u{21b5}"</kbd>"open"</span>
            <span class="grow"></span>
            <button class="link" type="button" on:click=move |_| tools.open(Tool::Shortcuts)>{(!keys.is_empty()).then(|| view! { <kbd>{keys}</kbd> })}"All shortcuts"</button>
        </footer>
    };
    layer("palette", "Search and commands", close, content.into_any())
}

fn option_id(at: usize) -> String {
    format!("palette-{at}")
}

fn group(
    section: Section,
    from: usize,
    hits: Vec<(Hit, Entry)>,
    at: RwSignal<usize>,
    choose: Callback<usize>,
) -> AnyView {
    let id = format!("palette-h-{from}");
    let lines = hits
        .into_iter()
        .enumerate()
        .map(|(index, (hit, entry))| line(from + index, &hit, entry, at, choose))
        .collect_view();
    view! { <div role="group" aria-labelledby=id.clone()><div class="sec" id=id.clone() role="presentation">{section.title()}</div>{lines}</div> }.into_any()
}

fn line(
    place: usize,
    hit: &Hit,
    entry: Entry,
    at: RwSignal<usize>,
    choose: Callback<usize>,
) -> AnyView {
    let label = fuzzy::parts(&entry.label, &hit.at)
        .into_iter()
        .map(|(text, found)| {
            if found {
                view! { <mark>{text}</mark> }.into_any()
            } else {
                text.into_any()
            }
        })
        .collect_view();
    let off = entry.off.is_some();
    let selected = move || if at.get() == place { "true" } else { "false" };
    let note = entry.off.unwrap_or(entry.note);
    let press = move |event: web_sys::MouseEvent| {
        // The focus stays in the field.
        event.prevent_default();
        if event.button() == 0 {
            choose.run(place);
        }
    };
    view! {
        <div class="opt" role="option" id=option_id(place) aria-selected=selected aria-disabled=off.then_some("true") on:mousedown=press>
            {icon(entry.icon)}<span class="opt-l">{label}</span><span class="muted">{note}</span>
        </div>
    }
    .into_any()
}
