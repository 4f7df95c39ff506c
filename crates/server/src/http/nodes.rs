//! Nodes of the grid.

use super::Http;
use super::extract::{IfMatch, Json, Params, Segments};
use super::refusal::{Answer, Refusal};
use crate::accounts::Actor;
use crate::clock;
use crate::store::{Notes, StoredNode};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::{Extension, Json as Answered};
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::names::check_reason;
use gridhelm_api::node::{
    Intent, IntentChange, Node, NodeDraft, NodePatch, NodeTest, TimelinePoint,
};
use gridhelm_api::{FieldError, Millis, Page};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// A node with its version as ETag.
type Tagged = (HeaderMap, Answered<Node>);

fn tagged(node: Node) -> Tagged {
    let mut headers = HeaderMap::new();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", node.version)) {
        headers.insert(header::ETAG, tag);
    }
    (headers, Answered(node))
}

async fn find(http: &Http, name: &str) -> Answer<Node> {
    http.app
        .grid
        .node(name)
        .await?
        .ok_or_else(|| Refusal::not_found(format_args!("Node {name}")))
}

fn accept(errors: Vec<FieldError>) -> Answer<()> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(errors.into())
}

pub(crate) async fn list(State(http): State<Arc<Http>>) -> Answer<Answered<Page<Node>>> {
    let items = http.app.grid.nodes().await?;
    Ok(Answered(Page {
        total: Some(items.len() as u64),
        items,
        next: None,
    }))
}

pub(crate) async fn one(
    State(http): State<Arc<Http>>,
    Segments(name): Segments<String>,
) -> Answer<Tagged> {
    find(&http, &name).await.map(tagged)
}

/// Tests a node to be. A node that would not work is an answer, not a problem: its steps say why.
pub(crate) async fn test(
    State(http): State<Arc<Http>>,
    Json(draft): Json<NodeDraft>,
) -> Answer<Answered<NodeTest>> {
    accept(draft.check())?;
    Ok(Answered(http.app.grid.test(&draft).await))
}

pub(crate) async fn create(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Json(draft): Json<NodeDraft>,
) -> Answer<(StatusCode, Tagged)> {
    accept(draft.check())?;
    let fence = http.app.standing.borrow().fence()?;
    let now = clock::now();
    let name = draft.name.clone();
    let message = format!(
        "registered at {}:{} with {}",
        draft.host,
        draft.port,
        slots(draft.slot_limit)
    );
    let event = actor.event(
        Severity::Info,
        Topic::Grid,
        "node.registered",
        &name,
        message,
    );
    let mut audit = actor.audit("node.create", &name);
    audit.after = Some(json!({
        "host": draft.host, "port": draft.port, "slot_limit": draft.slot_limit, "user": draft.user,
        "operating_type": draft.operating_type, "labels": draft.labels, "intent": draft.intent,
    }));
    let by = (draft.intent != Intent::Enabled).then(|| actor.name.clone());
    let node = StoredNode {
        name: draft.name,
        host: draft.host,
        port: draft.port,
        user: draft.user,
        password: draft.password,
        slot_limit: draft.slot_limit,
        operating_type: draft.operating_type,
        labels: draft.labels,
        intent: draft.intent,
        intent_reason: by.is_some().then(|| "registered so".to_owned()),
        intent_by: by,
        intent_since: now,
        version: 1,
        created_at: now,
    };
    let notes = actor.notes(audit, event);
    let (_, events) = http.app.store.create_node(&fence, &node, notes).await?;
    http.app.hub.publish_events(events);
    http.app.grid.changed(&name).await?;
    Ok((StatusCode::CREATED, tagged(find(&http, &name).await?)))
}

pub(crate) async fn edit(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(name): Segments<String>,
    IfMatch(version): IfMatch,
    Json(patch): Json<NodePatch>,
) -> Answer<Tagged> {
    accept(patch.check())?;
    let fence = http.app.standing.borrow().fence()?;
    let what = changes(&patch);
    if what.is_empty() {
        return Err(Refusal::invalid(
            "body",
            "Give at least one field to change.",
        ));
    }
    let event = actor.event(
        Severity::Info,
        Topic::Grid,
        "node.edited",
        &name,
        what.join(", "),
    );
    let mut audit = actor.audit("node.edit", &name);
    let mut after = serde_json::to_value(&patch).unwrap_or_default();
    if let Some(fields) = after.as_object_mut()
        && fields.remove("password").is_some()
    {
        fields.insert("password_changed".into(), true.into());
    }
    audit.after = Some(after);
    let notes = actor.notes(audit, event);
    let (_, events) = http
        .app
        .store
        .update_node(&fence, &name, version, &patch, notes)
        .await?;
    http.app.hub.publish_events(events);
    http.app.grid.changed(&name).await?;
    find(&http, &name).await.map(tagged)
}

fn slots(n: u32) -> String {
    if n == 1 {
        "1 slot".to_owned()
    } else {
        format!("{n} slots")
    }
}

fn changes(patch: &NodePatch) -> Vec<String> {
    let mut what = Vec::new();
    if patch.host.is_some() || patch.port.is_some() {
        let host = patch.host.as_deref().unwrap_or("the same host");
        let port = patch.port.map(|p| format!(":{p}")).unwrap_or_default();
        what.push(format!("now at {host}{port}"));
    }
    what.extend(patch.slot_limit.map(|n| format!("now with {}", slots(n))));
    if patch.operating_type.is_some() {
        what.push("other operating type".into());
    }
    if patch.labels.is_some() {
        what.push("other labels".into());
    }
    if patch.user.is_some() || patch.password.is_some() {
        what.push("other sign-in".into());
    }
    what
}

pub(crate) async fn intent(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(name): Segments<String>,
    IfMatch(version): IfMatch,
    Json(mut change): Json<IntentChange>,
) -> Answer<Tagged> {
    check_reason("reason", &change.reason)?;
    let fence = http.app.standing.borrow().fence()?;
    change.reason = change.reason.trim().to_owned();
    let reason = change.reason.as_str();
    let (kind, word) = match change.intent {
        Intent::Enabled => ("node.enabled", "enabled"),
        Intent::Draining => ("node.draining", "draining"),
        Intent::Disabled => ("node.disabled", "disabled"),
    };
    let event = actor.event(
        Severity::Info,
        Topic::Grid,
        kind,
        &name,
        format!("{word}: {reason}"),
    );
    let mut audit = actor.audit("node.intent", &name);
    audit.after = Some(json!({ "intent": change.intent }));
    audit.reason = Some(reason.to_owned());
    let notes = actor.notes(audit, event);
    let (_, events) = http
        .app
        .store
        .set_intent(&fence, &name, version, &change, &actor.name, notes)
        .await?;
    http.app.hub.publish_events(events);
    http.app.grid.changed(&name).await?;
    find(&http, &name).await.map(tagged)
}

pub(crate) async fn remove(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(name): Segments<String>,
    IfMatch(version): IfMatch,
) -> Answer<StatusCode> {
    let fence = http.app.standing.borrow().fence()?;
    let event = actor.event(
        Severity::Info,
        Topic::Grid,
        "node.removed",
        &name,
        "removed from the grid",
    );
    let notes: Notes = actor.notes(actor.audit("node.remove", &name), event);
    let events = http
        .app
        .store
        .remove_node(&fence, &name, version, notes)
        .await?;
    http.app.hub.publish_events(events);
    http.app.grid.removed(&name);
    Ok(StatusCode::NO_CONTENT)
}

/// Looks at a node now; what is seen comes with the event stream.
pub(crate) async fn probe(
    State(http): State<Arc<Http>>,
    Segments(name): Segments<String>,
) -> Answer<Tagged> {
    if !http.app.grid.probe_now(&name) {
        return Err(Refusal::not_found(format_args!("Node {name}")));
    }
    find(&http, &name).await.map(tagged)
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct TimelineQuery {
    /// From this moment on; the default is 30 minutes ago.
    since: Option<Millis>,
}

/// The last 30 minutes, or since when asked.
pub(crate) async fn timeline(
    State(http): State<Arc<Http>>,
    Segments(name): Segments<String>,
    Params(query): Params<TimelineQuery>,
) -> Answer<Answered<Vec<TimelinePoint>>> {
    find(&http, &name).await?;
    let since = query.since.unwrap_or_else(|| clock::now() - 30 * 60 * 1000);
    Ok(Answered(http.app.store.timeline(&name, since).await?))
}
