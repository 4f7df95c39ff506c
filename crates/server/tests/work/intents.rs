//! What people want of nodes: drains with and without an end, by force, and what is expected of a node that is out.

use crate::node::RNode;
use crate::rig::{Rig, database};
use gridhelm_api::event::Severity;
use gridhelm_api::node::{Health, Intent, IntentChange};
use gridhelm_api::task::TaskState;
use gridhelm_server::grid::GridOptions;
use gridhelm_server::store::{EventFilter, Notes};
use std::time::{Duration, Instant};

impl Rig {
    /// Sets a node's intent as an operator would.
    async fn wish(&self, name: &str, change: &IntentChange) {
        let version = self.node(name).await.version;
        self.store
            .set_intent(&self.fence, name, version, change, "ana", Notes::default())
            .await
            .unwrap();
        self.grid.changed(name).await.unwrap();
    }

    /// Waits until an event of that kind is written about a node; its gravity and words.
    pub(crate) async fn until_event(&self, name: &str, kind: &str) -> (Severity, String) {
        let began = Instant::now();
        let filter = EventFilter {
            limit: 100,
            subject: Some(name.to_owned()),
            ..EventFilter::default()
        };
        loop {
            let page = self.store.events(&filter).await.unwrap();
            if let Some(event) = page.items.into_iter().find(|e| e.kind == kind) {
                return (event.severity, event.message);
            }
            assert!(began.elapsed() < Duration::from_secs(30), "no {kind}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_counts_what_it_waits_for_and_tells_its_end() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    let short = rig.submit("Sys.sleep(0.5)", |_| {}).await;
    let long = rig.submit("Sys.sleep(2)", |r| r.timeout_s = 30).await;
    for id in [&short, &long] {
        rig.until_task(id, TaskState::Running).await;
    }
    assert_eq!(rig.node("r01").await.drain, None);
    rig.wish("r01", &IntentChange::new(Intent::Draining, "new memory"))
        .await;
    rig.until_node("r01", "both are waited for", |n| {
        n.drain
            .is_some_and(|d| (d.done, d.waiting) == (0, 2) && d.latest.is_some())
    })
    .await;
    rig.until_node("r01", "one is done", |n| {
        n.drain.is_some_and(|d| (d.done, d.waiting) == (1, 1))
    })
    .await;
    rig.until_task(&long, TaskState::Succeeded).await;
    rig.until_node("r01", "all are done", |n| {
        n.drain
            .is_some_and(|d| (d.done, d.waiting) == (2, 0) && d.latest.is_none())
    })
    .await;
    let (severity, words) = rig.until_event("r01", "node.drained").await;
    assert_eq!(severity, Severity::Good, "{words}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_by_force_queues_what_may_run_again() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    let again = rig
        .submit("Sys.sleep(60)", |r| r.re_executable = true)
        .await;
    let once = rig.submit("Sys.sleep(60)", |_| {}).await;
    for id in [&again, &once] {
        rig.until_task(id, TaskState::Running).await;
    }
    let change = IntentChange {
        force: true,
        ..IntentChange::new(Intent::Draining, "the rack burns")
    };
    rig.wish("r01", &change).await;
    let failed = rig.until_task(&once, TaskState::Failed).await;
    let why = failed.failure.unwrap().message;
    assert!(
        why.contains("the rack burns") && why.contains("ana"),
        "{why}"
    );
    let queued = rig.until_task(&again, TaskState::Queued).await;
    assert!(queued.attempts[0].failure.is_some());
    rig.until_event("r01", "node.drained").await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_of_a_drain_outlives_the_server_that_set_it() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 1)]).await;
    let change = IntentChange {
        for_s: Some(10),
        force: true,
        ..IntentChange::new(Intent::Draining, "new memory")
    };
    rig.wish("r01", &change).await;
    rig.stop().await;
    let second = Rig::active(&path, "east-2", GridOptions::default()).await;
    let seen = second.node("r01").await;
    assert_eq!(seen.intent_reason.as_deref(), Some("new memory"));
    assert!(seen.intent_until.is_some() && seen.intent == Intent::Draining);
    second
        .until_node("r01", "the deadline has passed", |n| {
            n.intent_until.is_none() && n.intent == Intent::Draining
        })
        .await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_on_purpose_may_go_and_what_comes_back_under_another_server_is_told() {
    let mut node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    rig.wish("r01", &IntentChange::new(Intent::Disabled, "new disk"))
        .await;
    node.kill();
    rig.until_health("r01", Health::Unreachable).await;
    let (severity, words) = rig.until_event("r01", "node.contracted").await;
    assert_eq!(severity, Severity::Info, "{words}");
    assert!(words.contains("disabled by ana: new disk"), "{words}");
    assert!(words.contains("last answer"), "{words}");
    let last = rig.store.timeline("r01", 0).await.unwrap().pop().unwrap();
    assert!(last.planned && last.usable == 0, "{last:?}");

    node.restart().await;
    rig.wish("r01", &IntentChange::new(Intent::Enabled, "done"))
        .await;
    rig.until_health("r01", Health::Healthy).await;
    node.kill();
    rig.until_health("r01", Health::Unreachable).await;
    let began = Instant::now();
    while rig
        .store
        .timeline("r01", 0)
        .await
        .unwrap()
        .last()
        .is_none_or(|p| p.usable > 0 || p.planned)
    {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    rig.stop().await;
    node.restart().await;
    let before = rig.events("r01").await;
    let second = Rig::active(&path, "east-2", GridOptions::default()).await;
    second.until_health("r01", Health::Healthy).await;
    let began = Instant::now();
    while second.events("r01").await.len() == before.len() {
        assert!(began.elapsed() < Duration::from_secs(10), "nothing is told");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (severity, words) = second.until_event("r01", "node.expanded").await;
    assert_eq!(severity, Severity::Good);
    assert!(words.contains("earlier active server"), "{words}");
    second.stop().await;
}
