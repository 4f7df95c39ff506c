//! The address bar, both ways: a signal of the present place, and links that change it without loading the page again.
//!
//! A router of our own, because the console has one path and keeps everything in the query; `docs/decisions/010-console-page.md`.

use crate::reactive::{Memo, RwSignal};
use leptos::prelude::*;
use wasm_bindgen::prelude::*;

use super::route::{Page, Place, Route};

/// The present place, and how to change it. A small handle, made once; take it with [`use_router`].
#[derive(Clone, Copy)]
pub struct Router {
    place: RwSignal<Place>,
}

/// The router of this console.
pub fn use_router() -> Router {
    expect_context::<Router>()
}

impl Router {
    /// Reads the address, and follows it from now on: back, forward, and clicks on links whose address starts with `?`.
    pub fn start() -> Self {
        let router = Self {
            place: RwSignal::new(Place::parse(&query())),
        };
        let back = Closure::<dyn FnMut()>::new(move || router.arrive(Place::parse(&query())));
        let click =
            Closure::<dyn FnMut(web_sys::MouseEvent)>::new(move |event| router.follow(&event));
        let _ =
            window().add_event_listener_with_callback("popstate", back.as_ref().unchecked_ref());
        let _ =
            document().add_event_listener_with_callback("click", click.as_ref().unchecked_ref());
        // Both listen as long as the page lives.
        back.forget();
        click.forget();
        router
    }

    /// Where the console is. Tracks.
    pub fn place(self) -> Place {
        self.place.get()
    }

    /// What `part` takes out of the present place; changes only when that changes.
    pub fn select<T: PartialEq + Send + Sync + 'static>(
        self,
        part: impl Fn(&Place) -> T + Send + Sync + 'static,
    ) -> Memo<T> {
        Memo::new(move |_| self.place.with(&part))
    }

    /// The page shown; none for an unknown one. Tracks.
    pub fn page(self) -> Option<Page> {
        self.place.with(|place| place.route.page())
    }

    /// The group that every page is narrowed to; all groups when `None`. Tracks.
    pub fn group(self) -> Option<String> {
        self.place.with(|place| place.group.clone())
    }

    /// The address of a route within the present group, for an `href`. Tracks the group.
    pub fn href(self, route: Route) -> String {
        Place {
            group: self.group(),
            route,
        }
        .url()
    }

    /// Goes to a route within the present group, as a new entry of the history.
    pub fn go(self, route: Route) {
        let group = self.place.with_untracked(|place| place.group.clone());
        self.visit(Place { group, route }, false);
    }

    /// Like [`go`](Self::go), in place of the present entry: for what is typed or toggled, that back should not undo letter by letter.
    pub fn replace(self, route: Route) {
        let group = self.place.with_untracked(|place| place.group.clone());
        self.visit(Place { group, route }, true);
    }

    /// Narrows every page to one group, or shows all.
    pub fn set_group(self, group: Option<String>) {
        let route = self.place.with_untracked(|place| place.route.clone());
        self.visit(Place { group, route }, false);
    }

    /// Goes to a place.
    pub fn visit(self, place: Place, replace: bool) {
        let url = place.url();
        if let Ok(history) = window().history() {
            let entry = if replace {
                history.replace_state_with_url(&JsValue::NULL, "", Some(&url))
            } else {
                history.push_state_with_url(&JsValue::NULL, "", Some(&url))
            };
            if entry.is_err() {
                // A browser limits how often an address may change; the console itself goes on.
                leptos::logging::warn!("the address could not be changed to {url}");
            }
        }
        self.arrive(place);
    }

    fn arrive(self, place: Place) {
        if self.place.with_untracked(|present| *present != place) {
            self.place.set(place);
        }
    }

    fn follow(self, event: &web_sys::MouseEvent) {
        if event.default_prevented()
            || event.button() != 0
            || event.ctrl_key()
            || event.meta_key()
            || event.shift_key()
            || event.alt_key()
        {
            return;
        }
        let target = event
            .target()
            .and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let Some(link) = target.and_then(|target| target.closest("a[href]").ok().flatten()) else {
            return;
        };
        if link.has_attribute("target") || link.has_attribute("download") {
            return;
        }
        let Some(href) = link
            .get_attribute("href")
            .filter(|href| href.starts_with('?'))
        else {
            return;
        };
        event.prevent_default();
        self.visit(Place::parse(&href), false);
    }
}

fn query() -> String {
    window().location().search().unwrap_or_default()
}
