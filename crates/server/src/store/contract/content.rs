//! Content in chunks.

use super::*;
use crate::store::{Store, StoreError};
use std::sync::Arc;

on_every_store!(
    content_of_any_size_comes_back,
    ranges_across_chunk_borders_are_exact,
    content_under_a_wrong_hash_is_refused,
    the_same_content_at_once_is_fine,
);

/// Bytes that differ from place to place, so that a chunk in the wrong place shows.
fn bytes(len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
        .collect()
}

async fn is_missing(store: &Arc<dyn Store>, sha256: &str) -> bool {
    let asked = [sha256.to_owned(), sha256.to_owned()];
    let missing = store.missing_blobs(&asked).await.unwrap();
    assert!(missing.is_empty() || missing == asked);
    !missing.is_empty()
}

const CHUNK: usize = 256 << 10;

async fn content_of_any_size_comes_back(db: &dyn Database) {
    let store = db.open();
    for len in [
        0,
        1,
        CHUNK - 1,
        CHUNK,
        CHUNK + 1,
        4 * CHUNK,
        4 * CHUNK + 1,
        9 * CHUNK + 77,
    ] {
        let content = bytes(len);
        let sha = sha256(&content);
        assert!(is_missing(&store, &sha).await);
        assert_eq!(store.read_blob(&sha, 0, 10).await.unwrap(), None);
        store.put_blob(&sha, &content).await.unwrap();
        store.put_blob(&sha, &content).await.unwrap();
        assert!(!is_missing(&store, &sha).await);
        let found = db
            .open()
            .read_blob(&sha, 0, u64::MAX)
            .await
            .unwrap()
            .unwrap();
        assert!(found == content, "{len} bytes");
    }
}

async fn ranges_across_chunk_borders_are_exact(db: &dyn Database) {
    let store = db.open();
    let content = bytes(3 * CHUNK + 1000);
    let sha = sha256(&content);
    store.put_blob(&sha, &content).await.unwrap();
    let edges: Vec<usize> = [0, CHUNK, 2 * CHUNK, 3 * CHUNK, content.len()]
        .into_iter()
        .flat_map(|e| [e.saturating_sub(1), e, e + 1])
        .collect();
    for from in &edges {
        for to in edges.iter().filter(|to| *to >= from) {
            let found = store
                .read_blob(&sha, *from as u64, (to - from) as u64)
                .await
                .unwrap()
                .unwrap();
            let (a, b) = ((*from).min(content.len()), (*to).min(content.len()));
            assert!(found == content[a..b], "{from}..{to}");
        }
    }
}

async fn content_under_a_wrong_hash_is_refused(db: &dyn Database) {
    let store = db.open();
    for len in [10, 5 * CHUNK] {
        let wrong = sha256(b"something else");
        let refused = store.put_blob(&wrong, &bytes(len)).await;
        assert!(
            matches!(refused, Err(StoreError::Conflict { .. })),
            "{refused:?}"
        );
        assert!(is_missing(&store, &wrong).await);
    }
    let right = b"something else";
    store.put_blob(&sha256(right), right).await.unwrap();
    assert_eq!(
        store
            .read_blob(&sha256(right), 0, 99)
            .await
            .unwrap()
            .unwrap(),
        right
    );
}

async fn the_same_content_at_once_is_fine(db: &dyn Database) {
    let (first, second) = (db.open(), db.open());
    let content = bytes(9 * CHUNK);
    let sha = sha256(&content);
    let (a, b) = tokio::join!(
        first.put_blob(&sha, &content),
        second.put_blob(&sha, &content)
    );
    a.unwrap();
    b.unwrap();
    let found = first.read_blob(&sha, 0, u64::MAX).await.unwrap().unwrap();
    assert!(found == content);
}
