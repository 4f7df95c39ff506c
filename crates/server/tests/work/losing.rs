//! Tasks whose session is lost under them.

use crate::node::{RNode, send};
use crate::rig::{Rig, database};
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
