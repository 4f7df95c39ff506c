//! A list whose rows live on their own: one row's change touches what shows that row, and nothing else.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::reactive::ArcRwSignal;

/// One row: its key, and the signal of its item.
#[derive(Clone)]
pub struct Entry<T: Send + Sync + 'static> {
    /// What the row is known by.
    pub key: Arc<str>,
    /// What it is now.
    pub item: ArcRwSignal<Arc<T>>,
}

impl<T: Send + Sync + 'static> Entry<T> {
    /// The item. Tracks this row alone.
    pub fn get(&self) -> Arc<T> {
        self.item.get()
    }
}

/// Rows by key, in order of the key.
pub struct Keyed<T: Send + Sync + 'static> {
    index: Mutex<HashMap<Arc<str>, ArcRwSignal<Arc<T>>>>,
    order: ArcRwSignal<Arc<Vec<Entry<T>>>>,
    revision: ArcRwSignal<u64>,
    /// The keys of the latest changes, by the revision that each batch of them led to, oldest first.
    changes: Mutex<VecDeque<(u64, Vec<Arc<str>>)>>,
    descending: bool,
}

/// The most batches whose keys are kept: some seconds of frames.
const BATCHES: usize = 256;
/// A batch of more keys is not kept: whoever follows had better look at all rows.
const KEYS: usize = 2_000;

/// What a batch of changes left to be told, once, at its end.
#[derive(Default)]
pub(super) struct Dirty {
    changed: bool,
    members: bool,
    keys: Vec<Arc<str>>,
}

impl<T: Send + Sync + PartialEq + 'static> Keyed<T> {
    pub(super) fn new(descending: bool) -> Self {
        Self {
            index: Mutex::default(),
            order: ArcRwSignal::new(Arc::default()),
            revision: ArcRwSignal::new(0),
            changes: Mutex::default(),
            descending,
        }
    }

    /// The rows, in order. Tracks which rows there are, not what is in them.
    pub fn rows(&self) -> Arc<Vec<Entry<T>>> {
        self.order.get()
    }

    /// How many rows there are. Tracks that.
    pub fn len(&self) -> usize {
        self.order.with(|rows| rows.len())
    }

    /// Whether there are none. Tracks that.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tracks every change of every row, once a frame: for what sums up all of them.
    pub fn track_all(&self) {
        self.revision.track();
    }

    /// Grows with every batch of changes. Tracks nothing.
    pub fn revision(&self) -> u64 {
        self.revision.get_untracked()
    }

    /// The keys of what has changed since that revision, the same key perhaps more than once; `None` when that is too long ago to be known.
    /// Tracks nothing.
    pub fn changed_since(&self, revision: u64) -> Option<Vec<Arc<str>>> {
        let now = self.revision();
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        // Every batch since must be there.
        let since = changes.iter().filter(|(led_to, _)| *led_to > revision);
        let missing = now.checked_sub(revision)? != since.clone().count() as u64;
        (!missing).then(|| since.flat_map(|(_, keys)| keys.iter().cloned()).collect())
    }

    /// The signal of one row. Tracks nothing.
    pub fn find(&self, key: &str) -> Option<ArcRwSignal<Arc<T>>> {
        self.lock().get(key).cloned()
    }

    /// One row's item. Tracks it, and which rows there are.
    pub fn get(&self, key: &str) -> Option<Arc<T>> {
        self.order.track();
        self.find(key).map(|item| item.get())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, ArcRwSignal<Arc<T>>>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an item in; gives back the one that it replaces.
    pub(super) fn put(&self, key: &str, item: T, dirty: &mut Dirty) -> Option<Arc<T>> {
        let found = self
            .lock()
            .get_key_value(key)
            .map(|(key, signal)| (Arc::clone(key), signal.clone()));
        let Some((key, signal)) = found else {
            self.lock()
                .insert(Arc::from(key), ArcRwSignal::new(Arc::new(item)));
            dirty.changed = true;
            dirty.members = true;
            return None;
        };
        let before = signal.get_untracked();
        if *before != item {
            signal.set(Arc::new(item));
            dirty.changed = true;
            dirty.keys.push(key);
        }
        Some(before)
    }

    /// Takes an item out.
    pub(super) fn remove(&self, key: &str, dirty: &mut Dirty) -> Option<Arc<T>> {
        let signal = self.lock().remove(key)?;
        dirty.changed = true;
        dirty.members = true;
        Some(signal.get_untracked())
    }

    /// Takes out all rows whose key is not kept.
    pub(super) fn retain(&self, keep: impl Fn(&str) -> bool, dirty: &mut Dirty) {
        let mut index = self.lock();
        let before = index.len();
        index.retain(|key, _| keep(key));
        if index.len() != before {
            dirty.changed = true;
            dirty.members = true;
        }
    }

    /// Keeps only the first `limit` rows.
    pub(super) fn truncate(&self, limit: usize, dirty: &mut Dirty) {
        if self.lock().len() > limit {
            let rows = self.sorted();
            let mut index = self.lock();
            for entry in rows.iter().skip(limit) {
                index.remove(&entry.key);
            }
            dirty.members = true;
        }
    }

    fn sorted(&self) -> Vec<Entry<T>> {
        let mut rows: Vec<Entry<T>> = self
            .lock()
            .iter()
            .map(|(key, item)| Entry {
                key: Arc::clone(key),
                item: item.clone(),
            })
            .collect();
        crate::ui::order::sort(&mut rows, |a, b| {
            if self.descending {
                b.key.cmp(&a.key)
            } else {
                natural(&a.key, &b.key)
            }
        });
        rows
    }

    /// Tells what a batch changed.
    pub(super) fn flush(&self, dirty: Dirty) {
        if dirty.members {
            self.order.set(Arc::new(self.sorted()));
        }
        if dirty.changed {
            let next = self.revision() + 1;
            {
                let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
                if dirty.keys.len() > KEYS {
                    changes.clear();
                } else {
                    let surplus = (changes.len() + 1).saturating_sub(BATCHES);
                    changes.drain(..surplus);
                    changes.push_back((next, dirty.keys));
                }
            }
            self.revision.set(next);
        }
    }
}

/// Orders names as people do: `r2` before `r10`.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    loop {
        match (left.first(), right.first()) {
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (number_a, rest_a) = digits(left);
                let (number_b, rest_b) = digits(right);
                let order = number_a
                    .len()
                    .cmp(&number_b.len())
                    .then_with(|| number_a.cmp(number_b));
                if order.is_ne() {
                    return order;
                }
                (left, right) = (rest_a, rest_b);
            }
            (Some(x), Some(y)) if x == y => (left, right) = (&left[1..], &right[1..]),
            // Equal but for leading zeros: the texts decide, so that the order is total.
            (None, None) => return a.cmp(b),
            (x, y) => return x.cmp(&y),
        }
    }
}

/// The number at the start, without leading zeros, and what follows it.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let zeros = number.iter().take_while(|byte| **byte == b'0').count();
    (&number[zeros..], rest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use leptos::prelude::Owner;

    #[test]
    fn numbers_in_names_count() {
        let mut names = ["r10", "r2", "r1", "r02", "a", "r", "r2b", "r2a"];
        names.sort_unstable_by(|a, b| natural(a, b));
        assert_eq!(names, ["a", "r", "r1", "r02", "r2", "r2a", "r2b", "r10"]);
        assert_eq!(natural("r2", "r2"), Ordering::Equal);
        assert_eq!(
            natural("r99999999999999999999999", "r100000000000000000000000"),
            Ordering::Less
        );
    }

    #[test]
    fn only_what_changed_is_told() {
        let owner = Owner::new();
        owner.set();
        let list: Keyed<u32> = Keyed::new(false);
        let mut dirty = Dirty::default();
        list.put("b", 1, &mut dirty);
        list.put("a", 2, &mut dirty);
        list.flush(dirty);
        let rows = list.rows();
        assert_eq!(
            rows.iter().map(|row| &*row.key).collect::<Vec<_>>(),
            ["a", "b"]
        );

        let mut dirty = Dirty::default();
        assert_eq!(list.put("a", 3, &mut dirty).as_deref(), Some(&2));
        list.flush(dirty);
        assert!(Arc::ptr_eq(&rows, &list.rows()), "no row came or went");
        assert_eq!(*rows[0].get(), 3);

        let mut dirty = Dirty::default();
        list.put("a", 3, &mut dirty);
        assert!(
            !dirty.changed && !dirty.members,
            "the same again is no change"
        );
        list.retain(|key| key == "b", &mut dirty);
        list.flush(dirty);
        assert_eq!(list.len(), 1);
        assert!(list.get("a").is_none());
    }

    #[test]
    fn what_changed_since_a_moment_is_known_or_said_to_be_unknown() {
        let owner = Owner::new();
        owner.set();
        let list: Keyed<u32> = Keyed::new(false);
        let change = |keys: &[&str], value: u32| {
            let mut dirty = Dirty::default();
            for key in keys {
                list.put(key, value, &mut dirty);
            }
            list.flush(dirty);
        };
        change(&["a", "b", "c"], 0);
        let start = list.revision();
        assert_eq!(list.changed_since(start), Some(Vec::new()));
        change(&["b"], 1);
        change(&["a", "b"], 2);
        let keys: Vec<Arc<str>> = ["b", "a", "b"].map(Arc::from).to_vec();
        assert_eq!(list.changed_since(start), Some(keys));
        assert_eq!(list.changed_since(start + 1).unwrap().len(), 2);
        assert_eq!(list.changed_since(start + 9), None, "not there yet");

        for value in 0..=u32::try_from(BATCHES).unwrap() {
            change(&["c"], value + 10);
        }
        assert_eq!(list.changed_since(start), None, "too long ago");
        let many: Vec<String> = (0..=KEYS).map(|n| format!("n{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        change(&many, 1);
        let before = list.revision();
        change(&many, 2);
        assert_eq!(list.changed_since(before), None, "too many");
        let before = list.revision();
        change(&["c"], 7);
        assert_eq!(list.changed_since(before).unwrap().len(), 1);
    }
}
