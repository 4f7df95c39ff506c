//! Packages by nodes.

use crate::reactive::{Callback, Signal};
use crate::ui::view;
use gridhelm_api::packages::{GridPackages, NodeReading, PackageRow};
use leptos::prelude::*;
use std::sync::Arc;

use super::Address;
use super::words::{self, COLUMNS, Cell, ROWS};
use crate::ui::format::counted;
use crate::ui::{CheckField, Empty, Glyph, Icon, SearchField, Tag};

/// What narrows the tables of all groups.
pub(super) fn toolbar(address: Address) -> AnyView {
    let text = Signal::derive(move || address.view.with(|view| view.q.clone()).unwrap_or_default());
    let type_in = Callback::new(move |text: String| {
        address.change(|view| view.q = Some(text.clone()).filter(|text| !text.is_empty()))
    });
    let on = Signal::derive(move || address.view.with(|view| view.show.is_some()));
    let tick = Callback::new(move |on: bool| {
        address.change(|view| view.show = on.then(|| "differs".to_owned()))
    });
    view! {
        <div class="toolbar">
            <SearchField name="Search packages" placeholder="Name of a package" value=text on_input=type_in main=true/>
            <CheckField label="Only what differs" on=on on_change=tick/>
        </div>
    }
    .into_any()
}

/// The table.
pub(super) fn table(address: Address, group: &'static str, said: &Arc<GridPackages>) -> AnyView {
    let said = Arc::clone(said);
    let body = move || {
        let (text, differing) = address
            .view
            .with(|view| (view.q.clone().unwrap_or_default(), view.show.is_some()));
        let rows = words::wanted(&said, &text, differing);
        if rows.is_empty() && !said.packages.is_empty() {
            let text = if differing && text.is_empty() {
                "Every node has the same packages in the same versions."
            } else {
                "The filters hide the others."
            };
            return view! { <Empty picture=Icon::Search title="No package to show" text=text/> }
                .into_any();
        }
        if rows.is_empty() {
            return ().into_any();
        }
        drawn(group, &said, &rows)
    };
    view! { {body} }.into_any()
}

fn drawn(group: &str, said: &GridPackages, rows: &[usize]) -> AnyView {
    let columns = said.nodes.len() <= COLUMNS;
    let heads = if columns {
        let head =
            |node: &NodeReading| view! { <th scope="col">{node.node.clone()}</th> }.into_any();
        said.nodes.iter().map(head).collect::<Vec<_>>()
    } else {
        vec![view! { <th scope="col">"Elsewhere"</th> }.into_any()]
    };
    let row = |index: &usize| {
        let row = said.packages.get(*index)?;
        let rest = if columns {
            let cells = said.nodes.iter().map(|node| shown(words::cell(row, node)));
            cells.collect::<Vec<_>>()
        } else {
            vec![view! { <td>{words::others(row)}</td> }.into_any()]
        };
        Some(line(row, rest.into_any()))
    };
    let label = format!("Table of the packages of {group}");
    let more = rows.len().saturating_sub(ROWS);
    let more = (more > 0).then(|| {
        view! { <p class="pad muted">{format!("{} more: search for a name.", counted(more, "package"))}</p> }
    });
    view! {
        <div class="scroll rule" tabindex="0" role="region" aria-label=label>
        <table class="tbl">
            <thead><tr><th scope="col">"Package"</th><th scope="col">"Usual version"</th>{heads}</tr></thead>
            <tbody>{rows.iter().take(ROWS).filter_map(row).collect_view()}</tbody>
        </table>
        </div>
        {more}
    }
    .into_any()
}

fn line(row: &PackageRow, rest: AnyView) -> AnyView {
    let part = row
        .base
        .then(|| view! { " "<span class="muted">"part of R"</span> });
    let usual = row.version.clone().unwrap_or_else(|| "none".to_owned());
    view! { <tr><td><b class="strong">{row.name.clone()}</b>{part}</td><td class="mono">{usual}</td>{rest}</tr> }.into_any()
}

fn shown(cell: Cell) -> AnyView {
    match cell {
        Cell::Usual(version) => view! { <td class="mono muted">{version}</td> }.into_any(),
        Cell::Other(version) => {
            view! { <td><Tag state=Glyph::Differs shape=true>{version}</Tag></td> }.into_any()
        }
        Cell::Missing => {
            view! { <td><Tag state=Glyph::Missing shape=true>"missing"</Tag></td> }.into_any()
        }
        Cell::Unknown => view! { <td class="muted">"not read yet"</td> }.into_any(),
    }
}
