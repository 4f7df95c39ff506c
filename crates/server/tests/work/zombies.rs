//! R sessions that nobody uses are found and ended; all others are left alone.

use crate::node::{RNode, runs};
use crate::rig::{GROUP, Rig, database};
use futures_util::FutureExt as _;
use gridhelm_api::session::{NodeSession, SessionId, SessionKind};
use gridhelm_rserve::reclaim::Marker;
use gridhelm_rserve::run::{self, RunRequest, SessionInfo};
use gridhelm_rserve::{Connection, Credentials, Endpoint, Options};
use gridhelm_server::grid::GridOptions;
use std::path::Path;
use std::time::{Duration, Instant};

/// A connection as another server would make it.
async fn connect(node: &RNode) -> Connection {
    let endpoint = Endpoint {
        host: "127.0.0.1".to_owned(),
        port: node.port,
    };
    let credentials = Credentials {
        user: "grid".to_owned(),
        password: "secret".into(),
    };
    let options = Options {
        handshake_timeout: Duration::from_secs(20),
        ..Options::default()
    };
    Connection::open(&endpoint, Some(&credentials), &options)
        .await
        .unwrap()
}

async fn marked(node: &RNode, group: &str, epoch: i64) -> (Connection, SessionInfo) {
    let mut connection = connect(node).await;
    let marker = Marker {
        group: group.to_owned(),
        server: format!("{group}-9"),
        epoch: epoch.unsigned_abs(),
    };
    let info = run::prepare(&mut connection, &marker.text()).await.unwrap();
    (connection, info)
}

/// Runs code in it until its client goes away.
async fn leave_running(mut connection: Connection, code: &str, began: &Path) {
    let request = RunRequest {
        code: code.to_owned(),
        ..RunRequest::default()
    };
    {
        let mut events = |_| {};
        let running = run::run(&mut connection, &request, &mut events);
        let begun = async {
            let until = Instant::now() + Duration::from_secs(20);
            while !began.exists() {
                assert!(Instant::now() < until, "the code does not begin");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            ended = running => panic!("it ended: {ended:?}"),
            () = begun => {}
        }
    }
    drop(connection);
}

/// The same, but it goes away with something unread: the connection is then reset, not closed.
async fn leave_unread(mut connection: Connection, began: &Path) {
    let code = format!(
        "cat('said'); flush.console(); file.create('{}'); repeat {{}}",
        began.display()
    );
    let request = RunRequest {
        code,
        ..RunRequest::default()
    };
    {
        let mut events = |_| {};
        let running = std::pin::pin!(run::run(&mut connection, &request, &mut events));
        // Sent, and not looked at again.
        assert!(running.now_or_never().is_none());
        let until = Instant::now() + Duration::from_secs(20);
        while !began.exists() {
            assert!(Instant::now() < until, "the code does not begin");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    drop(connection);
}

/// Has the node looked at until something holds of a session, or of its absence.
async fn seen(
    rig: &Rig,
    node: &str,
    pid: u32,
    what: &str,
    holds: impl Fn(Option<&NodeSession>) -> bool,
) -> Option<NodeSession> {
    let began = Instant::now();
    loop {
        let all = rig.grid.sessions();
        let found = all.iter().find(|s| s.pid == i64::from(pid));
        if holds(found) {
            return found.cloned();
        }
        assert!(
            began.elapsed() < Duration::from_secs(40),
            "waited 40 s for {what}: {found:?} of {all:?}"
        );
        rig.grid.probe_now(node);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn of_kind(rig: &Rig, node: &str, pid: u32, kind: SessionKind) -> NodeSession {
    let what = format!("{kind:?} of process {pid}");
    let is = |s: Option<&NodeSession>| s.is_some_and(|s| s.kind == kind);
    seen(rig, node, pid, &what, is).await.unwrap()
}

fn id(session: &NodeSession) -> SessionId {
    SessionId {
        pid: session.pid,
        start: session.start,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_touches_what_is_anothers_or_is_not_written_down_yet() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    // Two epochs went by: what is below the third is a zombie, were it east's.
    for server in ["east-8", "east-9"] {
        Rig::active(&path, server, GridOptions::default())
            .await
            .stop()
            .await;
    }
    // Another group's session on a shared node, of an epoch far below.
    let (mut west, west_is) = marked(&node, "west", 1).await;
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 3)]).await;
    assert!(rig.fence.epoch > 2);
    // One of the present epoch whose row is not written: it opens at this moment.
    let (mut opening, opening_is) = marked(&node, GROUP, rig.fence.epoch).await;
    // A standby's preflight: no mark at all.
    let mut preflight = connect(&node).await;
    let pid = preflight.eval("Sys.getpid()").await.unwrap();
    let pid = u32::try_from(pid.as_u64().unwrap()).unwrap();

    let wests = of_kind(&rig, "r01", west_is.pid, SessionKind::Foreign).await;
    assert_eq!(wests.group.as_deref(), Some("west"));
    let openings = of_kind(&rig, "r01", opening_is.pid, SessionKind::Used).await;
    let new = of_kind(&rig, "r01", pid, SessionKind::New).await;
    for session in [&wests, &openings, &new] {
        // Not by themselves, and not by a person either.
        let done = rig
            .grid
            .end_sessions("r01", &[id(session)], true)
            .await
            .unwrap();
        assert!(!done[0].ended && done[0].said.len() > 10, "{done:?}");
    }
    // Nor when a look is an hour old and they became something else since: here, a later process.
    let other = SessionId {
        start: wests.start + 1,
        ..id(&wests)
    };
    let done = rig.grid.end_sessions("r01", &[other], true).await.unwrap();
    assert!(!done[0].ended, "{done:?}");
    for (connection, pid) in [
        (&mut west, west_is.pid),
        (&mut opening, opening_is.pid),
        (&mut preflight, pid),
    ] {
        assert!(runs(i64::from(pid)));
        assert_eq!(connection.eval("6 * 7").await.unwrap().as_u64(), Some(42));
    }
    assert!(Path::new(&west_is.work_dir).exists());
    let kinds = rig.events("r01").await;
    assert!(
        !kinds.iter().any(|k| k.ends_with(".reclaimed")),
        "{kinds:?}"
    );
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_is_ended_only_when_that_is_said() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 1)]).await;
    let mut stranger = connect(&node).await;
    let pid = stranger.eval("Sys.getpid()").await.unwrap();
    let pid = u32::try_from(pid.as_u64().unwrap()).unwrap();
    let found = of_kind(&rig, "r01", pid, SessionKind::Unknown).await;
    assert_eq!((found.group, found.client_gone), (None, false));
    let id = SessionId {
        pid: found.pid,
        start: found.start,
    };
    let refused = rig.grid.end_sessions("r01", &[id], false).await.unwrap();
    assert!(!refused[0].ended && runs(id.pid), "{refused:?}");
    let done = rig.grid.end_sessions("r01", &[id], true).await.unwrap();
    assert!(done[0].ended, "{done:?}");
    assert!(!runs(id.pid));
    seen(&rig, "r01", pid, "its end", |s| s.is_none()).await;
    assert!(rig.grid.end_sessions("r99", &[id], true).await.is_none());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stray_of_an_older_epoch_goes_by_itself_with_all_below_it() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    Rig::active(&path, "east-9", GridOptions::default())
        .await
        .stop()
        .await;
    let began = node.scratch("began");
    let (connection, info) = marked(&node, GROUP, 1).await;
    let code = format!("file.create('{began}'); system('sleep 600 & sleep 601')");
    leave_running(connection, &code, Path::new(&began)).await;
    let pid = i64::from(info.pid);
    let until = Instant::now() + Duration::from_secs(20);
    while node.sessions().len() < 3 {
        assert!(Instant::now() < until, "{:?}", node.sessions());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(runs(pid));
    // No row tells of it: it is found by its mark.
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 2)]).await;
    seen(&rig, "r01", info.pid, "its end", |_| !runs(pid)).await;
    rig.until_node("r01", "its slots", |n| {
        n.slots
            .iter()
            .all(|s| s.state == gridhelm_api::node::SlotState::Idle)
    })
    .await;
    let until = Instant::now() + Duration::from_secs(20);
    while Path::new(&info.work_dir).exists() {
        assert!(Instant::now() < until, "its directory is left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let kinds = rig.events("r01").await;
        if kinds
            .iter()
            .any(|k| k == "slot.reclaimed" || k == "session.reclaimed")
        {
            break;
        }
        assert!(Instant::now() < until, "{kinds:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_left_with_something_unread_is_gone_too() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 1)]).await;
    let began = node.scratch("began");
    let (connection, info) = marked(&node, GROUP, rig.fence.epoch).await;
    leave_unread(connection, Path::new(&began)).await;
    of_kind(&rig, "r01", info.pid, SessionKind::Abandoned).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_client_is_gone_is_shown_with_what_it_holds_and_ended_by_hand() {
    let node = RNode::start("r01").await;
    let (_dir, path) = database();
    let rig = Rig::with_nodes(&path, "east-1", GridOptions::default(), &[(&node, 1)]).await;
    let began = node.scratch("began");
    let (connection, info) = marked(&node, GROUP, rig.fence.epoch).await;
    let code = format!("x <- rnorm(5e6); file.create('{began}'); repeat {{}}");
    leave_running(connection, &code, Path::new(&began)).await;
    of_kind(&rig, "r01", info.pid, SessionKind::Abandoned).await;
    let busy = |s: Option<&NodeSession>| s.is_some_and(|s| s.cpu_percent.is_some_and(|p| p > 5.0));
    let found = seen(&rig, "r01", info.pid, "its share of a processor", busy)
        .await
        .unwrap();
    assert!(
        found.client_gone && !found.orphan && found.memory > 40 << 20,
        "{found:?}"
    );
    assert!(found.cpu_ms > 0);
    let done = rig
        .grid
        .end_sessions("r01", &[id(&found)], false)
        .await
        .unwrap();
    assert!(done[0].ended, "{done:?}");
    assert!(!runs(found.pid) && !Path::new(&info.work_dir).exists());
    // A task's own session is none of these, however often it is looked at.
    assert_eq!(rig.run("1 + 1").await.attempts.len(), 1);
    rig.stop().await;
}
