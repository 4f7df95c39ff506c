//! What of the grid is chosen: it is all in the address. And the keys that move it.

use std::sync::Arc;

use crate::reactive::Memo;
use gridhelm_api::node::Node;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::history::history;
use super::order::{Filter, Sort, common_r, r_version};
use crate::app::keys::singles;
use crate::app::route::GridView;
use crate::app::{Route, Router, use_router};
use crate::deployment::{Deployment, Group, use_deployment};
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
    pub(crate) const fn height(&self) -> u32 {
        match self {
            Self::Head(_) => 23,
            Self::Node(..) => 29,
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
        if let Some((group, name)) = key.split_once('/') {
            return Some((
                self.deployment
                    .groups
                    .iter()
                    .position(|other| other.name == group),
                name.to_owned(),
            ));
        }
        let home = self.deployment.groups.iter().position(|group| {
            let _ = group.nodes.rows();
            group.nodes.find(&key).is_some()
        });
        Some((home, key))
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
        let of_group = |index: usize| {
            let rows = deployment.groups[index].nodes.rows();
            let mut nodes: Vec<(Arc<str>, Arc<Node>)> = rows
                .iter()
                .map(|row| (Arc::clone(&row.key), row.item.get_untracked()))
                .collect();
            if sort != Sort::default() {
                crate::ui::order::sort(&mut nodes, |a, b| sort.compare(&a.1, &b.1));
            }
            (
                index,
                nodes.into_iter().map(|(key, _)| key).collect::<Vec<_>>(),
            )
        };
        Arc::new(scope.get().into_iter().map(of_group).collect::<Vec<_>>())
    });
    Memo::new(move |_| {
        let filter = filter.get();
        let wall = clock::wall();
        let mut lines = Vec::new();
        for (group, names) in sorted.get().iter() {
            let nodes = &deployment.groups[*group].nodes;
            if !filter.is_empty() {
                nodes.track_all();
            }
            let head = lines.len();
            lines.push(Line::Head(*group));
            for name in names {
                let leaves = filter.is_empty()
                    || nodes
                        .find(name)
                        .is_some_and(|node| node.with_untracked(|node| filter.leaves(node, wall)));
                if leaves {
                    lines.push(Line::Node(*group, Arc::clone(name)));
                }
            }
            if lines.len() == head + 1 && !filter.is_empty() {
                lines.pop();
            }
        }
        Arc::new(lines)
    })
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
