//! Real server processes that are killed, stopped, restarted and switched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod automatic;
mod blocker;
#[allow(dead_code, reason = "the store's own tests use all of it")]
#[path = "../../src/store/postgres/tests/cluster.rs"]
mod cluster;
mod command;
mod joining;
mod postgres;
mod process;
#[path = "../../../rserve/tests/common/mod.rs"]
mod rserve;
mod switching;
mod upkeep;
mod work;
