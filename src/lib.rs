//! The Gridhelm console: a single-page app that talks to every server of a deployment by itself.
//!
//! `app` is the shell, `deployment` the live state (and the only part that touches the network), `pages` one folder a page,
//! `tools` what stands beside the pages, `ui` the widgets, `reactive` the signals.

pub mod app;
pub mod deployment;
pub mod pages;
pub mod reactive;
pub mod tools;
pub mod ui;

/// Mounts the console in the page, in place of the still picture that was painted first.
pub fn start() {
    use leptos::prelude::document;
    use wasm_bindgen::JsCast;
    std::panic::set_hook(Box::new(stopped));
    if let Some(root) = document().get_element_by_id("root") {
        root.set_inner_html("");
        leptos::mount::mount_to(root.unchecked_into(), app::App).forget();
    }
}

/// A fault of the console itself stops it: it must not go on showing what is no longer true.
fn stopped(fault: &std::panic::PanicHookInfo<'_>) {
    use leptos::prelude::document;
    leptos::logging::error!("{fault}");
    let note = document().create_element("div");
    if let (Ok(note), Some(body)) = (note, document().body()) {
        note.set_class_name("stopped");
        let _ = note.set_attribute("role", "alert");
        note.set_text_content(Some("The console met a fault of its own and shows old data. Reload the page; the browser's log says where it was."));
        let _ = body.append_child(&note);
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod in_browser;
