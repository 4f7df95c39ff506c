//! Every drill once, short: real processes that are killed, stopped and switched under load.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_upgrade_fails_no_request() {
    holds("ha-upgrade").await;
}

// Each part on a host of its own: network namespaces, which need root. Elsewhere these say that they were skipped.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_active_server_without_its_database_is_replaced() {
    holds("ha-cut-database").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grid_out_of_reach_contracts_and_comes_back() {
    holds("ha-cut-nodes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balancer_that_sees_nobody_loses_nothing() {
    holds("ha-cut-balancer").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_without_its_database_says_so_and_disturbs_nobody() {
    holds("ha-cut-standby-database").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusing_firewall_brings_no_takeover() {
    holds("ha-reject").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_death_of_the_databases_leader_loses_nothing() {
    holds("ha-database-leader").await;
}

// The grid's; the long ones run by `cargo xtask drill grid-back` and `grid-flapping` alone.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_session_runs_again_elsewhere_and_a_stopped_one_ends_by_its_time_out() {
    holds("grid-session").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grid_whose_listeners_die_or_stop_is_whole_again() {
    holds("grid-listener").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tasks_of_a_killed_server_are_reclaimed() {
    holds("grid-server").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_a_node_loses_no_task() {
    holds("grid-disk").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_decision_hangs_on_the_clock_of_a_node() {
    holds("grid-clock").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_tasks_is_done_once_each() {
    holds("grid-burst").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replication_is_whole_wherever_a_server_is_killed() {
    holds("replicate-kill").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_who_replicate_at_once_do_not_mix() {
    holds("replicate-people").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_found() {
    holds("replicate-bit").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_leaves_a_target_as_it_was() {
    holds("replicate-disk").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_network_costs_what_was_on_its_way_and_no_more() {
    holds("replicate-cut").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_network_is_waited_for() {
    holds("replicate-slow").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replication_goes_by_no_clock() {
    holds("replicate-clock").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replications_hold_on_postgres_too() {
    holds("replicate-kill-postgres").await;
    holds("replicate-people-postgres").await;
    holds("replicate-cut-postgres").await;
}
