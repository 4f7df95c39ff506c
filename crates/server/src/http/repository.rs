//! The repository's files.

use super::Http;
use super::extract::{IfMatch, Json, Params, Precondition};
use super::given::{self, Given};
use super::links::Thing;
use super::pace::TooSlow;
use super::refusal::{Answer, Refusal};
use super::routes::{Rule, announced};
use crate::accounts::Actor;
use crate::repository::RepositoryError;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::{Extension, Json as Answered};
use futures_util::TryStreamExt as _;
use gridhelm_api::repository::{
    FileId, FileInfo, FileMeta, FileVersion, MAX_FILE, MAX_OBJECTS_FILE, RObjects, SearchAnswer,
    SearchRequest,
};
use gridhelm_api::task::OneTimeLink;
use gridhelm_api::{Code, Page};
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

impl From<RepositoryError> for Refusal {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::Invalid(errors) => errors.into(),
            RepositoryError::NotFound(what) => Self::not_found(what),
            RepositoryError::Forbidden(text) => Self::new(Code::Forbidden, text),
            RepositoryError::Mismatch(text) => Self::new(Code::ContentMismatch, text),
            RepositoryError::TooLarge { limit } => Self::too_large(limit),
            RepositoryError::BrokenOff => super::extract::broken_off(),
            RepositoryError::NotActive(error) => error.into(),
            RepositoryError::Store(error) => error.into(),
        }
    }
}

/// Which file, in the query. The author defaults to the one who asks.
#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct FileQuery {
    /// The account that owns it; the default is the one that asks.
    author: Option<String>,
    /// Its directory.
    directory: String,
    /// Its name.
    name: String,
    /// A version of it; the default is the latest.
    version: Option<i64>,
    /// What a new version is for; shown in its history.
    #[serde(default)]
    message: String,
}

impl FileQuery {
    fn id(&self, actor: &Actor) -> FileId {
        let author = self.author.as_ref().unwrap_or(&actor.name);
        FileId::new(author, &self.directory, &self.name)
    }
}

type Tagged = (HeaderMap, Answered<FileMeta>);

fn tag(version: i64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        headers.insert(header::ETAG, tag);
    }
    headers
}

fn tagged(meta: FileMeta) -> Tagged {
    (tag(meta.version), Answered(meta))
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct FilesQuery {
    /// Only of this directory.
    directory: Option<String>,
}

pub(crate) async fn files(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Params(query): Params<FilesQuery>,
) -> Answer<Answered<Page<FileMeta>>> {
    let directory = query.directory.as_deref();
    let items = http.repository.files(directory, &actor).await?;
    Ok(Answered(Page {
        total: Some(items.len() as u64),
        items,
        next: None,
    }))
}

/// Files by words in their paths or texts.
pub(crate) async fn search(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Json(request): Json<SearchRequest>,
) -> Answer<Answered<SearchAnswer>> {
    Ok(Answered(http.repository.search(&request, &actor).await?))
}

pub(crate) async fn file(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Params(query): Params<FileQuery>,
) -> Answer<Tagged> {
    let meta = http
        .repository
        .file(&query.id(&actor), query.version, &actor)
        .await?;
    Ok(tagged(meta))
}

async fn given(http: &Http, actor: &Actor, query: &FileQuery) -> Answer<(i64, Given)> {
    let meta = http
        .repository
        .file(&query.id(actor), query.version, actor)
        .await?;
    let given = Given {
        sha256: meta.sha256,
        size: meta.size,
        name: meta.id.name,
    };
    Ok((meta.version, given))
}

pub(crate) async fn content(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Params(query): Params<FileQuery>,
) -> Answer<Response> {
    let (version, given) = given(&http, &actor, &query).await?;
    let mut response = given::give(&http, given).await?;
    response.headers_mut().extend(tag(version));
    Ok(response)
}

/// The objects in a file of R data, read by R on a node.
pub(crate) async fn objects(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Params(query): Params<FileQuery>,
) -> Answer<Answered<RObjects>> {
    let (version, given) = given(&http, &actor, &query).await?;
    if given.size > MAX_OBJECTS_FILE {
        let text = "It is larger than 64 MiB; run a script that loads it and tells ls().";
        return Err(Refusal::invalid("name", text));
    }
    let store = &http.app.store;
    let content = store.read_blob(&given.sha256, 0, given.size).await?;
    let content =
        content.ok_or_else(|| Refusal::not_found(format_args!("The content of {}", given.name)))?;
    let found = http.app.tasks.objects(content, &actor.name).await?;
    Ok(Answered(RObjects {
        version,
        node: found.node,
        objects: found.objects,
        total: found.total,
    }))
}

/// A one-time address of a file's content.
pub(crate) async fn link(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Params(query): Params<FileQuery>,
) -> Answer<Answered<OneTimeLink>> {
    let (_, given) = given(&http, &actor, &query).await?;
    one_time(&http, given)
}

pub(crate) fn one_time(http: &Http, given: Given) -> Answer<Answered<OneTimeLink>> {
    one_time_thing(http, Thing::Content(given))
}

pub(crate) fn one_time_thing(http: &Http, thing: Thing) -> Answer<Answered<OneTimeLink>> {
    let secret = http.links.make(thing, Instant::now()).map_err(|error| {
        tracing::error!(%error, "no random numbers for a one-time address");
        Refusal::new(Code::Internal, "The server's random source failed.")
    })?;
    let path = format!("/download/{secret}");
    Ok(Answered(OneTimeLink { path }))
}

pub(crate) async fn write(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Params(query): Params<FileQuery>,
    Precondition(expect): Precondition,
    request: Request,
) -> Answer<(StatusCode, Tagged)> {
    let id = query.id(&actor);
    // A bad name is refused before its content is taken in.
    let errors = id.check();
    if !errors.is_empty() {
        return Err(errors.into());
    }
    let upload = upload(&http, request, MAX_FILE).await?;
    let meta = http
        .repository
        .write(&id, expect, &upload, &query.message, &actor)
        .await?;
    let status = match expect {
        crate::store::Expect::Absent => StatusCode::CREATED,
        crate::store::Expect::Version(_) => StatusCode::OK,
    };
    Ok((status, tagged(meta)))
}

/// Takes a request's body in as content.
pub(crate) async fn upload(
    http: &Http,
    request: Request,
    limit: u64,
) -> Answer<crate::repository::Upload> {
    let rule = request.extensions().get::<Rule>().map_or(limit, |r| r.body);
    let announced = announced(request.headers());
    let slow = AtomicBool::new(false);
    let stream = Body::into_data_stream(request.into_body())
        .inspect_err(|error| slow.store(TooSlow::is(error), Ordering::Relaxed));
    let taken = http.uploads.take(stream, announced, limit.min(rule)).await;
    match taken {
        Err(RepositoryError::BrokenOff) if slow.load(Ordering::Relaxed) => Err(TooSlow::refusal()),
        taken => Ok(taken?),
    }
}

/// Says something else about a file; its content stays.
pub(crate) async fn describe(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Params(query): Params<FileQuery>,
    IfMatch(version): IfMatch,
    Json(info): Json<FileInfo>,
) -> Answer<Tagged> {
    let meta = http
        .repository
        .describe(&query.id(&actor), version, &info, &actor)
        .await?;
    Ok(tagged(meta))
}

pub(crate) async fn delete(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Params(query): Params<FileQuery>,
    IfMatch(version): IfMatch,
) -> Answer<StatusCode> {
    http.repository
        .delete(&query.id(&actor), version, &actor)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn versions(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Params(query): Params<FileQuery>,
) -> Answer<Answered<Vec<FileVersion>>> {
    let id = query.id(&actor);
    Ok(Answered(http.repository.versions(&id, &actor).await?))
}

#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct Restore {
    /// Which file.
    id: FileId,
    /// The version that shall be the latest again.
    version: i64,
}

pub(crate) async fn restore(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Precondition(expect): Precondition,
    Json(restore): Json<Restore>,
) -> Answer<Tagged> {
    let meta = http
        .repository
        .restore(&restore.id, restore.version, expect, &actor)
        .await?;
    Ok(tagged(meta))
}
