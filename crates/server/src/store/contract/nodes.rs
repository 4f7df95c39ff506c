//! Nodes, their intents and timelines, and the record of sessions.

use super::*;
use crate::store::{Notes, StoreError};
use gridhelm_api::node::{Intent, IntentChange, Node, NodePatch, TimelinePoint};

on_every_store!(
    a_node_comes_back_as_it_was_written,
    names_and_addresses_are_unique,
    of_two_editors_the_second_learns_what_changed,
    an_intent_says_who_and_why,
    a_timeline_begins_with_what_held,
    sessions_are_recorded_and_forgotten,
);

async fn a_node_comes_back_as_it_was_written(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let (made, _) = store
        .create_node(&fence, &node("n1", 6311), notes("node.created"))
        .await
        .unwrap();
    assert_eq!(made.version, 1);
    assert_eq!(
        db.open().nodes().await.unwrap(),
        std::slice::from_ref(&made)
    );
    assert_eq!(made.password.as_deref(), Some("hush-hush"));
    assert!(!format!("{made:?}").contains("hush"));
    let audit = store
        .audit(&crate::store::AuditFilter::newest(1))
        .await
        .unwrap()
        .items;
    assert_eq!(audit[0].after.as_ref().unwrap()["port"], 6311);
    assert!(!serde_json::to_string(&audit).unwrap().contains("hush"));

    store
        .remove_node(&fence, "n1", 1, notes("node.removed"))
        .await
        .unwrap();
    assert_eq!(store.nodes().await.unwrap(), []);
    let gone = store.remove_node(&fence, "n1", 1, Notes::default()).await;
    assert!(matches!(gone, Err(StoreError::NotFound { .. })));
}

async fn names_and_addresses_are_unique(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    store
        .create_node(&fence, &node("n1", 1), Notes::default())
        .await
        .unwrap();
    store
        .create_node(&fence, &node("n2", 2), Notes::default())
        .await
        .unwrap();
    let field = |outcome| match outcome {
        Err(StoreError::AlreadyExists { field, what }) => (field, what),
        other => panic!("{other:?}"),
    };
    let name = store
        .create_node(&fence, &node("n1", 3), Notes::default())
        .await;
    assert_eq!(field(name), ("name", "node n1".to_owned()));
    let address = store
        .create_node(&fence, &node("n3", 1), Notes::default())
        .await;
    assert_eq!(
        field(address),
        ("host", "node n1 at 127.0.0.1:1".to_owned())
    );
    let moved = NodePatch {
        port: Some(1),
        ..NodePatch::default()
    };
    let onto = store
        .update_node(&fence, "n2", 1, &moved, Notes::default())
        .await;
    assert_eq!(field(onto).0, "host");
    let same = NodePatch {
        port: Some(2),
        ..NodePatch::default()
    };
    store
        .update_node(&fence, "n2", 1, &same, Notes::default())
        .await
        .unwrap();
}

async fn of_two_editors_the_second_learns_what_changed(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    store
        .create_node(&fence, &node("n1", 1), Notes::default())
        .await
        .unwrap();
    let patch = |slot_limit| NodePatch {
        slot_limit: Some(slot_limit),
        ..NodePatch::default()
    };
    let (a, b) = (patch(5), patch(6));
    let (first, second) = tokio::join!(
        store.update_node(&fence, "n1", 1, &a, notes("node.changed")),
        store.update_node(&fence, "n1", 1, &b, notes("node.changed")),
    );
    let (won, lost) = match (first, second) {
        (Ok((won, _)), Err(lost)) | (Err(lost), Ok((won, _))) => (won, lost),
        other => panic!("{other:?}"),
    };
    assert_eq!(won.version, 2);
    assert_eq!(
        won.password.as_deref(),
        Some("hush-hush"),
        "what is not patched stays"
    );
    match lost {
        StoreError::VersionMismatch {
            version, current, ..
        } => {
            let current: Node = serde_json::from_value(current.unwrap()).unwrap();
            assert_eq!((version, current.slot_limit), (2, won.slot_limit));
        }
        other => panic!("{other}"),
    }
    assert_eq!(traces(&store).await, (1, 1));
    let audit = store
        .audit(&crate::store::AuditFilter::newest(1))
        .await
        .unwrap()
        .items
        .remove(0);
    assert_eq!(audit.before.unwrap()["slot_limit"], 3);
    assert_eq!(audit.after.unwrap()["slot_limit"], won.slot_limit);
}

async fn an_intent_says_who_and_why(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    store
        .create_node(&fence, &node("n1", 1), Notes::default())
        .await
        .unwrap();
    let change = IntentChange::new(Intent::Draining, "new memory");
    let (now, _) = store
        .set_intent(&fence, "n1", 1, &change, "bob", notes("node.drained"))
        .await
        .unwrap();
    assert_eq!((now.intent, now.version), (Intent::Draining, 2));
    assert_eq!(
        (now.intent_by.as_deref(), now.intent_reason.as_deref()),
        (Some("bob"), Some("new memory"))
    );
    assert!(now.intent_since > 5);
    let old = store
        .set_intent(&fence, "n1", 1, &change, "bob", Notes::default())
        .await;
    assert!(matches!(
        old,
        Err(StoreError::VersionMismatch { version: 2, .. })
    ));
}

async fn a_timeline_begins_with_what_held(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    store
        .create_node(&fence, &node("n1", 1), Notes::default())
        .await
        .unwrap();
    let point = |at, usable| TimelinePoint {
        at,
        usable,
        total: 3,
        reason: format!("r{at}"),
        planned: false,
    };
    for (at, usable) in [(10, 3), (20, 0), (30, 3)] {
        store
            .record_capacity(&fence, "n1", &point(at, usable), notes("node.contracted"))
            .await
            .unwrap();
    }
    assert_eq!(
        store.timeline("n1", 25).await.unwrap(),
        [point(20, 0), point(30, 3)]
    );
    assert_eq!(store.timeline("n1", 20).await.unwrap().len(), 3);
    assert_eq!(store.timeline("n1", 0).await.unwrap().len(), 3);
    assert_eq!(store.timeline("other", 0).await.unwrap(), []);
    let unknown = store
        .record_capacity(&fence, "other", &point(1, 1), notes("x"))
        .await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })));
    assert_eq!(traces(&store).await, (3, 3));
}

async fn sessions_are_recorded_and_forgotten(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let rows = [session("s1", 1), session("s2", 1), session("s3", 1)];
    store.open_sessions(&fence, &rows).await.unwrap();
    assert_eq!(db.open().sessions().await.unwrap(), rows);
    let ended = ["s1".to_owned(), "s3".to_owned(), "never".to_owned()];
    store.close_sessions(&fence, &ended).await.unwrap();
    assert_eq!(store.sessions().await.unwrap(), [session("s2", 1)]);
}
