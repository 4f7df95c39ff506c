//! What differs between two contents, as plain data for a view.
//!
//! [`diff`] decides whether the contents can be shown as text; a [`TextDiff`] is laid out by
//! [`TextDiff::unified`] or [`TextDiff::split`], with runs of equal lines folded away.

mod layout;
mod lines;
mod words;

pub use layout::{Fold, Layout, SplitRow, UnifiedRow};
pub use lines::{Block, Line, LineEnd, Span, TextDiff};

/// The largest content that is shown, bytes (2 MiB).
pub const MAX_SHOWN: usize = 2 << 20;
/// Lines of context kept around a difference.
pub const CONTEXT: usize = 3;

/// What differs between two contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Diff {
    /// Nothing.
    Same,
    /// At least one side is not text.
    Binary,
    /// At least one side is larger than [`MAX_SHOWN`].
    TooLarge,
    /// Lines of text.
    Text(TextDiff),
}

/// Compares two contents: `old` is what the target has, `new` what it would get. An absent side is empty.
pub fn diff(old: &[u8], new: &[u8]) -> Diff {
    if old == new {
        return Diff::Same;
    }
    if old.len() > MAX_SHOWN || new.len() > MAX_SHOWN {
        return Diff::TooLarge;
    }
    match (text(old), text(new)) {
        (Some(old), Some(new)) => Diff::Text(TextDiff::new(&old, &new)),
        _ => Diff::Binary,
    }
}

/// The content as text: UTF-8, else Latin-1 (old R scripts); `None` when it is binary. Contents that differ
/// give texts that differ.
pub fn text(content: &[u8]) -> Option<String> {
    if is_binary(content) {
        return None;
    }
    match core::str::from_utf8(content) {
        Ok(text) => Some(text.to_owned()),
        Err(_) => Some(content.iter().copied().map(char::from).collect()),
    }
}

/// Whether a content is no text: it has a NUL byte, or is not UTF-8 and more than a tenth of it are
/// control characters.
pub fn is_binary(content: &[u8]) -> bool {
    if content.contains(&0) {
        return true;
    }
    if core::str::from_utf8(content).is_ok() {
        return false;
    }
    let is_control = |b: &&u8| **b < 0x20 && !matches!(**b, b'\t' | b'\n' | b'\r' | 0x0c);
    content.iter().filter(is_control).count() * 10 > content.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_is_no_text_or_too_large_is_said() {
        assert_eq!(diff(b"a", b"a"), Diff::Same);
        assert_eq!(diff(b"\x89PNG\r\n\x1a\n\0\0", b"text"), Diff::Binary);
        assert_eq!(diff(b"a", &vec![b'a'; MAX_SHOWN + 1]), Diff::TooLarge);
        assert!(matches!(diff(b"", b"a\n"), Diff::Text(_)));
    }

    #[test]
    fn latin_1_is_text_and_differences_stay() {
        let Diff::Text(found) = diff(b"x <- 'gr\xfc\xdfe'\n", b"x <- 'gr\xfc\xdfE'\n") else {
            panic!("not text");
        };
        assert_eq!((found.added, found.removed), (1, 1));
    }
}
