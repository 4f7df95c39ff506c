//! A switch that waits for its time, is under way or has just ended: its steps, live; calling it off; switching back.

use crate::reactive::{Callback, Memo, RwSignal};
use crate::ui::view;
use gridhelm_api::switch::{SwitchRecord, SwitchState};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::words;
use crate::app::route::{Route, SwitchView};
use crate::app::use_router;
use crate::deployment::{Group, trouble};
use crate::ui::{
    Button, ErrorBox, Glyph, StepLine, Tag, Trouble, check_line, step_line, use_clock,
};

/// For how long an ended switch keeps its steps on the page, milliseconds.
const LINGER: f64 = 600_000.0;

/// The panel; nothing when there was no switch lately.
pub(super) fn panel(group: &'static Group) -> AnyView {
    let clock = use_clock();
    let shown = Memo::new(move |_| {
        group.switch.get().filter(|record| {
            #[allow(
                clippy::cast_precision_loss,
                reason = "milliseconds since 1970 fit a double exactly"
            )]
            record
                .ended_at
                .is_none_or(|ended| clock.wall_seconds() - (ended as f64) < LINGER)
        })
    });
    view! { {move || shown.get().map(|record| steps(group, &record))} }.into_any()
}

fn steps(group: &'static Group, record: &SwitchRecord) -> AnyView {
    let clock = use_clock();
    let tag = match record.state {
        SwitchState::Scheduled => {
            view! { <Tag state=Glyph::Todo shape=true>"planned"</Tag> }.into_any()
        }
        SwitchState::Cancelled => {
            view! { <Tag state=Glyph::Warn shape=true>"called off"</Tag> }.into_any()
        }
        SwitchState::Running => {
            view! { <Tag state=Glyph::Now shape=true>"under way"</Tag> }.into_any()
        }
        SwitchState::Done => view! { <Tag state=Glyph::Pass shape=true>"done"</Tag> }.into_any(),
        SwitchState::Failed => {
            view! { <Tag state=Glyph::Fail shape=true>"stopped"</Tag> }.into_any()
        }
    };
    // While it runs, times count up with the page's clock; afterwards nothing changes.
    let running = record.state == SwitchState::Running;
    // Called off by a person is no failure; and where nothing began there are no steps to tell of.
    let called_off = record.state == SwitchState::Cancelled;
    let lines = if called_off && words::never_began(record) {
        Vec::new()
    } else {
        record.steps.clone()
    };
    let lines = move || {
        let now = if running { clock.wall_seconds() } else { 0.0 };
        let line = |step: &gridhelm_api::switch::Step| {
            step_line(StepLine {
                state: match words::step_state(step) {
                    Glyph::Fail if called_off => Glyph::Warn,
                    state => state,
                },
                title: step.title.clone(),
                note: step.note.clone(),
                time: words::step_time(step, now),
            })
        };
        lines.iter().map(line).collect_view()
    };
    view! {
        <section class="panel sw-now" aria-labelledby="h-steps">
            <header class="panel-head"><h2 id="h-steps">{format!("Switch of {}", record.group)}</h2><div class="end">{tag}</div></header>
            <p class="pad switch-words" role="status">{words::progress(record)}</p>
            {count_down(record)}
            <ol class="steps">{lines}</ol>
            {afterwards(record)}
            {call_off(group, record)}
            {switch_back(group, record)}
        </section>
    }
    .into_any()
}

/// How long until a planned switch begins.
fn count_down(record: &SwitchRecord) -> Option<AnyView> {
    let at = record
        .at
        .filter(|_| record.state == SwitchState::Scheduled)?;
    let clock = use_clock();
    let left = move || words::count_down(at, clock.wall_seconds());
    // It changes each second: nothing for a screen reader to speak.
    Some(view! { <p class="pad count-down" aria-live="off">{left}</p> }.into_any())
}

/// What was looked at after it.
fn afterwards(record: &SwitchRecord) -> Option<AnyView> {
    (!record.after.is_empty()).then(|| {
        let lines = record
            .after
            .iter()
            .map(|check| check_line(words::line(check)))
            .collect_view();
        view! { <div role="group" aria-label="Looked at afterwards">{lines}</div> }.into_any()
    })
}

/// The button that calls off what has changed nothing yet.
fn call_off(group: &'static Group, record: &SwitchRecord) -> Option<AnyView> {
    if !words::may_call_off(record) {
        return None;
    }
    let id = record.id.clone();
    let busy = RwSignal::new(None::<String>);
    let fault = RwSignal::new(None::<Trouble>);
    let press = Callback::new(move |()| {
        let id = id.clone();
        busy.set(Some("Calling off…".to_owned()));
        spawn_local(async move {
            let wanted = id.as_str();
            let outcome = group
                .act(|client| async move { client.call_off(wanted).await })
                .await;
            let _ = busy.try_set(None);
            match outcome {
                Ok(record) if record.state == SwitchState::Cancelled => {
                    let _ = group.switch.try_set(Some(record));
                }
                // It ends at its next look; the stream tells.
                Ok(_) => {}
                Err(error) => {
                    let _ = fault.try_set(Some(trouble("It was not called off", &error)));
                }
            }
        });
    });
    let off = crate::reactive::Signal::derive(move || group.refuses_operator());
    Some(
        view! {
            <div class="pad choice-act">
                <Button off=off busy=busy on_click=press>"Call it off"</Button>
                {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
            </div>
        }
        .into_any(),
    )
}

/// The way back: the same page with the servers turned round, so with the same checks.
fn switch_back(group: &'static Group, record: &SwitchRecord) -> Option<AnyView> {
    let from = record.from.clone()?;
    let back = record.state == SwitchState::Done
        && group.server(&from).is_some()
        && group
            .active()
            .is_some_and(|active| active.name == record.to);
    if !back {
        return None;
    }
    let router = use_router();
    let label = format!("Check the way back to {from}");
    let press = Callback::new(move |()| {
        router.go(Route::Switch(SwitchView {
            to: Some(from.clone()),
            ..SwitchView::default()
        }));
    });
    Some(
        view! { <div class="pad choice-act"><Button on_click=press>{label}</Button></div> }
            .into_any(),
    )
}
