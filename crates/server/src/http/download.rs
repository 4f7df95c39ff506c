//! `/download/…`: one-time addresses.

use super::Http;
use super::extract::Segments;
use super::given;
use super::links::Thing;
use super::refusal::{Answer, Refusal};
use axum::extract::State;
use axum::response::Response;
use std::sync::Arc;
use std::time::Instant;

pub(crate) async fn once(
    State(http): State<Arc<Http>>,
    Segments(secret): Segments<String>,
) -> Answer<Response> {
    let thing = http.links.take(&secret, Instant::now());
    let thing = thing.ok_or_else(|| {
        Refusal::not_found("This one-time address (it is good for one fetch within a minute)")
    })?;
    match thing {
        Thing::Content(given) => given::give(&http, given).await,
        Thing::File { path, name, size } => given::give_file(&path, &name, size).await,
        Thing::Bytes { bytes, name } => Ok(given::give_bytes(bytes, &name)),
    }
}
