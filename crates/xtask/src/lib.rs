//! The commands that people use to work on Gridhelm.
//!
//! * [`set_up`] finds the tools that the rest needs and installs what is missing;
//! * [`build`] builds the server and the console;
//! * [`deployment`] starts a whole local deployment (R nodes, servers, load balancer) and stops it;
//! * [`checks`] runs every test and counts;
//! * [`fuzz`] tries random input on what reads what nodes send;
//! * `harness` (feature) is what the browser tests and the bench share, `drill` (same feature) breaks things on purpose,
//!   `bench` (feature) measures.
//!
//! `src/main.rs` only reads the command line.

#[cfg(feature = "bench")]
pub mod bench;
pub mod build;
pub mod checks;
pub mod deployment;
#[cfg(feature = "harness")]
pub mod drill;
pub mod error;
pub mod fuzz;
#[cfg(feature = "harness")]
pub mod harness;
pub mod process;
pub mod processes;
pub mod say;
pub mod set_up;
pub mod stop;
pub mod workspace;
