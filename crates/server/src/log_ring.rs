//! The log's last lines, kept in memory for a support bundle, while all of them go to standard error.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// How much is kept, bytes.
const MOST: usize = 2 << 20;

static RING: Mutex<VecDeque<u8>> = Mutex::new(VecDeque::new());

/// Writes to standard error and keeps the last [`MOST`] bytes.
#[derive(Debug, Default)]
pub struct Tee;

impl Tee {
    /// A writer of one line.
    pub fn new() -> Self {
        Self
    }
}

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        keep(
            &mut RING.lock().unwrap_or_else(PoisonError::into_inner),
            bytes,
        );
        io::stderr().write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn keep(ring: &mut VecDeque<u8>, bytes: &[u8]) {
    let bytes = &bytes[bytes.len().saturating_sub(MOST)..];
    let over = (ring.len() + bytes.len()).saturating_sub(MOST);
    ring.drain(..over.min(ring.len()));
    ring.extend(bytes);
}

/// What is kept, from the first whole line on.
pub fn lines() -> String {
    let ring = RING.lock().unwrap_or_else(PoisonError::into_inner);
    text(&ring)
}

fn text(ring: &VecDeque<u8>) -> String {
    let bytes: Vec<u8> = ring.iter().copied().collect();
    let from = if ring.len() < MOST {
        0
    } else {
        bytes.iter().position(|b| *b == b'\n').map_or(0, |n| n + 1)
    };
    String::from_utf8_lossy(&bytes[from..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_whole_lines_are_kept() {
        let mut ring = VecDeque::new();
        keep(&mut ring, b"one\n");
        assert_eq!(text(&ring), "one\n");
        let line = format!("{}\n", "x".repeat(999));
        for _ in 0..4_000 {
            keep(&mut ring, line.as_bytes());
        }
        assert_eq!(ring.len(), MOST);
        let kept = text(&ring);
        assert!(kept.len() < MOST && kept.lines().all(|line| line.len() == 999));
        keep(&mut ring, &vec![b'y'; 2 * MOST]);
        assert_eq!(ring.len(), MOST);
    }
}
