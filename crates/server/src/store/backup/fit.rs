//! Makes a restored group fit to be started again.

use super::Dialect;
use super::head::Head;
use super::import::How;
use super::tables::TABLES;
use crate::clock;
use crate::store::chain::{self, Link};
use crate::store::sql::tx::{Done, Tx};
use crate::store::sql::value::params;
use gridhelm_api::Millis;
use gridhelm_api::task::{FailureKind, TaskFailure};

/// By how much the epoch grows at a restoration, beside the backup's age in seconds: more than a group could have been
/// taken over since, however often its servers were started.
const JUMP: i64 = 1_000_000;

/// The epoch of a restored group: higher than any that the old group can have reached since.
pub(super) fn epoch_after(epoch: i64, made_at: Millis, now: Millis) -> i64 {
    let age = now.saturating_sub(made_at).max(0) / 1000;
    epoch.saturating_add(JUMP).saturating_add(age)
}

/// Raises the epoch, ends what nobody can know the end of, and writes down that this was restored.
pub(super) fn make(tx: Tx<'_>, dialect: Dialect, head: &Head, how: &How) -> Done<(i64, usize)> {
    let now = clock::now();
    let epoch = epoch_after(head.epoch, head.made_at, now);
    tx.execute("UPDATE epoch SET epoch = ?1", params![epoch])?;
    let ended = if how.moving { 0 } else { end_tasks(tx, now)? };
    if how.end_tokens {
        tx.execute("UPDATE identity SET token_key = NULL", params![])?;
        tx.execute("DELETE FROM api_tokens", params![])?;
        tx.execute("DELETE FROM revoked_tokens", params![])?;
    }
    let (action, what) = if how.moving {
        ("group.migrate", "moved to another database")
    } else {
        ("group.restore", "restored")
    };
    let text = format!(
        "the group was {what} from a backup made by {} of {}; its epoch is {epoch} now, it was {}",
        head.made_by, head.server, head.epoch
    );
    note(
        tx,
        dialect,
        head,
        &Note {
            action,
            group: &how.group,
            text: &text,
            now,
            epoch,
        },
    )?;
    Ok((epoch, ended))
}

/// The ids given last, and the end of the audit log's chain.
pub(super) fn counters(tx: Tx<'_>, dialect: Dialect, head: &Head) -> Done<()> {
    let (last, hash) = &head.audit_head;
    match dialect {
        Dialect::Sqlite => {
            for (table, last) in [("events", head.last_event), ("audit", head.last_audit)] {
                tx.execute(
                    "DELETE FROM sqlite_sequence WHERE name = ?1",
                    params![table],
                )?;
                tx.execute(
                    "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)",
                    params![table, last],
                )?;
            }
            tx.execute(
                "UPDATE audit_head SET last = ?1, hash = ?2",
                params![last, hash],
            )?;
        }
        Dialect::Postgres => {
            tx.execute(
                "UPDATE counters SET event = ?1, audit = ?2, audit_last = ?3, audit_hash = ?4",
                params![head.last_event, head.last_audit, last, hash],
            )?;
            for table in TABLES {
                let Some(column) = table.counted else {
                    continue;
                };
                let sql = format!(
                    "SELECT setval(pg_get_serial_sequence('{0}', '{column}'), GREATEST((SELECT max({column}) FROM {0}), 1))",
                    table.name
                );
                tx.0.query(&sql, &[], &mut |_| Ok(false))?;
            }
        }
    }
    Ok(())
}

/// Tasks that were open when the snapshot was taken may have run since. One that may not be repeated is ended, so that a
/// person decides; one that may goes on as after the loss of a server.
fn end_tasks(tx: Tx<'_>, now: Millis) -> Done<usize> {
    let failure = TaskFailure {
        kind: FailureKind::Grid,
        message: "The group was restored from a backup in which this task had not ended. Whether it ran after that is not \
                  known, and it may not be repeated by itself; submit it again if it may run again."
            .to_owned(),
        call: None,
        line: None,
        trace: Vec::new(),
    };
    let failure = crate::store::sql::tx::json(&failure)?;
    let open = "SELECT id FROM tasks WHERE state NOT IN ('succeeded', 'failed', 'cancelled') AND NOT re_executable";
    tx.execute(
        &format!("UPDATE attempts SET ended_at = ?1, failure = ?2 WHERE ended_at IS NULL AND task IN ({open})"),
        params![now, failure],
    )?;
    tx.execute(
        &format!(
            "UPDATE tasks SET state = 'failed', ended_at = ?1, failure = ?2 WHERE id IN ({open})"
        ),
        params![now, failure],
    )
}

/// What is written down of the restoration itself.
struct Note<'a> {
    action: &'a str,
    group: &'a str,
    text: &'a str,
    now: Millis,
    epoch: i64,
}

/// An event, and an audit row that follows on the chain of the backup.
fn note(tx: Tx<'_>, dialect: Dialect, head: &Head, note: &Note<'_>) -> Done<()> {
    let (event, audit) = (head.last_event + 1, head.last_audit + 1);
    tx.execute(
        "INSERT INTO events (id, at, severity, topic, kind, subject, message, actor, epoch)
         VALUES (?1, ?2, 2, 'server', ?3, ?4, ?5, 'a command', ?6)",
        params![
            event,
            note.now,
            note.action,
            note.group,
            note.text,
            note.epoch
        ],
    )?;
    let link = Link {
        id: audit,
        at: note.now,
        fields: [
            Some("a command"),
            Some(note.action),
            Some(note.group),
            None,
            None,
            Some(note.text),
            Some(""),
            Some("gridhelm-server"),
            Some(""),
        ],
    };
    let hash = chain::hash(&head.audit_head.1, &link);
    tx.execute(
        "INSERT INTO audit (id, at, actor, action, subject, reason, address, agent, request_id, hash)
         VALUES (?1, ?2, 'a command', ?3, ?4, ?5, '', 'gridhelm-server', '', ?6)",
        params![audit, note.now, note.action, note.group, note.text, hash],
    )?;
    match dialect {
        Dialect::Sqlite => tx.execute(
            "UPDATE audit_head SET last = ?1, hash = ?2",
            params![audit, hash],
        ),
        Dialect::Postgres => tx.execute(
            "UPDATE counters SET event = ?1, audit = ?2, audit_last = ?2, audit_hash = ?3",
            params![event, audit, hash],
        ),
    }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_leaves_room_for_whatever_the_old_group_did() {
        assert_eq!(epoch_after(7, 1_000, 61_000), 1_000_067);
        assert_eq!(
            epoch_after(7, 61_000, 1_000),
            1_000_007,
            "a clock that went back"
        );
        // The same backup, restored again an hour later: above whatever ran in between.
        let (first, second) = (epoch_after(7, 0, 0), epoch_after(7, 0, 3_600_000));
        assert!(second - first >= 3_600);
    }
}
