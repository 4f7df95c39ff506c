//! A switch as it is asked for: what is refused, and how a switchover begins. Its steps are in
//! `handover`, a failover in `failover`.

use super::keeper::Keeper;
use super::{SwitchError, record};
use crate::store::{AuditDraft, Notes};
use gridhelm_api::event::Severity;
use gridhelm_api::group::ServerRole;
use gridhelm_api::names::{check_name, check_reason};
use gridhelm_api::switch::{Outcome, SwitchKind, SwitchRecord, SwitchRequest};
use gridhelm_api::{FieldError, Problem};
use std::sync::Arc;
use std::time::Duration;

/// The longest time that a person may let a switch wait for running tasks, seconds.
const MAX_DRAIN_S: u32 = 3_600;

/// As long as it lives this process leads a switch, and no other can begin here.
pub(super) struct Lead {
    keeper: Arc<Keeper>,
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.keeper.state().leading = None;
    }
}

/// Checks the values of a request.
fn validate(request: &SwitchRequest) -> Result<(), SwitchError> {
    let mut errors: Vec<FieldError> = [
        check_name("to", &request.to),
        check_reason("reason", &request.reason),
    ]
    .into_iter()
    .filter_map(Result::err)
    .collect();
    if request.drain_s > MAX_DRAIN_S {
        errors.push(FieldError::new("drain_s", "Give 0 to 3600 seconds."));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(SwitchError::Invalid { errors })
    }
}

impl Keeper {
    /// Begins a switch; it goes on in the background and is published as it goes. A planned one must be asked
    /// of the active server, a forced one of the server that shall take over.
    ///
    /// # Errors
    /// [`SwitchError`]; nothing was changed then. A refusal is audited, too.
    pub async fn switch(
        self: &Arc<Self>,
        request: SwitchRequest,
        by: &str,
        audit: AuditDraft,
    ) -> Result<SwitchRecord, SwitchError> {
        validate(&request)?;
        let asked = match request.kind {
            SwitchKind::Planned => self.planned(&request, by, audit.clone()).await,
            SwitchKind::Forced => self.forced(&request, by, audit.clone()).await,
            SwitchKind::Automatic => Err(SwitchError::Invalid {
                errors: vec![FieldError::new(
                    "kind",
                    "Ask for planned or forced; automatic is what a standby decides by itself.",
                )],
            }),
        };
        if let Err(error) = &asked {
            self.audit_refusal(audit, error.problem()).await;
        }
        asked
    }

    async fn audit_refusal(&self, mut audit: AuditDraft, problem: Problem) {
        audit.after = Some(serde_json::json!({ "refused": problem.code, "why": problem.detail }));
        let notes = Notes {
            events: Vec::new(),
            audit: vec![audit],
        };
        if let Err(error) = self.parts.store.note(notes).await {
            tracing::warn!(%error, "a refused switch was not audited");
        }
    }

    /// Begins to lead a switch, unless this process leads one.
    pub(super) fn lead(self: &Arc<Self>, id: &str, to: &str) -> Result<Lead, SwitchError> {
        let mut state = self.state();
        if let Some((id, to)) = &state.leading {
            return Err(SwitchError::Underway {
                id: id.clone(),
                to: to.clone(),
            });
        }
        state.leading = Some((id.to_owned(), to.to_owned()));
        Ok(Lead {
            keeper: Arc::clone(self),
        })
    }

    /// A fresh record of what is asked.
    pub(super) fn record_of(
        &self,
        request: &SwitchRequest,
        by: &str,
    ) -> Result<SwitchRecord, SwitchError> {
        let id = crate::random::hex(6).map_err(|error| SwitchError::Conflict {
            why: format!("The system gives no random numbers: {error}"),
        })?;
        let id = format!("s-{id}");
        Ok(SwitchRecord {
            by: by.to_owned(),
            reason: request.reason.trim().to_owned(),
            epoch_before: request.expect_epoch,
            ..record::new(request.kind, id, &self.parts.group, &request.to)
        })
    }

    async fn planned(
        self: &Arc<Self>,
        request: &SwitchRequest,
        by: &str,
        audit: AuditDraft,
    ) -> Result<SwitchRecord, SwitchError> {
        let status = self.status();
        if status.role != ServerRole::Active {
            let leading = self.state().leading.clone();
            return Err(leading.map_or_else(
                || SwitchError::WrongServer {
                    why: "A switchover is asked of the active server, which this one is not."
                        .into(),
                    url: status.active_url,
                },
                |(id, to)| SwitchError::Underway { id, to },
            ));
        }
        let mut record = self.record_of(request, by)?;
        let lead = self.lead(&record.id, &request.to)?;
        if request.expect_epoch != status.epoch {
            return Err(SwitchError::EpochMismatch {
                expected: request.expect_epoch,
                epoch: status.epoch,
            });
        }
        if request.to == self.parts.me.server {
            return Err(SwitchError::Conflict {
                why: format!("{} is active already; choose a standby.", request.to),
            });
        }
        let member = self.member(&request.to).await?;
        let preflight = self.preflight(&request.to).await?;
        if !preflight.may_switch() {
            return Err(SwitchError::NotReady(Box::new(preflight)));
        }
        let warned = preflight
            .checks
            .iter()
            .filter(|c| c.outcome == Outcome::Warn)
            .count();
        let note = match warned {
            0 => format!("{} checks passed", preflight.checks.len()),
            n => format!("{} checks made, {n} with a warning", preflight.checks.len()),
        };
        record.from = Some(self.parts.me.server.clone());
        record::done(&mut record, "preflight", note);
        let event = Self::event(
            Severity::Info,
            "switch.started",
            &record.id,
            format!(
                "switchover from {} to {}: {}",
                self.parts.me.server, record.to, record.reason
            ),
            by,
        );
        let notes = Notes {
            events: vec![event],
            audit: vec![audit],
        };
        let events = self.parts.store.put_switch(&record, notes).await?;
        self.publish(events);
        self.show(&record);
        let within = Duration::from_secs(u64::from(request.drain_s));
        let (keeper, begun) = (Arc::clone(self), record.clone());
        self.spawn(async move { keeper.run_planned(lead, record, member, within).await });
        Ok(begun)
    }
}
