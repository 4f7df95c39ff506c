//! Watching a node, and ending what others left on it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;

use common::{Node, runs};
use gridhelm_rserve::reclaim::{self, Action, Marker, Reclaimed, Refusal, Rule, Target};
use gridhelm_rserve::run::{self, RErrorKind, RunRequest, SessionInfo};
use gridhelm_rserve::{Connection, Error};

fn code(code: &str) -> RunRequest {
    RunRequest {
        code: code.into(),
        ..RunRequest::default()
    }
}

fn marker(group: &str, epoch: u64) -> String {
    Marker {
        group: group.into(),
        server: "east-1".into(),
        epoch,
    }
    .text()
}

fn older(epoch: u64) -> Rule {
    Rule::OlderThan {
        group: "east".into(),
        epoch,
    }
}

async fn session(node: &Node, marker: &str) -> (Connection, SessionInfo) {
    let mut connection = node.open().await;
    let session = run::prepare(&mut connection, marker).await.unwrap();
    (connection, session)
}

#[tokio::test]
async fn the_marker_is_written_before_anything_else() {
    let node = Node::start("").await;
    let (_c, session) = node.session().await;
    let text =
        std::fs::read_to_string(Path::new(&session.work_dir).join(run::MARKER_FILE)).unwrap();
    assert_eq!(text, common::MARKER);
    assert_eq!(
        Marker::parse(&text),
        Some(Marker {
            group: "east".into(),
            server: "east-1".into(),
            epoch: 7
        })
    );
    assert!(runs(session.pid));
}

#[tokio::test]
async fn an_interrupt_stops_code_and_keeps_the_session() {
    let node = Node::start("").await;
    let (mut c, session) = session(&node, &marker("east", 7)).await;
    let (mut second, _) = node.session().await;
    let own = Rule::Own {
        group: "east".into(),
        epoch: 7,
    };
    for source in [
        "Sys.sleep(60)",
        "repeat {}",
        "cat('on\\n'); for (i in 1:1e9) sqrt(i)",
    ] {
        let request = code(&format!("file.create('began'); {source}"));
        let began = Path::new(&session.work_dir).join("began");
        let _ = std::fs::remove_file(&began);
        let running = run::run(&mut c, &request, |_| {});
        let stop = async {
            common::wait_for("the code to begin", || began.exists()).await;
            reclaim::end(
                &mut second,
                Action::Interrupt,
                &Target::from(&session),
                &own,
            )
            .await
            .unwrap()
        };
        let (outcome, stopped) = tokio::join!(running, stop);
        assert_eq!(stopped, Reclaimed::Interrupted);
        assert_eq!(
            outcome.unwrap().error.unwrap().kind,
            RErrorKind::Interrupt,
            "{source}"
        );
    }
    assert_eq!(
        run::run(&mut c, &code("1 + 1"), |_| {})
            .await
            .unwrap()
            .printed,
        "[1] 2\n"
    );
}

#[tokio::test]
async fn a_kill_takes_the_whole_tree_and_the_directory() {
    let node = Node::start("").await;
    let (mut c, session) = session(&node, &marker("east", 6)).await;
    let (mut second, _) = session2(&node).await;
    // A child, a grandchild, and one that left the tree.
    let source = "system('(sleep 300 & echo $! > stray) ; sh -c \"sleep 301; :\" & sleep 302; :')";
    let request = code(source);
    let running = run::run(&mut c, &request, |_| {});
    let work = Path::new(&session.work_dir).to_owned();
    let kill = async {
        common::wait_for("the processes", || common::processes_in(&work).len() >= 6).await;
        let below = common::processes_in(&work);
        let done = reclaim::end(
            &mut second,
            Action::Kill,
            &Target::from(&session),
            &older(7),
        )
        .await
        .unwrap();
        (below, done)
    };
    let (outcome, (below, done)) = tokio::join!(running, kill);
    assert!(
        matches!(
            outcome,
            Err(Error::Closed {
                quit_status: None,
                ..
            })
        ),
        "{outcome:?}"
    );
    match done {
        Reclaimed::Killed {
            processes,
            work_dir_removed: true,
        } => assert!(
            processes as usize >= below.len(),
            "{processes} of {below:?}"
        ),
        other => panic!("{other:?}"),
    }
    assert!(below.iter().all(|&pid| !runs(pid)), "{below:?}");
    assert!(!work.exists());
    let again = reclaim::end(
        &mut second,
        Action::Kill,
        &Target::from(&session),
        &older(7),
    )
    .await
    .unwrap();
    assert_eq!(
        again,
        Reclaimed::Gone {
            work_dir_removed: false,
            ended_itself: false
        }
    );
}

async fn session2(node: &Node) -> (Connection, SessionInfo) {
    session(node, &marker("east", 7)).await
}

#[tokio::test]
async fn only_what_the_rule_allows_is_touched() {
    let node = Node::start("").await;
    let (mut mine, own) = session2(&node).await;
    let (_old, old) = session(&node, &marker("east", 6)).await;
    let (_west, west) = session(&node, &marker("west", 1)).await;
    let (_other, other) = session(&node, "{\"epoch\":1}").await;
    let mut plain = node.open().await;
    let stat = plain
        .eval("c(readLines('/proc/self/stat'), readLines('/proc/sys/kernel/random/boot_id'))")
        .await
        .unwrap()
        .as_texts();
    let fields: Vec<&str> = stat[0].rsplit(") ").next().unwrap().split(' ').collect();
    let unmarked = Target {
        pid: stat[0].split(' ').next().unwrap().parse().unwrap(),
        start_time_ticks: fields[19].parse().unwrap(),
        boot_id: stat[1].clone(),
    };
    let refused = |r: Reclaimed| match r {
        Reclaimed::Refused { why, .. } => why,
        other => panic!("{other:?}"),
    };
    let target = |s: &SessionInfo| Target::from(s);
    for action in [Action::Interrupt, Action::Kill] {
        for (target, rule, why) in [
            (target(&west), older(9), Refusal::Foreign),
            (target(&other), older(9), Refusal::Foreign),
            (unmarked.clone(), older(9), Refusal::NoMarker),
            (target(&old), older(6), Refusal::Epoch),
            (
                target(&old),
                Rule::Own {
                    group: "east".into(),
                    epoch: 7,
                },
                Refusal::Epoch,
            ),
            (target(&own), older(9), Refusal::NoSession),
            (target(&own), Rule::Any, Refusal::NoSession),
        ] {
            let got = reclaim::end(&mut mine, action, &target, &rule)
                .await
                .unwrap();
            assert_eq!(refused(got), why, "{target:?} {rule:?}");
        }
        // The same number with another start, or of another boot, is another process.
        let recycled = Target {
            start_time_ticks: old.start_time_ticks + 1,
            ..target(&old)
        };
        let rebooted = Target {
            boot_id: "another".into(),
            ..target(&old)
        };
        for dead in [recycled, rebooted] {
            let got = reclaim::end(&mut mine, action, &dead, &Rule::Any)
                .await
                .unwrap();
            assert_eq!(
                got,
                Reclaimed::Gone {
                    work_dir_removed: false,
                    ended_itself: false
                }
            );
        }
        // A process of the same user that is no session.
        let listener = Target {
            pid: node.pid(),
            start_time_ticks: start_of(node.pid()),
            ..target(&old)
        };
        assert_eq!(
            refused(
                reclaim::end(&mut mine, action, &listener, &Rule::Any)
                    .await
                    .unwrap()
            ),
            Refusal::NoSession
        );
    }
    for pid in [old.pid, west.pid, other.pid, unmarked.pid, node.pid()] {
        assert!(runs(pid), "{pid} was touched");
    }
    assert!(Path::new(&old.work_dir).exists());
    let got = reclaim::end(&mut mine, Action::Kill, &unmarked, &Rule::Any)
        .await
        .unwrap();
    assert!(
        matches!(
            got,
            Reclaimed::Killed {
                processes: 1,
                work_dir_removed: true
            }
        ),
        "{got:?}"
    );
}

fn start_of(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(") ")
        .next()
        .unwrap()
        .split(' ')
        .nth(19)
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn sweeping_removes_what_ended_sessions_left() {
    let node = Node::start("").await;
    let (mine, own) = session2(&node).await;
    let (ended, gone) = session(&node, &marker("east", 7)).await;
    let (foreign, west) = session(&node, &marker("west", 7)).await;
    ended.close().await;
    foreign.close().await;
    common::wait_for("the sessions' end", || !runs(gone.pid) && !runs(west.pid)).await;
    let mut mine = mine;
    assert!(reclaim::sweep(&mut mine, "east").await.unwrap() >= 1);
    assert!(!Path::new(&gone.work_dir).exists());
    assert!(Path::new(&west.work_dir).exists() && Path::new(&own.work_dir).exists());
    run::discard(mine, &own).await.unwrap();
    assert!(!Path::new(&own.work_dir).exists());
}
