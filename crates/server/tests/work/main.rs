//! Grid and tasks against real Rserve nodes and a real database.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod ending;
mod fence;
mod health;
mod intents;
mod losing;
mod node;
mod packages;
mod queueing;
mod reuse;
mod rig;
mod running;
mod speed;
mod stopping;
mod takeover;
mod tls;
mod zombies;
