//! The shell: what is around every page.

mod banner;
pub(crate) mod keys;
pub(crate) mod lazy;
mod nav;
pub mod route;
mod router;
pub(crate) mod theme;
pub(crate) mod tools;
mod topbar;

use crate::reactive::{Effect, Memo, RwSignal};
use crate::ui::view;
use leptos::prelude::*;
use leptos::task::spawn_local;

pub(crate) use nav::icon_of;
pub use route::{Page, Place, Route};
pub use router::{Router, use_router};

use crate::deployment::{self, Deployment};
use crate::pages;
use crate::ui::clock::Clock;
use crate::ui::overlay::Overlays;
use crate::ui::toast::ToastStack;
use crate::ui::{Empty, Toasts, Trouble};

/// How far the start has come.
#[derive(Clone, Copy)]
enum Start {
    Loading,
    Failed(StoredValue<String>),
    Ready(&'static Deployment),
}

/// The console.
#[component]
pub fn App() -> AnyView {
    provide_context(Router::start());
    provide_context(Clock::start());
    provide_context(Toasts::start());
    provide_context(tools::Tools::start());
    provide_context(theme::Theme::start());
    let overlays = Overlays::start();
    provide_context(overlays);
    let start = RwSignal::new(Start::Loading);
    spawn_local(async move {
        let found = deployment::start().await;
        start.set(match found {
            Ok(deployment) => Start::Ready(deployment),
            Err(fault) => Start::Failed(StoredValue::new(fault)),
        });
    });
    let content = move || match start.get() {
        Start::Loading => view! { <Frame deployment=None>{().into_any()}</Frame> }.into_any(),
        Start::Failed(fault) => {
            let trouble = Trouble {
                title: "The console does not know its servers".to_owned(),
                detail: fault.get_value(),
                ..Trouble::default()
            };
            view! { <Frame deployment=None><section><h1 class="sr">"Gridhelm"</h1><crate::ui::ErrorBox trouble=trouble/></section></Frame> }.into_any()
        }
        Start::Ready(deployment) => ready(deployment),
    };
    view! {
        <div id="shell" inert=move || overlays.any()>
            <a class="skip" href="#main">"Skip to content"</a>
            {content}
        </div>
        <div id="overlays"></div>
        <ToastStack/>
    }
    .into_any()
}

fn ready(deployment: &'static Deployment) -> AnyView {
    keys::listen();
    let anyone = Memo::new(move |_| deployment.groups.iter().any(deployment::Group::signed_in));
    let content = move || {
        if anyone.get() {
            view! { <Frame deployment=Some(deployment)><Pages/></Frame>{tools::place(deployment)} }
                .into_any()
        } else {
            view! { <pages::sign_in::Page/> }.into_any()
        }
    };
    view! { {content} }.into_any()
}

/// Navigation, top bar and banner around a page.
#[component]
fn Frame(deployment: Option<&'static Deployment>, children: Children) -> AnyView {
    view! {
        <div class="app">
            {nav::nav(deployment)}
            <div class="col">
                {topbar::topbar(deployment)}
                {topbar::phone_top(deployment)}
                {deployment.map(banner::banner)}
                <main class="page" id="main" tabindex="-1">{children()}</main>
            </div>
        </div>
        {nav::tabbar()}
    }
    .into_any()
}

/// The page of the present place. It is made anew when the page changes, and only then: what changes within it, it follows itself.
#[component]
fn Pages() -> AnyView {
    let router = use_router();
    let page = Memo::new(move |_| router.page());
    // The title that is spoken; nothing at first, when the browser reads the whole page.
    let spoken = RwSignal::new("");
    Effect::new(move |before: Option<Option<Page>>| {
        let page = page.get();
        let title = page.map_or("Not found", Page::title);
        document().set_title(&[title, " · Gridhelm"].concat());
        if before.is_some_and(|before| before != page) {
            spoken.set(title);
            // After the new page stands.
            request_animation_frame(focus_title);
        }
        page
    });
    let content = move || {
        match page.get() {
        Some(Page::Overview) => view! { <pages::overview::Page/> }.into_any(),
        Some(Page::Grid) => view! { <pages::grid::Page/> }.into_any(),
        Some(page) => lazy::page(page).into_any(),
        None => view! {
            <section>
                <h1 id="page-title" tabindex="-1" class="sr">"Not found"</h1>
                <Empty title="No such page" text="The address names a page that this console does not have."><a class="btn" href=move || router.href(Page::Overview.route())>"Overview"</a></Empty>
            </section>
        }
        .into_any(),
    }
    };
    view! { <div class="sr" aria-live="polite">{move || spoken.get()}</div>{content} }.into_any()
}

fn focus_title() {
    use wasm_bindgen::JsCast;
    let title = document()
        .get_element_by_id("page-title")
        .and_then(|title| title.dyn_into::<web_sys::HtmlElement>().ok());
    if let Some(title) = title {
        let _ = title.focus();
    }
    if let Some(main) = document().get_element_by_id("main") {
        main.set_scroll_top(0);
    }
}
