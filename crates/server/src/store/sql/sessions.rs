//! The record of R sessions that are or were held.

use super::tx::{Done, Tx};
use super::value::params;
use crate::store::{Fence, SessionRow};

pub(super) fn open(tx: Tx<'_>, fence: &Fence, sessions: &[SessionRow]) -> Done<()> {
    tx.fence(fence)?;
    sessions.iter().try_for_each(|s| put(tx, s))
}

/// Records one session; the caller has checked the fence.
pub(super) fn put(tx: Tx<'_>, s: &SessionRow) -> Done<()> {
    tx.execute(
        "INSERT INTO sessions (id, node, pid, start_ticks, host_boot, work_dir, server, epoch, opened_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (id) DO UPDATE SET node = ?2, pid = ?3, start_ticks = ?4, host_boot = ?5, work_dir = ?6,
                server = ?7, epoch = ?8, opened_at = ?9",
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
    tx.execute("DELETE FROM sessions WHERE id = ?1", params![id])?;
    Ok(())
}

pub(super) fn all(tx: Tx<'_>) -> Done<Vec<SessionRow>> {
    tx.rows(
        "SELECT id, node, pid, start_ticks, host_boot, work_dir, server, epoch, opened_at
         FROM sessions ORDER BY node, opened_at, id",
        params![],
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
