//! Tasks whose session is lost under them.

use crate::node::{RNode, send};
use crate::rig::{Rig, database};
use gridhelm_api::node::{Health, SlotState};
use gridhelm_api::task::{FailureKind, TaskState};
use gridhelm_server::grid::GridOptions;

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_task_runs_again_once_on_another_node_if_it_may() {
    let nodes = [RNode::start("r01").await, RNode::start("r02").await];
    let (_dir, path) = database();
    let slots: Vec<_> = nodes.iter().map(|n| (n, 1)).collect();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &slots).await;
    let id = rig
        .submit("Sys.sleep(2); 7", |r| r.re_executable = true)
        .await;
    let first = rig.until_task(&id, TaskState::Running).await.attempts[0].clone();
    send("-KILL", first.pid.unwrap());
    let task = rig.until_task(&id, TaskState::Succeeded).await;
    assert_eq!(task.value, Some(serde_json::json!(7)));
    assert_eq!(task.attempts.len(), 2, "{task:?}");
    let lost = task.attempts[0].failure.as_ref().unwrap();
    assert_eq!(lost.kind, FailureKind::Grid);
    assert_ne!(task.attempts[0].node, task.attempts[1].node);
    assert_eq!(rig.tasks.stats().re_executed, 1);
    assert_eq!(rig.events(&id).await, ["task.repeated"]);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_task_that_may_not_run_again_fails_by_the_grid() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 1)]).await;
    let id = rig.submit("Sys.sleep(600)", |_| {}).await;
    let running = rig.until_task(&id, TaskState::Running).await;
    send("-KILL", running.attempts[0].pid.unwrap());
    let task = rig.until_task(&id, TaskState::Failed).await;
    assert_eq!(task.attempts.len(), 1);
    assert_eq!(task.failure.unwrap().kind, FailureKind::Grid);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_kills_its_session_twice_is_at_fault_itself() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    let code = "tools::pskill(Sys.getpid(), tools::SIGKILL); Sys.sleep(60)";
    let task = rig.run_with(code, |r| r.re_executable = true).await;
    assert_eq!(
        (task.state, task.attempts.len()),
        (TaskState::Failed, 2),
        "{task:?}"
    );
    assert_eq!(task.failure.unwrap().kind, FailureKind::SessionEnded);
    rig.stop().await;
}

/// Three nodes with one slot each, and how many attempts each got of a task.
async fn poisoned(code: &str) -> (gridhelm_api::task::Task, Vec<String>) {
    let nodes = [
        RNode::start("r01").await,
        RNode::start("r02").await,
        RNode::start("r03").await,
    ];
    let (_dir, path) = database();
    let slots: Vec<_> = nodes.iter().map(|n| (n, 1)).collect();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &slots).await;
    let task = rig.run_with(code, |r| r.re_executable = true).await;
    for node in &nodes {
        rig.until_node(&node.name, "its slot back", |n| {
            n.slots.iter().all(|s| s.state == SlotState::Idle)
        })
        .await;
        assert_eq!(rig.node(&node.name).await.health, Health::Healthy);
    }
    // What ran on the nodes meanwhile is on record, and nothing but that.
    let stored = rig.store.task(&task.id).await.unwrap().unwrap().task;
    assert_eq!(stored.attempts, task.attempts);
    rig.stop().await;
    let places = task.attempts.iter().map(|a| a.node.clone()).collect();
    (task, places)
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_ends_r_is_told_by_its_mark_and_not_repeated() {
    for code in ["quit(status = 2)", "base::quit(status = 2)"] {
        let (task, places) = poisoned(code).await;
        let failure = task.failure.unwrap();
        assert_eq!(
            (task.state, failure.kind, places.len()),
            (TaskState::Failed, FailureKind::SessionEnded, 1),
            "{code}: {}",
            failure.message
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_tried_on_two_nodes_and_on_no_third() {
    // A segmentation fault, and what the kernel does where memory ends.
    for code in [
        "tools::pskill(Sys.getpid(), 11L); Sys.sleep(60)",
        "tools::pskill(Sys.getpid(), 9L); Sys.sleep(60)",
    ] {
        let (task, places) = poisoned(code).await;
        let failure = task.failure.clone().unwrap();
        assert_eq!(
            (task.state, failure.kind, places.len()),
            (TaskState::Failed, FailureKind::SessionEnded, 2),
            "{code}: {task:?}"
        );
        assert_ne!(places[0], places[1], "{code}");
        let first = task.attempts[0].failure.as_ref().unwrap();
        assert_eq!(first.kind, FailureKind::Grid, "{first:?}");
        assert!(task.attempts.iter().all(|a| a.ended_at.is_some()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_r_is_not_repeated() {
    let out_of_memory =
        "system(paste('prlimit --pid', Sys.getpid(), '--as=900000000')); numeric(1e9)";
    for (code, says) in [
        ("stop('no luck')", "no luck"),
        (out_of_memory, "cannot allocate"),
    ] {
        let (task, places) = poisoned(code).await;
        let failure = task.failure.unwrap();
        assert_eq!(
            (task.state, failure.kind, places.len()),
            (TaskState::Failed, FailureKind::Error, 1),
            "{}",
            failure.message
        );
        assert!(failure.message.contains(says), "{}", failure.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_task_waits_for_another_node_rather_than_run_where_it_was_lost() {
    let nodes = [RNode::start("r01").await, RNode::start("r02").await];
    let (_dir, path) = database();
    let slots: Vec<_> = nodes.iter().map(|n| (n, 1)).collect();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &slots).await;
    let go = nodes[0].scratch("go");
    let wait = format!("while (!file.exists('{go}')) Sys.sleep(0.02)");
    let first = rig
        .submit("Sys.sleep(60)", |r| r.re_executable = true)
        .await;
    let running = rig.until_task(&first, TaskState::Running).await.attempts[0].clone();
    let other = rig.submit(&wait, |_| {}).await;
    rig.until_task(&other, TaskState::Running).await;
    send("-KILL", running.pid.unwrap());
    rig.until_task(&first, TaskState::Queued).await;
    rig.until_node(&running.node, "its slot back", |n| {
        n.slots.iter().all(|s| s.state == SlotState::Idle)
    })
    .await;
    // Others go there; it does not.
    assert_eq!(rig.run("1").await.attempts[0].node, running.node);
    let waits = rig.tasks.task(&first).await.unwrap().unwrap();
    assert_eq!(waits.state, TaskState::Queued, "{waits:?}");
    std::fs::write(&go, "").unwrap();
    let again = rig.until_task(&first, TaskState::Running).await;
    assert_ne!(again.attempts[1].node, running.node);
    rig.stop().await;
}
