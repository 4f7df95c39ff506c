//! What a drill's clients saw, and what must hold of it.

use super::Crew;
use crate::harness::load::{Answered, Load};
use crate::harness::{HarnessError, Result, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long tasks may take to end after the last fault.
const SETTLE: Duration = Duration::from_mins(1);
/// How long reclaimed sessions may take to be gone.
const RECLAIM: Duration = Duration::from_secs(10);

/// A load's answers.
pub struct History {
    load: Load,
}

/// What a drill found.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Requests sent.
    pub requests: usize,
    /// Those without a good answer.
    pub failed: usize,
    /// Tasks whose acceptance was answered.
    pub acknowledged: usize,
    /// Those of them that the group does not know.
    pub lost: usize,
    /// Tasks with more than one attempt that ended well.
    pub doubled: usize,
    /// Tasks that wait for a person.
    pub uncertain: usize,
    /// R sessions of an older epoch that still run.
    pub zombies: usize,
    /// Work directories whose session is gone.
    pub workdirs: usize,
    /// The longest time between two good answers.
    pub gap: Duration,
    /// The longest time between two tasks that were accepted.
    pub task_gap: Duration,
    /// The epochs that good answers named, in order.
    pub epochs: Vec<i64>,
    /// What did not hold, in words.
    pub broken: Vec<String>,
    /// What became of the first requests that failed.
    pub failures: Vec<String>,
    /// What else was measured: milliseconds by name.
    pub figures: BTreeMap<&'static str, f64>,
}

impl Verdict {
    /// Whether everything held.
    pub fn holds(&self) -> bool {
        self.broken.is_empty()
    }

    /// Notes a time that was measured.
    pub fn figure(&mut self, name: &'static str, took: Duration) {
        self.figures
            .insert(name, (took.as_secs_f64() * 1e4).round() / 10.0);
    }

    /// Notes what did not hold.
    pub fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(what());
        }
    }
}

impl History {
    /// Begins the load: 50 requests a second through the load balancer with east's cookie, half of them tasks.
    pub fn begin(crew: &Crew) -> Self {
        let load = Load::begin(&crew.local.ready.load_balancer, "east", crew.token());
        Self { load }
    }

    /// Waits until so many more requests were answered well.
    ///
    /// # Errors
    /// When they were not within a minute.
    pub async fn good(&self, more: usize) -> Result<()> {
        self.load.good(more).await
    }

    /// Ends the load, waits until every task has ended, and judges; `active` is the server that is active now.
    ///
    /// # Errors
    /// When the deployment does not answer.
    pub async fn judge(self, crew: &Crew, active: &str) -> Result<Verdict> {
        let answers = self.load.end().await;
        let mut verdict = of_answers(&answers);
        let api = crew.api(active)?;
        for id in answers.iter().filter_map(|a| a.task.as_deref()) {
            verdict.acknowledged += 1;
            let path = format!("tasks/{id}");
            let what = format!("the end of task {id}");
            let ended = wait_for(&what, SETTLE, || async {
                let answer = api.get(&path).await?;
                let state = answer.body["state"].as_str().unwrap_or_default();
                let over = answer.status == 404 || !["", "queued", "running"].contains(&state);
                Ok(over.then_some(answer))
            });
            let task = match ended.await {
                Ok(task) => task,
                Err(error) => {
                    let now = api.get(&path).await?.body;
                    return Err(HarnessError(format!("{error}: {now}")));
                }
            };
            if task.status == 404 {
                verdict.lost += 1;
                verdict
                    .broken
                    .push(format!("{id} was acknowledged and is not known"));
            }
            if task.body["state"] == "uncertain" {
                verdict.uncertain += 1;
            }
            if succeeded_attempts(&task.body) > 1 {
                verdict.doubled += 1;
                verdict
                    .broken
                    .push(format!("{id} ended well twice: {}", task.body));
            }
        }
        let epoch = api.get("group").await?.body["epoch"].as_i64().unwrap_or(0);
        let gone = wait_for("sessions of older epochs to be gone", RECLAIM, || async {
            Ok(crew.zombies(epoch).is_empty().then_some(()))
        });
        if gone.await.is_err() {
            let left = crew.zombies(epoch);
            verdict.zombies = left.len();
            verdict
                .broken
                .push(format!("R sessions of older epochs run: {left:?}"));
        }
        Ok(verdict)
    }
}

/// Attempts without a failure, of a task that succeeded.
fn succeeded_attempts(task: &Value) -> usize {
    if task["state"] != "succeeded" {
        return 0;
    }
    let attempts = task["attempts"].as_array();
    attempts.map_or(0, |all| {
        all.iter().filter(|a| a["failure"].is_null()).count()
    })
}

/// What the answers alone tell.
fn of_answers(answers: &[Answered]) -> Verdict {
    let mut verdict = Verdict {
        requests: answers.len(),
        ..Verdict::default()
    };
    let mut good: Vec<_> = answers.iter().filter(|a| a.epoch.is_some()).collect();
    good.sort_by_key(|a| a.answered);
    verdict.failed = answers.len() - good.len();
    verdict.failures = answers
        .iter()
        .filter(|a| a.epoch.is_none())
        .take(5)
        .map(|a| a.said.clone())
        .collect();
    let mut last: Option<&Answered> = None;
    let mut last_task = None;
    let mut highest = 0;
    for answer in &good {
        let epoch = answer.epoch.unwrap_or_default();
        verdict.gap = verdict.gap.max(last.map_or(Duration::ZERO, |last| {
            answer.answered.saturating_sub(last.answered)
        }));
        last = Some(answer);
        if answer.task.is_some() {
            let since = last_task.map_or(Duration::ZERO, |last: Duration| {
                answer.answered.saturating_sub(last)
            });
            verdict.task_gap = verdict.task_gap.max(since);
            last_task = Some(answer.answered);
        }
        // Asked after a higher epoch was told, nobody may answer with a lower one.
        let before = good.iter().filter(|b| b.answered < answer.sent);
        let known = before.filter_map(|b| b.epoch).max().unwrap_or(0);
        verdict.must(epoch >= known, || {
            format!("epoch {epoch} was told to a request sent after epoch {known} was told")
        });
        if epoch > highest {
            highest = epoch;
            verdict.epochs.push(epoch);
        }
    }
    verdict.must(!good.is_empty(), || {
        "no request was answered well".to_owned()
    });
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(sent: u64, answered: u64, epoch: Option<i64>) -> Answered {
        Answered {
            sent: Duration::from_millis(sent),
            answered: Duration::from_millis(answered),
            epoch,
            task: None,
            said: String::new(),
        }
    }

    #[test]
    fn the_gap_and_the_failures_are_counted() {
        let verdict = of_answers(&[
            answer(0, 5, Some(1)),
            answer(10, 12, None),
            answer(20, 100, Some(2)),
        ]);
        assert_eq!((verdict.requests, verdict.failed), (3, 1));
        assert_eq!(verdict.gap, Duration::from_millis(95));
        assert_eq!(verdict.epochs, [1, 2]);
        assert!(verdict.holds());
    }

    #[test]
    fn an_epoch_that_falls_is_found() {
        // Sent before the higher one was told: it may be late.
        assert!(of_answers(&[answer(0, 5, Some(2)), answer(4, 9, Some(1))]).holds());
        assert!(!of_answers(&[answer(0, 5, Some(2)), answer(6, 9, Some(1))]).holds());
        assert!(!of_answers(&[]).holds());
    }

    #[test]
    fn a_task_that_ended_well_twice_is_found() {
        let attempts = json!([{ "failure": { "kind": "grid" } }, {}]);
        assert_eq!(
            succeeded_attempts(&json!({ "state": "succeeded", "attempts": attempts })),
            1
        );
        let twice = json!({ "state": "succeeded", "attempts": [{}, {}] });
        assert_eq!(succeeded_attempts(&twice), 2);
    }
}
