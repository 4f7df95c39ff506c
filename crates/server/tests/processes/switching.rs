//! What happens to the active role when processes die, hang, return and hand over.

use super::process::{Place, Server};
use gridhelm_api::Code;
use gridhelm_api::group::ServerRole;
use gridhelm_api::switch::{SwitchKind, SwitchState};
use rustix::process::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_started_at_once_one_is_active_and_a_restart_takes_an_epoch() {
    let place = Place::new();
    let (mut one, mut two) = (place.server("east-1"), place.server("east-2"));
    one.start();
    two.start();
    let first = one
        .until("told who is active", |s| s.active.is_some())
        .await;
    let second = two
        .until("told who is active", |s| s.active == first.active)
        .await;
    let roles = [first.role, second.role];
    assert!(
        roles.contains(&ServerRole::Active) && roles.contains(&ServerRole::Standby),
        "{roles:?}"
    );
    let (mut active, standby) = if first.role == ServerRole::Active {
        (one, two)
    } else {
        (two, one)
    };
    for epoch in 2..5 {
        // In turn it is killed, and stopped in order.
        if epoch % 2 == 0 {
            active.end(Signal::KILL);
        } else {
            let status = active.end(Signal::TERM);
            assert_eq!(status.code(), Some(0), "{}", active.log());
        }
        active.start();
        let status = active
            .until("active again", |s| s.role == ServerRole::Active)
            .await;
        assert_eq!(status.epoch, epoch, "one more for each process");
    }
    let name = active.name.clone();
    let status = standby
        .until("told of it", |s| {
            s.epoch == 4 && s.active.as_ref() == Some(&name)
        })
        .await;
    assert_eq!(status.role, ServerRole::Standby);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_replaced_by_hand_and_returns_as_standby() {
    let place = Place::new();
    let (mut one, two) = place.pair().await;
    let token = two.sign_in().await;
    one.end(Signal::KILL);
    let status = two
        .until("told of the silence", |s| s.active.is_none())
        .await;
    assert_eq!(status.role, ServerRole::Standby);
    let wrong = two
        .switch(&token, SwitchKind::Forced, "east-2", 9)
        .await
        .unwrap_err();
    assert_eq!(wrong.code, Code::EpochMismatch);
    let begun = two
        .switch(&token, SwitchKind::Forced, "east-2", 1)
        .await
        .unwrap();
    let ended = two.ended(&token, &begun.id).await;
    assert_eq!(
        (ended.state, ended.epoch_after),
        (SwitchState::Done, Some(2)),
        "{ended:#?}"
    );
    assert_eq!(ended.from.as_deref(), Some("east-1"));
    assert_eq!(ended.by, "admin");

    one.start();
    let back = one
        .until("a standby that knows", |s| {
            s.active.as_deref() == Some("east-2")
        })
        .await;
    assert_eq!((back.role, back.epoch), (ServerRole::Standby, 2));
    // It has read the journal's end when it has told that it is back.
    let end = Instant::now() + Duration::from_secs(10);
    while !two
        .journal(&token)
        .await
        .iter()
        .any(|e| e.kind == "switch.returned")
    {
        assert!(Instant::now() < end, "{}", one.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_that_wakes_after_a_failover_steps_down() {
    let place = Place::new();
    let (mut one, two) = place.pair().await;
    let token = two.sign_in().await;
    one.signal(Signal::STOP);
    two.until("told of the silence", |s| s.active.is_none())
        .await;
    let begun = two
        .switch(&token, SwitchKind::Forced, "east-2", 1)
        .await
        .unwrap();
    let ended = two.ended(&token, &begun.id).await;
    assert_eq!(
        (ended.state, ended.epoch_after),
        (SwitchState::Done, Some(2)),
        "{ended:#?}"
    );
    one.signal(Signal::CONT);
    // Whatever it is asked to write goes to the active server or nowhere: its own epoch is over.
    let old = one
        .until("stepped down", |s| {
            s.role == ServerRole::Standby && s.active.as_deref() == Some("east-2")
        })
        .await;
    assert_eq!(old.epoch, 2);
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let journal = two.journal(&token).await;
        if let Some(event) = journal.iter().find(|e| e.kind == "switch.fenced") {
            assert_eq!(event.subject, "east-1");
            break;
        }
        assert!(Instant::now() < end, "{}", one.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(one.end(Signal::TERM).code(), Some(0));
    assert_eq!(two.status().await.unwrap().role, ServerRole::Active);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switchover_asked_of_the_standby_leaves_a_short_gap() {
    let place = Place::new();
    let (one, two) = place.pair().await;
    let token = one.sign_in().await;
    let asking = Asking::begin([&one, &two]);
    // The standby passes the request on to the active server.
    let begun = two
        .switch(&token, SwitchKind::Planned, "east-2", 1)
        .await
        .unwrap();
    let ended = two.ended(&token, &begun.id).await;
    assert_eq!(
        (ended.state, ended.epoch_after),
        (SwitchState::Done, Some(2)),
        "{ended:#?}"
    );
    let back = one
        .switch(&token, SwitchKind::Planned, "east-1", 2)
        .await
        .unwrap();
    assert_eq!(one.ended(&token, &back.id).await.state, SwitchState::Done);
    let gap = asking.end().await;
    assert!(gap < Duration::from_secs(1), "{gap:?}");
    assert!(ended.gap_ms.unwrap() < 1_000);
    assert_eq!(one.status().await.unwrap().epoch, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_to_an_unready_standby_is_refused() {
    let place = Place::new();
    let (one, mut two) = place.pair().await;
    let token = one.sign_in().await;
    two.end(Signal::KILL);
    let refused = one
        .switch(&token, SwitchKind::Planned, "east-2", 1)
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::StandbyNotReady);
    assert!(!refused.request_id.is_empty());
    assert!(
        refused.errors.iter().any(|e| e.field == "standby_ready"),
        "{refused:?}"
    );
    let status = one.status().await.unwrap();
    assert_eq!((status.role, status.epoch), (ServerRole::Active, 1));
}

/// A client that asks both servers who is active, every 5 ms; the longest time without an answer of an
/// active one.
struct Asking {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Duration>,
}

impl Asking {
    fn begin(servers: [&Server; 2]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let urls = servers.map(|s| format!("{}/api/v1/server", s.url));
        let http = servers[0].http.clone();
        let task = tokio::spawn(async move {
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            while !told.load(Ordering::SeqCst) {
                for url in &urls {
                    let answer = http.get(url).send().await.unwrap();
                    let status: gridhelm_api::group::ServerStatus = answer.json().await.unwrap();
                    if status.role == ServerRole::Active {
                        longest = longest.max(last.elapsed());
                        last = Instant::now();
                    }
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
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
