//! What rules found in the grid: who looks after it, what nobody is told of, and the rules themselves.

use std::sync::Arc;
use std::time::Duration;

use crate::reactive::{Callback, Effect, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::account::Role;
use gridhelm_api::alert::{Alert, Alerts, Silence, SilenceDraft};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{View, rules, severity_glyph, webhook};
use crate::deployment::{Group, trouble};
use crate::ui::format::counted;
use crate::ui::{
    Button, Confirm, Empty, ErrorBox, Icon, Panel, SelectField, Skeleton, Tag, Trouble, ago,
    moment, use_toasts,
};

/// How often it is asked again.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// For how long alerts are silenced, as one chooses: seconds, words.
const TIMES: [(&str, &str); 4] = [
    ("3600", "1 hour"),
    ("14400", "4 hours"),
    ("86400", "24 hours"),
    ("604800", "7 days"),
];

/// What is asked of a person.
#[derive(Clone, PartialEq)]
enum Asked {
    /// What is done about this alert.
    Acknowledge(Alert),
    /// For how long nobody is told of alerts of this rule about this.
    Silence(Alert),
}

/// The alerts of a group, as its active server told them.
#[derive(Clone, Copy)]
struct Known {
    group: &'static Group,
    said: RwSignal<Option<Arc<Alerts>>>,
    fault: RwSignal<Option<Trouble>>,
    asked: RwSignal<Option<Asked>>,
    busy: RwSignal<Option<String>>,
}

impl Known {
    fn new(group: &'static Group) -> Self {
        Self {
            group,
            said: RwSignal::new(None),
            fault: RwSignal::new(None),
            asked: RwSignal::new(None),
            busy: RwSignal::new(None),
        }
    }

    /// Asks now; whether anybody still looks.
    async fn look(self) -> bool {
        let said = self
            .group
            .act(|client| async move { client.alerts().await })
            .await;
        match said {
            Ok(said) => {
                let _ = self.fault.try_set(None);
                self.said.try_set(Some(Arc::new(said))).is_none()
            }
            Err(error) => {
                let title = format!("The alerts of {} cannot be read", self.group.name);
                self.fault.try_set(Some(trouble(&title, &error))).is_none()
            }
        }
    }

    /// Asks now, and again as long as the page shows it.
    fn keep_looking(self) {
        spawn_local(async move {
            if self.look().await {
                set_timeout(move || self.keep_looking(), LOOK_EVERY);
            }
        });
    }

    /// After something was done: what became of it, and how it stands now.
    async fn done<T>(self, title: String, outcome: Result<T, gridhelm_client::Error>) -> bool {
        let _ = self.busy.try_set(None);
        match outcome {
            Ok(_) => {
                let _ = self.asked.try_set(None);
                self.look().await;
                true
            }
            Err(error) => {
                let _ = self.asked.try_set(None);
                let _ = self.fault.try_set(Some(trouble(&title, &error)));
                false
            }
        }
    }
}

/// The tab.
pub(super) fn alerts(view: View, answer: RwSignal<String>) -> AnyView {
    Effect::new(move |_| {
        let text = "What rules find in the grid opens an alert; it ends when they find it no more.";
        answer.set(text.to_owned());
    });
    let parts = move || {
        view.scope
            .get()
            .into_iter()
            .map(|index| part(&view.deployment.groups[index]))
            .collect_view()
    };
    view! { <div class="scroll grow alerts" role="region" aria-label="Alerts" tabindex="0">{parts}</div> }
        .into_any()
}

fn part(group: &'static Group) -> AnyView {
    let known = Known::new(group);
    Effect::new(move |_| {
        if group.signed_in() {
            known.keep_looking();
        }
    });
    // Drawn anew when something changed, not at each look: the focus stays where it is.
    let shown = Memo::new(move |_| {
        let said = known.said.get()?;
        Some(Arc::new(Alerts {
            at: 0,
            ..Alerts::clone(&said)
        }))
    });
    let body = move || {
        shown.get().map_or_else(
            || view! { <Skeleton lines=3 name="Reading the alerts"/> }.into_any(),
            |said| told(known, &said),
        )
    };
    let content = move || {
        if !group.signed_in() {
            let title = format!("Not signed in to {}", group.name);
            return view! { <Empty picture=Icon::Lock title=title text="Sign in to see its alerts."/> }.into_any();
        }
        let title = format!("Alerts of {}", group.name);
        view! {
            {move || known.fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
            <Panel title=title>{body}</Panel>
            {rules::panel(group)}
            {webhook::panel(group)}
        }
        .into_any()
    };
    let dialog = move || {
        known.asked.get().map(|asked| match asked {
            Asked::Acknowledge(alert) => acknowledge(known, alert),
            Asked::Silence(alert) => silence(known, alert),
        })
    };
    view! { {content}{dialog} }.into_any()
}

fn told(known: Known, said: &Alerts) -> AnyView {
    let open = if said.open.is_empty() {
        view! { <Empty title="Nothing is open" text="The rules below find nothing wrong."/> }
            .into_any()
    } else {
        table(known, &said.open, true, "Open alerts")
    };
    let silent = (!said.silences.is_empty()).then(|| {
        let row = |silence: &Silence| silence_row(known, silence);
        view! { <ul class="pad several-list" aria-label="Silences">{said.silences.iter().map(row).collect_view()}</ul> }
    });
    let ended = (!said.ended.is_empty()).then(|| {
        let name = format!("{} that ended", counted(said.ended.len(), "alert"));
        view! { <details class="pad"><summary>{name}</summary>{table(known, &said.ended, false, "Alerts that ended")}</details> }
    });
    view! { {open}{silent}{ended} }.into_any()
}

fn table(known: Known, alerts: &[Alert], open: bool, name: &'static str) -> AnyView {
    let row = move |alert: &Alert| row(known, alert, open);
    let last = if open { "What to do" } else { "Ended" };
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label=name>
            <table class="tbl">
                <thead><tr><th scope="col">"Rule"</th><th scope="col">"About"</th><th scope="col">"What"</th><th scope="col">"Since"</th><th scope="col">"Who looks after it"</th><th scope="col">{last}</th></tr></thead>
                <tbody>{alerts.iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(known: Known, alert: &Alert, open: bool) -> AnyView {
    let off = Signal::derive(move || known.group.write_off(Role::Operator));
    let who = match &alert.acknowledged {
        Some(said) => format!("{}: {}", said.by, said.reason),
        None => "nobody yet".to_owned(),
    };
    let silenced = alert
        .silenced
        .then(|| view! { " "<Tag line=true>"silenced"</Tag> });
    let since = if open {
        let age = ago(alert.opened_at);
        view! { <span>{move || age.get()}</span> }.into_any()
    } else {
        moment(alert.opened_at).into_any()
    };
    let last = if open {
        let (first, second) = (alert.clone(), alert.clone());
        let (seen, quiet) = (
            format!("Acknowledge {} of {}", alert.rule, alert.subject),
            format!("Silence {} of {}", alert.rule, alert.subject),
        );
        let acknowledge =
            Callback::new(move |()| known.asked.set(Some(Asked::Acknowledge(first.clone()))));
        let silence =
            Callback::new(move |()| known.asked.set(Some(Asked::Silence(second.clone()))));
        view! { <Button small=true off=off name=seen on_click=acknowledge>"Acknowledge…"</Button>" "<Button small=true off=off name=quiet on_click=silence>"Silence…"</Button> }.into_any()
    } else {
        alert.resolved_at.map(moment).into_any()
    };
    let (state, rule) = (severity_glyph(alert.severity), alert.rule.clone());
    view! {
        <tr>
            <td><Tag state=state shape=true>{rule}</Tag>{silenced}</td>
            <td><b class="strong">{alert.subject.clone()}</b></td>
            <td>{alert.message.clone()}</td>
            <td class="muted">{since}</td>
            <td class="ink2">{who}</td>
            <td>{last}</td>
        </tr>
    }
    .into_any()
}

fn silence_row(known: Known, silence: &Silence) -> AnyView {
    let off = Signal::derive(move || known.group.write_off(Role::Operator));
    let rule = silence.rule.as_deref().unwrap_or("any rule");
    let subject = silence.subject.as_deref().unwrap_or("anything");
    let text = format!(
        "Nobody is told of {rule} about {subject} until {}: {} ({})",
        moment(silence.until),
        silence.said.reason,
        silence.said.by
    );
    let id = silence.id.clone();
    let name = format!("End the silence of {rule} about {subject}");
    let end = Callback::new(move |()| {
        let id = id.clone();
        spawn_local(async move {
            let wanted = id.as_str();
            let outcome = known
                .group
                .act(|client| async move { client.end_silence(wanted).await })
                .await;
            known
                .done("The silence was not ended".to_owned(), outcome)
                .await;
        });
    });
    view! { <li>{text}" "<Button small=true off=off name=name on_click=end>"End it"</Button></li> }
        .into_any()
}

fn acknowledge(known: Known, alert: Alert) -> AnyView {
    let toasts = use_toasts();
    let (id, about) = (
        alert.id.clone(),
        format!("{} of {}", alert.rule, alert.subject),
    );
    let title = format!("Acknowledge {about}?");
    let confirm = Callback::new(move |reason: String| {
        let (id, about) = (id.clone(), about.clone());
        known.busy.set(Some("Writing…".to_owned()));
        spawn_local(async move {
            let (wanted, why) = (id.as_str(), reason.as_str());
            let outcome = known
                .group
                .act(|client| async move { client.acknowledge_alert(wanted, why).await })
                .await;
            if known
                .done(format!("{about} was not acknowledged"), outcome)
                .await
            {
                toasts.good(format!("{about} acknowledged"), reason);
            }
        });
    });
    let close = Callback::new(move |()| known.asked.set(None));
    view! {
        <Confirm title=title verb="Acknowledge" keep="Not yet" reason="What is done about it, shown to all" busy=known.busy on_confirm=confirm on_close=close>
            <p>{alert.message.clone()}</p>
            <p>"It stays open until its rule finds it no more; everyone sees that you look after it."</p>
        </Confirm>
    }
    .into_any()
}

fn silence(known: Known, alert: Alert) -> AnyView {
    let toasts = use_toasts();
    let time = RwSignal::new(TIMES[0].0.to_owned());
    let (rule, subject) = (alert.rule.clone(), alert.subject.clone());
    let title = format!("Silence {rule} of {subject}?");
    let confirm = Callback::new(move |reason: String| {
        let draft = SilenceDraft {
            rule: Some(rule.clone()),
            subject: Some(subject.clone()),
            for_s: time.get_untracked().parse().unwrap_or(3_600),
            reason,
        };
        let about = format!("{rule} of {subject}");
        known.busy.set(Some("Writing…".to_owned()));
        spawn_local(async move {
            let wanted = &draft;
            let outcome = known
                .group
                .act(|client| async move { client.silence_alerts(wanted).await })
                .await;
            if known
                .done(format!("{about} was not silenced"), outcome)
                .await
            {
                toasts.good(format!("{about} silenced"), draft.reason);
            }
        });
    });
    let choices: Vec<(String, String)> = TIMES
        .iter()
        .map(|(key, words)| ((*key).to_owned(), (*words).to_owned()))
        .collect();
    let close = Callback::new(move |()| known.asked.set(None));
    let pick = Callback::new(move |key: String| time.set(key));
    view! {
        <Confirm title=title verb="Silence" keep="Leave it loud" reason="Why, shown to all" busy=known.busy on_confirm=confirm on_close=close>
            <p>"Alerts of this rule about this that open meanwhile are shown, and nobody is told."</p>
            <SelectField label="For how long" value=Signal::derive(move || time.get()) choices=Signal::stored(choices) on_pick=pick/>
        </Confirm>
    }
    .into_any()
}
