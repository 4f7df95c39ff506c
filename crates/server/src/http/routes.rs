//! The table of routes: for each who may call it, where it is done, how large and how long it may be.
//!
//! A route is mounted only together with its rule, and [`guard`] applies the rule before the handler
//! runs, so that none can be forgotten.

use super::Http;
use super::bounds::too_many;
use super::caller::Caller;
use super::extract::{JSON_LIMIT, read};
use super::pace::paced;
use super::place;
use super::refusal::{Answer, Refusal};
use crate::accounts::{Actor, Claims, TokenError};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use gridhelm_api::Code;
use gridhelm_api::account::Role;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone, without a token.
    Open,
    /// Accounts of at least this role.
    Role(Role),
    /// Only servers of the group.
    Peer,
}

/// At which server of the group a route does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At the one that is asked.
    Here,
    /// At the active one; the others relay.
    Active,
    /// At the active one, or here when none is: what needs no epoch.
    ActiveOrHere,
    /// At the active one; the others refuse, except just after they handed over.
    Work,
}

/// A route's rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Who may call it.
    pub access: Access,
    /// Where it is done.
    pub place: Place,
    /// The largest body, bytes.
    pub body: u64,
    /// How long it may take.
    pub time: Duration,
    /// Whether it is refused while the database's disk is nearly full.
    pub needs_room: bool,
}

impl Rule {
    /// Open to everyone, done here.
    pub(crate) const OPEN: Self = Self {
        access: Access::Open,
        place: Place::Here,
        body: JSON_LIMIT,
        time: Duration::from_secs(30),
        needs_room: false,
    };
    /// For everyone who signed in, done here.
    pub(crate) const READ: Self = Self {
        access: Access::Role(Role::Viewer),
        ..Self::OPEN
    };
    /// For operators, done at the active server.
    pub(crate) const WRITE: Self = Self {
        access: Access::Role(Role::Operator),
        place: Place::Active,
        ..Self::OPEN
    };
    /// For servers of the group.
    pub(crate) const PEER: Self = Self {
        access: Access::Peer,
        ..Self::OPEN
    };

    pub(crate) const fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    pub(crate) const fn place(self, place: Place) -> Self {
        Self { place, ..self }
    }

    pub(crate) const fn body(self, body: u64) -> Self {
        Self { body, ..self }
    }

    pub(crate) const fn needs_room(self) -> Self {
        Self {
            needs_room: true,
            ..self
        }
    }

    pub(crate) const fn time(self, seconds: u64) -> Self {
        Self {
            time: Duration::from_secs(seconds),
            ..self
        }
    }
}

/// A mounted route.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path, with `{name}` where a value stands.
    pub path: &'static str,
    /// Its rule.
    pub rule: Rule,
}

/// Routes and their rules.
pub(crate) struct Routes {
    http: Arc<Http>,
    router: Router<Arc<Http>>,
    table: Vec<Route>,
}

impl Routes {
    pub(crate) fn new(http: Arc<Http>) -> Self {
        Self {
            http,
            router: Router::new(),
            table: Vec::new(),
        }
    }

    pub(crate) fn get<T: 'static>(
        self,
        path: &'static str,
        rule: Rule,
        handler: impl Handler<T, Arc<Http>>,
    ) -> Self {
        self.on(Method::GET, path, rule, get(handler))
    }

    pub(crate) fn post<T: 'static>(
        self,
        path: &'static str,
        rule: Rule,
        handler: impl Handler<T, Arc<Http>>,
    ) -> Self {
        self.on(Method::POST, path, rule, post(handler))
    }

    pub(crate) fn put<T: 'static>(
        self,
        path: &'static str,
        rule: Rule,
        handler: impl Handler<T, Arc<Http>>,
    ) -> Self {
        self.on(Method::PUT, path, rule, put(handler))
    }

    pub(crate) fn patch<T: 'static>(
        self,
        path: &'static str,
        rule: Rule,
        handler: impl Handler<T, Arc<Http>>,
    ) -> Self {
        self.on(Method::PATCH, path, rule, patch(handler))
    }

    pub(crate) fn delete<T: 'static>(
        self,
        path: &'static str,
        rule: Rule,
        handler: impl Handler<T, Arc<Http>>,
    ) -> Self {
        self.on(Method::DELETE, path, rule, delete(handler))
    }

    fn on(
        mut self,
        method: Method,
        path: &'static str,
        rule: Rule,
        handler: MethodRouter<Arc<Http>>,
    ) -> Self {
        let state = (Arc::clone(&self.http), rule);
        let guarded = handler.route_layer(middleware::from_fn_with_state(state, guard));
        self.router = self.router.route(path, guarded);
        self.table.push(Route { method, path, rule });
        self
    }

    pub(crate) fn finish(self) -> (Router<Arc<Http>>, Vec<Route>) {
        (self.router, self.table)
    }
}

/// Lets a request through to its handler as its route's rule says.
async fn guard(
    State((http, rule)): State<(Arc<Http>, Rule)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(rule);
    if let Err(refusal) = admit(&http, rule, &mut parts).await {
        return refusal.into_response();
    }
    let request = Request::from_parts(parts, paced(body));
    let _under_way = must_end(rule).then(|| http.app.leave.begin());
    let work = async {
        match rule.place {
            Place::Here => next.run(request).await,
            _ => placed(&http, rule, request, next).await,
        }
    };
    tokio::time::timeout(rule.time, work)
        .await
        .unwrap_or_else(|_| {
            let text = format!(
                "The server did not finish in {} s. Look at what is there before you repeat it.",
                rule.time.as_secs()
            );
            Refusal::new(Code::Internal, text).into_response()
        })
}

/// Whether a request of this rule must not be cut off by a switch: it changes something, or waits for long.
fn must_end(rule: Rule) -> bool {
    rule.place != Place::Here || rule.time > Rule::OPEN.time
}

/// Who asks, and whether they may; the body's announced size.
async fn admit(http: &Http, rule: Rule, request: &mut Parts) -> Answer<()> {
    if rule.access != Access::Open {
        let claims = authenticate(http, request).await?;
        let caller = Caller::of(&request.extensions);
        // What servers tell each other is not held up.
        if claims.server().is_none()
            && let Err(wait) = http.rates_of_users.take(&claims.sub, Instant::now())
        {
            return Err(too_many(&claims.sub, wait));
        }
        let actor = Actor {
            name: claims.sub.clone(),
            role: claims.role,
            address: caller.address.to_string(),
            agent: caller.agent.to_string(),
            request_id: caller.request_id.to_string(),
        };
        let allowed =
            allow(rule.access, &claims).and_then(|()| within_areas(&claims, request.uri.path()));
        if let Err(refusal) = allowed {
            if !request.method.is_safe() {
                note_refused(http, &actor, request).await;
            }
            return Err(refusal);
        }
        request.extensions.insert(actor);
        request.extensions.insert(claims);
    }
    if rule.needs_room {
        http.app.disks.room()?;
    }
    if announced(&request.headers).is_some_and(|n| n > rule.body) {
        return Err(Refusal::too_large(rule.body));
    }
    Ok(())
}

/// Whether a program's token may be used for this address.
fn within_areas(claims: &Claims, path: &str) -> Answer<()> {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    if claims.may_use(path) {
        return Ok(());
    }
    let areas: Vec<&str> = claims.areas.iter().map(|area| area.name()).collect();
    Err(Refusal::new(
        Code::Forbidden,
        format!("This token is for {} only.", areas.join(", ")),
    ))
}

/// The body's size as the client announced it.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

async fn authenticate(http: &Http, request: &Parts) -> Answer<Claims> {
    let header = request.headers.get(header::AUTHORIZATION);
    let Some(header) = header else {
        return Err(Refusal::new(
            Code::MissingToken,
            "Sign in, and send the token as Authorization: Bearer.",
        ));
    };
    let token = header.to_str().ok().and_then(|v| {
        let (scheme, token) = v.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    });
    let token = token.ok_or(TokenError::Invalid)?;
    Ok(http.app.accounts.verify_fresh(token).await?)
}

fn allow(access: Access, claims: &Claims) -> Answer<()> {
    let needed = match (access, claims.server()) {
        (Access::Open, _) | (Access::Peer, Some(_)) => return Ok(()),
        (Access::Role(role), None) if claims.role >= role => return Ok(()),
        (Access::Role(role), None) => role.name(),
        // A server's token opens nothing but what servers tell each other.
        (Access::Peer, None) | (Access::Role(_), Some(_)) => {
            return Err(Refusal::new(
                Code::Forbidden,
                "This address is for another kind of caller.",
            ));
        }
    };
    Err(Refusal::new(
        Code::Forbidden,
        format!(
            "This needs the role {needed}; {} is {}. Ask an admin of the group.",
            claims.sub,
            claims.role.name()
        ),
    ))
}

async fn note_refused(http: &Http, actor: &Actor, request: &Parts) {
    let what = format!("{} {}", request.method, request.uri.path());
    let mut audit = actor.audit("access.refused", what);
    audit
        .subject
        .truncate(audit.subject.floor_char_boundary(300));
    let notes = crate::store::Notes {
        events: Vec::new(),
        audit: vec![audit],
    };
    if let Err(error) = http.app.store.note(notes).await {
        tracing::warn!(%error, actor = actor.name, "a refused write could not be audited");
    }
}

/// Runs at the right server. Small bodies are read first: a request that this server could not do because it
/// lost the active role meanwhile can then go on at the next active one.
async fn placed(http: &Arc<Http>, rule: Rule, request: Request, next: Next) -> Response {
    let small = rule
        .body
        .min(announced(request.headers()).unwrap_or(rule.body));
    if small > place::RELAYED_BODY {
        return match place::may_stream(http) {
            Ok(()) => next.run(request).await,
            Err(refusal) => refusal.into_response(),
        };
    }
    let (parts, body) = request.into_parts();
    let body = match read(body, small).await {
        Ok(body) => body,
        Err(refusal) => return refusal.into_response(),
    };
    let here = |next: Next| {
        let request = Request::from_parts(parts.clone(), Body::from(body.clone()));
        next.run(request)
    };
    place::run(http, rule, &parts, &body, next, here).await
}
