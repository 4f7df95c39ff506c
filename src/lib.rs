//! The Gridhelm console: a single-page app that talks to every server of a deployment by itself.
//!
//! `app` is the shell, `deployment` the live state (and the only part that touches the network), `pages` one folder a page, `ui` the widgets.

pub mod app;
pub mod deployment;
pub mod pages;
pub mod ui;

/// Mounts the console in the page, in place of the still picture that was painted first.
pub fn start() {
    use leptos::prelude::document;
    use wasm_bindgen::JsCast;
    if let Some(root) = document().get_element_by_id("root") {
        root.set_inner_html("");
        leptos::mount::mount_to(root.unchecked_into(), app::App).forget();
    }
}
