//! Publishes what changed to the event streams, in commit order, under ids `boot:sequence`.

use gridhelm_api::stream::Delta;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// How many deltas are kept for clients that resume.
const KEPT: usize = 4096;

/// A published delta with its number and its JSON, serialised once for all clients.
#[derive(Debug)]
pub struct Published {
    /// Its number within this process, from 1, without gaps.
    pub sequence: u64,
    /// The SSE event name.
    pub name: &'static str,
    /// The delta as JSON.
    pub json: String,
}

/// The process's publisher. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    boot: Arc<str>,
    inner: Arc<Mutex<Inner>>,
    sender: broadcast::Sender<Arc<Published>>,
}

struct Inner {
    next: u64,
    kept: VecDeque<Arc<Published>>,
}

impl Hub {
    /// A publisher for the process of this boot id.
    pub fn new(boot: &str) -> Self {
        Self {
            boot: boot.into(),
            inner: Arc::new(Mutex::new(Inner {
                next: 1,
                kept: VecDeque::with_capacity(KEPT),
            })),
            sender: broadcast::channel(KEPT).0,
        }
    }

    /// The boot id: the first half of every event id.
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// Publishes a delta. Call it only after what it tells is committed.
    pub fn publish(&self, delta: &Delta) {
        let json = match serde_json::to_string(delta) {
            Ok(json) => json,
            Err(error) => {
                tracing::error!(%error, name = delta.name(), "a delta cannot be written as JSON");
                return;
            }
        };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let published = Arc::new(Published {
            sequence: inner.next,
            name: delta.name(),
            json,
        });
        inner.next += 1;
        if inner.kept.len() == KEPT {
            inner.kept.pop_front();
        }
        inner.kept.push_back(Arc::clone(&published));
        // Sent under the lock, so that receivers see the numbers in order. Nobody listening is fine.
        let _ = self.sender.send(published);
    }

    /// Subscribes: the number of the last published delta, and everything after it.
    pub fn subscribe(&self) -> (u64, broadcast::Receiver<Arc<Published>>) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.next - 1, self.sender.subscribe())
    }

    /// Subscribes behind `after`: the kept deltas since then, and everything later. `None` when `after`
    /// is too old or was never published: the client needs a snapshot.
    pub fn resume(
        &self,
        after: u64,
    ) -> Option<(Vec<Arc<Published>>, broadcast::Receiver<Arc<Published>>)> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = inner.kept.front().map_or(inner.next, |p| p.sequence);
        if after + 1 < oldest || after >= inner.next {
            return None;
        }
        let missed = inner
            .kept
            .iter()
            .filter(|p| p.sequence > after)
            .cloned()
            .collect();
        Some((missed, self.sender.subscribe()))
    }
}
