//! Many contents in one stream: for each its SHA-256 (32 bytes), its length (64 bits, little-endian), and its bytes.

use core::fmt;

/// Bytes before each content.
pub const HEAD: usize = 40;

/// What is wrong with a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackError {
    /// It ends within a content.
    Cut,
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("the pack ends within a content"),
        }
    }
}

impl core::error::Error for PackError {}

/// The head of a content; `None` when `sha256` is not 64 hexadecimal digits.
pub fn head(sha256: &str, length: u64) -> Option<[u8; HEAD]> {
    let digits = sha256.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let digit = |d: u8| {
        char::from(d)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let mut bytes = [0; HEAD];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
    }
    bytes[32..].copy_from_slice(&length.to_le_bytes());
    Some(bytes)
}

/// Adds a content to a pack; whether the hash is one.
pub fn put(pack: &mut Vec<u8>, sha256: &str, content: &[u8]) -> bool {
    let Some(head) = head(sha256, content.len() as u64) else {
        return false;
    };
    pack.extend_from_slice(&head);
    pack.extend_from_slice(content);
    true
}

/// The contents of a pack: hash, hexadecimal, and bytes. The hashes are those that the sender says; whoever takes them in compares.
pub fn contents(mut pack: &[u8]) -> Result<Vec<(String, &[u8])>, PackError> {
    let mut all = Vec::new();
    while !pack.is_empty() {
        let (head, rest) = pack.split_at_checked(HEAD).ok_or(PackError::Cut)?;
        let (hash, length) = head.split_at(32);
        let length = length
            .iter()
            .rev()
            .fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
        let length = usize::try_from(length).map_err(|_| PackError::Cut)?;
        let (content, rest) = rest.split_at_checked(length).ok_or(PackError::Cut)?;
        all.push((crate::hex(hash), content));
        pack = rest;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::content_hash;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_out(all in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..8)) {
            let mut pack = Vec::new();
            for content in &all {
                prop_assert!(put(&mut pack, &content_hash(content), content));
            }
            let found = contents(&pack).unwrap();
            prop_assert_eq!(found.len(), all.len());
            for ((hash, found), content) in found.iter().zip(&all) {
                prop_assert_eq!(hash, &content_hash(content));
                prop_assert_eq!(*found, content.as_slice());
            }
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = contents(&bytes);
        }

        #[test]
        fn a_cut_is_seen(content in proptest::collection::vec(any::<u8>(), 1..50), cut in 1_usize..90) {
            let mut pack = Vec::new();
            put(&mut pack, &content_hash(&content), &content);
            let cut = cut.min(pack.len() - 1);
            prop_assert_eq!(contents(&pack[..cut]), Err(PackError::Cut));
        }
    }
}
