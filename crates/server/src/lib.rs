//! `gridhelm-server`: runs R on a self-healing grid of Rserve nodes and serves the admin API.

pub mod accounts;
pub mod alerts;
pub mod app;
pub mod balancer;
pub mod clock;
pub mod command;
pub mod config;
pub mod grid;
pub mod group;
pub mod http;
pub mod hub;
pub mod identity;
pub(crate) mod ids;
pub mod join;
pub mod log_ring;
mod mending;
pub mod notify;
pub mod random;
pub mod release;
pub mod repository;
mod retention;
pub mod store;
pub mod tasks;
pub mod tls;
pub mod upkeep;
pub mod work;

pub use app::{App, Running, StartError, run};
