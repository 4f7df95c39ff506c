//! Where a write is done: here when this server is active; otherwise parked while a hand-over lasts, and
//! relayed to the active server. A relayed request is never relayed again.

use super::Http;
use super::caller::Caller;
use super::edge::{CLIENT, EPOCH, GROUP, RELAY, REQUEST_ID, SERVER};
use super::refusal::{Answer, Refusal, is_not_active};
use super::routes::{Place, Rule};
use crate::group::{NotActive, Standing};
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderName, Response as HttpResponse, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gridhelm_api::Code;
use gridhelm_api::group::ServerRole;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// The largest body that is relayed; larger ones are refused with the active server's address.
pub(crate) const RELAYED_BODY: u64 = 8 << 20;
/// How long a request waits for a hand-over's end.
const PARKED: Duration = Duration::from_secs(2);
/// How many requests may wait.
const PARKED_AT_ONCE: usize = 256;
/// After a hand-over, how long work is still relayed: until balancers and clients have noticed.
const GRACE: Duration = Duration::from_secs(10);

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
    /// When this server last handed over in a planned switch.
    left: Mutex<Option<Instant>>,
}

impl Relay {
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(1))
            .pool_idle_timeout(Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            places: Semaphore::new(PARKED_AT_ONCE),
            left: Mutex::new(None),
        })
    }

    fn left_lately(&self) -> bool {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.is_some_and(|at| at.elapsed() < GRACE)
    }

    /// Remembers when this server hands over, as long as the keeper lives.
    pub(crate) async fn watch(&self, mut standing: watch::Receiver<Standing>) {
        let mut before = standing.borrow().status.role;
        while standing.changed().await.is_ok() {
            let now = standing.borrow_and_update().status.role;
            if before == ServerRole::Leaving && now == ServerRole::Standby {
                let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
                *left = Some(Instant::now());
            }
            before = now;
        }
    }
}

/// Whether a large upload may begin here: it is neither parked nor relayed.
pub(crate) fn may_stream(http: &Http, _rule: Rule) -> Answer<()> {
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
    match target(http, rule, lost).await {
        Target::Here => here(next).await,
        Target::There(url) => match relay(http, rule, parts, body, &caller, &url).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        },
        Target::Nowhere(refusal) => refusal.into_response(),
    }
}

enum Target {
    Here,
    There(String),
    Nowhere(Refusal),
}

/// Waits for a hand-over's end, at most 2 s, and tells where the request goes. `lost`: this server was active
/// when the request came and is not any more.
async fn target(http: &Http, rule: Rule, lost: bool) -> Target {
    let mut standing = http.app.standing.clone();
    let keeper = &http.app.keeper;
    let settled = |s: &Standing| !keeper.parking() && s.status.role != ServerRole::Leaving;
    let handed_over = keeper.parking() || standing.borrow().status.role == ServerRole::Leaving;
    if handed_over {
        let Ok(_place) = http.relay.places.try_acquire() else {
            let text = "A switch is under way and too many requests wait for its end. Try again in a second.";
            let refusal = Refusal::new(Code::NotActive, text).retry_after(Duration::from_secs(1));
            return Target::Nowhere(refusal);
        };
        let wait = async {
            while !settled(&standing.borrow_and_update()) {
                if standing.changed().await.is_err() {
                    break;
                }
            }
        };
        // When the time is over the standing tells what is to be done all the same.
        let _ = tokio::time::timeout(PARKED, wait).await;
    }
    let now = standing.borrow().clone();
    match now.fence() {
        Ok(_) if !keeper.parking() => Target::Here,
        Ok(_) => Target::Nowhere(elsewhere(http)),
        Err(error) => {
            let handed_over = handed_over || lost || http.relay.left_lately();
            let work_stays = rule.place == Place::Work && !handed_over;
            match error.active_url.clone() {
                _ if work_stays => Target::Nowhere(error.into()),
                Some(url) if url != http.app.config.public_url => Target::There(url),
                _ if rule.place == Place::ActiveOrHere => Target::Here,
                _ => Target::Nowhere(error.into()),
            }
        }
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
    let mut answer = HttpResponse::new(Body::from(bytes));
    *answer.status_mut() = status;
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
