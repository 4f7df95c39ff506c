//! The nodes: how old their lists are, what is being installed, and the buttons.

use crate::reactive::{Callback, Signal};
use crate::ui::view;
use gridhelm_api::account::Role;
use gridhelm_api::packages::{GridPackages, NodeReading};
use leptos::prelude::*;

use super::{Address, Known};
use crate::app::Route;
use crate::app::route::TasksView;
use crate::ui::format::count;
use crate::ui::{Button, Glyph, Tag, ago, next_id};

/// The table.
pub(super) fn table(known: Known, address: Address, said: &GridPackages) -> AnyView {
    let off = Signal::derive(move || known.group.write_off(Role::Operator));
    // Said once for all buttons.
    let id = next_id("why");
    let why = {
        let id = id.clone();
        move || {
            let id = id.clone();
            off.get()
                .map(|why| view! { <p class="pad why-not" id=id>{why}</p> })
        }
    };
    let rows = said
        .nodes
        .iter()
        .map(|node| row(known, address, off, &id, node));
    let label = format!("Table of the nodes of {}", known.group.name);
    view! {
        {why}
        <div class="scroll" tabindex="0" role="region" aria-label=label>
        <table class="tbl">
            <thead><tr><th scope="col">"Node"</th><th scope="col" class="num">"Packages"</th><th scope="col">"Read"</th><th scope="col">"State"</th><th scope="col"><span class="sr">"Read it again, or install"</span></th></tr></thead>
            <tbody>{rows.collect_view()}</tbody>
        </table>
        </div>
    }
    .into_any()
}

fn row(
    known: Known,
    address: Address,
    off: Signal<Option<String>>,
    why: &str,
    node: &NodeReading,
) -> AnyView {
    let name = node.node.clone();
    let read = node.read_at.map(|at| {
        let age = ago(at);
        view! { <span>{move || age.get()}" ago"</span> }
    });
    let busy = {
        let name = name.clone();
        Signal::derive(move || {
            known
                .reading
                .with(|reading| reading.contains(&name))
                .then(|| "Reading…".to_owned())
        })
    };
    let again = {
        let name = name.clone();
        Callback::new(move |()| known.read(name.clone()))
    };
    let install = {
        let name = name.clone();
        Callback::new(move |()| {
            address.change(|view| {
                view.node = Some(name.clone());
                view.of = Some(known.group.name.clone());
            })
        })
    };
    let (reading, installing) = (format!("Read again: {name}"), format!("Install on {name}"));
    view! {
        <tr>
            <td><b class="strong">{name}</b></td>
            <td class="num">{node.read_at.map(|_| count(u64::from(node.packages)))}</td>
            <td class="muted">{read}</td>
            <td>{condition(address, node)}</td>
            <td class="num">
                <Button small=true off=off reason_at=why.to_owned() busy=busy name=reading on_click=again>"Read again"</Button>" "
                <Button small=true off=off reason_at=why.to_owned() name=installing on_click=install>"Install…"</Button>
            </td>
        </tr>
    }
    .into_any()
}

fn condition(address: Address, node: &NodeReading) -> AnyView {
    if let Some(task) = node.task.clone() {
        let href = address.router.href(Route::Tasks(TasksView {
            task: Some(task.clone()),
            ..TasksView::default()
        }));
        return view! { <Tag state=Glyph::Now shape=true>"installs"</Tag>" "<a class="mono" href=href>{task}</a> }
            .into_any();
    }
    if let Some(fault) = node.fault.clone() {
        return view! { <Tag state=Glyph::Fail shape=true>"not read"</Tag>" "<span class="ink2">{fault}</span> }.into_any();
    }
    if node.read_at.is_none() {
        return view! { <Tag state=Glyph::Todo shape=true>"not read yet"</Tag> }.into_any();
    }
    ().into_any()
}
