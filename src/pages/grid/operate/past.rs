//! How available slots and nodes were, and the grid as it was at a chosen moment.

use std::sync::Arc;

use crate::reactive::{Callback, Effect, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::availability::{Availability, GridHistory, Share};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::super::select::Grid;
use crate::deployment::{Group, trouble};
use crate::ui::format::counted;
use crate::ui::{
    Choice, Drawer, Empty, ErrorBox, Glyph, Panel, Segment, Skeleton, Tag, Trouble, clock, moment,
    next_id,
};

/// Steps of the slider.
const STEPS: i64 = 1_000;
/// A day, milliseconds.
const DAY: i64 = 86_400_000;
/// Nodes that are drawn.
const SHOWN: usize = 500;

/// A share of time in words, with as many digits as it needs to be told from all: `99.95 %`.
pub(super) fn share_words(share: Option<f64>) -> String {
    match share {
        None => "no record".to_owned(),
        Some(share) if share >= 1.0 => "100 %".to_owned(),
        // Never rounded up to all.
        Some(share) => format!("{:.2} %", (share * 10_000.0).floor() / 100.0),
    }
}

/// The moment at a step of the slider.
pub(super) fn at_step(history: &GridHistory, step: i64) -> i64 {
    let span = history.until - history.since;
    history.since + span * step.clamp(0, STEPS) / STEPS
}

/// The grid at a moment, in a sentence.
pub(super) fn sentence(history: &GridHistory, at: i64) -> String {
    let then = history.at(at);
    if then.is_empty() {
        return "No node was registered then, or nothing is recorded of that time.".to_owned();
    }
    let usable: u64 = then.iter().map(|n| u64::from(n.point.usable)).sum();
    let total: u64 = then.iter().map(|n| u64::from(n.point.total)).sum();
    let out = then.iter().filter(|n| n.point.usable == 0).count();
    let nodes = if out == 0 {
        "every node in".to_owned()
    } else {
        format!("{} of {} out", out, counted(then.len(), "node"))
    };
    format!("{usable} of {total} slots usable, {nodes}.")
}

/// The drawer.
pub(super) fn drawer(grid: Grid, close: Callback<()>) -> AnyView {
    let parts = move || grid.groups().into_iter().map(part).collect_view();
    view! {
        <Drawer title="The grid's past" text="From the recorded changes. While no server was active, what was last recorded counts." on_close=close>
            {parts}
        </Drawer>
    }
    .into_any()
}

fn part(group: &'static Group) -> AnyView {
    let shares = RwSignal::new(None::<Arc<Availability>>);
    let history = RwSignal::new(None::<Arc<GridHistory>>);
    let fault = RwSignal::new(None::<Trouble>);
    let days = RwSignal::new("1".to_owned());
    let failed = move |error: &gridhelm_client::Error| {
        let title = format!("The past of {} cannot be read", group.name);
        let _ = fault.try_set(Some(trouble(&title, error)));
    };
    Effect::new(move |_| {
        spawn_local(async move {
            let said = group
                .act(|client| async move { client.availability().await })
                .await;
            match said {
                Ok(said) => drop(shares.try_set(Some(Arc::new(said)))),
                Err(error) => failed(&error),
            }
        });
    });
    Effect::new(move |_| {
        let days: i64 = days.get().parse().unwrap_or(1);
        #[allow(clippy::cast_possible_truncation)] // milliseconds since 1970
        let since = clock::wall() as i64 - days * DAY;
        spawn_local(async move {
            let said = group
                .act(|client| async move { client.grid_history(since).await })
                .await;
            match said {
                Ok(said) => drop(history.try_set(Some(Arc::new(said)))),
                Err(error) => failed(&error),
            }
        });
    });
    let pick = Callback::new(move |choice: String| {
        history.set(None);
        days.set(choice);
    });
    let choices = vec![Choice::new("1", "24 h"), Choice::new("7", "7 d")];
    let share_view = move || {
        shares.get().map_or_else(
            || view! { <Skeleton lines=2 name="Reading how available the grid was"/> }.into_any(),
            |shares| available(&shares),
        )
    };
    let past_view = move || {
        history.get().map_or_else(
            || view! { <Skeleton lines=3 name="Reading the grid's past"/> }.into_any(),
            |history| then(&history),
        )
    };
    let title = format!("Available: {}", group.name);
    let past = format!("As it was: {}", group.name);
    view! {
        {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
        <Panel title=title>{share_view}</Panel>
        <Panel title=past>
            <div class="pad"><Segment label="How far back" choices=choices value=Signal::derive(move || days.get()) on_pick=pick/></div>
            {past_view}
        </Panel>
    }
    .into_any()
}

fn available(shares: &Availability) -> AnyView {
    let cells = |day: &Share, week: &Share| {
        view! {
            <td class="num">{share_words(day.slots)}</td><td class="num">{share_words(day.nodes)}</td>
            <td class="num">{share_words(week.slots)}</td><td class="num">{share_words(week.nodes)}</td>
        }
        .into_any()
    };
    let row = |node: &gridhelm_api::availability::NodeShares| {
        view! { <tr><td><b class="strong">{node.name.clone()}</b></td>{cells(&node.day, &node.week)}<td class="num">{node.losses.to_string()}</td></tr> }.into_any()
    };
    let lost: u32 = shares.nodes.iter().map(|node| node.losses).sum();
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label="Share of time that slots and nodes could be used">
            <table class="tbl">
                <thead>
                    <tr><th scope="col">"Node"</th><th scope="col" class="num">"Slots, 24 h"</th><th scope="col" class="num">"Node, 24 h"</th><th scope="col" class="num">"Slots, 7 d"</th><th scope="col" class="num">"Node, 7 d"</th><th scope="col" class="num">"Losses, 7 d"</th></tr>
                </thead>
                <tbody>
                    <tr><td><b class="strong">"All"</b></td>{cells(&shares.day, &shares.week)}<td class="num">{lost.to_string()}</td></tr>
                    {shares.nodes.iter().take(SHOWN).map(row).collect_view()}
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

fn then(history: &Arc<GridHistory>) -> AnyView {
    if history.points.is_empty() {
        return view! { <Empty title="Nothing is recorded" text="Once nodes are registered, each change of what can be used is."/> }
            .into_any();
    }
    let step = RwSignal::new(STEPS);
    let history = Arc::clone(history);
    let at = {
        let history = Arc::clone(&history);
        Memo::new(move |_| at_step(&history, step.get()))
    };
    let told = {
        let history = Arc::clone(&history);
        move || sentence(&history, at.get())
    };
    let rows = move || {
        let row = |then: gridhelm_api::availability::NodeThen<'_>| {
            let point = then.point;
            let (state, word) = match (point.usable, point.planned) {
                (0, true) => (Glyph::Disabled, "out on purpose"),
                (0, false) => (Glyph::Lost, "out"),
                (usable, _) if usable < point.total => (Glyph::Warn, "in part"),
                _ => (Glyph::Ready, "in"),
            };
            view! {
                <tr><td><b class="strong">{then.node.to_owned()}</b></td><td><Tag state=state shape=true>{word}</Tag></td><td class="num">{format!("{} of {}", point.usable, point.total)}</td><td class="muted">{moment(point.at)}</td><td class="ink2">{point.reason.clone()}</td></tr>
            }
            .into_any()
        };
        history
            .at(at.get())
            .into_iter()
            .take(SHOWN)
            .map(row)
            .collect_view()
    };
    let id = next_id("slider");
    let moved = move |event: web_sys::Event| {
        step.set(event_target_value(&event).parse().unwrap_or(STEPS));
    };
    view! {
        <div class="pad field">
            <label for=id.clone()>"Moment"</label>
            <input id=id type="range" class="slider" min="0" max=STEPS.to_string() prop:value=move || step.get().to_string() aria-valuetext=move || moment(at.get()) on:input=moved/>
            <p aria-live="polite"><b class="strong">{move || moment(at.get())}</b>" "{told}</p>
        </div>
        <div class="scroll" tabindex="0" role="region" aria-label="The nodes at that moment">
            <table class="tbl">
                <thead><tr><th scope="col">"Node"</th><th scope="col">"State"</th><th scope="col" class="num">"Usable"</th><th scope="col">"Since"</th><th scope="col">"Why"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridhelm_api::availability::NodePoint;
    use gridhelm_api::node::TimelinePoint;

    #[test]
    fn nearly_all_of_the_time_is_not_all_of_it() {
        assert_eq!(share_words(None), "no record");
        assert_eq!(share_words(Some(1.0)), "100 %");
        assert_eq!(share_words(Some(0.999_999)), "99.99 %");
        assert_eq!(share_words(Some(0.5)), "50.00 %");
    }

    #[test]
    fn the_slider_goes_over_the_whole_time() {
        let point = |node: &str, at, usable| NodePoint {
            node: node.to_owned(),
            point: TimelinePoint {
                at,
                usable,
                total: 2,
                reason: String::new(),
                planned: false,
            },
        };
        let history = GridHistory {
            since: 1_000,
            until: 2_000,
            points: vec![
                point("a", 900, 2),
                point("b", 1_200, 2),
                point("a", 1_500, 0),
            ],
        };
        assert_eq!(at_step(&history, 0), 1_000);
        assert_eq!(at_step(&history, 500), 1_500);
        assert_eq!(at_step(&history, 9_999), 2_000);
        assert_eq!(
            sentence(&history, 1_000),
            "2 of 2 slots usable, every node in."
        );
        assert_eq!(
            sentence(&history, 1_500),
            "2 of 4 slots usable, 1 of 2 nodes out."
        );
        assert!(sentence(&history, 0).starts_with("No node"));
    }
}
