//! Signing in and out, and who one is.

use super::Http;
use super::caller::Caller;
use super::extract::Json;
use super::refusal::{Answer, Refusal};
use crate::accounts::{Actor, Claims, Origin};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json as Answered};
use gridhelm_api::account::{Account, SignIn, SignedIn};
use std::sync::Arc;

pub(crate) async fn sign_in(
    State(http): State<Arc<Http>>,
    caller: Caller,
    Json(request): Json<SignIn>,
) -> Answer<Answered<SignedIn>> {
    let from = Origin {
        address: caller.address,
        agent: &caller.agent,
        request_id: &caller.request_id,
    };
    let signed_in = http.app.accounts.sign_in(&request, &from).await?;
    Ok(Answered(signed_in))
}

pub(crate) async fn sign_out(
    State(http): State<Arc<Http>>,
    Extension(claims): Extension<Claims>,
    Extension(actor): Extension<Actor>,
) -> Answer<StatusCode> {
    http.app.accounts.sign_out(&claims, &actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn me(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
) -> Answer<Answered<Account>> {
    let accounts = http.app.accounts.list().await?;
    let mine = accounts.into_iter().find(|a| a.username == actor.name);
    mine.map(Answered)
        .ok_or_else(|| Refusal::not_found(format_args!("Account {}", actor.name)))
}
