//! Reading events and audit rows.

use super::tx::{Done, Tx, of_json, of_word, severity_number, word};
use super::value::{Row, ToValue, Value, params};
use crate::store::EventFilter;
use gridhelm_api::Page;
use gridhelm_api::account::AuditRow;
use gridhelm_api::event::{Event, Severity};

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

pub(super) fn audit(tx: Tx<'_>, before: Option<i64>, limit: u32) -> Done<Page<AuditRow>> {
    let size = page_size(limit);
    let items = tx.rows(
        "SELECT id, at, actor, action, subject, before, after, reason, address, request_id
         FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
        params![before.unwrap_or(i64::MAX), limit.clamp(1, MOST) + 1],
        |r| {
            let state =
                |text: Option<String>| text.map(|t| of_json("an audit row", &t)).transpose();
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
                request_id: r.get(9)?,
            })
        },
    )?;
    Ok(page(items, size, |a| a.id.to_string()))
}
