//! The queue's order: priority, then age; and how much of the grid one account may have. A function of values.

use crate::grid::Need;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// How many tasks may wait, and how many of one account may wait or run. For an account 0 sets no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Tasks that wait, all together; at least 1.
    pub queue: usize,
    /// Tasks of one account that wait.
    pub queued_per_user: usize,
    /// Tasks of one account that run at the same time; more of them wait while others' go.
    pub running_per_user: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            queue: 10_000,
            queued_per_user: 5_000,
            running_per_user: 0,
        }
    }
}

/// Which limit a task would pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// That of the whole queue, so many.
    Queue(usize),
    /// That of its account, so many.
    User(usize),
}

impl QueueLimits {
    /// Whether one more task may wait beside those that do: `queued` in all, `of_user` of its account.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn admit(&self, queued: usize, of_user: usize) -> Result<(), Full> {
        if queued >= self.queue {
            return Err(Full::Queue(self.queue));
        }
        if self.queued_per_user > 0 && of_user >= self.queued_per_user {
            return Err(Full::User(self.queued_per_user));
        }
        Ok(())
    }

    /// Whether one more task of an account may run beside its others.
    pub fn may_run(&self, running: usize) -> bool {
        self.running_per_user == 0 || running < self.running_per_user
    }
}

/// A task that waits.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    /// Higher goes first.
    pub priority: i32,
    /// Whose it is.
    pub user: Arc<str>,
    /// What it needs of a node.
    pub need: Need,
}

/// What came of offering a slot to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer<T> {
    /// It takes this and leaves the queue.
    Given(T),
    /// Nothing suits its need now, nor that of others with the same.
    NothingSuits,
    /// As many tasks of its account run as may.
    UserFull,
}

/// Where a task stands in the queue: higher priority first, then the smaller id, which is the older one.
type Place = (Reverse<i32>, String);

/// Tasks that wait for a slot.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: BTreeMap<Place, Waiting>,
    places: HashMap<String, i32>,
    users: HashMap<Arc<str>, usize>,
}

impl Queue {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many tasks of an account wait.
    pub fn of_user(&self, user: &str) -> usize {
        self.users.get(user).copied().unwrap_or(0)
    }

    /// Adds a task. One that waits already keeps its age and takes the new priority and need.
    pub fn push(&mut self, id: &str, waiting: Waiting) {
        self.remove(id);
        self.places.insert(id.to_owned(), waiting.priority);
        let count = self.users.entry(Arc::clone(&waiting.user)).or_default();
        *count = count.saturating_add(1);
        self.waiting
            .insert((Reverse(waiting.priority), id.to_owned()), waiting);
    }

    /// Takes a task out; whether it was there.
    pub fn remove(&mut self, id: &str) -> bool {
        let Some(priority) = self.places.remove(id) else {
            return false;
        };
        let removed = self.waiting.remove(&(Reverse(priority), id.to_owned()));
        if let Some(waiting) = &removed
            && let Some(count) = self.users.get_mut(&waiting.user)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.users.remove(&waiting.user);
            }
        }
        removed.is_some()
    }

    /// Offers waiting tasks in their order to `give`. Of several tasks with the same need only the first is offered
    /// once nothing suits them, and of an account none once as many of its tasks run as may.
    pub fn offer<T>(
        &mut self,
        at_most: usize,
        mut give: impl FnMut(&str, &Waiting) -> Offer<T>,
    ) -> Vec<(String, T)> {
        let mut given = Vec::new();
        let mut hopeless: BTreeSet<&Need> = BTreeSet::new();
        let mut full: BTreeSet<&str> = BTreeSet::new();
        for ((_, id), waiting) in &self.waiting {
            if given.len() == at_most {
                break;
            }
            if full.contains(&*waiting.user) || hopeless.contains(&waiting.need) {
                continue;
            }
            match give(id, waiting) {
                Offer::Given(what) => given.push((id.clone(), what)),
                Offer::NothingSuits => {
                    hopeless.insert(&waiting.need);
                }
                Offer::UserFull => {
                    full.insert(&waiting.user);
                }
            }
        }
        for (id, _) in &given {
            self.remove(id);
        }
        given
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn waiting(priority: i32, user: &str, label: Option<&str>) -> Waiting {
        Waiting {
            priority,
            user: user.into(),
            need: Need {
                label: label.map(str::to_owned),
                ..Need::default()
            },
        }
    }

    fn given<T>(what: Option<T>) -> Offer<T> {
        what.map_or(Offer::NothingSuits, Offer::Given)
    }

    #[test]
    fn higher_priority_goes_first_then_age() {
        let mut queue = Queue::default();
        queue.push("t-2", waiting(0, "ana", None));
        queue.push("t-1", waiting(0, "ana", None));
        queue.push("t-3", waiting(5, "ana", None));
        let order: Vec<String> = queue
            .offer(9, |_, _| Offer::Given(()))
            .into_iter()
            .map(|(id, ())| id)
            .collect();
        assert_eq!(order, ["t-3", "t-1", "t-2"]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_task_that_nothing_suits_lets_others_pass() {
        let mut queue = Queue::default();
        queue.push("t-1", waiting(0, "ana", Some("gpu")));
        queue.push("t-2", waiting(0, "ana", Some("gpu")));
        queue.push("t-3", waiting(0, "ana", None));
        let mut asked = Vec::new();
        let given = queue.offer(9, |id, waiting| {
            asked.push(id.to_owned());
            given(waiting.need.label.is_none().then_some(()))
        });
        assert_eq!(given, [("t-3".to_owned(), ())]);
        assert_eq!(asked, ["t-1", "t-3"], "t-2 needs what t-1 could not get");
        assert!(queue.remove("t-2"));
        assert!(!queue.remove("t-2"));
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn the_limits_tell_which_one_is_reached() {
        let limits = QueueLimits {
            queue: 3,
            queued_per_user: 2,
            running_per_user: 1,
        };
        assert_eq!(limits.admit(2, 1), Ok(()));
        assert_eq!(limits.admit(2, 2), Err(Full::User(2)));
        assert_eq!(limits.admit(3, 0), Err(Full::Queue(3)));
        assert!(limits.may_run(0) && !limits.may_run(1));
        let none = QueueLimits {
            queued_per_user: 0,
            ..QueueLimits::default()
        };
        assert_eq!(none.admit(9_999, 9_999), Ok(()));
        assert!(none.may_run(usize::MAX));
    }

    #[test]
    fn an_account_at_its_limit_lets_others_pass() {
        let mut queue = Queue::default();
        for (id, user) in [("t-1", "ana"), ("t-2", "ana"), ("t-3", "ben")] {
            queue.push(id, waiting(0, user, None));
        }
        let mut asked = Vec::new();
        let taken = queue.offer(9, |id, waiting| {
            asked.push(id.to_owned());
            if &*waiting.user == "ana" {
                Offer::UserFull
            } else {
                Offer::Given(())
            }
        });
        assert_eq!(taken, [("t-3".to_owned(), ())]);
        assert_eq!(asked, ["t-1", "t-3"], "ana is asked once");
        assert_eq!((queue.of_user("ana"), queue.of_user("ben")), (2, 0));
    }

    proptest! {
        /// Whatever is pushed and given: no account runs more than it may, the count of each account is right, and a
        /// task waits only while its account is full or no slot is left.
        #[test]
        fn no_account_has_more_than_its_part(
            pushes in prop::collection::vec((0_u8..60, 0_u8..4, -2_i32..3), 0..120),
            most in 0_usize..4,
            slots in 0_usize..12,
        ) {
            let limits = QueueLimits { running_per_user: most, ..QueueLimits::default() };
            let mut queue = Queue::default();
            let mut users = BTreeMap::new();
            for (id, user, priority) in pushes {
                let (id, user) = (format!("t-{id:02}"), format!("u{user}"));
                queue.push(&id, waiting(priority, &user, None));
                users.insert(id, user);
            }
            let mut running: HashMap<Arc<str>, usize> = HashMap::new();
            let mut left = slots;
            let taken = queue.offer(usize::MAX, |_, waiting| {
                let runs = running.entry(Arc::clone(&waiting.user)).or_default();
                if !limits.may_run(*runs) {
                    return Offer::UserFull;
                }
                if left == 0 {
                    return Offer::NothingSuits;
                }
                left -= 1;
                *runs += 1;
                Offer::Given(())
            });
            prop_assert_eq!(taken.len() + left, slots);
            for (id, ()) in taken {
                users.remove(&id);
            }
            for user in 0..4 {
                let user = format!("u{user}");
                let waits = users.values().filter(|u| **u == user).count();
                prop_assert_eq!(queue.of_user(&user), waits);
                let runs = running.get(&*user).copied().unwrap_or(0);
                prop_assert!(limits.may_run(runs.saturating_sub(1)) || runs == 0);
                prop_assert!(waits == 0 || left == 0 || !limits.may_run(runs), "{} waits for nothing", user);
            }
        }
        #[test]
        fn nothing_is_lost_or_given_twice(
            pushes in prop::collection::vec((0_u8..40, -3_i32..4), 0..120),
            removed in prop::collection::vec(0_u8..40, 0..20),
            batch in 1_usize..7,
        ) {
            let mut queue = Queue::default();
            let mut model = BTreeMap::new();
            for (id, priority) in pushes {
                let id = format!("t-{id:02}");
                queue.push(&id, waiting(priority, "ana", None));
                model.insert(id, priority);
            }
            for id in removed {
                let id = format!("t-{id:02}");
                prop_assert_eq!(queue.remove(&id), model.remove(&id).is_some());
            }
            prop_assert_eq!(queue.len(), model.len());
            let mut order = Vec::new();
            while !queue.is_empty() {
                let given = queue.offer(batch, |_, _| Offer::Given(()));
                prop_assert!(!given.is_empty() && given.len() <= batch);
                order.extend(given.into_iter().map(|(id, ())| id));
            }
            let mut expected: Vec<_> = model.into_iter().map(|(id, p)| (Reverse(p), id)).collect();
            expected.sort();
            let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).collect();
            prop_assert_eq!(order, expected);
        }
    }
}
