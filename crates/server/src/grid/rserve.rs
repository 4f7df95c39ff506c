//! Sessions on plain Rserve: the first implementation of the seam.

mod held;
mod protection;
mod test;
mod words;

use super::packages::{Inventory, READ_LIMIT, mark};
use super::session::{
    EndRule, Marker, Probed, Proof, ReclaimTarget, Session, SessionError, SessionProvider, Watch,
};
use crate::store::StoredNode;
use async_trait::async_trait;
use gridhelm_api::Code;
use gridhelm_api::node::NodeTest;
use gridhelm_api::packages::MAX_PACKAGES;
use gridhelm_rserve::packages;
use gridhelm_rserve::reclaim::{self, Action, Reclaimed, Rule};
use gridhelm_rserve::run::{self, SessionInfo};
use gridhelm_rserve::watch::{self, Probe};
use gridhelm_rserve::{Connection, Error, Options};
use held::{RserveSession, RserveWatch};
pub use protection::{Protection, TlsFiles};
use std::time::Duration;
use words::{
    credentials, ended, endpoint, facts, found, marker_text, of, row, to_target, unsigned,
};

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
    protection: Protection,
}

impl RserveProvider {
    /// For the servers of this group.
    pub fn new(group: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            options: Options::default(),
            protection: Protection::none(),
        }
    }

    /// The same, with connections protected so.
    #[must_use]
    pub fn protected(self, protection: Protection) -> Self {
        Self { protection, ..self }
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// A connection that nothing was evaluated on yet.
    pub(super) async fn connect(&self, node: &StoredNode) -> Result<Connection, Error> {
        self.connect_within(node, None, self.options.handshake_timeout)
            .await
    }

    /// The same, with another patience: what is no look at a node's health may wait for an overloaded one.
    async fn connect_within(
        &self,
        node: &StoredNode,
        marker: Option<&Marker>,
        handshake_timeout: Duration,
    ) -> Result<Connection, Error> {
        let endpoint = endpoint(node);
        let credentials = credentials(node, marker);
        let options = Options {
            handshake_timeout,
            ..self.protection.options(&self.options, node)
        };
        Connection::open(&endpoint, credentials.as_ref(), &options).await
    }

    /// A session with its marker.
    async fn prepared(
        &self,
        node: &StoredNode,
        marker: &Marker,
    ) -> Result<(Connection, SessionInfo), SessionError> {
        let patience = self.options.handshake_timeout;
        let connection = self.connect_within(node, Some(marker), patience).await;
        let mut connection = connection.map_err(of)?;
        let text = marker_text(marker);
        match in_time(node, SHORT, run::prepare(&mut connection, &text)).await {
            Ok(info) => Ok((connection, info)),
            Err(error) => {
                // Nothing else would remove its directory.
                leave(connection).await;
                Err(error)
            }
        }
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
                ended_itself: false,
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
        if probe.leftover_directories > 0 || probe.strays > 0 {
            let swept = reclaim::sweep(connection, &self.group).await?;
            tracing::debug!(swept, "left-over session directories and processes removed");
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

    fn certificate_ends(&self) -> Option<i64> {
        self.protection.ends()
    }

    async fn heartbeat(&self, node: &StoredNode) -> Result<Duration, SessionError> {
        let credentials = credentials(node, None);
        let options = self.protection.options(&self.options, node);
        watch::heartbeat(&endpoint(node), credentials.as_ref(), &options)
            .await
            .map_err(of)
    }

    async fn probe(&self, node: &StoredNode) -> Result<Probed, SessionError> {
        let (listener, probe) = self
            .aside(node, async |c| {
                let listener = listener_pid(c).await?;
                Ok((listener, self.probe_on(c, listener).await?))
            })
            .await?;
        let sessions = probe.sessions.iter().filter(|s| !s.is_self);
        Ok(Probed {
            sessions: sessions
                .map(|s| found(s, &probe.boot_id, listener))
                .collect(),
            facts: facts(&probe),
            packages_mark: mark(
                probe
                    .packages
                    .iter()
                    .map(|p| (p.name.as_str(), p.version.as_str())),
            ),
        })
    }

    async fn packages(&self, node: &StoredNode) -> Result<Inventory, SessionError> {
        let connection = self.connect_within(node, None, READ_LIMIT / 2).await;
        let mut connection = connection.map_err(of)?;
        let read = packages::packages(&mut connection, MAX_PACKAGES);
        let read = in_time(node, READ_LIMIT, read).await;
        leave(connection).await;
        read.map(|read| Inventory::new(read, crate::clock::now()))
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
    ) -> Result<Proof, SessionError> {
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
        Ok(match done {
            Reclaimed::Gone {
                ended_itself: true, ..
            } => Proof::EndedItself,
            Reclaimed::Killed { .. } | Reclaimed::Gone { .. } => Proof::Dead,
            _ => Proof::None,
        })
    }

    async fn end_found(
        &self,
        node: &StoredNode,
        target: &ReclaimTarget,
        rule: &EndRule,
    ) -> Result<(Proof, String), SessionError> {
        let rule = match rule {
            EndRule::Older(group, epoch) => Rule::OlderThan {
                group: group.clone(),
                epoch: unsigned(*epoch),
            },
            EndRule::Own(group, epoch) => Rule::Own {
                group: group.clone(),
                epoch: unsigned(*epoch),
            },
            EndRule::Unmarked => Rule::Unmarked,
        };
        let done = self.end_process(node, Action::Kill, target, &rule).await?;
        Ok(ended(&done))
    }

    async fn test(&self, node: &StoredNode, tested_from: &str) -> NodeTest {
        test::run(self, node, tested_from).await
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
