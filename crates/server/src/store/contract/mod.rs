//! What every store must do, as tests that run on each implementation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accounts;
mod alerts;
mod changesets;
mod content;
mod deployment;
mod fence;
mod holds;
mod joins;
mod journal;
mod keeping;
mod mending;
mod nodes;
mod repository;
mod tasks;
mod tree;

pub(crate) use deployment::*;
