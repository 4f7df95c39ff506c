//! What the group's servers do about a database that is in doubt: two hosts that take writes, or one that may take back
//! what it acknowledged.

use super::SwitchError;
use super::keeper::Keeper;
use crate::store::EpochRow;
use gridhelm_api::event::Severity;
use gridhelm_api::switch::{Check, Outcome};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often the database is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What speaks against a failover by itself, in words.
fn against(checks: &[Check]) -> Option<String> {
    let failed = checks.iter().find(|check| check.outcome == Outcome::Fail)?;
    Some(match &failed.repair {
        Some(repair) => format!("{} {repair}", failed.evidence),
        None => failed.evidence.clone(),
    })
}

impl Keeper {
    /// Looks at the database once in a while, and tells when it comes into doubt.
    pub(super) async fn watch_database(self: Arc<Self>) {
        let mut interval = tokio::time::interval(LOOK_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let found = self.parts.store.look_at_database().await;
            let (news, held) = {
                let mut state = self.state();
                let before = against(&state.database);
                let news = against(&found).filter(|_| before.is_none());
                state.database = found;
                (news, state.held.is_some())
            };
            if let Some(why) = news.filter(|_| held) {
                tracing::error!(why, "the database is in doubt");
                let group = self.parts.group.clone();
                let me = self.parts.me.server.clone();
                self.note(Self::event(
                    Severity::Fail,
                    "database.in_doubt",
                    &group,
                    why,
                    &me,
                ))
                .await;
            }
        }
    }

    /// Why nobody may take over by itself now, as the database stands.
    async fn doubt(&self) -> Option<String> {
        against(&self.parts.store.look_at_database().await)
    }

    /// Refuses automatic failover while the database is in doubt.
    pub(super) async fn refuse_doubtful(&self) -> Result<(), SwitchError> {
        match self.doubt().await {
            None => Ok(()),
            Some(why) => Err(SwitchError::Conflict {
                why: format!("Failover cannot be automatic now. {why}"),
            }),
        }
    }

    /// Whether a claim by itself must be left, as the database stands; that is told once an epoch.
    pub(super) async fn leaves_claim(&self, row: &EpochRow) -> bool {
        let Some(why) = self.doubt().await else {
            return false;
        };
        let told = self.state().refusal_told.replace(row.epoch) == Some(row.epoch);
        if !told {
            let me = &self.parts.me.server;
            let name = row.owner.as_ref().map_or(me, |owner| &owner.server);
            let message = format!("is not replaced by itself. {why} Or fail over by hand");
            tracing::error!(message, name, "no failover by itself");
            self.note(Self::event(
                Severity::Fail,
                "failover.refused",
                name,
                message,
                me,
            ))
            .await;
        }
        // It is looked at again, not many times a second.
        tokio::time::sleep(LOOK_EVERY).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(outcome: Outcome) -> Check {
        Check {
            id: "database_one_primary".into(),
            title: "Two hosts".into(),
            outcome,
            evidence: "db1 and db2 do.".into(),
            repair: Some("Stop one.".into()),
        }
    }

    #[test]
    fn only_a_failed_check_speaks_against_it() {
        assert_eq!(against(&[]), None);
        assert_eq!(against(&[check(Outcome::Pass), check(Outcome::Warn)]), None);
        let why = against(&[check(Outcome::Warn), check(Outcome::Fail)]);
        assert_eq!(why.as_deref(), Some("db1 and db2 do. Stop one."));
    }
}
