//! Where a replication drill happens: its folder, its servers' program and their database.

use crate::harness::local::workspace_root;
use crate::harness::postgres::Postgres;
use crate::harness::repositories::{Repository, Setup};
use crate::harness::{HarnessError, Result};
use std::path::{Path, PathBuf};

/// Names the servers' program for the tests.
pub(super) const SERVER: &str = "GRIDHELM_SERVER";

/// What the groups keep their data in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::drill) enum Base {
    /// A file for each.
    Sqlite,
    /// A PostgreSQL with a database for each.
    Postgres,
}

/// The ground of one drill, gone with it.
pub(super) struct Ground {
    // It ends before its folder goes.
    postgres: Option<Postgres>,
    folder: Folder,
    program: PathBuf,
}

impl Ground {
    pub(super) fn new(name: &str, base: Base) -> Result<Self> {
        let folder = Folder::new(&format!("drill-{name}"))?;
        let postgres = match base {
            Base::Sqlite => None,
            Base::Postgres => Some(Postgres::start(&folder.0.join("database"))?),
        };
        Ok(Self {
            postgres,
            folder,
            program: program()?,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// The server of a new group.
    pub(super) async fn repository(&self, group: &str) -> Result<Repository> {
        self.repository_as(group, Setup::default()).await
    }

    /// As [`Ground::repository`], set up in this way.
    pub(super) async fn repository_as(&self, group: &str, mut setup: Setup) -> Result<Repository> {
        if let Some(postgres) = &self.postgres {
            setup.database = Some(postgres.database(group)?);
        }
        Repository::start_as(&self.program, self.folder(), group, setup).await
    }

    /// As [`Ground::repository`], with its files in another folder.
    pub(super) async fn repository_in(&self, folder: &Path, group: &str) -> Result<Repository> {
        Repository::start(&self.program, folder, group).await
    }
}

/// The servers' program: that of the tests where they say so, else the built one.
fn program() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os(SERVER) {
        return Ok(program.into());
    }
    let target = workspace_root()?.join("target");
    ["release", "debug"]
        .iter()
        .map(|profile| target.join(profile).join("gridhelm-server"))
        .find(|program| program.is_file())
        .ok_or_else(|| HarnessError::new("gridhelm-server is not built: cargo xtask build"))
}

/// A folder for one drill, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self> {
        let path = workspace_root()?
            .join("target/harness")
            .join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
