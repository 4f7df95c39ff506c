//! Opening the database, and bringing its schema up to date.

use super::broken::Broken;
use super::link::Link;
use super::target::PostgresTarget;
use crate::store::{Result, StoreError};
use refinery::{Migration, Runner};
use std::time::{Duration, Instant};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Error};

/// The oldest PostgreSQL that is served: the one that everything is tested with.
const OLDEST: i32 = 150_000;

/// How long a server waits for another that migrates.
const MIGRATION_WAIT: &str = "SET lock_timeout = '60s'; SET statement_timeout = 0";

/// How long opening may take where nothing is to be migrated.
const OPEN_WITHIN: Duration = Duration::from_mins(10);
/// A database that does not answer is asked again for so long: after a host's start it may come up a moment later.
const AGAIN_FOR: Duration = Duration::from_secs(5);
/// The pause between.
const PAUSE: Duration = Duration::from_millis(300);

/// All migrations, in order; the last one's number is the schema that this build writes. A published one is never changed: a change is a new one. First a release
/// expands (older servers go on), a later one contracts and raises `oldest_served`.
pub(super) fn migrations() -> core::result::Result<Vec<Migration>, refinery::Error> {
    Ok(vec![
        Migration::unapplied("V1__first", include_str!("migrations/V1__first.sql"))?,
        Migration::unapplied("V2__accounts", include_str!("migrations/V2__accounts.sql"))?,
        Migration::unapplied(
            "V3__join_tokens",
            include_str!("migrations/V3__join_tokens.sql"),
        )?,
        Migration::unapplied("V4__watch", include_str!("migrations/V4__watch.sql"))?,
        Migration::unapplied("V5__tree", include_str!("migrations/V5__tree.sql"))?,
        Migration::unapplied("V6__verified", include_str!("migrations/V6__verified.sql"))?,
        Migration::unapplied("V7__hold", include_str!("migrations/V7__hold.sql"))?,
    ])
}

/// Why a database cannot be opened.
enum Refusal {
    /// The database failed.
    Broken(Broken),
    /// It is not for this server.
    Unfit(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Broken(Broken::of(&error))
    }
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// Makes sure that the database has this build's schema and is of this group.
pub(super) async fn prepare(link: &Link, group: &str) -> Result<()> {
    let end = Instant::now() + AGAIN_FOR;
    let message = loop {
        let prepared = tokio::time::timeout(OPEN_WITHIN, prepare_as(link, group)).await;
        let message = match prepared {
            Ok(Ok(())) => return Ok(()),
            // No other answer is to be had by asking again.
            Ok(Err(Refusal::Unfit(why))) => break why,
            Ok(Err(Refusal::Broken(broken))) => broken.message().to_owned(),
            Err(_) => "the database does not answer".to_owned(),
        };
        if Instant::now() >= end {
            break message;
        }
        tracing::warn!(message, "the database cannot be opened yet; trying again");
        tokio::time::sleep(PAUSE).await;
    };
    Err(StoreError::Unavailable {
        operation: "open",
        message: format!("{:?}: {message}", link.target),
    })
}

async fn prepare_as(link: &Link, group: &str) -> core::result::Result<(), Refusal> {
    link.learn().await;
    let open = link.connect().await?;
    let (mut client, connection) = (open.client, open.connection);
    // Ends with the client.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    super::link::init(&client, super::READ_WITHIN).await?;
    check_server(&client).await?;
    client.batch_execute(MIGRATION_WAIT).await?;
    // The session's lock: it goes with the connection, whatever happens.
    client
        .query("SELECT pg_advisory_lock($1)", &[&link.keys.migration])
        .await?;
    migrate(&mut client).await?;
    claim_for(&client, group).await
}

async fn check_server(client: &Client) -> core::result::Result<(), Refusal> {
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::int, current_setting('server_version'),
                    current_setting('server_encoding')",
            &[],
        )
        .await?;
    let (number, version, encoding): (i32, String, String) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    if number < OLDEST {
        return Err(Refusal::Unfit(format!(
            "PostgreSQL {version} is too old; 15 is the oldest that is served"
        )));
    }
    if encoding != "UTF8" {
        return Err(Refusal::Unfit(format!(
            "the database's encoding is {encoding}; make it with ENCODING 'UTF8'"
        )));
    }
    Ok(())
}

async fn migrate(client: &mut Client) -> core::result::Result<(), Refusal> {
    let failed = |error: refinery::Error| {
        Refusal::Unfit(format!("migration: {}", super::broken::chain(&error)))
    };
    let (migrations, schema) = crate::release::known(migrations().map_err(failed)?);
    let at = schema_of(client).await?;
    if let Some((version, oldest_served)) = at {
        if oldest_served > schema {
            return Err(Refusal::Unfit(format!(
                "it has schema {version}, which serves servers of schema {oldest_served} and later; this build knows \
                 schema {schema}: start a newer gridhelm-server"
            )));
        }
        if version > schema {
            tracing::warn!(
                version,
                known = schema,
                "the database is of a newer schema that still serves this build"
            );
        }
        if version >= schema {
            return Ok(());
        }
    }
    Runner::new(&migrations)
        .set_grouped(true)
        .run_async(client)
        .await
        .map_err(failed)?;
    tracing::info!(
        from = at.map_or(0, |s| s.0),
        to = schema,
        "the database's schema is up to date"
    );
    Ok(())
}

/// The database's schema and the oldest that it serves; `None` in a new one.
async fn schema_of(client: &Client) -> core::result::Result<Option<(i64, i64)>, Error> {
    let known: bool = client
        .query_one("SELECT to_regclass('schema_served') IS NOT NULL", &[])
        .await?
        .try_get(0)?;
    if !known {
        return Ok(None);
    }
    let row = client
        .query_opt("SELECT version, oldest_served FROM schema_served", &[])
        .await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .transpose()
}

/// A database belongs to one group; the first to open it says which.
async fn claim_for(client: &Client, group: &str) -> core::result::Result<(), Refusal> {
    client
        .execute(
            "INSERT INTO identity (id, group_name) VALUES (1, $1) ON CONFLICT DO NOTHING",
            &[&group],
        )
        .await?;
    let of: String = client
        .query_one("SELECT group_name FROM identity", &[])
        .await?
        .try_get(0)?;
    if of == group {
        return Ok(());
    }
    Err(Refusal::Unfit(format!(
        "it is the database of group {of}, not of {group}: check the server's configuration"
    )))
}

/// What is found at each of the hosts, one line each, and whether one takes writes. Changes nothing.
pub async fn look(target: &PostgresTarget) -> (Vec<String>, bool) {
    let mut lines = Vec::new();
    let mut writable = false;
    for (host, way) in target.ways("gridhelm/check", TargetSessionAttrs::Any) {
        let found = match super::link::one(&way).await {
            Err(why) => Err(why),
            Ok((client, connection)) => {
                tokio::spawn(async move {
                    let _ = connection.await;
                });
                describe(&client)
                    .await
                    .map_err(|error| super::broken::words(&error))
            }
        };
        match found {
            Ok((words, writes)) => {
                writable |= writes;
                lines.push(format!("{host}: {words}"));
            }
            Err(why) => lines.push(format!("{host}: {why}")),
        }
    }
    (lines, writable)
}

async fn describe(client: &Client) -> core::result::Result<(String, bool), Error> {
    let row = client
        .query_one(
            "SELECT current_setting('server_version'), current_setting('transaction_read_only') = 'off'",
            &[],
        )
        .await?;
    let (version, writes): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
    let schema = match schema_of(client).await? {
        None => "no schema yet".to_owned(),
        Some((version, _)) => format!("schema {version}"),
    };
    let role = if writes { "takes writes" } else { "read-only" };
    Ok((format!("PostgreSQL {version}, {role}, {schema}"), writes))
}
