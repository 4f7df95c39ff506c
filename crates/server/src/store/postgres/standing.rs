//! What the database's hosts are to each other: which of them takes writes, whether two do, and whether what one
//! acknowledges is kept when it fails over.

use super::broken::words;
use super::link::{self, Link};
use futures_util::future::join_all;
use gridhelm_api::switch::{Check, Outcome};
use std::time::Duration;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Error};

/// How long a host may take to say how it stands. One that does not answer takes no writes of ours.
const LOOK: Duration = Duration::from_millis(800);

/// Which history of which database a server that takes writes goes on with. A standby that becomes primary begins a new
/// timeline, one higher; a copy made by `initdb` or a dump has another system identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct History {
    /// PostgreSQL's system identifier.
    pub(super) system: String,
    /// The timeline that it writes.
    pub(super) timeline: i64,
}

impl History {
    /// Why a server with this history must not be written to by somebody who has seen `known`; `None` where it may.
    pub(super) fn older_than(&self, known: &Self) -> Option<String> {
        if self.system != known.system {
            return Some(format!(
                "it is another database (system identifier {}, not {}); if it was put there on purpose, restart this server",
                self.system, known.system
            ));
        }
        (self.timeline < known.timeline).then(|| {
            format!(
                "it is an old primary (timeline {}; {} was seen); stop it, or let it follow the new one",
                self.timeline, known.timeline
            )
        })
    }
}

/// How a server stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// Whether it takes writes.
    pub(super) writes: bool,
    /// What it goes on with.
    pub(super) history: History,
    /// When it was started, microseconds: tells two servers from one under two names.
    started: i64,
    /// Servers that follow it.
    replicas: i64,
    /// Whether it waits for one of them before it acknowledges a commit.
    waits: bool,
}

/// One of the address's hosts, and how it stands; `None` where it does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) host: String,
    pub(super) said: Option<Said>,
}

/// A standby has no present timeline of its own to tell: 0.
const ASK: &str = "SELECT (SELECT system_identifier FROM pg_control_system())::text,
        CASE WHEN pg_is_in_recovery() THEN 0
             ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint END,
        NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off',
        (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint,
        (SELECT count(*) FROM pg_stat_replication),
        current_setting('synchronous_standby_names') <> ''";

/// Asks a server how it stands.
pub(super) async fn ask(client: &Client) -> Result<Said, Error> {
    let row = client.query_one(ASK, &[]).await?;
    Ok(Said {
        history: History {
            system: row.try_get(0)?,
            timeline: row.try_get(1)?,
        },
        writes: row.try_get(2)?,
        started: row.try_get(3)?,
        replicas: row.try_get(4)?,
        waits: row.try_get(5)?,
    })
}

/// Asks all hosts at once.
pub(super) async fn look(link: &Link) -> Vec<Seen> {
    let ways = link.target.ways(&link.application, TargetSessionAttrs::Any);
    join_all(ways.into_iter().map(|(host, way)| async move {
        let said = tokio::time::timeout(LOOK, async {
            let (client, mut connection) = link::one(&way).await?;
            tokio::select! {
                said = ask(&client) => said.map_err(|error| words(&error)),
                _ = &mut connection => Err("it closed the connection".to_owned()),
            }
        });
        let said = match said.await {
            Ok(Ok(said)) => Some(said),
            Ok(Err(why)) => {
                tracing::debug!(
                    host,
                    why,
                    "a host of the database does not say how it stands"
                );
                None
            }
            Err(_) => None,
        };
        Seen { host, said }
    }))
    .await
}

/// The newest history among those that take writes.
pub(super) fn newest(seen: &[Seen]) -> Option<&History> {
    let said = seen.iter().filter_map(|seen| seen.said.as_ref());
    let writes = said.filter(|said| said.writes);
    writes
        .map(|said| &said.history)
        .max_by_key(|history| history.timeline)
}

/// What is to be said of it.
pub(super) fn checks(seen: &[Seen]) -> Vec<Check> {
    let writable: Vec<(&str, &Said)> = seen
        .iter()
        .filter_map(|seen| Some((seen.host.as_str(), seen.said.as_ref()?)))
        .filter(|(_, said)| said.writes)
        .collect();
    vec![one_primary(&writable, seen.len()), keeps(&writable)]
}

fn check(id: &str, title: &str, outcome: Outcome, evidence: String, repair: Option<&str>) -> Check {
    Check {
        id: id.to_owned(),
        title: title.to_owned(),
        outcome,
        evidence,
        repair: repair.map(str::to_owned),
    }
}

fn one_primary(writable: &[(&str, &Said)], hosts: usize) -> Check {
    let (id, title) = (
        "database_one_primary",
        "One host of the database takes writes",
    );
    let different = |(_, said): &&(&str, &Said)| {
        writable.first().is_some_and(|(_, first)| {
            first.started != said.started || first.history != said.history
        })
    };
    match writable {
        [] => check(
            id,
            title,
            Outcome::Warn,
            format!("None of {hosts} does now, or none says so in time."),
            Some("Look at the database; the group waits for it."),
        ),
        [(host, first), ..] => match writable.iter().find(different) {
            None => check(id, title, Outcome::Pass, format!("It is {host}."), None),
            Some((other, second)) => check(
                id,
                "Two hosts of the database take writes",
                Outcome::Fail,
                format!(
                    "{host} (timeline {}) and {other} (timeline {}) both do: what one acknowledges the other does not know.",
                    first.history.timeline, second.history.timeline
                ),
                Some(
                    "Stop the one with the lower timeline and let it follow the other (pg_rewind). Nobody takes over by itself until then.",
                ),
            ),
        },
    }
}

fn keeps(writable: &[(&str, &Said)]) -> Check {
    let (id, title) = (
        "database_synchronous",
        "The database keeps what it acknowledged",
    );
    let Some((host, said)) = writable.first() else {
        return check(id, title, Outcome::Warn, "Not known.".to_owned(), None);
    };
    match (said.replicas, said.waits) {
        (0, _) => check(
            id,
            title,
            Outcome::Pass,
            format!("{host} has no replica that could take its place with less."),
            None,
        ),
        (_, true) => check(
            id,
            title,
            Outcome::Pass,
            format!("{host} acknowledges a commit when a replica has it, too."),
            None,
        ),
        (replicas, false) => check(
            id,
            "The database may take back what it acknowledged",
            Outcome::Warn,
            format!(
                "{host} does not wait for its {replicas} replica{}: when one takes its place, acknowledged work and the epoch itself may be lost.",
                if replicas == 1 { "" } else { "s" }
            ),
            Some("Set synchronous_standby_names there (with Patroni: synchronous_mode)."),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(timeline: i64, started: i64) -> Said {
        Said {
            writes: true,
            history: History {
                system: "7".to_owned(),
                timeline,
            },
            started,
            replicas: 0,
            waits: false,
        }
    }

    fn seen(host: &str, said: Said) -> Seen {
        Seen {
            host: host.to_owned(),
            said: Some(said),
        }
    }

    fn outcomes(seen: &[Seen]) -> Vec<Outcome> {
        checks(seen).iter().map(|check| check.outcome).collect()
    }

    #[test]
    fn two_that_take_writes_are_found_and_one_under_two_names_is_not() {
        let two = [seen("db1", said(1, 10)), seen("db2", said(2, 20))];
        assert_eq!(outcomes(&two), [Outcome::Fail, Outcome::Pass]);
        let evidence = &checks(&two)[0].evidence;
        assert!(
            evidence.contains("db1 (timeline 1) and db2 (timeline 2)"),
            "{evidence}"
        );
        let same = [seen("db1", said(1, 10)), seen("proxy", said(1, 10))];
        assert_eq!(outcomes(&same), [Outcome::Pass, Outcome::Pass]);
        let mut standby = said(0, 20);
        standby.writes = false;
        let pair = [seen("db1", said(1, 10)), seen("db2", standby)];
        assert_eq!(outcomes(&pair), [Outcome::Pass, Outcome::Pass]);
        assert_eq!(outcomes(&[]), [Outcome::Warn, Outcome::Warn]);
    }

    #[test]
    fn replicas_that_are_not_waited_for_are_a_warning() {
        let with = |replicas, waits| {
            let said = Said {
                replicas,
                waits,
                ..said(1, 10)
            };
            outcomes(&[seen("db1", said)])[1]
        };
        assert_eq!(with(2, false), Outcome::Warn);
        assert_eq!(with(2, true), Outcome::Pass);
        assert_eq!(with(0, false), Outcome::Pass);
    }

    #[test]
    fn an_old_primary_and_another_database_are_told_apart() {
        let of = |system: &str, timeline| History {
            system: system.to_owned(),
            timeline,
        };
        let known = of("7", 2);
        assert_eq!(of("7", 2).older_than(&known), None);
        assert_eq!(of("7", 3).older_than(&known), None);
        assert!(
            of("7", 1)
                .older_than(&known)
                .is_some_and(|why| why.contains("old primary"))
        );
        assert!(
            of("8", 9)
                .older_than(&known)
                .is_some_and(|why| why.contains("another database"))
        );
        assert_eq!(
            newest(&[seen("a", said(1, 1)), seen("b", said(3, 2))]).map(|h| h.timeline),
            Some(3)
        );
    }
}
