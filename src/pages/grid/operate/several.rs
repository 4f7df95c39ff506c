//! One intent for several nodes: chosen, sent one after the other, with a result for each.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::reactive::{Callback, Effect, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::Code;
use gridhelm_api::account::Role;
use gridhelm_api::node::{GridLimits, Intent, Node};
use gridhelm_client::Error;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::super::actions::words;
use super::super::select::{Grid, Line};
use super::super::wish::Wish;
use crate::deployment::{Group, node_state, node_word, trouble};
use crate::ui::format::counted;
use crate::ui::{
    Button, CheckField, Choice, Drawer, Empty, ErrorBox, Glyph, Segment, Tag, TextField, Trouble,
    Weight, glyph, next_id, use_toasts,
};

/// A node: its group's index and its name.
type Key = (usize, String);

/// What became of one node.
#[derive(Clone, PartialEq)]
enum Outcome {
    Done,
    /// It would leave too little of the grid; nothing was done.
    Guarded(String),
    Failed(String),
}

/// Nodes that are drawn; the filter of the page finds the others.
const SHOWN: usize = 500;

/// The nodes that the page's filter leaves, in its order, as they are now.
fn listed(grid: Grid) -> Vec<(Key, Arc<Node>)> {
    let nodes = |line: &Line| match line {
        Line::Node(group, name) => {
            let node = grid.deployment.groups[*group].nodes.find(name)?;
            Some(((*group, name.to_string()), node.get_untracked()))
        }
        Line::Head(_) => None,
    };
    grid.lines
        .with(|lines| lines.iter().filter_map(nodes).collect())
}

/// The drawer.
pub(super) fn drawer(grid: Grid, close: Callback<()>) -> AnyView {
    // A drawer may be opened before the nodes are known.
    let there = Memo::new(move |_| {
        let nodes = listed(grid).into_iter().map(|(key, _)| key);
        nodes.collect::<BTreeSet<Key>>()
    });
    let chosen = RwSignal::new(BTreeSet::<Key>::new());
    Effect::new(move |_| {
        there.with(|there| {
            if chosen.with_untracked(|chosen| !chosen.is_subset(there)) {
                chosen.update(|chosen| chosen.retain(|key| there.contains(key)));
            }
        });
    });
    let to = RwSignal::new("drain".to_owned());
    let wish = Wish::new();
    let busy = RwSignal::new(None::<String>);
    let results = RwSignal::new(Vec::<(Key, Outcome)>::new());
    let intent = Memo::new(move |_| match to.get().as_str() {
        "enable" => Intent::Enabled,
        "disable" => Intent::Disabled,
        _ => Intent::Draining,
    });
    let toasts = use_toasts();
    let run = move |keys: Vec<Key>, over: bool| {
        let to = intent.get_untracked();
        let change = wish.change(to, over);
        busy.set(Some(words(to).1.to_owned()));
        results.set(Vec::new());
        spawn_local(async move {
            let mut done = 0;
            for key in keys {
                let outcome = one(grid, &key, &change).await;
                done += usize::from(outcome == Outcome::Done);
                let there = results.try_update(|results| results.push((key, outcome)));
                if there.is_none() {
                    // The drawer was closed: what is not begun yet is left.
                    return;
                }
            }
            toasts.good(
                format!("{} {}", counted(done, "node"), words(to).2),
                change.reason.clone(),
            );
            let _ = busy.try_set(None);
        });
    };
    let off = Signal::derive(move || {
        let groups: BTreeSet<usize> =
            chosen.with(|chosen| chosen.iter().map(|(g, _)| *g).collect());
        groups
            .into_iter()
            .find_map(|group| grid.deployment.groups[group].write_off(Role::Operator))
            .or_else(|| {
                chosen
                    .with(BTreeSet::is_empty)
                    .then(|| "Choose at least one node.".to_owned())
            })
            .or_else(|| wish.fault(intent.get()))
    });
    let go = Callback::new(move |()| run(chosen.get_untracked().into_iter().collect(), false));
    let guarded = Memo::new(move |_| {
        results.with(|results| {
            results
                .iter()
                .filter(|(_, outcome)| matches!(outcome, Outcome::Guarded(_)))
                .map(|(key, _)| key.clone())
                .collect::<Vec<_>>()
        })
    });
    let over = Callback::new(move |()| run(guarded.get_untracked(), true));
    let why = next_id("why");
    let footer = move || {
        let why = why.clone();
        let verb = move || {
            let nodes = counted(chosen.with(BTreeSet::len), "node");
            format!("{} {nodes}", words(intent.get()).0)
        };
        view! {
            <span class="why-not grow" id=why.clone() aria-live="polite">{move || off.get()}</span>
            <Button on_click=close>"Close"</Button>
            <Button weight=Weight::Primary off=off reason_at=why busy=busy on_click=go>{verb}</Button>
        }
    };
    let pick = Callback::new(move |word: String| to.set(word));
    let choices = vec![
        Choice::new("enable", "Enable"),
        Choice::new("drain", "Drain"),
        Choice::new("disable", "Disable"),
    ];
    let times = move || (intent.get() != Intent::Enabled).then(|| wish.fields());
    let as_list = Callback::new(move |()| grid.go(|view| view.panel = Some("list".to_owned())));
    let all_the_same = move || {
        let n = guarded.with(Vec::len);
        (n > 0 && busy.with(Option::is_none)).then(|| {
            let text = format!("Do {} all the same", counted(n, "guarded node"));
            view! { <Button weight=Weight::Danger on_click=over>{text}</Button> }
        })
    };
    view! {
        <Drawer title="Several nodes" text="Those that the page's filter leaves. Each is changed on its own and has a result of its own." on_close=close footer=footer>
            {move || chooser(grid, there.get(), chosen)}
            <div class="field"><span class="lab">"What"</span><Segment label="What to do" choices=choices value=Signal::derive(move || to.get()) on_pick=pick/></div>
            {times}
            <TextField label="Reason, shown to all" value=wish.reason limit=500/>
            {outcomes(results)}
            {all_the_same}
            {move || grid.groups().into_iter().map(limit).collect_view()}
            <p><Button small=true on_click=as_list>"Export and import the grid as a list…"</Button></p>
        </Drawer>
    }
    .into_any()
}

/// Changes one node.
async fn one(grid: Grid, key: &Key, change: &gridhelm_api::node::IntentChange) -> Outcome {
    let (index, name) = key;
    let group: &'static Group = &grid.deployment.groups[*index];
    // Its version as it is now: the one before may have changed what is shown.
    let Some(version) = group
        .nodes
        .find(name)
        .map(|node| node.get_untracked().version)
    else {
        return Outcome::Failed("It is not registered any more.".to_owned());
    };
    let answer = group
        .act(|client| {
            let (name, change) = (name.clone(), change.clone());
            async move { client.set_intent(&name, version, &change).await }
        })
        .await;
    match answer {
        Ok(_) => Outcome::Done,
        Err(Error::Problem(problem)) if problem.code == Code::GuardRail => {
            let left: Vec<String> = problem.errors.into_iter().map(|e| e.message).collect();
            Outcome::Guarded(left.join(" "))
        }
        Err(error) => Outcome::Failed(trouble("It was not changed", &error).detail),
    }
}

/// The boxes of these nodes. It is made anew when a node comes or goes, not when one changes: nothing moves under a hand.
fn chooser(grid: Grid, keys: BTreeSet<Key>, chosen: RwSignal<BTreeSet<Key>>) -> AnyView {
    let nodes = untrack(|| listed(grid));
    let total = keys.len();
    if total == 0 {
        return view! { <Empty title="No node" text="The page's filter leaves none. Clear it, or register one."/> }
            .into_any();
    }
    let all = Signal::derive(move || chosen.with(|chosen| chosen.len() == total));
    let pick_all = Callback::new(move |on: bool| {
        chosen.set(if on { keys.clone() } else { BTreeSet::new() });
    });
    let row = move |(key, node): (Key, Arc<Node>)| {
        let own = key.clone();
        let on = Signal::derive(move || chosen.with(|chosen| chosen.contains(&own)));
        let change = Callback::new(move |on: bool| {
            chosen.update(|chosen| {
                if on {
                    chosen.insert(key.clone());
                } else {
                    chosen.remove(&key);
                }
            });
        });
        let text = format!(
            "{}, {}",
            node_word(&node),
            counted(node.slots.len(), "slot")
        );
        let state = node_state(&node);
        view! { <li>{glyph(state)}<CheckField label=node.name.clone() text=text on=on on_change=change/></li> }
            .into_any()
    };
    let more = (total > SHOWN).then(|| {
        let text =
            format!("{SHOWN} of {total} are listed; all of them are chosen by the first box.");
        view! { <p class="ink2">{text}</p> }
    });
    let label = format!("All {total} that are listed");
    view! {
        <fieldset class="bare">
            <legend class="lab">"Nodes"</legend>
            <CheckField label=label on=all on_change=pick_all/>
            <div class="scroll several" tabindex="0" role="region" aria-label="Nodes to choose">
                <ul class="several-list">{nodes.into_iter().take(SHOWN).map(row).collect_view()}</ul>
            </div>
            {more}
        </fieldset>
    }
    .into_any()
}

fn outcomes(results: RwSignal<Vec<(Key, Outcome)>>) -> AnyView {
    let line = |(key, outcome): &(Key, Outcome)| {
        let (state, word, text) = match outcome {
            Outcome::Done => (Glyph::Pass, "done", String::new()),
            Outcome::Guarded(why) => (Glyph::Warn, "guarded", why.clone()),
            Outcome::Failed(why) => (Glyph::Fail, "not done", why.clone()),
        };
        view! { <li><b class="strong">{key.1.clone()}</b>" "<Tag state=state shape=true>{word}</Tag>" "<span class="ink2">{text}</span></li> }
            .into_any()
    };
    let view = move || {
        results.with(|results| {
            (!results.is_empty())
                .then(|| view! { <ul class="several-list" aria-label="Results">{results.iter().map(line).collect_view()}</ul> })
        })
    };
    view! { <div aria-live="polite">{view}</div> }.into_any()
}

/// How many slots of a group must stay usable.
fn limit(group: &'static Group) -> AnyView {
    let known = RwSignal::new(None::<GridLimits>);
    let least = RwSignal::new(String::new());
    let busy = RwSignal::new(None::<String>);
    let fault = RwSignal::new(None::<Trouble>);
    let take = move |found: Result<GridLimits, Error>| {
        match found {
            Ok(limits) => {
                let _ = least.try_set(limits.least_slots.to_string());
                let _ = known.try_set(Some(limits));
                let _ = fault.try_set(None);
            }
            Err(error) => {
                let title = format!("The limit of {} could not be read or set", group.name);
                let _ = fault.try_set(Some(trouble(&title, &error)));
            }
        }
        let _ = busy.try_set(None);
    };
    Effect::new(move |_| {
        spawn_local(async move {
            take(
                group
                    .act(|client| async move { client.grid_limits().await })
                    .await,
            );
        });
    });
    let given = move || least.with(|text| text.trim().parse::<u32>().ok());
    let off = Signal::derive(move || {
        group.write_off(Role::Operator).or_else(|| {
            let limits = known.get();
            match (limits, given()) {
                (None, _) => Some("It is being read.".to_owned()),
                (_, None) => Some("Give a number from 0 on; 0 sets no limit.".to_owned()),
                (Some(limits), Some(n)) if limits.least_slots == n => {
                    Some("It is so already.".to_owned())
                }
                _ => None,
            }
        })
    });
    let save = Callback::new(move |()| {
        let (Some(limits), Some(least_slots)) = (known.get_untracked(), untrack(given)) else {
            return;
        };
        let limits = GridLimits {
            least_slots,
            ..limits
        };
        busy.set(Some("Saving…".to_owned()));
        spawn_local(async move {
            take(
                group
                    .act(|client| async move { client.set_grid_limits(&limits).await })
                    .await,
            );
        });
    });
    let label = format!(
        "{}: slots that must stay usable, 0 for no limit",
        group.name
    );
    view! {
        <div class="act">
            <TextField label=label value=least limit=7/>
            <Button small=true off=off busy=busy on_click=save>"Save the limit"</Button>
        </div>
        {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
    }
    .into_any()
}
