//! The repository: names are checked, content is hashed as it comes in, every write is a version.

mod access;
mod changesets;
mod error;
mod rules;
mod search;
mod upload;
mod verify;

pub use error::RepositoryError;
pub use upload::{Upload, Uploads};

use crate::accounts::Actor;
use crate::group::Standing;
use crate::hub::Hub;
use crate::store::{EventDraft, Expect, FileWrite, Store};
use gridhelm_api::FieldError;
use gridhelm_api::event::{Event, Severity, Topic};
use gridhelm_api::repository::{FileId, FileInfo, FileMeta, FileVersion};
use gridhelm_api::stream::Delta;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// The longest message of a version, characters.
const MAX_MESSAGE: usize = 500;

/// What the repository answers.
type Result<T> = core::result::Result<T, RepositoryError>;

/// The group's files, as this server serves them.
pub struct Repository {
    store: Arc<dyn Store>,
    hub: Hub,
    standing: watch::Receiver<Standing>,
    remembered: rules::Remembered,
    searches: Semaphore,
}

impl Repository {
    /// The repository of the store's group.
    pub fn new(store: Arc<dyn Store>, hub: Hub, standing: watch::Receiver<Standing>) -> Self {
        Self {
            store,
            hub,
            standing,
            remembered: rules::Remembered::default(),
            searches: Semaphore::new(search::AT_ONCE),
        }
    }

    /// The latest versions that the actor may read, by directory and name.
    pub async fn files(&self, directory: Option<&str>, by: &Actor) -> Result<Vec<FileMeta>> {
        let files = self.store.files(directory).await?;
        self.readable(files, by).await
    }

    /// A file at a version, or the latest, to be read or run by the actor.
    pub async fn file(&self, id: &FileId, version: Option<i64>, by: &Actor) -> Result<FileMeta> {
        checked(id)?;
        self.must_read(id, version, by).await?;
        self.store
            .file(id, version)
            .await?
            .ok_or_else(|| RepositoryError::NotFound(named(id, version)))
    }

    /// All versions of a file, newest first.
    pub async fn versions(&self, id: &FileId, by: &Actor) -> Result<Vec<FileVersion>> {
        checked(id)?;
        self.must_own(id, by).await?;
        let versions = self.store.versions(id).await?;
        if versions.is_empty() {
            return Err(RepositoryError::NotFound(named(id, None)));
        }
        Ok(versions)
    }

    /// Writes a version of what was uploaded.
    pub async fn write(
        &self,
        id: &FileId,
        expect: Expect,
        upload: &Upload,
        message: &str,
        by: &Actor,
    ) -> Result<FileMeta> {
        checked(id)?;
        check_message(message)?;
        self.must_own(id, by).await?;
        self.store.put_blob(upload.sha256(), upload.bytes()).await?;
        let write = FileWrite {
            id: id.clone(),
            expect,
            sha256: upload.sha256().to_owned(),
            size: upload.bytes().len() as u64,
            by: by.name.clone(),
            message: message.trim().to_owned(),
            info: None,
        };
        self.put(write, "file.write", by).await
    }

    /// Says something else about a file: a new version with the same content.
    pub async fn describe(
        &self,
        id: &FileId,
        version: i64,
        info: &FileInfo,
        by: &Actor,
    ) -> Result<FileMeta> {
        let errors = info.check();
        if !errors.is_empty() {
            return Err(RepositoryError::Invalid(errors));
        }
        self.must_own(id, by).await?;
        let meta = self.file(id, None, by).await?;
        let write = FileWrite {
            id: id.clone(),
            expect: Expect::Version(version),
            sha256: meta.sha256,
            size: meta.size,
            by: by.name.clone(),
            message: format!("{} access, described", info.access.name()),
            info: Some(Box::new(info.clone())),
        };
        self.put(write, "file.describe", by).await
    }

    /// Makes an old version the latest again.
    pub async fn restore(
        &self,
        id: &FileId,
        version: i64,
        expect: Expect,
        by: &Actor,
    ) -> Result<FileMeta> {
        let versions = self.versions(id, by).await?;
        let old = versions
            .into_iter()
            .find(|v| v.version == version && !v.deleted)
            .ok_or_else(|| RepositoryError::NotFound(named(id, Some(version))))?;
        let write = FileWrite {
            id: id.clone(),
            expect,
            sha256: old.sha256,
            size: old.size,
            by: by.name.clone(),
            message: format!("version {version} restored"),
            info: None,
        };
        self.put(write, "file.restore", by).await
    }

    async fn put(&self, write: FileWrite, action: &'static str, by: &Actor) -> Result<FileMeta> {
        let fence = self.standing.borrow().fence()?;
        let path = write.id.path();
        let (kind, verb) = match write.expect {
            Expect::Absent => ("file.created", "created"),
            Expect::Version(_) => ("file.written", "written"),
        };
        let message = match write.message.as_str() {
            "" => format!("{verb}, {} bytes", write.size),
            message => format!("{verb}, {} bytes: {message}", write.size),
        };
        let mut audit = by.audit(action, &path);
        audit.after = Some(json!({ "sha256": write.sha256, "size": write.size }));
        if !write.message.is_empty() {
            audit.reason = Some(write.message.clone());
        }
        let event = by.event(Severity::Info, Topic::Repository, kind, &path, message);
        let notes = by.notes(audit, event);
        let (meta, events) = self.store.write_file(&fence, &write, notes).await?;
        self.changed(events).await;
        Ok(meta)
    }

    /// Takes a file away; its versions stay.
    pub async fn delete(&self, id: &FileId, version: i64, by: &Actor) -> Result<()> {
        checked(id)?;
        self.must_own(id, by).await?;
        let fence = self.standing.borrow().fence()?;
        let path = id.path();
        let event = deleted(by, &path);
        let notes = by.notes(by.audit("file.delete", &path), event);
        let events = self
            .store
            .delete_file(&fence, id, version, &by.name, notes)
            .await?;
        self.changed(events).await;
        Ok(())
    }

    /// Tells the streams that the repository changed.
    async fn changed(&self, events: Vec<Event>) {
        self.hub.publish_events(events);
        // The write is committed: that its tail cannot be counted must not make it an error.
        match self.store.count_files().await {
            Ok(files) => self.hub.publish(&Delta::Repository { files }),
            Err(error) => tracing::warn!(%error, "the repository's files could not be counted"),
        }
    }
}

fn deleted(by: &Actor, path: &str) -> EventDraft {
    let message = "taken away; its versions stay";
    by.event(
        Severity::Info,
        Topic::Repository,
        "file.deleted",
        path,
        message,
    )
}

fn checked(id: &FileId) -> Result<()> {
    let errors = id.check();
    if errors.is_empty() {
        return Ok(());
    }
    Err(RepositoryError::Invalid(errors))
}

fn check_message(message: &str) -> Result<()> {
    let bad = message.chars().count() > MAX_MESSAGE
        || message.chars().any(|c| c.is_control() && c != '\n');
    if bad {
        let error = FieldError::new("message", "Give at most 500 characters of plain text.");
        return Err(RepositoryError::Invalid(vec![error]));
    }
    Ok(())
}

fn named(id: &FileId, version: Option<i64>) -> String {
    match version {
        Some(version) => format!("Version {version} of {}", id.path()),
        None => format!("File {}", id.path()),
    }
}
