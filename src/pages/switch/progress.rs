//! A switch under way or just ended: its steps, live.

use crate::reactive::Memo;
use crate::ui::view;
use gridhelm_api::switch::{SwitchRecord, SwitchState};
use leptos::prelude::*;

use super::words;
use crate::deployment::Group;
use crate::ui::{Glyph, StepLine, Tag, step_line, use_clock};

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
    view! { {move || shown.get().map(|record| steps(&record))} }.into_any()
}

fn steps(record: &SwitchRecord) -> AnyView {
    let clock = use_clock();
    let tag = match record.state {
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
    let lines = record.steps.clone();
    let lines = move || {
        let now = if running { clock.wall_seconds() } else { 0.0 };
        let line = |step: &gridhelm_api::switch::Step| {
            step_line(StepLine {
                state: words::step_state(step),
                title: step.title.clone(),
                note: step.note.clone(),
                time: words::step_time(step, now),
            })
        };
        lines.iter().map(line).collect_view()
    };
    view! {
        <section class="panel" aria-labelledby="h-steps">
            <header class="panel-head"><h2 id="h-steps">{format!("Switch of {}", record.group)}</h2><div class="end">{tag}</div></header>
            <p class="pad switch-words" role="status">{words::progress(record)}</p>
            <ol class="steps">{lines}</ol>
        </section>
    }
    .into_any()
}
