//! Accounts, for admins.

use super::Http;
use super::extract::{Json, Segments};
use super::refusal::Answer;
use crate::accounts::Actor;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json as Answered};
use gridhelm_api::account::{Account, AccountDraft, AccountPatch};
use std::sync::Arc;

pub(crate) async fn list(State(http): State<Arc<Http>>) -> Answer<Answered<Vec<Account>>> {
    Ok(Answered(http.app.accounts.list().await?))
}

pub(crate) async fn create(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Json(draft): Json<AccountDraft>,
) -> Answer<(StatusCode, Answered<Account>)> {
    let (account, events) = http.app.accounts.create(&draft, &actor).await?;
    http.app.hub.publish_events(events);
    Ok((StatusCode::CREATED, Answered(account)))
}

pub(crate) async fn update(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(username): Segments<String>,
    Json(patch): Json<AccountPatch>,
) -> Answer<Answered<Account>> {
    let (account, events) = http.app.accounts.update(&username, &patch, &actor).await?;
    http.app.hub.publish_events(events);
    Ok(Answered(account))
}
