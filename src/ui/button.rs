//! Buttons, chips, segments and tags.

use crate::reactive::{Callback, Signal};
use crate::ui::view;
use leptos::prelude::*;

use super::icon::{Glyph, Icon, glyph, icon};
use super::next_id;

/// How much a button weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weight {
    /// One of several.
    #[default]
    Plain,
    /// The main action, one a view.
    Primary,
    /// Leads to something dangerous.
    Danger,
    /// Does it: only inside a confirmation.
    DangerFill,
    /// Without a frame.
    Ghost,
}

impl Weight {
    const fn class(self) -> &'static str {
        match self {
            Self::Plain => "btn",
            Self::Primary => "btn btn--primary",
            Self::Danger => "btn btn--danger",
            Self::DangerFill => "btn btn--danger-fill",
            Self::Ghost => "btn btn--ghost",
        }
    }
}

/// A button. An action that cannot be done now is never hidden: it says why, to the eye and to a screen reader, and does nothing.
#[component]
pub fn Button(
    /// How much it weighs.
    #[prop(optional)]
    weight: Weight,
    /// 24 instead of 28 high.
    #[prop(optional)]
    small: bool,
    /// An icon before the words.
    #[prop(optional)]
    icon: Option<Icon>,
    /// The name, for a button that shows an icon alone.
    #[prop(optional, into)]
    name: Option<String>,
    /// Why it is off, a sentence; on when `None`.
    #[prop(optional, into)]
    off: Signal<Option<String>>,
    /// Id of an element that already shows the reason; without it the reason is shown after the button.
    #[prop(optional, into)]
    reason_at: Option<String>,
    /// The verb in progress ("Applying…"): shown instead of the words, and the button waits.
    #[prop(optional, into)]
    busy: Signal<Option<String>>,
    /// Sends the form it stands in.
    #[prop(optional)]
    submit: bool,
    /// Whether it is pressed, for a button that stays pressed.
    #[prop(optional, into)]
    pressed: Signal<Option<bool>>,
    /// What it does.
    #[prop(optional, into)]
    on_click: Option<Callback<()>>,
    /// The words.
    #[prop(optional)]
    children: Option<Children>,
) -> AnyView {
    let own_reason = reason_at.is_none();
    let reason_id = reason_at.unwrap_or_else(|| next_id("why"));
    let class = [
        weight.class(),
        if small { " btn--sm" } else { "" },
        if children.is_none() { " btn--icon" } else { "" },
    ]
    .concat();
    let blocked = move || off.with(Option::is_some) || busy.with(Option::is_some);
    let described = {
        let id = reason_id.clone();
        move || off.with(Option::is_some).then(|| id.clone())
    };
    let press = move |event: web_sys::MouseEvent| {
        if blocked() {
            event.prevent_default();
        } else if let Some(action) = on_click {
            action.run(());
        }
    };
    let words = children.map(|children| {
        let children = children();
        view! {
            <span class:sr=move || busy.with(Option::is_some)>{children}</span>
            {move || busy.get().map(|verb| view! { <span role="status">{verb}</span> })}
        }
    });
    let reason = own_reason.then(|| {
        let id = reason_id.clone();
        move || {
            off.get()
                .map(|reason| view! { <span class="why-not" id=id.clone()>{reason}</span> })
        }
    });
    view! {
        <button
            class=class
            type=if submit { "submit" } else { "button" }
            aria-label=name
            aria-disabled=move || blocked().then_some("true")
            aria-describedby=described
            aria-pressed=move || pressed.get().map(|on| if on { "true" } else { "false" })
            on:click=press
        >
            {icon.map(super::icon::icon)}
            {words}
        </button>
        {reason}
    }
    .into_any()
}

/// A link that looks like a button: it leads somewhere, so that it can be opened in a new tab.
#[component]
pub fn ButtonLink(
    /// How much it weighs.
    #[prop(optional)]
    weight: Weight,
    /// 24 instead of 28 high.
    #[prop(optional)]
    small: bool,
    /// An icon before the words.
    #[prop(optional)]
    icon: Option<Icon>,
    /// Where it leads.
    #[prop(into)]
    href: Signal<String>,
    /// The words.
    children: Children,
) -> AnyView {
    let class = [weight.class(), if small { " btn--sm" } else { "" }].concat();
    view! { <a class=class href=move || href.get()>{icon.map(super::icon::icon)}{children()}</a> }
        .into_any()
}

/// A filter that is on or off, with how many it would leave.
#[component]
pub fn Chip(
    /// What it filters by.
    #[prop(into)]
    label: String,
    /// The state it stands for.
    #[prop(optional)]
    state: Option<Glyph>,
    /// How many there are.
    #[prop(optional, into)]
    count: Signal<Option<usize>>,
    /// Whether it filters.
    #[prop(into)]
    on: Signal<bool>,
    /// Turns it.
    #[prop(into)]
    on_toggle: Callback<()>,
) -> AnyView {
    view! {
        <button class="chip" type="button" aria-pressed=move || if on.get() { "true" } else { "false" } on:click=move |_| on_toggle.run(())>
            {state.map(glyph)}
            {label}
            {move || count.get().map(|count| view! { " " <b>{super::format::count(count as u64)}</b> })}
        </button>
    }
    .into_any()
}

/// One choice of a [`Segment`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What is picked.
    pub value: String,
    /// What is read.
    pub label: String,
    /// Shown instead of the label, which then is only heard.
    pub icon: Option<Icon>,
}

impl Choice {
    /// A choice in words.
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            label: label.into(),
            icon: None,
        }
    }

    /// A choice as an icon.
    pub fn icon(value: impl Into<String>, label: impl Into<String>, icon: Icon) -> Self {
        Self {
            icon: Some(icon),
            ..Self::new(value, label)
        }
    }
}

/// One of few, side by side.
#[component]
pub fn Segment(
    /// What is chosen, for screen readers.
    #[prop(into)]
    label: String,
    /// The choices.
    #[prop(into)]
    choices: Signal<Vec<Choice>>,
    /// The present one.
    #[prop(into)]
    value: Signal<String>,
    /// Picks another.
    #[prop(into)]
    on_pick: Callback<String>,
) -> AnyView {
    let button = move |choice: Choice| {
        let own = choice.value.clone();
        let pressed = move || {
            if value.with(|value| *value == own) {
                "true"
            } else {
                "false"
            }
        };
        let pick = choice.value;
        let name = choice.icon.map(|_| choice.label.clone());
        let shown = choice.icon.map_or_else(|| choice.label.into_any(), icon);
        view! { <button type="button" aria-pressed=pressed aria-label=name on:click=move |_| on_pick.run(pick.clone())>{shown}</button> }.into_any()
    };
    view! { <div class="seg" role="group" aria-label=label>{move || choices.get().into_iter().map(button).collect_view()}</div> }.into_any()
}

/// A label or a state in a small box; never to be clicked.
#[component]
pub fn Tag(
    /// Colours it by this state.
    #[prop(optional)]
    state: Option<Glyph>,
    /// Draws the state's shape, too.
    #[prop(optional)]
    shape: bool,
    /// A line instead of a ground.
    #[prop(optional)]
    line: bool,
    /// The words.
    children: Children,
) -> AnyView {
    let tone = match state {
        Some(Glyph::Pass | Glyph::Ready | Glyph::Active | Glyph::Plus) => " tag--ok",
        Some(Glyph::Stalled | Glyph::Warn | Glyph::Differs) => " tag--stalled",
        Some(Glyph::Lost | Glyph::Fail | Glyph::Missing) => " tag--lost",
        Some(Glyph::Zombie | Glyph::Conflict) => " tag--zombie",
        Some(Glyph::Draining | Glyph::Extra) => " tag--draining",
        Some(Glyph::Busy | Glyph::Newer | Glyph::Now) => " tag--busy",
        _ if line => " tag--line",
        _ => "",
    };
    view! { <span class=["tag", tone].concat()>{state.filter(|_| shape).map(glyph)}{children()}</span> }.into_any()
}
