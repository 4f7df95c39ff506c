//! Inputs with their label, their help, and what is wrong with them.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use leptos::prelude::*;

use super::icon::{Glyph, Icon, glyph, icon};
use super::next_id;

/// What stands under an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Help; may be empty.
    Plain(String),
    /// The value is good.
    Good(String),
    /// It may be saved, but look.
    Warn(String),
    /// It may not be saved.
    Bad(String),
}

impl Default for Hint {
    fn default() -> Self {
        Self::Plain(String::new())
    }
}

impl From<Hint> for Signal<Hint> {
    fn from(hint: Hint) -> Self {
        Self::stored(hint)
    }
}

impl Hint {
    /// Bad when there is a fault, plain help otherwise.
    pub fn fault(fault: Option<String>, help: &str) -> Self {
        fault.map_or_else(|| Self::Plain(help.to_owned()), Self::Bad)
    }

    const fn is_bad(&self) -> bool {
        matches!(self, Self::Bad(_))
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Plain(text) if text.is_empty())
    }
}

fn hint_view(id: String, hint: Signal<Hint>) -> AnyView {
    let view = move || {
        let (class, state, text) = match hint.get() {
            Hint::Plain(text) => ("hint", None, text),
            Hint::Good(text) => ("hint hint--ok", Some(Glyph::Pass), text),
            Hint::Warn(text) => ("hint hint--warn", Some(Glyph::Warn), text),
            Hint::Bad(text) => ("hint hint--bad", Some(Glyph::Fail), text),
        };
        (!text.is_empty()).then(|| view! { <span class=class id=id.clone()>{state.map(glyph)}<span>{text}</span></span> })
    };
    view! { {view} }.into_any()
}

/// A line of text.
#[component]
pub fn TextField(
    /// The label.
    #[prop(into)]
    label: String,
    /// The value.
    value: RwSignal<String>,
    /// Help, or what is wrong.
    #[prop(optional, into)]
    hint: Signal<Hint>,
    /// `text`, `password`, `number`, `search`.
    #[prop(default = "text")]
    kind: &'static str,
    /// Fixed-width letters: for hosts, ports, names to type out.
    #[prop(optional)]
    mono: bool,
    /// Shown while it is empty; never the only label.
    #[prop(optional, into)]
    placeholder: String,
    /// What the browser may fill in: `username`, `current-password`, `off`.
    #[prop(default = "off")]
    autocomplete: &'static str,
    /// Takes the focus when its drawer or dialog opens.
    #[prop(optional)]
    autofocus: bool,
    /// The most characters.
    #[prop(default = 512)]
    limit: u32,
) -> AnyView {
    let id = next_id("field");
    let help = [id.as_str(), "-hint"].concat();
    let described = {
        let help = help.clone();
        move || (!hint.with(Hint::is_empty)).then(|| help.clone())
    };
    let ids = autocomplete.to_owned();
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <input
                id=id.clone()
                class=if mono { "input input--mono" } else { "input" }
                type=kind
                name=ids
                maxlength=limit
                placeholder=placeholder
                autocomplete=autocomplete
                autocapitalize="off"
                spellcheck="false"
                autofocus=autofocus
                aria-invalid=move || hint.with(Hint::is_bad).then_some("true")
                aria-describedby=described
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
            />
            {hint_view(help, hint)}
        </div>
    }
    .into_any()
}

/// Several lines of text.
#[component]
pub fn TextArea(
    /// The label.
    #[prop(into)]
    label: String,
    /// The value.
    value: RwSignal<String>,
    /// Help, or what is wrong.
    #[prop(optional, into)]
    hint: Signal<Hint>,
    /// How many lines are seen.
    #[prop(default = 8)]
    rows: u32,
    /// Fixed-width letters.
    #[prop(optional)]
    mono: bool,
    /// The most characters.
    #[prop(default = 1 << 20)]
    limit: u32,
) -> AnyView {
    let id = next_id("field");
    let help = [id.as_str(), "-hint"].concat();
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <textarea
                id=id.clone()
                class=if mono { "input input--mono area" } else { "input area" }
                rows=rows
                maxlength=limit
                spellcheck="false"
                autocomplete="off"
                autocapitalize="off"
                aria-invalid=move || hint.with(Hint::is_bad).then_some("true")
                aria-describedby=help.clone()
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
            ></textarea>
            {hint_view(help, hint)}
        </div>
    }
    .into_any()
}

/// One of several, from a list that opens.
#[component]
pub fn SelectField(
    /// The label.
    #[prop(into)]
    label: String,
    /// The value.
    #[prop(into)]
    value: Signal<String>,
    /// Value and words of each choice.
    #[prop(into)]
    choices: Signal<Vec<(String, String)>>,
    /// Picks another.
    #[prop(into)]
    on_pick: Callback<String>,
    /// Help, or what is wrong.
    #[prop(optional, into)]
    hint: Signal<Hint>,
) -> AnyView {
    let id = next_id("field");
    let help = [id.as_str(), "-hint"].concat();
    let option = move |(key, words): (String, String)| {
        let own = key.clone();
        view! { <option value=key selected=move || value.with(|value| *value == own)>{words}</option> }
    };
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <select id=id.clone() class="select" aria-describedby=help.clone() prop:value=move || value.get() on:change=move |event| on_pick.run(event_target_value(&event))>
                {move || choices.get().into_iter().map(option).collect_view()}
            </select>
            {hint_view(help, hint)}
        </div>
    }
    .into_any()
}

/// A box to tick.
#[component]
pub fn CheckField(
    /// What it means.
    #[prop(into)]
    label: String,
    /// More about it.
    #[prop(optional, into)]
    text: String,
    /// Whether it is ticked.
    #[prop(into)]
    on: Signal<bool>,
    /// Ticks or clears it.
    #[prop(into)]
    on_change: Callback<bool>,
) -> AnyView {
    let more = (!text.is_empty()).then(|| view! { <small>{text}</small> });
    view! {
        <label class="check">
            <input type="checkbox" prop:checked=move || on.get() on:change=move |event| on_change.run(event_target_checked(&event))/>
            <span>{label}{more}</span>
        </label>
    }
    .into_any()
}

/// One of few, each with a line about it. Cards of one choice share `name`.
#[component]
pub fn RadioCard(
    /// The name that the cards of one choice share.
    #[prop(into)]
    name: String,
    /// What it means.
    #[prop(into)]
    label: Signal<String>,
    /// A line about it.
    #[prop(optional, into)]
    text: Signal<String>,
    /// Whether it is chosen.
    #[prop(into)]
    on: Signal<bool>,
    /// Chooses it.
    #[prop(into)]
    on_pick: Callback<()>,
) -> AnyView {
    view! {
        <label class="radio">
            <input type="radio" name=name prop:checked=move || on.get() on:change=move |_| on_pick.run(())/>
            <span>{move || label.get()}<small>{move || text.get()}</small></span>
        </label>
    }
    .into_any()
}

/// A search of the page: filters as one types; `/` leads to it.
#[component]
pub fn SearchField(
    /// What is searched: "Search nodes".
    #[prop(into)]
    name: String,
    /// What may be typed: "Name, host, label or reason".
    #[prop(optional, into)]
    placeholder: String,
    /// The text.
    #[prop(into)]
    value: Signal<String>,
    /// Searches.
    #[prop(into)]
    on_input: Callback<String>,
    /// Whether it is the page's own search, which `/` leads to.
    #[prop(optional)]
    main: bool,
) -> AnyView {
    view! {
        <div class="inwrap search">
            {icon(Icon::Search)}
            <input
                class="input"
                type="search"
                aria-label=name
                placeholder=placeholder
                maxlength="200"
                autocomplete="off"
                spellcheck="false"
                data-search=main.then_some("page")
                prop:value=move || value.get()
                on:input=move |event| on_input.run(event_target_value(&event))
            />
            {main.then(|| view! { <kbd aria-hidden="true">"/"</kbd> })}
        </div>
    }
    .into_any()
}
