//! Tokens by which servers join.

use super::*;
use crate::store::{Notes, Store, StoreError, StoredJoinToken};
use std::sync::Arc;

on_every_store!(
    a_join_token_is_used_once,
    a_join_token_is_revoked_or_ends,
    join_tokens_are_listed_for_a_month,
);

fn token(id: &str, made_at: i64) -> StoredJoinToken {
    StoredJoinToken {
        id: id.to_owned(),
        hash: format!("hash of {id}"),
        made_by: "ann".to_owned(),
        made_at,
        expires_at: made_at + 1000,
        used_by: None,
        used_at: None,
        revoked_by: None,
    }
}

async fn a_join_token_is_used_once(db: &dyn Database) {
    let (store, other) = (db.open(), db.open());
    let made = token("j-1", 5000);
    store.create_join_token(&made, notes("made")).await.unwrap();
    assert_eq!(
        other.join_token(&made.hash).await.unwrap(),
        Some(made.clone())
    );
    let take = |store: &Arc<dyn Store>, server: &'static str| {
        let (store, hash) = (Arc::clone(store), made.hash.clone());
        async move {
            store
                .take_join_token(&hash, server, 5500, notes("used"))
                .await
        }
    };
    let (a, b) = tokio::join!(take(&store, "a"), take(&other, "b"));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_ne!(a.is_some(), b.is_some(), "one of two gets it");
    let winner = if a.is_some() { "a" } else { "b" };
    let kept = store.join_token(&made.hash).await.unwrap().unwrap();
    assert_eq!(kept.used_by.as_deref(), Some(winner));
    assert_eq!(kept.used_at, Some(5500));
    assert_eq!(
        traces(&store).await,
        (2, 2),
        "who did not get it left no trace"
    );
    let revoked = store
        .revoke_join_token("j-1", "ann", notes("revoked"))
        .await;
    assert!(
        matches!(revoked, Err(StoreError::Conflict { .. })),
        "{revoked:?}"
    );
}

async fn a_join_token_is_revoked_or_ends(db: &dyn Database) {
    let store = db.open();
    for id in ["j-1", "j-2"] {
        store
            .create_join_token(&token(id, 5000), Notes::default())
            .await
            .unwrap();
    }
    for _ in 0..2 {
        store
            .revoke_join_token("j-1", "bob", notes("revoked"))
            .await
            .unwrap();
    }
    let take = |id: &str, now| {
        let (store, hash) = (Arc::clone(&store), format!("hash of {id}"));
        async move { store.take_join_token(&hash, "a", now, notes("used")).await }
    };
    assert!(take("j-1", 5001).await.unwrap().is_none(), "revoked");
    assert!(
        take("j-2", 6000).await.unwrap().is_none(),
        "its time is over"
    );
    assert!(take("j-3", 5001).await.unwrap().is_none(), "never made");
    let nobody = store
        .revoke_join_token("j-3", "bob", Notes::default())
        .await;
    assert!(matches!(nobody, Err(StoreError::NotFound { .. })));
    assert_eq!(traces(&store).await, (1, 1));
    assert!(take("j-2", 5999).await.unwrap().is_some());
}

async fn join_tokens_are_listed_for_a_month(db: &dyn Database) {
    let store = db.open();
    let month = 30 * 24 * 3600 * 1000;
    for (id, at) in [("j-1", 0), ("j-2", 2000), ("j-3", month + 1500)] {
        store
            .create_join_token(&token(id, at), Notes::default())
            .await
            .unwrap();
    }
    let ids: Vec<_> = store
        .join_tokens()
        .await
        .unwrap()
        .into_iter()
        .map(|t| t.id)
        .collect();
    assert_eq!(
        ids,
        ["j-3", "j-2"],
        "newest first, without what ended a month ago"
    );
}
