//! Backups that are made by themselves, and the line about them among the checks.

use super::super::{day, schedule};
use super::Backups;
use crate::clock;
use crate::store::Notes;
use gridhelm_api::Millis;
use gridhelm_api::event::Severity;
use gridhelm_api::switch::{Check, Outcome};
use gridhelm_api::upkeep::BackupFailure;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Who asks for those that are made by themselves.
const SCHEDULE: &str = "the schedule";
/// How often it is looked whether one is due.
const LOOK_EVERY: Duration = Duration::from_secs(5);

impl Backups {
    /// Makes backups by the schedule as long as the server runs, while it is active.
    pub(crate) async fn keep(self: Arc<Self>, stopping: CancellationToken) {
        let (this, stopped) = (Arc::clone(&self), stopping.clone());
        tokio::spawn(async move {
            stopped.cancelled().await;
            if let Some((_, progress)) = &this.state().running {
                progress.call_off();
            }
        });
        let mut interval = tokio::time::interval(LOOK_EVERY);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                _ = interval.tick() => {}
            }
            self.put_line().await;
            let Some(at) = self.parts.config.at else {
                continue;
            };
            if self.parts.standing.borrow().fence().is_err() {
                continue;
            }
            self.by_schedule(at).await;
        }
    }

    async fn by_schedule(self: &Arc<Self>, at: u32) {
        let now = clock::now();
        let Ok(shown) = self.shown().await else {
            return;
        };
        let own = |made_by: &str| made_by == SCHEDULE;
        let newest = shown
            .items
            .iter()
            .filter(|file| own(&file.made_by))
            .filter_map(|file| file.made_at)
            .max();
        let tried = self.state().tried;
        if !schedule::due(at, newest, tried, now) {
            return;
        }
        self.state().tried = Some(now);
        match self.reserve(SCHEDULE) {
            Ok(name) => self.make(&name, SCHEDULE).await,
            Err(error) => {
                tracing::error!(%error, "the backup of the schedule was not made");
                let why = error.to_string();
                self.state().failed = Some(BackupFailure {
                    at: now,
                    by: SCHEDULE.to_owned(),
                    why: why.clone(),
                });
                let event = Self::event(
                    Severity::Fail,
                    "backup.failed",
                    &self.parts.group,
                    why,
                    SCHEDULE,
                );
                self.note(Notes::event(event)).await;
            }
        }
        if self.state().failed.is_none() {
            self.remove_old().await;
        }
    }

    /// Those of the schedule beyond the newest that are kept go; what a person had made stays.
    async fn remove_old(&self) {
        let (Ok(shown), Ok(folder)) = (self.shown().await, self.folder()) else {
            return;
        };
        let own = shown
            .items
            .iter()
            .filter(|file| file.made_by == SCHEDULE && file.fault.is_none());
        for file in own.skip(self.parts.config.keep.max(1) as usize) {
            let path = folder.path.join(&file.name);
            match std::fs::remove_file(&path) {
                Ok(()) => {
                    let event = Self::event(
                        Severity::Info,
                        "backup.removed",
                        &file.name,
                        "was removed: newer ones are kept".to_owned(),
                        SCHEDULE,
                    );
                    self.note(Notes::event(event)).await;
                }
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "an old backup could not be removed")
                }
            }
        }
    }

    /// The line about backups among the checks: only where they are made by themselves.
    pub(super) async fn put_line(&self) {
        let Some(at) = self.parts.config.at else {
            return;
        };
        let Ok(shown) = self.shown().await else {
            return;
        };
        let newest = shown.items.iter().filter_map(|file| file.made_at).max();
        self.parts
            .board
            .put(line(at, newest, shown.failed.as_ref(), clock::now()));
    }
}

/// Whether backups are made as they should be.
fn line(at: u32, newest: Option<Millis>, failed: Option<&BackupFailure>, now: Millis) -> Check {
    let wanted = schedule::last(at, now) - day::DAY;
    let (outcome, evidence, repair) = match (newest, failed) {
        (_, Some(failed)) => (
            Outcome::Fail,
            format!("The last one was not made: {}", failed.why),
            Some("Mend that, then make one by hand on the page Backups."),
        ),
        (Some(newest), None) if newest >= wanted => (
            Outcome::Pass,
            "The newest is of the last day.".to_owned(),
            None,
        ),
        (Some(_), None) => (
            Outcome::Warn,
            "The newest is older than a day.".to_owned(),
            Some("Look at the page Backups."),
        ),
        (None, None) => (
            Outcome::Warn,
            "There is none yet.".to_owned(),
            Some("Make one on the page Backups."),
        ),
    };
    Check {
        id: "backups".into(),
        title: "Backups are made".into(),
        outcome,
        evidence,
        repair: repair.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_backups_stand() {
        let now = 20 * day::DAY;
        let failed = BackupFailure {
            at: now,
            by: SCHEDULE.to_owned(),
            why: "no space".to_owned(),
        };
        assert_eq!(line(0, Some(now), None, now).outcome, Outcome::Pass);
        assert_eq!(
            line(0, Some(now - 3 * day::DAY), None, now).outcome,
            Outcome::Warn
        );
        assert_eq!(line(0, None, None, now).outcome, Outcome::Warn);
        let bad = line(0, Some(now), Some(&failed), now);
        assert_eq!(bad.outcome, Outcome::Fail);
        assert!(bad.evidence.contains("no space"));
    }
}
