//! Adding a server to the group.

use super::Http;
use super::caller::Caller;
use super::extract::{Json, Segments};
use super::refusal::{Answer, Refusal};
use crate::accounts::{Actor, Origin};
use crate::join::{self, AdmissionError};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json as Answered};
use gridhelm_api::Code;
use gridhelm_api::join::{JoinRequest, JoinToken, JoinTokenDraft, JoinTokenMade, Joined};
use std::sync::Arc;

pub(crate) async fn list(State(http): State<Arc<Http>>) -> Answer<Answered<Vec<JoinToken>>> {
    Ok(Answered(join::list(&http.app).await?))
}

pub(crate) async fn make(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Json(draft): Json<JoinTokenDraft>,
) -> Answer<(StatusCode, Answered<JoinTokenMade>)> {
    let (made, events) = join::make(&http.app, &draft, &actor).await?;
    http.app.hub.publish_events(events);
    Ok((StatusCode::CREATED, Answered(made)))
}

pub(crate) async fn revoke(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(id): Segments<String>,
) -> Answer<StatusCode> {
    let events = join::revoke(&http.app, &id, &actor).await?;
    http.app.hub.publish_events(events);
    Ok(StatusCode::NO_CONTENT)
}

/// For a new server: nobody has signed in, the token in the body lets in.
pub(crate) async fn admit(
    State(http): State<Arc<Http>>,
    caller: Caller,
    Json(request): Json<JoinRequest>,
) -> Answer<Answered<Joined>> {
    let from = Origin {
        address: caller.address,
        agent: &caller.agent,
        request_id: &caller.request_id,
    };
    let admitted = join::admit(&http.app, &request, &from).await;
    let (joined, events) = admitted?;
    http.app.hub.publish_events(events);
    Ok(Answered(joined))
}

impl From<AdmissionError> for Refusal {
    fn from(error: AdmissionError) -> Self {
        let text = super::refusal::sentence(&error.to_string());
        match error {
            AdmissionError::Invalid(errors) => errors.into(),
            AdmissionError::Unknown => Self::new(Code::InvalidToken, text),
            AdmissionError::Over(_)
            | AdmissionError::OtherHost(_)
            | AdmissionError::LocalDatabase(_) => Self::new(Code::Conflict, text),
            AdmissionError::NameTaken(_) => Self::new(Code::AlreadyExists, text),
            AdmissionError::Store(error) => error.into(),
            AdmissionError::Config(_) | AdmissionError::System(_) => {
                tracing::error!(%error, "a server could not join");
                Self::new(Code::Internal, text)
            }
        }
    }
}
