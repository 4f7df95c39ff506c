//! Tasks of one account that share R sessions because they ask for it.

use crate::node::{RNode, runs, until_gone};
use crate::rig::{Rig, database, submission};
use gridhelm_api::node::{Health, Intent};
use gridhelm_api::task::{Task, TaskState};
use gridhelm_server::grid::GridOptions;
use serde_json::json;
use std::time::Duration;

/// No session is opened ahead: what is there was kept, for so long.
fn kept_for(reuse_idle: Duration) -> GridOptions {
    GridOptions {
        sessions_ahead: 0,
        reuse_idle,
        ..GridOptions::default()
    }
}

fn kept_for_long() -> GridOptions {
    kept_for(Duration::from_mins(10))
}

async fn run_as(rig: &Rig, by: &str, reuse: bool, code: &str) -> Task {
    let mut submission = submission(code, true, |request| request.reuse = reuse);
    submission.by = by.to_owned();
    let within = Duration::from_secs(40);
    let task = rig.tasks.submit_and_wait(submission, within).await.unwrap();
    assert_eq!(task.state, TaskState::Succeeded, "{task:?}");
    task
}

fn pid(task: &Task) -> i64 {
    task.attempts[0].pid.unwrap()
}

/// Waits until a session is kept in so many slots.
async fn until_kept(rig: &Rig, sessions: usize) {
    rig.until_node("r01", "sessions to be kept", |node| {
        let idle = node.slots.iter().filter(|slot| slot.task.is_none());
        idle.filter(|slot| slot.pid.is_some()).count() == sessions
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_task_of_the_account_finds_the_session_as_it_was_at_first() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", kept_for_long(), &[(&node, 3)]).await;
    let look = "list(here = ls(all.names = TRUE), digits = getOption('digits'), mine = getOption('mine.own', ''),
        variable = Sys.getenv('GRIDHELM_TEST'), home = nzchar(Sys.getenv('HOME')), attached = 'package:stats4' %in% search(),
        files = list.files(all.files = TRUE, no.. = TRUE), where = identical(getwd(), .gridhelm$state$work),
        open = nrow(showConnections()), sinks = sink.number(), kind = RNGkind()[1])";
    let first = run_as(&rig, "mia", true, look).await;
    until_kept(&rig, 1).await;
    let leaves = "x <- 1; .hidden <- 2; options(digits = 3, mine.own = 'yes'); Sys.setenv(GRIDHELM_TEST = 'left')
        Sys.unsetenv('HOME'); library(stats4); cat('text', file = 'left.txt'); dir.create('deep'); setwd('deep')
        set.seed(1, kind = 'Wichmann-Hill'); con <- file('/dev/null', 'w'); sink(tempfile()); attach(list(y = 1)); cat('said')";
    let second = run_as(&rig, "mia", true, leaves).await;
    assert_eq!(pid(&second), pid(&first));
    until_kept(&rig, 1).await;
    let third = run_as(&rig, "mia", true, look).await;
    assert_eq!(pid(&third), pid(&first), "the session is still the same");
    assert_eq!(third.value, first.value);
    let seen = first.value.clone().unwrap();
    assert_eq!(
        (&seen["digits"], &seen["variable"]),
        (&json!(7), &json!(""))
    );

    // Random numbers begin anew in each task.
    let draws = "paste(runif(3), collapse = ' ')";
    until_kept(&rig, 1).await;
    let one = run_as(&rig, "mia", true, draws).await.value;
    until_kept(&rig, 1).await;
    assert_ne!(run_as(&rig, "mia", true, draws).await.value, one);
    rig.stop().await;
    until_gone(pid(&first)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_and_nothing_else_runs_in_a_kept_session() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", kept_for_long(), &[(&node, 2)]).await;
    let kept = pid(&run_as(&rig, "mia", true, "1").await);
    until_kept(&rig, 1).await;
    let alone = pid(&run_as(&rig, "mia", false, "1").await);
    // Its slot is free when its session is gone.
    until_gone(alone).await;
    until_kept(&rig, 1).await;
    let other = pid(&run_as(&rig, "ben", true, "1").await);
    assert!(kept != alone && kept != other && alone != other);
    until_kept(&rig, 2).await;
    assert!(runs(kept), "there was room beside it");
    // No slot is left but those: one that is kept gives way.
    let third = run_as(&rig, "cem", true, "1").await;
    assert!(![kept, alone, other].contains(&pid(&third)));
    until_kept(&rig, 2).await;
    assert_eq!([kept, other].iter().filter(|pid| runs(**pid)).count(), 1);
    // Nothing is kept of what a task left running.
    let forks = "parallel::mcparallel(Sys.sleep(600))$pid";
    let child = run_as(&rig, "cem", true, forks).await;
    assert_eq!(pid(&child), pid(&third));
    until_gone(child.value.clone().unwrap().as_i64().unwrap()).await;
    until_gone(pid(&child)).await;
    let again = run_as(&rig, "cem", true, "1").await;
    assert_ne!(pid(&again), pid(&child));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_session_goes_when_its_time_is_over_or_the_node_takes_no_work() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let short = kept_for(Duration::from_millis(300));
    let rig = Rig::with_nodes(&path, "east-1", short, &[(&node, 2)]).await;
    let first = pid(&run_as(&rig, "mia", true, "1").await);
    until_gone(first).await;
    until_kept(&rig, 0).await;
    rig.stop().await;

    let rig = Rig::active(&path, "east-1", kept_for_long()).await;
    rig.until_health("r01", Health::Healthy).await;
    let second = pid(&run_as(&rig, "mia", true, "1").await);
    until_kept(&rig, 1).await;
    rig.intend("r01", Intent::Disabled).await;
    until_gone(second).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_kept_each_task_has_its_own() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let never = kept_for(Duration::ZERO);
    let rig = Rig::with_nodes(&path, "east-1", never, &[(&node, 2)]).await;
    until_gone(pid(&run_as(&rig, "mia", true, "1").await)).await;
    rig.stop().await;
}
