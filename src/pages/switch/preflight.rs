//! The checks before a switch: asked when the page opens, again on demand, and with every change of who is active.

use crate::reactive::{Callback, RwSignal};
use crate::ui::view;
use gridhelm_api::switch::{Outcome, Preflight};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::words;
use crate::deployment::{Group, trouble};
use crate::ui::clock::now;
use crate::ui::format::age;
use crate::ui::{Button, ErrorBox, Skeleton, Trouble, check_line, glyph, use_clock};

/// What is known of the checks.
#[derive(Clone, Copy)]
pub(super) struct Checked {
    /// The last answer, and when it came by the page's clock.
    pub(super) answer: RwSignal<Option<(Preflight, f64)>>,
    /// Why the last try gave none.
    fault: RwSignal<Option<Trouble>>,
    busy: RwSignal<Option<String>>,
}

impl Checked {
    /// Nothing known.
    pub(super) fn new() -> Self {
        Self {
            answer: RwSignal::new(None),
            fault: RwSignal::new(None),
            busy: RwSignal::new(None),
        }
    }

    /// Asks again.
    pub(super) fn ask(self, group: &'static Group, to: String) {
        if self.busy.with_untracked(Option::is_some) {
            return;
        }
        self.busy.set(Some("Checking…".to_owned()));
        spawn_local(async move {
            let wanted = to.as_str();
            let outcome = group
                .act(|client| async move { client.preflight(wanted).await })
                .await;
            let _ = self.busy.try_set(None);
            match outcome {
                Ok(preflight) => {
                    let _ = self.fault.try_set(None);
                    let _ = self.answer.try_set(Some((preflight, now())));
                }
                Err(error) => {
                    let _ = self.answer.try_set(None);
                    let _ = self
                        .fault
                        .try_set(Some(trouble("The checks could not be made", &error)));
                }
            }
        });
    }

    /// Why a planned switch to `to` may not start now. Tracks.
    pub(super) fn blocks(self, to: &str) -> Option<String> {
        if self.busy.with(Option::is_some) && self.answer.with(Option::is_none) {
            return Some("The checks are being made.".to_owned());
        }
        self.answer.with(|answer| match answer {
            Some((preflight, _)) if preflight.to == to => words::blocked(&preflight.checks),
            _ => Some("The checks were not made.".to_owned()),
        })
    }
}

/// The panel of the checks.
pub(super) fn panel(
    group: &'static Group,
    from: Option<String>,
    to: String,
    checked: Checked,
) -> AnyView {
    let clock = use_clock();
    let title = match from {
        Some(from) => format!("Preflight for {}: {from} to {to}", group.name),
        None => format!("Preflight for {}: to {to}", group.name),
    };
    let again = Callback::new(move |()| checked.ask(group, to.clone()));
    let totals = move || {
        checked.answer.with(|answer| {
            answer.as_ref().map(|(preflight, _)| {
                let one = |outcome| {
                    let shape = words::outcome(outcome);
                    view! { <span class="st">{glyph(shape)}{words::total(&preflight.checks, outcome)}<span class="sr">" "{shape.word()}</span></span> }
                };
                [Outcome::Pass, Outcome::Warn, Outcome::Fail].map(one).collect_view()
            })
        })
    };
    let checked_at = move || {
        checked.answer.with(|answer| {
            answer
                .as_ref()
                .map(|(_, at)| format!("checked {} ago", age(clock.seconds() - at)))
        })
    };
    let lines = move || {
        if let Some(fault) = checked.fault.get() {
            return view! { <div class="pad"><ErrorBox trouble=fault/></div> }.into_any();
        }
        checked.answer.with(|answer| match answer {
            None => view! { <Skeleton lines=4 name="The checks are being made"/> }.into_any(),
            Some((preflight, _)) => preflight
                .checks
                .iter()
                .map(|check| check_line(words::line(check)))
                .collect_view()
                .into_any(),
        })
    };
    view! {
        <section class="panel sw-checks" aria-labelledby="h-preflight">
            <header class="panel-head"><h2 id="h-preflight">{title}</h2><div class="end">{totals}<span>{checked_at}</span><Button small=true busy=checked.busy on_click=again>"Check again"</Button></div></header>
            {lines}
        </section>
    }
    .into_any()
}
