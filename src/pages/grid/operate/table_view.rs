//! The drawer that chooses what the table shows, and saves what it shows.

use std::sync::Arc;

use crate::reactive::{Callback, Memo, Signal};
use crate::ui::view;
use gridhelm_api::node::Node;
use leptos::prelude::*;

use super::super::order::{Column, Density};
use super::super::select::{Grid, Line};
use super::export::{to_csv, to_json};
use crate::ui::format::counted;
use crate::ui::{Button, CheckField, Choice, Drawer, Icon, Segment, clock, save_text};

/// The drawer. All that it changes is in the address: a link shows another person the same table.
pub(super) fn drawer(grid: Grid, close: Callback<()>) -> AnyView {
    let columns = Memo::new(move |_| {
        grid.view
            .with(|view| Column::shown(view.columns.as_deref()))
    });
    let check = move |column: Column| {
        let on = Signal::derive(move || columns.with(|columns| columns.contains(&column)));
        let turn = Callback::new(move |on: bool| {
            let shown = |other: &Column| {
                if *other == column {
                    on
                } else {
                    columns.with_untracked(|columns| columns.contains(other))
                }
            };
            let chosen: Vec<Column> = Column::ALL.into_iter().filter(shown).collect();
            grid.replace(|view| view.columns = parameter(&chosen));
        });
        view! { <CheckField label=column.title() on=on on_change=turn/> }.into_any()
    };
    let usual = Callback::new(move |()| grid.replace(|view| view.columns = None));
    let choices: Vec<Choice> = Density::ALL
        .into_iter()
        .map(|(_, name, label)| Choice::new(name, label))
        .collect();
    let density = Signal::derive(move || {
        let present = grid
            .view
            .with(|view| Density::parse(view.density.as_deref()));
        let found = Density::ALL.into_iter().find(|(of, ..)| *of == present);
        found.map_or_else(String::new, |(_, name, _)| name.to_owned())
    });
    let pick = Callback::new(move |name: String| {
        grid.replace(|view| view.density = Some(name).filter(|name| name != "usual"))
    });
    let number = Memo::new(move |_| {
        grid.lines.with(|lines| {
            let node = |line: &&Line| matches!(line, Line::Node(..));
            lines.iter().filter(node).count()
        })
    });
    let save = move |json: bool| {
        Callback::new(move |()| {
            let nodes = left(grid);
            let rows = nodes.iter().map(|(group, node)| (*group, &**node));
            let (kind, ending, text) = if json {
                ("application/json", "json", to_json(rows, clock::wall()))
            } else {
                ("text/csv", "csv", to_csv(rows, clock::wall()))
            };
            save_text(&format!("nodes.{ending}"), kind, &text);
        })
    };
    let rest = Column::ALL
        .into_iter()
        .filter(|column| *column != Column::Node);
    view! {
        <Drawer title="The table" text="What it shows is in the address: whoever gets the link sees the same." on_close=close>
            <section>
                <div class="act"><h2>"Columns"</h2><Button small=true on_click=usual>"The usual ones"</Button></div>
                {rest.map(check).collect_view()}
            </section>
            <section>
                <h2>"Lines"</h2>
                <Segment label="How high lines are" choices=choices value=density on_pick=pick/>
            </section>
            <section>
                <h2>"Save what the filter leaves"</h2>
                <p class="ink2">{move || format!("{}, in the order of the table, as they are at this moment.", counted(number.get(), "node"))}</p>
                <div class="acts">
                    <Button small=true icon=Icon::Download on_click=save(false)>"Save as CSV"</Button>
                    <Button small=true icon=Icon::Download on_click=save(true)>"Save as JSON"</Button>
                </div>
            </section>
        </Drawer>
    }
    .into_any()
}

/// The parameter of the address for these columns; none for the usual ones.
fn parameter(columns: &[Column]) -> Option<String> {
    if columns == Column::shown(None) {
        return None;
    }
    let names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    Some(names.join(","))
}

/// The nodes that the filter leaves, in the order of the table, each with its group's name.
fn left(grid: Grid) -> Vec<(&'static str, Arc<Node>)> {
    let groups = &grid.deployment.groups;
    let node = |line: &Line| match line {
        Line::Node(group, name) => {
            let node = groups[*group].nodes.find(name)?;
            Some((groups[*group].name.as_str(), node.get_untracked()))
        }
        Line::Head(_) => None,
    };
    grid.lines
        .with_untracked(|lines| lines.iter().filter_map(node).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_is_chosen_is_what_the_address_says() {
        assert_eq!(parameter(&Column::shown(None)), None);
        for chosen in [
            &Column::ALL[..],
            &[Column::Node],
            &[Column::Node, Column::R],
        ] {
            let written = parameter(chosen);
            assert!(written.is_some());
            assert_eq!(Column::shown(written.as_deref()), chosen);
        }
    }
}
