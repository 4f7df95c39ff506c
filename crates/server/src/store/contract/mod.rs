//! What every store must do, as tests that run on each implementation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accounts;
mod changesets;
mod content;
mod deployment;
mod fence;
mod joins;
mod journal;
mod keeping;
mod nodes;
mod repository;
mod tasks;

pub(crate) use deployment::*;
