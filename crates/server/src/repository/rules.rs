//! What the group asks of replications and of readers, and what an admin says about a changeset that is held.

use super::{Repository, RepositoryError, Result};
use crate::accounts::Actor;
use crate::clock;
use crate::store::{REPOSITORY_RULES, StoreError};
use gridhelm_api::FieldError;
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::hold::{Hold, HoldVerdict, RepositoryRules, VerdictRequest};
use gridhelm_api::names::{MAX_REASON, check_reason};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For how long the rules are believed without asking the database.
const FRESH: Duration = Duration::from_secs(1);

/// The rules as they were read last.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<Option<(Instant, RepositoryRules)>>);

impl Remembered {
    fn get(&self) -> Option<RepositoryRules> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = kept.as_ref().filter(|(at, _)| at.elapsed() < FRESH);
        fresh.map(|(_, rules)| rules.clone())
    }

    fn set(&self, rules: Option<RepositoryRules>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = rules.map(|rules| (Instant::now(), rules));
    }
}

impl Repository {
    /// The rules as the database has them.
    pub async fn rules(&self) -> Result<RepositoryRules> {
        let Some(text) = self.store.setting(REPOSITORY_RULES).await? else {
            return Ok(RepositoryRules::default());
        };
        // What cannot be read must not pass for "everything is allowed".
        serde_json::from_str(&text).map_err(|error| {
            let what = "the repository's rules".to_owned();
            let message = error.to_string();
            StoreError::Corrupt { what, message }.into()
        })
    }

    /// The rules, at most a second old.
    pub(super) async fn rules_now(&self) -> Result<RepositoryRules> {
        if let Some(rules) = self.remembered.get() {
            return Ok(rules);
        }
        let rules = self.rules().await?;
        self.remembered.set(Some(rules.clone()));
        Ok(rules)
    }

    /// Sets the rules, if they still are at that version.
    pub async fn set_rules(
        &self,
        version: i64,
        mut rules: RepositoryRules,
        by: &Actor,
    ) -> Result<RepositoryRules> {
        let errors = rules.check();
        if !errors.is_empty() {
            return Err(RepositoryError::Invalid(errors));
        }
        let fence = self.standing.borrow().fence()?;
        let before = self.rules().await?;
        rules.version = version + 1;
        let on = |on: bool| if on { "on" } else { "off" };
        let event = by.event(
            Severity::Warn,
            Topic::Repository,
            "repository.rules",
            "repository",
            format!(
                "replications need another admin's approval: {}; a file's access decides who reads it: {}",
                on(rules.hold),
                on(rules.enforce_access)
            ),
        );
        let mut audit = by.audit("repository.rules", "repository");
        audit.before = serde_json::to_value(&before).ok();
        audit.after = serde_json::to_value(&rules).ok();
        let value = serde_json::to_string(&rules).unwrap_or_default();
        let written = self
            .store
            .put_setting(
                &fence,
                REPOSITORY_RULES,
                version,
                &value,
                by.notes(audit, event),
            )
            .await;
        self.remembered.set(None);
        self.hub.publish_events(written?);
        Ok(rules)
    }

    /// Approves or refuses a changeset that is held.
    pub async fn judge(&self, id: &str, request: &VerdictRequest, by: &Actor) -> Result<Hold> {
        let reason = request.reason.trim();
        if !request.approve {
            check_reason("reason", reason)
                .map_err(|error| RepositoryError::Invalid(vec![error]))?;
        } else if reason.chars().count() > MAX_REASON {
            let error = FieldError::new("reason", "Give at most 500 characters.");
            return Err(RepositoryError::Invalid(vec![error]));
        }
        let fence = self.standing.borrow().fence()?;
        let verdict = HoldVerdict {
            approved: request.approve,
            by: by.name.clone(),
            at: clock::now(),
            until: 0,
            reason: reason.to_owned(),
        };
        let (action, kind, severity, word) = if request.approve {
            (
                "changeset.approve",
                "repository.approved",
                Severity::Info,
                "approved",
            )
        } else {
            (
                "changeset.refuse",
                "repository.refused",
                Severity::Warn,
                "refused",
            )
        };
        let mut message = format!("a replication that is held was {word}");
        if !reason.is_empty() {
            message = format!("{message}: {reason}");
        }
        let mut audit = by.audit(action, id);
        audit.reason = (!reason.is_empty()).then(|| reason.to_owned());
        let notes = by.notes(
            audit,
            by.event(severity, Topic::Repository, kind, id, message),
        );
        let (hold, events) = self
            .store
            .judge_changeset(&fence, id, &verdict, notes)
            .await?;
        self.changed(events).await;
        Ok(hold)
    }
}
