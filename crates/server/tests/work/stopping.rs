//! Tasks that are stopped: by their time-out, by a person, by a drain.

use crate::node::{RNode, runs};
use crate::rig::{Rig, database};
use gridhelm_api::node::SlotState;
use gridhelm_api::task::{FailureKind, TaskState};
use gridhelm_server::grid::GridOptions;
use gridhelm_server::group::Duties as _;
use gridhelm_server::store::Notes;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_interrupts_and_then_kills_the_process_tree() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    let began = Instant::now();
    let sleep = rig
        .run_with("cat('on it\\n'); Sys.sleep(600)", |r| r.timeout_s = 1)
        .await;
    let failure = sleep.failure.unwrap();
    assert_eq!(
        (sleep.state, failure.kind),
        (TaskState::Failed, FailureKind::Timeout)
    );
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "an interrupt suffices"
    );
    assert!(rig.console(&sleep.id).await.contains("on it"));
    // `system()` does not heed interrupts: the whole tree must go.
    let pids = node.scratch("pids");
    let code =
        format!("cat(Sys.getpid(), file = '{pids}'); system('echo \" \" $$ >> {pids}; sleep 600')");
    let tree = rig.run_with(&code, |r| r.timeout_s = 1).await;
    assert_eq!(tree.failure.unwrap().kind, FailureKind::Timeout);
    let pids = std::fs::read_to_string(&pids).unwrap();
    let pids: Vec<i64> = pids
        .split_whitespace()
        .map(|p| p.parse().unwrap())
        .collect();
    assert_eq!(pids.len(), 2);
    assert!(pids.iter().all(|pid| !runs(*pid)), "{pids:?}");
    rig.until_node("r01", "idle slots", |n| {
        n.slots.iter().all(|s| s.state == SlotState::Idle)
    })
    .await;
    assert_eq!(rig.run("1").await.state, TaskState::Succeeded);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_task_is_cancelled() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    let id = rig.submit("repeat {}", |_| {}).await;
    rig.until_task(&id, TaskState::Running).await;
    rig.tasks
        .cancel(&id, "ana", Notes::default())
        .await
        .unwrap();
    let task = rig.until_task(&id, TaskState::Cancelled).await;
    assert_eq!(task.failure.unwrap().message, "Cancelled by ana.");
    rig.until_node("r01", "idle slots", |n| {
        n.slots.iter().all(|s| s.state == SlotState::Idle)
    })
    .await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_waits_and_a_resume_goes_on() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    let running = rig.submit("Sys.sleep(1)", |_| {}).await;
    rig.until_task(&running, TaskState::Running).await;
    assert_eq!(rig.work.drain(Duration::from_millis(50)).await, Err(1));
    let queued = rig.submit("1", |_| {}).await;
    assert_eq!(rig.work.drain(Duration::from_secs(20)).await, Ok(()));
    let task = rig.tasks.task(&running).await.unwrap().unwrap();
    assert_eq!(task.state, TaskState::Succeeded);
    assert_eq!(
        (rig.work.in_flight().running, rig.work.in_flight().queued),
        (0, 1)
    );
    rig.work.resume().await;
    rig.until_task(&queued, TaskState::Succeeded).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_that_does_not_wait_interrupts_and_what_may_repeats() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    let once = rig
        .submit("Sys.sleep(60)", |r| r.re_executable = false)
        .await;
    let again = rig
        .submit("Sys.sleep(60)", |r| r.re_executable = true)
        .await;
    for id in [&once, &again] {
        rig.until_task(id, TaskState::Running).await;
    }
    assert_eq!(rig.work.drain(Duration::from_millis(50)).await, Err(2));
    rig.work.interrupt();
    assert_eq!(rig.work.drain(Duration::from_secs(10)).await, Ok(()));
    let failed = rig.until_task(&once, TaskState::Failed).await;
    let why = failed.failure.unwrap().message;
    assert!(why.contains("interrupted by a switchover"), "{why}");
    // It waits for the new active server; here the switch is called off, so it runs again at once.
    rig.until_task(&again, TaskState::Queued).await;
    rig.work.resume().await;
    let second = rig.until_task(&again, TaskState::Running).await;
    assert_eq!(second.attempts.len(), 2);
    rig.stop().await;
}
