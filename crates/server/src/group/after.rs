//! What is looked at after a switch, at the new active server: whether clients find it, whether the old server's
//! sessions are gone, whether files can be read and tasks run.

use super::keeper::Keeper;
use super::peer::After;
use super::preflight::{ms, pass, tasks, warn};
use super::record;
use crate::clock::Moment;
use futures_util::future::BoxFuture;
use gridhelm_api::switch::{Check, Outcome, SwitchRecord};
use std::time::{Duration, Instant};

/// How long is waited for what must come right by itself.
const WITHIN: Duration = Duration::from_secs(3);
/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(100);
/// How long the new active server may take for all of it.
const ASK: Duration = Duration::from_secs(6);

/// Looks until it passes, or the time for that is over.
async fn come_right<'a>(look: impl Fn() -> BoxFuture<'a, Check> + Send) -> Check {
    let deadline = Instant::now() + WITHIN;
    loop {
        let check = look().await;
        if check.outcome == Outcome::Pass || Instant::now() >= deadline {
            return check;
        }
        tokio::time::sleep(EVERY).await;
    }
}

impl Keeper {
    /// Looks at this server, which has become active: what there is to see, and how many requests for work it
    /// refused in the time `within` before.
    pub async fn after(&self, within: Duration) -> After {
        let refused = self.refusals.of_late(Moment::now(), within);
        let (balancer, zombies, repository) = tokio::join!(
            self.balancer_after(),
            self.zombies_after(),
            self.repository_after()
        );
        After {
            checks: vec![balancer, zombies, repository, self.tasks_after()],
            refused,
        }
    }

    /// Adds to a record what there is to see at the new active server, and what the switch cost clients.
    pub(super) async fn look_after(&self, record: &mut SwitchRecord, url: &str, began: Instant) {
        record::begin(record, "after", format!("{} looks at itself", record.to));
        self.show(record);
        let since = began.elapsed();
        let mine = self.refusals.of_late(Moment::now(), since);
        let here = url == self.parts.me.url;
        let after = if here {
            Ok(self.after(since).await)
        } else {
            self.peers.after(url, since, ASK).await
        };
        match after {
            Ok(after) => {
                let theirs = if here { 0 } else { after.refused };
                record.failed_requests = Some(mine + theirs);
                record.after = after.checks;
            }
            Err(why) => {
                record.failed_requests = Some(mine);
                record.after = vec![warn(
                    "after",
                    "Looked at afterwards",
                    format!("Not known: {why}."),
                    format!("Look at {} and at the pages Grid and Tasks.", record.to),
                )];
            }
        }
        let odd: Vec<&str> = record
            .after
            .iter()
            .filter(|check| check.outcome != Outcome::Pass)
            .map(|check| check.title.as_str())
            .collect();
        let note = match odd.as_slice() {
            [] => format!("{} checks passed", record.after.len()),
            odd => format!("worth a look: {}", odd.join(", ")),
        };
        record::done(record, "after", note);
    }

    async fn balancer_after(&self) -> Check {
        let me = &self.parts.me.server;
        if self.parts.balancer.is_none() {
            return self.balancer_check(Some(me), None).await;
        }
        come_right(|| Box::pin(self.balancer_check(Some(me), None))).await
    }

    async fn zombies_after(&self) -> Check {
        come_right(|| Box::pin(self.zombies_check())).await
    }

    async fn repository_after(&self) -> Check {
        let title = "Repository readable";
        let began = Instant::now();
        match self.parts.store.count_files().await {
            Ok(files) => pass(
                "repository",
                title,
                format!(
                    "{} counted {files} files in {}.",
                    self.parts.me.server,
                    ms(began.elapsed())
                ),
            ),
            Err(error) => warn(
                "repository",
                title,
                format!("It cannot be read: {error}."),
                "Look at the database.".to_owned(),
            ),
        }
    }

    fn tasks_after(&self) -> Check {
        let title = "Tasks going";
        let flight = self.parts.duties.in_flight();
        let evidence = format!(
            "{} run{}, {} wait.",
            tasks(flight.running),
            if flight.running == 1 { "s" } else { "" },
            flight.queued
        );
        if flight.queued > 0 && flight.running == 0 {
            return warn(
                "tasks_going",
                title,
                evidence,
                "Look at the grid: is a slot free for them?".to_owned(),
            );
        }
        pass("tasks_going", title, evidence)
    }
}
