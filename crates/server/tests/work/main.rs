//! Grid and tasks against real Rserve nodes and a real database.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod health;
mod losing;
mod node;
mod packages;
mod rig;
mod running;
mod speed;
mod stopping;
mod takeover;
mod tls;
