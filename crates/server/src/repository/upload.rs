//! Content on its way in: bounded, hashed while it comes, never more in memory than the server allows.

use super::RepositoryError;
use crate::random::to_hex;
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory that all uploads together may take, MiB.
const MEMORY_MIB: u32 = 512;
const MIB: u64 = 1 << 20;

/// Lets uploads in as long as there is memory for them; the others wait.
#[derive(Clone)]
pub struct Uploads(Arc<Semaphore>);

impl Default for Uploads {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MEMORY_MIB as usize)))
    }
}

/// Content that came in whole.
pub struct Upload {
    bytes: Vec<u8>,
    sha256: String,
    _memory: Option<OwnedSemaphorePermit>,
}

impl Upload {
    /// The content.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The content, taken out; the memory stays accounted for until the upload goes.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Its SHA-256, hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl Uploads {
    /// Takes content in, at most `limit` bytes; `announced` is what the sender said it would be. A sender
    /// that announces nothing takes the memory of the limit.
    pub async fn take<B, E>(
        &self,
        mut stream: impl Stream<Item = Result<B, E>> + Unpin,
        announced: Option<u64>,
        limit: u64,
    ) -> Result<Upload, RepositoryError>
    where
        B: AsRef<[u8]>,
    {
        let expected = announced.unwrap_or(limit);
        if expected > limit {
            return Err(RepositoryError::TooLarge { limit });
        }
        let mib = u32::try_from(expected.div_ceil(MIB))
            .unwrap_or(MEMORY_MIB)
            .min(MEMORY_MIB);
        // The semaphore is never closed.
        let memory = Arc::clone(&self.0).acquire_many_owned(mib).await.ok();
        let mut hash = Sha256::new();
        let mut bytes = Vec::with_capacity(usize::try_from(expected.min(MIB)).unwrap_or_default());
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|_| RepositoryError::BrokenOff)?;
            let piece = piece.as_ref();
            if (bytes.len() + piece.len()) as u64 > expected {
                return Err(RepositoryError::TooLarge { limit });
            }
            hash.update(piece);
            bytes.extend_from_slice(piece);
        }
        Ok(Upload {
            bytes,
            sha256: to_hex(&hash.finalize()),
            _memory: memory,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::convert::Infallible;

    fn pieces(sizes: &[usize]) -> impl Stream<Item = Result<Vec<u8>, Infallible>> + Unpin + use<> {
        let pieces: Vec<_> = sizes.iter().map(|n| Ok(vec![b'a'; *n])).collect();
        futures_util::stream::iter(pieces)
    }

    #[tokio::test]
    async fn content_is_hashed_as_it_comes() {
        let uploads = Uploads::default();
        let upload = uploads.take(pieces(&[1, 0, 2]), Some(3), 10).await.unwrap();
        assert_eq!(upload.bytes(), b"aaa");
        assert_eq!(
            upload.sha256(),
            "9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0"
        );
        let empty = uploads.take(pieces(&[]), None, 10).await.unwrap();
        assert!(empty.sha256().starts_with("e3b0c442"));
    }

    #[tokio::test]
    async fn too_much_is_refused() {
        let uploads = Uploads::default();
        let refused =
            |r: Result<Upload, _>| matches!(r, Err(RepositoryError::TooLarge { limit: 10 }));
        assert!(refused(uploads.take(pieces(&[11]), None, 10).await));
        assert!(refused(uploads.take(pieces(&[]), Some(11), 10).await));
        let broken = futures_util::stream::iter([Ok(vec![1]), Err("gone")]);
        let broken = uploads.take(broken, None, 10).await;
        assert!(matches!(broken, Err(RepositoryError::BrokenOff)));
    }

    #[tokio::test]
    async fn memory_is_shared_by_all_uploads() {
        let uploads = Uploads::default();
        let half = u64::from(MEMORY_MIB / 2) * MIB;
        let first = uploads.take(pieces(&[1]), Some(half), half).await.unwrap();
        let _second = uploads.take(pieces(&[1]), Some(half), half).await.unwrap();
        let third = uploads.take(pieces(&[1]), Some(1), half);
        tokio::pin!(third);
        assert!(futures_util::poll!(&mut third).is_pending());
        drop(first);
        assert!(third.await.is_ok());
    }
}
