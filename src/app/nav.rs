//! The navigation: the deployment, the pages, every server with its connection, the theme.

use crate::reactive::{Memo, Signal};
use crate::ui::view;
use leptos::prelude::*;

use super::lazy;
use super::route::Page;
use super::router::use_router;
use super::theme::theme_segment;
use crate::deployment::{Connection, Deployment, Group, Server, Tally, role_word};
use crate::ui::format::{age, counted, duration};
use crate::ui::icon::live_glyph;
use crate::ui::{Glyph, Icon, glyph, icon, logo, use_clock};

/// The picture of a page.
pub(crate) const fn icon_of(page: Page) -> Icon {
    match page {
        Page::Overview => Icon::Overview,
        Page::Grid => Icon::Grid,
        Page::Tasks => Icon::Tasks,
        Page::Repository => Icon::Repository,
        Page::Replicate => Icon::Copy,
        Page::Switch => Icon::Switch,
        Page::Events => Icon::Events,
        Page::Accounts => Icon::User,
        Page::Packages => Icon::Model,
        Page::Backups => Icon::Download,
    }
}

pub(super) fn nav(deployment: Option<&'static Deployment>) -> AnyView {
    let router = use_router();
    let item = move |page: Page| {
        let current = move || (router.page() == Some(page)).then_some("page");
        let more = deployment.map(|deployment| badge(page, deployment));
        view! { <li><a href=move || router.href(page.route()) aria-current=current on:pointerenter=move |_| lazy::foresee_page(page) on:focus=move |_| lazy::foresee_page(page)>{icon(icon_of(page))}{page.title()}{more}</a></li> }.into_any()
    };
    view! {
        <aside class="nav" aria-label="Deployment and sections">
            <div class="brand">{logo()}"Gridhelm"</div>
            {head(deployment)}
            <nav aria-label="Main"><ul class="nav-list">{Page::ALL.map(item).collect_view()}</ul></nav>
            {deployment.map(servers)}
            <div class="nav-foot">{theme_segment()}<span class="muted version">{env!("CARGO_PKG_VERSION")}</span></div>
        </aside>
    }
    .into_any()
}

fn head(deployment: Option<&'static Deployment>) -> AnyView {
    let (name, label) = deployment.map_or(("\u{a0}", "\u{a0}".to_owned()), |deployment| {
        let groups = counted(deployment.groups.len(), "group");
        let label = if deployment.label.is_empty() {
            groups
        } else {
            deployment.label.clone()
        };
        (deployment.name.as_str(), label)
    });
    view! { <div class="dep"><span class="grow"><span class="sr">"Deployment "</span><b>{name}</b><span>{label}</span></span></div> }.into_any()
}

/// The tallies of the groups in scope, added up. Tracks.
pub(super) fn tally(deployment: &'static Deployment) -> Tally {
    let group = use_router().group();
    let mut total = Tally::default();
    for group in deployment.in_scope(group.as_deref()) {
        group.tally.with(|tally| total.merge(tally));
    }
    total
}

/// What a page has to tell before one opens it: nodes in trouble, tasks under way.
fn badge(page: Page, deployment: &'static Deployment) -> AnyView {
    match page {
        Page::Grid => {
            let trouble = Memo::new(move |_| tally(deployment).trouble);
            let view = move || {
                let number = trouble.get();
                (number > 0).then(|| view! { <span class="n">{glyph(Glyph::Lost)}{number}<span class="sr">" nodes in trouble"</span></span> })
            };
            view! { {view} }.into_any()
        }
        Page::Tasks => {
            let router = use_router();
            let open = Memo::new(move |_| {
                let group = router.group();
                deployment
                    .in_scope(group.as_deref())
                    .iter()
                    .map(|group| group.stats.with(|stats| stats.running + stats.queued))
                    .sum::<u64>()
            });
            let view = move || {
                let number = open.get();
                (number > 0).then(|| view! { <span class="n">{number}<span class="sr">" running or queued"</span></span> })
            };
            view! { {view} }.into_any()
        }
        _ => ().into_any(),
    }
}

fn servers(deployment: &'static Deployment) -> AnyView {
    let row = |group: &'static Group| {
        group
            .servers
            .iter()
            .map(move |server| server_row(group, server))
            .collect_view()
    };
    view! {
        <section aria-label="Connection to each server">
            <div class="nav-h">"Servers"</div>
            <ul class="conn">{deployment.groups.iter().map(row).collect_view()}</ul>
        </section>
    }
    .into_any()
}

fn server_row(group: &'static Group, server: &'static Server) -> AnyView {
    let clock = use_clock();
    let shape = Signal::derive(move || match server.connection.get() {
        Connection::Live if server.says_active() => Glyph::Active,
        Connection::Live => Glyph::Standby,
        Connection::Connecting => Glyph::Now,
        Connection::SignedOut => Glyph::Todo,
        Connection::Down { .. } => Glyph::Missing,
    });
    let role = move || match server.connection.get() {
        Connection::Live => server
            .status
            .with(|status| status.as_ref().map_or("", |status| role_word(status.role))),
        Connection::Connecting => "connecting",
        Connection::SignedOut => "signed out",
        Connection::Down { .. } => "no answer",
    };
    let figure = move || match server.connection.get() {
        Connection::Live => server.round_trip.get().map(duration).unwrap_or_default(),
        Connection::Down { since, .. } => {
            age(clock.seconds() - server.heard.get().unwrap_or(since))
        }
        _ => String::new(),
    };
    let title = move || match server.connection.get() {
        Connection::Down { reason, .. } => format!("{} in {}: {reason}", server.url, group.name),
        _ => format!("{} in {}", server.url, group.name),
    };
    view! { <li title=title>{live_glyph(shape)}<span>{server.name.as_str()}" "<span class="role">{role}</span></span><span class="ms">{figure}</span></li> }.into_any()
}

/// The pages at the bottom of a phone.
pub(super) fn tabbar() -> AnyView {
    let router = use_router();
    let tab = move |(page, word): (Page, &'static str)| {
        let current = move || (router.page() == Some(page)).then_some("page");
        view! { <a href=move || router.href(page.route()) aria-current=current>{icon(icon_of(page))}{word}</a> }.into_any()
    };
    let tabs = [
        (Page::Overview, "Overview"),
        (Page::Grid, "Grid"),
        (Page::Tasks, "Tasks"),
        (Page::Switch, "Switch"),
        (Page::Events, "Events"),
    ];
    view! { <nav class="tabbar" aria-label="Sections">{tabs.map(tab).collect_view()}</nav> }
        .into_any()
}
