//! A form in a drawer whose one button sends it.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_client::Error;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::future::Future;

use crate::deployment::trouble;
use crate::ui::{Button, Drawer, ErrorBox, Trouble, Weight, next_id};

/// How a form stands.
#[derive(Clone, Copy)]
pub(super) struct Sending {
    busy: RwSignal<Option<String>>,
    pub(super) fault: RwSignal<Option<Trouble>>,
}

impl Sending {
    pub(super) fn new() -> Self {
        Self {
            busy: RwSignal::new(None),
            fault: RwSignal::new(None),
        }
    }

    /// Sends it; `done` gets a good answer.
    pub(super) fn send<T: 'static>(
        self,
        failed: String,
        work: impl Future<Output = Result<T, Error>> + 'static,
        done: impl FnOnce(T) + 'static,
    ) {
        if self.busy.with_untracked(Option::is_some) {
            return;
        }
        self.busy.set(Some("Saving…".to_owned()));
        self.fault.set(None);
        spawn_local(async move {
            let outcome = work.await;
            let _ = self.busy.try_set(None);
            match outcome {
                Ok(answer) => done(answer),
                Err(error) => {
                    let _ = self.fault.try_set(Some(trouble(&failed, &error)));
                }
            }
        });
    }
}

/// What stands at the top of a form and on its button.
pub(super) struct Words {
    pub(super) title: String,
    /// A sentence under the title; may be empty.
    pub(super) text: &'static str,
    pub(super) verb: &'static str,
}

/// The drawer around a form.
pub(super) fn drawer(
    words: Words,
    sending: Sending,
    off: Signal<Option<String>>,
    on_send: Callback<()>,
    on_close: Callback<()>,
    fields: AnyView,
) -> AnyView {
    let Words { title, text, verb } = words;
    let footer = move || {
        let why = next_id("why");
        view! {
            <span class="why-not grow" id=why.clone() aria-live="polite">{move || off.get()}</span>
            <Button on_click=on_close>"Cancel"</Button>
            <Button weight=Weight::Primary off=off reason_at=why busy=sending.busy on_click=on_send>{verb}</Button>
        }
        .into_any()
    };
    view! {
        <Drawer title=Signal::derive(move || title.clone()) text=Signal::derive(move || text.to_owned()) on_close=on_close footer=footer>
            {fields}
            {move || sending.fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
        </Drawer>
    }
    .into_any()
}

/// What is wrong with a new password and its repetition, if anything.
pub(super) fn bad_password(new: &str, again: &str) -> Option<&'static str> {
    match new.chars().count() {
        0..12 => Some("Give a password of at least 12 characters."),
        257.. => Some("Give a password of at most 256 characters."),
        _ if new != again => Some("The two passwords differ."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_is_long_and_typed_twice() {
        assert_eq!(bad_password("twelve chars", "twelve chars"), None);
        assert!(bad_password("eleven char", "eleven char").is_some());
        assert!(bad_password("twelve chars", "twelve char").is_some());
        let long = "x".repeat(257);
        assert!(bad_password(&long, &long).is_some());
    }
}
