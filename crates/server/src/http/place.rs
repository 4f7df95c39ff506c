//! Where a write is done: here when this server is active; otherwise parked while a hand-over lasts, and
//! relayed to the active server. A relayed request is never relayed again.

use super::Http;
use super::caller::Caller;
use super::edge::{CLIENT, EPOCH, GROUP, RELAY, REQUEST_ID, SERVER};
use super::leave::Leave;
use super::refusal::{Answer, Refusal, Refused, is_not_active};
use super::routes::{Place, Rule};
use crate::group::{NotActive, Standing};
use crate::tls::Tls;
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderName, Response as HttpResponse, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gridhelm_api::group::ServerRole;
use gridhelm_api::{Code, Problem};
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// The largest body that is relayed; larger ones are refused with the active server's address.
pub(crate) const RELAYED_BODY: u64 = 8 << 20;
/// How long a request waits for a hand-over's end.
const PARKED: Duration = Duration::from_secs(2);
/// The pause before a request that nobody took is tried again.
const AGAIN: Duration = Duration::from_millis(20);
/// How many requests may wait.
const PARKED_AT_ONCE: usize = 256;

/// Request headers that go along. Everything else stays with the connection it came on.
const FORWARDED: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::USER_AGENT,
];
/// Response headers that come back.
const RETURNED: [HeaderName; 9] = [
    header::CONTENT_TYPE,
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
    header::CACHE_CONTROL,
    SERVER,
    GROUP,
    EPOCH,
];

/// What relays and parks.
pub(crate) struct Relay {
    client: reqwest::Client,
    places: Semaphore,
}

impl Relay {
    pub(crate) fn new(tls: &Tls) -> Result<Self, reqwest::Error> {
        let client = tls
            .caller()
            .connect_timeout(Duration::from_secs(1))
            .pool_idle_timeout(Duration::from_secs(10))
            .build()?;
        Ok(Self {
            client,
            places: Semaphore::new(PARKED_AT_ONCE),
        })
    }
}

impl Relay {
    /// What calls other servers.
    pub(crate) const fn client(&self) -> &reqwest::Client {
        &self.client
    }
}

/// Whether a large upload may begin here: it is neither parked nor relayed.
pub(crate) fn may_stream(http: &Http) -> Answer<()> {
    http.app.standing.borrow().fence()?;
    Ok(())
}

/// Runs a request whose body has been read.
pub(crate) async fn run<F: Future<Output = Response>>(
    http: &Http,
    rule: Rule,
    parts: &Parts,
    body: &Bytes,
    next: Next,
    here: impl Fn(Next) -> F,
) -> Response {
    let caller = Caller::of(&parts.extensions);
    let mut lost = false;
    if !http.app.keeper.parking() && http.app.standing.borrow().fence().is_ok() {
        let response = here(next.clone()).await;
        // Refused so, nothing was done: it lost the active role between the look and the commit.
        if !is_not_active(&response) || caller.relayed {
            return response;
        }
        lost = true;
    }
    if caller.relayed {
        return elsewhere(http).into_response();
    }
    let passing = lost || changing(http) || Leave::lately(&http.app.standing.borrow());
    if !passing {
        return once(http, rule, parts, body, &caller, next, &here).await;
    }
    let rule = in_passing(rule);
    let until = Instant::now() + PARKED;
    loop {
        {
            let Ok(_place) = http.relay.places.try_acquire() else {
                let text = "A switch is under way and too many requests wait for its end. Try again in a second.";
                let refusal = Refusal::new(Code::NotActive, text);
                return refusal.retry_after(Duration::from_secs(1)).into_response();
            };
            settle(http, until).await;
        }
        let response = once(http, rule, parts, body, &caller, next.clone(), &here).await;
        // Refused so, nothing was done: until the time is over the next active server may be ready.
        if !is_not_active(&response) || Instant::now() >= until {
            return response;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// While the group changes hands, work goes where configuration goes.
fn in_passing(rule: Rule) -> Rule {
    match rule.place {
        Place::Work => rule.place(Place::Active),
        _ => rule,
    }
}

/// Whether this server is handing over.
fn changing(http: &Http) -> bool {
    http.app.keeper.parking() || http.app.standing.borrow().status.role == ServerRole::Leaving
}

/// Waits until a hand-over has ended and somebody is active, or the time is over.
async fn settle(http: &Http, until: Instant) {
    let mut standing = http.app.standing.clone();
    let wait = async {
        loop {
            let known = {
                let now = standing.borrow_and_update();
                now.fence().is_ok() || other(http, &now).is_some()
            };
            if (known && !changing(http)) || standing.changed().await.is_err() {
                return;
            }
        }
    };
    // When the time is over the standing tells what is to be done all the same.
    let _ = tokio::time::timeout_at(until.into(), wait).await;
}

/// The address of another server that is active, as far as this one knows.
fn other(http: &Http, standing: &Standing) -> Option<String> {
    let url = standing.status.active_url.clone();
    url.filter(|url| *url != http.app.config.public_url)
}

/// Does the request once: here, there, or not at all.
async fn once<F: Future<Output = Response>>(
    http: &Http,
    rule: Rule,
    parts: &Parts,
    body: &Bytes,
    caller: &Caller,
    next: Next,
    here: &impl Fn(Next) -> F,
) -> Response {
    let now = http.app.standing.borrow().clone();
    let not_active = match now.fence() {
        Ok(_) if !http.app.keeper.parking() => return here(next).await,
        Ok(_) => return elsewhere(http).into_response(),
        Err(error) => error,
    };
    match other(http, &now) {
        _ if rule.place == Place::Work => Refusal::from(not_active).into_response(),
        Some(url) => {
            let relayed = relay(http, rule, parts, body, caller, &url).await;
            let relayed = relayed.unwrap_or_else(IntoResponse::into_response);
            if rule.place == Place::ActiveOrHere && is_not_active(&relayed) {
                return here(next).await;
            }
            relayed
        }
        None if rule.place == Place::ActiveOrHere => here(next).await,
        None => Refusal::from(not_active).into_response(),
    }
}

fn elsewhere(http: &Http) -> Refusal {
    let standing = http.app.standing.borrow();
    NotActive {
        active: standing.status.active.clone(),
        active_url: standing.status.active_url.clone(),
    }
    .into()
}

pub(crate) async fn relay(
    http: &Http,
    rule: Rule,
    parts: &Parts,
    body: &Bytes,
    caller: &Caller,
    base: &str,
) -> Answer<Response> {
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let url = format!("{}{path}", base.trim_end_matches('/'));
    let token = http.app.accounts.server_token(&http.app.config.name)?;
    let mut request = http
        .relay
        .client
        .request(parts.method.clone(), url)
        .timeout(rule.time + Duration::from_secs(2))
        .header(RELAY, token)
        .header(CLIENT, caller.address.to_string())
        .header(REQUEST_ID, caller.request_id.as_ref())
        .body(body.clone());
    for name in FORWARDED {
        if let Some(value) = parts.headers.get(&name) {
            request = request.header(name, value);
        }
    }
    let response = request.send().await.map_err(|e| unanswered(base, &e))?;
    let status = response.status();
    let headers = response.headers().clone();
    let bytes = response.bytes().await.map_err(|e| unanswered(base, &e))?;
    let refused = (status == StatusCode::SERVICE_UNAVAILABLE)
        .then(|| serde_json::from_slice::<Problem>(&bytes).ok())
        .flatten();
    let mut answer = HttpResponse::new(Body::from(bytes));
    *answer.status_mut() = status;
    if let Some(problem) = refused.filter(|p| matches!(p.code, Code::NotActive | Code::Fenced)) {
        // It says that nothing was done there.
        answer.extensions_mut().insert(Refused(problem));
    }
    for name in RETURNED {
        if let Some(value) = headers.get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    Ok(answer)
}

fn unanswered(base: &str, error: &reqwest::Error) -> Refusal {
    if error.is_connect() {
        let text = format!(
            "The active server at {base} cannot be reached from here, so nothing was done. Try again, or make another server active."
        );
        return Refusal::new(Code::NotActive, text).retry_after(Duration::from_secs(1));
    }
    tracing::warn!(%error, base, "a relayed request got no answer");
    Refusal::new(
        Code::Internal,
        format!(
            "The active server at {base} got this request and did not answer. Look at what is there before you repeat it."
        ),
    )
}
