//! Planned switches.

use super::pair::{Group, Server, eventually};
use axum::Json;
use axum::routing::{get, post};
use gridhelm_api::Code;
use gridhelm_api::group::{Member, ServerRole, ServerStatus};
use gridhelm_api::switch::{Check, Outcome, StepState, SwitchKind, SwitchState};
use gridhelm_server::group::{SwitchError, TakeOrder, Taken};
use gridhelm_server::store::Store;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switchover_hands_over_within_a_short_gap() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    let asking = Asking::begin(&[&one, &two]);
    let mut standing = one.standing.clone();
    let told = tokio::spawn(async move {
        standing.wait_for(|s| s.parking).await.unwrap();
        let after = standing.wait_for(|s| !s.parking).await.unwrap();
        (after.status.active_url.clone(), after.left)
    });
    let begun = one
        .switch(SwitchKind::Planned, "east-2", |_| {})
        .await
        .unwrap();
    assert_eq!(begun.state, SwitchState::Running);
    let ended = one.ended(&begun.id).await;
    assert_eq!(ended.state, SwitchState::Done, "{ended:#?}");
    assert!(
        ended
            .steps
            .iter()
            .all(|s| s.state == StepState::Done && s.ended_at.is_some())
    );
    assert_eq!((ended.epoch_before, ended.epoch_after), (1, Some(2)));
    assert_eq!(ended.by, "ada");
    assert!(ended.gap_ms.unwrap() < 1_000, "{:?}", ended.gap_ms);

    let status = two.status();
    assert_eq!((status.role, status.epoch), (ServerRole::Active, 2));
    let old = one.status();
    assert_eq!(old.role, ServerRole::Standby);
    assert_eq!(old.active.as_deref(), Some("east-2"));
    assert!(!one.keeper.parking());
    // From the very moment at which requests are let go they are told where to.
    let (told, left) = told.await.unwrap();
    assert_eq!(told.as_deref(), Some(two.url.as_str()));
    assert!(left.is_some(), "it does not know that it handed over");
    assert_eq!(one.duties.calls(), ["take_up 1", "drain", "lay_down"]);
    // An order may come twice, or after its successor saw the released lease by itself.
    let order = TakeOrder {
        switch: begun.clone(),
        released: Some(1),
    };
    let again = two.keeper.take_order(order).await.unwrap();
    assert!(again.active && again.epoch == 2, "{again:?}");
    assert_eq!(two.duties.calls(), ["take_up 2"]);
    let seen = two.store.group().await.unwrap();
    assert_eq!(seen.by.as_deref(), Some("ada"));
    assert_eq!(seen.reason.as_deref(), Some("a test"));
    eventually("the successor shows the end", async || {
        two.keeper
            .current_switch()
            .is_some_and(|s| s.state == SwitchState::Done)
    })
    .await;

    let gap = asking.end().await;
    assert!(gap < Duration::from_secs(1), "{gap:?}");

    // And back again.
    let back = two
        .switch(SwitchKind::Planned, "east-1", |_| {})
        .await
        .unwrap();
    assert_eq!(two.ended(&back.id).await.state, SwitchState::Done);
    assert_eq!(one.status().role, ServerRole::Active);
    assert_eq!(one.store.epoch().await.unwrap().epoch, 3);
    assert_eq!(one.store.switches(10).await.unwrap().len(), 2);
}

/// A client that asks both servers who is active, every 2 ms.
struct Asking {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Duration>,
}

impl Asking {
    fn begin(servers: &[&Server]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let urls: Vec<String> = servers
            .iter()
            .map(|s| format!("{}/api/v1/server", s.url))
            .collect();
        let told = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let http = gridhelm_server::tls::Tls::default()
                .caller()
                .build()
                .unwrap();
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            while !told.load(Ordering::SeqCst) {
                for url in &urls {
                    let status: ServerStatus =
                        http.get(url).send().await.unwrap().json().await.unwrap();
                    if status.role == ServerRole::Active {
                        longest = longest.max(last.elapsed());
                        last = Instant::now();
                    }
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            longest
        });
        Self { stop, task }
    }

    async fn end(self) -> Duration {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_waits_for_running_tasks_and_says_how_many() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    one.duties.running.store(2, Ordering::SeqCst);
    let begun = one
        .switch(SwitchKind::Planned, "east-2", |_| {})
        .await
        .unwrap();
    let note = |server: &Server| {
        let switch = server.keeper.current_switch()?;
        Some(switch.steps.iter().find(|s| s.id == "drain")?.note.clone())
    };
    eventually("both say what is waited for", async || {
        [&one, &two]
            .iter()
            .all(|s| note(s).as_deref() == Some("2 tasks left"))
    })
    .await;
    assert_eq!(one.status().role, ServerRole::Active, "it still works");
    one.duties.running.store(1, Ordering::SeqCst);
    eventually("the note follows", async || {
        note(&one).as_deref() == Some("1 task left")
    })
    .await;
    one.duties.running.store(0, Ordering::SeqCst);
    assert_eq!(one.ended(&begun.id).await.state, SwitchState::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_tasks_do_not_end_in_time_nothing_has_changed() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    one.duties.running.store(1, Ordering::SeqCst);
    let begun = one
        .switch(SwitchKind::Planned, "east-2", |r| r.drain_s = 0)
        .await
        .unwrap();
    let ended = one.ended(&begun.id).await;
    assert_eq!(ended.state, SwitchState::Failed);
    assert_eq!(ended.steps[1].state, StepState::Failed);
    assert!(
        ended.steps[1].note.contains("1 task still ran"),
        "{}",
        ended.steps[1].note
    );
    assert_eq!(
        (one.status().role, one.status().epoch),
        (ServerRole::Active, 1)
    );
    assert_eq!(one.duties.calls(), ["take_up 1", "drain", "resume"]);
    assert!(one.standing.borrow().fence().is_ok());
    assert_eq!(two.status().role, ServerRole::Standby);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_does_not_answer_is_refused() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    two.close_http().await;
    let refused = one
        .switch(SwitchKind::Planned, "east-2", |_| {})
        .await
        .unwrap_err();
    let problem = refused.problem();
    assert_eq!(problem.code, Code::StandbyNotReady);
    let failed: Vec<&str> = problem.errors.iter().map(|e| e.field.as_str()).collect();
    assert!(failed.contains(&"standby_ready"), "{failed:?}");
    assert_eq!(
        (one.status().role, one.status().epoch),
        (ServerRole::Active, 1)
    );
    assert!(one.store.switches(1).await.unwrap().is_empty());
    let audited = one
        .store
        .audit(&gridhelm_server::store::AuditFilter::newest(10))
        .await
        .unwrap()
        .items;
    assert!(audited.iter().any(|row| {
        row.after
            .as_ref()
            .is_some_and(|a| a["refused"] == "standby_not_ready")
    }));
    assert_eq!(one.duties.calls(), ["take_up 1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_wrongly_is_refused() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    let code = |refused: SwitchError| refused.problem().code;
    let planned = SwitchKind::Planned;
    let refused = one
        .switch(planned, "east-2", |r| r.expect_epoch = 7)
        .await
        .unwrap_err();
    let problem = refused.problem();
    assert_eq!(problem.code, Code::EpochMismatch);
    assert_eq!(problem.current.unwrap()["epoch"], 1);
    assert_eq!(
        code(one.switch(planned, "east-9", |_| {}).await.unwrap_err()),
        Code::NotFound
    );
    assert_eq!(
        code(one.switch(planned, "east-1", |_| {}).await.unwrap_err()),
        Code::Conflict
    );
    for change in [
        |r: &mut gridhelm_api::switch::SwitchRequest| r.reason = "x".into(),
        |r: &mut gridhelm_api::switch::SwitchRequest| r.drain_s = 3_601,
        |r: &mut gridhelm_api::switch::SwitchRequest| r.to = "../x".into(),
    ] {
        assert_eq!(
            code(one.switch(planned, "east-2", change).await.unwrap_err()),
            Code::InvalidInput
        );
    }
    let refused = two
        .switch(planned, "east-2", |_| {})
        .await
        .unwrap_err()
        .problem();
    assert_eq!(refused.code, Code::NotActive);
    assert_eq!(refused.active_url.as_deref(), Some(one.url.as_str()));

    one.duties.running.store(1, Ordering::SeqCst);
    let begun = one.switch(planned, "east-2", |_| {}).await.unwrap();
    let second = one.switch(planned, "east-2", |_| {}).await.unwrap_err();
    assert_eq!(code(second), Code::SwitchUnderway);
    one.duties.running.store(0, Ordering::SeqCst);
    assert_eq!(one.ended(&begun.id).await.state, SwitchState::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_that_never_takes_over_leaves_the_old_one_active() {
    let group = Group::new();
    let one = group.start("east-1").await;
    one.until("active", |s| s.role == ServerRole::Active).await;
    let url = lazy_successor().await;
    let member = Member {
        name: "east-2".into(),
        url,
        version: env!("CARGO_PKG_VERSION").into(),
        seen_at: 0,
    };
    one.store.announce(&member).await.unwrap();
    let begun = one
        .switch(SwitchKind::Planned, "east-2", |_| {})
        .await
        .unwrap();
    let ended = one.ended(&begun.id).await;
    assert_eq!(ended.state, SwitchState::Failed);
    let take = ended.steps.iter().find(|s| s.id == "take").unwrap();
    assert_eq!(take.state, StepState::Failed);
    assert!(
        take.note
            .contains("took the active role back under epoch 2"),
        "{}",
        take.note
    );
    let status = one.status();
    assert_eq!((status.role, status.epoch), (ServerRole::Active, 2));
    assert!(!one.keeper.parking());
    assert_eq!(
        one.duties.calls(),
        ["take_up 1", "drain", "lay_down", "take_up 2"]
    );
    let row = one.store.epoch().await.unwrap();
    assert!(!row.released);
}

/// Something that answers as a ready east-2 and never takes over.
async fn lazy_successor() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let status = ServerStatus {
        name: "east-2".into(),
        group: "east".into(),
        epoch: 1,
        ready: true,
        version: env!("CARGO_PKG_VERSION").into(),
        ..ServerStatus::default()
    };
    let check = Check {
        id: "nodes_reachable".into(),
        title: "Nodes".into(),
        outcome: Outcome::Pass,
        evidence: "1 of 1".into(),
        repair: None,
    };
    let taken = Taken {
        epoch: 1,
        active: false,
    };
    let router = axum::Router::new()
        .route("/api/v1/server", get(async move || Json(status)))
        .route("/health/ready", get(async || "ready"))
        .route("/api/v1/switch/reach", get(async move || Json(check)))
        .route("/api/v1/switch/take", post(async move || Json(taken)));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preflight_is_the_same_at_every_server() {
    let group = Group::new();
    let (one, two) = group.pair().await;
    for server in [&one, &two] {
        let preflight = server.keeper.preflight("east-2").await.unwrap();
        assert_eq!(preflight.checks.len(), 8);
        assert!(preflight.may_switch(), "{preflight:#?}");
        assert!(preflight.checks.iter().all(|c| !c.evidence.is_empty()));
        assert_eq!(preflight.from.as_deref(), Some("east-1"));
    }
    let own = one.keeper.preflight("east-1").await.unwrap();
    assert!(!own.may_switch());
    let unknown = one.keeper.preflight("east-9").await.unwrap_err();
    assert!(unknown.to_string().contains("east-1, east-2"), "{unknown}");
}
