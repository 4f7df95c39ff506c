//! A process that is killed while it writes: what it had acknowledged is there.

use super::open;
use crate::store::contract::{SqliteFile, activate, end, notes, start, task};
use crate::store::{EventFilter, Store};
use gridhelm_api::task::TaskState;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Names the database to the process that is going to be killed.
const DATABASE: &str = "GRIDHELM_TEST_CRASH_DATABASE";
/// Acknowledged writes after which it is killed.
const ENOUGH: usize = 300;

/// Not a test: what the killed process does. It says each write that was acknowledged, and never ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by what_was_acknowledged_survives_a_kill in a process of its own"]
async fn write_until_killed() {
    let Some(path) = std::env::var_os(DATABASE) else {
        return;
    };
    let store: Arc<dyn Store> = open(path.as_ref());
    let fence = activate(&store, "east-1").await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let (store, fence) = (Arc::clone(&store), fence.clone());
        writers.spawn(async move {
            for n in 0.. {
                let id = format!("t-{writer}-{n:06}");
                let mut note = notes("task.started");
                note.events[0].subject.clone_from(&id);
                store
                    .submit_and_start(&fence, &task(&id, 0), &start(1, "s"), None, note)
                    .await
                    .unwrap();
                say(&format!("started {id}"));
                let ending = end(&id, 1, TaskState::Succeeded);
                store
                    .end_attempt(&fence, &ending, notes("task.ended"))
                    .await
                    .unwrap();
                say(&format!("ended {id}"));
            }
        });
    }
    writers.join_all().await;
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() {
    let file = SqliteFile::new();
    let name = format!(
        "{}::write_until_killed",
        module_path!().split_once("::").unwrap().1
    );
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--ignored", "--nocapture"])
        .env(DATABASE, file.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
    let (mut started, mut ended) = (BTreeSet::new(), BTreeSet::new());
    let mut killed = false;
    while let Some(Ok(line)) = said.next() {
        // The test's own name precedes the first line.
        if let Some((_, id)) = line.split_once("started ") {
            started.insert(id.to_owned());
        } else if let Some((_, id)) = line.split_once("ended ") {
            ended.insert(id.to_owned());
        }
        if started.len() + ended.len() >= ENOUGH && !killed {
            process.kill().unwrap();
            killed = true;
        }
    }
    process.wait().unwrap();
    assert!(killed, "it ended by itself after {} writes", started.len());

    let store: Arc<dyn Store> = open(&file.path());
    for id in &started {
        let found = store
            .task(id)
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("{id} is lost"));
        if ended.contains(id) {
            assert_eq!(found.task.state, TaskState::Succeeded, "{id}");
        }
    }
    // And no half write: every task has its attempt and its event.
    let mut filter = EventFilter {
        limit: 1000,
        ..EventFilter::default()
    };
    let mut noted = BTreeSet::new();
    loop {
        let page = store.events(&filter).await.unwrap();
        noted.extend(
            page.items
                .into_iter()
                .filter(|e| e.kind == "task.started")
                .map(|e| e.subject),
        );
        match page.next {
            Some(next) => filter.before = Some(next.parse().unwrap()),
            None => break,
        }
    }
    let tasks = store.tasks(&[], None, 1000).await.unwrap().items;
    let ids: BTreeSet<_> = tasks.iter().map(|t| t.id.clone()).collect();
    assert_eq!(ids, noted);
    assert!(tasks.iter().all(|t| t.attempts.len() == 1));
    let next = activate(&store, "east-2").await;
    assert_eq!(next.epoch, 2, "the database goes on");
}
