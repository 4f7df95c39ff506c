//! The table of nodes: one line each, a head for each group, only what is seen is in the page.

use std::sync::Arc;

use crate::reactive::{Callback, Effect, Memo, RwSignal, Signal};
use crate::ui::{For, view};
use leptos::prelude::*;

use super::order::{Column, Density, Sort};
use super::row::{group_row, node_row};
use super::select::{Grid, Line};
use crate::app::route::GridView;
use crate::ui::format::counted;
use crate::ui::{Button, Empty, Icon, Skeleton, SortHead, Weight};

/// Up to so many lines all are in the page: a search of the browser finds them.
const ALL_UP_TO: usize = 200;
/// How many pixels are drawn beyond what is seen.
const MARGIN: u32 = 400;
/// Not every pixel of a scroll asks for a new window; and no frame for many lines at once.
const STEP: u32 = 80;

/// The lines between two places of the whole, with the height of what lies before and behind them.
fn window_of(lines: &[Line], density: Density, top: u32, height: u32) -> (usize, usize, u32, u32) {
    if lines.len() <= ALL_UP_TO {
        return (0, lines.len(), 0, 0);
    }
    let (from_y, to_y) = (top.saturating_sub(MARGIN), top + height + MARGIN);
    let (mut y, mut from, mut before) = (0, None, 0);
    let mut to = lines.len();
    let mut seen_to = 0;
    for (index, line) in lines.iter().enumerate() {
        let next = y + line.height(density);
        if from.is_none() && next > from_y {
            from = Some(index);
            before = y;
        }
        if y < to_y {
            to = index + 1;
            seen_to = next;
        }
        y = next;
    }
    (from.unwrap_or(0), to, before, y - seen_to)
}

/// The table.
pub(crate) fn table(grid: Grid) -> AnyView {
    let scroller = NodeRef::<leptos::html::Section>::new();
    let place = RwSignal::new((0_u32, 900_u32));
    let measure = move || {
        if let Some(element) = scroller.get_untracked() {
            let top = u32::try_from(element.scroll_top()).unwrap_or(0);
            let height = u32::try_from(element.client_height()).unwrap_or(900);
            let step = (top / STEP * STEP, height);
            if place.get_untracked() != step {
                place.set(step);
            }
        }
    };
    Effect::new(move |_| {
        scroller.track();
        measure();
    });
    let columns = Memo::new(move |_| {
        grid.view
            .with(|view| Column::shown(view.columns.as_deref()))
    });
    let density = Memo::new(move |_| {
        grid.view
            .with(|view| Density::parse(view.density.as_deref()))
    });
    let seen = Memo::new(move |_| {
        let (top, height) = place.get();
        grid.lines
            .with(|lines| window_of(lines, density.get(), top, height))
    });
    // Made anew when other columns are chosen.
    let whole = move || lines_of(grid, seen, density, Arc::new(columns.get()));
    view! {
        <section class="panel scroll grow" aria-label="Nodes" tabindex="0" node_ref=scroller on:scroll=move |_| measure()>
            {whole}
            {empty(grid)}
        </section>
    }
    .into_any()
}

fn lines_of(
    grid: Grid,
    seen: Memo<(usize, usize, u32, u32)>,
    density: Memo<Density>,
    columns: Arc<Vec<Column>>,
) -> AnyView {
    let shown = move || {
        let (from, to, ..) = seen.get();
        grid.lines
            .with(|lines| lines[from.min(lines.len())..to.min(lines.len())].to_vec())
    };
    let line = {
        let columns = Arc::clone(&columns);
        move |line: Line| match line {
            Line::Head(group) => group_row(grid, group, columns.len()),
            Line::Node(group, name) => node_row(grid, group, &name, &columns),
        }
    };
    let sort = Signal::derive(move || {
        grid.view
            .with(|view| view.sort.clone().unwrap_or_else(|| "node".to_owned()))
    });
    let on_sort = Callback::new(move |sort: String| {
        grid.replace(|view| {
            view.sort = Some(sort).filter(|sort| !sort.is_empty() && sort != Column::Node.name());
        })
    });
    let words = Memo::new(move |_| {
        grid.view
            .with(|view| Sort::parse(view.sort.as_deref()).words())
    });
    let head = move |column: &Column| {
        let number = matches!(column, Column::Used | Column::Heartbeat | Column::Latency);
        view! { <SortHead column=column.name() label=column.title() sort=sort on_sort=on_sort number=number many=true/> }.into_any()
    };
    let width = |column: &Column| view! { <col class=width_of(*column)/> }.into_any();
    let span = columns.len();
    let spacer = move |height: u32| {
        (height > 0).then(|| view! { <tr class="spacer" aria-hidden="true"><td colspan=span style:height=format!("{height}px")></td></tr> })
    };
    view! {
        <p class="sr" aria-live="polite">"Sorted by "{move || words.get()}</p>
        <table class=move || density.get().class()>
            <colgroup>{columns.iter().map(width).collect_view()}</colgroup>
            <thead><tr>{columns.iter().map(head).collect_view()}</tr></thead>
            <tbody>
                {move || spacer(seen.get().2)}
                <For each=shown key=|line| match line { Line::Head(group) => (*group, None), Line::Node(group, name) => (*group, Some(name.clone())) } children=line/>
                {move || spacer(seen.get().3)}
            </tbody>
        </table>
    }
    .into_any()
}

const fn width_of(column: Column) -> &'static str {
    match column {
        Column::Node => "w-node",
        Column::State | Column::Labels => "",
        Column::Slots => "w-slots",
        Column::Used => "w-used",
        Column::Load | Column::Memory => "w-line",
        Column::R => "w-r",
        Column::Heartbeat | Column::Latency => "w-beat",
        Column::Type => "w-type",
    }
}

/// What stands under the head when no line does: nothing is known yet, nothing is registered, or all is filtered away.
fn empty(grid: Grid) -> AnyView {
    let nodes = Memo::new(move |_| {
        grid.groups()
            .iter()
            .map(|group| group.nodes.len())
            .sum::<usize>()
    });
    let known = Memo::new(move |_| {
        grid.groups()
            .iter()
            .any(|group| group.info.with(Option::is_some))
    });
    let none = Memo::new(move |_| {
        !grid
            .lines
            .with(|lines| lines.iter().any(|line| matches!(line, Line::Node(..))))
    });
    let clear = Callback::new(move |()| {
        grid.replace(|view: &mut GridView| {
            view.q = None;
            view.state = None;
        });
    });
    let register =
        Callback::new(move |()| grid.go(|view| view.panel = Some("register".to_owned())));
    let view = move || {
        if !none.get() {
            return None;
        }
        Some(match (nodes.get(), known.get()) {
            (0, false) => view! { <Skeleton lines=3 name="Waiting for the servers"/> }.into_any(),
            (0, true) => view! {
                <Empty picture=Icon::Grid title="No nodes yet" text="A node is a host that runs R through Rserve. Register one: it is tested before it is saved.">
                    <Button icon=Icon::Plus on_click=register>"Register a node"</Button>
                </Empty>
            }
            .into_any(),
            (hidden, _) => view! {
                <Empty picture=Icon::Search title="No node matches" text=format!("{} hidden by the filter.", if hidden == 1 { "1 node is".to_owned() } else { format!("{} are", counted(hidden, "node")) })>
                    <Button weight=Weight::Plain on_click=clear>"Clear filters"</Button>
                </Empty>
            }
            .into_any(),
        })
    };
    view! { {view} }.into_any()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn lines(count: usize) -> Vec<Line> {
        let mut lines = vec![Line::Head(0)];
        lines.extend((1..count).map(|index| Line::Node(0, Arc::from(index.to_string()))));
        lines
    }

    #[test]
    fn few_lines_are_all_there() {
        let usual = Density::Usual;
        assert_eq!(window_of(&lines(200), usual, 5_000, 10), (0, 200, 0, 0));
    }

    #[test]
    fn of_many_lines_only_those_near_are_there_and_the_height_is_kept() {
        let lines = lines(10_000);
        for (density, ..) in Density::ALL {
            let height = |line: &Line| line.height(density);
            let whole: u32 = lines.iter().map(height).sum();
            for top in [0, 1_000, 50_000, whole - 600] {
                let (from, to, before, behind) = window_of(&lines, density, top, 600);
                let shown: u32 = lines[from..to].iter().map(height).sum();
                assert_eq!(before + shown + behind, whole, "{top}");
                assert!(
                    before <= top && before + shown >= (top + 600).min(whole),
                    "{top}"
                );
                assert!(to - from < 70, "{top}");
            }
        }
        assert_eq!(window_of(&[], Density::Usual, 0, 600), (0, 0, 0, 0));
    }
}
