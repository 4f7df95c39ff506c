//! A typed client of the Gridhelm admin API: `fetch` in the browser, `reqwest` elsewhere, the same methods on both.
//!
//! Which one is used is chosen by the target, never by a feature: a workspace build unifies features, and would bring both into the page.

mod curl;
mod error;
mod json;
mod methods;
#[cfg(not(target_arch = "wasm32"))]
mod native;
mod pieces;
pub mod replication;
mod request;
mod sse;
#[cfg(target_arch = "wasm32")]
mod web;

#[cfg(not(target_arch = "wasm32"))]
use native as platform;
#[cfg(target_arch = "wasm32")]
use web as platform;

pub use curl::refused as refused_as_curl;
pub use error::{Error, Result};
pub use json::{from_value, read};
pub use methods::{Client, EventQuery, EventStream, TaskQuery};
#[cfg(not(target_arch = "wasm32"))]
pub use native::{TrustError, trust};
pub use request::{Answer, Body, Method, Token};
pub use sse::{Message, Parser, TooLong};
