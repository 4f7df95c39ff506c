//! `[tasks]`: how many tasks may wait and run.

use super::ConfigError;
use crate::tasks::QueueLimits;
use serde::Deserialize;

/// The longest queue that can be configured.
const MOST: u32 = 1_000_000;

/// The longest time that a session may be kept, seconds.
const LONGEST_IDLE: u32 = 3_600;

/// `[tasks]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TasksConfig {
    /// Tasks that may wait, 1 to 1,000,000; more are refused with `queue_full`.
    pub queue_limit: u32,
    /// Tasks of one account that may wait; more are refused with `too_many_tasks`. 0: as many as the queue takes.
    pub queued_per_user: u32,
    /// Tasks of one account that may run at the same time; more of them wait. 0: as many as there are slots.
    pub running_per_user: u32,
    /// How long an R session waits for the next task of its account where tasks ask for that, seconds, 0 to 3,600.
    /// 0: every task has a session of its own.
    pub reuse_idle_s: u32,
}

impl Default for TasksConfig {
    fn default() -> Self {
        Self {
            queue_limit: 10_000,
            queued_per_user: 5_000,
            running_per_user: 0,
            reuse_idle_s: 30,
        }
    }
}

impl TasksConfig {
    /// Whether every number can be used.
    pub(super) fn check(self) -> Result<(), ConfigError> {
        if !(1..=MOST).contains(&self.queue_limit) {
            return Err(ConfigError::Unusable {
                key: "tasks.queue_limit".to_owned(),
                why: "give 1 to 1000000".to_owned(),
            });
        }
        if self.reuse_idle_s > LONGEST_IDLE {
            return Err(ConfigError::Unusable {
                key: "tasks.reuse_idle_s".to_owned(),
                why: "give 0 to 3600".to_owned(),
            });
        }
        Ok(())
    }

    /// As the queue takes them.
    pub fn limits(self) -> QueueLimits {
        let number = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        QueueLimits {
            queue: number(self.queue_limit),
            queued_per_user: number(self.queued_per_user),
            running_per_user: number(self.running_per_user),
        }
    }
}
