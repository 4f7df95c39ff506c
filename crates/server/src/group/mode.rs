//! Setting who decides that an active server that is gone is replaced.

use super::SwitchError;
use super::automatic::{BY_ITSELF, audit_by_itself, mode_of};
use super::keeper::Keeper;
use super::lease::Mode;
use crate::clock;
use crate::store::{AuditDraft, Fence, Notes, StoreError};
use gridhelm_api::FieldError;
use gridhelm_api::event::Severity;
use gridhelm_api::group::{Failover, FailoverChange, FailoverMode, Pause};
use gridhelm_api::names::check_reason;

/// The longest pause, seconds.
const MAX_PAUSE_S: u32 = 86_400;

fn validate(change: &FailoverChange) -> Result<(), SwitchError> {
    let mut errors: Vec<FieldError> = check_reason("reason", &change.reason)
        .err()
        .into_iter()
        .collect();
    match (change.pause_s, change.mode) {
        (Some(_), FailoverMode::Manual) => errors.push(FieldError::new(
            "pause_s",
            "Only automatic failover can rest; leave this out.",
        )),
        (Some(s), _) if s == 0 || s > MAX_PAUSE_S => {
            errors.push(FieldError::new("pause_s", "Give 1 to 86400 seconds."));
        }
        _ => {}
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(SwitchError::Invalid { errors })
    }
}

/// In words, for an event.
fn told(failover: &Failover) -> &'static str {
    match (failover.mode, failover.pause) {
        (FailoverMode::Manual, _) => "failover is a person's decision",
        (FailoverMode::Automatic, None) => "failover is automatic",
        (FailoverMode::Automatic, Some(_)) => "automatic failover rests for maintenance",
    }
}

impl Keeper {
    /// Sets how the group replaces an active server that is gone, if the setting is still of this version.
    /// Only at the active server.
    ///
    /// # Errors
    /// [`SwitchError`]; nothing was changed then.
    pub async fn set_failover(
        &self,
        change: FailoverChange,
        version: i64,
        by: &str,
        audit: AuditDraft,
    ) -> Result<Failover, SwitchError> {
        validate(&change)?;
        if change.mode == FailoverMode::Automatic {
            self.refuse_doubtful().await?;
        }
        let now = clock::now();
        let failover = Failover {
            mode: change.mode,
            pause: change.pause_s.map(|s| Pause {
                until: now + i64::from(s) * 1_000,
            }),
            by: Some(by.to_owned()),
            reason: Some(change.reason.trim().to_owned()),
            since: Some(now),
            version: version + 1,
        };
        self.store_failover(failover, audit).await
    }

    /// Ends a pause whose time is over. Only the active server does so.
    pub(super) async fn end_pause(&self) {
        let present = {
            let state = self.state();
            let row = state.row.as_ref().filter(|_| state.held.is_some());
            row.map(|row| row.failover.clone())
        };
        let Some(present) = present else { return };
        if present.pause.is_none_or(|pause| clock::now() < pause.until) {
            return;
        }
        let failover = Failover {
            pause: None,
            by: Some(BY_ITSELF.to_owned()),
            reason: Some("the maintenance's time is over".to_owned()),
            since: Some(clock::now()),
            version: present.version + 1,
            ..present
        };
        let why = failover.reason.clone().unwrap_or_default();
        let audit = audit_by_itself("failover.set", self.parts.group.clone(), &why);
        if let Err(error) = self.store_failover(failover, audit).await {
            tracing::warn!(%error, "the pause of automatic failover could not be ended; tried again");
        }
    }

    async fn store_failover(
        &self,
        failover: Failover,
        mut audit: AuditDraft,
    ) -> Result<Failover, SwitchError> {
        let (fence, before) = {
            let mut state = self.state();
            let before = state.row.as_ref().map(|row| row.failover.clone());
            let held = state
                .held
                .as_mut()
                .ok_or_else(|| SwitchError::WrongServer {
                    why: "The mode of failover is set at the active server, which this one is not."
                        .into(),
                    url: None,
                })?;
            if failover.is_automatic() {
                // The limit holds here before any standby can act on it.
                held.holder.set_mode(Mode::Automatic);
            }
            (held.fence.clone(), before)
        };
        self.tell();
        audit.before = before.and_then(|before| serde_json::to_value(before).ok());
        audit.after = serde_json::to_value(&failover).ok();
        let actor = audit.actor.clone();
        let event = Self::event(
            Severity::Info,
            "failover.set",
            &self.parts.group,
            format!(
                "{}: {}",
                told(&failover),
                failover.reason.as_deref().unwrap_or_default()
            ),
            &actor,
        );
        let notes = Notes {
            events: vec![event],
            audit: vec![audit],
        };
        let stored = self
            .parts
            .store
            .set_failover(&fence, &failover, notes)
            .await;
        self.follow_mode(&fence).await;
        let events = stored?;
        self.publish(events);
        self.publish_group(true).await;
        Ok(failover)
    }

    /// Holds the lease as the database says. What it says is not known after an error: then the stricter mode
    /// stays until it is.
    pub(super) async fn follow_mode(&self, fence: &Fence) {
        let row = match self.parts.store.epoch().await {
            Ok(row) => row,
            Err(StoreError::Fenced { .. }) => return,
            Err(error) => {
                tracing::warn!(%error, "the mode of failover could not be read back");
                return;
            }
        };
        {
            let mut state = self.state();
            if let Some(held) = state.held.as_mut().filter(|h| h.fence == *fence) {
                held.holder.set_mode(mode_of(&row));
                state.row = Some(row);
            }
        }
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(mode: FailoverMode, pause_s: Option<u32>, reason: &str) -> FailoverChange {
        FailoverChange {
            mode,
            pause_s,
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn values_have_bounds() {
        let automatic = FailoverMode::Automatic;
        assert!(validate(&change(automatic, None, "nobody at night")).is_ok());
        assert!(validate(&change(automatic, Some(86_400), "new switch")).is_ok());
        for bad in [
            change(automatic, Some(0), "new switch"),
            change(automatic, Some(86_401), "new switch"),
            change(FailoverMode::Manual, Some(60), "new switch"),
            change(automatic, None, ""),
        ] {
            assert!(validate(&bad).is_err(), "{bad:?}");
        }
    }
}
