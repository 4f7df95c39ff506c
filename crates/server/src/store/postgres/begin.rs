//! How a writing transaction begins: connected, with the group's locks.

use super::broken::Broken;
use super::session::Session;
use super::takeover;
use super::writer::{PAUSE, Writer};
use crate::clock;
use crate::store::sql::job::Kind;
use crate::store::sql::tx::{OWNERSHIP, Ownership, Trouble};
use crate::store::sql::value::Row;
use futures_util::future::try_join5;
use std::time::Instant;

/// The ids given last; whoever locks them is the group's one writing transaction.
const COUNTERS_LOCKED: &str =
    "SELECT event, audit, audit_last, audit_hash FROM counters FOR UPDATE";
/// The same for a transaction that writes no notes and nothing that others write.
const COUNTERS: &str = "SELECT event, audit, audit_last, audit_hash FROM counters";

impl Writer {
    /// Begins a transaction with the group's locks. Nothing is open after an error.
    pub(super) fn begin(&mut self, kind: Kind) -> Result<(), Broken> {
        let session = match self.session.take() {
            Some(session) => session.checked(&self.link)?,
            None => self.connect()?,
        };
        let begun = if kind == Kind::TakeEpoch {
            takeover::lock(&session, &self.link)
                .and_then(|()| self.prepare(&session, "SELECT 1", None, COUNTERS_LOCKED))
        } else {
            let counters = if kind == Kind::Renew {
                COUNTERS
            } else {
                COUNTERS_LOCKED
            };
            let key = self.link.keys.fence;
            self.prepare(&session, "BEGIN", Some(key), counters)
        };
        match begun {
            Ok(()) => {
                self.session = Some(session);
                Ok(())
            }
            Err(broken) => {
                self.keep(session, &broken);
                Err(broken)
            }
        }
    }

    /// In one round trip: the fence's lock, this writer's row, the counters (of which only one transaction at a
    /// time gets hold), and who is active. Each statement sees what was committed before it began.
    fn prepare(
        &mut self,
        session: &Session,
        begin: &str,
        fence: Option<i64>,
        counters: &str,
    ) -> Result<(), Broken> {
        self.batch += 1;
        let lock = session.prepared(match fence {
            Some(_) => "SELECT pg_advisory_xact_lock_shared(?1)",
            None => "SELECT ?1::bigint",
        })?;
        let key = fence.unwrap_or_default();
        let (mark, counters, ownership) = (
            session.prepared(
                "INSERT INTO writers (writer, batch, seen_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (writer) DO UPDATE SET batch = ?2, seen_at = ?3",
            )?,
            session.prepared(counters)?,
            session.prepared(OWNERSHIP)?,
        );
        let (name, batch, now) = (&self.name, self.batch, clock::now());
        let (.., counters, ownership) = session.begin(async |client| {
            try_join5(
                client.batch_execute(begin),
                client.query(&lock, &[&key]),
                client.execute(&mark, &[name, &batch, &now]),
                client.query_one(&counters, &[]),
                client.query_one(&ownership, &[]),
            )
            .await
        })?;
        let damaged = |what: &str| {
            Broken::Failed(Trouble::Corrupt {
                what: Some(what.to_owned()),
                message: "a row cannot be understood".to_owned(),
            })
        };
        let number = |i| counters.try_get(i).map_err(|_| damaged("the counters"));
        let found = Ownership::of(&Row::Postgres(&ownership)).map_err(|_| damaged("the epoch"))?;
        let hash = counters
            .try_get(3)
            .map_err(|_| damaged("the audit log's head"))?;
        let head = (number(2)?, hash);
        session.found(found, number(0)?, number(1)?, head);
        Ok(())
    }

    fn connect(&self) -> Result<Session, Broken> {
        let session = Session::open(&self.runtime, &self.link, self.statement)?;
        // The row is there before any transaction changes it: whoever looks for it waits for that transaction.
        let (name, now) = (&self.name, clock::now());
        session.wait(session.client().execute(
            "INSERT INTO writers (writer, batch, seen_at) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING",
            &[name, &now],
        ))?;
        Ok(session)
    }

    /// Keeps a connection that an error left whole, its transaction undone; drops it otherwise.
    fn keep(&mut self, session: Session, broken: &Broken) {
        if !matches!(broken, Broken::Lost(_)) && session.roll_back().is_ok() {
            self.session = Some(session);
        }
    }

    /// Begins a transaction, trying until then; `last` is what is answered when there is no time to try.
    pub(super) fn begin_until(
        &mut self,
        kind: Kind,
        until: Instant,
        mut last: Broken,
    ) -> Result<(), Broken> {
        while Instant::now() < until {
            match self.begin(kind) {
                Ok(()) => return Ok(()),
                Err(broken) => last = broken,
            }
            std::thread::sleep(PAUSE);
        }
        Err(last)
    }
}
