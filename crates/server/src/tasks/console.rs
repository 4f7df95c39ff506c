//! A running task's console output: numbered, bounded, sent on in batches.

use gridhelm_api::task::{ConsoleChunk, ConsoleKind};
use std::time::{Duration, Instant};

/// How much output is kept of a task, bytes.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// How many chunks are kept of a task.
const MAX_CHUNKS: usize = 20_000;
/// The longest text of one chunk, bytes.
const MAX_CHUNK: usize = 64 << 10;
/// Output is sent on at most every so often.
pub(crate) const SEND_EVERY: Duration = Duration::from_millis(50);

/// Output of one task, all attempts together.
#[derive(Debug)]
pub(crate) struct Console {
    chunks: Vec<ConsoleChunk>,
    bytes: usize,
    cut: bool,
    /// The number of the first chunk that was not stored with an earlier attempt.
    unstored: usize,
    /// The number of the first chunk that was not sent on.
    unsent: usize,
    sent_at: Option<Instant>,
    /// The number of the first chunk here: earlier ones are in the store.
    first: u64,
}

impl Console {
    /// No output yet; numbers begin at `first`.
    pub(crate) fn new(first: u64) -> Self {
        Self {
            chunks: Vec::new(),
            bytes: 0,
            cut: false,
            unstored: 0,
            unsent: 0,
            sent_at: None,
            first,
        }
    }

    /// Adds output. Beyond the bound only words of the server are taken.
    pub(crate) fn push(&mut self, kind: ConsoleKind, text: &str) {
        if text.is_empty() {
            return;
        }
        let ours = matches!(kind, ConsoleKind::System | ConsoleKind::Error);
        if self.cut && !ours {
            return;
        }
        let full =
            self.bytes.saturating_add(text.len()) > MAX_BYTES || self.chunks.len() >= MAX_CHUNKS;
        if full && !ours {
            self.cut = true;
            self.add(
                ConsoleKind::System,
                "The output is cut here: it is longer than 4 MiB.\n",
            );
            return;
        }
        let mut rest = text;
        while rest.len() > MAX_CHUNK {
            let at = (0..=MAX_CHUNK).rev().find(|i| rest.is_char_boundary(*i));
            let (head, tail) = rest.split_at(at.unwrap_or(0));
            self.add(kind, head);
            rest = tail;
        }
        self.add(kind, rest);
    }

    fn add(&mut self, kind: ConsoleKind, text: &str) {
        self.bytes += text.len();
        let unsent = self.unsent.max(self.unstored);
        if let Some(last) = self.chunks.get_mut(unsent..).and_then(<[_]>::last_mut)
            && last.kind == kind
            && last.text.len() + text.len() <= MAX_CHUNK
        {
            last.text.push_str(text);
            return;
        }
        self.chunks.push(ConsoleChunk {
            seq: self.first + self.chunks.len() as u64,
            kind,
            text: text.to_owned(),
        });
    }

    /// What is to be sent on at `now`: nothing when the last batch was a moment ago, unless `all`.
    pub(crate) fn take_due(&mut self, now: Instant, all: bool) -> Vec<ConsoleChunk> {
        let early = self
            .sent_at
            .is_some_and(|at| now.saturating_duration_since(at) < SEND_EVERY);
        if self.unsent == self.chunks.len() || (early && !all) {
            return Vec::new();
        }
        let batch = self.chunks[self.unsent..].to_vec();
        self.unsent = self.chunks.len();
        self.sent_at = Some(now);
        batch
    }

    /// What is to be stored with the attempt that ends.
    pub(crate) fn to_store(&self) -> Vec<ConsoleChunk> {
        self.chunks[self.unstored..].to_vec()
    }

    /// All so far is stored.
    pub(crate) fn stored(&mut self) {
        self.unstored = self.chunks.len();
    }

    /// The chunks from number `from` on, at most `limit`; `None` when earlier ones than are here are asked
    /// for.
    pub(crate) fn from(&self, from: u64, limit: usize) -> Option<Vec<ConsoleChunk>> {
        let skip = usize::try_from(from.checked_sub(self.first)?).unwrap_or(usize::MAX);
        Some(self.chunks.iter().skip(skip).take(limit).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn output_is_sent_at_most_every_50_ms_and_all_at_the_end() {
        let start = Instant::now();
        let mut console = Console::new(0);
        console.push(ConsoleKind::Output, "a");
        assert_eq!(console.take_due(start, false).len(), 1);
        console.push(ConsoleKind::Output, "b");
        console.push(ConsoleKind::Output, "c");
        assert!(
            console
                .take_due(start + Duration::from_millis(49), false)
                .is_empty()
        );
        let batch = console.take_due(start + Duration::from_millis(50), false);
        assert_eq!(
            (batch.len(), batch[0].seq, batch[0].text.as_str()),
            (1, 1, "bc")
        );
        console.push(ConsoleKind::Warning, "w");
        assert_eq!(
            console.take_due(start + Duration::from_millis(51), true)[0].seq,
            2
        );
    }

    #[test]
    fn output_is_bounded_and_says_so() {
        let mut console = Console::new(0);
        let line = "x".repeat(100_000);
        for _ in 0..100 {
            console.push(ConsoleKind::Output, &line);
        }
        console.push(ConsoleKind::Error, "Error: it failed");
        let all = console.from(0, usize::MAX).unwrap();
        let bytes: usize = all.iter().map(|c| c.text.len()).sum();
        assert!(bytes <= MAX_BYTES + 200);
        let last: Vec<_> = all.iter().rev().take(2).map(|c| c.kind).collect();
        assert_eq!(last, [ConsoleKind::Error, ConsoleKind::System]);
    }

    proptest! {
        /// Numbers have no gaps, nothing is lost, and what was sent is a prefix of what is stored.
        #[test]
        fn numbers_have_no_gaps(texts in prop::collection::vec((0_u8..3, "[a-zäß€]{0,40}", any::<bool>()), 0..80)) {
            let mut console = Console::new(7);
            let start = Instant::now();
            let mut sent = Vec::new();
            let mut whole = String::new();
            for (kind, text, send) in texts {
                let kind = [ConsoleKind::Output, ConsoleKind::Message, ConsoleKind::Warning][kind as usize];
                console.push(kind, &text);
                whole.push_str(&text);
                if send {
                    sent.extend(console.take_due(start, true));
                }
            }
            sent.extend(console.take_due(start, true));
            let stored = console.to_store();
            prop_assert_eq!(&sent, &stored);
            prop_assert!(stored.iter().zip(7..).all(|(c, n)| c.seq == n));
            prop_assert_eq!(stored.iter().map(|c| c.text.as_str()).collect::<String>(), whole);
            prop_assert_eq!(console.from(6, 10), None);
        }
    }
}
