//! Connecting: to the one of the hosts that takes writes, wherever that is now.

use super::broken::{Broken, words};
use super::standing::{self, History};
use super::target::{CONNECT, PostgresTarget, Way};
use super::tls;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Connection, Socket};

/// What an application's name has at most, bytes.
const NAME: usize = 63;

/// How long a new session may take to be prepared.
pub(super) const INIT_WITHIN: Duration = Duration::from_secs(2);

/// Said to every session. The server ends what a stopped process of ours leaves open, in a transaction or not.
/// A commit is on the disk before it is acknowledged, whatever the database's default.
const INIT: &str = "SET default_transaction_isolation = 'read committed';
    SET idle_in_transaction_session_timeout = '2s'; SET idle_session_timeout = 0;
    SET lock_timeout = '2s';
    SET tcp_keepalives_idle = 2; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3;
    SET tcp_user_timeout = 4000;
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') IN ('off', 'local')";

/// How to reach the group's database, and as whom.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) target: PostgresTarget,
    /// What the database shows of our connections: `gridhelm/<server>/<boot>`.
    pub(super) application: String,
    /// The keys of the group's advisory locks.
    pub(super) keys: Keys,
    /// The newest history of the database that this process has seen.
    pub(super) known: Known,
}

/// The newest history that was seen, shared by all connections: an old primary that comes back and takes writes
/// is not written to.
#[derive(Debug, Clone, Default)]
pub(super) struct Known(Arc<Mutex<Option<History>>>);

impl Known {
    /// A server with this history takes writes.
    pub(super) fn learn(&self, seen: &History) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = |known: &History| known.system == seen.system && known.timeline < seen.timeline;
        if known.as_ref().is_none_or(newer) {
            *known = Some(seen.clone());
        }
    }

    /// Why a server with this history must not be written to.
    pub(super) fn refuses(&self, history: Option<&History>) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        history?.older_than(known.as_ref()?)
    }
}

/// Keys of advisory locks. All of a group differ from all of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keys {
    /// Held by every writing transaction, shared; exclusively by the one that takes the epoch.
    pub(super) fence: i64,
    /// Held by the active server for life.
    pub(super) life: i64,
    /// Held while the schema is brought up to date.
    pub(super) migration: i64,
}

impl Keys {
    pub(super) fn of(group: &str) -> Self {
        let key = |purpose: &str| {
            let hash = Sha256::digest(format!("gridhelm/{purpose}/{group}"));
            hash.iter()
                .take(8)
                .fold(0_i64, |key, byte| (key << 8) | i64::from(*byte))
        };
        Self {
            fence: key("fence"),
            life: key("life"),
            migration: key("migration"),
        }
    }
}

impl Link {
    pub(super) fn new(target: PostgresTarget, group: &str, server: &str, boot: &str) -> Self {
        // The boot id tells processes apart: a long name of the server gives way.
        let room = NAME.saturating_sub("gridhelm//".len() + boot.len());
        let server: String = server.chars().take(room).collect();
        Self {
            target,
            application: format!("gridhelm/{server}/{boot}"),
            keys: Keys::of(group),
            known: Known::default(),
        }
    }

    /// Looks which of several hosts has the newest history, so that the first connection leads there.
    pub(super) async fn learn(&self) {
        if self.target.is_one_host() {
            return;
        }
        if let Some(history) = standing::newest(&standing::look(self).await) {
            self.known.learn(history);
        }
    }

    /// Connects to a host that takes writes: all are asked at once, so that one that hangs delays nobody. The
    /// connection works only while it is polled.
    pub(super) async fn connect(&self) -> Result<Open, Broken> {
        let mut asked: FuturesUnordered<_> = self
            .target
            .ways(&self.application, TargetSessionAttrs::ReadWrite)
            .into_iter()
            .map(|(host, way)| async move {
                let outcome = self.fit(&way).await;
                (host, outcome)
            })
            .collect();
        let mut refusals = Vec::new();
        while let Some((host, outcome)) = asked.next().await {
            match outcome {
                Ok((client, connection, history)) => {
                    return Ok(Open {
                        client,
                        connection,
                        host,
                        history,
                    });
                }
                Err(why) => refusals.push(format!("{host}: {why}")),
            }
        }
        refusals.sort();
        Err(Broken::Lost(format!(
            "no host takes writes ({})",
            refusals.join("; ")
        )))
    }
}

impl Link {
    /// Connects to one host, if it goes on with the newest history.
    async fn fit(&self, way: &Way) -> Result<Made, String> {
        let (client, mut connection) = one(way).await?;
        let asked = tokio::time::timeout(CONNECT, async {
            tokio::select! {
                said = standing::ask(&client) => Ok(said),
                _ = &mut connection => Err("it closed the connection".to_owned()),
            }
        });
        let said = asked
            .await
            .map_err(|_| format!("no answer within {CONNECT:?}"))??;
        // Who may not ask that goes without.
        let history = said.ok().map(|said| said.history);
        if let Some(why) = self.known.refuses(history.as_ref()) {
            return Err(why);
        }
        if let Some(history) = &history {
            self.known.learn(history);
        }
        Ok((client, connection, history))
    }
}

type Made = (Client, Connection<Socket, tls::Stream>, Option<History>);

/// A connection that was just made.
pub(super) struct Open {
    pub(super) client: Client,
    pub(super) connection: Connection<Socket, tls::Stream>,
    /// Where it leads, for people.
    pub(super) host: String,
    /// What the server there goes on with, where it says so.
    pub(super) history: Option<History>,
}

/// Connects to one host, or says why not.
pub(super) async fn one(way: &Way) -> Result<(Client, Connection<Socket, tls::Stream>), String> {
    // The driver's own time-out ends with the socket; a stopped server accepts and never greets.
    match tokio::time::timeout(CONNECT, way.config.connect(way.tls.clone())).await {
        Ok(Ok(made)) => Ok(made),
        Ok(Err(error)) => Err(with_hint(words(&error))),
        Err(_) => Err(format!("no answer within {CONNECT:?}")),
    }
}

fn with_hint(why: String) -> String {
    if why.contains("invalid peer certificate") {
        format!("{why}; look at sslrootcert, and at the name by which the host is called")
    } else {
        why
    }
}

/// Prepares a new session, in which a statement may take so long.
pub(super) async fn init(
    client: &Client,
    statement: Duration,
) -> Result<(), tokio_postgres::Error> {
    let within = format!("{INIT}; SET statement_timeout = {}", statement.as_millis());
    client.batch_execute(&within).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_keys_of_their_own() {
        let (east, west) = (Keys::of("east"), Keys::of("west"));
        let all = [
            east.fence,
            east.life,
            east.migration,
            west.fence,
            west.life,
            west.migration,
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(Keys::of("east"), east);
    }
}
