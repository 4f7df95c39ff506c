//! How much there is of each kind of thing.

use super::tx::{Done, Tx, unsigned};
use super::value::{Value, params};
use crate::store::Limits;
use gridhelm_api::Millis;
use gridhelm_api::upkeep::SizeOf;

const ENDED: &str = "state IN ('succeeded', 'failed', 'cancelled')";

/// What counts one kind.
struct Kind<'a> {
    kind: &'a str,
    title: &'a str,
    from: &'a str,
    bytes: &'a str,
    oldest: &'a str,
    /// What makes a row go, with `?1` (and `?2`) for what is too old.
    goes: &'a str,
}

pub(super) fn all(tx: Tx<'_>, limits: &Limits) -> Done<Vec<SizeOf>> {
    let none = Millis::MIN;
    let (versions, keep) = limits.versions.unwrap_or((none, 1));
    let ended = format!("tasks WHERE {ENDED}");
    let mut sizes = vec![
        count(
            tx,
            &Kind {
                kind: "tasks",
                title: "Ended tasks",
                from: &ended,
                bytes: "octet_length(code) + octet_length(inputs)",
                oldest: "min(ended_at)",
                goes: "ended_at < ?1",
            },
            params![limits.tasks.unwrap_or(none)],
        )?,
        count(
            tx,
            &Kind {
                kind: "results",
                title: "Results, plots and files of tasks",
                from: "artifacts a JOIN tasks t ON t.id = a.task",
                bytes: "a.size",
                oldest: "min(t.ended_at)",
                goes: "t.ended_at < ?1",
            },
            params![limits.results.or(limits.tasks).unwrap_or(none)],
        )?,
        count(
            tx,
            &Kind {
                kind: "versions",
                title: "Versions of files",
                from: "versions v JOIN files f ON f.id = v.file",
                bytes: "v.size",
                oldest: "min(v.written_at)",
                goes: "v.written_at < ?1 AND v.version <= f.version - ?2",
            },
            params![versions, keep],
        )?,
        count(
            tx,
            &Kind {
                kind: "contents",
                title: "Contents, each kept once",
                from: "blobs",
                bytes: "size",
                oldest: "min(created_at)",
                goes: "created_at < ?1",
            },
            params![none],
        )?,
        count(
            tx,
            &Kind {
                kind: "events",
                title: "Events",
                from: "events",
                bytes: "octet_length(message) + octet_length(subject)",
                oldest: "min(at)",
                goes: "at < ?1",
            },
            params![limits.events.unwrap_or(none)],
        )?,
        count(
            tx,
            &Kind {
                kind: "audit",
                title: "Audit log",
                from: "audit",
                bytes: "octet_length(subject) + COALESCE(octet_length(before), 0) + COALESCE(octet_length(after), 0)",
                oldest: "min(at)",
                goes: "at < ?1",
            },
            params![none],
        )?,
    ];
    // What tasks printed, and their values, are theirs.
    let more: i64 = tx
        .value(
            "SELECT CAST(COALESCE((SELECT sum(octet_length(text)) FROM console), 0)
             + COALESCE((SELECT sum(COALESCE(octet_length(value), 0) + COALESCE(octet_length(outputs), 0)) FROM tasks), 0) AS BIGINT)",
            params![],
        )?
        .unwrap_or_default();
    sizes[0].bytes += unsigned::<u64>("sizes", more)?;
    Ok(sizes)
}

fn count(tx: Tx<'_>, kind: &Kind<'_>, values: &[Value<'_>]) -> Done<SizeOf> {
    let sql = format!(
        "SELECT count(*), CAST(COALESCE(sum({}), 0) AS BIGINT), {}, count(*) FILTER (WHERE {}) FROM {}",
        kind.bytes, kind.oldest, kind.goes, kind.from
    );
    let found = tx.row(&sql, values, |r| {
        Ok(SizeOf {
            kind: kind.kind.to_owned(),
            title: kind.title.to_owned(),
            rows: unsigned("sizes", r.get(0)?)?,
            bytes: unsigned("sizes", r.get(1)?)?,
            oldest: r.get(2)?,
            kept: String::new(),
            going: unsigned("sizes", r.get(3)?)?,
        })
    })?;
    Ok(found.unwrap_or_default())
}
