//! Backups of the running group: made on request and by a schedule, listed, given out, removed.

mod nightly;

use super::board::Board;
use super::disk::Disks;
use super::folder::{self, Folder};
use super::schedule::{self, BackupConfig};
use crate::accounts::Actor;
use crate::clock;
use crate::group::Standing;
use crate::hub::Hub;
use crate::store::backup::{BackupError, Contents, Progress, Stage};
use crate::store::{EventDraft, Notes, Store};
use gridhelm_api::Millis;
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::upkeep::{BackupFailure, BackupRun, BackupSchedule, Backups as Shown};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What must stay free in the folder, bytes.
const SPARE: u64 = 256 << 20;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum BackupRefusal {
    /// None is configured.
    #[error(
        "no folder for backups is configured: set folder in [backup] of this server's configuration, or run gridhelm-server backup on its host"
    )]
    NoFolder,
    /// One is being made.
    #[error("{by} is having a backup made since a moment ago; wait for its end")]
    Underway {
        /// Who asked for it.
        by: String,
    },
    /// It is not there.
    #[error("backup {0} does not exist at this server")]
    NotFound(String),
    /// The folder's disk is nearly full.
    #[error("{0} has less than 256 MiB free; remove old backups, or name another folder")]
    Full(String),
    /// The folder cannot be used.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The database.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

/// What [`Backups`] works with.
pub struct BackupsParts {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Publishes events.
    pub hub: Hub,
    /// Whether this server is active.
    pub standing: watch::Receiver<Standing>,
    /// This server's name.
    pub server: String,
    /// The group.
    pub group: String,
    /// The configuration.
    pub config: BackupConfig,
    /// The folder, as configured or beside the database.
    pub folder: Option<PathBuf>,
    /// Where the line about backups goes.
    pub board: Board,
}

/// The backups of a server.
pub struct Backups {
    parts: BackupsParts,
    folder: Option<Arc<Folder>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: Option<(BackupRun, Arc<Progress>)>,
    failed: Option<BackupFailure>,
    tried: Option<Millis>,
}

impl Backups {
    /// The backups in the configured folder.
    pub fn new(parts: BackupsParts) -> Arc<Self> {
        let folder = parts.folder.clone().map(|path| Arc::new(Folder::new(path)));
        Arc::new(Self {
            folder,
            parts,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folder(&self) -> Result<&Arc<Folder>, BackupRefusal> {
        self.folder.as_ref().ok_or(BackupRefusal::NoFolder)
    }

    /// What there is, and what is being done.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn shown(&self) -> Result<Shown, BackupRefusal> {
        let now = clock::now();
        let mut shown = Shown {
            server: self.parts.server.clone(),
            schedule: self.parts.config.at.map(|at| BackupSchedule {
                at: schedule::shown(at),
                keep: self.parts.config.keep,
                next: schedule::last(at, now) + super::day::DAY,
            }),
            ..Shown::default()
        };
        {
            let state = self.state();
            shown.running = state.running.as_ref().map(|(run, progress)| BackupRun {
                verifying: progress.stage() == Stage::Verifying,
                rows: progress.rows(),
                bytes: progress.bytes(),
                ..run.clone()
            });
            shown.failed.clone_from(&state.failed);
        }
        if let Some(folder) = &self.folder {
            shown.folder = Some(folder.path.display().to_string());
            let folder = Arc::clone(folder);
            let path = folder.path.clone();
            let listed = aside(move || {
                let there = folder.path.ancestors().find(|path| path.exists());
                let space = there.and_then(Disks::space).map(|(free, _)| free);
                folder.list().map(|items| (items, space))
            })
            .await;
            (shown.items, shown.free) =
                listed.map_err(|error| BackupError::io("read", &path, &error))?;
        }
        Ok(shown)
    }

    /// Begins one; it is made beside everything else. Answers its name.
    ///
    /// # Errors
    /// [`BackupRefusal`]; nothing was begun then.
    pub async fn begin(self: &Arc<Self>, actor: &Actor) -> Result<String, BackupRefusal> {
        let name = self.reserve(&actor.name)?;
        let notes = Notes::audit(actor.audit("backup.create", &name));
        if let Err(error) = self.parts.store.note(notes).await {
            self.state().running = None;
            return Err(error.into());
        }
        let (this, by, path) = (Arc::clone(self), actor.name.clone(), name.clone());
        tokio::spawn(async move { this.make(&path, &by).await });
        Ok(name)
    }

    fn reserve(&self, by: &str) -> Result<String, BackupRefusal> {
        let folder = self.folder()?;
        folder
            .make()
            .map_err(|error| BackupError::io("make", &folder.path, &error))?;
        if Disks::space(&folder.path).is_some_and(|(free, _)| free < SPARE) {
            return Err(BackupRefusal::Full(folder.path.display().to_string()));
        }
        let mut state = self.state();
        if let Some((run, _)) = &state.running {
            return Err(BackupRefusal::Underway { by: run.by.clone() });
        }
        let mut at = clock::now();
        let mut name = folder::name(&self.parts.group, at);
        while folder.path.join(&name).exists() {
            at += 1_000;
            name = folder::name(&self.parts.group, at);
        }
        let run = BackupRun {
            name: name.clone(),
            by: by.to_owned(),
            since: clock::now(),
            verifying: false,
            rows: 0,
            bytes: 0,
        };
        state.running = Some((run, Arc::default()));
        Ok(name)
    }

    /// Makes the one that is reserved, and tells what came of it.
    async fn make(&self, name: &str, by: &str) {
        let Some(folder) = &self.folder else { return };
        let progress = self
            .state()
            .running
            .as_ref()
            .map(|(_, progress)| Arc::clone(progress));
        let path = folder.path.join(name);
        let store = &self.parts.store;
        let made = store
            .back_up(&path, by, &self.parts.server, progress.unwrap_or_default())
            .await;
        let event = match &made {
            Ok(contents) => {
                self.state().failed = None;
                Self::event(Severity::Good, "backup.made", name, in_words(contents), by)
            }
            Err(error) => {
                tracing::error!(%error, name, "a backup was not made");
                let why = error.to_string();
                self.state().failed = Some(BackupFailure {
                    at: clock::now(),
                    by: by.to_owned(),
                    why: why.clone(),
                });
                Self::event(
                    Severity::Fail,
                    "backup.failed",
                    name,
                    format!("was not made: {why}"),
                    by,
                )
            }
        };
        self.note(Notes::event(event)).await;
        self.put_line().await;
        // Last: who sees that none is being made finds all that was to be told of it.
        self.state().running = None;
    }

    fn event(
        severity: Severity,
        kind: &'static str,
        subject: &str,
        message: String,
        actor: &str,
    ) -> EventDraft {
        EventDraft {
            severity,
            topic: Topic::Server,
            kind,
            subject: subject.to_owned(),
            message,
            actor: actor.to_owned(),
        }
    }

    async fn note(&self, notes: Notes) {
        match self.parts.store.note(notes).await {
            Ok(events) => self.parts.hub.publish_events(events),
            Err(error) => tracing::warn!(%error, "what became of a backup was not recorded"),
        }
    }

    /// A backup's file, to be given out; that is written down, for it holds secrets.
    ///
    /// # Errors
    /// [`BackupRefusal`].
    pub async fn give(&self, name: &str, actor: &Actor) -> Result<(PathBuf, u64), BackupRefusal> {
        let path = self.find(name)?;
        let size = std::fs::metadata(&path)
            .map_err(|error| BackupError::io("read", &path, &error))?
            .len();
        let audit = actor.audit("backup.download", name);
        let event = actor.event(
            Severity::Warn,
            Topic::Server,
            "backup.downloaded",
            name,
            "was downloaded: it holds secrets",
        );
        let events = self.parts.store.note(actor.notes(audit, event)).await?;
        self.parts.hub.publish_events(events);
        Ok((path, size))
    }

    /// Removes a backup.
    ///
    /// # Errors
    /// [`BackupRefusal`].
    pub async fn remove(&self, name: &str, actor: &Actor) -> Result<(), BackupRefusal> {
        let path = self.find(name)?;
        std::fs::remove_file(&path).map_err(|error| BackupError::io("remove", &path, &error))?;
        let audit = actor.audit("backup.delete", name);
        let event = actor.event(
            Severity::Info,
            Topic::Server,
            "backup.removed",
            name,
            "was removed",
        );
        let events = self.parts.store.note(actor.notes(audit, event)).await?;
        self.parts.hub.publish_events(events);
        self.put_line().await;
        Ok(())
    }

    fn find(&self, name: &str) -> Result<PathBuf, BackupRefusal> {
        let folder = self.folder()?;
        folder
            .find(name)
            .ok_or_else(|| BackupRefusal::NotFound(name.to_owned()))
    }
}

/// What a backup has, in words.
fn in_words(contents: &Contents) -> String {
    format!(
        "was made and read back: {} rows, {} contents, {} bytes",
        contents.end.rows(),
        contents.end.contents,
        contents.size
    )
}

/// On a thread that may block.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
}
