//! Where messages about alerts go. For admins.

use crate::reactive::{Callback, Effect, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::account::Role;
use gridhelm_api::alert::{Delivery, Telling, Webhook, WebhookDraft};
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::deployment::{Group, trouble};
use crate::ui::{
    Button, CheckField, ErrorBox, Glyph, Hint, Panel, Skeleton, Tag, TextField, Trouble, Weight,
    moment, next_id, use_toasts,
};

/// What became of a message, in a word and a sentence.
fn outcome(delivery: &Delivery) -> (Glyph, &'static str, String) {
    let why = delivery.trouble.clone().unwrap_or_default();
    match (delivery.taken_at, delivery.due_at) {
        (Some(_), _) => (Glyph::Pass, "taken", String::new()),
        (None, Some(_)) if delivery.tries == 0 => (Glyph::Todo, "waits", String::new()),
        (None, Some(_)) => (Glyph::Warn, "tried again", why),
        (None, None) => (Glyph::Fail, "given up", why),
    }
}

/// The panel; nothing for those who are no admins.
pub(super) fn panel(group: &'static Group) -> AnyView {
    let view = move || group.is_admin().then(|| form(group));
    view! { {view} }.into_any()
}

fn form(group: &'static Group) -> AnyView {
    let known = RwSignal::new(None::<Webhook>);
    let url = RwSignal::new(String::new());
    let secret = RwSignal::new(String::new());
    let enabled = RwSignal::new(true);
    let fault = RwSignal::new(None::<Trouble>);
    let busy = RwSignal::new(None::<String>);
    let toasts = use_toasts();
    let failed = move |what: &str, error: &gridhelm_client::Error| {
        let title = format!("The webhook of {} {what}", group.name);
        let _ = fault.try_set(Some(trouble(&title, error)));
    };
    let look = move || {
        spawn_local(async move {
            let said = group
                .act(|client| async move { client.webhook().await })
                .await;
            match said {
                Ok(hook) => {
                    let _ = url.try_set(hook.url.clone());
                    let _ = enabled.try_set(hook.enabled || hook.version == 0);
                    let _ = secret.try_set(String::new());
                    let _ = known.try_set(Some(hook));
                }
                Err(error) => failed("cannot be read", &error),
            }
        });
    };
    Effect::new(move |_| look());
    let draft = move || WebhookDraft {
        url: url.get().trim().to_owned(),
        enabled: enabled.get(),
        secret: Some(secret.get()).filter(|secret| !secret.is_empty()),
    };
    let off = Signal::derive(move || {
        group.write_off(Role::Admin).or_else(|| {
            let wrong = draft().check().into_iter().next();
            let bare = known.with(|known| known.as_ref().is_none_or(|k| !k.has_secret))
                && secret.with(String::is_empty);
            wrong
                .map(|error| error.message)
                .or_else(|| bare.then(|| "Give a secret: messages are signed by it.".to_owned()))
        })
    });
    let save = Callback::new(move |()| {
        let version = known.with_untracked(|known| known.as_ref().map_or(0, |k| k.version));
        let draft = untrack(draft);
        busy.set(Some("Saving…".to_owned()));
        fault.set(None);
        spawn_local(async move {
            let wanted = &draft;
            let said = group
                .act(|client| async move { client.set_webhook(version, wanted).await })
                .await;
            match said {
                Ok(_) => {
                    toasts.good("Webhook saved".to_owned(), draft.url.clone());
                    look();
                }
                Err(error) => failed("was not saved", &error),
            }
            let _ = busy.try_set(None);
        });
    });
    let try_off = Signal::derive(move || {
        group.write_off(Role::Admin).or_else(|| {
            let unset = known.with(|known| known.as_ref().is_none_or(|k| k.version == 0));
            unset.then(|| "Save it first.".to_owned())
        })
    });
    let try_it = Callback::new(move |()| {
        busy.set(Some("Sending…".to_owned()));
        fault.set(None);
        spawn_local(async move {
            let said = group
                .act(|client| async move { client.try_webhook().await })
                .await;
            match said {
                Ok(delivery) => match delivery.trouble {
                    None => toasts.good("The message was taken".to_owned(), String::new()),
                    Some(why) => {
                        toasts.tell(Glyph::Fail, "The message was not taken".to_owned(), why);
                    }
                },
                Err(error) => failed("could not be tried", &error),
            }
            let _ = busy.try_set(None);
        });
    });
    let hint = Signal::derive(move || {
        let set = known.with(|known| known.as_ref().is_some_and(|k| k.has_secret));
        let text = if set {
            "One is set and not shown again; what is typed here replaces it."
        } else {
            "16 characters or more; the receiver knows it, too."
        };
        Hint::Plain(text.to_owned())
    });
    let why = next_id("why");
    let row = |delivery: &Delivery| {
        let (state, word, text) = outcome(delivery);
        let telling = match delivery.telling {
            Telling::Opened => "opened",
            Telling::Resolved => "over",
            Telling::Test => "test",
        };
        view! { <tr><td class="muted">{moment(delivery.made_at)}</td><td>{delivery.alert.rule.clone()}</td><td>{delivery.alert.subject.clone()}</td><td>{telling}</td><td><Tag state=state shape=true>{word}</Tag>" "<span class="ink2">{text}</span></td><td class="num">{delivery.tries.to_string()}</td></tr> }
            .into_any()
    };
    let sent = move || {
        known.with(|known| {
            let deliveries = known.as_ref().map(|k| k.deliveries.as_slice()).unwrap_or_default();
            (!deliveries.is_empty()).then(|| {
                view! {
                    <div class="scroll" tabindex="0" role="region" aria-label="The latest messages">
                        <table class="tbl">
                            <thead><tr><th scope="col">"Made"</th><th scope="col">"Rule"</th><th scope="col">"About"</th><th scope="col">"What"</th><th scope="col">"Outcome"</th><th scope="col" class="num">"Tries"</th></tr></thead>
                            <tbody>{deliveries.iter().map(row).collect_view()}</tbody>
                        </table>
                    </div>
                }
            })
        })
    };
    let body = move || {
        if known.with(Option::is_none) {
            return view! { <Skeleton lines=2 name="Reading the webhook"/> }.into_any();
        }
        let why = why.clone();
        view! {
            <div class="pad hook">
                <TextField label="Address" value=url mono=true placeholder="https://" limit=500/>
                <TextField label="Secret" value=secret kind="password" autocomplete="new-password" limit=200 hint=hint/>
                <CheckField label="Send messages" on=enabled on_change=Callback::new(move |on| enabled.set(on))/>
                <div class="acts">
                    <Button small=true off=try_off busy=busy on_click=try_it>"Send a test"</Button>
                    <Button small=true weight=Weight::Primary off=off reason_at=why.clone() busy=busy on_click=save>"Save the webhook"</Button>
                    <span class="why-not" id=why aria-live="polite">{move || off.get()}</span>
                </div>
            </div>
            {sent}
        }
        .into_any()
    };
    let title = format!("Webhook of {}", group.name);
    view! {
        {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
        <Panel title=title>{body}</Panel>
    }
    .into_any()
}
