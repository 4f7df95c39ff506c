//! Who is turned away before anything is done: plain HTTP where HTTPS is spoken, and too many requests of one address.

use super::Http;
use super::caller::Caller;
use super::limits::of_address;
use super::refusal::Refusal;
use super::serve::InPlain;
use crate::config::PlainHttp;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gridhelm_api::Code;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Lets a request through, or answers it.
pub(crate) async fn bound(State(http): State<Arc<Http>>, request: Request, next: Next) -> Response {
    if request.extensions().get::<InPlain>().is_some() {
        return in_plain(&http, &request);
    }
    let caller = Caller::of(request.extensions());
    // A balancer that gets no answer to its checks would take the server out for everybody.
    let checks = request.uri().path().starts_with("/health/");
    if caller.counted
        && !checks
        && let Err(wait) = http.rates.take(&of_address(caller.address), Instant::now())
    {
        return too_many("this address", wait).into_response();
    }
    next.run(request).await
}

pub(super) fn too_many(whose: &str, wait: Duration) -> Refusal {
    Refusal::new(
        Code::TooManyRequests,
        format!(
            "More requests came from {whose} than this server takes. Nothing was done; send them more slowly."
        ),
    )
    .retry_after(wait)
}

/// What was sent in plain words was sent to everybody on the way: it is never taken, only told.
fn in_plain(http: &Http, request: &Request) -> Response {
    let to = &http.app.config.public_url;
    let secret = request.headers().contains_key(header::AUTHORIZATION);
    if http.app.config.tls.plain_http == PlainHttp::Redirect
        && request.method().is_safe()
        && !secret
    {
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        if let Ok(value) = HeaderValue::from_str(&format!("{to}{path}")) {
            let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
            response.headers_mut().insert(header::LOCATION, value);
            return response;
        }
    }
    let text = format!(
        "This port speaks HTTPS: call {to}. What was sent was not looked at; if it held a password or a token, change it."
    );
    Refusal::new(Code::TlsRequired, text).into_response()
}
