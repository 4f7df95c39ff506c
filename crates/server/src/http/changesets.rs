//! Replication: the manifest, and changesets at the target.

use super::Http;
use super::extract::{Json, Segments};
use super::given::{self, Given};
use super::refusal::{Answer, Refusal};
use super::repository::upload;
use crate::accounts::Actor;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json as Answered};
use gridhelm_api::changeset::{Changeset, ChangesetRequest, Committed, Manifest};
use gridhelm_api::repository::MAX_FILE;
use std::sync::Arc;

pub(crate) async fn manifest(State(http): State<Arc<Http>>) -> Answer<Answered<Manifest>> {
    Ok(Answered(http.repository.manifest().await?))
}

pub(crate) async fn open(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Json(request): Json<ChangesetRequest>,
) -> Answer<(StatusCode, Answered<Changeset>)> {
    let changeset = http.repository.open_changeset(&request, &actor).await?;
    Ok((StatusCode::CREATED, Answered(changeset)))
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

pub(crate) async fn put_content(
    State(http): State<Arc<Http>>,
    Segments((id, sha256)): Segments<(String, String)>,
    request: Request,
) -> Answer<StatusCode> {
    let size = http.repository.announced_size(&id, &sha256).await?;
    let upload = upload(&http, request, MAX_FILE).await?;
    http.repository.put_content(&sha256, size, &upload).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn commit(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(id): Segments<String>,
) -> Answer<Answered<Committed>> {
    Ok(Answered(
        http.repository.commit_changeset(&id, &actor).await?,
    ))
}

/// Content by its hash, as a manifest names it.
pub(crate) async fn content(
    State(http): State<Arc<Http>>,
    Segments(sha256): Segments<String>,
) -> Answer<Response> {
    if !is_sha256(&sha256) {
        return Err(Refusal::invalid(
            "sha256",
            "Give 64 lower-case hexadecimal digits.",
        ));
    }
    let manifest = http.repository.manifest().await?;
    // Only what is in the repository now: not the files that tasks of others left.
    let entry = manifest.entries.into_iter().find(|e| e.sha256 == sha256);
    let entry = entry.ok_or_else(|| Refusal::not_found(format_args!("Content {sha256}")))?;
    let given = Given {
        sha256,
        size: entry.size,
        name: entry.id.name,
    };
    given::give(&http, given).await
}
