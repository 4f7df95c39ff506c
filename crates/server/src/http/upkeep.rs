//! Backups, sizes, and the bundle for support.

use super::Http;
use super::extract::Segments;
use super::links::Thing;
use super::refusal::{Answer, Refusal, sentence};
use super::repository::one_time_thing;
use crate::accounts::Actor;
use crate::clock;
use crate::retention;
use crate::store::Notes;
use crate::store::backup::BackupError;
use crate::upkeep::{BackupRefusal, LowDisk, support};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as Answered};
use gridhelm_api::Code;
use gridhelm_api::task::OneTimeLink;
use gridhelm_api::upkeep::{Backups, Sizes};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) async fn list(State(http): State<Arc<Http>>) -> Answer<Answered<Backups>> {
    Ok(Answered(http.app.backups.shown().await?))
}

/// Begins a backup; the list tells how far it has come.
pub(crate) async fn make(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
) -> Answer<(StatusCode, Answered<Backups>)> {
    http.app.backups.begin(&actor).await?;
    Ok((
        StatusCode::ACCEPTED,
        Answered(http.app.backups.shown().await?),
    ))
}

pub(crate) async fn remove(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(name): Segments<String>,
) -> Answer<StatusCode> {
    http.app.backups.remove(&name, &actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A one-time address of a backup's file.
pub(crate) async fn link(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Segments(name): Segments<String>,
) -> Answer<Answered<OneTimeLink>> {
    let (path, size) = http.app.backups.give(&name, &actor).await?;
    one_time_thing(&http, Thing::File { path, name, size })
}

/// How long counted sizes are good: counting reads all of the database.
const GOOD_FOR: Duration = Duration::from_mins(1);

pub(crate) async fn sizes(State(http): State<Arc<Http>>) -> Answer<Answered<Sizes>> {
    // One counts, others wait for what it finds.
    let mut counted = http.sizes.lock().await;
    if let Some((at, sizes)) = &*counted
        && at.elapsed() < GOOD_FOR
    {
        let disk = http.app.disks.seen();
        return Ok(Answered(Sizes {
            disk,
            ..sizes.clone()
        }));
    }
    let now = clock::now();
    let kinds = retention::sizes(&*http.app.store, http.app.config.keep, now).await?;
    let sizes = Sizes {
        at: now,
        kinds,
        disk: http.app.disks.seen(),
    };
    *counted = Some((Instant::now(), sizes.clone()));
    Ok(Answered(sizes))
}

async fn bundle(http: &Http) -> Answer<Vec<u8>> {
    let metrics = super::metrics::text(http).await?;
    support::running(&http.app, metrics).await.map_err(|error| {
        Refusal::new(
            Code::Internal,
            format!("The bundle could not be packed: {error}."),
        )
    })
}

/// A one-time address of a bundle that is made now.
pub(crate) async fn support_link(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
) -> Answer<Answered<OneTimeLink>> {
    let bytes = bundle(&http).await?;
    let name = format!("{}-support.tar.zst", http.app.config.name);
    let notes = Notes::audit(actor.audit("support.bundle", &name));
    http.app.store.note(notes).await?;
    one_time_thing(
        &http,
        Thing::Bytes {
            bytes: Bytes::from(bytes),
            name,
        },
    )
}

/// The bundle, for the command on the server's host.
pub(crate) async fn support_bundle(State(http): State<Arc<Http>>) -> Answer<Response> {
    let bytes = bundle(&http).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, bytes).into_response())
}

impl From<BackupRefusal> for Refusal {
    fn from(error: BackupRefusal) -> Self {
        let text = sentence(&error.to_string());
        match error {
            BackupRefusal::NotFound(_) => Self::new(Code::NotFound, text),
            BackupRefusal::Full(_) => Self::new(Code::LowDisk, text),
            BackupRefusal::NoFolder | BackupRefusal::Underway { .. } => {
                Self::new(Code::Conflict, text)
            }
            BackupRefusal::Store(error) | BackupRefusal::Backup(BackupError::Store(error)) => {
                error.into()
            }
            BackupRefusal::Backup(error) => {
                tracing::error!(%error, "a backup could not be used");
                Self::new(Code::Internal, text)
            }
        }
    }
}

impl From<LowDisk> for Refusal {
    fn from(error: LowDisk) -> Self {
        Self::new(Code::LowDisk, sentence(&error.to_string())).retry_after(Duration::from_secs(30))
    }
}
