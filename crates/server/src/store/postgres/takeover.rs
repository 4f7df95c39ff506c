//! The lock under which the epoch is taken.
//!
//! Every writing transaction of the group holds the fence's lock, shared, from its beginning. Whoever
//! takes the epoch holds it alone: then no transaction of the old owner is under way, and any that begins
//! later finds the new epoch. One that does not end in time (its server was stopped, its host is gone) is
//! ended, by the end of its backend.

use super::broken::Broken;
use super::link::Link;
use super::session::Session;

/// How long transactions under way may take to end by themselves.
const PATIENCE: &str = "BEGIN; SET LOCAL lock_timeout = '400ms'";

/// What all backends of the group's servers are called like.
const OURS: &str = "gridhelm/%";

/// Ends the backends of other servers that hold the lock; answers who holds it. The lock's key is the group's,
/// so no other group's backend holds it; our own have our name.
const END: &str = "SELECT a.pid, a.application_name,
            CASE WHEN a.application_name LIKE $3 AND a.application_name <> $2 THEN pg_terminate_backend(a.pid) ELSE FALSE END
     FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
     AND ((l.classid::bigint << 32) | l.objid::bigint) = $1 AND a.pid <> pg_backend_pid()";

/// Begins a transaction that holds the fence's lock alone. Call it again after [`Broken::Locked`].
pub(super) fn lock(session: &Session, link: &Link) -> Result<(), Broken> {
    let mut last = try_lock(session, link);
    for _ in 0..3 {
        let Err(Broken::Locked(why)) = &last else {
            return last;
        };
        session.roll_back()?;
        let others = end_holders(session, link)?;
        if !others.is_empty() {
            return Err(Broken::Locked(format!(
                "{why}; the group's lock is held by {}, which is no server of this group and was left alone",
                others.join(", ")
            )));
        }
        last = try_lock(session, link);
    }
    last
}

fn try_lock(session: &Session, link: &Link) -> Result<(), Broken> {
    let key = link.keys.fence;
    let lock = session.prepared("SELECT pg_advisory_xact_lock(?1)")?;
    session.begin(async |client| {
        client.batch_execute(PATIENCE).await?;
        client.query(&lock, &[&key]).await?;
        client.batch_execute("SET LOCAL lock_timeout = '2s'").await
    })
}

/// Ends the backends of the group's other servers that hold the lock; names the holders that are not ours to
/// end.
fn end_holders(session: &Session, link: &Link) -> Result<Vec<String>, Broken> {
    let rows = session.begin(async |client| {
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&link.keys.fence, &link.application, &OURS];
        client.query(END, &values).await
    })?;
    let mut left = Vec::new();
    for row in rows {
        let pid: i32 = row.try_get(0).unwrap_or_default();
        let name: String = row.try_get(1).unwrap_or_default();
        if row.try_get(2).unwrap_or(false) {
            tracing::warn!(
                pid,
                name,
                "ended a transaction that was in the way of taking the epoch"
            );
        } else if name != link.application {
            left.push(format!("backend {pid} ({name})"));
        }
    }
    Ok(left)
}
