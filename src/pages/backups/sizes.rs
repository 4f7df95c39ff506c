//! What the database holds, how long it is kept, and what goes next.

use crate::ui::view;
use gridhelm_api::upkeep::{SizeOf, Sizes};
use leptos::prelude::*;

use super::Known;
use super::words;
use crate::ui::{Glyph, Panel, Skeleton, Tag, format, moment};

/// The panel.
pub(super) fn panel(known: Known) -> AnyView {
    let body = move || {
        known.sizes.with(|sizes| match sizes {
            None => view! { <Skeleton lines=4 name="Counting"/> }.into_any(),
            Some(sizes) => table(sizes),
        })
    };
    let title = format!("What the database of {} holds", known.group.name);
    view! { <Panel title=title>{body}</Panel> }.into_any()
}

fn table(sizes: &Sizes) -> AnyView {
    let row = |size: &SizeOf| {
        view! {
            <tr>
                <td><b class="strong">{size.title.clone()}</b></td>
                <td class="num">{format::count(size.rows)}</td>
                <td class="num">{format::bytes(size.bytes)}</td>
                <td class="muted">{size.oldest.map(moment)}</td>
                <td>{size.kept.clone()}</td>
                <td>{words::going(size)}</td>
            </tr>
        }
        .into_any()
    };
    let room = sizes.disk.as_ref().map(|disk| {
        let low = disk
            .low
            .then(|| view! { <Tag state=Glyph::Fail shape=true>"nearly full"</Tag>" " });
        view! { <p class="pad">{low}{words::room(disk)}</p> }
    });
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label="Table of sizes">
        <table class="tbl">
            <thead><tr><th scope="col">"What"</th><th scope="col" class="num">"How many"</th><th scope="col" class="num">"Size"</th><th scope="col">"Oldest"</th><th scope="col">"Kept"</th><th scope="col">"Goes within a day"</th></tr></thead>
            <tbody>{sizes.kinds.iter().map(row).collect_view()}</tbody>
        </table>
        </div>
        {room}
    }
    .into_any()
}
