//! Accounts and tokens.

use super::*;
use crate::clock;
use crate::store::{Notes, StoreError};
use gridhelm_api::account::Role;

on_every_store!(
    accounts_are_made_and_changed,
    the_last_admin_stays,
    tokens_are_revoked_until_they_expire,
    the_token_key_is_made_once,
);

async fn accounts_are_made_and_changed(db: &dyn Database) {
    let store = db.open();
    let ann = account("ann", Role::Operator);
    store
        .create_account(&ann, notes("user.created"))
        .await
        .unwrap();
    store
        .create_account(&account("Ann", Role::Viewer), Notes::default())
        .await
        .unwrap();
    let twice = store.create_account(&ann, notes("user.created")).await;
    assert!(matches!(
        twice,
        Err(StoreError::AlreadyExists {
            field: "username",
            ..
        })
    ));
    assert_eq!(traces(&store).await, (1, 1));

    store
        .update_account("ann", Some(Role::Admin), None, None, Notes::default())
        .await
        .unwrap();
    store
        .update_account("ann", None, Some(true), Some("$new"), notes("user.changed"))
        .await
        .unwrap_err();
    store
        .update_account("Ann", Some(Role::Admin), None, None, Notes::default())
        .await
        .unwrap();
    store
        .update_account("ann", None, Some(true), Some("$new"), notes("user.changed"))
        .await
        .unwrap();
    let found = store.account("ann").await.unwrap().unwrap();
    assert_eq!(
        (found.account.role, found.account.disabled),
        (Role::Admin, true)
    );
    assert_eq!((found.hash.as_str(), found.generation), ("$new", 3));
    let audit = store
        .audit(&crate::store::AuditFilter::newest(1))
        .await
        .unwrap()
        .items;
    let text = serde_json::to_string(&audit).unwrap();
    assert!(
        text.contains("\"before\":{") && !text.contains("argon2") && !text.contains("$new"),
        "{text}"
    );

    assert!(store.account("bob").await.unwrap().is_none());
    let nobody = store
        .update_account("bob", None, None, None, Notes::default())
        .await;
    assert!(matches!(nobody, Err(StoreError::NotFound { .. })));
    let names: Vec<_> = store
        .accounts()
        .await
        .unwrap()
        .into_iter()
        .map(|a| a.username)
        .collect();
    assert_eq!(names, ["Ann", "ann"]);
    let state = store.token_state().await.unwrap();
    assert_eq!(state.accounts["ann"], (3, Role::Admin, true));
}

async fn the_last_admin_stays(db: &dyn Database) {
    let store = db.open();
    store
        .create_account(&account("root", Role::Admin), Notes::default())
        .await
        .unwrap();
    store
        .create_account(&account("ann", Role::Operator), Notes::default())
        .await
        .unwrap();
    for (role, disabled) in [(Some(Role::Viewer), None), (None, Some(true))] {
        let refused = store
            .update_account("root", role, disabled, None, notes("user.changed"))
            .await;
        assert!(
            matches!(refused, Err(StoreError::Conflict { .. })),
            "{refused:?}"
        );
    }
    store
        .update_account("root", None, None, Some("$new"), Notes::default())
        .await
        .unwrap();
    store
        .update_account("ann", Some(Role::Admin), None, None, Notes::default())
        .await
        .unwrap();
    store
        .update_account("root", Some(Role::Viewer), None, None, Notes::default())
        .await
        .unwrap();
}

async fn tokens_are_revoked_until_they_expire(db: &dyn Database) {
    let store = db.open();
    let now = clock::now();
    store
        .revoke_token("gone", now - 1000, Notes::default())
        .await
        .unwrap();
    store
        .revoke_token("live", now + 60_000, notes("signed out"))
        .await
        .unwrap();
    store
        .revoke_token("live", now + 60_000, Notes::default())
        .await
        .unwrap();
    let revoked = db.open().token_state().await.unwrap().revoked;
    assert_eq!(revoked.into_iter().collect::<Vec<_>>(), ["live"]);
    assert_eq!(traces(&store).await, (1, 1));
}

async fn the_token_key_is_made_once(db: &dyn Database) {
    let (first, second) = (db.open(), db.open());
    let (a, b) = tokio::join!(first.token_key(), second.token_key());
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a, b);
    assert_eq!(a.len(), 32);
    assert_ne!(a, vec![0; 32]);
    assert_eq!(first.token_key().await.unwrap(), a);
}
