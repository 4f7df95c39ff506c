//! `gridhelm-server`: runs R on a self-healing grid of Rserve nodes and serves the admin API.

pub mod clock;
pub mod config;
pub mod grid;
pub mod group;
pub mod hub;
pub mod store;
