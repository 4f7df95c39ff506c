//! A person ends the R sessions that tasks run in: each task is told who and why, and runs again if it may.

use crate::node::{RNode, runs, until_gone};
use crate::rig::{Rig, database};
use gridhelm_api::task::{FailureKind, TaskState};
use gridhelm_server::grid::GridOptions;

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_told_who_ended_its_session_and_why() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    let once = rig.submit("Sys.sleep(60)", |_| {}).await;
    // Code that does not heed an interrupt has to be killed.
    let deaf = "repeat tryCatch(Sys.sleep(60), interrupt = function(e) NULL)";
    let again = rig.submit(deaf, |r| r.re_executable = true).await;
    let mut pids = Vec::new();
    for id in [&once, &again] {
        let task = rig.until_task(id, TaskState::Running).await;
        pids.push(task.attempts[0].pid.unwrap());
    }

    let elsewhere = rig.tasks.end_session("r02", &once, "mia", "why not").await;
    assert!(!elsewhere.ended, "{elsewhere:?}");
    assert!(elsewhere.said.contains("does not run here"));

    let end = async |id: &str| rig.tasks.end_session("r01", id, "mia", "it hangs.").await;
    let (one, other) = tokio::join!(end(&once), end(&again));
    assert!(one.ended && other.ended, "{one:?} {other:?}");
    assert_eq!((one.pid, other.pid), (pids[0], pids[1]));
    assert!(other.said.contains("queued again"), "{}", other.said);
    for pid in pids {
        until_gone(pid).await;
    }

    let failed = rig.until_task(&once, TaskState::Failed).await;
    let failure = failed.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::Grid);
    assert!(
        failure
            .message
            .contains("Its R session was ended by mia: it hangs."),
        "{}",
        failure.message
    );
    let console = rig.console(&once).await;
    assert!(console.contains("ended by mia: it hangs"), "{console}");
    let repeated = rig.until_task(&again, TaskState::Running).await;
    assert_eq!(repeated.attempts.len(), 2);
    let told = repeated.attempts[0].failure.as_ref().unwrap();
    assert!(told.message.contains("mia"), "{}", told.message);

    // The second attempt is another session: what was said of the first does not end it.
    let gone = rig.tasks.end_session("r01", &once, "mia", "again").await;
    assert!(!gone.ended && gone.pid == 0);
    assert!(runs(repeated.attempts[1].pid.unwrap()));
    rig.stop().await;
}
