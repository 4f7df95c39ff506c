//! Toasts: what just happened, at the bottom right, for six seconds unless looked at; errors stay.

use std::time::Duration;

use crate::reactive::{Callback, Effect, RwSignal};
use crate::ui::{For, view};
use leptos::prelude::*;

use super::icon::{Glyph, Icon, glyph};
use super::trouble::Trouble;
use super::{Button, Weight};

/// How long a toast stays, milliseconds.
const STAY: u64 = 6_000;
/// The most toasts at once; older ones make room.
const MOST: usize = 4;

/// The toasts on screen.
#[derive(Clone, Copy)]
pub struct Toasts {
    list: RwSignal<Vec<Toast>>,
    last: StoredValue<u32>,
}

#[derive(Clone, PartialEq)]
struct Toast {
    id: u32,
    state: Glyph,
    title: String,
    text: String,
    code: String,
    stays: bool,
}

/// The toasts of this console.
pub fn use_toasts() -> Toasts {
    expect_context::<Toasts>()
}

impl Toasts {
    /// None yet.
    pub fn start() -> Self {
        Self {
            list: RwSignal::new(Vec::new()),
            last: StoredValue::new(0),
        }
    }

    /// Something was done.
    pub fn good(self, title: impl Into<String>, text: impl Into<String>) {
        self.push(Glyph::Pass, title.into(), text.into(), String::new(), false);
    }

    /// Something to know.
    pub fn tell(self, state: Glyph, title: impl Into<String>, text: impl Into<String>) {
        self.push(state, title.into(), text.into(), String::new(), false);
    }

    /// Something failed; stays until dismissed.
    pub fn trouble(self, trouble: &Trouble) {
        let text = [trouble.detail.as_str(), trouble.advice.as_str()].join(" ");
        self.push(
            Glyph::Fail,
            trouble.title.clone(),
            text,
            trouble.request_id.clone(),
            true,
        );
    }

    fn push(self, state: Glyph, title: String, text: String, code: String, stays: bool) {
        let id = self.last.get_value() + 1;
        self.last.set_value(id);
        self.list.update(|list| {
            list.push(Toast {
                id,
                state,
                title,
                text,
                code,
                stays,
            });
            let surplus = list.len().saturating_sub(MOST);
            list.drain(..surplus);
        });
    }

    fn dismiss(self, id: u32) {
        self.list.update(|list| list.retain(|toast| toast.id != id));
    }
}

/// Where the toasts are shown. Once, in the shell. The regions stand there before anything is said: else a screen reader misses the first word.
#[component]
pub fn ToastStack() -> AnyView {
    let toasts = use_toasts();
    let rows = move |stays: bool| {
        let each = move || {
            let list = toasts.list.get();
            list.into_iter()
                .filter(|toast| toast.stays == stays)
                .collect::<Vec<_>>()
        };
        view! { <For each=each key=|toast| toast.id children=move |toast| row(toasts, toast)/> }
    };
    view! { <div class="toasts"><div role="status">{rows(false)}</div><div role="alert">{rows(true)}</div></div> }.into_any()
}

fn row(toasts: Toasts, toast: Toast) -> AnyView {
    let id = toast.id;
    let held = RwSignal::new(false);
    let timer = StoredValue::new(None::<TimeoutHandle>);
    let stop = move || {
        if let Some(timer) = timer.try_update_value(Option::take).flatten() {
            timer.clear();
        }
    };
    Effect::new(move |_| {
        stop();
        if !toast.stays && !held.get() {
            timer.set_value(
                set_timeout_with_handle(move || toasts.dismiss(id), Duration::from_millis(STAY))
                    .ok(),
            );
        }
    });
    on_cleanup(stop);
    view! {
        <div class="toast" class:toast--bad=toast.stays on:mouseenter=move |_| held.set(true) on:mouseleave=move |_| held.set(false) on:focusin=move |_| held.set(true) on:focusout=move |_| held.set(false)>
            {glyph(toast.state)}
            <div><b>{toast.title}</b><p>{toast.text}" "<span class="mono">{toast.code}</span></p></div>
            <Button weight=Weight::Ghost small=true icon=Icon::Close name="Dismiss" on_click=Callback::new(move |()| toasts.dismiss(id))/>
        </div>
    }
    .into_any()
}
