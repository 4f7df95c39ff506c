//! Accounts, for admins.

use super::Http;
use super::caller::Caller;
use super::extract::{Json, Segments};
use super::refusal::Answer;
use crate::accounts::{Actor, Claims, Origin};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json as Answered};
use gridhelm_api::account::{
    Account, AccountDraft, AccountPatch, ApiToken, ApiTokenDraft, Lockout, NewApiToken,
    PasswordChange, SignIn, SignedIn,
};
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

/// Ends all sign-ins of an account.
pub(crate) async fn end_sessions(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(username): Segments<String>,
) -> Answer<StatusCode> {
    let events = http.app.accounts.end_sessions(&username, &actor).await?;
    http.app.hub.publish_events(events);
    Ok(StatusCode::NO_CONTENT)
}

/// Who is kept out by too many failed sign-ins, at this server.
pub(crate) async fn lockouts(State(http): State<Arc<Http>>) -> Answered<Vec<Lockout>> {
    Answered(http.app.accounts.lockouts())
}

/// One's own password; answers a new sign-in, since all others end.
pub(crate) async fn change_password(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Extension(claims): Extension<Claims>,
    caller: Caller,
    Json(change): Json<PasswordChange>,
) -> Answer<Answered<SignedIn>> {
    let accounts = &http.app.accounts;
    let events = accounts
        .change_password(&change, &claims, &actor, caller.address)
        .await?;
    http.app.hub.publish_events(events);
    let request = SignIn {
        username: actor.name,
        password: change.new,
    };
    let from = Origin {
        address: caller.address,
        agent: &caller.agent,
        request_id: &caller.request_id,
    };
    Ok(Answered(accounts.sign_in(&request, &from).await?))
}

/// Tokens for programs: one's own; an admin sees all.
pub(crate) async fn tokens(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
) -> Answer<Answered<Vec<ApiToken>>> {
    Ok(Answered(http.app.accounts.tokens(&actor).await?))
}

pub(crate) async fn create_token(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Extension(claims): Extension<Claims>,
    Json(draft): Json<ApiTokenDraft>,
) -> Answer<(StatusCode, Answered<NewApiToken>)> {
    let made = http
        .app
        .accounts
        .create_token(&draft, &claims, &actor)
        .await?;
    let (token, events) = made;
    http.app.hub.publish_events(events);
    Ok((StatusCode::CREATED, Answered(token)))
}

pub(crate) async fn end_token(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Extension(claims): Extension<Claims>,
    Segments(id): Segments<String>,
) -> Answer<StatusCode> {
    let events = http.app.accounts.end_token(&id, &claims, &actor).await?;
    http.app.hub.publish_events(events);
    Ok(StatusCode::NO_CONTENT)
}
