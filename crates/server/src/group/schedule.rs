//! Switches that are not done at once: tried out, put off to a time, called off.

use super::automatic::BY_ITSELF;
use super::keeper::Keeper;
use super::preflight::tasks;
use super::switch::{RECENT, made};
use super::{SwitchError, record};
use crate::clock;
use crate::store::{AuditDraft, Notes, StoreError};
use gridhelm_api::Millis;
use gridhelm_api::event::Severity;
use gridhelm_api::switch::{AfterDrain, StepState, SwitchRecord, SwitchRequest, SwitchState};
use std::sync::Arc;

/// A scheduled switch that nobody began so long after its time is called off: the server was down, and whoever
/// planned it then looks at another group now. Milliseconds.
const MISSED: Millis = 120_000;

impl Keeper {
    /// Says what a switchover would do, step by step. Nothing is changed or recorded.
    pub(super) async fn try_out(
        &self,
        mut record: SwitchRecord,
        request: &SwitchRequest,
    ) -> Result<SwitchRecord, SwitchError> {
        let (_, preflight) = self.look_before(&record.to).await?;
        "dry-run".clone_into(&mut record.id);
        record::done(&mut record, "preflight", made(&preflight));
        if !preflight.may_switch() {
            record::begin(&mut record, "preflight", made(&preflight));
            record::fail(&mut record, made(&preflight));
        } else if let (false, Err(SwitchError::Held { left_s })) =
            (request.override_hold, self.check_hold().await)
        {
            record::begin(&mut record, "preflight", "");
            record::fail(
                &mut record,
                format!("The group was switched a moment ago; held back for {left_s} s more."),
            );
        } else {
            record::finish(&mut record);
        }
        let running = self.parts.duties.in_flight().running;
        let (from, to) = (self.parts.me.server.clone(), record.to.clone());
        let epoch = record.epoch_before;
        for (id, note) in [
            ("drain", drain_in_words(request, running)),
            (
                "park",
                format!("{to} would get ready; new requests would wait, at most 2 s"),
            ),
            ("release", format!("{from} would give up epoch {epoch}")),
            ("take", format!("{to} would take epoch {}", epoch + 1)),
            (
                "verify",
                format!("{to} would be asked whether it is active"),
            ),
            (
                "after",
                "balancer, zombies, repository and tasks would be looked at there".to_owned(),
            ),
        ] {
            if let Some(step) = record
                .steps
                .iter_mut()
                .find(|s| s.id == id && s.state == StepState::Todo)
            {
                step.note = note;
            }
        }
        record.after = preflight.checks;
        Ok(record)
    }

    /// Puts a switchover off to its time. What stands against it now is noted, and looked at again then.
    pub(super) async fn schedule(
        &self,
        mut record: SwitchRecord,
        request: &SwitchRequest,
        audit: AuditDraft,
    ) -> Result<SwitchRecord, SwitchError> {
        if let Some(other) = self.scheduled().await? {
            return Err(SwitchError::Underway {
                id: other.id,
                to: other.to,
            });
        }
        let (_, preflight) = self.look_before(&record.to).await?;
        record.state = SwitchState::Scheduled;
        let looked = format!(
            "{} when it was planned; checked again at its time",
            made(&preflight)
        );
        if let Some(step) = record.steps.first_mut() {
            step.note = looked;
        }
        let message = format!(
            "switchover from {} to {} is planned: {}",
            self.parts.me.server,
            record.to,
            request.reason.trim()
        );
        let event = Self::event(
            Severity::Info,
            "switch.scheduled",
            &record.id,
            message,
            &record.by,
        );
        let notes = Notes {
            events: vec![event],
            audit: vec![audit],
        };
        let events = self.parts.store.put_switch(&record, notes).await?;
        self.publish(events);
        self.show(&record);
        Ok(record)
    }

    /// The switch that waits for its time.
    async fn scheduled(&self) -> Result<Option<SwitchRecord>, StoreError> {
        let latest = self.parts.store.switches(RECENT).await?;
        Ok(latest
            .into_iter()
            .find(|s| s.state == SwitchState::Scheduled))
    }

    /// Begins a scheduled switch whose time has come, or closes one that cannot be done any more. Only the active
    /// server does so; about once a second.
    pub(super) async fn begin_due(self: &Arc<Self>) {
        if !self.held() {
            return;
        }
        let mut record = match self.scheduled().await {
            Ok(Some(record)) => record,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(%error, "scheduled switches cannot be read");
                return;
            }
        };
        let now = clock::now();
        let me = &self.parts.me.server;
        let at = record.at.unwrap_or(now);
        let gone = if record.from.as_ref() != Some(me) {
            Some(format!(
                "{me} is active now, which was not so when it was planned"
            ))
        } else if now - at > MISSED {
            Some("no server was active at its time".to_owned())
        } else {
            None
        };
        if let Some(why) = gone {
            record::cancel(&mut record, why.clone());
            return self
                .close(
                    record,
                    &format!("the planned switchover is dropped: {why}"),
                    BY_ITSELF,
                    None,
                )
                .await;
        }
        if now < at {
            return;
        }
        let Ok(lead) = self.lead(&record.id, &record.to) else {
            return;
        };
        record.state = SwitchState::Running;
        record.started_at = now;
        record.epoch_before = self.status().epoch;
        let message = format!(
            "the planned switchover from {me} to {} begins: {}",
            record.to, record.reason
        );
        let event = Self::event(
            Severity::Info,
            "switch.started",
            &record.id,
            message,
            &record.by,
        );
        let notes = Notes::event(event);
        let begun = self.begin_planned(lead, record.clone(), notes).await;
        if let Err(error) = begun {
            record::fail(&mut record, error.to_string());
            let message = format!("the planned switchover was not done: {error}");
            let event = Self::event(
                Severity::Fail,
                "switch.failed",
                &record.id,
                message,
                &record.by,
            );
            let notes = Notes::event(event);
            self.keep_record(&record, notes).await;
        }
    }

    /// Calls off a planned switch: one that waits for its time, or one that still waits for running tasks. Only at
    /// the active server.
    ///
    /// # Errors
    /// [`SwitchError::NoSuchSwitch`], [`SwitchError::Conflict`] past the point of no return, or the store's.
    pub async fn call_off(
        &self,
        id: &str,
        by: &str,
        audit: AuditDraft,
    ) -> Result<SwitchRecord, SwitchError> {
        let under_way = {
            let mut state = self.state();
            let leads = state
                .leading
                .as_ref()
                .is_some_and(|(leading, _)| leading == id);
            let record = state.switch.clone().filter(|s| leads && s.id == id);
            if record.is_some() {
                if state.past_return {
                    return Err(SwitchError::Conflict {
                        why: "It is past the point of no return; switch back when it is done."
                            .into(),
                    });
                }
                state.called_off = Some(by.to_owned());
            }
            record
        };
        if let Some(record) = under_way {
            self.audit(audit).await;
            return Ok(record);
        }
        let scheduled = self.scheduled().await?.filter(|s| s.id == id);
        let Some(mut record) = scheduled else {
            return Err(SwitchError::NoSuchSwitch {
                why: format!("No switch {id} is planned or under way at this server."),
            });
        };
        record::cancel(&mut record, format!("called off by {by}"));
        self.close(
            record.clone(),
            &format!("the planned switchover to {} is called off", record.to),
            by,
            Some(audit),
        )
        .await;
        Ok(record)
    }

    async fn close(
        &self,
        record: SwitchRecord,
        message: &str,
        by: &str,
        audit: Option<AuditDraft>,
    ) {
        let event = Self::event(
            Severity::Info,
            "switch.cancelled",
            &record.id,
            message.to_owned(),
            by,
        );
        let notes = Notes {
            events: vec![event],
            audit: audit.into_iter().collect(),
        };
        self.keep_record(&record, notes).await;
    }

    async fn audit(&self, audit: AuditDraft) {
        let notes = Notes::audit(audit);
        if let Err(error) = self.parts.store.note(notes).await {
            tracing::warn!(%error, "a switch that was called off was not audited");
        }
    }
}

fn drain_in_words(request: &SwitchRequest, running: usize) -> String {
    let then = match request.after_drain {
        AfterDrain::CallOff => "then it would be called off",
        AfterDrain::Interrupt => "then they would be interrupted",
    };
    match running {
        0 => "no task runs".to_owned(),
        n => format!(
            "{} now; it would wait up to {} s, {then}",
            tasks(n),
            request.drain_s
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridhelm_api::switch::SwitchKind;

    #[test]
    fn a_dry_run_tells_what_becomes_of_tasks() {
        let mut request = SwitchRequest::new(SwitchKind::Planned, "east-2", 1, "kernel");
        request.drain_s = 30;
        assert_eq!(drain_in_words(&request, 0), "no task runs");
        assert!(
            drain_in_words(&request, 2)
                .contains("2 tasks now; it would wait up to 30 s, then it would be called off")
        );
        request.after_drain = AfterDrain::Interrupt;
        assert!(drain_in_words(&request, 1).contains("interrupted"));
    }
}
