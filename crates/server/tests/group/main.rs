//! Pairs of keepers on one database: real SQLite, real HTTP between them, duties that only count.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod automatic;
mod claims;
mod failovers;
mod pair;
mod plans;
mod switchovers;
