//! Servers reduced to what the group needs.

use async_trait::async_trait;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use gridhelm_api::event::Event;
use gridhelm_api::group::{ServerRole, ServerStatus};
use gridhelm_api::switch::{Check, Outcome, SwitchKind, SwitchRecord, SwitchRequest};
use gridhelm_server::group::hold::FailoverLimit;
use gridhelm_server::group::{
    After, Duties, InFlight, Keeper, KeeperParts, Standing, SwitchError, TakeOrder,
};
use gridhelm_server::hub::Hub;
use gridhelm_server::identity;
use gridhelm_server::store::{AuditDraft, EventFilter, Fence, SqliteStore, Store};
use gridhelm_server::tls::Tls;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Duties that only count.
#[derive(Default)]
pub(crate) struct Counting {
    pub(crate) running: AtomicUsize,
    /// What was called, in order.
    pub(crate) calls: Mutex<Vec<String>>,
}

impl Counting {
    fn called(&self, what: impl Into<String>) {
        self.calls.lock().unwrap().push(what.into());
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

#[async_trait]
impl Duties for Counting {
    async fn take_up(&self, fence: Fence) {
        self.called(format!("take_up {}", fence.epoch));
    }

    fn in_flight(&self) -> InFlight {
        InFlight {
            running: self.running.load(Ordering::SeqCst),
            queued: 0,
        }
    }

    async fn drain(&self, within: Duration) -> Result<(), usize> {
        self.called("drain");
        let end = Instant::now() + within;
        loop {
            match self.running.load(Ordering::SeqCst) {
                0 => return Ok(()),
                n if Instant::now() >= end => return Err(n),
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    fn interrupt(&self) {
        self.called("interrupt");
        self.running.store(0, Ordering::SeqCst);
    }

    async fn resume(&self) {
        self.called("resume");
    }

    async fn lay_down(&self, fenced: bool) {
        self.called(if fenced {
            "lay_down fenced"
        } else {
            "lay_down"
        });
    }

    async fn reach_nodes(&self) -> Check {
        Check {
            id: "nodes_reachable".into(),
            title: "Nodes reachable from the standby".into(),
            outcome: Outcome::Pass,
            evidence: "2 of 2 nodes answered.".into(),
            repair: None,
        }
    }
}

/// A folder with a group's database, and its servers.
pub(crate) struct Group {
    folder: tempfile::TempDir,
}

impl Group {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("east.db")
    }

    /// Starts a server of that name.
    pub(crate) async fn start(&self, name: &str) -> Server {
        Server::start(name, &self.database()).await
    }

    /// Starts east-1, waits until it is active, and then east-2 until it is a ready standby.
    pub(crate) async fn pair(&self) -> (Server, Server) {
        let one = self.start("east-1").await;
        one.until("active", |s| s.role == ServerRole::Active).await;
        let two = self.start("east-2").await;
        two.until("a ready standby", |s| s.ready && s.active.is_some())
            .await;
        eventually("both are members", async || {
            one.store.group().await.unwrap().members.len() == 2
        })
        .await;
        (one, two)
    }
}

/// A server without grid, tasks and accounts.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) duties: Arc<Counting>,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) standing: watch::Receiver<Standing>,
    http: JoinHandle<()>,
}

impl Server {
    async fn start(name: &str, database: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let path = database.to_owned();
        let store = tokio::task::spawn_blocking(move || SqliteStore::open(&path, "east"))
            .await
            .unwrap()
            .unwrap();
        let store = Arc::new(store);
        let boot = gridhelm_server::random::hex(8).unwrap();
        let me = identity::this_process(name, &boot, &url).unwrap();
        let duties = Arc::new(Counting::default());
        let (sender, standing) = watch::channel(Standing {
            status: KeeperParts::first_status(&me, "east", 0),
            ..Standing::default()
        });
        let keeper = Keeper::start(KeeperParts {
            board: gridhelm_server::upkeep::Board::default(),
            store: Arc::<SqliteStore>::clone(&store),
            hub: Hub::new(&boot),
            duties: Arc::<Counting>::clone(&duties),
            standing: sender,
            me,
            group: "east".into(),
            started_at: 0,
            peer_token: Arc::new(|| Ok("token".into())),
            balancer: None,
            limit: FailoverLimit::default(),
            tls: Tls::default(),
        });
        let app = (Arc::clone(&keeper), standing.clone());
        let router = axum::Router::new()
            .route("/api/v1/server", get(server))
            .route("/health/ready", get(ready))
            .route("/api/v1/switch/reach", get(reach))
            .route("/api/v1/switch/after", get(after))
            .route("/api/v1/switch/take", post(take))
            .with_state(app);
        let http = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            name: name.to_owned(),
            url,
            keeper,
            duties,
            store,
            standing,
            http,
        }
    }

    pub(crate) fn status(&self) -> ServerStatus {
        self.standing.borrow().status.clone()
    }

    pub(crate) async fn until(
        &self,
        what: &str,
        is: impl Fn(&ServerStatus) -> bool,
    ) -> ServerStatus {
        let mut standing = self.standing.clone();
        let reached = standing.wait_for(|s| is(&s.status));
        match tokio::time::timeout(Duration::from_secs(10), reached).await {
            Ok(standing) => standing.unwrap().status.clone(),
            Err(error) => panic!(
                "{error}: {} is not {what} but {:?}",
                self.name,
                self.status()
            ),
        }
    }

    /// Stops in order.
    pub(crate) async fn stop(self) {
        self.keeper.stop().await;
        self.close_http().await;
    }

    /// Its HTTP interface ends; the rest goes on.
    pub(crate) async fn close_http(&self) {
        self.http.abort();
        let address = self.url.trim_start_matches("http://").to_owned();
        eventually("its port is closed", async || {
            tokio::net::TcpStream::connect(&address).await.is_err()
        })
        .await;
    }

    pub(crate) async fn switch(
        &self,
        kind: SwitchKind,
        to: &str,
        change: impl FnOnce(&mut SwitchRequest),
    ) -> Result<SwitchRecord, SwitchError> {
        let epoch = self.status().epoch;
        let mut request = SwitchRequest {
            drain_s: 5,
            override_hold: true,
            confirm: Some("east".into()),
            ..SwitchRequest::new(kind, to, epoch, "a test")
        };
        change(&mut request);
        self.keeper.switch(request, "ada", audit()).await
    }

    /// The switch of that id once it has ended.
    pub(crate) async fn ended(&self, id: &str) -> SwitchRecord {
        let mut found = None;
        eventually("the switch ended", async || {
            let switches = self.store.switches(10).await.unwrap();
            found = switches
                .into_iter()
                .find(|s| s.id == id && s.state.is_final());
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// The journal, oldest first.
    pub(crate) async fn journal(&self) -> Vec<Event> {
        let filter = EventFilter {
            limit: 100,
            ..EventFilter::default()
        };
        let mut events = self.store.events(&filter).await.unwrap().items;
        events.reverse();
        events
    }

    pub(crate) async fn kinds(&self) -> Vec<String> {
        self.journal().await.into_iter().map(|e| e.kind).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.http.abort();
    }
}

type App = (Arc<Keeper>, watch::Receiver<Standing>);

async fn server(State(app): State<App>) -> Json<ServerStatus> {
    Json(app.1.borrow().status.clone())
}

async fn ready(State(app): State<App>) -> StatusCode {
    if app.1.borrow().status.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

async fn reach(State(app): State<App>) -> Json<Check> {
    Json(app.0.reach().await)
}

#[derive(serde::Deserialize)]
struct Within {
    within_ms: u64,
}

async fn after(State(app): State<App>, Query(query): Query<Within>) -> Json<After> {
    let within = Duration::from_millis(query.within_ms);
    Json(app.0.after(within).await)
}

async fn take(State(app): State<App>, Json(order): Json<TakeOrder>) -> Response {
    match app.0.take_order(order).await {
        Ok(taken) => Json(taken).into_response(),
        Err(error) => {
            let problem = error.problem();
            let status = StatusCode::from_u16(problem.status).unwrap();
            (status, Json(problem)).into_response()
        }
    }
}

pub(crate) fn audit() -> AuditDraft {
    AuditDraft {
        actor: "ada".into(),
        action: "switch.planned",
        subject: "east".into(),
        before: None,
        after: None,
        reason: Some("a test".into()),
        address: "127.0.0.1".into(),
        agent: String::new(),
        request_id: "UID-1".into(),
    }
}

/// Waits until something holds, at most 10 s.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < end, "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
