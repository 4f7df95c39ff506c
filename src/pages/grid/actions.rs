//! What can be done with a node. Nothing is hidden: what is off says why.

use std::sync::Arc;

use crate::reactive::{Callback, Memo, RwSignal, Signal};
use crate::ui::{Show, view};
use gridhelm_api::Code;
use gridhelm_api::account::Role;
use gridhelm_api::node::{Intent, Node};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::select::Grid;
use super::wish::Wish;
use crate::deployment::{Group, trouble};
use crate::ui::format::counted;
use crate::ui::{Button, Confirm, ErrorBox, Glyph, Trouble, Weight, next_id, use_toasts};

/// Done, being done, failed.
#[derive(Clone, Copy)]
struct Work {
    busy: RwSignal<Option<String>>,
    failed: RwSignal<Option<Trouble>>,
}

/// The section at the end of the details.
pub(crate) fn actions(grid: Grid, group: &'static Group, node: Signal<Arc<Node>>) -> AnyView {
    let work = Work {
        busy: RwSignal::new(None),
        failed: RwSignal::new(None),
    };
    let off = Signal::derive(move || group.write_off(Role::Operator));
    let edit = Callback::new(move |()| grid.go(|view| view.panel = Some("edit".to_owned())));
    let compare = Callback::new(move |()| grid.go(|view| view.panel = Some("compare".to_owned())));
    let end_all = Callback::new(move |()| grid.go(|view| view.panel = Some("end-all".to_owned())));
    let clone = Callback::new(move |()| grid.go(|view| view.panel = Some("list".to_owned())));
    let failed = move || {
        work.failed
            .get()
            .map(|trouble| view! { <ErrorBox trouble=trouble/> })
    };
    view! {
        <section>
            <h3>"Actions"</h3>
            {failed}
            {probe(group, node, off)}
            {intent(group, node, work, off)}
            <div class="act"><span class="l">"Side by side with another"</span><Button small=true on_click=compare>"Compare…"</Button></div>
            <div class="act"><span class="l">"All R sessions on it"</span><Button weight=Weight::Danger small=true off=off on_click=end_all>"End sessions…"</Button></div>
            <div class="act"><span class="l">"Another one like it"</span><Button small=true off=off on_click=clone>"Clone…"</Button></div>
            <div class="act"><span class="l">"Address, slots, labels"</span><Button small=true off=off on_click=edit>"Edit"</Button></div>
            {remove(grid, group, node, work, off)}
        </section>
    }
    .into_any()
}

fn probe(group: &'static Group, node: Signal<Arc<Node>>, off: Signal<Option<String>>) -> AnyView {
    let busy = RwSignal::new(None::<String>);
    let toasts = use_toasts();
    let check = Callback::new(move |()| {
        let name = node.with_untracked(|node| node.name.clone());
        busy.set(Some("Checking…".to_owned()));
        spawn_local(async move {
            let answer = group
                .act(|client| {
                    let name = name.clone();
                    async move { client.probe_node(&name).await }
                })
                .await;
            match answer {
                Ok(seen) if seen.failures == 0 && seen.health_reason.is_none() => toasts.good(
                    format!("{name} answers"),
                    seen.heartbeat_ms
                        .map(|millis| format!("In {}.", crate::ui::format::duration(millis)))
                        .unwrap_or_default(),
                ),
                Ok(seen) => toasts.tell(
                    Glyph::Warn,
                    format!("{name} does not answer as it should"),
                    seen.health_reason.unwrap_or_default(),
                ),
                Err(error) => toasts.trouble(&trouble(&format!("Could not check {name}"), &error)),
            }
            let _ = busy.try_set(None);
        });
    });
    view! { <div class="act"><span class="l">"Look at it now"</span><Button small=true off=off busy=busy on_click=check>"Run check"</Button></div> }.into_any()
}

/// Enable, drain, disable: each with a reason that everyone sees, and for a time if one likes.
fn intent(
    group: &'static Group,
    node: Signal<Arc<Node>>,
    work: Work,
    off: Signal<Option<String>>,
) -> AnyView {
    let wish = Wish::new();
    // What the server would not do without being told twice.
    let guarded = RwSignal::new(None::<(Intent, Vec<String>)>);
    let wanted = Memo::new(move |_| node.with(|node| node.intent));
    let drains = Memo::new(move |_| wanted.get() == Intent::Draining);
    let why_id = next_id("why");
    let reason_off = Signal::derive(move || off.get().or_else(|| wish.fault(Intent::Draining)));
    let enable_off = Signal::derive(move || off.get().or_else(|| wish.fault(Intent::Enabled)));
    let toasts = use_toasts();
    let send = move |to: Intent, over: bool| {
        let (name, version) = node.with_untracked(|node| (node.name.clone(), node.version));
        let change = wish.change(to, over);
        let (_, doing, done) = words(to);
        work.busy.set(Some(doing.to_owned()));
        work.failed.set(None);
        spawn_local(async move {
            let answer = group
                .act(|client| {
                    let (name, change) = (name.clone(), change.clone());
                    async move { client.set_intent(&name, version, &change).await }
                })
                .await;
            let mut still = None;
            match answer {
                Ok(_) => {
                    toasts.good(format!("{name} {done}"), change.reason.clone());
                    wish.clear();
                }
                Err(gridhelm_client::Error::Problem(problem))
                    if problem.code == Code::GuardRail =>
                {
                    let left = problem.errors.into_iter().map(|e| e.message).collect();
                    still = Some((to, left));
                }
                Err(error) => {
                    let mut told = trouble(&format!("Could not set the intent of {name}"), &error);
                    if error.code() == Some(Code::VersionMismatch) {
                        "Someone changed the node meanwhile. What you see now is the present state.".clone_into(&mut told.detail);
                    }
                    let _ = work.failed.try_set(Some(told));
                }
            }
            let _ = guarded.try_set(still);
            let _ = work.busy.try_set(None);
        });
    };
    let set = move |to: Intent| Callback::new(move |()| send(to, false));
    let id = why_id.clone();
    let button = move |to: Intent, shown: Memo<bool>, off: Signal<Option<String>>| {
        let (verb, ..) = words(to);
        let id = why_id.clone();
        let verb = move || match (to, drains.get()) {
            (Intent::Draining, true) => "Change the drain",
            _ => verb,
        };
        view! { <Show when=move || shown.get()><Button small=true off=off reason_at=id.clone() busy=work.busy on_click=set(to)>{verb}</Button></Show> }.into_any()
    };
    let always = Memo::new(|_| true);
    let other = move |to: Intent| Memo::new(move |_| wanted.get() != to);
    let what = move || match wanted.get() {
        Intent::Enabled => {
            "Drain: ends what runs, takes nothing new. Disable: out at once, a running task ends first; with an end it is maintenance."
        }
        Intent::Draining => "It ends what runs and takes nothing new. Enable stops the drain.",
        Intent::Disabled => "It is out on purpose.",
    };
    let told = move || reason_off.get().unwrap_or_else(|| what().to_owned());
    view! {
        <div class="act act--intent">
            <input class="input" aria-label="Reason, shown to all" placeholder="Reason, shown to all" maxlength="500" prop:value=move || wish.reason.get() on:input=move |event| wish.reason.set(event_target_value(&event))/>
            <span class="acts">{button(Intent::Enabled, other(Intent::Enabled), enable_off)}{button(Intent::Draining, always, reason_off)}{button(Intent::Disabled, other(Intent::Disabled), reason_off)}</span>
            <span class="why-not" id=id>{told}</span>
            <div class="wish">{wish.fields()}</div>
        </div>
        {move || guarded.get().map(|(to, left)| all_the_same(node, to, &left, guarded, work, Callback::new(move |()| send(to, true))))}
    }
    .into_any()
}

/// Asks whether something shall be done although it leaves too little of the grid.
fn all_the_same(
    node: Signal<Arc<Node>>,
    to: Intent,
    left: &[String],
    guarded: RwSignal<Option<(Intent, Vec<String>)>>,
    work: Work,
    go: Callback<()>,
) -> AnyView {
    let name = node.with_untracked(|node| node.name.clone());
    let (verb, ..) = words(to);
    let line = |text: &String| view! { <li>{text.clone()}</li> };
    let lines = left.iter().map(line).collect_view();
    let without = format!("Without {name}:");
    view! {
        <Confirm title=format!("{verb} {name} all the same?") verb=format!("{verb} all the same") keep="Leave it as it is" danger=true typed=name.clone() busy=work.busy on_confirm=Callback::new(move |_: String| go.run(())) on_close=Callback::new(move |()| guarded.set(None))>
            <p>{without}</p>
            <ul>{lines}</ul>
        </Confirm>
    }
    .into_any()
}

/// The verb, the verb in progress, and what is said when it is done.
pub(super) const fn words(intent: Intent) -> (&'static str, &'static str, &'static str) {
    match intent {
        Intent::Enabled => ("Enable", "Enabling…", "enabled"),
        Intent::Draining => ("Drain", "Draining…", "is draining"),
        Intent::Disabled => ("Disable", "Disabling…", "disabled"),
    }
}

/// Takes it out of the grid for good: only what is disabled already, and with its name typed out.
fn remove(
    grid: Grid,
    group: &'static Group,
    node: Signal<Arc<Node>>,
    work: Work,
    off: Signal<Option<String>>,
) -> AnyView {
    let asking = RwSignal::new(false);
    let enabled = Memo::new(move |_| node.with(|node| node.intent != Intent::Disabled));
    let remove_off = Signal::derive(move || {
        off.get().or_else(|| {
            enabled.get().then(|| {
                format!(
                    "Disable it first. {} still count in the grid of {}.",
                    node.with(|node| counted(node.slots.len(), "slot")),
                    group.name
                )
            })
        })
    });
    let toasts = use_toasts();
    let name = move || node.with(|node| node.name.clone());
    let confirmed = Callback::new(move |_: String| {
        let (name, version) = node.with_untracked(|node| (node.name.clone(), node.version));
        work.busy.set(Some("Removing…".to_owned()));
        work.failed.set(None);
        spawn_local(async move {
            match group
                .act(|client| {
                    let name = name.clone();
                    async move { client.remove_node(&name, version).await }
                })
                .await
            {
                Ok(()) => {
                    toasts.good(
                        format!("{name} removed"),
                        "Its history stays in the events.",
                    );
                    grid.go(|view| {
                        view.node = None;
                        view.slot = None;
                    });
                }
                Err(error) => {
                    let _ = work
                        .failed
                        .try_set(Some(trouble(&format!("Could not remove {name}"), &error)));
                }
            }
            let _ = asking.try_set(false);
            let _ = work.busy.try_set(None);
        });
    });
    let close = Callback::new(move |()| asking.set(false));
    let dialog = move || {
        asking.get().then(|| {
            let (name, slots) = untrack(|| node.with(|node| (node.name.clone(), node.slots.len())));
            view! {
                <Confirm title=format!("Remove {name} from {}?", group.name) verb="Remove node" keep=format!("Keep {name}") danger=true typed=name.clone() busy=work.busy on_confirm=confirmed on_close=close>
                    <p>{format!("{} leave the grid of {} for good. Rserve on the host keeps running; the node can be registered again.", counted(slots, "slot"), group.name)}</p>
                </Confirm>
            }
        })
    };
    let _ = name;
    view! {
        <div class="act"><span class="l">"Forget this node"</span><Button weight=Weight::Danger small=true off=remove_off on_click=Callback::new(move |()| asking.set(true))>"Remove"</Button></div>
        {dialog}
    }
    .into_any()
}
