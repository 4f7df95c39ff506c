//! The server, the group, the switch.

use super::caller::Caller;
use super::extract::{IfMatch, Json, Params, Segments, parse, read};
use super::journal::page_size;
use super::refusal::{Answer, Refusal};
use super::routes::Rule;
use super::{Http, place};
use crate::accounts::Actor;
use crate::group::{After, SwitchError, TakeOrder, Taken};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as Answered};
use gridhelm_api::group::{Failover, FailoverChange, Group, ServerStatus};
use gridhelm_api::switch::{
    Check, Preflight, SwitchFilter, SwitchKind, SwitchRecord, SwitchRequest,
};
use gridhelm_api::{Code, Page};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

pub(crate) async fn server(State(http): State<Arc<Http>>) -> Answered<ServerStatus> {
    let status = http.app.standing.borrow().status.clone();
    Answered(ServerStatus {
        certificate: http.app.tls.certificate(),
        ..status
    })
}

pub(crate) async fn group(State(http): State<Arc<Http>>) -> Answer<Answered<Group>> {
    Ok(Answered(http.app.keeper.group().await?))
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct PreflightQuery {
    /// The server that shall be active.
    to: String,
}

pub(crate) async fn preflight(
    State(http): State<Arc<Http>>,
    Params(query): Params<PreflightQuery>,
) -> Answer<Answered<Preflight>> {
    Ok(Answered(http.app.keeper.preflight(&query.to).await?))
}

/// Answers as soon as the switch has begun; it goes on in the background and is seen in the event stream.
/// A request that came to the wrong server goes on to the one that the keeper names.
pub(crate) async fn switch(State(http): State<Arc<Http>>, request: Request) -> Answer<Response> {
    let (parts, body) = request.into_parts();
    let caller = Caller::of(&parts.extensions);
    let rule = parts
        .extensions
        .get::<Rule>()
        .copied()
        .unwrap_or(Rule::WRITE);
    let actor = parts
        .extensions
        .get::<Actor>()
        .ok_or_else(|| Refusal::new(Code::MissingToken, "Sign in first."))?;
    let body = read(body, rule.body).await?;
    let request: SwitchRequest = parse(&body)?;
    let action = match request.kind {
        SwitchKind::Planned => "switch.planned",
        SwitchKind::Forced | SwitchKind::Automatic => "switch.forced",
    };
    let mut audit = actor.audit(action, &request.to);
    audit.reason = Some(request.reason.clone());
    audit.after = serde_json::to_value(&request).ok();
    let begun = if request.dry_run {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    match http.app.keeper.switch(request, &actor.name, audit).await {
        Ok(record) => Ok((begun, Answered(record)).into_response()),
        Err(SwitchError::WrongServer { url: Some(url), .. }) if !caller.relayed => {
            place::relay(&http, rule, &parts, &body, &caller, &url).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Who decides that an active server that is gone is replaced; its version is the `ETag`.
pub(crate) async fn failover(State(http): State<Arc<Http>>) -> Answer<Response> {
    let failover = http.app.keeper.group().await?.failover;
    Ok(tagged(&failover))
}

pub(crate) async fn set_failover(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    IfMatch(version): IfMatch,
    Json(change): Json<FailoverChange>,
) -> Answer<Response> {
    let mut audit = actor.audit("failover.set", &http.app.config.group);
    audit.reason = Some(change.reason.clone());
    let keeper = &http.app.keeper;
    let failover = keeper
        .set_failover(change, version, &actor.name, audit)
        .await?;
    Ok(tagged(&failover))
}

fn tagged(failover: &Failover) -> Response {
    let tag = format!("\"{}\"", failover.version);
    ([(header::ETAG, tag)], Answered(failover)).into_response()
}

/// Past switches, newest first. `next` is what `before` shall be for the page after.
pub(crate) async fn switches(
    State(http): State<Arc<Http>>,
    Params(mut filter): Params<SwitchFilter>,
) -> Answer<Answered<Page<SwitchRecord>>> {
    filter.limit = Some(page_size(filter.limit)?);
    Ok(Answered(http.app.store.switch_page(&filter).await?))
}

/// Calls off a planned switch that waits for its time or has released nothing yet.
pub(crate) async fn call_off(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(id): Segments<String>,
) -> Answer<Answered<SwitchRecord>> {
    let audit = actor.audit("switch.call_off", &id);
    let record = http.app.keeper.call_off(&id, &actor.name, audit).await?;
    Ok(Answered(record))
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct AfterQuery {
    /// Refused requests are counted over so many milliseconds.
    within_ms: u32,
}

/// For the group's servers: what there is to see here after a switch.
pub(crate) async fn after(
    State(http): State<Arc<Http>>,
    Params(query): Params<AfterQuery>,
) -> Answered<After> {
    let within = Duration::from_millis(query.within_ms.into());
    Answered(http.app.keeper.after(within).await)
}

/// For the group's servers: whether the nodes answer this one.
pub(crate) async fn reach(State(http): State<Arc<Http>>) -> Answered<Check> {
    Answered(http.app.keeper.reach().await)
}

/// For the group's servers: the leaving one tells its successor.
pub(crate) async fn take(
    State(http): State<Arc<Http>>,
    Json(order): Json<TakeOrder>,
) -> Answer<Answered<Taken>> {
    Ok(Answered(http.app.keeper.take_order(order).await?))
}
