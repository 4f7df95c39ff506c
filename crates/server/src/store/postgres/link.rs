//! Connecting: to the one of the hosts that takes writes, wherever that is now.

use super::broken::{Broken, words};
use super::target::{CONNECT, PostgresTarget};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Config, Connection, NoTls, Socket};

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
        }
    }

    /// Connects to a host that takes writes: all are asked at once, so that one that hangs delays nobody. The
    /// connection works only while it is polled.
    pub(super) async fn connect(&self) -> Result<Open, Broken> {
        let mut asked: FuturesUnordered<_> = self
            .target
            .ways(&self.application, TargetSessionAttrs::ReadWrite)
            .into_iter()
            .map(|(host, config)| async move {
                let outcome = one(&config).await;
                (host, outcome)
            })
            .collect();
        let mut refusals = Vec::new();
        while let Some((host, outcome)) = asked.next().await {
            match outcome {
                Ok((client, connection)) => {
                    return Ok(Open {
                        client,
                        connection,
                        host,
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

/// A connection that was just made.
pub(super) struct Open {
    pub(super) client: Client,
    pub(super) connection: Connection<Socket, NoTlsStream>,
    /// Where it leads, for people.
    pub(super) host: String,
}

/// Connects to one host, or says why not.
pub(super) async fn one(
    config: &Config,
) -> Result<(Client, Connection<Socket, NoTlsStream>), String> {
    // The driver's own time-out ends with the socket; a stopped server accepts and never greets.
    match tokio::time::timeout(CONNECT, config.connect(NoTls)).await {
        Ok(Ok(made)) => Ok(made),
        Ok(Err(error)) => Err(words(&error)),
        Err(_) => Err(format!("no answer within {CONNECT:?}")),
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
