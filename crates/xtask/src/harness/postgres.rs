//! A PostgreSQL of a test's own, with a database for each group that asks for one.

use super::{HarnessError, Result, ports};
use crate::deployment::child::Children;
use crate::deployment::folder::Folder;
use crate::deployment::plan::{Database, HOST, Plan};
use crate::deployment::postgres::{self, NAME, Place, USER, password_file};
use crate::set_up::apt::POSTGRES_PROGRAMS;
use crate::stop::Stop;
use std::path::Path;
use std::time::Duration;

/// How long it may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// It ends with the value.
#[derive(Debug)]
pub struct Postgres {
    folder: Folder,
    port: u16,
    password: String,
    children: Children,
    stop: Stop,
}

impl Postgres {
    /// Starts one with its data in this folder. It ends with the calling thread, too.
    ///
    /// # Errors
    /// When it does not come up, because it is not installed, say.
    pub fn start(dir: &Path) -> Result<Self> {
        if !Path::new(POSTGRES_PROGRAMS).is_dir() {
            return Err(HarnessError::new("PostgreSQL is not installed"));
        }
        let stop = Stop::default();
        let folder =
            Folder::open(dir, postgres::user().is_some(), &stop).map_err(HarnessError::new)?;
        let plan = Plan::new(ports::block()?).map_err(HarnessError::new)?;
        let plan = plan.on(Database::Postgres);
        let mut children = Children::default();
        let started = postgres::start(&folder, &plan, &mut children, &stop);
        started.map_err(HarnessError::new)?;
        let password = folder.secret("database-password");
        Ok(Self {
            port: plan.postgres.unwrap_or_default(),
            password: password.map_err(HarnessError::new)?,
            folder,
            children,
            stop,
        })
    }

    /// Makes an empty database, and says in the words of a server's configuration where it is.
    ///
    /// # Errors
    /// When it refuses.
    pub fn database(&self, name: &str) -> Result<String> {
        let log = self.folder.log(NAME);
        let place = Place {
            host: HOST,
            port: self.port,
            password: &self.password,
            log: &log,
        };
        for sql in [
            format!("DROP DATABASE IF EXISTS {name}"),
            format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"),
        ] {
            place.ask(&sql).map_err(HarnessError)?;
        }
        Ok(format!(
            "url = \"postgresql://{USER}@{HOST}:{}/{name}\"\npassword_file = \"{}\"\n",
            self.port,
            password_file(&self.folder).display()
        ))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.children.end(ENDS_WITHIN, &self.stop, |_| true);
    }
}
