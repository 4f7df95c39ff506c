//! Nodes that go and come back, and what people want of them.

use crate::node::{RNode, free_port, runs, until_gone};
use crate::rig::{Rig, database};
use gridhelm_api::Code;
use gridhelm_api::node::{Health, Intent, IntentChange, NodePatch, SlotState, StallKind};
use gridhelm_api::switch::Outcome;
use gridhelm_api::task::TaskState;
use gridhelm_server::grid::GridOptions;
use gridhelm_server::group::Duties as _;
use gridhelm_server::store::Notes;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_listener_contracts_the_grid_and_a_new_one_expands_it() {
    let mut node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 3)]).await;
    rig.until_node("r01", "a probe", |n| n.facts.is_some())
        .await;
    // A task that runs now must not be disturbed: its session outlives its listener.
    let id = rig.submit("Sys.sleep(1.5); 42", |_| {}).await;
    rig.until_task(&id, TaskState::Running).await;
    node.kill();
    let took = rig.until_health("r01", Health::Unreachable).await;
    assert!(took < Duration::from_secs(1), "took {took:?}");
    let seen = rig.node("r01").await;
    assert!(
        seen.slots.iter().all(|s| s.state == SlotState::Lost),
        "{seen:?}"
    );
    assert!(seen.health_reason.is_some());
    let task = rig.until_task(&id, TaskState::Succeeded).await;
    assert_eq!(task.value, Some(serde_json::json!(42)));
    node.restart().await;
    rig.until_health("r01", Health::Healthy).await;
    assert_eq!(rig.run("1 + 1").await.state, TaskState::Succeeded);
    rig.until_recorded(3).await;
    assert_eq!(
        rig.events("r01").await,
        ["node.contracted", "node.expanded"]
    );
    let usable: Vec<u32> = rig.timeline("r01").await.iter().map(|p| p.usable).collect();
    assert_eq!(usable, [3, 0, 3]);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_listener_is_seen_at_once() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    // Wait for the watch: it is opened right after the first heartbeat.
    rig.until_node("r01", "a probe", |n| n.facts.is_some())
        .await;
    node.signal("-STOP");
    let took = rig.until_health("r01", Health::Unreachable).await;
    let reason = rig.node("r01").await.health_reason.unwrap_or_default();
    node.signal("-CONT");
    assert!(took < Duration::from_millis(1_500), "took {took:?}");
    assert!(reason.contains("stopped"), "{reason}");
    rig.until_health("r01", Health::Healthy).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn intent_and_limit_hold_at_once() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    let id = rig.submit("Sys.sleep(1); 1", |_| {}).await;
    rig.until_task(&id, TaskState::Running).await;
    let version = rig.intend("r01", Intent::Disabled).await;
    let states = |node: &gridhelm_api::node::Node| -> Vec<SlotState> {
        let mut states: Vec<_> = node.slots.iter().map(|s| s.state).collect();
        states.sort_by_key(|s| format!("{s:?}"));
        states
    };
    let node_now = rig.node("r01").await;
    assert_eq!(
        states(&node_now),
        [SlotState::Disabled, SlotState::Draining]
    );
    assert_eq!(node_now.health, Health::Healthy, "intent is not health");
    let waiting = rig.submit("2", |_| {}).await;
    rig.until_task(&id, TaskState::Succeeded).await;
    let still = rig.tasks.task(&waiting).await.unwrap().unwrap();
    assert_eq!(still.state, TaskState::Queued);
    let wider = NodePatch {
        slot_limit: Some(4),
        ..NodePatch::default()
    };
    rig.store
        .update_node(&rig.fence, "r01", version, &wider, Notes::default())
        .await
        .unwrap();
    rig.grid.changed("r01").await.unwrap();
    rig.intend("r01", Intent::Enabled).await;
    rig.until_task(&waiting, TaskState::Succeeded).await;
    rig.until_node("r01", "four idle slots", |n| {
        n.slots.len() == 4 && n.slots.iter().all(|s| s.state == SlotState::Idle)
    })
    .await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_behind_when_the_work_is_laid_down() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 3)]).await;
    rig.run("writeLines('x', 'left.txt'); 1").await;
    rig.until_node("r01", "sessions opened ahead", |n| {
        n.slots.iter().filter(|s| s.pid.is_some()).count() == 2
    })
    .await;
    rig.stop().await;
    let began = std::time::Instant::now();
    while !node.sessions().is_empty() || !node.directories().is_empty() {
        let (sessions, directories) = (node.sessions(), node.directories());
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "left: {sessions:?} {directories:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rows = rig.store.sessions().await.unwrap();
    assert!(rows.is_empty(), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_died_while_it_was_idle_is_not_used() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    rig.until_node("r01", "sessions opened ahead", |n| {
        n.slots.iter().filter(|s| s.pid.is_some()).count() == 2
    })
    .await;
    for slot in rig.node("r01").await.slots {
        let pid = slot.pid.unwrap();
        crate::node::send("-KILL", pid);
        until_gone(pid).await;
    }
    let task = rig.run("'fine'").await;
    assert_eq!(task.state, TaskState::Succeeded, "{task:?}");
    assert_eq!(task.attempts.len(), 1);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_session_is_shown_with_evidence_until_it_goes_on() {
    let node = RNode::start("r01").await;
    let (dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    let go = dir.path().join("go");
    let code = format!(
        "while (!file.exists('{}')) Sys.sleep(0.05); 42",
        go.display()
    );
    // R runs as another user where the tests are root.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).unwrap();
    let id = rig.submit(&code, |_| {}).await;
    let task = rig.until_task(&id, TaskState::Running).await;
    let pid = task.attempts[0].pid.unwrap();
    let of =
        move |n: &gridhelm_api::node::Node| n.slots.iter().find(|s| s.pid == Some(pid)).cloned();
    crate::node::send("-STOP", pid);
    let took = rig
        .until_node("r01", "a stalled slot", |n| {
            of(n).is_some_and(|s| s.state == SlotState::Stalled)
        })
        .await;
    assert!(took < Duration::from_secs(5), "took {took:?}");
    let seen = rig.node("r01").await;
    assert_eq!(seen.health, Health::Healthy, "the node is fine");
    let slot = of(&seen).unwrap();
    let stall = slot.stall.unwrap();
    assert_eq!(stall.kind, StallKind::Stopped);
    assert!(
        stall.tries >= 2 && stall.since <= stall.looked_at,
        "{stall:?}"
    );
    assert!(stall.what.contains("stopped"), "{stall:?}");
    assert_eq!(slot.task.as_deref(), Some(id.as_str()));
    crate::node::send("-CONT", pid);
    rig.until_node("r01", "a slot at work", |n| {
        of(n).is_some_and(|s| s.state == SlotState::Busy && s.stall.is_none())
    })
    .await;
    std::fs::write(&go, "").unwrap();
    let task = rig.until_task(&id, TaskState::Succeeded).await;
    assert_eq!(
        (task.value, task.attempts.len()),
        (Some(serde_json::json!(42)), 1)
    );
    rig.until_event("r01", "slot.recovered").await;
    let (_, words) = rig.until_event("r01", "slot.stalled").await;
    assert!(
        words.contains(&id) && words.contains(&pid.to_string()),
        "{words}"
    );
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_stopped_while_it_waits_for_a_task_is_replaced() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    let pids = |n: &gridhelm_api::node::Node| -> Vec<i64> {
        n.slots.iter().filter_map(|s| s.pid).collect()
    };
    rig.until_node("r01", "sessions opened ahead", |n| pids(n).len() == 2)
        .await;
    let stopped = pids(&rig.node("r01").await)[0];
    crate::node::send("-STOP", stopped);
    rig.until_node("r01", "another session in its place", |n| {
        let idle = n.slots.iter().all(|s| s.state == SlotState::Idle);
        idle && pids(n).len() == 2 && !pids(n).contains(&stopped)
    })
    .await;
    assert!(!runs(stopped), "the stopped session is left");
    let (_, words) = rig.until_event("r01", "slot.stalled").await;
    assert!(words.contains("ended and replaced"), "{words}");
    assert_eq!(rig.run("1 + 1").await.attempts.len(), 1);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_tells_apart_what_is_wrong_with_an_address() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::active(&path, "east-1", GridOptions::default()).await;
    let good = rig.grid.test(&node.draft(2)).await;
    assert!(good.ok, "{good:?}");
    assert_eq!((good.steps.len(), good.tested_from.as_str()), (5, "east-1"));
    assert!(good.latency_ms.is_some() && good.suggested_slots.unwrap() >= 1);
    let facts = good.facts.unwrap();
    assert!(
        facts.r_version.starts_with('4') && facts.cores >= 1 && facts.packages > 5,
        "{facts:?}"
    );

    let mut wrong = node.draft(2);
    wrong.password = Some("wrong".to_owned());
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (silent_port, http_port) = (port(&silent), port(&http));
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            open.push(stream);
        }
    });
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        while let Ok((mut stream, _)) = http.accept().await {
            let _ = stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
                .await;
        }
    });
    let at = |port: u16| {
        let mut draft = node.draft(2);
        draft.port = port;
        draft
    };
    for (draft, code, steps) in [
        (at(free_port()), Code::NodeRefused, 1),
        (at(silent_port), Code::NodeSilent, 2),
        (at(http_port), Code::NodeNotRserve, 2),
        (wrong, Code::NodeSignInRefused, 2),
    ] {
        let result = rig.grid.test(&draft).await;
        assert_eq!(
            (result.ok, result.code, result.steps.len()),
            (false, Some(code), steps),
            "{result:?}"
        );
        let last = result.steps.last().unwrap();
        assert_eq!(last.outcome, Outcome::Fail);
        assert!(last.evidence.contains(&draft.port.to_string()), "{last:?}");
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_says_which_nodes_do_not_answer() {
    let nodes = [RNode::start("r01").await, RNode::start("r02").await];
    let (_dir, path) = database();
    let slots: Vec<_> = nodes.iter().map(|n| (n, 1)).collect();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &slots).await;
    assert_eq!(rig.work.reach_nodes().await.outcome, Outcome::Pass);
    nodes[1].signal("-STOP");
    let check = rig.work.reach_nodes().await;
    nodes[1].signal("-CONT");
    assert_eq!(check.outcome, Outcome::Warn);
    assert!(
        check.evidence.contains("r02") && check.repair.is_some(),
        "{check:?}"
    );
    rig.stop().await;
}

/// Rserve 1.8-11 lets everybody in who sends a password that is none; a node that compares by itself does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_the_connection_tells_of_a_node_that_lets_everybody_in() {
    let (_dir, path) = database();
    let rig = Rig::active(&path, "east-1", GridOptions::default()).await;
    for compares in [false, true] {
        let node = RNode::start_with("r01", |dir| {
            let compare = format!(
                "eval .auth <- function(x) any(vapply(strsplit(readLines('{}/pwd'), ' '), identical, NA, x))\nauth.function .auth\n",
                dir.display()
            );
            let compare = if compares { compare } else { String::new() };
            std::fs::write(dir.join("more.conf"), compare).unwrap();
            None
        })
        .await;
        let test = rig.grid.test(&node.draft(2)).await;
        assert!(test.ok, "{test:?}");
        let last = test.steps.last().unwrap();
        let rserve = test.facts.as_ref().unwrap().rserve_version.clone();
        let open = !compares && ["1.8.11", "1.8-11"].contains(&rserve.as_str());
        let wanted = if open { Outcome::Warn } else { Outcome::Pass };
        assert_eq!(last.outcome, wanted, "{rserve}: {last:?}");
        assert_eq!(last.evidence.contains("auth.function"), open, "{last:?}");
    }
    rig.stop().await;
}

fn port(listener: &tokio::net::TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

impl Rig {
    /// Sets a node's intent as an operator would; answers its new version.
    pub(crate) async fn intend(&self, name: &str, intent: Intent) -> i64 {
        let version = self.node(name).await.version;
        let change = IntentChange::new(intent, "maintenance");
        let (stored, _) = self
            .store
            .set_intent(&self.fence, name, version, &change, "ana", Notes::default())
            .await
            .unwrap();
        self.grid.changed(name).await.unwrap();
        stored.version
    }

    async fn timeline(&self, name: &str) -> Vec<gridhelm_api::node::TimelinePoint> {
        self.store.timeline(name, 0).await.unwrap()
    }

    /// Waits until so many points of node r01 are recorded.
    async fn until_recorded(&self, points: usize) {
        let began = std::time::Instant::now();
        while self.timeline("r01").await.len() < points {
            assert!(began.elapsed() < Duration::from_secs(5));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
