//! The list of all keys, with a switch that turns single ones off.

use crate::reactive::{Callback, RwSignal};
use crate::ui::view;
use leptos::prelude::*;

use crate::app::Page;
use crate::app::keys::{KEPT, singles};
use crate::app::tools::use_tools;
use crate::ui::{Button, CheckField, Dialog, Weight};

/// A part of the list: its title, whether its keys can be turned off, keys and what they do.
type Part = (&'static str, bool, &'static [(&'static str, &'static str)]);

/// The keys that lead to pages.
const GO_TO: [(&str, &str); Page::ALL.len()] = {
    let mut rows = [("", ""); Page::ALL.len()];
    let mut i = 0;
    while i < rows.len() {
        rows[i] = (Page::ALL[i].keys(), Page::ALL[i].title());
        i += 1;
    }
    rows
};

/// All keys.
const LIST: [Part; 5] = [
    (
        "Everywhere",
        false,
        &[
            ("Ctrl K or \u{2318} K", "Search, or run a command"),
            ("Esc", "Close what is open"),
            ("Tab, Shift Tab", "Next, previous control"),
        ],
    ),
    (
        "Everywhere, single keys",
        true,
        &[
            ("/", "Search of this page"),
            (".", "Pause or resume live updates"),
            ("?", "This list"),
        ],
    ),
    ("Go to, single keys", true, &GO_TO),
    (
        "Grid",
        false,
        &[
            ("\u{2191} \u{2193}, or k j", "Previous, next node"),
            (
                "\u{2190} \u{2192}, Home, End",
                "In the heat map: slots of a node",
            ),
            ("PageUp, PageDown", "In the heat map: groups"),
            ("Enter", "In the heat map: open the slot"),
        ],
    ),
    (
        "Replicate, single keys",
        true,
        &[
            ("k j", "Previous, next file"),
            ("x", "The chosen file into the plan, or out of it"),
        ],
    ),
];

/// The list.
#[component]
pub fn Shortcuts() -> AnyView {
    let tools = use_tools();
    let on = RwSignal::new(singles());
    let turn = Callback::new(move |wanted: bool| {
        on.set(wanted);
        if let Ok(Some(storage)) = window().local_storage() {
            // A browser that keeps nothing forgets it when the page is left.
            let _ = storage.set_item(KEPT, if wanted { "on" } else { "off" });
        }
    });
    let close = Callback::new(move |()| tools.close());
    let key = |keys: &'static str| {
        let one = |word: &'static str| {
            if matches!(word, "or" | "or," | ",") {
                view! { <span class="muted">{[" ", word, " "].concat()}</span> }.into_any()
            } else {
                let (word, comma) = match word.strip_suffix(',') {
                    Some(word) if !word.is_empty() => (word, ", "),
                    _ => (word, " "),
                };
                view! { <kbd>{word}</kbd>{comma} }.into_any()
            }
        };
        keys.split(' ').map(one).collect_view()
    };
    let part = move |(title, single, rows): Part| {
        let row = move |(keys, what): &(&'static str, &'static str)| {
            view! { <dt>{key(keys)}</dt><dd>{*what}</dd> }
        };
        let rows = rows.iter().map(row).collect_view();
        view! { <section class=("keys--off", move || single && !on.get())><h2>{title}</h2><dl class="keys">{rows}</dl></section> }.into_any()
    };
    let footer = move || view! { <span class="grow"></span><Button weight=Weight::Primary on_click=close>"Close"</Button> };
    view! {
        <Dialog title="Keyboard shortcuts" on_close=close footer=footer>
            <CheckField label="Single keys do something" on=on on_change=turn/>
            <p class="hint">"Turn them off if you speak to the computer, or if keys are pressed by accident. Ctrl or \u{2318} K works all the same."</p>
            <div class="keys-list">{LIST.map(part).collect_view()}</div>
        </Dialog>
    }
    .into_any()
}
