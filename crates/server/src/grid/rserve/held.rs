//! Sessions that are held open on Rserve: for tasks, and to watch the listener.

use super::words::{of, share_used};
use super::{RserveProvider, SHORT, in_time, leave};
use crate::grid::pulse::Look;
use crate::grid::session::{
    Marker, Proof, Session, SessionError, SessionProvider as _, Sight, Watch,
};
use crate::grid::target;
use crate::store::{SessionRow, StoredNode};
use async_trait::async_trait;
use gridhelm_rserve::run::{self, RunEvent, RunOutcome, RunRequest};
use gridhelm_rserve::watch::{self, Listener};
use gridhelm_rserve::{Connection, Error, Value};

/// A session for a task.
pub(super) struct RserveSession {
    pub(super) provider: RserveProvider,
    pub(super) node: StoredNode,
    pub(super) marker: Marker,
    pub(super) connection: Connection,
    pub(super) row: SessionRow,
}

#[async_trait]
impl Session for RserveSession {
    fn row(&self) -> &SessionRow {
        &self.row
    }

    async fn warm_up(&mut self) -> Result<(), SessionError> {
        in_time(&self.node, SHORT, run::warm_up(&mut self.connection)).await
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

    async fn renew(&mut self) -> Result<bool, SessionError> {
        in_time(&self.node, SHORT, run::renew(&mut self.connection)).await
    }

    async fn put(&mut self, name: &str, content: &[u8]) -> Result<(), SessionError> {
        let path = format!("{}/{name}", self.row.work_dir);
        self.connection.upload(&path, content).await.map_err(of)
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
        let target = target(&row);
        let ended = provider.reclaim(&node, &target, &marker.group, marker.epoch);
        ended.await.is_ok_and(Proof::is_dead)
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
    let children = connection.eval_call(&both, |_| {}).await?;
    Ok(children.as_str().is_none_or(|c| c.trim().is_empty()))
}

/// A held session that watches its listener.
pub(super) struct RserveWatch {
    pub(super) connection: Connection,
    pub(super) listener_pid: u32,
    pub(super) listener_start: Option<u64>,
}

#[async_trait]
impl Watch for RserveWatch {
    async fn look(&mut self, sessions: &[i64]) -> Result<Sight, SessionError> {
        let start = self.listener_start.unwrap_or(0);
        let asked = sessions.iter().filter_map(|pid| u32::try_from(*pid).ok());
        let asked: Vec<u32> = asked.collect();
        let glance = watch::glance(&mut self.connection, self.listener_pid, start, &asked)
            .await
            .map_err(of)?;
        let seen = asked.into_iter().map(i64::from).zip(glance.sessions);
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
            sessions: seen
                .map(|(pid, state)| (pid, Look::of_letter(state)))
                .collect(),
        })
    }

    async fn end(self: Box<Self>) {
        leave(self.connection).await;
    }
}
