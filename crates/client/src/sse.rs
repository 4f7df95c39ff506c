//! Server-sent events, read as they come: a pure, incremental parser of `text/event-stream` (HTML Living Standard, 9.2.6).
//!
//! `EventSource` cannot send an `Authorization` header, so the stream is read with `fetch`, and parsed here.

/// One message of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The event's name; empty for the default, `message`.
    pub event: String,
    /// The data, its lines joined by line feeds.
    pub data: String,
    /// The last id that the stream gave, also when this message had none: what to resume from.
    pub id: String,
}

/// Why the stream is given up: a line or a message is longer than anything that the API sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of the event stream is longer than {} MiB", Parser::LIMIT >> 20)]
pub struct TooLong;

/// Turns bytes, in whatever pieces they come, into messages.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    after_cr: bool,
    begun: bool,
    event: String,
    data: String,
    has_data: bool,
    id: String,
}

impl Parser {
    /// The longest message, in bytes: a snapshot of 10,000 nodes with 16 slots each is about 15 MB.
    pub const LIMIT: usize = 64 << 20;

    /// A parser at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// The last id that the stream gave; empty before the first.
    pub fn last_id(&self) -> &str {
        &self.id
    }

    /// Takes the next piece of the stream, and hands every message that it completes to `out`, in order.
    pub fn push(&mut self, mut piece: &[u8], out: &mut Vec<Message>) -> Result<(), TooLong> {
        while let Some(&first) = piece.first() {
            // CR, LF and CR LF each end one line; a CR LF may be cut in two.
            if core::mem::take(&mut self.after_cr) && first == b'\n' {
                piece = &piece[1..];
                continue;
            }
            let end = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (head, rest) = piece.split_at(end.unwrap_or(piece.len()));
            if self.line.len() + self.data.len() + head.len() > Self::LIMIT {
                return Err(TooLong);
            }
            self.line.extend_from_slice(head);
            piece = rest;
            if let Some((&ending, rest)) = piece.split_first() {
                self.after_cr = ending == b'\r';
                piece = rest;
                self.end_line(out);
            }
        }
        Ok(())
    }

    fn end_line(&mut self, out: &mut Vec<Message>) {
        let bytes = core::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let text = if core::mem::replace(&mut self.begun, true) {
            &*text
        } else {
            text.strip_prefix('\u{feff}').unwrap_or(&text)
        };
        if text.is_empty() {
            self.dispatch(out);
        } else {
            let (field, value) = text.split_once(':').unwrap_or((text, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.event),
                "data" => {
                    if core::mem::replace(&mut self.has_data, true) {
                        self.data.push('\n');
                    }
                    self.data.push_str(value);
                }
                "id" if !value.contains('\0') => value.clone_into(&mut self.id),
                // A comment, a retry time or a field of the future.
                _ => {}
            }
        }
        self.line = bytes;
        self.line.clear();
        if self.line.capacity() > 1 << 20 {
            self.line = Vec::new();
        }
    }

    fn dispatch(&mut self, out: &mut Vec<Message>) {
        let event = core::mem::take(&mut self.event);
        let data = core::mem::take(&mut self.data);
        if core::mem::take(&mut self.has_data) {
            out.push(Message {
                event,
                data,
                id: self.id.clone(),
            });
        }
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
