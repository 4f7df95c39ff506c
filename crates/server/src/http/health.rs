//! `/health/*`: what load balancers and supervisors ask. No token, no database.

use super::Http;
use super::leave::Balance;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gridhelm_api::group::{ServerRole, ServerStatus};
use serde::Serialize;
use std::sync::Arc;

/// What a health address answers.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct HealthAnswer {
    ok: bool,
    server: String,
    group: String,
    role: ServerRole,
    epoch: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

fn answer(code: StatusCode, status: ServerStatus) -> Response {
    let health = HealthAnswer {
        ok: code == StatusCode::OK,
        server: status.name,
        group: status.group,
        role: status.role,
        epoch: status.epoch,
        reason: status.not_ready,
    };
    (code, Json(health)).into_response()
}

fn status(http: &Http) -> ServerStatus {
    http.app.standing.borrow().status.clone()
}

/// 200 as long as the process answers.
pub(crate) async fn live(State(http): State<Arc<Http>>) -> Response {
    answer(StatusCode::OK, status(&http))
}

/// 200 when it could do its role now.
pub(crate) async fn ready(State(http): State<Arc<Http>>) -> Response {
    let status = status(&http);
    let code = if status.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    answer(code, status)
}

/// 200 only at the server that takes the group's work, and for a moment after a switchover at the one that
/// handed over and relays. 404 where that one still ends what it has under way: a balancer that knows the
/// difference (`HAProxy`: `disable-on-404`) then sends nothing new and cuts nothing off. 503 everywhere else.
pub(crate) async fn active(State(http): State<Arc<Http>>) -> Response {
    http.app.keeper.asked_active();
    let standing = http.app.standing.borrow().clone();
    let code = match http.app.leave.balance(&standing) {
        Balance::In => StatusCode::OK,
        Balance::Finishing => StatusCode::NOT_FOUND,
        Balance::Out => StatusCode::SERVICE_UNAVAILABLE,
    };
    answer(code, standing.status)
}
