//! Reading events and audit rows.

use super::tx::{Done, Tx, corrupt, json, of_json, of_word, severity_number, word};
use super::value::{Row, ToValue, Value, params};
use crate::store::chain::{CUT, Link, Verifier};
use crate::store::{AuditDraft, AuditFilter, EventFilter, Notes};
use gridhelm_api::account::{AuditChain, AuditCut, AuditRow};
use gridhelm_api::event::{Event, Severity};
use gridhelm_api::{Millis, Page};

/// The most rows of one page.
const MOST: u32 = 1000;

/// How many rows a page has: at least one, at most a thousand.
pub(super) fn page_size(limit: u32) -> usize {
    limit.clamp(1, MOST) as usize
}

/// A page out of up to one row more than it holds; `next` names the last row that is in it.
pub(super) fn page<T>(mut items: Vec<T>, size: usize, id: impl Fn(&T) -> String) -> Page<T> {
    let more = items.len() > size;
    items.truncate(size);
    let next = if more { items.last().map(id) } else { None };
    Page {
        items,
        next,
        total: None,
    }
}

pub(super) fn events(tx: Tx<'_>, filter: &EventFilter) -> Done<Page<Event>> {
    let size = page_size(filter.limit);
    let mut sql = "SELECT id, at, severity, topic, kind, subject, message, actor, epoch FROM events WHERE id < ?1"
        .to_owned();
    let mut values = vec![Value::Integer(filter.before.unwrap_or(i64::MAX))];
    let topic = filter.topic.as_ref().map(word).transpose()?;
    if let Some(topic) = &topic {
        values.push(topic.value());
        sql = format!("{sql} AND topic = ?{}", values.len());
    }
    if let Some(subject) = &filter.subject {
        values.push(subject.value());
        sql = format!("{sql} AND subject = ?{}", values.len());
    }
    if let Some(severity) = filter.severity {
        // A literal, so that the index of grave events can serve it.
        sql = format!("{sql} AND severity >= {}", severity_number(severity));
    }
    sql = format!("{sql} ORDER BY id DESC LIMIT {}", size + 1);
    let items = tx.rows(&sql, &values, event)?;
    Ok(page(items, size, |e| e.id.to_string()))
}

fn event(r: &Row<'_>) -> Done<Event> {
    let severity = match r.get::<i64>(2)? {
        0 => Severity::Info,
        1 => Severity::Good,
        2 => Severity::Warn,
        _ => Severity::Fail,
    };
    Ok(Event {
        id: r.get(0)?,
        at: r.get(1)?,
        severity,
        topic: of_word("an event", &r.get::<String>(3)?)?,
        kind: r.get(4)?,
        subject: r.get(5)?,
        message: r.get(6)?,
        actor: r.get(7)?,
        epoch: r.get(8)?,
    })
}

/// Escapes what means something in a pattern of LIKE.
fn pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

pub(super) fn audit(tx: Tx<'_>, filter: &AuditFilter) -> Done<Page<AuditRow>> {
    let size = page_size(filter.limit);
    let mut sql =
        "SELECT id, at, actor, action, subject, before, after, reason, address, agent, request_id
         FROM audit WHERE id < ?1"
            .to_owned();
    let mut values = vec![Value::Integer(filter.before.unwrap_or(i64::MAX))];
    let action = filter
        .action
        .as_deref()
        .map(|action| format!("{}%", pattern(action)));
    let text = filter
        .text
        .as_deref()
        .map(|text| format!("%{}%", pattern(&text.to_lowercase())));
    if let Some(actor) = &filter.actor {
        values.push(actor.value());
        sql = format!("{sql} AND actor = ?{}", values.len());
    }
    if let Some(action) = &action {
        values.push(action.value());
        sql = format!("{sql} AND action LIKE ?{} ESCAPE '\\'", values.len());
    }
    if let Some(text) = &text {
        values.push(text.value());
        let n = values.len();
        sql = format!(
            "{sql} AND (lower(subject) LIKE ?{n} ESCAPE '\\' OR lower(coalesce(reason, '')) LIKE ?{n} ESCAPE '\\')"
        );
    }
    if let Some(since) = &filter.since {
        values.push(Value::Integer(*since));
        sql = format!("{sql} AND at >= ?{}", values.len());
    }
    if let Some(until) = &filter.until {
        values.push(Value::Integer(*until));
        sql = format!("{sql} AND at < ?{}", values.len());
    }
    sql = format!("{sql} ORDER BY id DESC LIMIT {}", size + 1);
    let items = tx.rows(&sql, &values, |r| {
        let state = |text: Option<String>| text.map(|t| of_json("an audit row", &t)).transpose();
        Ok(AuditRow {
            id: r.get(0)?,
            at: r.get(1)?,
            actor: r.get(2)?,
            action: r.get(3)?,
            subject: r.get(4)?,
            before: state(r.get(5)?)?,
            after: state(r.get(6)?)?,
            reason: r.get(7)?,
            address: r.get(8)?,
            agent: r.get(9)?,
            request_id: r.get(10)?,
        })
    })?;
    Ok(page(items, size, |a| a.id.to_string()))
}

/// How many rows are walked at a time.
const WALKED: i64 = 2_000;

/// Walks the whole audit log, oldest first, in one snapshot.
pub(super) fn verify_audit(tx: Tx<'_>, noted: Option<String>) -> Done<AuditChain> {
    let head = tx.row("SELECT last, hash FROM audit_head", params![], |r| {
        Ok((r.get::<i64>(0)?, r.get::<String>(1)?))
    })?;
    let (head_id, head) = head.ok_or_else(|| corrupt("the audit log's head", "it is not there"))?;
    let mut verifier = Verifier::looking_for(noted).behind(cut_of(tx)?);
    let mut after = i64::MIN;
    loop {
        let walked = tx.rows(
            "SELECT id, at, actor, action, subject, before, after, reason, address, agent, request_id, hash
             FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2",
            params![after, WALKED],
            |r| {
                let mut fields = Vec::with_capacity(9);
                for column in 2..11 {
                    fields.push(r.get::<Option<String>>(column)?);
                }
                let mut link = Link {
                    id: r.get(0)?,
                    at: r.get(1)?,
                    fields: [None; 9],
                };
                for (field, text) in link.fields.iter_mut().zip(&fields) {
                    *field = text.as_deref();
                }
                let hash: Option<String> = r.get(11)?;
                verifier.take(&link, hash.as_deref());
                Ok(link.id)
            },
        )?;
        match walked.last() {
            Some(last) => after = *last,
            None => return Ok(verifier.end(head_id, &head)),
        }
    }
}

/// What was cut off the audit log, if anything was.
fn cut_of(tx: Tx<'_>) -> Done<Option<AuditCut>> {
    let stored: Option<String> = tx.value(
        "SELECT value FROM settings WHERE name = 'audit_cut'",
        params![],
    )?;
    stored
        .map(|text| of_json("the audit log's cut", &text))
        .transpose()
}

/// Removes the audit log's rows from before a moment, all of which must have been verified; `None` when there are none, or
/// none would stay. What was removed is a row of the log itself.
pub(super) fn cut_audit(
    tx: Tx<'_>,
    before: Millis,
    by: &str,
    reason: &str,
    draft: &AuditDraft,
) -> Done<Option<AuditCut>> {
    let last = tx.row(
        "SELECT id, hash FROM audit WHERE at < ?1 AND hash IS NOT NULL
         AND id < (SELECT max(id) FROM audit) ORDER BY id DESC LIMIT 1",
        params![before],
        |r| Ok((r.get::<i64>(0)?, r.get::<String>(1)?)),
    )?;
    let Some((id, hash)) = last else {
        return Ok(None);
    };
    let rows = tx.execute("DELETE FROM audit WHERE id <= ?1", params![id])?;
    let cut = AuditCut {
        id,
        hash,
        rows: rows as u64,
        at: crate::clock::now(),
        by: by.to_owned(),
        reason: reason.to_owned(),
    };
    tx.execute(
        "INSERT INTO settings (name, value) VALUES ('audit_cut', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1",
        params![json(&cut)?],
    )?;
    let mut row = draft.clone();
    row.action = CUT;
    row.subject.clone_from(&cut.hash);
    row.after = serde_json::to_value(&cut).ok();
    row.reason = Some(reason.to_owned());
    tx.notes(&Notes::audit(row))?;
    Ok(Some(cut))
}
