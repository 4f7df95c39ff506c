//! The queue's order: priority, then age. A function of values.

use crate::grid::Need;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many tasks may wait.
pub const MAX_QUEUED: usize = 10_000;

/// Where a task stands in the queue: higher priority first, then the smaller id, which is the older one.
type Place = (Reverse<i32>, String);

/// Tasks that wait for a slot.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: BTreeMap<Place, Need>,
    places: HashMap<String, i32>,
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

    /// Adds a task. One that waits already keeps its place and takes the new need.
    pub fn push(&mut self, id: &str, priority: i32, need: Need) {
        if let Some(old) = self.places.insert(id.to_owned(), priority) {
            self.waiting.remove(&(Reverse(old), id.to_owned()));
        }
        self.waiting
            .insert((Reverse(priority), id.to_owned()), need);
    }

    /// Takes a task out; whether it was there.
    pub fn remove(&mut self, id: &str) -> bool {
        let Some(priority) = self.places.remove(id) else {
            return false;
        };
        self.waiting
            .remove(&(Reverse(priority), id.to_owned()))
            .is_some()
    }

    /// Offers waiting tasks in their order to `give`, which answers what it gave a task, or `None` when
    /// nothing suits it now. Tasks that got something leave the queue. Of several tasks with the same need
    /// only the first is offered once nothing suits them.
    pub fn offer<T>(
        &mut self,
        at_most: usize,
        mut give: impl FnMut(&str, &Need) -> Option<T>,
    ) -> Vec<(String, T)> {
        let mut given = Vec::new();
        let mut hopeless: BTreeSet<&Need> = BTreeSet::new();
        for ((_, id), need) in &self.waiting {
            if given.len() == at_most {
                break;
            }
            if hopeless.contains(need) {
                continue;
            }
            match give(id, need) {
                Some(what) => given.push((id.clone(), what)),
                None => {
                    hopeless.insert(need);
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

    fn need(label: Option<&str>) -> Need {
        Need {
            label: label.map(str::to_owned),
            ..Need::default()
        }
    }

    #[test]
    fn higher_priority_goes_first_then_age() {
        let mut queue = Queue::default();
        queue.push("t-2", 0, need(None));
        queue.push("t-1", 0, need(None));
        queue.push("t-3", 5, need(None));
        let order: Vec<String> = queue
            .offer(9, |_, _| Some(()))
            .into_iter()
            .map(|(id, ())| id)
            .collect();
        assert_eq!(order, ["t-3", "t-1", "t-2"]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_task_that_nothing_suits_lets_others_pass() {
        let mut queue = Queue::default();
        queue.push("t-1", 0, need(Some("gpu")));
        queue.push("t-2", 0, need(Some("gpu")));
        queue.push("t-3", 0, need(None));
        let mut asked = Vec::new();
        let given = queue.offer(9, |id, need| {
            asked.push(id.to_owned());
            need.label.is_none().then_some(())
        });
        assert_eq!(given, [("t-3".to_owned(), ())]);
        assert_eq!(asked, ["t-1", "t-3"], "t-2 needs what t-1 could not get");
        assert!(queue.remove("t-2"));
        assert!(!queue.remove("t-2"));
        assert_eq!(queue.len(), 1);
    }

    proptest! {
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
                queue.push(&id, priority, need(None));
                model.insert(id, priority);
            }
            for id in removed {
                let id = format!("t-{id:02}");
                prop_assert_eq!(queue.remove(&id), model.remove(&id).is_some());
            }
            prop_assert_eq!(queue.len(), model.len());
            let mut order = Vec::new();
            while !queue.is_empty() {
                let given = queue.offer(batch, |_, _| Some(()));
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
