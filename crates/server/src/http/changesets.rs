//! Replication: the tree of hashes, and changesets at the target.

use super::Http;
use super::extract::{IfMatch, Json, Params, Segments};
use super::given::{self, Given};
use super::journal::page_size;
use super::nodes::etag;
use super::refusal::{Answer, Refusal};
use super::repository::upload;
use crate::accounts::Actor;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as Answered};
use gridhelm_api::changeset::{
    Changeset, ChangesetRecord, ChangesetReport, ChangesetRequest, Committed, ContentsRequest,
    Listings, ListingsRequest, MAX_CONTENTS, MAX_PACK, MAX_PART, PackTaken, PartState,
    Verification, VerifyRequest, is_sha256,
};
use gridhelm_api::hold::{Hold, RepositoryRules, VerdictRequest};
use gridhelm_api::repository::MAX_FILE;
use gridhelm_api::{Code, Page};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct ManifestQuery {
    /// The group with which it is compared: entries say what the last replication from there left, and files that were taken away are
    /// listed.
    with: Option<String>,
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct TreeQuery {
    /// The directories of this author; without it the authors.
    author: Option<String>,
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct ChangesetsQuery {
    /// Changesets before the one of this id.
    before: Option<String>,
    /// At most so many, 1 to 1000; the default is 100.
    limit: Option<u32>,
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct PartQuery {
    /// Where the part begins, bytes; a multiple of 262,144.
    #[serde(default)]
    offset: u64,
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct RangeQuery {
    /// Where to begin, bytes; the default is the beginning.
    offset: Option<u64>,
    /// How many bytes, at most 33,554,432; the default is all.
    length: Option<u64>,
}

/// With the root hash as its tag; nothing for a caller who has seen that root.
fn under_root<T: Serialize>(headers: &HeaderMap, root: &str, body: T) -> Response {
    let tag = format!("\"{root}\"");
    let seen = headers.get_all(header::IF_NONE_MATCH).iter();
    let seen = seen
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|seen| seen.trim().trim_start_matches("W/") == tag);
    let mut response = if seen {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Answered(body).into_response()
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

pub(crate) async fn manifest(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Params(query): Params<ManifestQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    http.repository.must_see_all(&actor).await?;
    if query.with.is_none() && headers.contains_key(header::IF_NONE_MATCH) {
        // Whether anything changed is known without reading everything.
        let tree = http.repository.tree(None).await?;
        let unchanged = under_root(&headers, &tree.root, ());
        if unchanged.status() == StatusCode::NOT_MODIFIED {
            return Ok(unchanged);
        }
    }
    let manifest = http.repository.manifest(query.with.as_deref()).await?;
    let mut response = Answered(&manifest).into_response();
    if query.with.is_none()
        && let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", manifest.root))
    {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

pub(crate) async fn tree(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Params(query): Params<TreeQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    http.repository.must_see_all(&actor).await?;
    let tree = http.repository.tree(query.author.as_deref()).await?;
    Ok(under_root(&headers, &tree.root.clone(), tree))
}

pub(crate) async fn listings(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Json(request): Json<ListingsRequest>,
) -> Answer<Answered<Listings>> {
    http.repository.must_see_all(&actor).await?;
    Ok(Answered(http.repository.listings(&request).await?))
}

pub(crate) async fn open(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Json(request): Json<ChangesetRequest>,
) -> Answer<(StatusCode, Answered<Changeset>)> {
    let changeset = http.repository.open_changeset(&request, &actor).await?;
    Ok((StatusCode::CREATED, Answered(changeset)))
}

pub(crate) async fn list(
    State(http): State<Arc<Http>>,
    Params(query): Params<ChangesetsQuery>,
) -> Answer<Answered<Page<ChangesetRecord>>> {
    let limit = page_size(query.limit)?;
    let items = http
        .repository
        .changesets(query.before.as_deref(), limit)
        .await?;
    let full = u32::try_from(items.len()).is_ok_and(|n| n == limit);
    Ok(Answered(Page {
        next: items.last().filter(|_| full).map(|last| last.id.clone()),
        items,
        total: None,
    }))
}

pub(crate) async fn report(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(id): Segments<String>,
) -> Answer<Answered<ChangesetReport>> {
    let group = http.app.config.group.as_str();
    let report = http.repository.report(group, &id).await?;
    if report.record.by != actor.name {
        http.repository.must_see_all(&actor).await?;
    }
    Ok(Answered(report))
}

/// Approves or refuses a changeset that is held.
pub(crate) async fn judge(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(id): Segments<String>,
    Json(request): Json<VerdictRequest>,
) -> Answer<Answered<Hold>> {
    Ok(Answered(
        http.repository.judge(&id, &request, &actor).await?,
    ))
}

/// What the group asks of replications, and of those who read its files.
pub(crate) async fn rules(
    State(http): State<Arc<Http>>,
) -> Answer<(HeaderMap, Answered<RepositoryRules>)> {
    let rules = http.repository.rules().await?;
    Ok((etag(rules.version), Answered(rules)))
}

pub(crate) async fn set_rules(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    IfMatch(version): IfMatch,
    Json(rules): Json<RepositoryRules>,
) -> Answer<(HeaderMap, Answered<RepositoryRules>)> {
    let rules = http.repository.set_rules(version, rules, &actor).await?;
    Ok((etag(rules.version), Answered(rules)))
}

pub(crate) async fn discard(
    State(http): State<Arc<Http>>,
    Segments(id): Segments<String>,
) -> Answer<StatusCode> {
    http.repository.discard(&id).await?;
    Ok(StatusCode::NO_CONTENT)
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

/// Many contents in one request.
pub(crate) async fn put_contents(
    State(http): State<Arc<Http>>,
    Segments(id): Segments<String>,
    request: Request,
) -> Answer<Answered<PackTaken>> {
    let mut upload = upload(&http, request, MAX_PACK).await?;
    let pack = upload.take_bytes();
    Ok(Answered(http.repository.put_pack(&id, pack).await?))
}

/// A part of a large content.
pub(crate) async fn put_part(
    State(http): State<Arc<Http>>,
    Segments((id, sha256)): Segments<(String, String)>,
    Params(query): Params<PartQuery>,
    request: Request,
) -> Answer<Answered<PartState>> {
    let upload = upload(&http, request, MAX_PART).await?;
    let state = http
        .repository
        .put_part(&id, &sha256, query.offset, upload.bytes())
        .await?;
    Ok(Answered(state))
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

/// Reads contents again and compares their hashes.
pub(crate) async fn verify(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Json(request): Json<VerifyRequest>,
) -> Answer<Answered<Verification>> {
    http.repository.must_see_all(&actor).await?;
    Ok(Answered(http.repository.verify(&request, &actor).await?))
}

/// Content by its hash, as a manifest names it; whole, or a range.
pub(crate) async fn content(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(sha256): Segments<String>,
    Params(query): Params<RangeQuery>,
) -> Answer<Response> {
    http.repository.must_see_all(&actor).await?;
    ranged(&http, sha256, &query).await
}

/// A content by its hash, or a range of it, for somebody who may read it.
pub(super) async fn ranged(http: &Http, sha256: String, query: &RangeQuery) -> Answer<Response> {
    must_be_hash(&sha256)?;
    // Only what is in the repository now: not the files that tasks of others left.
    let wanted = [sha256.clone()];
    let found = http.repository.present(&wanted).await?;
    let Some((_, size)) = found.first() else {
        return Err(Refusal::not_found(format_args!("Content {sha256}")));
    };
    let size = *size;
    if query.offset.is_some() || query.length.is_some() {
        let offset = query.offset.unwrap_or_default().min(size);
        let length = query.length.unwrap_or(size - offset).min(size - offset);
        if length > MAX_PART {
            return Err(Refusal::invalid(
                "length",
                "Ask for at most 33554432 bytes.",
            ));
        }
        let piece = http.app.store.read_blob(&sha256, offset, length).await?;
        let piece = piece.ok_or_else(|| Refusal::not_found(format_args!("Content {sha256}")))?;
        return Ok(given::give_bytes(Bytes::from(piece), &sha256));
    }
    let given = Given {
        name: sha256.clone(),
        sha256,
        size,
    };
    given::give(http, given).await
}

pub(super) fn must_be_hash(sha256: &str) -> Answer<()> {
    if is_sha256(sha256) {
        return Ok(());
    }
    Err(Refusal::invalid(
        "sha256",
        "Give 64 lower-case hexadecimal digits.",
    ))
}

/// Many contents in one answer; see `gridhelm_replicate::pack`.
pub(crate) async fn contents(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Json(request): Json<ContentsRequest>,
) -> Answer<Response> {
    http.repository.must_see_all(&actor).await?;
    if request.sha256.len() > MAX_CONTENTS {
        return Err(Refusal::invalid(
            "sha256",
            "Ask for at most 10000 contents.",
        ));
    }
    for sha256 in &request.sha256 {
        must_be_hash(sha256)?;
    }
    let found = http.repository.present(&request.sha256).await?;
    if found.len() < request.sha256.len() {
        let there: std::collections::BTreeSet<_> = found.iter().map(|(hash, _)| hash).collect();
        let absent = request.sha256.iter().find(|hash| !there.contains(hash));
        let absent = absent.map_or("", String::as_str);
        return Err(Refusal::not_found(format_args!("Content {absent}")));
    }
    let sum: u64 = found.iter().map(|(_, size)| *size).sum();
    if sum > MAX_PACK {
        let text = format!(
            "They are {sum} bytes; one answer holds at most {MAX_PACK}. Ask for fewer, or for a large one by ranges."
        );
        return Err(Refusal::new(Code::TooLarge, text));
    }
    let store = Arc::clone(&http.app.store);
    let stream = futures_util::stream::iter(found.into_iter().map(Ok::<_, std::io::Error>));
    let frames = futures_util::TryStreamExt::and_then(stream, move |(sha256, size)| {
        let store = Arc::clone(&store);
        async move {
            let content = store.read_blob(&sha256, 0, size).await;
            let content = content.map_err(std::io::Error::other)?.unwrap_or_default();
            // Breaking off tells the caller that this is not all.
            let whole = content.len() as u64 == size;
            let mut frame = Vec::with_capacity(content.len() + gridhelm_replicate::pack::HEAD);
            if !whole || !gridhelm_replicate::pack::put(&mut frame, &sha256, &content) {
                return Err(std::io::Error::other("content ended early"));
            }
            Ok(Bytes::from(frame))
        }
    });
    let mut response = Response::new(Body::from_stream(frames));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    Ok(response)
}
