//! What pages are laid out with: heads, panels, figures, empty states.

use crate::reactive::{Callback, Signal};
use crate::ui::view;
use leptos::prelude::*;

use super::icon::{Icon, icon};
use super::next_id;

/// The head of a page: its title, one sentence that answers the page's question, and its actions. Focus comes here after navigation.
#[component]
pub fn PageHead(
    /// The title, as in the navigation.
    #[prop(into)]
    title: String,
    /// One sentence that answers the page's question.
    #[prop(into)]
    answer: Signal<String>,
    /// The actions, at the right.
    #[prop(optional)]
    children: Option<Children>,
) -> AnyView {
    view! {
        <header class="page-head">
            <div><h1 id="page-title" tabindex="-1">{title}</h1><p>{move || answer.get()}</p></div>
            <div class="acts">{children.map(|children| children())}</div>
        </header>
    }
    .into_any()
}

/// A panel with a title.
#[component]
pub fn Panel(
    /// The title.
    #[prop(into)]
    title: Signal<String>,
    /// More classes.
    #[prop(optional)]
    class: &'static str,
    /// What stands at the right of the title.
    #[prop(optional, into)]
    end: Option<ViewFn>,
    /// The content.
    children: Children,
) -> AnyView {
    let id = next_id("h");
    view! {
        <section class=["panel ", class].concat() aria-labelledby=id.clone()>
            <header class="panel-head"><h2 id=id.clone()>{move || title.get()}</h2>{end.map(|end| view! { <div class="end">{end.run()}</div> })}</header>
            {children()}
        </section>
    }
    .into_any()
}

/// The line of figures at the top of a page.
#[component]
pub fn SummaryStrip(
    /// The figures, as [`Figure`]s.
    children: Children,
) -> AnyView {
    view! { <dl class="panel sum">{children()}</dl> }.into_any()
}

/// One figure: what, how much, of how much, and one line of context.
#[component]
pub fn Figure(
    /// What is counted.
    label: &'static str,
    /// How much.
    #[prop(into)]
    value: Signal<String>,
    /// Of how much, in small: `/ 14`, `busy of 138 usable`.
    #[prop(optional, into)]
    of: Signal<String>,
    /// One line of context.
    #[prop(optional, into)]
    note: Signal<String>,
    /// A drawing beside the figure.
    #[prop(optional)]
    children: Option<Children>,
) -> AnyView {
    view! {
        <div>
            <dt>{label}</dt>
            <dd><span class="fig">{move || value.get()}<small>{move || of.with(|of| if of.is_empty() { String::new() } else { [" ", of.as_str()].concat() })}</small></span>{children.map(|children| children())}</dd>
            <dd class="note">{move || note.get()}</dd>
        </div>
    }
    .into_any()
}

/// A list of names and values.
pub fn facts(rows: Vec<(&'static str, AnyView)>) -> AnyView {
    let row = |(name, value)| view! { <dt>{name}</dt><dd>{value}</dd> };
    view! { <dl class="kv">{rows.into_iter().map(row).collect_view()}</dl> }.into_any()
}

/// What stands where nothing is: what it is, what to do; for filters, how many are hidden.
#[component]
pub fn Empty(
    /// The picture.
    #[prop(optional)]
    picture: Option<Icon>,
    /// What is not there.
    #[prop(into)]
    title: Signal<String>,
    /// What it would be, or how many are hidden.
    #[prop(into)]
    text: Signal<String>,
    /// What to do.
    #[prop(optional)]
    children: Option<Children>,
) -> AnyView {
    view! {
        <div class="empty">{picture.map(icon)}<p class="empty-title">{move || title.get()}</p><p>{move || text.get()}</p><div class="empty-acts">{children.map(|children| children())}</div></div>
    }
    .into_any()
}

/// Grey lines where something is on its way.
#[component]
pub fn Skeleton(
    /// How many lines.
    #[prop(default = 3)]
    lines: u8,
    /// What is loading, for screen readers.
    #[prop(into, default = "Loading".to_owned())]
    name: String,
) -> AnyView {
    let line = |index: u8| view! { <div class=["skel skel-", ["a", "b", "c"][usize::from(index % 3)]].concat()></div> };
    view! { <div class="pad skels" role="status"><span class="sr">{name}</span>{(0..lines).map(line).collect_view()}</div> }.into_any()
}

/// The head of a column that rows can be sorted by. `sort` is the column's key, with a leading `-` for descending.
#[component]
pub fn SortHead(
    /// The column's key.
    column: &'static str,
    /// The column's name.
    label: &'static str,
    /// What rows are sorted by now.
    #[prop(into)]
    sort: Signal<String>,
    /// Sorts by another column, or the other way round.
    #[prop(into)]
    on_sort: Callback<String>,
    /// Whether it holds numbers, at the right.
    #[prop(optional)]
    number: bool,
) -> AnyView {
    let order = move || {
        sort.with(|sort| {
            if sort == column {
                Some("ascending")
            } else if sort.strip_prefix('-') == Some(column) {
                Some("descending")
            } else {
                None
            }
        })
    };
    let click = move |_| {
        on_sort.run(if order() == Some("ascending") {
            ["-", column].concat()
        } else {
            column.to_owned()
        })
    };
    view! {
        <th scope="col" class=if number { "num" } else { "" } aria-sort=order>
            <button type="button" on:click=click>{label}{move || order().map(|order| view! { <span class=["sort ", order].concat()>{icon(Icon::Down)}</span> })}</button>
        </th>
    }
    .into_any()
}
