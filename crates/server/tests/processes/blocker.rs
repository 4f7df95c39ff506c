//! An active server that hangs within a transaction: nobody else can write. A failover ends it.

use super::process::Place;
use gridhelm_api::group::ServerRole;
use gridhelm_api::switch::{SwitchKind, SwitchState};
use gridhelm_server::identity;
use gridhelm_server::store::{Notes, SqliteStore, Store};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// Where the child finds the database.
const DATABASE: &str = "GRIDHELM_TEST_HOLD";

/// Not a test of its own: the process that takes the active role and, when told to, holds the database.
#[test]
#[ignore = "runs only as the child of the test below"]
fn hold() {
    let Some(path) = std::env::var_os(DATABASE) else {
        return;
    };
    let store = SqliteStore::open(path.as_ref(), "east").unwrap();
    let me = identity::this_process("east-1", "b00t", "http://127.0.0.1:9").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let taken = store.take_epoch(0.into(), &me, "east-1", "a test", Notes::default());
    runtime.block_on(taken).unwrap();
    say("taken");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    say("holding");
    loop {
        std::thread::park();
    }
}

fn say(word: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "\n{word}").unwrap();
    out.flush().unwrap();
}

/// Killed when the test ends, whatever way.
struct Owner(std::process::Child);

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_ends_an_owner_that_hangs_within_a_transaction() {
    let place = Place::new();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["blocker::hold", "--exact", "--ignored", "--nocapture"])
        .env(DATABASE, place.database())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut owner = Owner(child);
    let mut lines = BufReader::new(owner.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "taken"));
    let mut two = place.server("east-2");
    two.start();
    two.until("ready", |s| s.ready).await;
    let token = two.sign_in().await;
    owner.0.stdin.take().unwrap().write_all(b"hold\n").unwrap();
    assert!(lines.any(|line| line.unwrap() == "holding"));
    two.until("told of the silence", |s| s.active.is_none())
        .await;
    let begun = two
        .switch(&token, SwitchKind::Forced, "east-2", 1)
        .await
        .unwrap();
    let ended = two.ended(&token, &begun.id).await;
    assert_eq!(ended.state, SwitchState::Done, "{ended:#?}\n{}", two.log());
    assert!(!owner.0.wait().unwrap().success());
    let status = two.status().await.unwrap();
    assert_eq!((status.role, status.epoch), (ServerRole::Active, 2));
    assert!(two.log().contains("blocks the database"), "{}", two.log());
}
