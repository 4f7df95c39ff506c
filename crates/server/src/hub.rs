//! Publishes what changed to the event streams, in commit order, under ids `boot:sequence`.
//!
//! A delta is written as JSON and framed as a server-sent event once; every stream sends the same bytes. What changes of nodes all the
//! time goes out in two ways: as patches, and as whole nodes to the streams that did not ask for patches, while there are such.

use axum::body::Bytes;
use gridhelm_api::event::Event;
use gridhelm_api::node::Node;
use gridhelm_api::patch::Patch;
use gridhelm_api::stream::Delta;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// How many deltas are kept for clients that resume, and how many a slow client may lag behind.
const KEPT: usize = 4096;
/// How many bytes of them are kept for clients that resume.
const KEPT_BYTES: usize = 8 << 20;

/// How many journal events are remembered as published.
const KNOWN_EVENTS: usize = 1024;

/// How a stream tells what changes of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// By whole nodes.
    Whole,
    /// By patches.
    Patches,
}

/// A published delta.
#[derive(Debug)]
pub struct Published {
    /// Its number within this process, from 1, without gaps. `None`: what is not kept, a sign of life or a whole node beside a patch.
    pub sequence: Option<u64>,
    /// The whole server-sent event, its empty line included.
    pub frame: Bytes,
    /// Only streams that tell nodes so send it.
    only: Option<Telling>,
}

impl Published {
    /// Whether a stream that tells nodes so sends it.
    pub fn is_for(&self, telling: Telling) -> bool {
        self.only.is_none_or(|only| only == telling)
    }
}

/// A stream that gets whole nodes; they are written as long as there is one.
#[derive(Debug)]
pub struct WholeStream(Arc<AtomicUsize>);

impl Drop for WholeStream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A subscription: what was missed, oldest first, and what comes, without a gap or a double between them.
pub struct Subscription {
    /// Published before the subscription and asked for.
    pub missed: Vec<Arc<Published>>,
    /// Published after it.
    pub coming: broadcast::Receiver<Arc<Published>>,
}

/// The process's publisher. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    boot: Arc<str>,
    inner: Arc<Mutex<Inner>>,
    sender: broadcast::Sender<Arc<Published>>,
    /// Streams that get whole nodes.
    whole: Arc<AtomicUsize>,
}

struct Inner {
    next: u64,
    kept: VecDeque<Arc<Published>>,
    kept_bytes: usize,
    /// Ids of the journal events that were published last.
    events: VecDeque<i64>,
}

impl Inner {
    /// Remembers a journal event as published; whether it was not.
    fn is_new(&mut self, event: &Event) -> bool {
        if self.events.contains(&event.id) {
            return false;
        }
        if self.events.len() == KNOWN_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event.id);
        true
    }

    fn keep(&mut self, published: &Arc<Published>) {
        self.kept_bytes += published.frame.len();
        self.kept.push_back(Arc::clone(published));
        while self.kept.len() > KEPT || (self.kept_bytes > KEPT_BYTES && self.kept.len() > 1) {
            if let Some(old) = self.kept.pop_front() {
                self.kept_bytes -= old.frame.len();
            }
        }
    }
}

impl Hub {
    /// A publisher for the process of this boot id.
    pub fn new(boot: &str) -> Self {
        Self {
            boot: boot.into(),
            inner: Arc::new(Mutex::new(Inner {
                next: 1,
                kept: VecDeque::new(),
                kept_bytes: 0,
                events: VecDeque::new(),
            })),
            sender: broadcast::channel(KEPT).0,
            whole: Arc::default(),
        }
    }

    /// Counts a stream that gets whole nodes, until the answer is dropped. Call it before the stream subscribes.
    pub fn count_whole(&self) -> WholeStream {
        self.whole.fetch_add(1, Ordering::Relaxed);
        WholeStream(Arc::clone(&self.whole))
    }

    /// The boot id: the first half of every event id.
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// How many streams listen.
    pub fn listeners(&self) -> usize {
        self.sender.receiver_count()
    }

    /// Publishes a delta. Call it only after what it tells is committed. A journal event is published once,
    /// though it may come both from the write that made it and from a look at the journal.
    pub fn publish(&self, delta: &Delta) {
        let Some(json) = json(delta) else { return };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Delta::Event(event) = delta
            && !inner.is_new(event)
        {
            return;
        }
        self.send(&mut inner, |id| Published {
            sequence: Some(id.1),
            frame: frame(Some(id), delta.name(), &json),
            only: None,
        });
    }

    /// Publishes what changed of nodes: the patch, and beside it the nodes it is about, for streams that get them whole.
    pub fn publish_patch<'a>(&self, patch: &Patch, nodes: impl Iterator<Item = &'a Node>) {
        let Ok(text) = serde_json::to_string(patch) else {
            return tracing::error!("a patch cannot be written as JSON");
        };
        let whole = self.whole.load(Ordering::Relaxed) > 0;
        let nodes = nodes.filter(|_| whole).filter_map(|node| {
            let delta = Delta::Node(Box::new(node.clone()));
            Some(frame(None, delta.name(), &json(&delta)?))
        });
        let nodes: Vec<Bytes> = nodes.collect();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for frame in nodes {
            let _ = self.sender.send(Arc::new(Published {
                sequence: None,
                frame,
                only: Some(Telling::Whole),
            }));
        }
        // It may come twice, so one that is small and frequent bears no id: who resumes gets it once more. Heartbeats, each second, have one.
        let slots_alone = patch.beats.is_empty() && !patch.slots.is_empty();
        self.send(&mut inner, |id| Published {
            sequence: Some(id.1),
            frame: frame((!slots_alone).then_some(id), "patch", &text),
            only: Some(Telling::Patches),
        });
    }

    /// Numbers a delta, keeps it and sends it: under the lock, so that receivers see the numbers in order. Nobody listening is fine.
    fn send(&self, inner: &mut Inner, published: impl FnOnce((&str, u64)) -> Published) {
        let sequence = inner.next;
        inner.next += 1;
        let published = Arc::new(published((&self.boot, sequence)));
        inner.keep(&published);
        let _ = self.sender.send(published);
    }

    /// Publishes committed journal events, in order.
    pub fn publish_events(&self, events: Vec<Event>) {
        for event in events {
            self.publish(&Delta::Event(event));
        }
    }

    /// Tells those who listen now, or only those who are told of nodes so, a sign of life that nobody needs later: it has no id and is not
    /// kept.
    pub fn publish_passing(&self, delta: &Delta, only: Option<Telling>) {
        if self.sender.receiver_count() == 0 {
            return;
        }
        let Some(json) = json(delta) else { return };
        let published = Published {
            sequence: None,
            frame: frame(None, delta.name(), &json),
            only,
        };
        let _inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.sender.send(Arc::new(published));
    }

    /// Subscribes: the number of the last published delta, and everything after it.
    pub fn subscribe(&self) -> (u64, Subscription) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let subscription = Subscription {
            missed: Vec::new(),
            coming: self.sender.subscribe(),
        };
        (inner.next - 1, subscription)
    }

    /// Subscribes behind `after`: the kept deltas since then, and everything later. `None` when `after`
    /// is too old or was never published, or when whole nodes were told since then, which are not kept: the client needs a snapshot.
    pub fn resume(&self, after: u64, telling: Telling) -> Option<Subscription> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if after >= inner.next {
            return None;
        }
        let missed = usize::try_from(inner.next - 1 - after).ok()?;
        let skipped = inner.kept.len().checked_sub(missed)?;
        let missed: Vec<_> = inner.kept.iter().skip(skipped).cloned().collect();
        missed.iter().all(|one| one.is_for(telling)).then_some(())?;
        Some(Subscription {
            missed,
            coming: self.sender.subscribe(),
        })
    }
}

fn json(delta: &Delta) -> Option<String> {
    serde_json::to_string(delta)
        .inspect_err(|error| {
            tracing::error!(%error, name = delta.name(), "a delta cannot be written as JSON");
        })
        .ok()
}

/// A server-sent event (HTML Living Standard, 9.2). JSON has no line breaks, so it is one `data` line.
pub(crate) fn frame(id: Option<(&str, u64)>, name: &str, json: &str) -> Bytes {
    let mut text = String::with_capacity(json.len() + 80);
    if let Some((boot, sequence)) = id {
        text.push_str("id: ");
        text.push_str(boot);
        text.push(':');
        text.push_str(&sequence.to_string());
        text.push('\n');
    }
    text.push_str("event: ");
    text.push_str(name);
    text.push_str("\ndata: ");
    text.push_str(json);
    text.push_str("\n\n");
    text.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn removed(n: usize) -> Delta {
        Delta::NodeRemoved {
            name: format!("n{n}"),
        }
    }

    fn sequences(published: &[Arc<Published>]) -> Vec<u64> {
        published.iter().filter_map(|p| p.sequence).collect()
    }

    #[test]
    fn a_frame_is_one_server_sent_event() {
        let hub = Hub::new("b0");
        let (_, mut sub) = hub.subscribe();
        hub.publish(&removed(1));
        let published = sub.coming.try_recv().unwrap();
        assert_eq!(
            published.frame,
            "id: b0:1\nevent: node_removed\ndata: {\"type\":\"node_removed\",\"data\":{\"name\":\"n1\"}}\n\n"
        );
    }

    #[test]
    fn one_who_resumes_gets_what_was_missed_and_no_more() {
        let hub = Hub::new("b0");
        for n in 0..10 {
            hub.publish(&removed(n));
        }
        assert_eq!(
            sequences(&hub.resume(7, Telling::Whole).unwrap().missed),
            [8, 9, 10]
        );
        assert_eq!(
            sequences(&hub.resume(0, Telling::Whole).unwrap().missed).len(),
            10
        );
        assert!(hub.resume(10, Telling::Whole).unwrap().missed.is_empty());
        assert!(hub.resume(11, Telling::Whole).is_none(), "never published");
        assert_eq!(hub.subscribe().0, 10);
    }

    #[test]
    fn what_is_too_old_cannot_be_resumed() {
        let hub = Hub::new("b0");
        for n in 0..KEPT + 3 {
            hub.publish(&removed(n));
        }
        assert!(hub.resume(2, Telling::Whole).is_none());
        let first = hub.resume(3, Telling::Whole).unwrap();
        assert_eq!(first.missed.len(), KEPT);
        assert_eq!(first.missed[0].sequence, Some(4));
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes_too() {
        let hub = Hub::new("b0");
        for _ in 0..20 {
            hub.publish(&Delta::NodeRemoved {
                name: "x".repeat(1 << 20),
            });
        }
        assert!(hub.inner.lock().unwrap().kept_bytes <= KEPT_BYTES);
        assert!(hub.resume(0, Telling::Whole).is_none());
        assert!(hub.resume(19, Telling::Whole).is_some());
    }

    #[test]
    fn a_journal_event_is_published_once() {
        let event = |id| Event {
            id,
            at: 1,
            severity: gridhelm_api::event::Severity::Info,
            topic: gridhelm_api::event::Topic::Server,
            kind: "server.started".into(),
            subject: "east-1".into(),
            message: "started".into(),
            actor: "east-1".into(),
            epoch: 1,
        };
        let hub = Hub::new("b0");
        hub.publish(&Delta::Event(event(7)));
        hub.publish_events(vec![event(6), event(7), event(8)]);
        assert_eq!(hub.resume(0, Telling::Whole).unwrap().missed.len(), 3);
        // Only so many are remembered.
        for id in 10..10 + i64::try_from(KNOWN_EVENTS).unwrap() {
            hub.publish(&Delta::Event(event(id)));
        }
        assert_eq!(hub.inner.lock().unwrap().events.len(), KNOWN_EVENTS);
    }

    #[test]
    fn a_patch_goes_to_those_who_asked_and_its_nodes_to_the_others() {
        let json = serde_json::json!({
            "name": "n1", "host": "h", "port": 1, "slot_limit": 1, "operating_type": "mixed", "intent": "enabled", "intent_since": 0,
            "version": 1, "created_at": 0,
        });
        let node: Node = serde_json::from_value(json).unwrap();
        let beat = Patch {
            beats: vec![1, 2],
            ..Patch::default()
        };
        let hub = Hub::new("b0");
        let (_, mut sub) = hub.subscribe();
        hub.publish_patch(&beat, std::iter::once(&node));
        let patch = sub.coming.try_recv().unwrap();
        assert_eq!(
            patch.frame,
            "id: b0:1\nevent: patch\ndata: {\"at\":0,\"beats\":[1,2]}\n\n"
        );
        assert!(patch.is_for(Telling::Patches) && !patch.is_for(Telling::Whole));
        assert!(sub.coming.try_recv().is_err(), "nobody wants whole nodes");

        let whole = hub.count_whole();
        hub.publish_patch(&beat, std::iter::once(&node));
        let first = sub.coming.try_recv().unwrap();
        assert!(
            first
                .frame
                .starts_with(b"event: node\ndata: {\"type\":\"node\",")
        );
        assert!(first.is_for(Telling::Whole) && !first.is_for(Telling::Patches));
        assert_eq!(sub.coming.try_recv().unwrap().sequence, Some(2));
        // Whole nodes are not kept: only who gets patches may go on behind one.
        assert!(hub.resume(1, Telling::Whole).is_none());
        assert_eq!(
            sequences(&hub.resume(0, Telling::Patches).unwrap().missed),
            [1, 2]
        );
        assert!(hub.resume(2, Telling::Whole).is_some());
        drop(whole);
        hub.publish_patch(&beat, std::iter::once(&node));
        assert_eq!(sub.coming.try_recv().unwrap().sequence, Some(3));
    }

    #[test]
    fn a_sign_of_life_takes_no_number() {
        let hub = Hub::new("b0");
        let (_, mut sub) = hub.subscribe();
        hub.publish_passing(&Delta::Tick { at: 5, stats: None }, None);
        hub.publish(&removed(1));
        assert_eq!(sub.coming.try_recv().unwrap().sequence, None);
        assert_eq!(sub.coming.try_recv().unwrap().sequence, Some(1));
        assert_eq!(hub.resume(0, Telling::Whole).unwrap().missed.len(), 1);
    }
}
