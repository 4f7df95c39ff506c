//! Keys of the whole console: Ctrl or ⌘ K for the palette, `/` for the page's search, `g` and a letter for a page, `.` for pause, `?` for the list of keys.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::route::Page;
use super::router::use_router;
use super::tools::{Tool, use_tools};
use crate::deployment::use_deployment;
use crate::ui::overlay::Overlays;

/// How long after `g` the next letter counts, milliseconds.
const SEQUENCE: f64 = 1500.0;

/// Where it is kept that single keys do nothing; `off` when they do not.
pub(crate) const KEPT: &str = "gridhelm.keys";

/// Whether single letters and signs do something. A person who speaks, or whose hand shakes, turns that off (WCAG 2.1.4).
pub(crate) fn singles() -> bool {
    let kept = window()
        .local_storage()
        .ok()
        .flatten()
        .and_then(|storage| storage.get_item(KEPT).ok().flatten());
    kept.as_deref() != Some("off")
}

/// The page of the letter after `g`.
fn page_of(key: &str) -> Option<Page> {
    let leads = |page: &Page| page.keys().strip_prefix("g ") == Some(key);
    Page::ALL.into_iter().find(leads)
}

/// Whether keys belong to what has the focus.
fn typing(event: &web_sys::KeyboardEvent) -> bool {
    let element = event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::HtmlElement>().ok());
    element.is_some_and(|element| {
        matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
            || element.is_content_editable()
    })
}

/// Listens as long as the shell stands.
pub(super) fn listen() {
    let router = use_router();
    let deployment = use_deployment();
    let overlays = use_context::<Overlays>();
    let tools = use_tools();
    let after_g = StoredValue::new(f64::NEG_INFINITY);
    let handle = window_event_listener(leptos::ev::keydown, move |event| {
        let modified = event.ctrl_key() || event.meta_key() || event.alt_key();
        let covered = untrack(|| overlays.is_some_and(Overlays::any));
        if (event.ctrl_key() || event.meta_key()) && event.key().eq_ignore_ascii_case("k") {
            event.prevent_default();
            if tools.is_open(Tool::Palette) {
                tools.close();
            } else if !covered {
                tools.open(Tool::Palette);
            }
            return;
        }
        if modified || event.default_prevented() || typing(&event) || covered || !singles() {
            return;
        }
        let now = crate::ui::clock::now();
        let in_sequence = now - after_g.get_value() < SEQUENCE;
        after_g.set_value(f64::NEG_INFINITY);
        let key = event.key();
        if in_sequence && let Some(page) = page_of(&key) {
            event.prevent_default();
            router.go(page.route());
            return;
        }
        match key.as_str() {
            "g" => after_g.set_value(now),
            "." => {
                event.prevent_default();
                let on = deployment.paused.with_untracked(Option::is_none);
                deployment.pause(on);
            }
            "?" => {
                event.prevent_default();
                tools.open(Tool::Shortcuts);
            }
            "/" => {
                let search = document()
                    .query_selector("[data-search=page]")
                    .ok()
                    .flatten();
                if let Some(search) =
                    search.and_then(|search| search.dyn_into::<web_sys::HtmlElement>().ok())
                {
                    event.prevent_default();
                    let _ = search.focus();
                }
            }
            _ => {}
        }
    });
    on_cleanup(move || handle.remove());
}
