//! Events and audit rows as lists, newest first.

use super::Http;
use super::caller::Caller;
use super::extract::Params;
use super::refusal::{Answer, Refusal};
use super::stream;
use crate::accounts::Claims;
use crate::hub::Telling;
use crate::store::{AuditFilter, EventFilter};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as Answered};
use gridhelm_api::account::{AuditChain, AuditRow};
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::{Millis, Page, patch};
use serde::Deserialize;
use std::sync::Arc;

/// The longest page.
const MAX_PAGE: u32 = 1000;

pub(crate) fn page_size(limit: Option<u32>) -> Answer<u32> {
    match limit.unwrap_or(100) {
        n @ 1..=MAX_PAGE => Ok(n),
        _ => Err(Refusal::invalid("limit", "Give 1 to 1000.")),
    }
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct EventQuery {
    /// The `next` of the page before.
    before: Option<i64>,
    /// At most so many, 1 to 1,000; the default is 100.
    limit: Option<u32>,
    /// Only about this.
    #[param(value_type = Option<String>)]
    topic: Option<Topic>,
    /// Only of this node, task, file or account.
    subject: Option<String>,
    /// Only of this severity or graver.
    #[param(value_type = Option<String>)]
    severity: Option<Severity>,
    /// On a stream: `1` tells what changes of nodes by patches of this version instead of whole nodes; another version is not known here.
    patches: Option<u32>,
}

/// The stream when the caller accepts one, else the list.
pub(crate) async fn events(
    State(http): State<Arc<Http>>,
    Extension(claims): Extension<Claims>,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<EventQuery>,
) -> Answer<Response> {
    let wants_stream = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.contains("text/event-stream"));
    if wants_stream {
        let telling = match query.patches {
            Some(patch::VERSION) => Telling::Patches,
            _ => Telling::Whole,
        };
        return stream::open(http, claims, &caller, &headers, telling).await;
    }
    let filter = EventFilter {
        before: query.before,
        limit: page_size(query.limit)?,
        topic: query.topic,
        subject: query.subject,
        severity: query.severity,
    };
    Ok(Answered(http.app.store.events(&filter).await?).into_response())
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct AuditQuery {
    /// The `next` of the page before.
    before: Option<i64>,
    /// At most so many, 1 to 1,000; the default is 100.
    limit: Option<u32>,
    /// Only by this account.
    actor: Option<String>,
    /// Only actions that begin so: `node.` or `node.create`.
    action: Option<String>,
    /// A text in the subject or the reason.
    text: Option<String>,
    /// Written at this moment or later.
    since: Option<Millis>,
    /// Written before this moment.
    until: Option<Millis>,
}

/// Audit rows, newest first.
pub(crate) async fn audit(
    State(http): State<Arc<Http>>,
    Params(query): Params<AuditQuery>,
) -> Answer<Answered<Page<AuditRow>>> {
    let filter = AuditFilter {
        actor: query.actor,
        action: query.action,
        text: query.text,
        since: query.since,
        until: query.until,
        before: query.before,
        limit: page_size(query.limit)?,
    };
    Ok(Answered(http.app.store.audit(&filter).await?))
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct VerifyQuery {
    /// A hash that was the chain's end once.
    noted: Option<String>,
}

/// Walks the audit log's chain and tells whether it holds; `noted` is a hash that was its end once.
pub(crate) async fn verify(
    State(http): State<Arc<Http>>,
    Params(query): Params<VerifyQuery>,
) -> Answer<Answered<AuditChain>> {
    let chain = http.app.store.verify_audit(query.noted.as_deref()).await?;
    Ok(Answered(chain))
}
