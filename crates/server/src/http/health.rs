//! `/health/*`: what load balancers and supervisors ask. No token, no database.

use super::Http;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gridhelm_api::group::{ServerRole, ServerStatus};
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct Health {
    ok: bool,
    server: String,
    group: String,
    role: ServerRole,
    epoch: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

fn answer(ok: bool, status: ServerStatus) -> Response {
    let code = if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let health = Health {
        ok,
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
    answer(true, status(&http))
}

/// 200 when it could do its role now.
pub(crate) async fn ready(State(http): State<Arc<Http>>) -> Response {
    let status = status(&http);
    answer(status.ready, status)
}

/// 200 only at the server that takes the group's work. While it hands over it still is the one: it parks
/// what comes and relays it.
pub(crate) async fn active(State(http): State<Arc<Http>>) -> Response {
    let standing = http.app.standing.borrow().clone();
    let leaving = standing.status.role == ServerRole::Leaving;
    answer(leaving || standing.fence().is_ok(), standing.status)
}
