//! Switches that are tried out, put off, held back, called off; and what is looked at before and after.

use super::pair::{Group, eventually};
use gridhelm_api::Code;
use gridhelm_api::group::ServerRole;
use gridhelm_api::switch::{AfterDrain, Outcome, StepState, SwitchKind, SwitchState};
use gridhelm_server::clock;
use gridhelm_server::group::SwitchError;
use gridhelm_server::store::Store;
use std::sync::atomic::Ordering;

fn code<T: std::fmt::Debug>(answer: Result<T, SwitchError>) -> Code {
    answer.unwrap_err().problem().code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_checks_come_before_a_switch_and_four_after_it() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    let before = one.keeper.preflight("east-2").await.unwrap();
    let ids: Vec<_> = before.checks.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "standby_ready",
            "same_version",
            "database",
            "nodes_reachable",
            "tasks_in_flight",
            "zombies",
            "balancer",
            "clocks"
        ]
    );
    assert!(before.may_switch());
    for check in &before.checks {
        assert!(!check.evidence.is_empty(), "{check:?}");
        // Every line that is not good says what to do.
        assert!(
            check.outcome == Outcome::Pass || check.repair.is_some(),
            "{check:?}"
        );
    }
    // Nobody asked for its health yet; then somebody does.
    assert_eq!(before.checks[6].outcome, Outcome::Warn);
    one.keeper.asked_active();
    let again = one.keeper.preflight("east-2").await.unwrap();
    assert_eq!(
        again.checks[6].outcome,
        Outcome::Pass,
        "{:?}",
        again.checks[6]
    );

    let begun = one
        .switch(SwitchKind::Planned, "east-2", |_| {})
        .await
        .unwrap();
    one.keeper.refusals.note(clock::Moment::now());
    two.keeper.refusals.note(clock::Moment::now());
    let ended = one.ended(&begun.id).await;
    assert_eq!(ended.state, SwitchState::Done);
    let ids: Vec<_> = ended.after.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(ids, ["balancer", "zombies", "repository", "tasks_going"]);
    assert_eq!(ended.failed_requests, Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_says_everything_and_changes_nothing() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    one.duties.running.store(1, Ordering::SeqCst);
    let told = one
        .switch(SwitchKind::Planned, "east-2", |r| r.dry_run = true)
        .await
        .unwrap();
    assert_eq!(told.state, SwitchState::Done);
    assert_eq!(told.after.len(), 8, "the checks come with it");
    let drain = told.steps.iter().find(|s| s.id == "drain").unwrap();
    assert_eq!(drain.state, StepState::Todo);
    assert!(drain.note.contains("1 task now"), "{}", drain.note);
    assert!(told.steps.iter().all(|s| !s.note.is_empty()), "{told:#?}");
    assert_eq!(one.status().role, ServerRole::Active);
    assert_eq!(one.store.epoch().await.unwrap().epoch, 1);
    assert!(one.store.switches(10).await.unwrap().is_empty());
    assert_eq!(one.duties.calls(), ["take_up 1"]);
    // What would be refused is told, too.
    two.stop().await;
    let told = one
        .switch(SwitchKind::Planned, "east-2", |r| r.dry_run = true)
        .await
        .unwrap();
    assert_eq!(told.state, SwitchState::Failed);
    let refused = one
        .switch(SwitchKind::Forced, "east-2", |r| r.dry_run = true)
        .await;
    assert_eq!(code(refused), Code::InvalidInput);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_that_follows_at_once_is_held_back_unless_it_overrides() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    let begun = one
        .switch(SwitchKind::Planned, "east-2", |r| r.override_hold = false)
        .await
        .unwrap();
    assert_eq!(one.ended(&begun.id).await.state, SwitchState::Done);
    let held = two
        .switch(SwitchKind::Planned, "east-1", |r| r.override_hold = false)
        .await;
    assert_eq!(code(held), Code::SwitchHold);
    let tried = two
        .switch(SwitchKind::Planned, "east-1", |r| {
            r.override_hold = false;
            r.dry_run = true;
        })
        .await
        .unwrap();
    assert_eq!(tried.state, SwitchState::Failed);
    assert!(
        tried.steps[0].note.contains("a moment ago"),
        "{:?}",
        tried.steps[0]
    );
    let back = two
        .switch(SwitchKind::Planned, "east-1", |_| {})
        .await
        .unwrap();
    assert_eq!(two.ended(&back.id).await.state, SwitchState::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_begins_at_its_time() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    let at = clock::now() + 1_500;
    let planned = one
        .switch(SwitchKind::Planned, "east-2", |r| r.at = Some(at))
        .await
        .unwrap();
    assert_eq!(
        (planned.state, planned.at),
        (SwitchState::Scheduled, Some(at))
    );
    assert_eq!(one.status().role, ServerRole::Active);
    let second = one
        .switch(SwitchKind::Planned, "east-2", |r| r.at = Some(at + 60_000))
        .await;
    assert_eq!(code(second), Code::SwitchUnderway, "one at a time");
    let ended = one.ended(&planned.id).await;
    assert_eq!(ended.state, SwitchState::Done, "{ended:#?}");
    assert!(ended.started_at >= at, "not before its time");
    assert_eq!(two.status().role, ServerRole::Active);
    for at in [clock::now() - 60_000, clock::now() + 8 * 86_400_000] {
        let refused = two
            .switch(SwitchKind::Planned, "east-1", |r| r.at = Some(at))
            .await;
        assert_eq!(code(refused), Code::InvalidInput);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduled_switch_is_called_off_or_dropped_when_another_server_is_active() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    let later = Some(clock::now() + 600_000);
    let planned = one
        .switch(SwitchKind::Planned, "east-2", |r| r.at = later)
        .await
        .unwrap();
    let off = one
        .keeper
        .call_off(&planned.id, "ada", super::pair::audit())
        .await
        .unwrap();
    assert_eq!(off.state, SwitchState::Cancelled);
    let again = one
        .keeper
        .call_off(&planned.id, "ada", super::pair::audit())
        .await;
    assert_eq!(code(again), Code::NotFound);

    let planned = one
        .switch(SwitchKind::Planned, "east-2", |r| r.at = later)
        .await
        .unwrap();
    let now = one
        .switch(SwitchKind::Planned, "east-2", |_| {})
        .await
        .unwrap();
    assert_eq!(one.ended(&now.id).await.state, SwitchState::Done);
    let dropped = two.ended(&planned.id).await;
    assert_eq!(dropped.state, SwitchState::Cancelled);
    let why = &dropped
        .steps
        .iter()
        .find(|s| s.state == StepState::Failed)
        .unwrap()
        .note;
    assert!(why.contains("east-2 is active now"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_is_called_off_while_it_waits_for_tasks() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    one.duties.running.store(1, Ordering::SeqCst);
    let begun = one
        .switch(SwitchKind::Planned, "east-2", |_| {})
        .await
        .unwrap();
    eventually("it drains", async || {
        one.duties.calls().contains(&"drain".to_owned())
    })
    .await;
    one.keeper
        .call_off(&begun.id, "ada", super::pair::audit())
        .await
        .unwrap();
    let ended = one.ended(&begun.id).await;
    assert_eq!(ended.state, SwitchState::Cancelled);
    assert_eq!(one.status().role, ServerRole::Active);
    assert_eq!(one.duties.calls(), ["take_up 1", "drain", "resume"]);
    // The next one is not called off by that.
    one.duties.running.store(0, Ordering::SeqCst);
    let begun = one
        .switch(SwitchKind::Planned, "east-2", |_| {})
        .await
        .unwrap();
    assert_eq!(one.ended(&begun.id).await.state, SwitchState::Done);
    assert_eq!(two.status().role, ServerRole::Active);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_still_runs_is_interrupted_only_if_that_was_asked_for() {
    let group = Group::new();
    let (one, _two) = group.pair().await;
    one.duties.running.store(1, Ordering::SeqCst);
    let waits = one
        .switch(SwitchKind::Planned, "east-2", |r| r.drain_s = 0)
        .await
        .unwrap();
    assert_eq!(one.ended(&waits.id).await.state, SwitchState::Failed);
    assert!(!one.duties.calls().contains(&"interrupt".to_owned()));
    let cuts = one
        .switch(SwitchKind::Planned, "east-2", |r| {
            r.drain_s = 0;
            r.after_drain = AfterDrain::Interrupt;
        })
        .await
        .unwrap();
    assert_eq!(one.ended(&cuts.id).await.state, SwitchState::Done);
    assert!(one.duties.calls().contains(&"interrupt".to_owned()));
}
