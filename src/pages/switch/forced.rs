//! The forced failover: apart, in its own colour, with what may be lost and the group's name typed out.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::switch::{SwitchKind, SwitchRequest};
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::app::route::{Route, SwitchView};
use crate::app::use_router;
use crate::deployment::{Connection, Group, Server, trouble};
use crate::ui::format::{age, counted, duration};
use crate::ui::{Button, Confirm, ErrorBox, Glyph, Trouble, Weight, glyph, next_id, use_clock};

/// The card and, while the address says so, its question.
pub(super) fn card(group: &'static Group, to: &'static Server, asking: Signal<bool>) -> AnyView {
    let router = use_router();
    let clock = use_clock();
    let fault = RwSignal::new(None::<Trouble>);
    let off = Signal::derive(move || {
        group
            .refuses_operator()
            .or_else(|| {
                (!to.is_live())
                    .then(|| format!("{} does not answer; it cannot take over.", to.name))
            })
            .or_else(|| {
                let active = group
                    .active()
                    .filter(|active| active.is_live() && active.says_active());
                active
                    .filter(|active| active.name == to.name)
                    .map(|_| format!("{} is the active server.", to.name))
            })
    });
    let goto = move |panel: Option<&str>| {
        router.replace(Route::Switch(SwitchView {
            to: Some(to.name.clone()),
            panel: panel.map(str::to_owned),
            ..SwitchView::default()
        }));
    };
    let present = move || match group.active() {
        None => "No server of the group is active now.".to_owned(),
        Some(active) => {
            let now = match active.connection.get() {
                Connection::Live => format!(
                    "It answers now{}.",
                    active
                        .round_trip
                        .get()
                        .map(|ms| format!(", in {}", duration(ms)))
                        .unwrap_or_default()
                ),
                Connection::Down { since, .. } => format!(
                    "It has not answered for {}.",
                    age(clock.seconds() - active.heard.get().unwrap_or(since))
                ),
                _ => String::new(),
            };
            format!("For when {} does not answer. {now}", active.name)
        }
    };
    let loss = move || {
        let running = group
            .stats
            .with(|stats| usize::try_from(stats.running).unwrap_or(usize::MAX));
        match running {
            0 => "Cuts the sessions of the old server. No task was running when it was last heard."
                .to_owned(),
            running => format!(
                "Cuts the sessions of the old server; {} may be lost or repeated.",
                counted(running, "running task")
            ),
        }
    };
    let busy = RwSignal::new(None::<String>);
    let force = Callback::new(move |reason: String| {
        let epoch = group
            .info
            .with_untracked(|info| info.as_ref().map_or(0, |info| info.epoch));
        let request = SwitchRequest {
            confirm: Some(group.name.clone()),
            ..SwitchRequest::new(SwitchKind::Forced, &to.name, epoch, reason.trim())
        };
        busy.set(Some("Taking over…".to_owned()));
        fault.set(None);
        spawn_local(async move {
            // Straight to the server that shall take over: the active one may be dead.
            let outcome = group.client_of(to).switch(&request).await;
            let _ = busy.try_set(None);
            match outcome {
                Ok(record) => super::begin(group, record),
                Err(error) => {
                    let _ = fault.try_set(Some(trouble(
                        &format!("{} did not take over", to.name),
                        &error,
                    )));
                }
            }
            goto(None);
        });
    });
    let why = next_id("why");
    let question = move || {
        asking.get().then(|| {
            let old = group.active().filter(|active| active.name != to.name).map(|active| active.name.clone());
            let keep = old.as_ref().map_or_else(|| "Leave it as it is".to_owned(), |old| format!("Keep {old} active"));
            view! {
                <Confirm
                    title=format!("Force failover of {} to {}?", group.name, to.name)
                    verb="Force failover"
                    keep=keep
                    danger=true
                    typed=group.name.clone()
                    reason="Reason, goes to the history"
                    busy=busy
                    on_confirm=force
                    on_close=Callback::new(move |()| goto(None))
                >
                    <ul class="effects">
                        <li>{glyph(Glyph::Warn)}<span>{loss}</span></li>
                        <li>{glyph(Glyph::Warn)}<span>{old.map_or_else(|| "No server gives up its epoch by itself.".to_owned(), |old| format!("{old} is not asked. When it comes back it finds the higher epoch and stays standby."))}</span></li>
                        <li>{glyph(Glyph::Pass)}<span>"What was committed stays. Queued tasks go on under the new server."</span></li>
                    </ul>
                </Confirm>
            }
        })
    };
    view! {
        <section class="panel choice choice--forced" aria-labelledby="h-forced">
            <h3 id="h-forced" class="t-lost">{glyph(Glyph::Fail)}"Forced failover"</h3>
            <ul>
                <li>{glyph(Glyph::Warn)}<span>{present}</span></li>
                <li>{glyph(Glyph::Warn)}<span>{loss}</span></li>
            </ul>
            {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
            <div class="choice-act">
                <Button weight=Weight::Danger off=off reason_at=why.clone() on_click=Callback::new(move |()| goto(Some("failover")))>"Force failover…"</Button>
                <span class="why-not" id=why>{move || off.get()}</span>
            </div>
        </section>
        {question}
    }
    .into_any()
}
