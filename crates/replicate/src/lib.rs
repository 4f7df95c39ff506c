//! Replication between groups: manifests, comparison, plans and conflict rules. Pure: the same code runs
//! in the browser, in the server and in tests.
//!
//! The way of a replication: [`compare`] two manifests, let people choose ([`Selection`]), [`plan`] the
//! operations, open a changeset at the target with [`Plan::request`], and [`verify`] the target's manifest
//! after the commit. Before the commit [`stale`] tells whether a side has moved on; the target itself
//! refuses a plan whose expectations do not hold any more.

mod compare;
mod matrix;
mod plan;
mod stale;
mod tree;
mod verify;

pub use compare::{Compared, Comparison, Parity, ParityCounts, compare};
pub use matrix::{Matrix, MatrixRow, matrix};
pub use plan::{Choice, Counts, Plan, Selection, plan};
pub use stale::{Change, Side, stale};
pub use tree::{
    Directory, File, content_hash, directory_hash, hex, root, root_of, root_of_directories,
};
pub use verify::{Verified, Wrong, verify};

#[cfg(test)]
mod testing;
