//! Tests of what only a browser can show: the address bar, the history, and the very first thing that the console paints.

use std::time::Duration;

use gloo_timers::future::sleep;
use leptos::prelude::{document, window};
use wasm_bindgen::JsCast as _;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

use crate::app::{Place, Router};
use crate::reactive::{ArcRwSignal, Memo};
use crate::ui::{For, view};

wasm_bindgen_test_configure!(run_in_browser);

/// Waits up to five seconds for what the browser does in its own time.
async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..250 {
        if done() {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain: {what}");
}

fn query() -> String {
    window().location().search().unwrap()
}

fn path() -> String {
    window().location().pathname().unwrap()
}

#[wasm_bindgen_test]
async fn a_visit_changes_the_query_alone_and_back_undoes_it() {
    let (router, before) = (Router::start(), path());
    router.visit(Place::parse("?page=grid"), false);
    router.visit(Place::parse("?page=events"), false);
    assert_eq!(query(), "?page=events");
    assert_eq!(path(), before, "a static host knows no other path");
    window().history().unwrap().back().unwrap();
    until("back leads to the grid", || query() == "?page=grid").await;
    until("the router follows", || {
        router.page().is_some_and(|page| page.name() == "grid")
    })
    .await;
}

#[wasm_bindgen_test]
fn a_click_on_a_link_does_not_load_the_page_again() {
    // The routers of other tests listen on the same page: whichever takes the click, the address is the page's.
    let _router = Router::start();
    let body = document().body().unwrap();
    let link = document().create_element("a").unwrap();
    link.set_attribute("href", "?page=replicate").unwrap();
    body.append_child(&link).unwrap();
    link.unchecked_ref::<web_sys::HtmlElement>().click();
    link.remove();
    assert_eq!(query(), "?page=replicate");
}

#[wasm_bindgen_test]
async fn without_a_deployment_the_shell_stands_and_says_what_is_wrong() {
    let root = document().create_element("div").unwrap();
    root.set_id("root");
    document().body().unwrap().append_child(&root).unwrap();
    crate::start();
    let text = || root.text_content().unwrap_or_default();
    until("the reason is told", || {
        text().contains("does not know its servers")
    })
    .await;
    let links = root.query_selector_all("nav a[href^='?page=']").unwrap();
    assert!(links.length() >= 7, "{} links", links.length());
    assert!(root.query_selector("main#main").unwrap().is_some());
}

#[wasm_bindgen_test]
async fn a_list_that_is_scrolled_takes_no_more_memory() {
    const SEEN: usize = 50;
    let pages = || core::arch::wasm32::memory_size::<0>();
    let body = document().create_element("div").unwrap();
    let (first, word) = (ArcRwSignal::new(0_usize), ArcRwSignal::new("word"));
    let (from, text) = (first.clone(), word.clone());
    let list = move || {
        let rows = move || from.with(|from| (*from..from + SEEN).collect::<Vec<_>>());
        let row = move |number: usize| {
            let (drawn, class, read) = (text.clone(), text.clone(), text.clone());
            let memo = Memo::new(move |_| read.get().len() + number);
            view! { <p class=move || class.get()>{move || drawn.get()}{move || memo.get()}</p> }
        };
        view! { <For each=rows key=|row| *row children=row/> }
    };
    let page = leptos::mount::mount_to(body.clone().unchecked_into(), list);
    let scroll = async |from: usize| {
        for step in from..from + 200 {
            first.set(step * SEEN);
            sleep(Duration::ZERO).await;
        }
    };
    // What is needed at all is there after the first time.
    scroll(0).await;
    let before = pages();
    scroll(200).await;
    let grown = pages() - before;
    word.set("other");
    until("the rows follow", || {
        let own = body.text_content().unwrap_or_default();
        own.matches("other").count() == SEEN
    })
    .await;
    drop(page);
    assert!(grown < 8, "10,000 rows that are gone take {grown} pages");
}
