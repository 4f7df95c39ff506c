//! Epoch, lease, members and switches.

use super::tx::{Done, Tx, json, not_found, of_json};
use super::value::params;
use crate::clock;
use crate::store::{EpochRow, Fence, Notes, Owner, Seen, StoreError};
use gridhelm_api::Page;
use gridhelm_api::event::Event;
use gridhelm_api::group::{Failover, Group, Member};
use gridhelm_api::switch::{SwitchFilter, SwitchRecord};

pub(super) fn epoch(tx: Tx<'_>) -> Done<EpochRow> {
    tx.row(
        "SELECT e.epoch, e.server, e.boot, e.pid, e.start_ticks, e.host_boot, e.url, e.since, e.made_by, e.reason,
                l.counter, l.released, l.successor, (SELECT value FROM settings WHERE name = 'failover')
         FROM epoch e, lease l",
        params![],
        |r| {
            let owner = match r.get::<Option<String>>(1)? {
                None => None,
                Some(server) => Some(Owner {
                    server,
                    boot: r.get(2)?,
                    pid: r.get(3)?,
                    start_ticks: r.get(4)?,
                    host_boot: r.get(5)?,
                    url: r.get(6)?,
                }),
            };
            Ok(EpochRow {
                epoch: r.get(0)?,
                owner,
                since: r.get(7)?,
                by: r.get(8)?,
                reason: r.get(9)?,
                counter: r.get(10)?,
                released: r.get(11)?,
                successor: r.get(12)?,
                failover: failover(r.get::<Option<String>>(13)?)?,
            })
        },
    )?
    .ok_or_else(|| not_found("the row of the epoch"))
}

pub(super) fn take_epoch(
    tx: Tx<'_>,
    seen: Seen,
    owner: &Owner,
    by: &str,
    reason: &str,
    notes: &Notes,
) -> Done<(EpochRow, Vec<Event>)> {
    let taken = tx.execute(
        "UPDATE epoch SET epoch = epoch + 1, server = ?2, boot = ?3, pid = ?4, start_ticks = ?5, host_boot = ?6,
                url = ?7, since = ?8, made_by = ?9, reason = ?10
         WHERE epoch = ?1 AND (CAST(?11 AS BIGINT) IS NULL OR ?11 = (SELECT counter FROM lease))",
        params![
            seen.epoch,
            owner.server,
            owner.boot,
            owner.pid,
            owner.start_ticks,
            owner.host_boot,
            owner.url,
            clock::now(),
            by,
            reason,
            seen.counter
        ],
    )?;
    if taken == 0 {
        let now = epoch(tx)?;
        return Err(StoreError::Fenced {
            epoch: now.epoch,
            owner: now.owner.map(|o| o.server),
        }
        .into());
    }
    tx.execute(
        "UPDATE lease SET counter = 0, released = FALSE, successor = NULL",
        params![],
    )?;
    tx.ownership_changed();
    let events = tx.notes(notes)?;
    Ok((epoch(tx)?, events))
}

pub(super) fn renew_lease(tx: Tx<'_>, fence: &Fence) -> Done<i64> {
    tx.fence(fence)?;
    Ok(tx
        .value(
            "UPDATE lease SET counter = counter + 1 RETURNING counter",
            params![],
        )?
        .unwrap_or_default())
}

pub(super) fn release_lease(tx: Tx<'_>, fence: &Fence, successor: Option<&str>) -> Done<()> {
    tx.fence(fence)?;
    tx.execute(
        "UPDATE lease SET released = TRUE, successor = ?1",
        params![successor],
    )?;
    tx.ownership_changed();
    Ok(())
}

pub(super) fn set_failover(
    tx: Tx<'_>,
    fence: &Fence,
    failover: &Failover,
    notes: &Notes,
) -> Done<Vec<Event>> {
    tx.fence(fence)?;
    let current = epoch(tx)?.failover;
    if current.version + 1 != failover.version {
        return Err(StoreError::VersionMismatch {
            what: "the mode of failover".to_owned(),
            version: current.version,
            current: serde_json::to_value(&current).ok(),
        }
        .into());
    }
    tx.execute(
        "INSERT INTO settings (name, value) VALUES ('failover', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1",
        params![json(failover)?],
    )?;
    tx.notes(notes)
}

/// The setting as stored; its default where it was never set.
fn failover(stored: Option<String>) -> Done<Failover> {
    stored.map_or_else(
        || Ok(Failover::default()),
        |text| of_json("the mode of failover", &text),
    )
}

pub(super) fn announce(tx: Tx<'_>, member: &Member) -> Done<()> {
    tx.execute(
        "INSERT INTO members (name, url, version, seen_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO UPDATE SET url = ?2, version = ?3, seen_at = ?4",
        params![member.name, member.url, member.version, member.seen_at],
    )?;
    Ok(())
}

pub(super) fn group(tx: Tx<'_>, name: &str, database: &str) -> Done<Group> {
    let now = epoch(tx)?;
    let members = tx.rows(
        "SELECT name, url, version, seen_at FROM members ORDER BY name",
        params![],
        |r| {
            Ok(Member {
                name: r.get(0)?,
                url: r.get(1)?,
                version: r.get(2)?,
                seen_at: r.get(3)?,
            })
        },
    )?;
    Ok(Group {
        name: name.to_owned(),
        epoch: now.epoch,
        active: now.owner.filter(|_| !now.released).map(|o| o.server),
        since: now.since,
        by: now.by,
        reason: now.reason,
        members,
        database: database.to_owned(),
        failover: now.failover,
        database_checks: Vec::new(),
    })
}

pub(super) fn put_switch(tx: Tx<'_>, record: &SwitchRecord, notes: &Notes) -> Done<Vec<Event>> {
    tx.execute(
        "INSERT INTO switches (id, started_at, record) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET started_at = ?2, record = ?3",
        params![record.id, record.started_at, json(record)?],
    )?;
    tx.notes(notes)
}

pub(super) fn switches(tx: Tx<'_>, limit: u32) -> Done<Vec<SwitchRecord>> {
    tx.rows(
        "SELECT record FROM switches ORDER BY started_at DESC, rowid DESC LIMIT ?1",
        params![limit.clamp(1, 1000)],
        |r| of_json("a switch", &r.get::<String>(0)?),
    )
}

/// How many rows are read at once in search of those that a filter wants.
const SCAN: u32 = 200;

pub(super) fn switch_page(tx: Tx<'_>, filter: &SwitchFilter) -> Done<Page<SwitchRecord>> {
    let limit = filter.limit.unwrap_or(100).clamp(1, 1000) as usize;
    let mut items: Vec<SwitchRecord> = Vec::new();
    let mut before = filter.before.unwrap_or(i64::MAX);
    let since = filter.since.unwrap_or(i64::MIN);
    // A group is switched some thousand times in its life; who and why are in the record's text.
    loop {
        let rows: Vec<SwitchRecord> = tx.rows(
            "SELECT record FROM switches WHERE started_at < ?1 AND started_at >= ?2
             ORDER BY started_at DESC, rowid DESC LIMIT ?3",
            params![before, since, SCAN],
            |r| of_json("a switch", &r.get::<String>(0)?),
        )?;
        let last = rows.len() < SCAN as usize;
        before = rows.last().map_or(before, |record| record.started_at);
        for record in rows.into_iter().filter(|record| filter.wants(record)) {
            if items.len() == limit {
                let next = items.last().map(|last| last.started_at.to_string());
                return Ok(Page {
                    items,
                    next,
                    total: None,
                });
            }
            items.push(record);
        }
        if last {
            return Ok(Page {
                items,
                next: None,
                total: None,
            });
        }
    }
}
