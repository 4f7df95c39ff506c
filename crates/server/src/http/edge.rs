//! The outermost layer: request ids, panics, problems, headers, the log.

use super::Http;
use super::caller::Caller;
use super::refusal::{Refusal, Refused};
use crate::clock::Moment;
use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response as HttpResponse, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use gridhelm_api::group::ServerRole;
use gridhelm_api::{Code, Problem};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

/// What a proxy tells of the client.
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The most proxies in a row that are looked through.
const MAX_HOPS: usize = 16;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const SERVER: HeaderName = HeaderName::from_static("x-gridhelm-server");
pub(crate) const GROUP: HeaderName = HeaderName::from_static("x-gridhelm-group");
pub(crate) const EPOCH: HeaderName = HeaderName::from_static("x-gridhelm-epoch");
/// A server's token, on a request that it relays.
pub(crate) const RELAY: HeaderName = HeaderName::from_static("x-gridhelm-relay");
/// The client's address, on a request that is relayed.
pub(crate) const CLIENT: HeaderName = HeaderName::from_static("x-gridhelm-client");

/// What the console's files are counted under.
const NO_ROUTE: &str = "(none)";
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Wraps every request.
pub(crate) async fn edge(
    State(http): State<Arc<Http>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let caller = caller(&http, &request);
    let method = request.method().clone();
    let is_api = request.uri().path().starts_with("/api/");
    // The pattern, not the path: a one-time address is a secret.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| NO_ROUTE.to_owned(), |p| p.as_str().to_owned());
    request.extensions_mut().insert(caller.clone());

    let result = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = result.unwrap_or_else(|panic| {
        let said = panic
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        tracing::error!(request = %caller.request_id, route, said, "a handler panicked");
        let text = "The server failed while it handled this request; its log has the request's id.";
        Refusal::new(Code::Internal, text).into_response()
    });
    let refused = response.extensions_mut().remove::<Refused>();
    let strict = is_api || route != NO_ROUTE || refused.is_some();
    if let Some(Refused(problem)) = refused {
        response = written(&http, &caller, problem, response);
    }
    set_headers(&http, &caller, is_api, strict, response.headers_mut());

    let status = response.status().as_u16();
    let took = started.elapsed();
    http.metrics.answered(method.as_str(), &route, status, took);
    let ms = took.as_secs_f64() * 1000.0;
    let id = &caller.request_id;
    if status >= 500 && status != 503 {
        tracing::warn!(request = %id, %method, route, status, ms, "answered");
    } else {
        tracing::debug!(request = %id, %method, route, status, ms, "answered");
    }
    response
}

fn caller(http: &Http, request: &Request) -> Caller {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |c| {
            c.0.ip().to_canonical()
        });
    let relay = request.headers().get(RELAY);
    let text = |name| {
        request
            .headers()
            .get(name)
            .and_then(|v: &HeaderValue| v.to_str().ok())
    };
    // Only a server of the group may say whose request it is and which id it has.
    let from_server = relay
        .and_then(|v| v.to_str().ok())
        .and_then(|token| http.app.accounts.verify(token).ok())
        .is_some_and(|claims| claims.server().is_some());
    let told = if from_server {
        (
            text(CLIENT).and_then(|v| v.parse().ok()),
            text(REQUEST_ID).filter(|v| is_request_id(v)),
        )
    } else {
        (None, None)
    };
    let trusted = &http.app.config.trusted_proxies;
    let address = told.0.unwrap_or_else(|| {
        let forwarded = request.headers().get_all(FORWARDED).iter();
        client_of(peer, trusted, forwarded.filter_map(|v| v.to_str().ok()))
    });
    Caller {
        request_id: told.1.map_or_else(new_request_id, Arc::from),
        address,
        counted: !from_server && !trusted.iter().any(|net| net.contains(&address)),
        agent: agent(text(header::USER_AGENT)),
        relayed: relay.is_some(),
    }
}

/// The client's address: the nearest one in `X-Forwarded-For` that is no trusted proxy, if a trusted proxy says so.
fn client_of<'a>(
    peer: IpAddr,
    trusted: &[IpNet],
    forwarded: impl DoubleEndedIterator<Item = &'a str>,
) -> IpAddr {
    let is_proxy = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut client = peer;
    // Each proxy appends the address that it was called from; what stands before an untrusted one is anyone's word.
    let hops = forwarded.rev().flat_map(|line| line.rsplit(','));
    for hop in hops.take(MAX_HOPS) {
        if !is_proxy(&client) {
            break;
        }
        match hop.trim().parse::<IpAddr>() {
            Ok(address) => client = address.to_canonical(),
            Err(_) => break,
        }
    }
    client
}

fn agent(text: Option<&str>) -> Arc<str> {
    let shown = text.unwrap_or_default().chars().filter(|c| !c.is_control());
    shown.take(200).collect::<String>().into()
}

fn is_request_id(text: &str) -> bool {
    text.len() <= 40
        && text.starts_with("UID-")
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn new_request_id() -> Arc<str> {
    let random = crate::random::hex(10).unwrap_or_else(|_| format!("{:x}", crate::clock::now()));
    format!("UID-{random}").into()
}

/// Writes a refusal's problem with its ids.
fn written(http: &Http, caller: &Caller, mut problem: Problem, from: Response) -> Response {
    let code = serde_json::to_value(problem.code).ok();
    let code = code.as_ref().and_then(|c| c.as_str()).unwrap_or("unknown");
    problem.kind = format!("/problems/{code}");
    problem.request_id = caller.request_id.to_string();
    http.app.config.name.clone_into(&mut problem.server);
    let not_active = matches!(problem.code, Code::NotActive | Code::Fenced);
    if not_active && !caller.relayed {
        http.app.keeper.refusals.note(Moment::now());
    }
    if not_active && problem.active_url.is_none() {
        let standing = http.app.standing.borrow();
        if standing.status.role != ServerRole::Active {
            problem.active_url.clone_from(&standing.status.active_url);
        }
    }
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let (mut parts, _) = from.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    parts.headers.remove(header::CONTENT_LENGTH);
    HttpResponse::from_parts(parts, Body::from(body))
}

/// `strict`: the answer is no file of the console, so nothing in it may run.
fn set_headers(http: &Http, caller: &Caller, is_api: bool, strict: bool, headers: &mut HeaderMap) {
    let mut put = |name: HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    put(REQUEST_ID, &caller.request_id);
    // A relayed answer keeps the names of the server that gave it.
    if !headers.contains_key(SERVER) {
        let epoch = http.app.standing.borrow().status.epoch.to_string();
        let mut put = |name: HeaderName, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        };
        put(SERVER, &http.app.config.name);
        put(GROUP, &http.app.config.group);
        put(EPOCH, &epoch);
    }
    let mut default = |name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::REFERRER_POLICY, "no-referrer");
    default(header::X_FRAME_OPTIONS, "DENY");
    if is_api {
        default(header::CACHE_CONTROL, "no-store");
    }
    if strict {
        default(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; sandbox",
        );
    }
}

/// No such route.
pub(crate) fn unknown_route(request: &Request) -> Refusal {
    let path: String = request.uri().path().chars().take(200).collect();
    Refusal::new(
        Code::UnknownRoute,
        format!(
            "{} {path} is not an address of this server.",
            request.method()
        ),
    )
}

/// The route exists, but not with this method.
pub(crate) async fn wrong_method(request: Request) -> Refusal {
    let path: String = request.uri().path().chars().take(200).collect();
    Refusal::new(
        Code::MethodNotAllowed,
        format!("{path} does not take {}.", request.method()),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let trusted: Vec<IpNet> = ["127.0.0.1/32", "10.0.0.0/8"]
            .iter()
            .map(|net| net.parse().unwrap())
            .collect();
        let client = |peer: &str, lines: &[&str]| {
            client_of(peer.parse().unwrap(), &trusted, lines.iter().copied()).to_string()
        };
        assert_eq!(client("127.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(
            client("192.0.2.9", &["192.0.2.7"]),
            "192.0.2.9",
            "a stranger's word"
        );
        assert_eq!(client("127.0.0.1", &[]), "127.0.0.1");
        // What the client itself put there stands before what the proxies add.
        assert_eq!(
            client("127.0.0.1", &["1.1.1.1, 192.0.2.7, 10.1.2.3"]),
            "192.0.2.7"
        );
        assert_eq!(
            client("127.0.0.1", &["1.1.1.1", "192.0.2.7", "10.1.2.3"]),
            "192.0.2.7"
        );
        assert_eq!(client("127.0.0.1", &["nonsense"]), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &["::ffff:192.0.2.7"]), "192.0.2.7");
    }
}
