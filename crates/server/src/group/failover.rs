//! A failover: a person makes a standby active without the old active server's consent. Led by the server
//! that takes over.

use super::keeper::Keeper;
use super::lease::LAPSE_AFTER;
use super::preflight::tasks;
use super::role::Taking;
use super::switch::Lead;
use super::{SwitchError, record};
use crate::clock::Moment;
use crate::identity::{Life, life};
use crate::store::{AuditDraft, EpochRow, Notes, Owner, Seen, StoreError};
use gridhelm_api::FieldError;
use gridhelm_api::event::Severity;
use gridhelm_api::group::ServerRole;
use gridhelm_api::switch::{SwitchRecord, SwitchRequest};
use gridhelm_api::task::TaskState;
use rustix::process::{Pid, Signal, kill_process};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the old active server may take to answer.
const ASK: Duration = Duration::from_secs(1);
/// How long a killed process may take to be gone.
const GONE: Duration = Duration::from_secs(2);

/// How long taking the epoch may take before the old active server is looked at again: it may block it.
const BLOCKED: Duration = Duration::from_millis(500);

/// The old active server, as seen before a failover.
pub(super) struct Old {
    pub(super) owner: Option<Owner>,
    /// What is known of it, in words.
    pub(super) evidence: String,
    /// Whether it still works.
    pub(super) works: bool,
    /// For how long it has been silent.
    pub(super) silent: Duration,
    /// Tasks that ran under it.
    pub(super) running: usize,
}

impl Keeper {
    pub(super) async fn forced(
        self: &Arc<Self>,
        request: &SwitchRequest,
        by: &str,
        audit: AuditDraft,
    ) -> Result<SwitchRecord, SwitchError> {
        if request.confirm.as_deref() != Some(self.parts.group.as_str()) {
            return Err(SwitchError::Invalid {
                errors: vec![FieldError::new(
                    "confirm",
                    format!("Type the group's name, {}, to confirm.", self.parts.group),
                )],
            });
        }
        if request.to != self.parts.me.server {
            return Err(SwitchError::WrongServer {
                why: format!(
                    "A failover is asked of the server that shall take over, {}.",
                    request.to
                ),
                url: Some(self.member(&request.to).await?.url),
            });
        }
        let mut record = self.record_of(request, by)?;
        let lead = self.lead(&record.id, &request.to)?;
        if self.held() {
            return Err(SwitchError::Conflict {
                why: format!("{} is active already.", request.to),
            });
        }
        let row = self.parts.store.epoch().await?;
        if row.epoch != request.expect_epoch {
            return Err(SwitchError::EpochMismatch {
                expected: request.expect_epoch,
                epoch: row.epoch,
            });
        }
        let old = self.look_at_old(&row).await;
        record.from = old.owner.as_ref().map(|o| o.server.clone());
        record::done(&mut record, "check", old.evidence.clone());
        record::begin(&mut record, "take", "");
        let event = Self::event(
            Severity::Warn,
            "switch.forced",
            &record.id,
            format!(
                "failover to {}: {}. {} {}",
                record.to,
                record.reason,
                old.evidence,
                what_may_be_lost(&old)
            ),
            by,
        );
        let notes = Notes {
            events: vec![event.clone()],
            audit: vec![audit.clone()],
        };
        // A writer that hangs in the old active server blocks this write, too; then event and audit row are
        // committed together with the new epoch.
        let (extra, stored) = match self.parts.store.put_switch(&record, notes).await {
            Ok(events) => {
                self.publish(events);
                (None, true)
            }
            Err(error) => {
                tracing::warn!(%error, "the failover could not be recorded before it began");
                (Some(audit), false)
            }
        };
        self.show(&record);
        let (keeper, begun) = (Arc::clone(self), record.clone());
        let seen = Seen::from(row.epoch);
        self.spawn(async move {
            let late = (!stored).then_some(event);
            keeper.run_forced(lead, record, seen, old, extra).await;
            if let Some(event) = late {
                keeper.note(event).await;
            }
        });
        Ok(begun)
    }

    async fn look_at_old(&self, row: &EpochRow) -> Old {
        let me = &self.parts.me.server;
        let owner = row.owner.clone().filter(|o| o.server != *me);
        let silent = {
            let state = self.state();
            state.watcher.silent_for(Moment::now())
        };
        let open = self.parts.store.open_tasks().await.unwrap_or_default();
        let running = open
            .iter()
            .filter(|t| t.task.state == TaskState::Running)
            .count();
        let Some(owner) = owner else {
            return Old {
                owner: None,
                evidence: "No other server is active.".into(),
                works: false,
                silent,
                running,
            };
        };
        let name = &owner.server;
        let (evidence, works) = if row.released {
            (format!("{name} gave the active role up."), false)
        } else {
            let lapsed = silent >= LAPSE_AFTER;
            let lease = if lapsed {
                format!(
                    "has not renewed its lease for {:.1} s",
                    silent.as_secs_f64()
                )
            } else {
                "renews its lease".to_owned()
            };
            match self.peers.status(&owner.url, ASK).await {
                Ok((status, _)) if status.role == ServerRole::Active => {
                    (format!("{name} still answers as active and {lease}."), true)
                }
                Ok(_) => (
                    format!("{name} answers, not as active, and {lease}."),
                    !lapsed,
                ),
                Err(why) => (format!("{why}; {name} {lease}."), !lapsed),
            }
        };
        Old {
            owner: Some(owner),
            evidence,
            works,
            silent,
            running,
        }
    }

    pub(super) async fn run_forced(
        &self,
        lead: Lead,
        mut record: SwitchRecord,
        seen: Seen,
        old: Old,
        audit: Option<AuditDraft>,
    ) {
        let began = Instant::now();
        let result = self
            .take_over(&mut record, seen, old.owner.as_ref(), audit)
            .await;
        let (severity, kind, message) = match &result {
            Ok(epoch) => {
                let silent = if old.works {
                    Duration::ZERO
                } else {
                    old.silent
                };
                record.gap_ms = i64::try_from((silent + began.elapsed()).as_millis()).ok();
                self.verify_forced(&mut record, &old, *epoch).await;
                let since = began.checked_sub(silent).unwrap_or(began);
                self.look_after(&mut record, &self.parts.me.url, since)
                    .await;
                record::finish(&mut record);
                (
                    Severity::Warn,
                    "switch.done",
                    format!("{} is active under epoch {epoch} by failover", record.to),
                )
            }
            Err(why) => {
                record::fail(&mut record, why.clone());
                (
                    Severity::Fail,
                    "switch.failed",
                    format!("failover failed: {why}"),
                )
            }
        };
        let event = Self::event(severity, kind, &record.id, message, &record.by);
        let notes = Notes::event(event);
        self.keep_record(&record, notes).await;
        drop(lead);
    }

    async fn take_over(
        &self,
        record: &mut SwitchRecord,
        seen: Seen,
        old: Option<&Owner>,
        audit: Option<AuditDraft>,
    ) -> Result<i64, String> {
        let _turn = self.turn.lock().await;
        let taking = Taking {
            seen,
            by: record.by.clone(),
            reason: format!("failover: {}", record.reason),
            severity: Severity::Warn,
            audit,
        };
        let mut taken = {
            let seizing = self.seize(&taking);
            tokio::pin!(seizing);
            tokio::select! {
                taken = &mut seizing => taken,
                () = tokio::time::sleep(BLOCKED) => {
                    self.unblock(old).await;
                    seizing.await
                }
            }
        };
        if let Err(StoreError::Unavailable { .. }) = &taken
            && self.unblock(old).await
        {
            taken = self.seize(&taking).await;
        }
        let epoch = taken.map_err(|error| match error {
            StoreError::Fenced { epoch, owner } if epoch == record.epoch_before => format!(
                "{} renewed its lease meanwhile; nothing was changed",
                owner.as_deref().unwrap_or("the active server")
            ),
            StoreError::Fenced { epoch, owner } => format!(
                "{} took epoch {epoch} meanwhile; nothing was changed",
                owner.as_deref().unwrap_or("another server")
            ),
            error => format!("{error}; nothing was changed"),
        })?;
        record.epoch_after = Some(epoch);
        record::done(record, "take", format!("epoch {epoch} taken"));
        record::begin(record, "reclaim", "sessions of lower epochs are ended");
        self.keep_record(record, Notes::default()).await;
        self.assume().await;
        record::done(record, "reclaim", "nodes and tasks are taken up");
        record::begin(record, "verify", "");
        self.show(record);
        Ok(epoch)
    }

    /// The database did not let this server write. If the recorded owner's process is on this host, holds
    /// the file although its lease lapsed (it hangs, or was stopped, within a transaction), it is ended:
    /// nothing else can free the database. Whether it was.
    async fn unblock(&self, old: Option<&Owner>) -> bool {
        let Some(owner) = old else {
            return false;
        };
        // A database of its own is not freed by that: it ends what is in the way itself, or is away.
        if !self.parts.store.on_one_host() {
            return false;
        }
        let lapsed = self.state().watcher.lapsed(Moment::now());
        if !lapsed || owner.boot == self.parts.me.boot || life(owner) == Life::Dead {
            return false;
        }
        let Some(pid) = i32::try_from(owner.pid).ok().and_then(Pid::from_raw) else {
            return false;
        };
        // Checked once more right before: a pid is only what its start time says.
        if life(owner) == Life::Dead {
            return true;
        }
        tracing::warn!(
            pid = owner.pid,
            server = owner.server,
            "killing the old active server: it blocks the database past its lease"
        );
        if let Err(error) = kill_process(pid, Signal::KILL) {
            tracing::error!(%error, pid = owner.pid, "it cannot be killed");
            return false;
        }
        let deadline = Instant::now() + GONE;
        while life(owner) == Life::Alive && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        life(owner) == Life::Dead
    }

    async fn verify_forced(&self, record: &mut SwitchRecord, old: &Old, epoch: i64) {
        let me = self.status();
        let other = match &old.owner {
            None => String::new(),
            Some(owner) => match self.peers.status(&owner.url, ASK).await {
                Ok((status, _)) if status.role == ServerRole::Standby => {
                    format!("; {} stands by", owner.server)
                }
                Ok((status, _)) => format!(
                    "; {} has not stepped down yet (it says epoch {}), and can write nothing any more",
                    owner.server, status.epoch
                ),
                Err(_) => format!(
                    "; {} does not answer and will find epoch {epoch} when it returns",
                    owner.server
                ),
            },
        };
        let note = format!("{} is active under epoch {epoch}{other}", me.name);
        record::done(record, "verify", note);
    }
}

fn what_may_be_lost(old: &Old) -> String {
    let who = old.owner.as_ref().map_or("it", |o| o.server.as_str());
    match (old.running, old.works) {
        (0, false) => "No task was running.".into(),
        (0, true) => format!("No task was running; what {who} has not committed is lost."),
        (n, _) => format!(
            "{} ran under {who}: those that may repeat run again, the others are marked as failed or uncertain.",
            tasks(n)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn old(running: usize, works: bool) -> Old {
        Old {
            owner: None,
            evidence: String::new(),
            works,
            silent: Duration::ZERO,
            running,
        }
    }

    #[test]
    fn the_event_says_what_may_be_lost() {
        assert!(what_may_be_lost(&old(0, false)).contains("No task"));
        assert!(what_may_be_lost(&old(0, true)).contains("not committed"));
        assert!(what_may_be_lost(&old(1, true)).contains("1 task ran"));
        assert!(what_may_be_lost(&old(2, false)).contains("2 tasks ran"));
    }
}
