//! R sessions on the nodes: whose they are, and ending them: those that nobody uses, and those that tasks run in.

use super::Http;
use super::extract::{Json, Params, Segments};
use super::journal::page_size;
use super::refusal::{Answer, Refusal};
use crate::accounts::Actor;
use crate::store::Notes;
use axum::extract::State;
use axum::{Extension, Json as Answered};
use gridhelm_api::Page;
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::session::{NodeSession, SessionEnded, SessionKind, SessionsEnd};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct SessionsQuery {
    /// Only on this node.
    node: Option<String>,
    /// Only of these kinds, with commas between them; all when absent.
    #[serde(default)]
    kind: String,
    /// The `next` of the page before.
    after: Option<String>,
    /// At most so many, 1 to 1,000; the default is 100.
    limit: Option<u32>,
}

fn kinds(text: &str) -> Answer<Vec<SessionKind>> {
    let names = text.split(',').map(str::trim).filter(|s| !s.is_empty());
    let kinds: Result<Vec<_>, _> = names
        .map(|name| serde_json::from_value(name.into()))
        .collect();
    kinds.map_err(|_| {
        Refusal::invalid(
            "kind",
            "Give zombie, abandoned, unknown, new, used, foreign or newer, with commas between them.",
        )
    })
}

/// Where a page goes on: behind this node's process.
fn place(text: &str) -> Answer<(&str, i64)> {
    text.rsplit_once(':')
        .and_then(|(node, pid)| Some((node, pid.parse().ok()?)))
        .ok_or_else(|| Refusal::invalid("after", "Give the next of the page before."))
}

/// The sessions that live on the nodes, as the nodes were last looked at: at most half a minute ago.
pub(crate) async fn list(
    State(http): State<Arc<Http>>,
    Params(query): Params<SessionsQuery>,
) -> Answer<Answered<Page<NodeSession>>> {
    let kinds = kinds(&query.kind)?;
    let after = query.after.as_deref().map(place).transpose()?;
    let limit = page_size(query.limit)? as usize;
    let mut items = http.app.grid.sessions();
    items.retain(|s| {
        query.node.as_ref().is_none_or(|node| *node == s.node)
            && (kinds.is_empty() || kinds.contains(&s.kind))
    });
    let total = Some(items.len() as u64);
    items.retain(|s| after.is_none_or(|after| (s.node.as_str(), s.pid) > after));
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| more);
    Ok(Answered(Page {
        next: last.map(|s| format!("{}:{}", s.node, s.pid)),
        items,
        total,
    }))
}

/// Ends sessions of a node that nobody uses, or that tasks run in. Each has its own answer.
pub(crate) async fn end(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(name): Segments<String>,
    Json(order): Json<SessionsEnd>,
) -> Answer<Answered<Vec<SessionEnded>>> {
    let errors = order.check();
    if !errors.is_empty() {
        return Err(errors.into());
    }
    http.app.standing.borrow().fence()?;
    let nothing = || Refusal::not_found(format_args!("Node {name}"));
    http.app.grid.node(&name).await?.ok_or_else(nothing)?;
    let reason = order.reason.trim();
    let mut audit = actor.audit("session.end", &name);
    audit.after = Some(json!({
        "sessions": order.sessions, "unknown": order.unknown, "tasks": order.tasks,
    }));
    audit.reason = Some(reason.to_owned());
    http.app.store.note(Notes::audit(audit)).await?;
    let (grid, tasks) = (&http.app.grid, &http.app.tasks);
    let unused = grid.end_sessions(&name, &order.sessions, order.unknown);
    let by = actor.name.as_str();
    let used = order
        .tasks
        .iter()
        .map(|task| tasks.end_session(&name, task, by, reason));
    let (unused, used) = tokio::join!(unused, futures_util::future::join_all(used));
    let unused = unused.ok_or_else(nothing)?;
    let said = told(&unused, &used);
    if !said.is_empty() {
        let message = format!("{said} ended: {reason}");
        let event = actor.event(Severity::Info, Topic::Grid, "session.ended", &name, message);
        let events = http.app.store.note(Notes::event(event)).await?;
        http.app.hub.publish_events(events);
    }
    Ok(Answered(unused.into_iter().chain(used).collect()))
}

/// How many of which sessions were ended, in words; empty when none was.
fn told(unused: &[SessionEnded], used: &[SessionEnded]) -> String {
    let counted = |of: &[SessionEnded], one: &str, more: &str| {
        let ended = of.iter().filter(|done| done.ended).count();
        let what = if ended == 1 { one } else { more };
        (ended > 0).then(|| format!("{ended} {what}"))
    };
    let parts = [
        counted(unused, "left-over R session", "left-over R sessions"),
        counted(used, "R session of a task", "R sessions of tasks"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(" and ")
}
