//! The drawer of the grid as a list: saved, or read with its effect shown first.

use crate::reactive::{Callback, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::Code;
use gridhelm_api::account::Role;
use gridhelm_api::node::Node;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::super::register::{next_free, nodes_of};
use super::super::select::Grid;
use super::list::{Effect, Row, drawn, read, summary, to_csv, to_json};
use crate::deployment::{Group, trouble};
use crate::ui::format::counted;
use crate::ui::{
    Button, Choice, Drawer, Glyph, Hint, Icon, Segment, Tag, TextArea, Weight, next_id, save_text,
    use_toasts,
};

/// Rows that are drawn.
const SHOWN: usize = 300;

/// What became of a row.
type Outcome = (usize, Result<(), Refused>);

/// Why a row was not applied.
#[derive(Clone)]
struct Refused {
    why: String,
    /// Whether it would leave too little of the grid, and could be done all the same.
    guarded: bool,
}

/// The drawer. With a node chosen it begins with a copy of that one, to be registered under another name.
pub(super) fn drawer(grid: Grid, close: Callback<()>) -> AnyView {
    let chosen = grid.chosen_untracked();
    let first = chosen.as_ref().map(|(group, _)| *group);
    let group = RwSignal::new(
        first
            .or_else(|| untrack(|| grid.scope()).first().copied())
            .unwrap_or(0),
    );
    let text = RwSignal::new(chosen.map_or_else(String::new, |(index, node)| {
        copy_of(&grid.deployment.groups[index], &node)
    }));
    let target = move || -> &'static Group { &grid.deployment.groups[group.get()] };
    let rows = Memo::new(move |_| {
        let nodes = nodes_of(target());
        text.with(|text| read(text, &nodes))
    });
    let busy = RwSignal::new(None::<String>);
    let results = RwSignal::new(Vec::<Outcome>::new());
    let save = move |json: bool| {
        Callback::new(move |()| {
            let group = untrack(target);
            let nodes = untrack(|| nodes_of(group));
            let (kind, ending, content) = if json {
                ("application/json", "json", to_json(&nodes))
            } else {
                ("text/csv", "csv", to_csv(&nodes))
            };
            save_text(&format!("grid-{}.{ending}", group.name), kind, &content);
        })
    };
    let todo = move || {
        rows.with(|rows| {
            let rows = rows.as_ref().map(Vec::as_slice).unwrap_or_default();
            let does = |row: &&Row| matches!(row.effect, Effect::New(_) | Effect::Changed { .. });
            rows.iter().filter(does).cloned().collect::<Vec<_>>()
        })
    };
    let off = Signal::derive(move || {
        target()
            .write_off(Role::Operator)
            .or_else(|| {
                rows.with(|rows| match rows {
                    Err(why) => Some(why.clone()),
                    Ok(rows) if rows.iter().any(|r| matches!(r.effect, Effect::Wrong(_))) => {
                        Some("Mend the wrong rows, or take them out.".to_owned())
                    }
                    Ok(_) => None,
                })
            })
            .or_else(|| {
                todo()
                    .is_empty()
                    .then(|| "The list changes nothing.".to_owned())
            })
    });
    let toasts = use_toasts();
    let apply = move |over: bool| {
        let (group, mut todo) = untrack(|| (target(), todo()));
        if over {
            let guarded = untrack(|| results.with(|all| guarded_rows(all)));
            todo.retain(|row| guarded.contains(&row.at));
        }
        busy.set(Some("Applying…".to_owned()));
        results.set(Vec::new());
        spawn_local(async move {
            let mut done = 0;
            for row in todo {
                let outcome = one(group, &row.effect, over).await;
                done += usize::from(outcome.is_ok());
                if results
                    .try_update(|all| all.push((row.at, outcome)))
                    .is_none()
                {
                    // The drawer was closed: what is not begun yet is left.
                    return;
                }
            }
            toasts.good(
                format!("{} applied", counted(done, "row")),
                group.name.clone(),
            );
            let _ = busy.try_set(None);
        });
    };
    let go = Callback::new(move |()| apply(false));
    let over = Callback::new(move |()| apply(true));
    let all_the_same = move || {
        let n = results.with(|all| guarded_rows(all).len());
        (n > 0 && busy.with(Option::is_none)).then(|| {
            let text = format!("Apply {} all the same", counted(n, "guarded row"));
            view! { <Button weight=Weight::Danger on_click=over>{text}</Button> }
        })
    };
    let hint = Signal::derive(move || {
        rows.with(|rows| match rows {
            Err(why) => Hint::Bad(why.clone()),
            Ok(rows) if rows.is_empty() => Hint::Plain(
                "CSV with a head (name, host, port, slots, type, labels, user, password, intent) or a JSON list of nodes.".to_owned(),
            ),
            Ok(rows) => Hint::Plain(summary(rows)),
        })
    });
    let why = next_id("why");
    let footer = move || {
        let why = why.clone();
        view! {
            <span class="why-not grow" id=why.clone() aria-live="polite">{move || off.get()}</span>
            <Button on_click=close>"Close"</Button>
            <Button weight=Weight::Primary off=off reason_at=why busy=busy on_click=go>"Apply the list"</Button>
        }
    };
    let groups = grid.deployment.groups.iter().enumerate();
    let choices: Vec<Choice> = groups
        .map(|(index, group)| Choice::new(index.to_string(), group.name.clone()))
        .collect();
    let pick = Callback::new(move |index: String| group.set(index.parse().unwrap_or(0)));
    view! {
        <Drawer title="The grid as a list" text="What a row would do is shown before anything is done. Nodes that the list does not name stay as they are." on_close=close footer=footer>
            <div class="field"><span class="lab">"Group"</span><Segment label="Group" choices=choices value=Signal::derive(move || group.get().to_string()) on_pick=pick/></div>
            <div class="acts">
                <Button small=true icon=Icon::Download on_click=save(false)>"Save as CSV"</Button>
                <Button small=true icon=Icon::Download on_click=save(true)>"Save as JSON"</Button>
            </div>
            <TextArea label="List to read" value=text hint=hint rows=8 mono=true/>
            {move || rows.with(|rows| table(rows.as_ref().map(Vec::as_slice).unwrap_or_default(), results))}
            {all_the_same}
        </Drawer>
    }
    .into_any()
}

/// A row that would register another node like this one: under the next free name, at an address that is still to be changed.
fn copy_of(group: &'static Group, node: &Node) -> String {
    let mut copy = node.clone();
    copy.name = next_free(&group.name, &untrack(|| nodes_of(group)));
    to_csv(std::slice::from_ref(&copy))
}

/// The rows that the guard kept back.
fn guarded_rows(results: &[Outcome]) -> Vec<usize> {
    let guarded = |(at, outcome): &Outcome| {
        let kept = matches!(outcome, Err(refused) if refused.guarded);
        kept.then_some(*at)
    };
    results.iter().filter_map(guarded).collect()
}

async fn one(group: &'static Group, effect: &Effect, over: bool) -> Result<(), Refused> {
    let answer = group
        .act(|client| {
            let effect = effect.clone();
            async move {
                match effect {
                    Effect::New(draft) => client.create_node(&draft).await.map(drop),
                    Effect::Changed {
                        name,
                        version,
                        mut patch,
                        ..
                    } => {
                        patch.override_guard = over;
                        client.patch_node(&name, version, &patch).await.map(drop)
                    }
                    Effect::Same(_) | Effect::Wrong(_) => Ok(()),
                }
            }
        })
        .await;
    answer.map_err(|error| Refused {
        guarded: error.code() == Some(Code::GuardRail),
        why: trouble("It was not applied", &error).detail,
    })
}

fn table(rows: &[Row], results: RwSignal<Vec<Outcome>>) -> AnyView {
    if rows.is_empty() {
        return ().into_any();
    }
    let row = move |row: &Row| {
        let (state, word, text) = match &row.effect {
            Effect::New(draft) => (
                Glyph::Todo,
                "new",
                format!(
                    "{}:{}, {}",
                    draft.host,
                    draft.port,
                    counted(draft.slot_limit as usize, "slot")
                ),
            ),
            Effect::Changed { words, .. } => (Glyph::Now, "changed", words.clone()),
            Effect::Same(_) => (Glyph::Ready, "as it is", String::new()),
            Effect::Wrong(why) => (Glyph::Fail, "wrong", why.join(" ")),
        };
        let at = row.at;
        let outcome = move || {
            let found = results.with(|all| all.iter().find(|(of, _)| *of == at).cloned());
            found.map(|(_, outcome)| match outcome {
                Ok(()) => view! { <Tag state=Glyph::Pass shape=true>"done"</Tag> }.into_any(),
                Err(Refused { why, guarded: false }) => view! { <Tag state=Glyph::Fail shape=true>"not done"</Tag>" "<span class="ink2">{why}</span> }.into_any(),
                Err(Refused { why, .. }) => view! { <Tag state=Glyph::Warn shape=true>"guarded"</Tag>" "<span class="ink2">{why}</span> }.into_any(),
            })
        };
        view! {
            <tr><td class="num">{at.to_string()}</td><td><b class="strong">{row.name.clone()}</b></td><td><Tag state=state shape=true>{word}</Tag></td><td class="ink2">{text}</td><td>{outcome}</td></tr>
        }
        .into_any()
    };
    let shown = drawn(rows, SHOWN);
    let more = (shown.len() < rows.len()).then(|| {
        let text = format!(
            "{} of {}; what is wrong comes before what is not.",
            shown.len(),
            counted(rows.len(), "row")
        );
        view! { <p class="ink2">{text}</p> }
    });
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label="What the list would do">
            <table class="tbl">
                <thead><tr><th scope="col" class="num">"Row"</th><th scope="col">"Node"</th><th scope="col">"Effect"</th><th scope="col">"What"</th><th scope="col">"Result"</th></tr></thead>
                <tbody>{shown.into_iter().map(row).collect_view()}</tbody>
            </table>
            {more}
        </div>
    }
    .into_any()
}
