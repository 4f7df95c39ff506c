//! `/metrics` in `OpenMetrics` text, for Prometheus and what reads its format. For accounts, or for a program's token of
//! the area `metrics`: names of nodes are in it.

use super::Http;
use super::refusal::{Answer, Refusal};
use crate::App;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use gridhelm_api::Code;
use gridhelm_api::group::ServerRole;
use gridhelm_api::node::Node;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// The media type of the text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateOf {
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfNode {
    node: String,
}

type Number = Gauge<f64, AtomicU64>;

fn seconds() -> Histogram {
    // 0.5 ms to 32 s.
    Histogram::new(exponential_buckets(0.0005, 2.0, 17))
}

/// What is counted, and what is looked at when somebody asks.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    active: Gauge,
    ready: Gauge,
    epoch: Gauge,
    commit: Number,
    certificate: Number,
    refused: Gauge,
    streams: Gauge,
    files: Gauge,
    tasks: Family<StateOf, Gauge>,
    slots: Family<StateOf, Gauge>,
    nodes: Family<StateOf, Gauge>,
    heartbeats: Family<OfNode, Number>,
}

impl Metrics {
    pub(crate) fn new(app: &App) -> Self {
        let (server, group, tls) = (&app.config.name, &app.config.group, &app.tls);
        let mut registry = Registry::with_prefix("gridhelm");
        let metrics = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            active: Gauge::default(),
            ready: Gauge::default(),
            epoch: Gauge::default(),
            commit: Number::default(),
            certificate: Number::default(),
            refused: Gauge::default(),
            streams: Gauge::default(),
            files: Gauge::default(),
            tasks: Family::default(),
            slots: Family::default(),
            nodes: Family::default(),
            heartbeats: Family::default(),
            registry: Registry::default(),
        };
        let about = Info::new([
            ("server", server.clone()),
            ("group", group.clone()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ]);
        registry.register("server", "Which server this is", about);
        macro_rules! register {
            ($($name:literal, $help:literal, $field:ident;)*) => {
                $(registry.register($name, $help, metrics.$field.clone());)*
            };
        }
        register! {
            "requests", "Requests answered, by route and status", requests;
            "active", "1 while this server is its group's active one", active;
            "ready", "1 while this server could do its role", ready;
            "epoch", "The group's epoch as this server knows it", epoch;
            "refused_requests", "Requests for work refused in the last 10 minutes because no server was active", refused;
            "event_streams", "Event streams that are open", streams;
            "files", "Files in the repository", files;
            "tasks", "Tasks that wait, run, or wait for a person", tasks;
            "slots", "Slots of the grid by state, at the active server", slots;
            "nodes", "Nodes of the grid by health, at the active server", nodes;
        }
        registry.register_with_unit(
            "request",
            "How long requests took",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register_with_unit(
            "task_phase",
            "How long tasks took to get a session, to be committed as begun, in R, for their files, and to be committed as ended",
            Unit::Seconds,
            app.tasks.phases.histograms(),
        );
        registry.register_with_unit(
            "lease_commit",
            "How long the last renewal of the lease took, a commit of the database",
            Unit::Seconds,
            metrics.commit.clone(),
        );
        registry.register_with_unit(
            "heartbeat",
            "How long each node's last heartbeat took",
            Unit::Seconds,
            metrics.heartbeats.clone(),
        );
        if tls.certificate().is_some() {
            registry.register_with_unit(
                "certificate_not_after",
                "Until when the certificate that this server shows is good, seconds since 1970",
                Unit::Seconds,
                metrics.certificate.clone(),
            );
        }
        Self {
            registry,
            ..metrics
        }
    }

    /// Counts a request that was answered.
    pub(crate) fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        // A client may invent methods; each would be a series of its own.
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method);
        let of = Answered {
            method: if known { method } else { "other" }.to_owned(),
            route: route.to_owned(),
            status,
        };
        self.requests.get_or_create(&of).inc();
        let route = Route {
            route: route.to_owned(),
        };
        self.seconds
            .get_or_create(&route)
            .observe(took.as_secs_f64());
    }

    fn look_at_nodes(&self, nodes: &[Node]) {
        for family in [&self.slots, &self.nodes] {
            family.clear();
        }
        self.heartbeats.clear();
        let word = |value: serde_json::Result<serde_json::Value>| StateOf {
            state: match value {
                Ok(serde_json::Value::String(word)) => word,
                _ => "unknown".to_owned(),
            },
        };
        for node in nodes {
            let health = word(serde_json::to_value(node.health));
            self.nodes.get_or_create(&health).inc();
            for slot in &node.slots {
                let state = word(serde_json::to_value(slot.state));
                self.slots.get_or_create(&state).inc();
            }
            if let Some(ms) = node.heartbeat_ms {
                let of = OfNode {
                    node: node.name.clone(),
                };
                self.heartbeats.get_or_create(&of).set(ms / 1e3);
            }
        }
    }
}

/// What there is to know of this server now. Grid and tasks are the active server's to tell.
pub(crate) async fn scrape(State(http): State<Arc<Http>>) -> Answer<Response> {
    let text = text(&http).await?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

/// The metrics as they are now.
pub(super) async fn text(http: &Http) -> Answer<String> {
    let (app, metrics) = (&http.app, &http.metrics);
    let status = app.standing.borrow().status.clone();
    let active = status.role == ServerRole::Active;
    metrics.active.set(active.into());
    metrics.ready.set(status.ready.into());
    metrics.epoch.set(status.epoch);
    let whole = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    metrics.streams.set(whole(app.hub.listeners()));
    let refused = app.keeper.refused_of_late();
    metrics
        .refused
        .set(i64::try_from(refused).unwrap_or(i64::MAX));
    if let Some(commit) = app.keeper.last_commit() {
        metrics.commit.set(commit.as_secs_f64());
    }
    if let Some(certificate) = app.tls.certificate() {
        metrics.certificate.set(certificate.not_after as f64 / 1e3);
    }
    metrics.tasks.clear();
    if active {
        let stats = app.tasks.stats();
        for (state, n) in [
            ("queued", stats.queued),
            ("running", stats.running),
            ("uncertain", stats.uncertain),
        ] {
            let of = StateOf {
                state: state.to_owned(),
            };
            let n = i64::try_from(n).unwrap_or(i64::MAX);
            metrics.tasks.get_or_create(&of).set(n);
        }
        let files = app.store.count_files().await?;
        metrics.files.set(i64::try_from(files).unwrap_or(i64::MAX));
        metrics.look_at_nodes(&app.grid.nodes().await?);
    } else {
        metrics.look_at_nodes(&[]);
    }
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &metrics.registry)
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
    Ok(text)
}
