//! What only PostgreSQL's store must stand: lost connections, failover, stopped owners. The rest is in
//! `store::contract`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod cluster;
