//! Who waits, who is refused, and which node a task goes to.

use crate::node::RNode;
use crate::rig::{Rig, database, submission};
use gridhelm_api::node::{Health, OperatingType};
use gridhelm_api::task::TaskState;
use gridhelm_server::grid::GridOptions;
use gridhelm_server::grid::rserve::Protection;
use gridhelm_server::store::Notes;
use gridhelm_server::tasks::{QueueLimits, TaskError};
use std::path::Path;

async fn limited(path: &Path, limits: QueueLimits, nodes: &[(&RNode, u32)]) -> Rig {
    let drafts: Vec<_> = nodes.iter().map(|(n, slots)| n.draft(*slots)).collect();
    let (options, clear) = (GridOptions::default(), Protection::none());
    let rig = Rig::with_limits(path, "east-1", options, &drafts, clear, limits).await;
    for draft in &drafts {
        rig.until_health(&draft.name, Health::Healthy).await;
    }
    rig
}

async fn submit_as(rig: &Rig, by: &str, code: &str) -> Result<String, TaskError> {
    let mut submission = submission(code, false, |_| {});
    submission.by = by.to_owned();
    rig.tasks.submit(submission).await.map(|task| task.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_takes_again_when_there_is_room() {
    let (_dir, path) = database();
    let limits = QueueLimits {
        queue: 3,
        queued_per_user: 2,
        ..QueueLimits::default()
    };
    // Without a node everything waits.
    let rig = limited(&path, limits, &[]).await;
    let first = submit_as(&rig, "ana", "1").await.unwrap();
    submit_as(&rig, "ana", "2").await.unwrap();
    match submit_as(&rig, "ana", "3").await {
        Err(TaskError::UserFull { user, most: 2 }) => assert_eq!(user, "ana"),
        other => panic!("{other:?}"),
    }
    submit_as(&rig, "ben", "1").await.unwrap();
    match submit_as(&rig, "cem", "1").await {
        Err(TaskError::QueueFull(3)) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(
        rig.tasks.stats().queued,
        3,
        "nothing of the refused is kept"
    );
    rig.tasks
        .cancel(&first, "ana", Notes::default())
        .await
        .unwrap();
    submit_as(&rig, "cem", "1").await.unwrap();
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_never_pass_the_limit() {
    let (_dir, path) = database();
    let limits = QueueLimits {
        queue: 10,
        ..QueueLimits::default()
    };
    let rig = limited(&path, limits, &[]).await;
    let all = (0..40).map(|_| submit_as(&rig, "ana", "1"));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 10);
    assert_eq!(rig.tasks.stats().queued, 10);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_runs_no_more_than_it_may_and_others_pass() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let limits = QueueLimits {
        running_per_user: 1,
        ..QueueLimits::default()
    };
    let rig = limited(&path, limits, &[(&node, 3)]).await;
    let go = node.scratch("go");
    let wait = format!("while (!file.exists('{go}')) Sys.sleep(0.02)");
    let running = submit_as(&rig, "ana", &wait).await.unwrap();
    rig.until_task(&running, TaskState::Running).await;
    let second = submit_as(&rig, "ana", "2").await.unwrap();
    let bens = submit_as(&rig, "ben", "3").await.unwrap();
    rig.until_task(&bens, TaskState::Succeeded).await;
    let waits = rig.tasks.task(&second).await.unwrap().unwrap();
    assert_eq!(waits.state, TaskState::Queued, "two slots are free");
    std::fs::write(&go, "").unwrap();
    rig.until_task(&second, TaskState::Succeeded).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_a_tasks_own_type_go_before_mixed_ones() {
    let nodes = [
        RNode::start("a-mixed").await,
        RNode::start("b-own").await,
        RNode::start("c-own").await,
    ];
    let (_dir, path) = database();
    let mut drafts: Vec<_> = nodes.iter().map(|node| node.draft(2)).collect();
    for draft in &mut drafts[1..] {
        draft.operating_type = OperatingType::Asynchronous;
    }
    let (options, clear) = (GridOptions::default(), Protection::none());
    let rig = Rig::with_drafts(&path, "east-1", options, &drafts, clear).await;
    for draft in &drafts {
        rig.until_health(&draft.name, Health::Healthy).await;
        rig.until_node(&draft.name, "sessions opened ahead", |node| {
            node.slots.iter().all(|slot| slot.pid.is_some())
        })
        .await;
    }
    let go = nodes[0].scratch("go");
    let wait = format!("while (!file.exists('{go}')) Sys.sleep(0.02)");
    let mut places = Vec::new();
    for _ in 0..6 {
        let id = rig.submit(&wait, |_| {}).await;
        let task = rig.until_task(&id, TaskState::Running).await;
        places.push(task.attempts[0].node.clone());
    }
    let (own, mixed) = places.split_at(4);
    assert!(own.iter().all(|node| node.ends_with("-own")), "{places:?}");
    assert!(
        own[0] != own[1] && own[2] != own[3],
        "not the least loaded: {places:?}"
    );
    assert!(mixed.iter().all(|node| node == "a-mixed"), "{places:?}");
    std::fs::write(&go, "").unwrap();
    rig.stop().await;
}
