//! A whole local deployment: R nodes, servers, the load balancer, and a guard that cleans up if we are killed.

pub mod child;
pub mod folder;
pub mod guard;
pub mod haproxy;
pub mod http;
pub mod network;
pub mod node;
pub mod packages;
pub mod patroni;
pub mod plan;
pub mod postgres;
pub mod ready;
pub mod run;
pub mod script;
pub mod seed;
pub mod server;
pub mod start;
pub mod sweep;
pub mod tls;

/// The environment variable by which every process of a deployment is known; its value is the deployment's folder.
pub const MARK: &str = "GRIDHELM_DEPLOYMENT";
