//! Events and audit rows.

use super::*;
use crate::store::{AuditFilter, EventFilter, Expect, Notes, StoreError};
use gridhelm_api::event::{Severity, Topic};
use std::collections::BTreeSet;

on_every_store!(
    notes_are_in_the_transaction_of_their_write,
    event_ids_are_in_commit_order,
    events_are_filtered_and_paged,
    audit_rows_are_whole_and_paged,
    audit_rows_are_found_by_what_they_say,
    the_audit_log_is_a_chain,
);

async fn notes_are_in_the_transaction_of_their_write(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let (_, events) = store
        .create_node(&fence, &node("n1", 1), notes("node.created"))
        .await
        .unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].kind.as_str(), events[0].epoch),
        ("node.created", fence.epoch)
    );
    assert_eq!(traces(&store).await, (1, 1));
    let taken = store
        .create_node(&fence, &node("n1", 2), notes("node.created"))
        .await;
    assert!(matches!(taken, Err(StoreError::AlreadyExists { .. })));
    let stale = write(&store, &fence, "a.R", Expect::Version(3), b"x").await;
    assert!(matches!(stale, Err(StoreError::VersionMismatch { .. })));
    assert_eq!(
        traces(&store).await,
        (1, 1),
        "what is refused leaves nothing"
    );
    assert_eq!(store.note(notes("alone")).await.unwrap().len(), 1);
    assert_eq!(store.note(Notes::default()).await.unwrap(), []);
    assert_eq!(traces(&store).await, (2, 2));
}

async fn event_ids_are_in_commit_order(db: &dyn Database) {
    let handles = [db.open(), db.open()];
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let store = handles[writer % 2].clone();
        writers.spawn(async move {
            let mut ids = Vec::new();
            for _ in 0..25 {
                let mut two = notes("many");
                two.events.push(two.events[0].clone());
                ids.extend(store.note(two).await.unwrap().iter().map(|e| e.id));
            }
            assert!(ids.is_sorted());
            ids
        });
    }
    let looking = db.open();
    let all = EventFilter {
        limit: 1000,
        ..EventFilter::default()
    };
    let mut seen: BTreeSet<i64> = BTreeSet::new();
    while !writers.is_empty() {
        let now: BTreeSet<i64> = looking
            .events(&all)
            .await
            .unwrap()
            .items
            .iter()
            .map(|e| e.id)
            .collect();
        let last = seen.last().copied().unwrap_or(0);
        let older: BTreeSet<i64> = now.range(..=last).copied().collect();
        assert_eq!(
            older, seen,
            "no event appears behind one that could be seen before"
        );
        seen = now;
        while let Some(done) = writers.try_join_next() {
            done.unwrap();
        }
    }
    let found = looking.events(&all).await.unwrap().items;
    assert_eq!(found.len(), 400);
    assert!(
        found.is_sorted_by(|a, b| a.id > b.id),
        "newest first, each once"
    );
}

async fn events_are_filtered_and_paged(db: &dyn Database) {
    let store = db.open();
    let topics = [Topic::Grid, Topic::Task, Topic::Server];
    let severities = [
        Severity::Info,
        Severity::Good,
        Severity::Warn,
        Severity::Fail,
    ];
    for i in 0..24 {
        let mut note = notes("k");
        note.audit.clear();
        note.events[0].topic = topics[i % 3];
        note.events[0].severity = severities[i % 4];
        note.events[0].subject = format!("thing {}", i % 2);
        store.note(note).await.unwrap();
    }
    let wanted = EventFilter {
        limit: 100,
        topic: Some(Topic::Grid),
        subject: Some("thing 0".to_owned()),
        severity: Some(Severity::Warn),
        before: None,
    };
    let found = store.events(&wanted).await.unwrap();
    assert_eq!(found.items.len(), 2);
    assert!(found.items.iter().all(|e| {
        e.topic == Topic::Grid && e.subject == "thing 0" && e.severity >= Severity::Warn
    }));
    let mut filter = EventFilter {
        limit: 10,
        ..EventFilter::default()
    };
    let mut ids = Vec::new();
    let mut pages = 0;
    loop {
        let page = store.events(&filter).await.unwrap();
        ids.extend(page.items.iter().map(|e| e.id));
        pages += 1;
        match page.next {
            Some(next) => filter.before = Some(next.parse().unwrap()),
            None => break,
        }
    }
    assert_eq!((pages, ids.len()), (3, 24));
    assert!(ids.is_sorted_by(|a, b| a > b));
}

async fn audit_rows_are_whole_and_paged(db: &dyn Database) {
    let store = db.open();
    for i in 0..5 {
        let mut note = notes("thing.done");
        note.audit[0].after = Some(serde_json::json!({ "n": i }));
        store.note(note).await.unwrap();
    }
    let first = store.audit(&AuditFilter::newest(3)).await.unwrap();
    let next = first.next.as_ref().unwrap().parse().unwrap();
    let second = store
        .audit(&AuditFilter {
            before: Some(next),
            ..AuditFilter::newest(3)
        })
        .await
        .unwrap();
    assert_eq!(
        (first.items.len(), second.items.len(), second.next),
        (3, 2, None)
    );
    let row = &first.items[0];
    assert_eq!(row.after, Some(serde_json::json!({ "n": 4 })));
    assert_eq!(
        (
            row.actor.as_str(),
            row.action.as_str(),
            row.subject.as_str()
        ),
        ("ann", "thing.done", "thing")
    );
    assert_eq!(
        (row.address.as_str(), row.request_id.as_str()),
        ("127.0.0.1", "r-1")
    );
    assert_eq!(
        (row.reason.as_deref(), row.before.as_ref()),
        (Some("a test"), None)
    );
    assert!(row.at > 0);
}

async fn audit_rows_are_found_by_what_they_say(db: &dyn Database) {
    let store = db.open();
    for (actor, action, subject, reason) in [
        ("ann", "node.create", "East_1", None),
        ("bob", "node.edit", "east-2", Some("100 % full")),
        ("ann", "switch.planned", "east-2", Some("Kernel")),
    ] {
        let mut note = notes("thing.done");
        note.events.clear();
        let row = &mut note.audit[0];
        actor.clone_into(&mut row.actor);
        row.action = action;
        subject.clone_into(&mut row.subject);
        row.reason = reason.map(str::to_owned);
        store.note(note).await.unwrap();
    }
    let found = async |change: fn(&mut AuditFilter)| {
        let mut filter = AuditFilter::newest(10);
        change(&mut filter);
        let items = store.audit(&filter).await.unwrap().items;
        items.into_iter().map(|r| r.action).collect::<Vec<_>>()
    };
    assert_eq!(
        found(|f| f.actor = Some("ann".into())).await,
        ["switch.planned", "node.create"]
    );
    assert_eq!(
        found(|f| f.action = Some("node.".into())).await,
        ["node.edit", "node.create"]
    );
    assert_eq!(
        found(|f| f.text = Some("kernel".into())).await,
        ["switch.planned"]
    );
    // What means something in a pattern means itself.
    assert_eq!(
        found(|f| f.text = Some("t_1".into())).await,
        ["node.create"]
    );
    assert_eq!(
        found(|f| f.text = Some("100 %".into())).await,
        ["node.edit"]
    );
    assert_eq!(found(|f| f.text = Some("%".into())).await, ["node.edit"]);
    assert_eq!(found(|f| f.since = Some(i64::MAX)).await, [""; 0]);
    assert_eq!(found(|f| f.until = Some(i64::MAX)).await.len(), 3);
}

async fn the_audit_log_is_a_chain(db: &dyn Database) {
    let store = db.open();
    assert_eq!(store.verify_audit(None).await.unwrap().broken, None);
    for i in 0..4 {
        let mut note = notes("thing.done");
        // What a database cannot store is hashed as it is stored.
        note.audit[0].reason = Some(format!("nul \u{0} and \u{1F600} {i}"));
        note.audit[0].after = Some(serde_json::json!({ "n": 1.5e300, "b": [i, null] }));
        store.note(note).await.unwrap();
    }
    let early = store.verify_audit(None).await.unwrap();
    assert_eq!((early.broken, early.covered, early.rows), (None, 4, 4));
    // Many at once, in one transaction and in several that wait for each other.
    let mut both = notes("thing.done");
    both.audit.extend(notes("other.done").audit);
    let writes = (0..8).map(|_| store.note(both.clone()));
    futures_util::future::try_join_all(writes).await.unwrap();
    drop(store);
    let store = db.open();
    store.note(notes("thing.done")).await.unwrap();
    let chain = store.verify_audit(Some(&early.head)).await.unwrap();
    assert_eq!((chain.broken, chain.covered), (None, 21));
    assert_eq!(chain.noted, Some(true));
    let other = store.verify_audit(Some("0123")).await.unwrap();
    assert_eq!(other.noted, Some(false));
}
