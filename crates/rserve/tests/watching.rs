//! Watching a node through a session on it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;
use std::time::Duration;

use common::Node;
use gridhelm_rserve::reclaim::Marker;
use gridhelm_rserve::run::{self, RunRequest, SessionInfo};
use gridhelm_rserve::watch::{self, Listener};
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

async fn session(node: &Node, marker: &str) -> (Connection, SessionInfo) {
    let mut connection = node.open().await;
    let session = run::prepare(&mut connection, marker).await.unwrap();
    (connection, session)
}

#[tokio::test]
async fn a_watcher_sees_the_listener_stop_and_die_while_sessions_live_on() {
    let mut node = Node::start("").await;
    let (mut watcher, own) = session(&node, &marker("east", 7)).await;
    let (mut c, busy) = session(&node, &marker("east", 7)).await;
    let start = watch::listener_start(&mut watcher, &own)
        .await
        .unwrap()
        .unwrap();
    let pid = own.listener_pid;
    let look = watch::glance(&mut watcher, pid, start, &[]).await.unwrap();
    assert_eq!(look.listener, Listener::Running);
    assert!(
        look.memory_available > 0
            && look.memory_available <= look.memory_total
            && look.load[0] >= 0.0
    );
    assert_eq!(
        watch::glance(&mut watcher, pid, start + 1, &[])
            .await
            .unwrap()
            .listener,
        Listener::Gone
    );

    node.signal("-STOP");
    until(&mut watcher, pid, start, Listener::Stopped).await;
    let options = gridhelm_rserve::Options {
        handshake_timeout: Duration::from_millis(200),
        ..Default::default()
    };
    let hung = watch::heartbeat(&node.endpoint(), Some(&common::credentials()), &options).await;
    assert!(
        matches!(hung, Err(Error::HandshakeTimeout { .. })),
        "{hung:?}"
    );
    node.signal("-CONT");
    until(&mut watcher, pid, start, Listener::Running).await;

    let request = code("invisible(file.create('began')); Sys.sleep(0.5); 6 * 7");
    let running = run::run(&mut c, &request, |_| {});
    let began = Path::new(&busy.work_dir).join("began");
    let kill = async {
        common::wait_for("the code to begin", || began.exists()).await;
        node.signal("-KILL");
        until(&mut watcher, pid, start, Listener::Gone).await;
        let refused =
            watch::heartbeat(&node.endpoint(), Some(&common::credentials()), &options).await;
        assert!(matches!(refused, Err(Error::Connect { .. })), "{refused:?}");
    };
    let (outcome, ()) = tokio::join!(running, kill);
    assert_eq!(
        outcome.unwrap().printed,
        "[1] 42\n",
        "its client still got the result"
    );
}

async fn until(watcher: &mut Connection, pid: u32, start: u64, wanted: Listener) {
    for _ in 0..1000 {
        let look = watch::glance(watcher, pid, start, &[]).await.unwrap();
        if look.listener == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the listener was never {wanted:?}");
}

#[tokio::test]
async fn a_watcher_sees_sessions_that_are_stopped_or_gone() {
    let node = Node::start("").await;
    let (mut watcher, own) = session(&node, &marker("east", 7)).await;
    let (mut c, other) = session(&node, &marker("east", 7)).await;
    let (pid, none) = (other.pid, 4_194_305);
    let mut states = async |wanted: [char; 3]| {
        let asked = [pid, none, own.pid];
        for _ in 0..1000 {
            let look = watch::glance(&mut watcher, own.listener_pid, 0, &asked);
            let look = look.await.unwrap();
            assert_eq!(look.sessions.len(), 3);
            if look.sessions == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the sessions were never {wanted:?}");
    };
    let signal = |what: &str| {
        let sent = std::process::Command::new("kill")
            .args([what, &pid.to_string()])
            .status();
        assert!(sent.unwrap().success());
    };
    // The watcher itself runs while it looks.
    states(['S', 'X', 'R']).await;
    signal("-STOP");
    states(['T', 'X', 'R']).await;
    signal("-CONT");
    states(['S', 'X', 'R']).await;
    assert_eq!(
        run::run(&mut c, &code("1"), |_| {}).await.unwrap().printed,
        "[1] 1\n"
    );
    // More than one look takes in are not asked for.
    let many = vec![pid; watch::SESSIONS_AT_ONCE + 5];
    let look = watch::glance(&mut watcher, own.listener_pid, 0, &many);
    assert_eq!(look.await.unwrap().sessions.len(), watch::SESSIONS_AT_ONCE);
}

#[tokio::test]
async fn a_probe_tells_what_the_node_is_and_who_is_on_it() {
    let node = Node::start("").await;
    let (mut watcher, own) = session(&node, &marker("east", 7)).await;
    let (_c, ours) = session(&node, &marker("west", 3)).await;
    let _unmarked = node.open().await;
    let probe = watch::probe(&mut watcher, &own).await.unwrap();
    assert_eq!(probe.glance.listener, Listener::Running);
    assert!(
        probe.cores >= 1 && probe.disk_total > probe.disk_available && probe.disk_available > 0
    );
    assert!(
        probe.r_version.starts_with("4.") && probe.rserve_version.starts_with("1."),
        "{probe:?}"
    );
    assert!(probe.utf8 && probe.boot_id == own.boot_id && probe.uptime_seconds > 0);
    assert!(
        probe.clock_ahead_ms.abs() < 2000,
        "{}",
        probe.clock_ahead_ms
    );
    assert!(
        probe
            .packages
            .iter()
            .any(|p| p.name == "stats" && p.version == probe.r_version)
    );
    assert_eq!(Path::new(&probe.work_dir), node.dir.join("work"));
    let found = probe.sessions.iter().find(|s| s.pid == ours.pid).unwrap();
    assert_eq!(
        found.marker.as_ref().map(|m| (m.group.as_str(), m.epoch)),
        Some(("west", 3))
    );
    assert_eq!(
        (found.start_time_ticks, found.parent_pid, found.is_self),
        (ours.start_time_ticks, node.pid(), false)
    );
    assert!(found.memory > 1_000_000 && found.directory == ours.work_dir);
    assert_eq!(probe.sessions.iter().filter(|s| s.is_self).count(), 1);
    assert_eq!(
        probe
            .sessions
            .iter()
            .filter(|s| s.marker_text.is_empty())
            .count(),
        1
    );
    assert_eq!(probe.sessions.len(), 3, "{:#?}", probe.sessions);
}
