//! The HTTP interface: translates, and decides nothing.

mod alerts;
mod assets;
mod bounds;
mod caller;
mod changesets;
mod cors;
mod download;
mod edge;
mod extract;
mod given;
mod grants;
mod group;
mod health;
mod join;
mod journal;
pub(crate) mod leave;
mod limits;
mod links;
mod metrics;
mod nodes;
mod openapi;
mod pace;
mod packages;
mod place;
mod policy;
mod refusal;
mod repository;
mod routes;
mod serve;
mod session;
mod sessions;
mod stall;
mod stream;
mod tasks;
#[cfg(test)]
mod tests;
mod upkeep;
mod users;

pub use routes::{Access, Place, Route, Rule};
pub use serve::{Gate, serve};

use crate::app::App;
use crate::repository::{Repository, Uploads};
use axum::{Router, middleware};
use gridhelm_api::account::Role;
use gridhelm_api::changeset::{MAX_PACK, MAX_PART};
use gridhelm_api::repository::MAX_FILE;
use limits::Rates;
use place::Relay;
use routes::Routes;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What handlers reach: the server's parts, and what only the interface needs.
pub(crate) struct Http {
    app: Arc<App>,
    repository: Repository,
    uploads: Uploads,
    links: links::Links,
    grants: grants::Grants,
    relay: Relay,
    assets: assets::Assets,
    streams: Arc<Semaphore>,
    snapshot: tokio::sync::Mutex<Option<stream::Shared>>,
    metrics: metrics::Metrics,
    described: openapi::Described,
    rates: Rates<Option<IpAddr>>,
    rates_of_users: Rates<String>,
    streams_of: stream::Bounds,
    sizes: tokio::sync::Mutex<Option<(std::time::Instant, gridhelm_api::upkeep::Sizes)>>,
}

/// What the handlers of a server reach.
fn parts(app: Arc<App>) -> Result<Arc<Http>, reqwest::Error> {
    Ok(Arc::new(Http {
        repository: Repository::new(
            Arc::clone(&app.store),
            app.hub.clone(),
            app.standing.clone(),
        ),
        uploads: Uploads::default(),
        links: links::Links::default(),
        grants: grants::Grants::default(),
        metrics: metrics::Metrics::new(&app),
        relay: Relay::new(&app.tls)?,
        rates: Rates::new(app.config.limits.requests_per_address),
        rates_of_users: Rates::new(app.config.limits.requests_per_user),
        streams_of: stream::Bounds::new(app.config.limits),
        assets: assets::Assets::new(&app.config),
        described: openapi::Described::default(),
        streams: Arc::new(Semaphore::new(stream::STREAMS)),
        snapshot: tokio::sync::Mutex::new(None),
        sizes: tokio::sync::Mutex::new(None),
        app,
    }))
}

/// The interface of a server, and what it needs to run beside its requests (it ends with the server).
/// Must be called within a tokio runtime.
///
/// # Errors
/// When the system gives no TLS or DNS set-up for calls to the group's other servers.
pub fn router(app: Arc<App>) -> Result<Router, reqwest::Error> {
    let http = parts(app)?;
    tokio::spawn(stream::tick(Arc::clone(&http)));
    let (router, _) = mount(&http).finish();
    let cors = cors::layer(&http.app.config.allowed_origins);
    Ok(router
        .fallback(assets::file)
        .method_not_allowed_fallback(edge::wrong_method)
        .with_state(Arc::clone(&http))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&http),
            bounds::bound,
        ))
        .layer(cors)
        .layer(middleware::from_fn_with_state(http, edge::edge)))
}

/// Every route with its rule.
fn mount(http: &Arc<Http>) -> Routes {
    const ADMIN: Access = Access::Role(Role::Admin);
    let open = Rule::OPEN;
    let read = Rule::READ;
    let write = Rule::WRITE;
    let upload = write.body(MAX_FILE).time(600).needs_room();
    let accounts = write.access(ADMIN).place(Place::ActiveOrHere);
    let routes = Routes::new(Arc::clone(http))
        .get("/", open, assets::index)
        .get("/deployment.json", open, assets::deployment)
        .get("/download/{secret}", open, download::once)
        .get("/health/live", open, health::live)
        .get("/health/ready", open, health::ready)
        .get("/health/active", open, health::active)
        .get("/metrics", read, metrics::scrape)
        .get("/api/docs", open, openapi::html)
        .get("/api/v1/openapi.json", open, openapi::json)
        .get("/api/v1/server", open, group::server)
        .post("/api/v1/session", open, session::sign_in)
        .delete("/api/v1/session", read, session::sign_out)
        .get("/api/v1/me", read, session::me)
        .put(
            "/api/v1/me/password",
            read.place(Place::ActiveOrHere),
            users::change_password,
        )
        .get("/api/v1/tokens", read, users::tokens)
        .post(
            "/api/v1/tokens",
            read.place(Place::ActiveOrHere),
            users::create_token,
        )
        .delete(
            "/api/v1/tokens/{id}",
            read.place(Place::ActiveOrHere),
            users::end_token,
        )
        .get("/api/v1/users", read.access(ADMIN), users::list)
        .get(
            "/api/v1/users/lockouts",
            read.access(ADMIN),
            users::lockouts,
        )
        .delete(
            "/api/v1/users/{name}/sessions",
            accounts,
            users::end_sessions,
        )
        .post("/api/v1/users", accounts, users::create)
        .patch("/api/v1/users/{name}", accounts, users::update)
        .get("/api/v1/events", read, journal::events)
        .get("/api/v1/audit", read.access(ADMIN), journal::audit)
        .get(
            "/api/v1/audit/verify",
            read.access(ADMIN).time(300),
            journal::verify,
        );
    let routes = routes
        .get("/api/v1/group", read, group::group)
        .get("/api/v1/group/failover", read, group::failover)
        .put(
            "/api/v1/group/failover",
            write.access(ADMIN),
            group::set_failover,
        )
        .get("/api/v1/group/join-tokens", read.access(ADMIN), join::list)
        .post("/api/v1/group/join-tokens", accounts, join::make)
        .delete("/api/v1/group/join-tokens/{id}", accounts, join::revoke)
        .post("/api/v1/group/join", open, join::admit)
        .get("/api/v1/switch/preflight", read, group::preflight)
        .post("/api/v1/switch", write.place(Place::Here), group::switch)
        .delete("/api/v1/switch/{id}", write, group::call_off)
        .get("/api/v1/switches", read, group::switches)
        .get("/api/v1/switch/after", Rule::PEER.time(10), group::after)
        .get("/api/v1/switch/reach", Rule::PEER, group::reach)
        .post("/api/v1/switch/take", Rule::PEER, group::take);
    let admin = read.access(ADMIN);
    let routes = routes
        .get("/api/v1/backups", admin, upkeep::list)
        .post("/api/v1/backups", admin, upkeep::make)
        .delete("/api/v1/backups/{name}", admin, upkeep::remove)
        .post("/api/v1/backups/{name}/link", admin, upkeep::link)
        .get("/api/v1/sizes", read.time(300), upkeep::sizes)
        .get(
            "/api/v1/support-bundle",
            Rule::PEER.time(300),
            upkeep::support_bundle,
        )
        .post(
            "/api/v1/support-bundle/link",
            admin.time(300),
            upkeep::support_link,
        );
    let routes = routes
        .get("/api/v1/nodes", read, nodes::list)
        .post("/api/v1/nodes", write, nodes::create)
        .post("/api/v1/nodes/test", write, nodes::test)
        .get("/api/v1/nodes/{name}", read, nodes::one)
        .patch("/api/v1/nodes/{name}", write, nodes::edit)
        .delete("/api/v1/nodes/{name}", write, nodes::remove)
        .post("/api/v1/nodes/{name}/intent", write, nodes::intent)
        .post("/api/v1/nodes/{name}/probe", write, nodes::probe)
        .get("/api/v1/nodes/{name}/timeline", read, nodes::timeline)
        .get("/api/v1/nodes/{name}/measures", read, nodes::measures)
        .get("/api/v1/grid/limits", read, nodes::limits)
        .put("/api/v1/grid/limits", write, nodes::set_limits)
        .get("/api/v1/grid/history", read, nodes::history)
        .get("/api/v1/availability", read, nodes::availability);
    let routes = routes
        .get("/api/v1/alerts", read, alerts::list)
        .post(
            "/api/v1/alerts/{id}/acknowledge",
            write,
            alerts::acknowledge,
        )
        .post("/api/v1/alerts/silences", write, alerts::silence)
        .delete("/api/v1/alerts/silences/{id}", write, alerts::end_silence)
        .get("/api/v1/alerts/rules", read, alerts::rules)
        .put("/api/v1/alerts/rules", write, alerts::set_rules)
        .get(
            "/api/v1/alerts/webhook",
            read.access(ADMIN),
            alerts::webhook,
        )
        .put(
            "/api/v1/alerts/webhook",
            write.access(ADMIN),
            alerts::set_webhook,
        )
        .post(
            "/api/v1/alerts/webhook/test",
            write.access(ADMIN),
            alerts::try_webhook,
        );
    let routes = routes
        .get(
            "/api/v1/sessions",
            read.place(Place::Active),
            sessions::list,
        )
        .post(
            "/api/v1/nodes/{name}/sessions/end",
            write.time(300),
            sessions::end,
        );
    let work = write.place(Place::Work).time(75).needs_room();
    let known = read.place(Place::Active);
    let routes = routes
        .get("/api/v1/packages", known, packages::grid)
        .post("/api/v1/packages/check", known, packages::check)
        .get("/api/v1/nodes/{name}/packages", known, packages::of_node)
        .post("/api/v1/nodes/{name}/packages", work, packages::install)
        .post(
            "/api/v1/nodes/{name}/packages/refresh",
            write,
            packages::refresh,
        );
    let routes = routes
        .get("/api/v1/tasks", read, tasks::list)
        .post("/api/v1/tasks", work, tasks::submit)
        .get("/api/v1/tasks/{id}", read.time(75), tasks::one)
        .post("/api/v1/tasks/{id}/cancel", write, tasks::cancel)
        .get("/api/v1/tasks/{id}/console", read, tasks::console)
        .get(
            "/api/v1/tasks/{id}/artifacts/{name}",
            read.time(600),
            tasks::artifact,
        )
        .post(
            "/api/v1/tasks/{id}/artifacts/{name}/link",
            read,
            tasks::link,
        );
    routes
        .get("/api/v1/repository/files", read, repository::files)
        .post("/api/v1/repository/search", read, repository::search)
        .get("/api/v1/repository/file", read, repository::file)
        .patch("/api/v1/repository/file", write, repository::describe)
        .get(
            "/api/v1/repository/content",
            read.time(600),
            repository::content,
        )
        .put("/api/v1/repository/content", upload, repository::write)
        .delete("/api/v1/repository/content", write, repository::delete)
        .post("/api/v1/repository/link", read, repository::link)
        .get(
            "/api/v1/repository/objects",
            write.place(Place::Work).time(75),
            repository::objects,
        )
        .get("/api/v1/repository/versions", read, repository::versions)
        .post(
            "/api/v1/repository/restore",
            write.needs_room(),
            repository::restore,
        )
        .get(
            "/api/v1/repository/manifest",
            read.time(120),
            changesets::manifest,
        )
        .get("/api/v1/repository/tree", read, changesets::tree)
        .post(
            "/api/v1/repository/listings",
            read.time(120),
            changesets::listings,
        )
        .get(
            "/api/v1/repository/content/{sha256}",
            read.time(600),
            changesets::content,
        )
        .post(
            "/api/v1/repository/contents",
            read.time(600),
            changesets::contents,
        )
        .post(
            "/api/v1/repository/verify",
            write.time(600),
            changesets::verify,
        )
        .post(
            "/api/v1/repository/grants",
            write.place(Place::Here),
            grants::grant,
        )
        .get(
            "/api/v1/repository/granted/{sha256}",
            Rule::OPEN.time(600),
            grants::granted,
        )
        .post(
            "/api/v1/repository/changesets/{id}/pull",
            write.time(120).needs_room(),
            grants::pull,
        )
        .get("/api/v1/repository/rules", read, changesets::rules)
        .put(
            "/api/v1/repository/rules",
            write.access(ADMIN),
            changesets::set_rules,
        )
        .post(
            "/api/v1/repository/changesets/{id}/verdict",
            write.access(ADMIN),
            changesets::judge,
        )
        .get("/api/v1/repository/changesets", read, changesets::list)
        .get(
            "/api/v1/repository/changesets/{id}",
            read.time(120),
            changesets::report,
        )
        .delete(
            "/api/v1/repository/changesets/{id}",
            write,
            changesets::discard,
        )
        .put(
            "/api/v1/repository/changesets/{id}/contents",
            upload.body(MAX_PACK),
            changesets::put_contents,
        )
        .put(
            "/api/v1/repository/changesets/{id}/parts/{sha256}",
            upload.body(MAX_PART),
            changesets::put_part,
        )
        .post(
            "/api/v1/repository/changesets",
            write.body(64 << 20).needs_room(),
            changesets::open,
        )
        .put(
            "/api/v1/repository/changesets/{id}/content/{sha256}",
            upload,
            changesets::put_content,
        )
        .post(
            "/api/v1/repository/changesets/{id}/commit",
            write.time(120).needs_room(),
            changesets::commit,
        )
}
