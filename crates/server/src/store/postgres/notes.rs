//! Events and audit rows of a transaction, written together at its end.
//!
//! Their ids go on from the counters, whose row the transaction has locked: so ids grow in commit order, and
//! what is undone leaves no gap.

use super::engine::storable;
use crate::store::chain::{self, Link};
use crate::store::sql::tx::{Done, json, severity_number, word};
use crate::store::{AuditDraft, EventDraft};
use futures_util::future::try_join3;
use tokio_postgres::{Client, Error, Statement};

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    last_event: i64,
    last_audit: i64,
    /// The number and hash of the last audit row that has one, before this transaction.
    head: (i64, String),
    events: Events,
    audit: Audit,
    mark: (usize, usize),
}

/// Events by column.
#[derive(Debug, Default)]
struct Events {
    id: Vec<i64>,
    at: Vec<i64>,
    severity: Vec<i64>,
    topic: Vec<String>,
    kind: Vec<String>,
    subject: Vec<String>,
    message: Vec<String>,
    actor: Vec<String>,
    epoch: Vec<i64>,
}

/// Audit rows by column.
#[derive(Debug, Default)]
struct Audit {
    id: Vec<i64>,
    at: Vec<i64>,
    actor: Vec<String>,
    action: Vec<String>,
    subject: Vec<String>,
    before: Vec<Option<String>>,
    after: Vec<Option<String>>,
    reason: Vec<Option<String>>,
    address: Vec<String>,
    agent: Vec<String>,
    request_id: Vec<String>,
    hash: Vec<String>,
}

fn text(text: &str) -> String {
    storable(text).into_owned()
}

impl Drafts {
    /// Writes the events.
    pub(super) const EVENTS: &str = "INSERT INTO events (id, at, severity, topic, kind, subject, message, actor, epoch)
         SELECT * FROM unnest(?1::bigint[], ?2::bigint[], ?3::bigint[], ?4::text[], ?5::text[], ?6::text[],
                              ?7::text[], ?8::text[], ?9::bigint[])";
    /// Writes the audit rows.
    pub(super) const AUDIT: &str = "INSERT INTO audit (id, at, actor, action, subject, before, after, reason, address, agent, request_id, hash)
         SELECT * FROM unnest(?1::bigint[], ?2::bigint[], ?3::text[], ?4::text[], ?5::text[], ?6::text[],
                              ?7::text[], ?8::text[], ?9::text[], ?10::text[], ?11::text[], ?12::text[])";
    /// Writes the ids given last.
    pub(super) const COUNTERS: &str =
        "UPDATE counters SET event = ?1, audit = ?2, audit_last = ?3, audit_hash = ?4";

    /// Nothing yet; ids go on after these.
    pub(super) fn after(last_event: i64, last_audit: i64, head: (i64, String)) -> Self {
        Self {
            last_event,
            last_audit,
            head,
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.id.is_empty() && self.audit.id.is_empty()
    }

    /// Remembers this place.
    pub(super) fn mark(&mut self) {
        self.mark = (self.events.id.len(), self.audit.id.len());
    }

    /// Forgets what came after the marked place.
    pub(super) fn back_to_mark(&mut self) {
        let (events, audit) = self.mark;
        self.last_event -= (self.events.id.len() - events) as i64;
        self.last_audit -= (self.audit.id.len() - audit) as i64;
        self.events.truncate(events);
        self.audit.truncate(audit);
    }

    /// Takes an event; answers its id.
    pub(super) fn put_event(&mut self, event: &EventDraft, at: i64, epoch: i64) -> Done<i64> {
        let topic = word(&event.topic)?;
        self.last_event += 1;
        let all = &mut self.events;
        all.id.push(self.last_event);
        all.at.push(at);
        all.severity.push(severity_number(event.severity));
        all.topic.push(topic);
        all.kind.push(event.kind.to_owned());
        all.subject.push(text(&event.subject));
        all.message.push(text(&event.message));
        all.actor.push(text(&event.actor));
        all.epoch.push(epoch);
        Ok(self.last_event)
    }

    /// The number and hash of the last audit row that has one.
    fn head(&self) -> (i64, String) {
        match (self.audit.id.last(), self.audit.hash.last()) {
            (Some(id), Some(hash)) => (*id, hash.clone()),
            _ => self.head.clone(),
        }
    }

    /// Takes an audit row.
    pub(super) fn put_audit(&mut self, row: &AuditDraft, at: i64) -> Done<()> {
        let before = row.before.as_ref().map(json).transpose()?;
        let after = row.after.as_ref().map(json).transpose()?;
        self.last_audit += 1;
        let (_, previous) = self.head();
        // What is hashed is what is stored.
        let (actor, subject) = (text(&row.actor), text(&row.subject));
        let reason = row.reason.as_deref().map(text);
        let (address, agent) = (text(&row.address), text(&row.agent));
        let request_id = text(&row.request_id);
        let link = Link {
            id: self.last_audit,
            at,
            fields: [
                Some(&actor),
                Some(row.action),
                Some(&subject),
                before.as_deref(),
                after.as_deref(),
                reason.as_deref(),
                Some(&address),
                Some(&agent),
                Some(&request_id),
            ],
        };
        let hash = chain::hash(&previous, &link);
        let all = &mut self.audit;
        all.id.push(self.last_audit);
        all.at.push(at);
        all.actor.push(actor);
        all.action.push(row.action.to_owned());
        all.subject.push(subject);
        all.before.push(before);
        all.after.push(after);
        all.reason.push(reason);
        all.address.push(address);
        all.agent.push(agent);
        all.request_id.push(request_id);
        all.hash.push(hash);
        Ok(())
    }

    /// Writes all of it, by these prepared statements.
    pub(super) async fn write(
        self,
        client: &Client,
        events: &Statement,
        audit: &Statement,
        counters: &Statement,
    ) -> Result<(), Error> {
        let (last, hash) = self.head();
        let (e, a) = (&self.events, &self.audit);
        try_join3(
            client.execute(
                events,
                &[
                    &e.id,
                    &e.at,
                    &e.severity,
                    &e.topic,
                    &e.kind,
                    &e.subject,
                    &e.message,
                    &e.actor,
                    &e.epoch,
                ],
            ),
            client.execute(
                audit,
                &[
                    &a.id,
                    &a.at,
                    &a.actor,
                    &a.action,
                    &a.subject,
                    &a.before,
                    &a.after,
                    &a.reason,
                    &a.address,
                    &a.agent,
                    &a.request_id,
                    &a.hash,
                ],
            ),
            client.execute(
                counters,
                &[&self.last_event, &self.last_audit, &last, &hash],
            ),
        )
        .await?;
        Ok(())
    }
}

impl Events {
    fn truncate(&mut self, to: usize) {
        for column in [
            &mut self.id,
            &mut self.at,
            &mut self.severity,
            &mut self.epoch,
        ] {
            column.truncate(to);
        }
        for column in [
            &mut self.topic,
            &mut self.kind,
            &mut self.subject,
            &mut self.message,
            &mut self.actor,
        ] {
            column.truncate(to);
        }
    }
}

impl Audit {
    fn truncate(&mut self, to: usize) {
        for column in [&mut self.id, &mut self.at] {
            column.truncate(to);
        }
        for column in [
            &mut self.actor,
            &mut self.action,
            &mut self.subject,
            &mut self.address,
            &mut self.agent,
            &mut self.request_id,
            &mut self.hash,
        ] {
            column.truncate(to);
        }
        for column in [&mut self.before, &mut self.after, &mut self.reason] {
            column.truncate(to);
        }
    }
}
