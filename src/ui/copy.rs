//! Copying what the screen shows as a command.

use crate::reactive::{Callback, Signal};
use crate::ui::view;
use leptos::prelude::*;

use super::{Button, Weight, use_toasts};

/// A button that copies what `text` gives then: commands for a shell.
pub fn copy_as_curl(text: Callback<(), String>) -> AnyView {
    let toasts = use_toasts();
    let copy = Callback::new(move |()| {
        let _ = window().navigator().clipboard().write_text(&text.run(()));
        toasts.good(
            "Copied".to_owned(),
            "Put a token of the page Accounts into GRIDHELM_TOKEN first.".to_owned(),
        );
    });
    // Browsers copy for pages of a secure origin only.
    let off = (!window().is_secure_context()).then(|| {
        "The browser copies for pages of a secure origin only: open the console by HTTPS."
            .to_owned()
    });
    let off = Signal::derive(move || off.clone());
    view! { <Button small=true weight=Weight::Ghost off=off on_click=copy>"Copy as cURL"</Button> }
        .into_any()
}
