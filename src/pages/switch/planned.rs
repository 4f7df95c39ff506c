//! The planned switchover: a reason, and a button that says why it is off.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::names::check_reason;
use gridhelm_api::switch::{SwitchKind, SwitchRequest, SwitchState};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::preflight::Checked;
use crate::deployment::{Group, trouble};
use crate::ui::{Button, ErrorBox, Glyph, Icon, TextField, Trouble, Weight, glyph, icon, next_id};

/// How long running tasks may take to end before the switch is called off, seconds.
const DRAIN_S: u32 = 120;

/// The card.
pub(super) fn card(group: &'static Group, to: String, checked: Checked) -> AnyView {
    let reason = RwSignal::new(String::new());
    let busy = RwSignal::new(None::<String>);
    let fault = RwSignal::new(None::<Trouble>);
    let target = StoredValue::new(to.clone());
    let off = Signal::derive(move || {
        let to = target.get_value();
        group
            .refuses_operator()
            .or_else(|| running(group).then(|| "A switch of this group is under way.".to_owned()))
            .or_else(|| match group.active() {
                Some(active) if active.name == to => Some(format!("{to} is the active server.")),
                Some(active) if !active.is_live() => Some(format!(
                    "{} does not answer; only a forced failover can take its place.",
                    active.name
                )),
                Some(_) => None,
                None => Some("No server of the group is active.".to_owned()),
            })
            .or_else(|| checked.blocks(&to))
            .or_else(|| {
                check_reason("reason", &reason.get())
                    .err()
                    .map(|_| "Give a reason of at least 3 characters.".to_owned())
            })
    });
    let start = Callback::new(move |()| {
        let Some(epoch) = checked
            .answer
            .with_untracked(|answer| answer.as_ref().map(|(preflight, _)| preflight.epoch))
        else {
            return;
        };
        let request = SwitchRequest {
            kind: SwitchKind::Planned,
            to: target.get_value(),
            expect_epoch: epoch,
            reason: reason.get_untracked().trim().to_owned(),
            drain_s: DRAIN_S,
            confirm: None,
        };
        busy.set(Some("Switching…".to_owned()));
        fault.set(None);
        spawn_local(async move {
            let request = &request;
            let outcome = group
                .act(|client| async move { client.switch(request).await })
                .await;
            let _ = busy.try_set(None);
            match outcome {
                // The next deltas tell more; this one shows the steps at once.
                Ok(record) => super::begin(group, record),
                Err(error) => {
                    let _ = fault.try_set(Some(trouble(
                        &format!("{} was not switched", group.name),
                        &error,
                    )));
                    checked.ask(group, request.to.clone());
                }
            }
        });
    });
    let why = next_id("why");
    view! {
        <section class="panel choice" aria-labelledby="h-planned">
            <h3 id="h-planned">{icon(Icon::Switch)}"Planned switchover"</h3>
            <ul>
                <li>{glyph(Glyph::Pass)}<span>"Lets running tasks end, at most 2 min, then hands over. New requests wait meanwhile."</span></li>
                <li>{glyph(Glyph::Pass)}<span>"Nothing is lost; the old server gives up its epoch itself."</span></li>
            </ul>
            <TextField label="Reason" value=reason placeholder="Shown to everyone, kept in the history" limit=500/>
            {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
            <div class="choice-act">
                <Button weight=Weight::Primary off=off reason_at=why.clone() busy=busy on_click=start>{format!("Switch {} to {to}", group.name)}</Button>
                <span class="why-not" id=why aria-live="polite">{move || off.get()}</span>
            </div>
        </section>
    }
    .into_any()
}

/// Whether a switch of the group is under way. Tracks.
pub(super) fn running(group: &Group) -> bool {
    group.switch.with(|switch| {
        switch
            .as_ref()
            .is_some_and(|record| record.state == SwitchState::Running)
    })
}
