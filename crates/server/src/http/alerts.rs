//! Alerts, their rules, silences and the webhook.

use super::Http;
use super::extract::{IfMatch, Json, Segments};
use super::nodes::{accept, etag};
use super::refusal::{Answer, Refusal};
use crate::accounts::Actor;
use crate::alerts::{Hook, RULES, SILENCES, Silences, WEBHOOK, setting};
use crate::clock;
use crate::store::{Notes, StoreError};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json as Answered};
use gridhelm_api::alert::{
    Acknowledge, Alert, AlertRules, Alerts, Delivery, MAX_SILENCES, Said, Silence, SilenceDraft,
    Webhook, WebhookDraft,
};
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::names::check_reason;
use gridhelm_api::{Code, Millis};
use serde_json::json;
use std::sync::Arc;

/// How many messages are shown with the webhook.
const SHOWN: u32 = 20;

/// What is open, what ended last, what is silenced.
pub(crate) async fn list(State(http): State<Arc<Http>>) -> Answer<Answered<Alerts>> {
    Ok(Answered(http.app.alerts.all().await?))
}

fn said(actor: &Actor, reason: &str) -> Said {
    Said {
        by: actor.name.clone(),
        at: clock::now(),
        reason: reason.trim().to_owned(),
    }
}

pub(crate) async fn acknowledge(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(id): Segments<String>,
    Json(body): Json<Acknowledge>,
) -> Answer<Answered<Alert>> {
    check_reason("reason", &body.reason)?;
    let fence = http.app.standing.borrow().fence()?;
    let said = said(&actor, &body.reason);
    let reason = said.reason.clone();
    let notes = |alert: &Alert| {
        let event = actor.event(
            Severity::Info,
            Topic::Grid,
            "alert.acknowledged",
            &alert.subject,
            format!("alert acknowledged ({}): {reason}", alert.rule),
        );
        let mut audit = actor.audit("alert.acknowledge", &alert.id);
        audit.reason = Some(reason.clone());
        actor.notes(audit, event)
    };
    let known = http
        .app
        .alerts
        .acknowledge(&fence, &id, said, notes)
        .await?;
    known
        .map(Answered)
        .ok_or_else(|| Refusal::not_found(format_args!("An open alert {id}")))
}

pub(crate) async fn silence(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Json(draft): Json<SilenceDraft>,
) -> Answer<(StatusCode, Answered<Silence>)> {
    accept(draft.check())?;
    let now = clock::now();
    let id = crate::ids::delivery_id(now)
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
    let silence = Silence {
        id,
        rule: draft.rule,
        subject: draft.subject,
        until: now + Millis::from(draft.for_s) * 1_000,
        said: said(&actor, &draft.reason),
    };
    let about = |name: &Option<String>| name.clone().unwrap_or_else(|| "any".to_owned());
    let event = actor.event(
        Severity::Info,
        Topic::Grid,
        "alert.silenced",
        silence.subject.clone().unwrap_or_else(|| "grid".to_owned()),
        format!(
            "nobody is told of alerts of {} rule for {}: {}",
            about(&silence.rule),
            crate::grid::seconds(u64::from(draft.for_s) * 1_000),
            silence.said.reason
        ),
    );
    let mut audit = actor.audit("alert.silence", &silence.id);
    audit.after = serde_json::to_value(&silence).ok();
    audit.reason = Some(silence.said.reason.clone());
    let notes = actor.notes(audit, event);
    let new = silence.clone();
    change_silences(&http, notes, move |kept| {
        if kept.len() >= MAX_SILENCES {
            return Err(Refusal::new(
                Code::Conflict,
                "200 silences hold already; end some of them first.",
            ));
        }
        kept.push(new.clone());
        Ok(())
    })
    .await?;
    Ok((StatusCode::CREATED, Answered(silence)))
}

pub(crate) async fn end_silence(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(id): Segments<String>,
) -> Answer<StatusCode> {
    let event = actor.event(
        Severity::Info,
        Topic::Grid,
        "alert.unsilenced",
        "grid",
        "a silence was ended before its time",
    );
    let notes = actor.notes(actor.audit("alert.unsilence", &id), event);
    change_silences(&http, notes, move |kept| {
        let before = kept.len();
        kept.retain(|silence| silence.id != id);
        if kept.len() == before {
            return Err(Refusal::not_found(format_args!("Silence {id}")));
        }
        Ok(())
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How often a change is tried again when another one came between.
const AGAIN: usize = 5;

/// Changes the silences; those that are over go by the way.
async fn change_silences(
    http: &Http,
    notes: Notes,
    change: impl Fn(&mut Vec<Silence>) -> Answer<()>,
) -> Answer<()> {
    let fence = http.app.standing.borrow().fence()?;
    let store = &http.app.store;
    for _ in 0..AGAIN {
        let mut kept: Silences = setting(&**store, SILENCES).await?;
        let now = clock::now();
        kept.silences.retain(|silence| now < silence.until);
        change(&mut kept.silences)?;
        let version = kept.version;
        kept.version += 1;
        let value = serde_json::to_string(&kept).unwrap_or_default();
        let written = store
            .put_setting(&fence, SILENCES, version, &value, notes.clone())
            .await;
        match written {
            Ok(events) => {
                http.app.hub.publish_events(events);
                return Ok(http.app.alerts.reread().await?);
            }
            Err(StoreError::VersionMismatch { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::new(
        Code::Conflict,
        "Others change the silences at the same moment; try again.",
    ))
}

/// The rules.
pub(crate) async fn rules(
    State(http): State<Arc<Http>>,
) -> Answer<(HeaderMap, Answered<AlertRules>)> {
    let rules: AlertRules = setting(&*http.app.store, RULES).await?;
    Ok((etag(rules.version), Answered(rules)))
}

pub(crate) async fn set_rules(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    IfMatch(version): IfMatch,
    Json(mut rules): Json<AlertRules>,
) -> Answer<(HeaderMap, Answered<AlertRules>)> {
    accept(rules.check())?;
    let fence = http.app.standing.borrow().fence()?;
    let before: AlertRules = setting(&*http.app.store, RULES).await?;
    rules.version = version + 1;
    let event = actor.event(
        Severity::Info,
        Topic::Grid,
        "alert.rules",
        "grid",
        format!("alert rules changed; there are {} now", rules.rules.len()),
    );
    let mut audit = actor.audit("alert.rules", "grid");
    audit.before = serde_json::to_value(&before).ok();
    audit.after = serde_json::to_value(&rules).ok();
    let notes = actor.notes(audit, event);
    let value = serde_json::to_string(&rules).unwrap_or_default();
    let events = http
        .app
        .store
        .put_setting(&fence, RULES, version, &value, notes)
        .await?;
    http.app.hub.publish_events(events);
    http.app.alerts.reread().await?;
    Ok((etag(rules.version), Answered(rules)))
}

fn shown(hook: &Hook, deliveries: Vec<Delivery>) -> Webhook {
    Webhook {
        version: hook.version,
        url: hook.url.clone(),
        enabled: hook.enabled,
        has_secret: !hook.secret.is_empty(),
        deliveries,
    }
}

/// Where messages go; never the secret.
pub(crate) async fn webhook(
    State(http): State<Arc<Http>>,
) -> Answer<(HeaderMap, Answered<Webhook>)> {
    let hook: Hook = setting(&*http.app.store, WEBHOOK).await?;
    let deliveries = http.app.store.deliveries(SHOWN).await?;
    Ok((etag(hook.version), Answered(shown(&hook, deliveries))))
}

pub(crate) async fn set_webhook(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    IfMatch(version): IfMatch,
    Json(draft): Json<WebhookDraft>,
) -> Answer<(HeaderMap, Answered<Webhook>)> {
    accept(draft.check())?;
    let fence = http.app.standing.borrow().fence()?;
    http.app
        .alerts
        .check_url(&draft.url)
        .await
        .map_err(|why| Refusal::invalid("url", format!("{why}.")))?;
    let before: Hook = setting(&*http.app.store, WEBHOOK).await?;
    let secret_changed = draft.secret.is_some();
    let hook = Hook {
        version: version + 1,
        url: draft.url,
        enabled: draft.enabled,
        secret: draft.secret.unwrap_or_else(|| before.secret.clone()),
    };
    if hook.secret.is_empty() {
        return Err(Refusal::invalid(
            "secret",
            "Give a secret of 16 to 200 characters: messages are signed by it.",
        ));
    }
    let event = actor.event(
        Severity::Info,
        Topic::Grid,
        "alert.webhook",
        "grid",
        if hook.enabled {
            "the webhook of alerts was changed"
        } else {
            "the webhook of alerts was turned off"
        },
    );
    let mut audit = actor.audit("alert.webhook", "grid");
    audit.before = Some(json!({ "url": before.url, "enabled": before.enabled }));
    audit.after =
        Some(json!({ "url": hook.url, "enabled": hook.enabled, "secret_changed": secret_changed }));
    let notes = actor.notes(audit, event);
    let value = serde_json::to_string(&hook).unwrap_or_default();
    let events = http
        .app
        .store
        .put_setting(&fence, WEBHOOK, version, &value, notes)
        .await?;
    http.app.hub.publish_events(events);
    http.app.alerts.reread().await?;
    Ok((etag(hook.version), Answered(shown(&hook, Vec::new()))))
}

/// Sends one message at once. That it was not taken is an answer: its `trouble` says why.
pub(crate) async fn try_webhook(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
) -> Answer<Answered<Delivery>> {
    let hook: Hook = setting(&*http.app.store, WEBHOOK).await?;
    if hook.url.is_empty() {
        return Err(Refusal::new(
            Code::Conflict,
            "No webhook is set. Save its address and secret first.",
        ));
    }
    let tried = http.app.alerts.try_out(&hook, &actor.name).await;
    tried
        .map(Answered)
        .map_err(|why| Refusal::new(Code::Internal, why))
}
