//! `GET /api/v1/openapi.json`: the interface described for programs (`OpenAPI` 3.1), and `GET /api/docs`: the same for
//! people, made by this very server.
//!
//! Each mounted route has an `Operation` (see `table`); who may call it, where it is done and how large it may be is taken from the
//! route's own rule, so that the description cannot say otherwise. A test walks every operation against a running
//! server and holds the answers against the schemas.

mod document;
mod operation;
mod page;
mod table;

use super::Http;
use super::refusal::{Answer, Refusal};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use gridhelm_api::Code;
use std::sync::Arc;
use std::sync::OnceLock;

pub(crate) use document::document;

/// The description and its page, made when they are first asked for.
#[derive(Default)]
pub(crate) struct Described {
    made: OnceLock<Option<(Bytes, Bytes)>>,
}

impl Described {
    fn get(&self, http: &Arc<Http>) -> Answer<&(Bytes, Bytes)> {
        let make = || {
            let (_, routes) = super::mount(http).finish();
            let document = document(&routes);
            let text = serde_json::to_vec(&document).ok()?;
            Some((text.into(), page::page(&document).into()))
        };
        self.made
            .get_or_init(make)
            .as_ref()
            .ok_or_else(|| Refusal::new(Code::Internal, "The description could not be written."))
    }
}

/// The description, for programs.
pub(crate) async fn json(State(http): State<Arc<Http>>) -> Answer<Response> {
    let text = http.described.get(&http)?.0.clone();
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// The description, for people: one page without a script.
pub(crate) async fn html(State(http): State<Arc<Http>>) -> Answer<Response> {
    let text = http.described.get(&http)?.1.clone();
    let mut response = ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response();
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(page::POLICY),
    );
    Ok(response)
}
