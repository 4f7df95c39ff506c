//! Which database the group has.

use super::ConfigError;
use crate::store::PostgresTarget;
use serde::Deserialize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The largest password file that is read, bytes.
const MAX_PASSWORD: u64 = 4096;

/// Which database.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Written")]
pub enum Database {
    /// A file on this host, shared by all servers of the group on it.
    Sqlite {
        /// The file; its folder must exist and be writable.
        path: PathBuf,
    },
    /// A database in PostgreSQL, on one or more hosts of which one takes writes.
    Postgres {
        /// `postgresql://user@host1,host2/database`, without a password; with
        /// `?sslmode=verify-full&sslrootcert=FILE` over TLS.
        url: String,
        /// A file that holds the password and nothing else; only its owner (and perhaps a group) may read it.
        password_file: Option<PathBuf>,
        /// The password itself, from the environment.
        password: Option<Password>,
    },
}

/// A password. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl core::fmt::Debug for Password {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("…")
    }
}

/// `[database]` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kind: Option<Kind>,
    path: Option<PathBuf>,
    url: Option<String>,
    password_file: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Sqlite,
    Postgresql,
}

impl TryFrom<Written> for Database {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written {
                kind: None | Some(Kind::Sqlite),
                path: Some(path),
                url: None,
                password_file: None,
            } => Ok(Self::Sqlite { path }),
            Written {
                kind: None | Some(Kind::Postgresql),
                path: None,
                url: Some(url),
                password_file,
            } => Ok(Self::Postgres {
                url,
                password_file,
                password: None,
            }),
            _ => Err(
                "give either path = \"…\" (a SQLite file) or url = \"postgresql://user@host1,host2/database\", \
                 the latter perhaps with password_file = \"…\"",
            ),
        }
    }
}

impl Database {
    /// Lays the environment over it: `GRIDHELM_DATABASE_PATH` or `GRIDHELM_DATABASE_URL`,
    /// `GRIDHELM_DATABASE_PASSWORD_FILE`, `GRIDHELM_DATABASE_PASSWORD`.
    pub(super) fn overlay(&mut self, env: &dyn Fn(&str) -> Option<String>) {
        if let Some(file) = env("GRIDHELM_DATABASE_PATH") {
            *self = Self::Sqlite { path: file.into() };
        }
        if let Some(given) = env("GRIDHELM_DATABASE_URL") {
            match self {
                Self::Postgres { url, .. } => *url = given,
                Self::Sqlite { .. } => {
                    *self = Self::Postgres {
                        url: given,
                        password_file: None,
                        password: None,
                    };
                }
            }
        }
        if let Self::Postgres {
            password_file,
            password,
            ..
        } = self
        {
            if let Some(file) = env("GRIDHELM_DATABASE_PASSWORD_FILE") {
                *password_file = Some(file.into());
            }
            *password = env("GRIDHELM_DATABASE_PASSWORD").map(Password);
        }
    }

    /// The folder that the database is in; `None` where it is another host's.
    pub fn folder(&self) -> Option<PathBuf> {
        let Self::Sqlite { path } = self else {
            return None;
        };
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
        Some(folder.unwrap_or(Path::new(".")).to_owned())
    }

    /// With the password from the environment (`GRIDHELM_DATABASE_PASSWORD`), where it names none itself.
    #[must_use]
    pub fn with_environment(mut self, env: &dyn Fn(&str) -> Option<String>) -> Self {
        if let Self::Postgres { password, .. } = &mut self {
            *password = password
                .take()
                .or_else(|| env("GRIDHELM_DATABASE_PASSWORD").map(Password));
        }
        self
    }

    /// Checks what can be checked without asking the database.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::Sqlite { path } => {
                let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
                if folder.is_some_and(|f| !f.is_dir()) {
                    return Err(unusable(
                        "database.path",
                        format!("the folder of {} does not exist; make it", path.display()),
                    ));
                }
                Ok(())
            }
            Self::Postgres { .. } => self.target().map(|_| ()),
        }
    }

    /// Where PostgreSQL is, and its password; `None` for a file.
    ///
    /// # Errors
    /// [`ConfigError::Unusable`] when the address or the password's file cannot be used.
    pub fn target(&self) -> Result<Option<PostgresTarget>, ConfigError> {
        let Self::Postgres {
            url,
            password_file,
            password,
        } = self
        else {
            return Ok(None);
        };
        PostgresTarget::parse(
            url,
            password_of(password.as_ref(), password_file.as_deref())?,
        )
        .map(Some)
        .map_err(|why| unusable("database.url (GRIDHELM_DATABASE_URL)", why))
    }

    /// The password in plain text, for a server that joins; `None` for a file and where none is given.
    ///
    /// # Errors
    /// [`ConfigError::Unusable`] when the password's file cannot be used.
    pub fn password_text(&self) -> Result<Option<String>, ConfigError> {
        match self {
            Self::Sqlite { .. } => Ok(None),
            Self::Postgres {
                password,
                password_file,
                ..
            } => password_of(password.as_ref(), password_file.as_deref()),
        }
    }
}

/// The password: the one from the environment, else the one in the file.
fn password_of(
    given: Option<&Password>,
    file: Option<&Path>,
) -> Result<Option<String>, ConfigError> {
    match (given, file) {
        (Some(Password(given)), _) => Ok(Some(given.clone())),
        (None, Some(file)) => read_password(file)
            .map(Some)
            .map_err(|why| unusable("database.password_file", why)),
        (None, None) => Ok(None),
    }
}

fn unusable(key: &str, why: String) -> ConfigError {
    ConfigError::Unusable {
        key: key.to_owned(),
        why,
    }
}

/// The password in a file, without the end of its line.
fn read_password(file: &Path) -> Result<String, String> {
    let named = |why: &dyn core::fmt::Display| format!("{}: {why}", file.display());
    let facts = std::fs::metadata(file).map_err(|error| named(&error))?;
    if facts.permissions().mode() & 0o007 != 0 {
        return Err(named(&"everybody on this host can read it; chmod 600 it"));
    }
    if facts.len() > MAX_PASSWORD {
        return Err(named(&"it is too long for a password"));
    }
    let text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(named(&"it is empty"));
    }
    Ok(password.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Database, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_path_is_sqlite_and_a_url_is_postgresql() {
        for text in ["path = 'e.db'", "kind = 'sqlite'\npath = 'e.db'"] {
            assert!(matches!(read(text).unwrap(), Database::Sqlite { .. }));
        }
        let url = "url = 'postgresql://g@db1,db2/east'";
        for text in [url.to_owned(), format!("kind = 'postgresql'\n{url}")] {
            let target = read(&text).unwrap().target().unwrap().unwrap();
            assert_eq!(target.hosts(), "db1, db2");
        }
        for text in [
            "",
            "kind = 'sqlite'",
            "kind = 'sqlite'\nurl = 'x'",
            "path = 'a'\nurl = 'b'",
            "path = 'a'\npassword_file = 'b'",
            "kind = 'mysql'\nurl = 'b'",
        ] {
            read(text).unwrap_err();
        }
        assert!(
            read("path = 'a'\nurl = 'b'")
                .unwrap_err()
                .contains("either path")
        );
    }

    #[test]
    fn a_password_comes_from_a_private_file_or_the_environment_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "hush-hush\n").unwrap();
        let mode = |mode| {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(0o644);
        let text = format!(
            "url = 'postgresql://g@db1/east'\npassword_file = '{}'",
            file.display()
        );
        let mut database = read(&text).unwrap();
        let refused = database.check().unwrap_err().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
        mode(0o600);
        database.check().unwrap();
        assert_eq!(read_password(&file).unwrap(), "hush-hush");
        database.overlay(&|name| {
            (name == "GRIDHELM_DATABASE_PASSWORD").then(|| "hush-hush".to_owned())
        });
        database.check().unwrap();
        assert!(!format!("{database:?} {:?}", database.target()).contains("hush-hush"));
    }

    #[test]
    fn the_environment_changes_the_kind() {
        let mut database = read("path = 'e.db'").unwrap();
        let env = |name: &str| {
            (name == "GRIDHELM_DATABASE_URL").then(|| "postgresql://g@db1/east".to_owned())
        };
        database.overlay(&env);
        assert_eq!(database.target().unwrap().unwrap().hosts(), "db1");
    }
}
