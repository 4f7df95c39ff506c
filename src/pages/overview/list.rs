//! The topology as a list: the same facts, and the only form on a phone.

use std::sync::Arc;

use crate::reactive::{Memo, Signal};
use crate::ui::{For, view};
use leptos::prelude::*;

use super::Overview;
use super::topology::{Part, part, part_line, part_word};
use crate::app::use_router;
use crate::deployment::{Group, Server, node_state, node_word};
use crate::pages::grid::order::used;
use crate::pages::grid::reason::reason;
use crate::ui::format::counted;
use crate::ui::{Glyph, clock, live_glyph, use_clock};

/// The most nodes of a group; the Grid has all.
const NODES: usize = 60;

/// The list.
pub(crate) fn list(page: Overview) -> AnyView {
    let group = |index: &usize| group_view(&page.deployment.groups[*index]);
    view! { <div class="topo-list">{move || page.scope.get().iter().map(group).collect_view()}</div> }.into_any()
}

fn group_view(group: &'static Group) -> AnyView {
    let names = Memo::new(move |_| {
        let rows = group.nodes.rows();
        if rows.len() <= NODES {
            return (
                rows.iter()
                    .map(|row| Arc::clone(&row.key))
                    .collect::<Vec<_>>(),
                0,
            );
        }
        group.nodes.track_all();
        let (ready, other): (Vec<_>, Vec<_>) = rows
            .iter()
            .partition(|row| row.item.with_untracked(|node| node_state(node)) == Glyph::Ready);
        (
            other
                .into_iter()
                .chain(ready)
                .take(NODES)
                .map(|row| Arc::clone(&row.key))
                .collect(),
            rows.len() - NODES,
        )
    });
    let total = move || {
        group.tally.with(|tally| {
            format!(
                "{}, {}",
                counted(tally.nodes, "node"),
                counted(tally.slots(), "slot")
            )
        })
    };
    let more = move || {
        Some(names.with(|(_, more)| *more)).filter(|more| *more > 0).map(|more| view! { <li><span></span><span class="ink2">{format!("and {} more", counted(more, "node"))}</span></li> })
    };
    view! {
        <ul aria-label=format!("Group {}", group.name)>
            <li class="gh2"><span>{group.name.as_str()}</span><span class="muted">{total}</span></li>
            {group.servers.iter().map(|server| server_row(group, server)).collect_view()}
            <For each=move || names.get().0 key=Arc::clone children=move |name| node_row(group, &name)/>
            {more}
        </ul>
    }
    .into_any()
}

fn server_row(group: &'static Group, server: &'static Server) -> AnyView {
    let clock = use_clock();
    let shape = Signal::derive(move || match part(server) {
        Part::Active => Glyph::Active,
        Part::Standby => Glyph::Standby,
        Part::Silent => Glyph::Lost,
        Part::Unknown => Glyph::Todo,
    });
    let word = Memo::new(move |_| part_word(server));
    let line = Memo::new(move |_| part_line(group, server, || clock.seconds()));
    view! { <li>{live_glyph(shape)}<span><b class="strong">{server.name.as_str()}</b>" "{move || word.get()}<br/><span class="ink2 small">{move || line.get()}</span></span><span></span></li> }.into_any()
}

fn node_row(group: &'static Group, name: &str) -> AnyView {
    let Some(item) = group.nodes.find(name) else {
        return ().into_any();
    };
    let node = Signal::derive(move || item.get());
    let router = use_router();
    let route = super::attention::node_route(name);
    let state = Memo::new(move |_| node.with(|node| node_state(node)));
    let words = Memo::new(move |_| {
        node.with(|node| {
            let why = reason(node, clock::wall());
            if why.is_empty() {
                node_word(node).to_owned()
            } else {
                format!("{}, {why}", node_word(node))
            }
        })
    });
    let figure = Memo::new(move |_| {
        node.with(|node| {
            format!(
                "{}/{}",
                used(node),
                node.slots.len().max(node.slot_limit as usize)
            )
        })
    });
    view! {
        <li>{live_glyph(state.into())}<span><a class="node-name" href=move || router.href(route.clone())>{name.to_owned()}</a><br/><span class="ink2 small">{move || words.get()}</span></span><span class="muted">{move || figure.get()}</span></li>
    }
    .into_any()
}
