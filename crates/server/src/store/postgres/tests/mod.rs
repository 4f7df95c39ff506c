//! What only PostgreSQL's store must stand: lost connections, failover, stopped owners. The rest is in
//! `store::contract`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod cluster;
mod figures;
mod opening;
mod pair;
mod proxy;
mod takeover;
mod tls;
mod trouble;

use super::PostgresTarget;
use super::link::Keys;

fn target(url: &str) -> PostgresTarget {
    PostgresTarget::parse(url, None).unwrap()
}

/// The key of a group's fence.
fn key_of(group: &str) -> i64 {
    Keys::of(group).fence
}
