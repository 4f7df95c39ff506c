//! Nodes of the grid.

use super::Http;
use super::extract::{IfMatch, Json, Params, Segments};
use super::refusal::{Answer, Refusal};
use crate::accounts::Actor;
use crate::clock;
use crate::grid::guard::{self, Room};
use crate::grid::seconds;
use crate::store::{Notes, StoredNode};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::{Extension, Json as Answered};
use gridhelm_api::availability::{self, Availability, GridHistory, NodePoint, WEEK};
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::measures::NodeMeasures;
use gridhelm_api::node::{
    GridLimits, Intent, IntentChange, Node, NodeDraft, NodePatch, NodeTest, TimelinePoint,
};
use gridhelm_api::{Code, FieldError, Millis, Page, Problem};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// A node with its version as ETag.
type Tagged = (HeaderMap, Answered<Node>);

fn tagged(node: Node) -> Tagged {
    (etag(node.version), Answered(node))
}

/// The version as the ETag of an answer.
pub(super) fn etag(version: i64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        headers.insert(header::ETAG, tag);
    }
    headers
}

async fn find(http: &Http, name: &str) -> Answer<Node> {
    http.app
        .grid
        .node(name)
        .await?
        .ok_or_else(|| Refusal::not_found(format_args!("Node {name}")))
}

pub(super) fn accept(errors: Vec<FieldError>) -> Answer<()> {
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
        intent_until: None,
        intent_force: false,
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
    let takes_away = patch.slot_limit.is_some() || patch.operating_type.is_some();
    if takes_away && !patch.override_guard {
        guarded(&http, &name, Some(&patch)).await?;
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
    accept(change.check())?;
    let fence = http.app.standing.borrow().fence()?;
    change.reason = change.reason.trim().to_owned();
    if change.intent != Intent::Enabled && !change.override_guard {
        guarded(&http, &name, None).await?;
    }
    let (kind, words) = in_words(&change);
    let event = actor.event(Severity::Info, Topic::Grid, kind, &name, words);
    let mut audit = actor.audit("node.intent", &name);
    audit.after = Some(json!({
        "intent": change.intent, "for_s": change.for_s, "force": change.force, "override_guard": change.override_guard,
    }));
    audit.reason = Some(change.reason.clone());
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

/// The event's kind, and what it says.
fn in_words(change: &IntentChange) -> (&'static str, String) {
    let time = change.for_s.map(|s| seconds(u64::from(s) * 1_000));
    let force = if change.force {
        ", what runs is interrupted"
    } else {
        ""
    };
    let (kind, what) = match (change.intent, time) {
        (Intent::Enabled, _) => ("node.enabled", "enabled".to_owned()),
        (Intent::Draining, None) => ("node.draining", format!("draining{force}")),
        (Intent::Draining, Some(time)) => {
            let then = if change.force {
                ", then what runs is interrupted"
            } else {
                ""
            };
            ("node.draining", format!("draining, at most {time}{then}"))
        }
        (Intent::Disabled, None) => ("node.disabled", format!("disabled{force}")),
        (Intent::Disabled, Some(time)) => ("node.disabled", format!("disabled for {time}{force}")),
    };
    (kind, format!("{what}: {}", change.reason))
}

/// Refuses what would leave too little of the grid: this node edited so, or gone.
async fn guarded(http: &Http, name: &str, edit: Option<&NodePatch>) -> Answer<()> {
    let limits = limits_of(http).await?;
    let nodes = http.app.grid.nodes().await?;
    let before: Vec<Room<'_>> = nodes.iter().map(Room::of).collect();
    let after = match edit {
        None => guard::without(&before, name),
        Some(patch) => nodes
            .iter()
            .map(|node| {
                if node.name == name {
                    Room::edited(node, patch)
                } else {
                    Room::of(node)
                }
            })
            .collect(),
    };
    let missing = guard::missing(&before, &after, limits.least_slots);
    if missing.is_empty() {
        return Ok(());
    }
    let what: Vec<&str> = missing.iter().map(|e| e.message.as_str()).collect();
    let when = edit.map_or_else(
        || format!("Without {name}"),
        |_| format!("With {name} changed so"),
    );
    let mut problem = Problem::new(
        Code::GuardRail,
        format!(
            "{when}: {} Enable other nodes first, or override this.",
            what.join(" ")
        ),
    );
    problem.errors = missing;
    Err(problem.into())
}

/// Under which name the limits are kept.
const LIMITS: &str = "grid_limits";

async fn limits_of(http: &Http) -> Answer<GridLimits> {
    let kept = http.app.store.setting(LIMITS).await?;
    Ok(kept
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default())
}

/// What an action must leave of the grid.
pub(crate) async fn limits(
    State(http): State<Arc<Http>>,
) -> Answer<(HeaderMap, Answered<GridLimits>)> {
    let limits = limits_of(&http).await?;
    Ok((etag(limits.version), Answered(limits)))
}

pub(crate) async fn set_limits(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    IfMatch(version): IfMatch,
    Json(mut limits): Json<GridLimits>,
) -> Answer<(HeaderMap, Answered<GridLimits>)> {
    accept(limits.check())?;
    let fence = http.app.standing.borrow().fence()?;
    let before = limits_of(&http).await?;
    limits.version = version + 1;
    let event = actor.event(
        Severity::Info,
        Topic::Grid,
        "grid.limits",
        "grid",
        format!(
            "at least {} shall stay usable, was {}",
            slots(limits.least_slots),
            before.least_slots
        ),
    );
    let mut audit = actor.audit("grid.limits", "grid");
    audit.before = serde_json::to_value(before).ok();
    audit.after = serde_json::to_value(limits).ok();
    let value = serde_json::to_string(&limits).unwrap_or_default();
    let notes = actor.notes(audit, event);
    let events = http
        .app
        .store
        .put_setting(&fence, LIMITS, version, &value, notes)
        .await?;
    http.app.hub.publish_events(events);
    Ok((etag(limits.version), Answered(limits)))
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct RemoveQuery {
    /// `true`: although it leaves too few slots (`guard_rail`).
    override_guard: Option<bool>,
}

pub(crate) async fn remove(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(name): Segments<String>,
    IfMatch(version): IfMatch,
    Params(query): Params<RemoveQuery>,
) -> Answer<StatusCode> {
    let fence = http.app.standing.borrow().fence()?;
    if query.override_guard != Some(true) {
        guarded(&http, &name, None).await?;
    }
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

/// What was measured of it in the last hour.
pub(crate) async fn measures(
    State(http): State<Arc<Http>>,
    Segments(name): Segments<String>,
) -> Answer<Answered<NodeMeasures>> {
    find(&http, &name).await?;
    Ok(Answered(http.app.grid.measures(&name)))
}

/// How much of the last day and week slots and nodes could be used.
pub(crate) async fn availability(State(http): State<Arc<Http>>) -> Answer<Answered<Availability>> {
    let now = clock::now();
    let points = http.app.store.points(now - WEEK, now, MAX_POINTS).await?;
    let found = tokio::task::spawn_blocking(move || availability::availability(&points, now)).await;
    found
        .map(Answered)
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()))
}

/// The most points of one answer.
const MAX_POINTS: u32 = 50_000;

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct HistoryQuery {
    /// From this moment on; the default is 24 hours ago, the earliest 7 days ago.
    since: Option<Millis>,
}

/// All that changed since then: the grid at any moment follows from it.
pub(crate) async fn history(
    State(http): State<Arc<Http>>,
    Params(query): Params<HistoryQuery>,
) -> Answer<Answered<GridHistory>> {
    let now = clock::now();
    let since = query.since.unwrap_or(now - WEEK / 7);
    if since < now - WEEK - 60_000 || since > now {
        return Err(Refusal::invalid(
            "since",
            "Give a moment of the last 7 days.",
        ));
    }
    let mut points = http.app.store.points(since, now, MAX_POINTS).await?;
    // Where there are too many the answer ends with the last one that is in it.
    let within = points.iter().filter(|(_, p)| p.at >= since).count();
    let until = if within > MAX_POINTS as usize {
        points.pop().map_or(now, |(_, point)| point.at)
    } else {
        now
    };
    let points = points
        .into_iter()
        .map(|(node, point)| NodePoint { node, point })
        .collect();
    Ok(Answered(GridHistory {
        since,
        until,
        points,
    }))
}
