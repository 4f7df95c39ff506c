//! The planned switchover: to whom, when, what becomes of running tasks, why; a try that changes nothing; and a button
//! that says why it is off.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::{Show, view};
use gridhelm_api::Code;
use gridhelm_api::names::check_reason;
use gridhelm_api::switch::{SwitchKind, SwitchRecord, SwitchRequest, SwitchState};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::choices;
use super::preflight::Checked;
use crate::app::route::{Route, SwitchView};
use crate::app::use_router;
use crate::deployment::{Group, trouble};
use crate::ui::clock::wall;
use crate::ui::{
    Button, CheckField, ErrorBox, Glyph, Icon, SelectField, StepLine, TextField, Trouble, Weight,
    glyph, icon, next_id, step_line, use_toasts,
};

/// What a person chose.
#[derive(Clone, Copy)]
struct Form {
    reason: RwSignal<String>,
    drain: RwSignal<String>,
    when: RwSignal<String>,
    at: RwSignal<String>,
    override_hold: RwSignal<bool>,
}

impl Form {
    fn new() -> Self {
        Self {
            reason: RwSignal::new(String::new()),
            drain: RwSignal::new("wait".to_owned()),
            when: RwSignal::new("now".to_owned()),
            at: RwSignal::new(String::new()),
            override_hold: RwSignal::new(false),
        }
    }

    /// When it shall begin, or what is missing. Tracks.
    fn begins(self) -> Result<Option<i64>, &'static str> {
        let own = js_sys::Date::parse(&self.at.get());
        let own = Some(own).filter(|own| own.is_finite());
        self.when.with(|when| choices::begins(when, own, wall()))
    }

    fn request(self, to: &str, epoch: i64) -> SwitchRequest {
        let (drain_s, after_drain) = self.drain.with_untracked(|key| choices::drain(key));
        SwitchRequest {
            drain_s,
            after_drain,
            at: self.begins().unwrap_or_default(),
            override_hold: self.override_hold.get_untracked(),
            ..SwitchRequest::new(
                SwitchKind::Planned,
                to,
                epoch,
                self.reason.get_untracked().trim(),
            )
        }
    }
}

/// The card.
pub(super) fn card(group: &'static Group, to: String, checked: Checked) -> AnyView {
    let form = Form::new();
    let busy = RwSignal::new(None::<String>);
    let trying = RwSignal::new(None::<String>);
    let fault = RwSignal::new(None::<Trouble>);
    let held = RwSignal::new(false);
    let tried = RwSignal::new(None::<SwitchRecord>);
    let toasts = use_toasts();
    let target = StoredValue::new(to.clone());
    // What stands in the way of a try, too.
    let stuck = Signal::derive(move || {
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
            .or_else(|| {
                check_reason("reason", &form.reason.get())
                    .err()
                    .map(|_| "Give a reason of at least 3 characters.".to_owned())
            })
    });
    let off = Signal::derive(move || {
        stuck
            .get()
            .or_else(|| checked.blocks(&target.get_value()))
            .or_else(|| form.begins().err().map(str::to_owned))
    });
    let ask = move |dry_run: bool| {
        let Some(epoch) = checked
            .answer
            .with_untracked(|answer| answer.as_ref().map(|(preflight, _)| preflight.epoch))
        else {
            return;
        };
        let mut request = form.request(&target.get_value(), epoch);
        if dry_run {
            request.dry_run = true;
            request.at = None;
        }
        let waits = if dry_run { trying } else { busy };
        waits.set(Some(
            if dry_run { "Trying…" } else { "Switching…" }.to_owned(),
        ));
        fault.set(None);
        tried.set(None);
        spawn_local(async move {
            let request = &request;
            let outcome = group
                .act(|client| async move { client.switch(request).await })
                .await;
            let _ = waits.try_set(None);
            match outcome {
                Ok(record) if dry_run => {
                    let _ = tried.try_set(Some(record));
                }
                // The next deltas tell more; this one shows the steps at once.
                Ok(record) => {
                    if record.state == SwitchState::Scheduled {
                        toasts.good(
                            format!("Switch of {} planned", group.name),
                            "It is checked again at its time; call it off until then.",
                        );
                    }
                    super::begin(group, record);
                }
                Err(error) => {
                    if error.code() == Some(Code::SwitchHold) {
                        let _ = held.try_set(true);
                    }
                    let _ = fault.try_set(Some(trouble(
                        &format!("{} was not switched", group.name),
                        &error,
                    )));
                    checked.ask(group, request.to.clone());
                }
            }
        });
    };
    let why = next_id("why");
    let promise = move || {
        form.drain.with(|key| {
            let (waits, words) = choices::promise(key);
            let shape = if waits { Glyph::Pass } else { Glyph::Warn };
            view! { <li>{glyph(shape)}<span>{words}</span></li> }
        })
    };
    let verb = {
        let to = to.clone();
        move || {
            let later = form.when.with(|when| when != "now");
            if later {
                format!("Plan the switch to {to}")
            } else {
                format!("Switch {} to {to}", group.name)
            }
        }
    };
    view! {
        <section class="panel choice" aria-labelledby="h-planned">
            <h3 id="h-planned">{icon(Icon::Switch)}"Planned switchover"</h3>
            <ul>
                {promise}
                <li>{glyph(Glyph::Pass)}<span>"New requests wait meanwhile; the old server gives up its epoch itself."</span></li>
            </ul>
            {candidate(group, &to)}
            <TextField label="Reason" value=form.reason placeholder="Shown to everyone, kept in the history" limit=500/>
            <SelectField label="Running tasks" value=form.drain choices=Signal::derive(choices::drains) on_pick=Callback::new(move |key| form.drain.set(key))/>
            <SelectField label="Begin" value=form.when choices=Signal::derive(choices::times) on_pick=Callback::new(move |key| form.when.set(key))/>
            <Show when=move || form.when.with(|when| when == "at")>
                <TextField label="Day and time, as this browser counts it" kind="datetime-local" value=form.at/>
            </Show>
            <Show when=move || held.get()>
                <CheckField label="Switch all the same" text="Servers that take turns help nobody; do it when you know why it was switched before." on=form.override_hold on_change=Callback::new(move |on| form.override_hold.set(on))/>
            </Show>
            {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
            <div class="choice-act">
                <Button weight=Weight::Primary off=off reason_at=why.clone() busy=busy on_click=Callback::new(move |()| ask(false))>{verb}</Button>
                <Button off=stuck reason_at=why.clone() busy=trying on_click=Callback::new(move |()| ask(true))>"Try it out"</Button>
                <span class="why-not" id=why aria-live="polite">{move || off.get()}</span>
            </div>
            {move || tried.get().map(|record| what_would_happen(&record))}
        </section>
    }
    .into_any()
}

/// Which standby takes over, where there is a choice.
fn candidate(group: &'static Group, to: &str) -> Option<AnyView> {
    if group.servers.len() < 3 {
        return None;
    }
    let router = use_router();
    let chosen = to.to_owned();
    let names = Signal::derive(move || {
        let active = group.active().map(|server| server.name.as_str());
        let others = group
            .servers
            .iter()
            .filter(|server| Some(server.name.as_str()) != active);
        others
            .map(|server| (server.name.clone(), server.name.clone()))
            .collect::<Vec<_>>()
    });
    let pick = Callback::new(move |to: String| {
        router.replace(Route::Switch(SwitchView {
            to: Some(to),
            ..SwitchView::default()
        }));
    });
    let value = Signal::derive(move || chosen.clone());
    Some(
        view! { <SelectField label="Takes over" value=value choices=names on_pick=pick/> }
            .into_any(),
    )
}

/// The answer to a try: the steps, none of which was taken.
fn what_would_happen(record: &SwitchRecord) -> AnyView {
    let head = if record.state == SwitchState::Done {
        "What would happen. Nothing was changed."
    } else {
        "It would be refused. Nothing was changed."
    };
    let steps = record
        .steps
        .iter()
        .map(|step| {
            step_line(StepLine {
                state: super::words::step_state(step),
                title: step.title.clone(),
                note: step.note.clone(),
                time: String::new(),
            })
        })
        .collect_view();
    view! {
        <div role="status" class="tried"><p class="strong">{head}</p><ol class="steps">{steps}</ol></div>
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
