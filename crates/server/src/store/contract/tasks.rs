//! A task's life.

use super::*;
use crate::store::{AttemptEnd, EventFilter, Fence, Notes, StoreError};
use gridhelm_api::task::{
    Artifact, ConsoleChunk, ConsoleKind, FailureKind, TaskFailure, TaskState,
};
use std::collections::BTreeMap;

on_every_store!(
    a_task_lives_from_queue_to_answer,
    a_task_that_starts_at_once_is_one_write,
    the_grid_fails_under_a_task_and_it_runs_again,
    an_uncertain_attempt_has_no_end_until_it_has,
    only_what_fits_its_state_happens_to_a_task,
    what_is_asked_again_happens_once,
    lists_leave_out_what_is_long,
    open_tasks_come_in_queue_order,
    what_is_too_old_is_removed_with_all_that_belongs_to_it,
);

fn failure(kind: FailureKind) -> TaskFailure {
    TaskFailure {
        kind,
        message: "connection reset".to_owned(),
        call: Some("f(x)".to_owned()),
        line: Some(3),
        trace: vec!["f(x)".to_owned(), "g(x)".to_owned()],
    }
}

fn chunk(seq: u64, text: &str) -> ConsoleChunk {
    ConsoleChunk {
        seq,
        kind: ConsoleKind::Output,
        text: text.to_owned(),
    }
}

/// An end with everything that a good one has. Puts the plot's content.
async fn good_end(
    store: &std::sync::Arc<dyn crate::store::Store>,
    task: &str,
    number: u32,
) -> AttemptEnd {
    store.put_blob(&sha256(b"plot"), b"plot").await.unwrap();
    AttemptEnd {
        session: Some("s1".to_owned()),
        value: Some(serde_json::json!({ "r": [1.5, null] })),
        outputs: BTreeMap::from([("y".to_owned(), serde_json::json!("ü"))]),
        artifacts: vec![Artifact {
            name: "plot-1.png".to_owned(),
            size: 4,
            plot: true,
            sha256: sha256(b"plot"),
        }],
        console: vec![chunk(0, "[1] 2\n"), chunk(1, "<b>done</b>\n")],
        ..end(task, number, TaskState::Succeeded)
    }
}

async fn a_task_lives_from_queue_to_answer(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let submitted = task("t-1", 5);
    let events = store
        .submit_task(&fence, &submitted, notes("task.queued"))
        .await
        .unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(store.task("t-1").await.unwrap(), Some(submitted.clone()));
    let twice = store
        .submit_task(&fence, &submitted, notes("task.queued"))
        .await;
    assert!(matches!(
        twice,
        Err(StoreError::AlreadyExists { field: "id", .. })
    ));

    let held = session("s1", fence.epoch);
    store
        .start_attempt(
            &fence,
            "t-1",
            &start(1, "s1"),
            Some(&held),
            Notes::default(),
        )
        .await
        .unwrap();
    assert_eq!(store.sessions().await.unwrap(), [held]);
    let running = store.task("t-1").await.unwrap().unwrap().task;
    assert_eq!(
        (running.state, running.started_at, running.ended_at),
        (TaskState::Running, Some(20), None)
    );
    assert_eq!(
        (running.attempts[0].number, running.attempts[0].epoch),
        (1, fence.epoch)
    );

    let ending = good_end(&store, "t-1", 1).await;
    store
        .end_attempt(&fence, &ending, notes("task.ended"))
        .await
        .unwrap();
    let ended = db.open().task("t-1").await.unwrap().unwrap().task;
    assert_eq!(
        (ended.state, ended.ended_at),
        (TaskState::Succeeded, Some(30))
    );
    assert_eq!((ended.value, ended.outputs), (ending.value, ending.outputs));
    assert_eq!(ended.artifacts, ending.artifacts);
    assert_eq!(ended.attempts[0].ended_at, Some(30));
    assert_eq!(store.sessions().await.unwrap(), []);
    assert_eq!(store.console("t-1", 0, 100).await.unwrap(), ending.console);
    assert_eq!(
        store.console("t-1", 1, 100).await.unwrap(),
        [chunk(1, "<b>done</b>\n")]
    );
    assert_eq!(
        store.console("t-1", 0, 1).await.unwrap(),
        [chunk(0, "[1] 2\n")]
    );
    assert_eq!(store.open_tasks().await.unwrap(), []);
    assert_eq!(store.task("t-2").await.unwrap(), None);
}

async fn a_task_that_starts_at_once_is_one_write(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let held = session("s1", fence.epoch);
    store
        .submit_and_start(
            &fence,
            &task("t-1", 0),
            &start(1, "s1"),
            Some(&held),
            notes("task.started"),
        )
        .await
        .unwrap();
    let found = store.task("t-1").await.unwrap().unwrap().task;
    assert_eq!(
        (found.state, found.started_at, found.attempts.len()),
        (TaskState::Running, Some(20), 1)
    );
    assert_eq!(store.sessions().await.unwrap(), [held]);
    let twice = store
        .submit_and_start(
            &fence,
            &task("t-1", 0),
            &start(1, "s2"),
            Some(&session("s2", 1)),
            Notes::default(),
        )
        .await;
    assert!(matches!(twice, Err(StoreError::AlreadyExists { .. })));
    assert_eq!(store.sessions().await.unwrap().len(), 1);
}

async fn the_grid_fails_under_a_task_and_it_runs_again(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    store
        .submit_and_start(
            &fence,
            &task("t-1", 0),
            &start(1, "s1"),
            None,
            Notes::default(),
        )
        .await
        .unwrap();
    let lost = AttemptEnd {
        failure: Some(failure(FailureKind::Grid)),
        console: vec![chunk(0, "half")],
        ..end("t-1", 1, TaskState::Queued)
    };
    store
        .end_attempt(&fence, &lost, Notes::default())
        .await
        .unwrap();
    let found = store.task("t-1").await.unwrap().unwrap().task;
    assert_eq!(
        (found.state, found.ended_at, found.failure),
        (TaskState::Queued, None, None)
    );
    assert_eq!(found.attempts[0].failure, Some(failure(FailureKind::Grid)));

    store
        .start_attempt(&fence, "t-1", &start(2, "s1"), None, Notes::default())
        .await
        .unwrap();
    let mut ending = good_end(&store, "t-1", 2).await;
    ending.console = vec![chunk(1, "whole")];
    store
        .end_attempt(&fence, &ending, Notes::default())
        .await
        .unwrap();
    let found = store.task("t-1").await.unwrap().unwrap().task;
    assert_eq!(
        (found.state, found.attempts.len(), found.started_at),
        (TaskState::Succeeded, 2, Some(20))
    );
    assert_eq!(
        store.console("t-1", 0, 9).await.unwrap(),
        [chunk(0, "half"), chunk(1, "whole")]
    );
}

async fn an_uncertain_attempt_has_no_end_until_it_has(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    let held = session("s1", fence.epoch);
    store
        .submit_and_start(
            &fence,
            &task("t-1", 0),
            &start(1, "s1"),
            Some(&held),
            Notes::default(),
        )
        .await
        .unwrap();
    let unknown = AttemptEnd {
        failure: Some(failure(FailureKind::Grid)),
        ..end("t-1", 1, TaskState::Uncertain)
    };
    store
        .end_attempt(&fence, &unknown, Notes::default())
        .await
        .unwrap();
    let found = store.task("t-1").await.unwrap().unwrap().task;
    assert_eq!(
        (found.state, found.ended_at, found.attempts[0].ended_at),
        (TaskState::Uncertain, None, None)
    );
    assert_eq!(
        store.sessions().await.unwrap(),
        [held],
        "its process is not proven dead"
    );
    assert_eq!(store.open_tasks().await.unwrap().len(), 1);

    let decided = AttemptEnd {
        session: Some("s1".to_owned()),
        ..end("t-1", 1, TaskState::Failed)
    };
    store
        .end_attempt(&fence, &decided, Notes::default())
        .await
        .unwrap();
    assert_eq!(store.open_tasks().await.unwrap(), []);
    assert_eq!(store.sessions().await.unwrap(), []);
}

async fn only_what_fits_its_state_happens_to_a_task(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    macro_rules! conflict {
        ($call:expr) => {
            match $call.await {
                Err(StoreError::Conflict { .. }) => {}
                other => panic!("{other:?}"),
            }
        };
    }
    store
        .submit_task(&fence, &task("t-1", 0), Notes::default())
        .await
        .unwrap();
    conflict!(store.end_attempt(&fence, &end("t-1", 1, TaskState::Succeeded), notes("x")));
    store
        .start_attempt(&fence, "t-1", &start(1, "s1"), None, Notes::default())
        .await
        .unwrap();
    conflict!(store.start_attempt(&fence, "t-1", &start(2, "s1"), None, notes("x")));
    conflict!(store.cancel_queued(&fence, "t-1", notes("x")));
    conflict!(store.end_attempt(&fence, &end("t-1", 2, TaskState::Succeeded), notes("x")));
    let no_content = AttemptEnd {
        artifacts: vec![Artifact {
            name: "p".to_owned(),
            size: 1,
            plot: true,
            sha256: sha256(b"never put"),
        }],
        ..end("t-1", 1, TaskState::Succeeded)
    };
    let missing = store.end_attempt(&fence, &no_content, notes("x")).await;
    assert!(matches!(missing, Err(StoreError::MissingContent { .. })));
    assert_eq!(
        store.task("t-1").await.unwrap().unwrap().task.state,
        TaskState::Running
    );
    store
        .end_attempt(
            &fence,
            &end("t-1", 1, TaskState::Succeeded),
            Notes::default(),
        )
        .await
        .unwrap();
    conflict!(store.end_attempt(&fence, &end("t-1", 1, TaskState::Failed), notes("x")));

    store
        .submit_task(&fence, &task("t-2", 0), Notes::default())
        .await
        .unwrap();
    store
        .cancel_queued(&fence, "t-2", Notes::default())
        .await
        .unwrap();
    conflict!(store.cancel_queued(&fence, "t-2", notes("x")));
    conflict!(store.start_attempt(&fence, "t-2", &start(1, "s1"), None, notes("x")));
    let cancelled = store.task("t-2").await.unwrap().unwrap().task;
    assert_eq!(cancelled.state, TaskState::Cancelled);
    assert_eq!(cancelled.failure.unwrap().kind, FailureKind::Cancelled);
    let unknown = store.cancel_queued(&fence, "t-9", notes("x")).await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })));
    assert_eq!(traces(&store).await, (0, 0));
}

/// A caller whose connection broke during a commit does not know whether it happened, and asks again.
async fn what_is_asked_again_happens_once(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    store
        .submit_task(&fence, &task("t-1", 0), Notes::default())
        .await
        .unwrap();
    let held = session("s1", fence.epoch);
    for written in [1, 0] {
        let begun = start(1, "s1");
        let events = store
            .start_attempt(&fence, "t-1", &begun, Some(&held), notes("x"))
            .await
            .unwrap();
        assert_eq!(events.len(), written);
    }
    let other = start(1, "s2");
    let other = store
        .start_attempt(&fence, "t-1", &other, None, notes("x"))
        .await;
    assert!(matches!(other, Err(StoreError::Conflict { .. })));
    let ending = good_end(&store, "t-1", 1).await;
    for written in [1, 0] {
        let events = store
            .end_attempt(&fence, &ending, notes("x"))
            .await
            .unwrap();
        assert_eq!(events.len(), written);
    }
    let later = AttemptEnd {
        at: ending.at + 1,
        ..ending
    };
    let later = store.end_attempt(&fence, &later, notes("x")).await;
    assert!(matches!(later, Err(StoreError::Conflict { .. })));
    let ended = store.task("t-1").await.unwrap().unwrap().task;
    assert_eq!(
        (ended.state, ended.attempts.len()),
        (TaskState::Succeeded, 1)
    );
    assert_eq!(traces(&store).await, (2, 2));
}

async fn lists_leave_out_what_is_long(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    for n in 1..=5 {
        let id = format!("t-{n}");
        store
            .submit_and_start(
                &fence,
                &task(&id, 0),
                &start(1, "s"),
                None,
                Notes::default(),
            )
            .await
            .unwrap();
        let state = if n % 2 == 0 {
            TaskState::Failed
        } else {
            TaskState::Succeeded
        };
        let ending = AttemptEnd {
            state,
            failure: (n % 2 == 0).then(|| failure(FailureKind::Error)),
            ..good_end(&store, &id, 1).await
        };
        store
            .end_attempt(&fence, &ending, Notes::default())
            .await
            .unwrap();
    }
    let page = store.tasks(&[], None, 2).await.unwrap();
    let ids: Vec<_> = page.items.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(
        (ids, page.next.as_deref()),
        (vec!["t-5", "t-4"], Some("t-4"))
    );
    let next = store.tasks(&[], page.next.as_deref(), 10).await.unwrap();
    assert_eq!((next.items.len(), next.next), (3, None));
    let failed = &page.items[1];
    let listed = failed.failure.as_ref().unwrap();
    assert_eq!(
        (listed.message.as_str(), listed.trace.len()),
        ("connection reset", 0)
    );
    assert_eq!((failed.value.as_ref(), failed.outputs.len()), (None, 0));
    assert_eq!(
        (failed.attempts.len(), failed.attempts[0].failure.as_ref()),
        (1, None)
    );
    let failed = store
        .tasks(&[TaskState::Failed, TaskState::Queued], None, 10)
        .await
        .unwrap()
        .items;
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().all(|t| t.state == TaskState::Failed));
}

async fn open_tasks_come_in_queue_order(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    for (id, priority) in [
        ("t-1", 0),
        ("t-2", 10),
        ("t-3", 0),
        ("t-4", -5),
        ("t-5", 10),
    ] {
        store
            .submit_task(&fence, &task(id, priority), Notes::default())
            .await
            .unwrap();
    }
    let open = store.open_tasks().await.unwrap();
    let ids: Vec<_> = open.iter().map(|t| t.task.id.as_str()).collect();
    assert_eq!(ids, ["t-2", "t-5", "t-1", "t-3", "t-4"]);
    assert_eq!(open[0].code, "1 + 1");
}

async fn what_is_too_old_is_removed_with_all_that_belongs_to_it(db: &dyn Database) {
    let store = db.open();
    let fence = activate(&store, "east-1").await;
    for (id, state) in [
        ("t-1", TaskState::Succeeded),
        ("t-2", TaskState::Failed),
        ("t-3", TaskState::Succeeded),
    ] {
        let begun = start(1, "s1");
        store
            .submit_and_start(&fence, &task(id, 0), &begun, None, notes("task.began"))
            .await
            .unwrap();
        let ended = AttemptEnd {
            at: if id == "t-3" { 9_000 } else { 1_000 },
            console: vec![chunk(0, "text")],
            ..end(id, 1, state)
        };
        store
            .end_attempt(&fence, &ended, Notes::default())
            .await
            .unwrap();
    }
    // One that waits is never too old.
    store
        .submit_task(&fence, &task("t-0", 0), Notes::default())
        .await
        .unwrap();
    assert_eq!(store.prune(&fence, None, None).await.unwrap(), (0, 0));
    assert_eq!(
        store.prune(&fence, Some(1_000), Some(1_000)).await.unwrap(),
        (0, 0)
    );
    assert_eq!(
        store.prune(&fence, Some(1_001), None).await.unwrap(),
        (2, 0)
    );
    assert!(store.task("t-1").await.unwrap().is_none());
    assert!(store.console("t-1", 0, 10).await.unwrap().is_empty());
    for kept in ["t-0", "t-3"] {
        assert!(store.task(kept).await.unwrap().is_some(), "{kept}");
    }
    let (_, events) = store.prune(&fence, None, Some(i64::MAX)).await.unwrap();
    assert_eq!(events, 3);
    assert!(
        store
            .events(&EventFilter {
                limit: 5,
                ..EventFilter::default()
            })
            .await
            .unwrap()
            .items
            .is_empty()
    );
    // Numbers go on: a client that resumes never sees one twice.
    let events = store.note(notes("later")).await.unwrap();
    assert!(events[0].id > 3, "{}", events[0].id);
    let other = Fence {
        boot: "other".into(),
        ..fence
    };
    let fenced = store.prune(&other, None, None).await;
    assert!(matches!(fenced, Err(StoreError::Fenced { .. })));
}
