//! A bounded queue between the async world and the database's threads.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How many jobs may wait; more are refused at once.
const BOUND: usize = 4096;

/// Why a job was not taken into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Refused {
    /// Too many wait.
    Full,
    /// The store is closed.
    Closed,
}

impl Refused {
    /// For people.
    pub(in crate::store) const fn message(self) -> &'static str {
        match self {
            Self::Full => "too many calls wait for the database; nothing was written",
            Self::Closed => "the store is closed; nothing was written",
        }
    }
}

/// The queue. Many push, one or more threads take.
pub(in crate::store) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    closed: bool,
    trouble: Option<String>,
}

impl<T> Queue<T> {
    pub(in crate::store) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                closed: false,
                trouble: None,
            }),
            filled: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job.
    pub(in crate::store) fn push(&self, item: T) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.items.len() >= BOUND {
            return Err(Refused::Full);
        }
        state.items.push_back(item);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for a job and takes it; `None` once the queue is closed and empty.
    pub(in crate::store) fn pop(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(item) = state.items.pop_front() {
                return Some(item);
            }
            if state.closed {
                return None;
            }
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until a job is there, without taking it; false once the queue is closed and empty.
    pub(in crate::store) fn wait(&self) -> bool {
        let mut state = self.lock();
        loop {
            if !state.items.is_empty() {
                return true;
            }
            if state.closed {
                return false;
            }
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What `look` says of the first job that waits.
    pub(in crate::store) fn first<A>(&self, look: impl FnOnce(&T) -> A) -> Option<A> {
        self.lock().items.front().map(look)
    }

    /// Takes jobs from the front without waiting, up to `most` and as long as `fits`.
    pub(in crate::store) fn take_while(&self, most: usize, fits: impl Fn(&T) -> bool) -> Vec<T> {
        let mut state = self.lock();
        let n = state
            .items
            .iter()
            .take(most)
            .take_while(|job| fits(job))
            .count();
        state.items.drain(..n).collect()
    }

    /// Notes why jobs wait; `None` when nothing is in their way any more.
    pub(in crate::store) fn set_trouble(&self, trouble: Option<String>) {
        self.lock().trouble = trouble;
    }

    /// Why jobs wait, as far as known.
    pub(in crate::store) fn trouble(&self) -> Option<String> {
        self.lock().trouble.clone()
    }

    /// Takes up to `most` jobs without waiting.
    pub(in crate::store) fn take(&self, most: usize) -> Vec<T> {
        let mut state = self.lock();
        let n = state.items.len().min(most);
        state.items.drain(..n).collect()
    }

    /// Keeps only the jobs that `keep` says so of.
    pub(in crate::store) fn retain(&self, keep: impl FnMut(&T) -> bool) {
        self.lock().items.retain(keep);
    }

    /// Takes no more jobs; those that wait are still done.
    pub(in crate::store) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }
}
