//! Content by its SHA-256, in chunks.

use super::tx::{Done, Tx, corrupt, signed, unsigned};
use super::value::params;
use crate::clock;
use crate::store::StoreError;

/// Bytes in a chunk; the last one may have fewer.
pub(in crate::store) const CHUNK: usize = 256 << 10;
/// Bytes written in one transaction.
pub(super) const PIECE: usize = 4 * CHUNK;
/// How long an upload that was given up, or content that nothing refers to, is kept: one day.
pub(super) const KEPT_MS: i64 = 24 * 3600 * 1000;

/// Whether all of a content is there.
pub(super) fn is_whole(tx: Tx<'_>, sha256: &str) -> Done<bool> {
    Ok(size_of(tx, sha256)?.is_some())
}

/// Whether all of a content is there and will be for half a day at least, referred to or not.
pub(super) fn is_fresh(tx: Tx<'_>, sha256: &str) -> Done<bool> {
    let since = clock::now() - KEPT_MS / 2;
    let found: Option<i64> = tx.value(
        "SELECT id FROM blobs WHERE sha256 = ?1 AND created_at >= ?2",
        params![sha256, since],
    )?;
    Ok(found.is_some())
}

/// A content's size, bytes; `None` when it is absent.
pub(super) fn size_of(tx: Tx<'_>, sha256: &str) -> Done<Option<i64>> {
    tx.value("SELECT size FROM blobs WHERE sha256 = ?1", params![sha256])
}

/// [`StoreError::MissingContent`] when a content is absent; its size otherwise.
pub(super) fn must_be_whole(tx: Tx<'_>, sha256: &str) -> Done<i64> {
    size_of(tx, sha256)?.ok_or_else(|| {
        StoreError::MissingContent {
            sha256: sha256.to_owned(),
        }
        .into()
    })
}

/// One transaction's part of an upload.
pub(super) struct Piece {
    /// The upload's id; `None` for the first piece.
    pub(super) upload: Option<i64>,
    /// The content's bytes before this piece.
    pub(super) offset: usize,
    /// Up to [`PIECE`] bytes; all pieces but the last have exactly that many.
    pub(super) bytes: Vec<u8>,
    /// The content's hash, checked by the caller, with the last piece.
    pub(super) sha256: Option<String>,
}

/// Writes a piece; answers the upload's id. The last piece makes the content appear under its hash, unless
/// the same content was put meanwhile: then the upload is dropped.
pub(super) fn put_piece(tx: Tx<'_>, piece: &Piece) -> Done<i64> {
    if let Some(sha256) = &piece.sha256
        && is_whole(tx, sha256)?
    {
        if let Some(upload) = piece.upload {
            tx.execute("DELETE FROM blobs WHERE id = ?1", params![upload])?;
        }
        // Put again, it is as good as new: its reference may follow.
        tx.execute(
            "UPDATE blobs SET created_at = ?2 WHERE sha256 = ?1",
            params![sha256, clock::now()],
        )?;
        return Ok(0);
    }
    let upload = match piece.upload {
        Some(upload) => upload,
        None => begin(tx)?,
    };
    let first = piece.offset / CHUNK;
    for (position, bytes) in (first..).zip(piece.bytes.chunks(CHUNK)) {
        tx.execute(
            "INSERT INTO chunks (blob, position, bytes) VALUES (?1, ?2, ?3)",
            params![upload, signed(position as u64), bytes],
        )?;
    }
    let size = signed((piece.offset + piece.bytes.len()) as u64);
    tx.execute(
        "UPDATE blobs SET size = ?2, sha256 = ?3 WHERE id = ?1",
        params![upload, size, piece.sha256],
    )?;
    Ok(upload)
}

fn begin(tx: Tx<'_>) -> Done<i64> {
    let now = clock::now();
    let id = tx.value(
        "INSERT INTO blobs (sha256, size, created_at) VALUES (NULL, 0, ?1) RETURNING id",
        params![now],
    )?;
    id.ok_or_else(|| corrupt("an upload", "it has no id"))
}

/// Puts contents whose hashes the caller computed, all in this transaction.
pub(super) fn put_all(tx: Tx<'_>, contents: &[(String, Vec<u8>)]) -> Done<()> {
    let now = clock::now();
    for (sha256, bytes) in contents {
        let there = tx.execute(
            "UPDATE blobs SET created_at = ?2 WHERE sha256 = ?1",
            params![sha256, now],
        )?;
        if there > 0 {
            continue;
        }
        let blob: Option<i64> = tx.value(
            "INSERT INTO blobs (sha256, size, created_at) VALUES (?1, ?2, ?3) RETURNING id",
            params![sha256, signed(bytes.len() as u64), now],
        )?;
        for (position, chunk) in (0_u32..).zip(bytes.chunks(CHUNK)) {
            tx.execute(
                "INSERT INTO chunks (blob, position, bytes) VALUES (?1, ?2, ?3)",
                params![blob, i64::from(position), chunk],
            )?;
        }
    }
    Ok(())
}

/// A large content on its way in: the upload's id, and how many of its bytes have come.
pub(super) fn partial(tx: Tx<'_>, changeset: &str, sha256: &str) -> Done<Option<(i64, u64)>> {
    let found = tx.row(
        "SELECT b.id, b.size FROM partials p JOIN blobs b ON b.id = p.blob WHERE p.changeset = ?1 AND p.sha256 = ?2",
        params![changeset, sha256],
        |r| Ok((r.get::<i64>(0)?, r.get::<i64>(1)?)),
    )?;
    found
        .map(|(id, size)| Ok((id, unsigned("an upload", size)?)))
        .transpose()
}

/// Adds bytes to a large content at `offset`, which must be where it ends; answers the upload's id and how many bytes have come. What
/// has come already is not written again.
pub(super) fn put_part(
    tx: Tx<'_>,
    changeset: &str,
    sha256: &str,
    offset: u64,
    bytes: &[u8],
) -> Done<(i64, u64)> {
    let now = clock::now();
    let (blob, have) = if let Some(found) = partial(tx, changeset, sha256)? {
        found
    } else {
        let blob = begin(tx)?;
        tx.execute(
            "INSERT INTO partials (changeset, sha256, blob) VALUES (?1, ?2, ?3)",
            params![changeset, sha256, blob],
        )?;
        (blob, 0)
    };
    let chunk = CHUNK as u64;
    if offset != have || !have.is_multiple_of(chunk) {
        return Ok((blob, have));
    }
    for (position, bytes) in (have / chunk..).zip(bytes.chunks(CHUNK)) {
        tx.execute(
            "INSERT INTO chunks (blob, position, bytes) VALUES (?1, ?2, ?3)",
            params![blob, signed(position), bytes],
        )?;
    }
    let have = have + bytes.len() as u64;
    tx.execute(
        "UPDATE blobs SET size = ?2, created_at = ?3 WHERE id = ?1",
        params![blob, signed(have), now],
    )?;
    Ok((blob, have))
}

/// A large content is whole: it appears under its hash, or, where that turned out to be another, goes.
pub(super) fn end_partial(tx: Tx<'_>, blob: i64, sha256: Option<&str>) -> Done<()> {
    let keep = match sha256 {
        Some(sha256) => !is_whole(tx, sha256)?,
        None => false,
    };
    if keep {
        tx.execute("DELETE FROM partials WHERE blob = ?1", params![blob])?;
        tx.execute(
            "UPDATE blobs SET sha256 = ?2, created_at = ?3 WHERE id = ?1",
            params![blob, sha256, clock::now()],
        )?;
        return Ok(());
    }
    tx.execute("DELETE FROM partials WHERE blob = ?1", params![blob])?;
    tx.execute("DELETE FROM blobs WHERE id = ?1", params![blob])?;
    Ok(())
}

/// Some chunks of an upload, in order.
pub(super) fn read_partial(tx: Tx<'_>, blob: i64, from: u64, chunks: u64) -> Done<Vec<Vec<u8>>> {
    tx.rows(
        "SELECT bytes FROM chunks WHERE blob = ?1 AND position >= ?2 AND position < ?3 ORDER BY position",
        params![blob, signed(from), signed(from + chunks)],
        |r| r.get(0),
    )
}

/// Which of these are the latest content of a file: hash and size.
pub(super) fn present(tx: Tx<'_>, hashes: &[String]) -> Done<Vec<(String, u64)>> {
    let mut found = Vec::with_capacity(hashes.len());
    for sha256 in hashes {
        let size: Option<i64> = tx.value(
            "SELECT size FROM files WHERE sha256 = ?1 AND deleted = FALSE LIMIT 1",
            params![sha256],
        )?;
        if let Some(size) = size {
            found.push((sha256.clone(), unsigned("a file", size)?));
        }
    }
    Ok(found)
}

pub(super) fn missing(tx: Tx<'_>, hashes: &[String]) -> Done<Vec<String>> {
    let mut absent = Vec::new();
    for sha256 in hashes {
        if !is_whole(tx, sha256)? {
            absent.push(sha256.clone());
        }
    }
    Ok(absent)
}

pub(super) fn read(tx: Tx<'_>, sha256: &str, offset: u64, length: u64) -> Done<Option<Vec<u8>>> {
    let found = tx.row(
        "SELECT id, size FROM blobs WHERE sha256 = ?1",
        params![sha256],
        |r| Ok((r.get::<i64>(0)?, r.get::<i64>(1)?)),
    )?;
    let Some((blob, size)) = found else {
        return Ok(None);
    };
    let size: u64 = unsigned("content", size)?;
    let from = offset.min(size);
    let to = offset.saturating_add(length).min(size);
    let wanted = usize::try_from(to - from).map_err(|e| corrupt("content", e))?;
    if wanted == 0 {
        return Ok(Some(Vec::new()));
    }
    let chunk = CHUNK as u64;
    let mut bytes = Vec::with_capacity(wanted);
    let parts = tx.rows(
        "SELECT bytes FROM chunks WHERE blob = ?1 AND position BETWEEN ?2 AND ?3 ORDER BY position",
        params![blob, signed(from / chunk), signed((to - 1) / chunk)],
        |r| r.get::<Vec<u8>>(0),
    )?;
    let mut skip = usize::try_from(from % chunk).unwrap_or_default();
    for part in parts {
        let part = part.get(skip..).unwrap_or_default();
        skip = 0;
        let n = part.len().min(wanted - bytes.len());
        bytes.extend_from_slice(&part[..n]);
    }
    if bytes.len() == wanted {
        return Ok(Some(bytes));
    }
    Err(corrupt(&format!("content {sha256}"), "a chunk is missing"))
}
