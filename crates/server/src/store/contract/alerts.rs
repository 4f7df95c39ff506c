//! Settings, alerts, messages about them, and what is known of the past.

use super::*;
use crate::store::{Notes, StoreError};
use gridhelm_api::alert::{Alert, Said};
use gridhelm_api::node::{Intent, IntentChange, TimelinePoint};

on_every_store!(
    a_setting_is_changed_by_who_saw_it,
    alerts_and_messages_come_back_as_they_were_written,
    an_intent_ends_once,
    a_nodes_history_outlives_it,
);

async fn a_setting_is_changed_by_who_saw_it(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    assert_eq!(store.setting("limits").await.unwrap(), None);
    let put = |version: i64, value: &'static str| {
        store.put_setting(&fence, "limits", version, value, notes("limits.changed"))
    };
    put(0, r#"{"version":1,"least_slots":4}"#).await.unwrap();
    let late = put(0, r#"{"version":1}"#).await;
    assert!(matches!(
        late,
        Err(StoreError::VersionMismatch { version: 1, .. })
    ));
    put(1, r#"{"version":2}"#).await.unwrap();
    assert_eq!(
        db.open().setting("limits").await.unwrap().as_deref(),
        Some(r#"{"version":2}"#)
    );
    assert_eq!(traces(&store).await, (2, 2));
}

async fn alerts_and_messages_come_back_as_they_were_written(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let (first, second) = (alert("a-1", 10), alert("a-2", 20));
    let both = [first.clone(), second.clone()];
    store
        .put_alerts(&fence, &both, &[delivery("d-1")], notes("alert.opened"))
        .await
        .unwrap();
    let over = Alert {
        resolved_at: Some(30),
        acknowledged: Some(Said {
            by: "ana".to_owned(),
            at: 25,
            reason: "on it".to_owned(),
        }),
        ..second
    };
    store
        .put_alerts(&fence, std::slice::from_ref(&over), &[], Notes::default())
        .await
        .unwrap();
    assert_eq!(db.open().alerts(10).await.unwrap(), [first, over]);
    assert_eq!(store.alerts(0).await.unwrap().len(), 1);

    assert_eq!(store.due_deliveries(4, 10).await.unwrap(), []);
    let mut sent = store.due_deliveries(5, 10).await.unwrap().remove(0);
    assert_eq!(sent, delivery("d-1"));
    sent.due_at = None;
    sent.tries = 1;
    sent.taken_at = Some(6);
    store
        .put_delivery(&fence, &sent, Notes::default())
        .await
        .unwrap();
    assert_eq!(store.due_deliveries(i64::MAX, 10).await.unwrap(), []);
    assert_eq!(store.deliveries(10).await.unwrap(), [sent]);
}

async fn an_intent_ends_once(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    for (index, name) in ["n1", "n2"].into_iter().enumerate() {
        let port = 1 + u16::try_from(index).unwrap();
        store
            .create_node(&fence, &node(name, port), Notes::default())
            .await
            .unwrap();
    }
    for (name, intent) in [("n1", Intent::Disabled), ("n2", Intent::Draining)] {
        let change = IntentChange {
            for_s: Some(60),
            force: true,
            ..IntentChange::new(intent, "new disk")
        };
        let (set, _) = store
            .set_intent(&fence, name, 1, &change, "ana", Notes::default())
            .await
            .unwrap();
        assert_eq!(set.intent_until, Some(set.intent_since + 60_000));
        assert_eq!(
            db.open()
                .nodes()
                .await
                .unwrap()
                .iter()
                .find(|n| n.name == name),
            Some(&set)
        );
    }
    let pass = |name: &'static str, version| {
        store.intent_passed(&fence, name, version, "east-1", notes("node.enabled"))
    };
    let (enabled, _) = pass("n1", 2).await.unwrap();
    assert_eq!(
        (enabled.intent, enabled.intent_until, enabled.intent_force),
        (Intent::Enabled, None, false)
    );
    assert_eq!(enabled.intent_by.as_deref(), Some("east-1"));
    assert_eq!(enabled.intent_reason.as_deref(), Some("new disk"));
    let (draining, _) = pass("n2", 2).await.unwrap();
    assert_eq!(
        (
            draining.intent,
            draining.intent_until,
            draining.intent_force
        ),
        (Intent::Draining, None, true)
    );
    assert_eq!(draining.intent_by.as_deref(), Some("ana"));
    assert!(matches!(
        pass("n1", 2).await,
        Err(StoreError::VersionMismatch { version: 3, .. })
    ));
}

async fn a_nodes_history_outlives_it(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    for (name, port) in [("n1", 1), ("n2", 2)] {
        store
            .create_node(&fence, &node(name, port), Notes::default())
            .await
            .unwrap();
    }
    let point = |at, usable, planned| TimelinePoint {
        at,
        usable,
        total: 3,
        reason: format!("r{at}"),
        planned,
    };
    for (name, point) in [
        ("n1", point(10, 3, false)),
        ("n2", point(15, 3, false)),
        ("n1", point(20, 0, true)),
    ] {
        store
            .record_capacity(&fence, name, &point, Notes::default())
            .await
            .unwrap();
    }
    let last = store.last_points().await.unwrap();
    assert_eq!(last.len(), 2);
    assert!(last.contains(&("n1".to_owned(), point(20, 0, true))));
    store
        .remove_node(&fence, "n1", 1, Notes::default())
        .await
        .unwrap();
    assert_eq!(store.last_points().await.unwrap().len(), 1);
    let all = store.points(16, i64::MAX, 10).await.unwrap();
    let seen: Vec<_> = all
        .iter()
        .map(|(name, p)| (name.as_str(), p.usable, p.total))
        .collect();
    let (mut before, after) = (seen[..2].to_vec(), &seen[2..]);
    before.sort_unstable();
    assert_eq!(before, [("n1", 3, 3), ("n2", 3, 3)]);
    assert_eq!(after, [("n1", 0, 3), ("n1", 0, 0)]);
    assert_eq!(store.points(0, 20, 1).await.unwrap().len(), 2);
    // What is older than is kept goes, but for each node's last point.
    let (_, gone) = store.prune(&fence, None, Some(i64::MAX)).await.unwrap();
    assert_eq!(gone, 2);
    let left = store.points(0, i64::MAX, 10).await.unwrap();
    let mut left: Vec<_> = left
        .iter()
        .map(|(name, p)| (name.as_str(), p.at > 20))
        .collect();
    left.sort_unstable();
    assert_eq!(left, [("n1", true), ("n2", false)]);
}
