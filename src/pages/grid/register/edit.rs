//! Editing a node: written only if nobody else changed it since the form was opened; otherwise both sides are shown.

use std::sync::Arc;

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::Code;
use gridhelm_api::account::Role;
use gridhelm_api::node::{Node, NodePatch};
use gridhelm_client::Error;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::fields::{Sheet, fields, runs};
use super::form::{Form, mend};
use super::merge::{Change, changes};
use super::{nodes_of, result};
use crate::deployment::{Group, trouble};
use crate::pages::grid::select::Grid;
use crate::ui::{Button, Confirm, Drawer, ErrorBox, Glyph, Weight, glyph, next_id, use_toasts};

/// The drawer that edits the chosen node.
pub(crate) fn edit_drawer(grid: Grid, index: usize, node: Arc<Node>) -> AnyView {
    let target: &'static Group = &grid.deployment.groups[index];
    let name = node.name.clone();
    // What the form is measured against: renewed when someone takes the other's changes over.
    let base = RwSignal::new(node);
    let form = RwSignal::new(base.with_untracked(|node| Form::of_node(node)));
    let sheet = Sheet::new(grid, RwSignal::new(index), form, false);
    let saving = RwSignal::new(None::<String>);
    let failed = RwSignal::new(None::<Error>);
    let theirs = RwSignal::new(None::<Arc<Node>>);
    sheet.refused(failed);
    let toasts = use_toasts();
    let close = Callback::new(move |()| grid.go(|view| view.panel = None));
    let patch = move || base.with(|node| form.with(|form| form.patch(node)));

    let off = Signal::derive({
        let name = name.clone();
        move || {
            let mut nodes = nodes_of(target);
            nodes.retain(|node| node.name != name);
            target
                .write_off(Role::Operator)
                .or_else(|| {
                    mend(&form.with(|form| form.wrong(&target.name, &nodes)))
                        .map(|why| why.replace("to register", "to save"))
                })
                .or_else(|| {
                    (patch() == NodePatch::default()).then(|| "Nothing is changed yet.".to_owned())
                })
                .or_else(|| {
                    theirs
                        .with(Option::is_some)
                        .then(|| "Decide about the other change first.".to_owned())
                })
        }
    });
    // What the server would not do without being told twice.
    let guarded = RwSignal::new(None::<Vec<String>>);
    let save = Callback::new({
        let name = name.clone();
        move |override_guard: bool| {
            let name = name.clone();
            let version = base.with_untracked(|node| node.version);
            let patch = NodePatch {
                override_guard,
                ..untrack(patch)
            };
            saving.set(Some("Saving…".to_owned()));
            failed.set(None);
            spawn_local(async move {
                let mut still = None;
                match target
                    .act(|client| {
                        let (name, patch) = (name.clone(), patch.clone());
                        async move { client.patch_node(&name, version, &patch).await }
                    })
                    .await
                {
                    Ok(node) => {
                        toasts.good(
                            format!("{} saved", node.name),
                            format!("It is at version {} now.", node.version),
                        );
                        grid.go(|view| view.panel = None);
                    }
                    Err(error) if error.code() == Some(Code::VersionMismatch) => {
                        let _ = theirs.try_set(Some(current(target, &name, &error)));
                    }
                    Err(Error::Problem(problem)) if problem.code == Code::GuardRail => {
                        still = Some(problem.errors.into_iter().map(|e| e.message).collect());
                    }
                    Err(error) => {
                        let _ = failed.try_set(Some(error));
                    }
                }
                let _ = guarded.try_set(still);
                let _ = saving.try_set(None);
            });
        }
    });
    let take_theirs = Callback::new(move |()| {
        if let Some(now) = theirs.get_untracked() {
            form.set(Form::of_node(&now));
            base.set(now);
            theirs.set(None);
        }
    });
    let keep_mine = Callback::new(move |()| {
        if let Some(now) = theirs.get_untracked() {
            // What this form changes is put onto the present node; what it leaves alone stays as the other one made it.
            let mine = untrack(patch);
            form.set(Form::of_node(&patched(&now, &mine)));
            base.set(now);
            theirs.set(None);
        }
    });
    let why_id = next_id("why");
    let footer = {
        let why_id = why_id.clone();
        move || {
            let id = why_id.clone();
            view! {
                <span class="why-not grow" id=id.clone() aria-live="polite">{move || off.get()}</span>
                <Button on_click=close>"Cancel"</Button>
                <Button weight=Weight::Primary off=off reason_at=id busy=saving on_click=Callback::new(move |()| save.run(false))>"Save"</Button>
            }
        }
    };
    let conflict = move || {
        theirs.get().map(|now| {
            both(
                &base.get_untracked(),
                &now,
                &untrack(patch),
                take_theirs,
                keep_mine,
            )
        })
    };
    let asked = {
        let name = name.clone();
        move || {
            let go = Callback::new(move |_: String| save.run(true));
            let stay = Callback::new(move |()| guarded.set(None));
            guarded
                .get()
                .map(|left| all_the_same(&name, left, saving, go, stay))
        }
    };
    view! {
        <Drawer title=format!("Edit {name}") text=format!("Changes take effect in {} as soon as they are saved; running tasks end first.", target.name) on_close=close footer=footer>
            {conflict}
            {runs(sheet)}
            {fields(sheet)}
            {result::result(sheet)}
            {move || failed.with(|failed| failed.as_ref().map(|error| view! { <ErrorBox trouble=trouble("The node was not saved", error)/> }))}
            {asked}
        </Drawer>
    }
    .into_any()
}

/// Asks whether it shall be saved although it leaves too little of the grid.
fn all_the_same(
    name: &str,
    left: Vec<String>,
    saving: RwSignal<Option<String>>,
    go: Callback<String>,
    stay: Callback<()>,
) -> AnyView {
    let lines = left.into_iter().map(|text| view! { <li>{text}</li> });
    let changed = format!("With {name} changed so:");
    view! {
        <Confirm title=format!("Save {name} all the same?") verb="Save all the same" keep="Leave it as it is" danger=true typed=name.to_owned() busy=saving on_confirm=go on_close=stay>
            <p>{changed}</p>
            <ul>{lines.collect_view()}</ul>
        </Confirm>
    }
    .into_any()
}

/// The node as the server says it is now; what the console has seen of it, where the answer does not tell.
fn current(group: &'static Group, name: &str, error: &Error) -> Arc<Node> {
    let told = error
        .problem()
        .and_then(|problem| problem.current.clone())
        .and_then(|current| gridhelm_client::from_value(current).ok());
    let seen = || untrack(|| group.nodes.get(name));
    told.map(Arc::new)
        .or_else(seen)
        .unwrap_or_else(|| Arc::new(empty(name)))
}

/// Never shown but when a node was removed while it was edited: the next save says so.
fn empty(name: &str) -> Node {
    let text = r#"{"name":"","host":"","port":1,"slot_limit":1,"operating_type":"mixed","intent":"enabled","intent_since":0,"version":0,"created_at":0}"#;
    let node: Node = gridhelm_client::read(text)
        .unwrap_or_else(|_| unreachable!("all fields that a node must have are here"));
    Node {
        name: name.to_owned(),
        ..node
    }
}

/// A node with a patch put onto it.
fn patched(node: &Node, patch: &NodePatch) -> Node {
    let mut node = node.clone();
    if let Some(host) = &patch.host {
        node.host.clone_from(host);
    }
    if let Some(port) = patch.port {
        node.port = port;
    }
    if let Some(slots) = patch.slot_limit {
        node.slot_limit = slots;
    }
    if let Some(runs) = patch.operating_type {
        node.operating_type = runs;
    }
    if let Some(labels) = &patch.labels {
        node.labels.clone_from(labels);
    }
    if patch.user.is_some() {
        node.user.clone_from(&patch.user);
    }
    node
}

fn both(
    seen: &Node,
    now: &Node,
    patch: &NodePatch,
    take: Callback<()>,
    keep: Callback<()>,
) -> AnyView {
    let list = changes(seen, now, patch);
    let row = |change: &Change| {
        let yours = change
            .yours
            .clone()
            .map(|yours| view! { <span class="t-zombie">"you: "{yours}</span> });
        view! { <li>{glyph(if change.yours.is_some() { Glyph::Conflict } else { Glyph::Newer })}<b>{change.field}</b>" "<span class="ink2">{change.before.clone()}</span>" → "{change.now.clone()}" "{yours}</li> }.into_any()
    };
    let rows = if list.is_empty() {
        view! { <p class="ink2">"No field of this form: only its intent or version."</p> }
            .into_any()
    } else {
        view! { <ul class="merge">{list.iter().map(row).collect_view()}</ul> }.into_any()
    };
    view! {
        <section class="trouble trouble--warn" role="alert">
            {glyph(Glyph::Warn)}
            <div>
                <b>{format!("Someone else saved {} while you edited it", now.name)}</b>
                <p>{format!("It is at version {} now; your form began at version {}. Nothing of yours is written yet.", now.version, seen.version)}</p>
                {rows}
                <div class="trouble-acts"><Button small=true on_click=keep>"Keep my changes on top"</Button><Button small=true on_click=take>"Take theirs"</Button></div>
            </div>
        </section>
    }
    .into_any()
}
