//! What travels between a Gridhelm server and its clients: resources, events, problem codes and the
//! validation both sides share. No I/O.
//!
//! Conventions of the admin API, `/api/v1`:
//! - Times are [`Millis`]: milliseconds since the Unix epoch by the server's clock. Durations say
//!   their unit in the field's name.
//! - Errors are RFC 9457 problems ([`Problem`]) with a stable [`Code`] and the request's id.
//! - A resource that two admins could edit at once carries `version`; it is also its `ETag`
//!   (a quoted number), and a write quotes it in `If-Match`.

pub mod account;
pub mod alert;
pub mod availability;
pub mod changeset;
pub mod deployment;
pub mod event;
pub mod grant;
pub mod group;
pub mod hold;
pub mod join;
pub mod measures;
pub mod names;
pub mod node;
pub mod packages;
pub mod patch;
pub mod problem;
pub mod repository;
pub mod session;
pub mod stream;
pub mod switch;
pub mod task;
pub mod upkeep;

pub use problem::{Code, FieldError, Problem};

/// Milliseconds since the Unix epoch, by the clock of the server that wrote it.
pub type Millis = i64;

/// A page of a list that the server filters and sorts.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// What to pass as `before` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How many items match in all, where the server counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}
