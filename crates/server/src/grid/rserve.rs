//! Sessions on plain Rserve: the first implementation of the seam.

use super::session::{
    FoundSession, Marker, Probed, ReclaimTarget, Session, SessionError, SessionProvider, Sight,
    Watch,
};
use crate::store::{SessionRow, StoredNode};
use crate::{clock, ids};
use async_trait::async_trait;
use gridhelm_api::Code;
use gridhelm_api::node::{NodeFacts, NodeTest};
use gridhelm_rserve::reclaim::{self, Action, Reclaimed, Rule, Target};
use gridhelm_rserve::run::{self, RunEvent, RunOutcome, RunRequest, SessionInfo};
use gridhelm_rserve::watch::{self, Listener, Probe};
use gridhelm_rserve::{Connection, Credentials, Data, Endpoint, Error, Options, Secret, Value};
use std::time::Duration;

/// How long a short evaluation on an open session may take.
const SHORT: Duration = Duration::from_secs(2);
/// How long a probe or a reclaim may take.
const LONG: Duration = Duration::from_secs(4);

/// Removes the session's own directory, which Rserve leaves; never another one, whatever the node's
/// configuration made of the present directory.
const REMOVE_WORK_DIR: &str =
    "if (basename(d <- getwd()) == paste0(\"conn\", Sys.getpid())) unlink(d, TRUE)";

/// Opens sessions on Rserve nodes for one group.
#[derive(Debug, Clone)]
pub struct RserveProvider {
    group: String,
    options: Options,
}

impl RserveProvider {
    /// For the servers of this group.
    pub fn new(group: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            options: Options::default(),
        }
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// A connection that nothing was evaluated on yet.
    pub(super) async fn connect(&self, node: &StoredNode) -> Result<Connection, Error> {
        let endpoint = endpoint(node);
        let credentials = credentials(node);
        Connection::open(&endpoint, credentials.as_ref(), &self.options).await
    }

    /// A session with its marker.
    async fn prepared(
        &self,
        node: &StoredNode,
        marker: &Marker,
    ) -> Result<(Connection, SessionInfo), SessionError> {
        let mut connection = self.connect(node).await.map_err(of)?;
        let text = marker_text(marker);
        let info = in_time(node, SHORT, run::prepare(&mut connection, &text)).await?;
        Ok((connection, info))
    }

    /// Does one thing in a session of its own, whose work directory goes with it.
    async fn aside<T>(
        &self,
        node: &StoredNode,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, SessionError> {
        let mut connection = self.connect(node).await.map_err(of)?;
        let done = in_time(node, LONG, work(&mut connection)).await;
        leave(connection).await;
        done
    }

    async fn end_process(
        &self,
        node: &StoredNode,
        action: Action,
        target: &ReclaimTarget,
        rule: &Rule,
    ) -> Result<Reclaimed, SessionError> {
        let Some(target) = to_target(target) else {
            // No such process can exist.
            return Ok(Reclaimed::Gone {
                work_dir_removed: false,
            });
        };
        self.aside(node, async |c| reclaim::end(c, action, &target, rule).await)
            .await
    }

    /// The probe, on an open connection; left-over directories of the group are removed on the way.
    pub(super) async fn probe_on(
        &self,
        connection: &mut Connection,
        listener_pid: u32,
    ) -> Result<Probe, Error> {
        let info = SessionInfo {
            pid: 0,
            start_time_ticks: 0,
            boot_id: String::new(),
            work_dir: String::new(),
            listener_pid,
            r_version: String::new(),
        };
        let probe = watch::probe(connection, &info).await?;
        if probe.leftover_directories > 0 {
            let swept = reclaim::sweep(connection, &self.group).await?;
            tracing::debug!(swept, "left-over session directories removed");
        }
        Ok(probe)
    }
}

#[async_trait]
impl SessionProvider for RserveProvider {
    async fn open(
        &self,
        node: &StoredNode,
        marker: &Marker,
    ) -> Result<Box<dyn Session>, SessionError> {
        let (connection, info) = self.prepared(node, marker).await?;
        let row = row(node, marker, &info)?;
        Ok(Box::new(RserveSession {
            provider: self.clone(),
            node: node.clone(),
            marker: marker.clone(),
            connection,
            row,
        }))
    }

    async fn watch(
        &self,
        node: &StoredNode,
        marker: &Marker,
    ) -> Result<Box<dyn Watch>, SessionError> {
        let (mut connection, info) = self.prepared(node, marker).await?;
        let started = watch::listener_start(&mut connection, &info);
        let listener_start = in_time(node, SHORT, started).await?;
        Ok(Box::new(RserveWatch {
            connection,
            listener_pid: info.listener_pid,
            listener_start,
        }))
    }

    async fn heartbeat(&self, node: &StoredNode) -> Result<Duration, SessionError> {
        let credentials = credentials(node);
        watch::heartbeat(&endpoint(node), credentials.as_ref(), &self.options)
            .await
            .map_err(of)
    }

    async fn probe(&self, node: &StoredNode) -> Result<Probed, SessionError> {
        let probe = self
            .aside(node, async |c| {
                let listener = listener_pid(c).await?;
                self.probe_on(c, listener).await
            })
            .await?;
        let sessions = probe.sessions.iter().filter(|s| !s.is_self);
        Ok(Probed {
            sessions: sessions.map(|s| found(s, &probe.boot_id)).collect(),
            facts: facts(&probe),
        })
    }

    async fn interrupt(
        &self,
        node: &StoredNode,
        target: &ReclaimTarget,
        marker: &Marker,
    ) -> Result<bool, SessionError> {
        let rule = Rule::Own {
            group: marker.group.clone(),
            epoch: unsigned(marker.epoch),
        };
        let done = self
            .end_process(node, Action::Interrupt, target, &rule)
            .await?;
        Ok(matches!(done, Reclaimed::Interrupted))
    }

    async fn reclaim(
        &self,
        node: &StoredNode,
        target: &ReclaimTarget,
        group: &str,
        max_epoch: i64,
    ) -> Result<bool, SessionError> {
        let rule = Rule::OlderThan {
            group: group.to_owned(),
            epoch: unsigned(max_epoch).saturating_add(1),
        };
        let done = self.end_process(node, Action::Kill, target, &rule).await?;
        if let Reclaimed::Refused { why, marker } = &done {
            tracing::warn!(
                node = node.name,
                pid = target.pid,
                ?why,
                marker,
                "a session was not reclaimed"
            );
        }
        Ok(matches!(
            done,
            Reclaimed::Killed { .. } | Reclaimed::Gone { .. }
        ))
    }

    async fn test(&self, node: &StoredNode, tested_from: &str) -> NodeTest {
        super::rserve_test::run(self, node, tested_from).await
    }
}

struct RserveSession {
    provider: RserveProvider,
    node: StoredNode,
    marker: Marker,
    connection: Connection,
    row: SessionRow,
}

#[async_trait]
impl Session for RserveSession {
    fn row(&self) -> &SessionRow {
        &self.row
    }

    async fn run(
        &mut self,
        request: RunRequest,
        on_event: &mut (dyn FnMut(RunEvent) + Send),
    ) -> Result<RunOutcome, SessionError> {
        run::run(&mut self.connection, &request, on_event)
            .await
            .map_err(of)
    }

    async fn fetch(&mut self, name: &str, max_bytes: u64) -> Result<Vec<u8>, SessionError> {
        let path = format!("{}/{name}", self.row.work_dir);
        self.connection.download(&path, max_bytes).await.map_err(of)
    }

    fn is_alive(&self) -> bool {
        !self.connection.peer_has_closed()
    }

    async fn end(self: Box<Self>) -> bool {
        let Self {
            provider,
            node,
            marker,
            mut connection,
            row,
        } = *self;
        let alone = tokio::time::timeout(SHORT, tidy(&mut connection, &row)).await;
        connection.close().await;
        if matches!(alone, Ok(Ok(true))) {
            return true;
        }
        // It has children, or does not answer: its process tree is ended from a second session.
        let target = super::reclaim::target(&row);
        let ended = provider.reclaim(&node, &target, &marker.group, marker.epoch);
        matches!(ended.await, Ok(true))
    }
}

/// Removes the work directory; whether the session has no child processes.
async fn tidy(connection: &mut Connection, row: &SessionRow) -> Result<bool, Error> {
    // In the base environment: the code may have defined an `unlink` of its own.
    let in_base = |call: Value| Value::call("evalq", [call, Value::call("baseenv", [])]);
    let unlink = Value::call(
        "unlink",
        [Value::text(row.work_dir.clone()), Value::logical(true)],
    );
    let path = format!("/proc/{0}/task/{0}/children", row.pid);
    let children = Value::call("readLines", [Value::text(path), Value::integer(1)]);
    let both = in_base(Value::call("{", [unlink, children]));
    let Data::Language(_) = &both.data else {
        return Ok(false);
    };
    let children = connection.eval_call(&both, |_| {}).await?;
    Ok(children.as_str().is_none_or(|c| c.trim().is_empty()))
}

struct RserveWatch {
    connection: Connection,
    listener_pid: u32,
    listener_start: Option<u64>,
}

#[async_trait]
impl Watch for RserveWatch {
    async fn look(&mut self) -> Result<Sight, SessionError> {
        let start = self.listener_start.unwrap_or(0);
        let glance = watch::glance(&mut self.connection, self.listener_pid, start)
            .await
            .map_err(of)?;
        let pid = self.listener_pid;
        let listener = match glance.listener {
            Listener::Running | Listener::DiskWait => Ok(()),
            Listener::Stopped => Err(format!("Rserve's listener (process {pid}) is stopped")),
            Listener::Gone => Err(format!("Rserve's listener (process {pid}) is gone")),
        };
        Ok(Sight {
            listener,
            load: Some(glance.load[0]),
            memory_used: share_used(glance.memory_available, glance.memory_total),
        })
    }

    async fn end(self: Box<Self>) {
        leave(self.connection).await;
    }
}

/// Ends a session of our own making that ran nothing of anybody's: its directory goes with it.
pub(super) async fn leave(mut connection: Connection) {
    let gone = connection.eval(REMOVE_WORK_DIR);
    // A directory that stays is swept with the next probe.
    let _ = tokio::time::timeout(SHORT, gone).await;
    connection.close().await;
}

/// The process that accepts connections, as a session on the node sees it.
pub(super) async fn listener_pid(connection: &mut Connection) -> Result<u32, Error> {
    let code = "as.integer(strsplit(sub(\".*\\\\) \", \"\", readLines(\"/proc/self/stat\", 1L)), \" \")[[1L]][2L])";
    let pid = connection.eval(code).await?;
    Ok(pid
        .as_u64()
        .and_then(|p| u32::try_from(p).ok())
        .unwrap_or(0))
}

/// Runs something on a node, at most so long.
async fn in_time<T>(
    node: &StoredNode,
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, SessionError> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(of),
        Err(_) => Err(SessionError {
            code: Code::NodeSilent,
            message: format!(
                "a session on {}:{} did not answer within {} s; the node is overloaded or stopped",
                node.host,
                node.port,
                limit.as_secs()
            ),
            ended_itself: false,
            usable: false,
        }),
    }
}

/// The seam's words for a client's error.
#[allow(clippy::needless_pass_by_value)] // for `map_err`
pub(super) fn of(error: Error) -> SessionError {
    let code = match &error {
        Error::Connect { source, .. } if source.kind() == std::io::ErrorKind::ConnectionRefused => {
            Code::NodeRefused
        }
        Error::Connect { .. } | Error::ConnectTimeout { .. } | Error::HandshakeTimeout { .. } => {
            Code::NodeSilent
        }
        Error::NotRserve { .. } => Code::NodeNotRserve,
        Error::SignInRefused { .. } => Code::NodeSignInRefused,
        _ => Code::NodeFailed,
    };
    let quit = matches!(
        &error,
        Error::Closed {
            quit_status: Some(_),
            ..
        }
    );
    SessionError {
        code,
        message: error.to_string(),
        ended_itself: quit,
        usable: error.leaves_session_usable(),
    }
}

fn endpoint(node: &StoredNode) -> Endpoint {
    Endpoint {
        host: node.host.clone(),
        port: node.port,
    }
}

fn credentials(node: &StoredNode) -> Option<Credentials> {
    node.user.as_ref().map(|user| Credentials {
        user: user.clone(),
        password: Secret::new(node.password.clone().unwrap_or_default()),
    })
}

fn marker_text(marker: &Marker) -> String {
    let marker = reclaim::Marker {
        group: marker.group.clone(),
        server: marker.server.clone(),
        epoch: unsigned(marker.epoch),
    };
    marker.text()
}

fn row(node: &StoredNode, marker: &Marker, info: &SessionInfo) -> Result<SessionRow, SessionError> {
    let now = clock::now();
    let id = ids::session_id(now).map_err(|error| SessionError {
        code: Code::Internal,
        message: format!("the system's random source failed: {error}"),
        ended_itself: false,
        usable: false,
    })?;
    Ok(SessionRow {
        id,
        node: node.name.clone(),
        pid: i64::from(info.pid),
        start_ticks: signed(info.start_time_ticks),
        host_boot: info.boot_id.clone(),
        work_dir: info.work_dir.clone(),
        server: marker.server.clone(),
        epoch: marker.epoch,
        opened_at: now,
    })
}

fn to_target(target: &ReclaimTarget) -> Option<Target> {
    Some(Target {
        pid: u32::try_from(target.pid).ok()?,
        start_time_ticks: u64::try_from(target.start_ticks).ok()?,
        boot_id: target.host_boot.clone(),
    })
}

fn found(session: &watch::NodeSession, boot_id: &str) -> FoundSession {
    FoundSession {
        pid: i64::from(session.pid),
        start_ticks: signed(session.start_time_ticks),
        host_boot: boot_id.to_owned(),
        marker: session.marker.as_ref().map(|m| Marker {
            group: m.group.clone(),
            server: m.server.clone(),
            epoch: signed(m.epoch),
        }),
        rss: session.memory,
    }
}

pub(super) fn facts(probe: &Probe) -> NodeFacts {
    NodeFacts {
        r_version: probe.r_version.clone(),
        rserve_version: probe.rserve_version.clone(),
        cores: probe.cores,
        memory_total: probe.glance.memory_total,
        memory_available: probe.glance.memory_available,
        disk_free: probe.disk_available,
        clock_offset_ms: probe.clock_ahead_ms,
        packages: u32::try_from(probe.packages.len()).unwrap_or(u32::MAX),
        host: format!("{}, {}", probe.host, probe.os),
        at: clock::now(),
    }
}

fn share_used(available: u64, total: u64) -> Option<f64> {
    #[allow(clippy::cast_precision_loss)] // a share
    let share = 1.0 - available as f64 / total as f64;
    (total > 0).then(|| (share.clamp(0.0, 1.0) * 1_000.0).round() / 1_000.0)
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
