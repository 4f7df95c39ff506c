//! Real server processes that are killed, stopped, restarted and switched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod automatic;
mod blocker;
mod command;
mod process;
#[path = "../../../rserve/tests/common/mod.rs"]
mod rserve;
mod switching;
mod work;
