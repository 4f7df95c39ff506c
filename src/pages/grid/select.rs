//! What of the grid is chosen: it is all in the address. And the keys that move it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::reactive::Memo;
use gridhelm_api::node::Node;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::history::history;
use super::order::{Density, Filter, Sort, common_r, r_version};
use crate::app::keys::singles;
use crate::app::route::GridView;
use crate::app::{Route, Router, use_router};
use crate::deployment::{Deployment, Entry, Group, natural, use_deployment};
use crate::ui::clock;

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A group's head: its index in the deployment.
    Head(usize),
    /// A node: the group's index, and its name.
    Node(usize, Arc<str>),
}

impl Line {
    /// Its height, pixels.
    pub(crate) const fn height(&self, density: Density) -> u32 {
        match self {
            Self::Head(_) => 23,
            Self::Node(..) => density.line(),
        }
    }
}

/// The page's view, as all of its parts see it.
#[derive(Clone, Copy)]
pub(crate) struct Grid {
    /// The deployment.
    pub(crate) deployment: &'static Deployment,
    /// What the address says.
    pub(crate) view: Memo<GridView>,
    /// The lines of the table, in order. Changes when lines come, go or are sorted anew: never because a node changed within its line.
    pub(crate) lines: Memo<Arc<Vec<Line>>>,
    /// The R version that most nodes of each group run, where they differ; renewed every ten seconds and when nodes come or go.
    pub(crate) common_r: Memo<Vec<Option<String>>>,
    scope: Memo<Vec<usize>>,
    router: Router,
}

impl Grid {
    /// The view of this page.
    pub(crate) fn new() -> Self {
        let (deployment, router) = (use_deployment(), use_router());
        let view = router.select(|place| match &place.route {
            Route::Grid(view) => view.clone(),
            _ => GridView::default(),
        });
        let scope = router.select(move |place| {
            let all = || (0..deployment.groups.len()).collect();
            place.group.as_deref().map_or_else(all, |name| {
                match deployment
                    .groups
                    .iter()
                    .position(|group| group.name == name)
                {
                    Some(index) => vec![index],
                    None => all(),
                }
            })
        });
        let history = history(deployment);
        let common_r = Memo::new(move |_| {
            history.track();
            let of_group = |group: &'static Group| {
                let rows = group.nodes.rows();
                let nodes: Vec<Arc<Node>> =
                    rows.iter().map(|row| row.item.get_untracked()).collect();
                common_r(nodes.iter().map(|node| r_version(node)))
            };
            deployment.groups.iter().map(of_group).collect()
        });
        Self {
            deployment,
            view,
            lines: lines(deployment, view, scope),
            common_r,
            scope,
            router,
        }
    }

    /// The groups shown. Tracks.
    pub(crate) fn groups(self) -> Vec<&'static Group> {
        self.scope
            .get()
            .into_iter()
            .map(|index| &self.deployment.groups[index])
            .collect()
    }

    /// Indices of the groups shown. Tracks.
    pub(crate) fn scope(self) -> Vec<usize> {
        self.scope.get()
    }

    /// Changes the view, as a new entry of the history.
    pub(crate) fn go(self, change: impl FnOnce(&mut GridView)) {
        // An answer may come after the page was left: then there is nothing to change.
        let Some(mut view) = self.view.try_get_untracked() else {
            return;
        };
        change(&mut view);
        self.router.go(Route::Grid(view));
    }

    /// Changes the view in place of the present entry.
    pub(crate) fn replace(self, change: impl FnOnce(&mut GridView)) {
        let Some(mut view) = self.view.try_get_untracked() else {
            return;
        };
        change(&mut view);
        self.router.replace(Route::Grid(view));
    }

    /// Opens a node's details.
    pub(crate) fn open(self, group: usize, node: &str) {
        let key = self.key(group, node);
        self.go(|view| {
            view.node = Some(key);
            view.slot = None;
            view.panel = None;
        });
    }

    /// What the address calls a node: its name, with the group in front where another group has one of that name.
    pub(crate) fn key(self, group: usize, node: &str) -> String {
        let elsewhere = self
            .deployment
            .groups
            .iter()
            .enumerate()
            .any(|(index, other)| index != group && other.nodes.find(node).is_some());
        if elsewhere {
            [self.deployment.groups[group].name.as_str(), node].join("/")
        } else {
            node.to_owned()
        }
    }

    /// An address in this page with that node's details open, for an `href`. Tracks.
    pub(crate) fn href(self, group: usize, node: &str) -> String {
        let key = self.key(group, node);
        self.router.href(super::node_href(&self.view.get(), key))
    }

    /// The chosen node, as the address names it: the group's index, if it is known, and the name. Tracks.
    pub(crate) fn chosen_name(self) -> Option<(Option<usize>, String)> {
        let key = self.view.with(|view| view.node.clone())?;
        Some(self.named(&key))
    }

    /// What an address calls by that key. Tracks which nodes there are.
    fn named(self, key: &str) -> (Option<usize>, String) {
        if let Some((group, name)) = key.split_once('/') {
            let place = self
                .deployment
                .groups
                .iter()
                .position(|other| other.name == group);
            return (place, name.to_owned());
        }
        let home = self.deployment.groups.iter().position(|group| {
            let _ = group.nodes.rows();
            group.nodes.find(key).is_some()
        });
        (home, key.to_owned())
    }

    /// A node by its key, as it is now. Tracks it.
    pub(crate) fn find(self, key: &str) -> Option<(usize, Arc<Node>)> {
        let (group, name) = self.named(key);
        let group = group?;
        let node = self.deployment.groups[group].nodes.get(&name)?;
        Some((group, node))
    }

    /// The chosen slot, from 1. Tracks it.
    pub(crate) fn slot(self) -> Option<usize> {
        let number = self.view.with(|view| view.slot.clone())?;
        number.parse().ok().filter(|number| *number > 0)
    }

    /// The chosen node as it is now. Tracks the choice and the node.
    pub(crate) fn chosen(self) -> Option<(usize, Arc<Node>)> {
        let (group, name) = self.chosen_name()?;
        let group = group?;
        self.deployment.groups[group]
            .nodes
            .get(&name)
            .map(|node| (group, node))
    }

    /// The chosen node as it is now. Tracks nothing.
    pub(crate) fn chosen_untracked(self) -> Option<(usize, Arc<Node>)> {
        untrack(|| self.chosen())
    }

    /// Whether that line is the chosen node. Tracks the choice.
    pub(crate) fn is_chosen(self, group: usize, node: &str) -> bool {
        self.view.with(|view| {
            match view.node.as_deref().map(|key| {
                key.split_once('/')
                    .map_or((None, key), |(group, name)| (Some(group), name))
            }) {
                Some((None, name)) => name == node,
                Some((Some(of), name)) => name == node && self.deployment.groups[group].name == of,
                None => false,
            }
        })
    }
}

/// The nodes of a group in the order asked for: all of them, filtered or not.
struct Sorted {
    group: usize,
    rows: Arc<Vec<Entry<Node>>>,
    /// Where each node stands in `rows`.
    places: Vec<usize>,
}

impl PartialEq for Sorted {
    fn eq(&self, other: &Self) -> bool {
        self.group == other.group
            && Arc::ptr_eq(&self.rows, &other.rows)
            && self.places == other.places
    }
}

/// Which nodes of a group the filter leaves, as it was last looked at.
#[derive(Default)]
struct Left {
    rows: Arc<Vec<Entry<Node>>>,
    /// That of the group's nodes at that time.
    revision: u64,
    /// In the order of `rows`.
    left: Vec<bool>,
}

impl Left {
    /// Looks again, at no more than these that changed since the last time, if that is known and the rows are the same. Gives whether a node is left now that was not, or the other way round.
    fn look(
        &mut self,
        rows: &Arc<Vec<Entry<Node>>>,
        changed: Option<Vec<Arc<str>>>,
        leaves: &dyn Fn(&Node) -> bool,
    ) -> bool {
        let entry_leaves = |entry: &Entry<Node>| entry.item.with_untracked(|node| leaves(node));
        match changed {
            Some(keys) if Arc::ptr_eq(&self.rows, rows) => {
                let mut turned = false;
                for key in keys {
                    let place = rows.binary_search_by(|entry| natural(&entry.key, &key));
                    if let Ok(place) = place {
                        let now = entry_leaves(&rows[place]);
                        turned |= std::mem::replace(&mut self.left[place], now) != now;
                    }
                }
                turned
            }
            _ => {
                self.rows = Arc::clone(rows);
                self.left = rows.iter().map(entry_leaves).collect();
                true
            }
        }
    }
}

/// What the lines were made of.
#[derive(Default)]
struct Made {
    filter: Filter,
    sorted: Arc<Vec<Sorted>>,
    left: Vec<Left>,
    lines: Arc<Vec<Line>>,
}

/// Sorted when someone asks for it or a node comes or goes, and filtered by what is now: data that flows in moves no line.
fn lines(
    deployment: &'static Deployment,
    view: Memo<GridView>,
    scope: Memo<Vec<usize>>,
) -> Memo<Arc<Vec<Line>>> {
    let sort = Memo::new(move |_| view.with(|view| Sort::parse(view.sort.as_deref())));
    let filter =
        Memo::new(move |_| view.with(|view| Filter::new(view.q.as_deref(), view.state.as_deref())));
    let sorted = Memo::new(move |_| {
        let sort = sort.get();
        let of_group = |group: usize| {
            let rows = deployment.groups[group].nodes.rows();
            let mut places: Vec<usize> = (0..rows.len()).collect();
            if sort != Sort::default() {
                // As they are at this moment: a node that changes while they are sorted would be in two places.
                let nodes: Vec<Arc<Node>> =
                    rows.iter().map(|row| row.item.get_untracked()).collect();
                crate::ui::order::sort(&mut places, |a, b| sort.compare(&nodes[*a], &nodes[*b]));
            }
            Sorted {
                group,
                rows,
                places,
            }
        };
        Arc::new(scope.get().into_iter().map(of_group).collect::<Vec<_>>())
    });
    let made = Mutex::new(Made::default());
    Memo::new(move |_| {
        let (filter, sorted) = (filter.get(), sorted.get());
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        let made = &mut *made;
        let anew = made.filter != filter;
        let mut turned = anew || !Arc::ptr_eq(&made.sorted, &sorted);
        made.left.resize_with(sorted.len(), Left::default);
        if !filter.is_empty() {
            let wall = clock::wall();
            let leaves = |node: &Node| filter.leaves(node, wall);
            for (of, left) in sorted.iter().zip(&mut made.left) {
                let nodes = &deployment.groups[of.group].nodes;
                nodes.track_all();
                let changed = nodes.changed_since(left.revision).filter(|_| !anew);
                left.revision = nodes.revision();
                turned |= left.look(&of.rows, changed, &leaves);
            }
        }
        if turned {
            made.lines = Arc::new(filtered(&sorted, &made.left, !filter.is_empty()));
        }
        (made.filter, made.sorted) = (filter, sorted);
        Arc::clone(&made.lines)
    })
}

/// The lines of what is left; of everything when nothing is filtered. A group of which nothing is left has no head then.
fn filtered(sorted: &[Sorted], left: &[Left], filters: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for (of, left) in sorted.iter().zip(left) {
        let head = lines.len();
        lines.push(Line::Head(of.group));
        for place in &of.places {
            if !filters || left.left[*place] {
                lines.push(Line::Node(of.group, Arc::clone(&of.rows[*place].key)));
            }
        }
        if lines.len() == head + 1 && filters {
            lines.pop();
        }
    }
    lines
}

/// j, k and the arrows move through the table, Esc closes the details. Not while something is typed, or an overlay is open.
pub(crate) fn on_key(grid: Grid, event: &web_sys::KeyboardEvent) {
    if event.default_prevented() || event.ctrl_key() || event.meta_key() || event.alt_key() {
        return;
    }
    let target = event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    if target.is_some_and(|target| {
        target
            .closest("input, textarea, select, [role=dialog], [role=grid]")
            .ok()
            .flatten()
            .is_some()
    }) {
        return;
    }
    let step: isize = match event.key().as_str() {
        "ArrowDown" => 1,
        "ArrowUp" => -1,
        "j" if singles() => 1,
        "k" if singles() => -1,
        "Escape" => {
            if grid.view.with_untracked(|view| view.node.is_some()) {
                grid.go(|view| {
                    view.node = None;
                    view.slot = None;
                });
            }
            return;
        }
        _ => return,
    };
    let lines = grid.lines.get_untracked();
    let nodes: Vec<(usize, &Arc<str>)> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Node(group, name) => Some((*group, name)),
            Line::Head(_) => None,
        })
        .collect();
    let at = untrack(|| {
        nodes
            .iter()
            .position(|(group, name)| grid.is_chosen(*group, name))
    });
    let next = match at {
        Some(at) => at
            .saturating_add_signed(step)
            .min(nodes.len().saturating_sub(1)),
        None => 0,
    };
    if let Some((group, name)) = nodes.get(next) {
        event.prevent_default();
        let key = grid.key(*group, name);
        grid.replace(|view| {
            view.node = Some(key);
            view.slot = None;
        });
        table_row(name);
    }
}

/// Brings a line into view.
fn table_row(name: &str) {
    let rows = document().query_selector_all("[data-node]").ok();
    let found = rows
        .into_iter()
        .flat_map(|rows| (0..rows.length()).filter_map(move |index| rows.get(index)))
        .filter_map(|row| row.dyn_into::<web_sys::Element>().ok())
        .find(|row| row.get_attribute("data-node").as_deref() == Some(name));
    if let Some(row) = found {
        let options = web_sys::ScrollIntoViewOptions::new();
        options.set_block(web_sys::ScrollLogicalPosition::Nearest);
        row.scroll_into_view_with_scroll_into_view_options(&options);
    }
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
