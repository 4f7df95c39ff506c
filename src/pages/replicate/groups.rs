//! All groups at once: where does which file stand how, seen from the source.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_client::replication::read_groups;
use gridhelm_replicate::{Matrix, Parity, matrix};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::tree::shape;
use super::work::{Work, short};
use crate::deployment::{Group, trouble, use_deployment};
use crate::ui::clock::now;
use crate::ui::format::counted;
use crate::ui::{Button, ErrorBox, Trouble, VirtualList, glyph};

/// Height of a line, pixels.
const ROW: f64 = 26.0;

/// A line: a directory with how many files differ in each group, or a file's row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Directory(String, Vec<usize>),
    File(usize),
}

/// What came of the pages so far: their files that are not the same everywhere, and how long comparing them took, milliseconds.
#[derive(Default)]
struct Compared {
    matrix: Matrix,
    took: f64,
}

/// Directories with their files.
fn lines(found: &Matrix) -> Vec<Line> {
    let mut directories: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, row) in found.rows.iter().enumerate() {
        let name = format!("{}/{}", row.id.author, row.id.directory);
        directories.entry(name).or_default().push(at);
    }
    let mut lines = Vec::new();
    for (name, rows) in directories {
        let differ = |group: usize| {
            let cells = rows.iter().map(|at| found.rows[*at].cells[group]);
            cells
                .filter(|cell| cell.is_some_and(|parity| parity != Parity::Same))
                .count()
        };
        let sums = (0..found.groups.len()).map(differ).collect();
        lines.push(Line::Directory(name, sums));
        lines.extend(rows.into_iter().map(Line::File));
    }
    lines
}

/// The panel, closed at first; nothing where there are two groups only.
pub(super) fn panel(work: Work) -> AnyView {
    let deployment = use_deployment();
    if deployment.groups.len() < 3 {
        return ().into_any();
    }
    let mut groups: Vec<&'static Group> = vec![work.source];
    let others = deployment.groups.iter();
    groups.extend(others.filter(|group| group.name != work.source.name));
    let groups = StoredValue::new(groups);
    let found = RwSignal::new(None::<(Arc<Matrix>, Arc<Vec<Line>>, u64, f64)>);
    let fault = RwSignal::new(None::<Trouble>);
    let busy = RwSignal::new(None::<String>);
    let off = Signal::derive(move || {
        let away = groups.with_value(|groups| {
            groups
                .iter()
                .find(|group| !group.signed_in())
                .map(|group| group.name.clone())
        });
        away.map(|name| format!("You are not signed in to {name}."))
    });
    let compare = Callback::new(move |()| {
        busy.set(Some("Comparing…".to_owned()));
        spawn_local(async move {
            let clients: Vec<_> =
                groups.with_value(|groups| groups.iter().map(|group| group.client()).collect());
            let compare = |so_far: &mut Compared, page: Vec<_>| {
                let begun = now();
                so_far.matrix.join(matrix(&page, 0));
                so_far.took += now() - begun;
            };
            match read_groups(&clients, compare).await {
                Ok((Compared { matrix, took }, same)) => {
                    let begun = now();
                    let all = Arc::new(lines(&matrix));
                    let took = took + now() - begun;
                    let _ = fault.try_set(None);
                    let _ = found.try_set(Some((Arc::new(matrix), all, same, took)));
                }
                Err(error) => {
                    let _ = fault.try_set(Some(trouble("The groups cannot be compared", &error)));
                }
            }
            let _ = busy.try_set(None);
        });
    });
    let table = move || {
        let (made, all, same, took) = found.get()?;
        let heads = made
            .groups
            .iter()
            .map(|name| view! { <span>{name.clone()}</span> })
            .collect_view();
        let many = all.len();
        let (of_view, of_key) = (Arc::clone(&all), Arc::clone(&all));
        let row_of = Arc::clone(&made);
        let row = Callback::new(move |at: usize| {
            of_view
                .get(at)
                .map_or_else(|| ().into_any(), |line| one(&row_of, line))
        });
        let key = Callback::new(move |at: usize| match of_key.get(at) {
            Some(Line::Directory(name, _)) => format!("{name}/"),
            Some(Line::File(row)) => format!("{row}"),
            None => String::new(),
        });
        let same = usize::try_from(same).unwrap_or_default() + made.same;
        Some(view! {
            <p class="pad muted" data-compared=took.to_string()>{format!("{} the same in all groups, compared in {took:.0} ms.", counted(same, "file"))}</p>
            <div class="matrix-row tree-heads" aria-hidden="true"><span>"File"</span>{heads}</div>
            <VirtualList count=Signal::stored(many) row=ROW name="Files by group" view=row key=key/>
        }
        .into_any())
    };
    view! {
        <details class="panel rep-groups">
            <summary>"All groups at once"</summary>
            <div class="pad"><Button small=true off=off busy=busy on_click=compare>"Compare all groups"</Button></div>
            {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
            {table}
        </details>
    }
    .into_any()
}

fn one(found: &Matrix, line: &Line) -> AnyView {
    match line {
        Line::Directory(name, sums) => {
            let cells = sums.iter().map(|n| {
                let text = if *n == 0 {
                    "same".to_owned()
                } else {
                    format!("{n} differ")
                };
                view! { <span class="muted">{text}</span> }
            });
            view! { <div class="matrix-row tree-row--dir"><span class="f">{name.clone()}</span>{cells.collect_view()}</div> }.into_any()
        }
        Line::File(at) => {
            let row = &found.rows[*at];
            let cells = row.cells.iter().map(|cell| match cell {
                None => view! { <span class="muted">"none"</span> }.into_any(),
                Some(parity) => {
                    let (state, word) = shape(*parity);
                    view! { <span>{glyph(state)}{word}</span> }.into_any()
                }
            });
            view! { <div class="matrix-row"><span class="f d1">{short(&row.id)}</span>{cells.collect_view()}</div> }.into_any()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridhelm_api::repository::FileId;
    use gridhelm_replicate::MatrixRow;

    #[test]
    fn directories_sum_up_what_differs_in_each_group() {
        let row = |name: &str, cells: [Option<Parity>; 3]| MatrixRow {
            id: FileId::new("ann", "d", name),
            cells: cells.to_vec(),
        };
        let same = Some(Parity::Same);
        let found = Matrix {
            groups: ["east", "west", "south"].map(str::to_owned).to_vec(),
            reference: 0,
            same: 1,
            rows: vec![
                row("b", [same, Some(Parity::Differs), same]),
                row("c", [None, None, Some(Parity::Extra)]),
            ],
            counts: Vec::new(),
        };
        assert_eq!(
            lines(&found),
            [
                Line::Directory("ann/d".to_owned(), vec![0, 1, 1]),
                Line::File(0),
                Line::File(1)
            ]
        );
    }
}
