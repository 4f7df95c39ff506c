//! Light, dark, or as the system: chosen here, kept by the browser, set before the first paint by `boot.js`.

use crate::reactive::{Callback, RwSignal};
use crate::ui::view;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;

use crate::ui::{Choice, Icon, Segment};

/// Where the choice is kept; `boot.js` reads it, too.
const KEY: &str = "gridhelm.theme";

fn kept() -> String {
    let stored = window()
        .local_storage()
        .ok()
        .flatten()
        .and_then(|storage| storage.get_item(KEY).ok().flatten());
    stored
        .filter(|theme| theme == "light" || theme == "dark")
        .unwrap_or_else(|| "auto".to_owned())
}

fn system() -> Option<web_sys::MediaQueryList> {
    window()
        .match_media("(prefers-color-scheme: dark)")
        .ok()
        .flatten()
}

fn show(theme: &str) {
    let dark = theme == "dark" || theme == "auto" && system().is_some_and(|query| query.matches());
    if let Some(root) = document().document_element() {
        let _ = root.set_attribute("data-theme", if dark { "dark" } else { "light" });
    }
}

/// The chosen theme: `light`, `dark` or `auto`. A small handle, made once.
#[derive(Clone, Copy)]
pub(crate) struct Theme(RwSignal<String>);

impl Theme {
    /// The kept choice; follows the system while the choice is to follow it.
    pub(super) fn start() -> Self {
        if let Some(query) = system() {
            let change = Closure::<dyn FnMut()>::new(|| show(&kept()));
            let _ =
                query.add_event_listener_with_callback("change", change.as_ref().unchecked_ref());
            // Listens as long as the page lives.
            change.forget();
        }
        Self(RwSignal::new(kept()))
    }

    /// Chooses a theme, shows it and keeps it.
    pub(crate) fn pick(self, picked: String) {
        if let Ok(Some(storage)) = window().local_storage() {
            // A browser that keeps nothing still shows the choice until the page is left.
            let _ = storage.set_item(KEY, &picked);
        }
        show(&picked);
        self.0.set(picked);
    }
}

/// The three themes, side by side.
pub(super) fn theme_segment() -> AnyView {
    let theme = expect_context::<Theme>();
    let choices = vec![
        Choice::icon("light", "Light", Icon::Sun),
        Choice::icon("dark", "Dark", Icon::Moon),
        Choice::icon("auto", "Follow the system", Icon::Auto),
    ];
    let pick = Callback::new(move |picked: String| theme.pick(picked));
    view! { <Segment label="Theme" choices=choices value=theme.0 on_pick=pick/> }.into_any()
}
