//! Who does something, as it is written into audit rows and events.

use crate::store::{AuditDraft, EventDraft, Notes};
use gridhelm_api::account::Role;
use gridhelm_api::event::{Severity, Topic};

/// An account, or another server of the group, that asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The account's name, or `server:NAME`.
    pub name: String,
    /// What it may do now.
    pub role: Role,
    /// Where the request came from.
    pub address: String,
    /// The program that it says it is (`User-Agent`), cut to 200 characters.
    pub agent: String,
    /// The request's id.
    pub request_id: String,
}

impl Actor {
    /// An audit row of this actor, without states; a row that other fields are added to.
    pub fn audit(&self, action: &'static str, subject: impl Into<String>) -> AuditDraft {
        AuditDraft {
            actor: self.name.clone(),
            action,
            subject: subject.into(),
            before: None,
            after: None,
            reason: None,
            address: self.address.clone(),
            agent: self.agent.clone(),
            request_id: self.request_id.clone(),
        }
    }

    /// A journal event of this actor.
    pub fn event(
        &self,
        severity: Severity,
        topic: Topic,
        kind: &'static str,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> EventDraft {
        EventDraft {
            severity,
            topic,
            kind,
            subject: subject.into(),
            message: message.into(),
            actor: self.name.clone(),
        }
    }

    /// Notes of one audit row and one event about the same subject.
    pub fn notes(&self, audit: AuditDraft, event: EventDraft) -> Notes {
        Notes {
            events: vec![event],
            audit: vec![audit],
        }
    }
}
