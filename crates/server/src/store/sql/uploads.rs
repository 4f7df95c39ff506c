//! Writes that are too big for one transaction: content, and a changeset's operations.

use super::content::{PIECE, Piece};
use super::{Backend, SqlStore, changesets, content};
use crate::store::{Fence, Result, StoreError};
use gridhelm_api::changeset::ChangesetRequest;
use sha2::{Digest, Sha256};

/// Bytes that are hashed in well under a millisecond.
const SHORT: usize = 64 << 10;

impl<B: Backend> SqlStore<B> {
    /// Stores content piece by piece; it appears under its hash with the last piece.
    pub(super) async fn upload(&self, sha256: &str, bytes: &[u8]) -> Result<()> {
        let wanted = sha256.to_owned();
        if self
            .read("look for content", move |tx| content::is_fresh(tx, &wanted))
            .await?
        {
            return Ok(());
        }
        let mut hash = Sha256::new();
        let mut upload = None;
        let mut offset = 0;
        loop {
            let end = (offset + PIECE).min(bytes.len());
            let piece = bytes[offset..end].to_vec();
            let last = end == bytes.len();
            let (next, piece) = hashed(hash, piece).await?;
            hash = next;
            if last {
                let found = gridhelm_replicate::hex(&hash.clone().finalize());
                if found != sha256 {
                    return Err(StoreError::Conflict {
                        why: format!("the content's SHA-256 is {found}, not {sha256}"),
                    });
                }
            }
            let piece = Piece {
                upload,
                offset,
                bytes: piece,
                sha256: last.then(|| sha256.to_owned()),
            };
            upload = Some(
                self.write("store content", move |tx| content::put_piece(tx, &piece))
                    .await?,
            );
            if last {
                return Ok(());
            }
            offset = end;
        }
    }

    /// Opens a changeset: writes its operations, so that its commit is short.
    pub(super) async fn stage(
        &self,
        fence: &Fence,
        request: &ChangesetRequest,
        by: &str,
    ) -> Result<String> {
        let id = changesets::new_id()?;
        let head = ChangesetRequest {
            operations: Vec::new(),
            ..request.clone()
        };
        let (f, i, by) = (fence.clone(), id.clone(), by.to_owned());
        self.write("open changeset", move |tx| {
            changesets::open(tx, &f, &i, &head, &by)
        })
        .await?;
        let mut pieces = request.operations.chunks(changesets::PIECE).peekable();
        while let Some(piece) = pieces.next() {
            let last = pieces.peek().is_none();
            let (f, i, piece) = (fence.clone(), id.clone(), piece.to_vec());
            self.write("open changeset", move |tx| {
                changesets::add(tx, &f, &i, &piece, last)
            })
            .await?;
        }
        Ok(id)
    }
}

/// Adds a piece to the hash; a big one on a thread that may block.
async fn hashed(mut hash: Sha256, piece: Vec<u8>) -> Result<(Sha256, Vec<u8>)> {
    let short = piece.len() <= SHORT;
    let add = move || {
        hash.update(&piece);
        (hash, piece)
    };
    if short {
        return Ok(add());
    }
    tokio::task::spawn_blocking(add)
        .await
        .map_err(|e| StoreError::Unavailable {
            operation: "store content",
            message: format!("the content's hash could not be computed: {e}"),
        })
}
