//! The record of R sessions that are or were held.

use super::tx::{Done, Tx};
use crate::store::{Fence, SessionRow};
use rusqlite::params;

pub(super) fn open(tx: Tx<'_>, fence: &Fence, sessions: &[SessionRow]) -> Done<()> {
    tx.fence(fence)?;
    sessions.iter().try_for_each(|s| put(tx, s))
}

/// Records one session; the caller has checked the fence.
pub(super) fn put(tx: Tx<'_>, s: &SessionRow) -> Done<()> {
    tx.execute(
        "INSERT OR REPLACE INTO sessions (id, node, pid, start_ticks, host_boot, work_dir, server, epoch, opened_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![s.id, s.node, s.pid, s.start_ticks, s.host_boot, s.work_dir, s.server, s.epoch, s.opened_at],
    )?;
    Ok(())
}

pub(super) fn close(tx: Tx<'_>, fence: &Fence, ids: &[String]) -> Done<()> {
    tx.fence(fence)?;
    ids.iter().try_for_each(|id| forget(tx, id))
}

/// Forgets one session; the caller has checked the fence.
pub(super) fn forget(tx: Tx<'_>, id: &str) -> Done<()> {
    tx.execute("DELETE FROM sessions WHERE id = ?1", [id])?;
    Ok(())
}

pub(super) fn all(tx: Tx<'_>) -> Done<Vec<SessionRow>> {
    tx.rows(
        "SELECT id, node, pid, start_ticks, host_boot, work_dir, server, epoch, opened_at
         FROM sessions ORDER BY node, opened_at, id",
        [],
        |r| {
            Ok(SessionRow {
                id: r.get(0)?,
                node: r.get(1)?,
                pid: r.get(2)?,
                start_ticks: r.get(3)?,
                host_boot: r.get(4)?,
                work_dir: r.get(5)?,
                server: r.get(6)?,
                epoch: r.get(7)?,
                opened_at: r.get(8)?,
            })
        },
    )
}
