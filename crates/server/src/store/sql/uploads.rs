//! Writes that are too big for one transaction: content, and a changeset's operations.

use super::content::{PIECE, Piece};
use super::{Backend, SqlStore, changesets, content};
use crate::store::{Fence, Result, StoreError};
use gridhelm_api::changeset::{ChangesetRequest, PartState};
use sha2::{Digest, Sha256};

/// Bytes that are hashed in well under a millisecond.
const SHORT: usize = 64 << 10;
/// Bytes of contents that are stored in one transaction, about.
const GROUP: usize = 16 * content::CHUNK;
/// Chunks that are read at once.
const READ: u64 = 16;

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

    /// Stores contents whose hashes the caller computed, several in a transaction.
    pub(super) async fn upload_all(&self, contents: Vec<(String, Vec<u8>)>) -> Result<()> {
        let mut group = Vec::new();
        let mut size = 0;
        for content in contents {
            size += content.1.len();
            group.push(content);
            if size >= GROUP {
                size = 0;
                let group = std::mem::take(&mut group);
                self.write("store contents", move |tx| content::put_all(tx, &group))
                    .await?;
            }
        }
        if group.is_empty() {
            return Ok(());
        }
        self.write("store contents", move |tx| content::put_all(tx, &group))
            .await
    }

    /// Adds a part to a large content; with its last byte it is read again, its hash compared, and it appears under it.
    pub(super) async fn upload_part(
        &self,
        changeset: &str,
        sha256: &str,
        size: u64,
        offset: u64,
        bytes: &[u8],
    ) -> Result<PartState> {
        let own = (changeset.to_owned(), sha256.to_owned());
        let (c, s) = own.clone();
        let whole = self
            .read("look for content", move |tx| content::is_whole(tx, &s))
            .await?;
        if whole {
            return Ok(PartState {
                have: size,
                size,
                whole: true,
            });
        }
        let (mut blob, mut have) = (None, offset);
        for piece in bytes.chunks(GROUP) {
            let (own, piece, at) = (own.clone(), piece.to_vec(), have);
            let wanted = at + piece.len() as u64;
            let (upload, now) = self
                .write("store a part", move |tx| {
                    content::put_part(tx, &own.0, &own.1, at, &piece)
                })
                .await?;
            (blob, have) = (Some(upload), now);
            if now != wanted {
                break;
            }
        }
        if blob.is_none() {
            let found = self
                .read("look for a part", move |tx| {
                    content::partial(tx, &c, &own.1)
                })
                .await?;
            (blob, have) = found.map_or((None, 0), |(id, have)| (Some(id), have));
        }
        if have < size {
            return Ok(PartState {
                have,
                size,
                whole: false,
            });
        }
        let Some(blob) = blob else {
            return Ok(PartState {
                have: 0,
                size,
                whole: false,
            });
        };
        let found = self.hash_of(blob).await?;
        let wanted = sha256.to_owned();
        let good = found == sha256;
        self.write("end an upload", move |tx| {
            content::end_partial(tx, blob, good.then_some(wanted.as_str()))
        })
        .await?;
        if good {
            return Ok(PartState {
                have,
                size,
                whole: true,
            });
        }
        Err(StoreError::Conflict {
            why: format!(
                "the content that came has the SHA-256 {found}, not {sha256}; nothing of it was kept"
            ),
        })
    }

    /// The hash of an upload, read piece by piece.
    async fn hash_of(&self, blob: i64) -> Result<String> {
        let mut hash = Sha256::new();
        let mut from = 0;
        loop {
            let chunks = self
                .read("read an upload", move |tx| {
                    content::read_partial(tx, blob, from, READ)
                })
                .await?;
            from += READ;
            let last = (chunks.len() as u64) < READ;
            for chunk in chunks {
                (hash, _) = hashed(hash, chunk).await?;
            }
            if last {
                break;
            }
        }
        Ok(gridhelm_replicate::hex(&hash.finalize()))
    }

    /// Opens a changeset: writes its operations, so that its commit is short. One that was begun goes on.
    pub(super) async fn stage(
        &self,
        fence: &Fence,
        request: &ChangesetRequest,
        by: &str,
    ) -> Result<String> {
        let wanted = request.clone();
        let begun = self
            .read("look for a changeset", move |tx| {
                changesets::begun(tx, &wanted)
            })
            .await?;
        if let Some(id) = begun {
            return Ok(id);
        }
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
