//! Tasks that come to an end by themselves.

use crate::node::RNode;
use crate::rig::{Rig, database, submission};
use gridhelm_api::node::{OperatingType, SlotState};
use gridhelm_api::task::{FailureKind, TaskState};
use gridhelm_server::grid::GridOptions;
use gridhelm_server::store::Notes;
use gridhelm_server::tasks::TaskError;
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_task_leaves_value_outputs_console_plot_and_file() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 3)]).await;
    let code = "cat('hello\\n')\nmessage('careful')\nplot(1:10)\nwriteLines('a,b', 'table.csv')\n\
                y <- x * 2\nsum(y)";
    let task = rig
        .run_with(code, |request| {
            request.inputs.insert("x".to_owned(), json!([1, 2, 3]));
            request.outputs = vec!["y".to_owned(), "absent".to_owned()];
        })
        .await;
    assert_eq!(task.state, TaskState::Succeeded, "{task:?}");
    assert_eq!(task.value, Some(json!(12)));
    assert_eq!(task.outputs.get("y"), Some(&json!([2, 4, 6])));
    assert_eq!(task.outputs.len(), 1);
    let console = rig.console(&task.id).await;
    for text in ["hello\n", "careful", "12"] {
        assert!(console.contains(text), "{console}");
    }
    let names: Vec<_> = task
        .artifacts
        .iter()
        .map(|a| (a.name.as_str(), a.plot))
        .collect();
    assert_eq!(names, [("plot001.png", true), ("table.csv", false)]);
    let plot = &task.artifacts[0];
    let bytes = rig
        .store
        .read_blob(&plot.sha256, 0, plot.size)
        .await
        .unwrap()
        .unwrap();
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() as u64 == plot.size);
    // What is stored is what was answered.
    let stored = rig.store.task(&task.id).await.unwrap().unwrap().task;
    assert_eq!(stored, task);
    let attempt = &task.attempts[0];
    assert_eq!(
        (attempt.number, attempt.node.as_str(), attempt.epoch),
        (1, "r01", rig.fence.epoch)
    );
    rig.stop().await;
}

/// What is not kept is named on the console; the rest is kept, and the task ends well.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_task_are_bounded_in_number_in_size_and_together() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 3)]).await;
    let many = rig
        .run("for (i in 1:203) cat(i, file = sprintf('f%03d.txt', i))")
        .await;
    assert_eq!(many.state, TaskState::Succeeded, "{many:?}");
    assert_eq!(many.artifacts.len(), 200);
    assert_eq!(many.artifacts[199].name, "f200.txt");
    let console = rig.console(&many.id).await;
    assert!(
        console.contains("f201.txt was not kept: only the first 200"),
        "{console}"
    );

    // Holes of files: they need no place on the disk.
    let large = rig
        .run(
            "for (i in 1:5) system(sprintf('truncate -s 60M large%d.bin', i))
system('truncate -s 65M too-large.bin'); system('ln -s /etc/passwd link.txt')",
        )
        .await;
    assert_eq!(large.state, TaskState::Succeeded, "{large:?}");
    let kept: Vec<_> = large.artifacts.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(
        kept,
        ["large1.bin", "large2.bin", "large3.bin", "large4.bin"]
    );
    let console = rig.console(&large.id).await;
    for name in ["large5.bin", "too-large.bin"] {
        let told = format!("{name} was not kept: it is too large");
        assert!(console.contains(&told), "{console}");
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_fails_says_how() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 3)]).await;
    let error = rig
        .run("f <- function(x) {\n  stop('no luck')\n}\nf(1)")
        .await;
    let failure = error.failure.unwrap();
    assert_eq!(
        (error.state, failure.kind),
        (TaskState::Failed, FailureKind::Error)
    );
    assert_eq!(
        (failure.message.as_str(), failure.line),
        ("no luck", Some(2))
    );
    assert!(
        failure.trace.iter().any(|call| call.contains("f(1)")),
        "{failure:?}"
    );
    assert!(rig.console(&error.id).await.contains("no luck"));

    let parse = rig.run("1 +\n)").await.failure.unwrap();
    assert_eq!((parse.kind, parse.line), (FailureKind::Parse, Some(2)));

    let quit = rig.run("cat('bye\\n'); quit(status = 3)").await;
    let failure = quit.failure.unwrap();
    assert_eq!(
        (quit.state, failure.kind),
        (TaskState::Failed, FailureKind::SessionEnded)
    );
    assert!(failure.message.contains("status 3"), "{}", failure.message);
    assert_eq!(rig.events(&quit.id).await, ["task.failed"]);
    // The slots are fine afterwards.
    assert_eq!(rig.run("1 + 1").await.value, Some(json!(2)));
    rig.until_node("r01", "three idle slots", |n| {
        n.slots.len() == 3 && n.slots.iter().all(|s| s.state == SlotState::Idle)
    })
    .await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_wait_for_slots_and_go_by_priority() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 1)]).await;
    let log = node.scratch("order");
    let first = rig.submit("Sys.sleep(0.7)", |_| {}).await;
    rig.until_task(&first, TaskState::Running).await;
    let write = |name: &str| format!("cat('{name} ', file = '{log}', append = TRUE)");
    let mut ids = Vec::new();
    for (name, priority) in [("a", 0), ("b", -5), ("c", 5), ("d", 0)] {
        ids.push(rig.submit(&write(name), |r| r.priority = priority).await);
    }
    assert_eq!(rig.tasks.stats().queued, 4);
    for id in &ids {
        rig.until_task(id, TaskState::Succeeded).await;
    }
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "c a d b ");
    let stats = rig.tasks.stats();
    assert_eq!((stats.queued, stats.per_minute.iter().sum::<u32>()), (0, 5));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_go_where_type_and_label_allow() {
    let nodes = [RNode::start("plain").await, RNode::start("gpu").await];
    let (_dir, path) = database();
    let rig = Rig::active(&path, "east-1", GridOptions::default()).await;
    let mut plain = nodes[0].draft(2);
    plain.operating_type = OperatingType::Asynchronous;
    let mut gpu = nodes[1].draft(2);
    gpu.labels = vec!["gpu".to_owned()];
    for draft in [plain, gpu] {
        crate::rig::create(&rig.store, &rig.fence, &draft).await;
        rig.grid.changed(&draft.name).await.unwrap();
        rig.until_node(&draft.name, "usable slots", |n| {
            n.slots[0].state == SlotState::Idle
        })
        .await;
    }
    let waited = rig.run("1").await;
    assert_eq!(
        waited.attempts[0].node, "gpu",
        "nobody waits on the other node"
    );
    let labelled = rig.submit("1", |r| r.label = Some("gpu".to_owned())).await;
    let labelled = rig.until_task(&labelled, TaskState::Succeeded).await;
    assert_eq!(labelled.attempts[0].node, "gpu");
    let nowhere = rig.submit("1", |r| r.label = Some("tape".to_owned())).await;
    // It waits, and lets others pass.
    assert_eq!(rig.run("2").await.state, TaskState::Succeeded);
    let waiting = rig.tasks.task(&nowhere).await.unwrap().unwrap();
    assert_eq!(waiting.state, TaskState::Queued);
    rig.tasks
        .cancel(&nowhere, "ana", Notes::default())
        .await
        .unwrap();
    let cancelled = rig.tasks.task(&nowhere).await.unwrap().unwrap();
    assert_eq!(cancelled.state, TaskState::Cancelled);
    let again = rig.tasks.cancel(&nowhere, "ana", Notes::default()).await;
    assert!(matches!(again, Err(TaskError::Conflict(_))), "{again:?}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn console_output_arrives_while_the_code_runs() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    let id = rig
        .submit("cat('early\\n')\nSys.sleep(1.5)\ncat('late\\n')", |_| {})
        .await;
    let began = std::time::Instant::now();
    while !rig.console(&id).await.contains("early") {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let task = rig.tasks.task(&id).await.unwrap().unwrap();
    assert_eq!(
        task.state,
        TaskState::Running,
        "the output came before the end"
    );
    rig.until_task(&id, TaskState::Succeeded).await;
    let chunks = rig.tasks.console(&id, 0).await.unwrap();
    assert!(
        chunks.iter().zip(0..).all(|(chunk, n)| chunk.seq == n),
        "{chunks:?}"
    );
    assert!(rig.console(&id).await.contains("late"));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_active_takes_no_work() {
    let (_dir, path) = database();
    let rig = Rig::active(&path, "east-1", GridOptions::default()).await;
    rig.standing.send_modify(|s| s.fence = None);
    let refused = rig.tasks.submit(submission("1", true, |_| {})).await;
    assert!(
        matches!(refused, Err(TaskError::NotActive(_))),
        "{refused:?}"
    );
    rig.stop().await;
}
