//! Two nodes side by side: what they are, how they are, and which packages differ.

use std::sync::Arc;

use crate::reactive::{Callback, Effect, Memo, RwSignal, Signal};
use crate::ui::{Show, view};
use gridhelm_api::node::Node;
use gridhelm_api::packages::NodePackages;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::super::select::{Grid, Line};
use super::compare::{Different, Pair, facts, health, packages};
use crate::deployment::{Group, trouble};
use crate::ui::format::counted;
use crate::ui::{Drawer, Empty, ErrorBox, Glyph, Icon, SelectField, Skeleton, Tag, Trouble};

/// The most nodes that can be chosen from; the page's filter finds the others.
const CHOICES: usize = 500;
/// The most packages that are drawn.
const SHOWN: usize = 300;

/// Both nodes as they are now, if both are there; the chosen one first.
type Both = Option<[(usize, Arc<Node>); 2]>;

/// The drawer.
pub(super) fn drawer(grid: Grid) -> AnyView {
    let close = Callback::new(move |()| {
        grid.go(|view| {
            view.panel = None;
            view.with = None;
        });
    });
    let other = Memo::new(move |_| {
        let wanted = grid.view.with(|view| view.with.clone());
        wanted.or_else(|| choices(grid).into_iter().next().map(|(key, _)| key))
    });
    let both = Memo::new(move |_| {
        let one = grid.chosen()?;
        let key = other.get()?;
        Some([one, grid.find(&key)?])
    });
    let pick = Callback::new(move |key: String| grid.replace(|view| view.with = Some(key)));
    let title = Signal::derive(move || {
        let one = grid.chosen_name().map(|(_, name)| name);
        format!("Compare {}", one.unwrap_or_default())
    });
    let none = move || {
        both.with(Option::is_none).then(|| {
            view! { <Empty picture=Icon::Grid title="Nothing to compare with" text="It takes two nodes that the servers know. Clear the filter of the page to choose among all of them."/> }
        })
    };
    view! {
        <Drawer title=title text="What should be the same on nodes that stand in for each other is marked where it is not." on_close=close>
            <SelectField label="With" value=Signal::derive(move || other.get().unwrap_or_default()) choices=Signal::derive(move || choices(grid)) on_pick=pick/>
            {none}
            <section><h2>"What they are"</h2>{pairs(both, "What they are", facts)}</section>
            <section><h2>"How they are now"</h2>{pairs(both, "How they are now", health)}</section>
            <section><h2>"Packages"</h2>{package_part(grid, both)}</section>
        </Drawer>
    }
    .into_any()
}

/// The nodes that the chosen one can be compared with: what the page's filter leaves. Tracks.
fn choices(grid: Grid) -> Vec<(String, String)> {
    let chosen = grid.chosen_name();
    let choice = |line: &Line| match line {
        Line::Node(group, name) => {
            let itself = chosen
                .as_ref()
                .is_some_and(|(of, own)| *of == Some(*group) && **own == **name);
            (!itself).then(|| (grid.key(*group, name), name.to_string()))
        }
        Line::Head(_) => None,
    };
    let mut all: Vec<(String, String)> = grid
        .lines
        .with(|lines| lines.iter().filter_map(choice).take(CHOICES).collect());
    // One that a link names, and the filter does not leave.
    if let Some(wanted) = grid.view.with(|view| view.with.clone())
        && all.iter().all(|(key, _)| *key != wanted)
    {
        all.push((wanted.clone(), wanted));
    }
    all
}

fn pairs(both: Memo<Both>, name: &'static str, of: fn([&Node; 2]) -> Vec<Pair>) -> AnyView {
    let found = Memo::new(move |_| {
        both.with(|both| {
            let [(_, one), (_, other)] = both.as_ref()?;
            Some(([one.name.clone(), other.name.clone()], of([one, other])))
        })
    });
    let row = |pair: Pair| {
        let Pair {
            name,
            values: [one, other],
            differs,
        } = pair;
        let mark =
            differs.then(|| view! { " "<Tag state=Glyph::Differs shape=true>"differs"</Tag> });
        view! { <tr><th scope="row">{name}</th><td>{one}</td><td>{other}{mark}</td></tr> }
            .into_any()
    };
    let table = move || {
        found.get().map(|([one, other], pairs)| {
            view! {
                <div class="scroll" tabindex="0" role="region" aria-label=name>
                    <table class="tbl tbl--pairs">
                        <thead><tr><th scope="col"><span class="sr">"What"</span></th><th scope="col">{one}</th><th scope="col">{other}</th></tr></thead>
                        <tbody>{pairs.into_iter().map(row).collect_view()}</tbody>
                    </table>
                </div>
            }
        })
    };
    view! { {table} }.into_any()
}

/// A list of packages: what was asked for, and what came of it.
#[derive(Clone, Default)]
struct Lists {
    of: [String; 2],
    answer: Option<Result<Arc<[NodePackages; 2]>, Trouble>>,
}

fn package_part(grid: Grid, both: Memo<Both>) -> AnyView {
    // Asked for again when other nodes are compared, not when these change.
    let which = Memo::new(move |_| {
        both.with(|both| {
            both.as_ref().map(|both| {
                both.each_ref()
                    .map(|(group, node)| (*group, node.name.clone()))
            })
        })
    });
    let lists = RwSignal::new(Lists::default());
    Effect::new(move |_| {
        let Some(which) = which.get() else { return };
        let of = which.each_ref().map(|(_, name)| name.clone());
        lists.set(Lists {
            of: of.clone(),
            answer: None,
        });
        spawn_local(async move {
            let [one, other] = which.map(|(group, name)| (&grid.deployment.groups[group], name));
            let answer = match read(one.0, &one.1).await {
                Ok(one) => read(other.0, &other.1)
                    .await
                    .map(|other| Arc::new([one, other])),
                Err(error) => Err(error),
            };
            // Another pair may have been chosen meanwhile.
            let _ = lists.try_update(|lists| {
                if lists.of == of {
                    lists.answer = Some(answer);
                }
            });
        });
    });
    let view = move || {
        lists.with(|lists| match &lists.answer {
            None => view! { <Skeleton lines=2 name="Reading the packages"/> }.into_any(),
            Some(Err(trouble)) => view! { <ErrorBox trouble=trouble.clone()/> }.into_any(),
            Some(Ok(both)) => differences(lists.of.clone(), both),
        })
    };
    view! { <Show when=move || which.get().is_some()>{view}</Show> }.into_any()
}

async fn read(group: &'static Group, name: &str) -> Result<NodePackages, Trouble> {
    let answer = group
        .act(|client| async move { client.node_packages(name).await })
        .await;
    answer.map_err(|error| trouble(&format!("The packages of {name} cannot be read"), &error))
}

fn differences(names: [String; 2], lists: &[NodePackages; 2]) -> AnyView {
    let Some((different, equal)) = packages([&lists[0], &lists[1]]) else {
        let missing: Vec<&str> = names
            .iter()
            .zip(lists)
            .filter(|(_, list)| list.read_at.is_none())
            .map(|(name, _)| name.as_str())
            .collect();
        let text = format!("Not read yet on {}.", missing.join(" and "));
        return view! { <p class="ink2">{text}</p> }.into_any();
    };
    let summary = if different.is_empty() {
        format!("{}, the same on both.", counted(equal, "package"))
    } else {
        let differ = if different.len() == 1 {
            "differs"
        } else {
            "differ"
        };
        let hidden = different.len().saturating_sub(SHOWN);
        let hidden = if hidden > 0 {
            format!(" The first {SHOWN} are shown.")
        } else {
            String::new()
        };
        format!(
            "{} {differ}, {equal} are the same.{hidden}",
            counted(different.len(), "package")
        )
    };
    let row = |of: &Different| {
        let cell = |version: &Option<String>| match version {
            Some(version) => view! { <td>{version.clone()}</td> }.into_any(),
            None => {
                view! { <td><Tag state=Glyph::Missing shape=true>"lacking"</Tag></td> }.into_any()
            }
        };
        let [one, other] = &of.versions;
        view! { <tr><th scope="row">{of.name.clone()}</th>{cell(one)}{cell(other)}</tr> }.into_any()
    };
    let [one, other] = names;
    let table = (!different.is_empty()).then(|| {
        view! {
            <div class="scroll" tabindex="0" role="region" aria-label="Packages that differ">
                <table class="tbl tbl--pairs">
                    <thead><tr><th scope="col">"Package"</th><th scope="col">{one}</th><th scope="col">{other}</th></tr></thead>
                    <tbody>{different.iter().take(SHOWN).map(row).collect_view()}</tbody>
                </table>
            </div>
        }
    });
    view! { <p class="ink2">{summary}</p>{table} }.into_any()
}
