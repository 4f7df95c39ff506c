//! A server of a higher epoch goes on where one of a lower epoch ended.

use crate::node::{RNode, runs};
use crate::rig::{Rig, database};
use gridhelm_api::node::SlotState;
use gridhelm_api::task::{FailureKind, Task, TaskState};
use gridhelm_server::grid::GridOptions;
use gridhelm_server::group::Duties as _;
use gridhelm_server::tasks::TaskError;
use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_a_lower_epoch_are_reclaimed_and_their_tasks_settled() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let old = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 4)]).await;
    let flag = node.scratch("flag");
    // It hangs the first time and ends at once the second time.
    let again = format!(
        "if (file.exists('{flag}')) 'second' else {{ file.create('{flag}'); Sys.sleep(600) }}"
    );
    let again = old.submit(&again, |r| r.re_executable = true).await;
    let lost = old.submit("system('sleep 600')", |_| {}).await;
    let mut pids = Vec::new();
    for id in [&again, &lost] {
        let task = old.until_task(id, TaskState::Running).await;
        pids.push(task.attempts[0].pid.unwrap());
    }
    while !std::path::Path::new(&flag).exists() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // The old one is never told: it is the fence that keeps it from writing.
    let new = Rig::active(&path, "east-2", GridOptions::default()).await;
    let task = new.until_task(&again, TaskState::Succeeded).await;
    assert_eq!(task.value, Some(serde_json::json!("second")));
    let epochs: Vec<i64> = task.attempts.iter().map(|a| a.epoch).collect();
    assert_eq!(epochs, [old.fence.epoch, new.fence.epoch]);
    let task = new.until_task(&lost, TaskState::Failed).await;
    assert_eq!(task.failure.unwrap().kind, FailureKind::Grid);
    for pid in pids {
        assert!(!runs(pid), "the session {pid} of the old server still runs");
    }
    new.until_node("r01", "idle slots", |n| {
        n.slots.len() == 4 && n.slots.iter().all(|s| s.state == SlotState::Idle)
    })
    .await;
    let kinds = new.events(&again).await;
    assert_eq!(kinds, ["task.repeated"]);
    // A slot is free as soon as its old session is proven dead; that row is forgotten right after.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let left = new.store.sessions().await.unwrap();
        if left.iter().all(|row| row.epoch == new.fence.epoch) {
            break;
        }
        assert!(std::time::Instant::now() < end, "{left:?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    old.work.lay_down(true).await;
    new.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_wait_are_taken_over() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let old = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 1)]).await;
    assert_eq!(
        old.work.drain(std::time::Duration::from_secs(5)).await,
        Ok(())
    );
    let id = old.submit("'taken over'", |_| {}).await;
    old.stop().await;
    let new = Rig::active(&path, "east-2", GridOptions::default()).await;
    let task = new.until_task(&id, TaskState::Succeeded).await;
    assert_eq!(task.attempts[0].epoch, new.fence.epoch);
    new.stop().await;
}

/// A task whose commit ends only after the duties were laid down is no longer in this server's hands: were it still, the server
/// would pass over it when it is active again, and the task would wait for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_is_committed_while_the_duties_are_laid_down_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("east.db");
    let rig = Rig::active(&database, "east-1", GridOptions::default()).await;
    // Another writer, so that the commit waits.
    let other = rusqlite::Connection::open(&database).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let submission = crate::rig::submission("1", false, |_| {});
    let mut submitting = std::pin::pin!(rig.tasks.submit(submission));
    tokio::select! {
        biased;
        done = &mut submitting => panic!("it did not wait: {done:?}"),
        () = std::future::ready(()) => {}
    }
    rig.work.lay_down(false).await;
    other.execute_batch("ROLLBACK").unwrap();
    let id = submitting.await.unwrap().id;
    assert_eq!(
        rig.work.in_flight().queued,
        0,
        "it is kept although nobody looks after it"
    );
    rig.work.take_up(rig.fence.clone()).await;
    assert_eq!(rig.work.in_flight().queued, 1, "{id} was passed over");
    rig.stop().await;
}

/// A task whose commit nobody has been told of yet, which whoever looks into the store finds there.
struct Untold<F> {
    other: rusqlite::Connection,
    submitting: std::pin::Pin<Box<F>>,
}

impl<F: Future<Output = Result<Task, TaskError>>> Untold<F> {
    async fn begin(database: &Path, submitting: F) -> Self {
        let other = rusqlite::Connection::open(database).unwrap();
        let mut submitting = Box::pin(submitting);
        tokio::select! {
            biased;
            done = &mut submitting => panic!("it was told: {done:?}"),
            () = std::future::ready(()) => {}
        }
        let count = || -> i64 {
            other
                .query_row("SELECT count(*) FROM tasks", [], |row| row.get(0))
                .unwrap()
        };
        let end = Instant::now() + Duration::from_secs(20);
        while count() == 0 {
            assert!(Instant::now() < end, "it is not committed");
            tokio::task::yield_now().await;
        }
        Self { other, submitting }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_is_being_committed_is_not_taken_up_a_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("east.db");
    let rig = Rig::active(&database, "east-1", GridOptions::default()).await;
    let submission = crate::rig::submission("1", false, |_| {});
    let untold = Untold::begin(&database, rig.tasks.submit(submission)).await;
    rig.tasks.look_again().await;
    assert_eq!(rig.work.in_flight().queued, 0, "it is in hands twice");
    untold.submitting.await.unwrap();
    assert_eq!(rig.work.in_flight().queued, 1);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_whose_submitter_goes_away_before_the_answer_is_not_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("east.db");
    let rig = Rig::active(&database, "east-1", GridOptions::default()).await;
    let submission = crate::rig::submission("1", false, |_| {});
    let untold = Untold::begin(&database, rig.tasks.submit(submission)).await;
    drop(untold.submitting);
    let end = Instant::now() + Duration::from_secs(20);
    while rig.work.in_flight().queued == 0 {
        assert!(Instant::now() < end, "nobody looks after it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(untold.other);
    rig.stop().await;
}
