//! Replication between groups: manifests, comparison, plans and conflict rules. Pure: the same code runs
//! in the browser, in the server and in tests.
//!
//! The way of a replication: [`compare`] two manifests, let people choose ([`Selection`]), [`plan`] the
//! operations, open a changeset at the target with [`Plan::request`], and [`verify`] the target's manifest
//! after the commit. Before the commit [`stale`] tells whether a side has moved on; the target itself
//! refuses a plan whose expectations do not hold any more.

mod compare;
mod matrix;
pub mod pack;
mod parity;
mod plan;
mod stale;
mod tree;
mod verify;

pub use compare::{Compared, Comparison, ParityCounts, compare};
pub use matrix::{Matrix, MatrixRow, matrix};
pub use parity::Parity;
pub use plan::{AccessChange, Choice, Counts, Plan, Selection, fits, plan};
pub use stale::{Change, Side, stale};
pub use tree::{ContentHash, File, SUM_BYTES, Sum, content_hash, hex, root};
pub use verify::{Verified, Wrong, verify, verify_files};

#[cfg(test)]
mod testing;
