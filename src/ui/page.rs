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

/// What a table is sorted by after a column's head was pressed. `sort` are keys with commas between them, the first decides first, a leading
/// `-` is for descending. `add` keeps the other columns and turns this one on, round and off; else it is the only one.
pub(crate) fn sorted_by(sort: &str, column: &str, add: bool) -> String {
    let down = ["-", column].concat();
    let mut parts: Vec<&str> = sort.split(',').filter(|part| !part.is_empty()).collect();
    let place = parts
        .iter()
        .position(|part| *part == column || *part == down);
    match (add, place) {
        (false, Some(place)) if parts[place] == column => return down,
        (false, _) => return column.to_owned(),
        (true, Some(place)) if parts[place] == column => parts[place] = &down,
        (true, Some(place)) => {
            parts.remove(place);
        }
        (true, None) => parts.push(column),
    }
    parts.join(",")
}

/// The head of a column that rows can be sorted by. `sort` is the column's key, with a leading `-` for descending; where `many` can decide,
/// more of them follow with commas between, and who holds Shift adds this one.
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
    /// Whether more than one column can decide.
    #[prop(optional)]
    many: bool,
) -> AnyView {
    // The place among the columns that decide, how many those are, and the way.
    let place = move || {
        sort.with(|sort| {
            let parts: Vec<&str> = sort.split(',').collect();
            let own = |part: &&str| part.strip_prefix('-').unwrap_or(part) == column;
            let at = parts.iter().position(own)?;
            let way = if parts[at] == column {
                "ascending"
            } else {
                "descending"
            };
            Some((at, parts.len(), way))
        })
    };
    // One head alone bears it: the one that decides first.
    let order = move || place().filter(|(at, ..)| *at == 0).map(|(_, _, way)| way);
    let click = move |event: web_sys::MouseEvent| {
        let add = many && event.shift_key();
        on_sort.run(sort.with_untracked(|sort| sorted_by(sort, column, add)))
    };
    let mark = move || {
        place().map(|(at, of, way)| {
            let rank = (of > 1).then(|| {
                let words = format!(", {way}, number {} of the columns that decide", at + 1);
                view! { <small aria-hidden="true">{at + 1}</small><span class="sr">{words}</span> }
            });
            view! { <span class=["sort ", way].concat()>{icon(Icon::Down)}</span>{rank} }
        })
    };
    let hint = move || many.then_some("With Shift: sort by this column, too");
    view! {
        <th scope="col" class=if number { "num" } else { "" } aria-sort=order>
            <button type="button" title=hint on:click=click>{label}{mark}</button>
        </th>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_alone_turns_round() {
        assert_eq!(sorted_by("", "load", false), "load");
        assert_eq!(sorted_by("load", "load", false), "-load");
        assert_eq!(sorted_by("-load", "load", false), "load");
        assert_eq!(sorted_by("state,-load", "node", false), "node");
        assert_eq!(sorted_by("state,load", "load", false), "-load");
    }

    #[test]
    fn another_column_is_added_turned_and_taken_out() {
        let first = sorted_by("state", "load", true);
        assert_eq!(first, "state,load");
        let turned = sorted_by(&first, "load", true);
        assert_eq!(turned, "state,-load");
        assert_eq!(sorted_by(&turned, "load", true), "state");
        assert_eq!(sorted_by("state", "state", true), "-state");
        assert_eq!(sorted_by("-state", "state", true), "");
    }
}
