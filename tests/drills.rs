//! Every drill but `ha-database-leader` once, short: real processes that are killed, stopped and switched under load.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use xtask::drill;

async fn holds(name: &str) {
    if let Err(error) = drill::run(name).await {
        panic!("{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planned_switches_lose_no_request() {
    holds("ha-switch").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_replaced_by_itself() {
    holds("ha-kill").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_is_replaced_and_wakes_as_standby() {
    holds("ha-stop").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_under_an_epoch_of_its_own() {
    holds("ha-restart").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_servers_may_die() {
    holds("ha-both").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_may_stand_still_and_start_again() {
    holds("ha-database-stopped").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_stopped_before_a_commit_never_commits_under_its_old_epoch() {
    holds("ha-transaction-sqlite").await;
    holds("ha-transaction-postgres").await;
}
