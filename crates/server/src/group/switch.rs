//! A switch as it is asked for: what is refused, and how a switchover begins. Its steps are in
//! `handover`, a failover in `failover`.

use super::keeper::Keeper;
use super::{SwitchError, hold, record};
use crate::clock;
use crate::store::{AuditDraft, Notes};
use gridhelm_api::event::Severity;
use gridhelm_api::group::{Member, ServerRole};
use gridhelm_api::names::{check_name, check_reason};
use gridhelm_api::switch::{
    AfterDrain, Drain, MAX_AHEAD_S, Outcome, Preflight, SwitchKind, SwitchRecord, SwitchRequest,
    SwitchState,
};
use gridhelm_api::{FieldError, Problem};
use std::sync::Arc;

/// How many switches of the past are looked at for one that was done.
pub(super) const RECENT: u32 = 20;
/// The longest time that a person may let a switch wait for running tasks, seconds.
const MAX_DRAIN_S: u32 = 3_600;

/// As long as it lives this process leads a switch, and no other can begin here.
pub(super) struct Lead {
    keeper: Arc<Keeper>,
}

impl Drop for Lead {
    fn drop(&mut self) {
        let mut state = self.keeper.state();
        state.leading = None;
        state.called_off = None;
        state.past_return = false;
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
    if let Some(at) = request.at {
        let ahead = at - clock::now();
        if !(0..=i64::from(MAX_AHEAD_S) * 1_000).contains(&ahead) {
            errors.push(FieldError::new("at", "Give a moment of the next 7 days."));
        }
        if request.kind != SwitchKind::Planned {
            errors.push(FieldError::new(
                "at",
                "Only a planned switch can wait for its time.",
            ));
        }
    }
    if request.dry_run && request.kind != SwitchKind::Planned {
        errors.push(FieldError::new(
            "dry_run",
            "Only a planned switch can be tried out.",
        ));
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
        let notes = Notes::audit(audit);
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
            at: request.at,
            drain: (request.kind == SwitchKind::Planned).then_some(Drain {
                within_s: request.drain_s,
                then: request.after_drain,
            }),
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
        record.from = Some(self.parts.me.server.clone());
        if request.dry_run {
            return self.try_out(record, request).await;
        }
        if request.at.is_some() {
            return self.schedule(record, request, audit).await;
        }
        if !request.override_hold {
            self.check_hold().await?;
        }
        let note = format!(
            "switchover from {} to {}: {}",
            self.parts.me.server, record.to, record.reason
        );
        let started = Self::event(Severity::Info, "switch.started", &record.id, note, by);
        let notes = Notes {
            events: vec![started],
            audit: vec![audit],
        };
        self.begin_planned(lead, record, notes).await
    }

    /// Refuses a switch that follows too soon on another.
    pub(super) async fn check_hold(&self) -> Result<(), SwitchError> {
        let latest = self.parts.store.switches(RECENT).await?;
        let latest = latest
            .iter()
            .find(|switch| switch.state == SwitchState::Done);
        let now = clock::now();
        match hold::held_until(latest, now) {
            None => Ok(()),
            Some(until) => Err(SwitchError::Held {
                left_s: (until - now + 999) / 1_000,
            }),
        }
    }

    /// Whether the server named by a switch could take over now, and how it stands.
    pub(super) async fn look_before(&self, to: &str) -> Result<(Member, Preflight), SwitchError> {
        if to == self.parts.me.server {
            return Err(SwitchError::Conflict {
                why: format!("{to} is active already; choose a standby."),
            });
        }
        let member = self.member(to).await?;
        let preflight = self.preflight(to).await?;
        Ok((member, preflight))
    }

    /// Begins a switchover whose record is made: looks, stores, and goes on in the background.
    pub(super) async fn begin_planned(
        self: &Arc<Self>,
        lead: Lead,
        mut record: SwitchRecord,
        notes: Notes,
    ) -> Result<SwitchRecord, SwitchError> {
        let (member, preflight) = self.look_before(&record.to).await?;
        if !preflight.may_switch() {
            return Err(SwitchError::NotReady(Box::new(preflight)));
        }
        record::done(&mut record, "preflight", made(&preflight));
        let events = self.parts.store.put_switch(&record, notes).await?;
        self.publish(events);
        self.show(&record);
        let drain = record.drain.unwrap_or(Drain {
            within_s: 0,
            then: AfterDrain::CallOff,
        });
        let (keeper, begun) = (Arc::clone(self), record.clone());
        self.spawn(async move { keeper.run_planned(lead, record, member, drain).await });
        Ok(begun)
    }
}

/// How the checks of a preflight ended, in words.
pub(super) fn made(preflight: &Preflight) -> String {
    let total = preflight.checks.len();
    let ended = |outcome| {
        preflight
            .checks
            .iter()
            .filter(|c| c.outcome == outcome)
            .count()
    };
    match (ended(Outcome::Fail), ended(Outcome::Warn)) {
        (0, 0) => format!("{total} checks passed"),
        (0, n) => format!("{total} checks made, {n} with a warning"),
        (n, _) => format!("{total} checks made, {n} failed"),
    }
}
