//! The deployment's PostgreSQL: one server with a database for each group, its own user when we are root.
//!
//! It listens on the loopback only, and asks for a password: other users of the machine could reach it.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::MARK;
use super::child::Children;
use super::folder::{Folder, open_folder, private_folder, write_with_mode};
use super::plan::{GROUPS, Plan};
use super::script::Script;
use crate::error::Error;
use crate::process;
use crate::set_up::apt::POSTGRES_PROGRAMS;
use crate::stop::Stop;

/// What it is called among our children and its log.
pub const NAME: &str = "postgres";
/// The user that the servers sign in as.
pub const USER: &str = "gridhelm";
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(45);

/// The file in the deployment's folder that holds the password.
pub fn password_file(folder: &Folder) -> PathBuf {
    folder.path("database-password")
}

/// A group's database, for the servers.
pub fn url(host: &str, port: u16, group: &str) -> String {
    format!("postgresql://{USER}@{host}:{port}/{group}")
}

/// Where it keeps its data, in a deployment's folder.
pub fn data(root: &Path) -> PathBuf {
    root.join("postgres/data")
}

/// Its user and group when we are root, for PostgreSQL does not run as that: Debian's `postgres`, else `nobody`.
pub fn user() -> Option<(u32, u32)> {
    rustix::process::geteuid().is_root().then(|| {
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        ids_of("postgres", &users)
            .or_else(|| ids_of("nobody", &users))
            .unwrap_or((65534, 65534))
    })
}

fn ids_of(name: &str, users: &str) -> Option<(u32, u32)> {
    let line = users
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn program(name: &str) -> String {
    format!("{POSTGRES_PROGRAMS}/{name}")
}

/// Makes its data at the first start, starts it, waits until it answers and makes the groups' databases. Gives its pid and
/// start script.
pub fn start(
    folder: &Folder,
    plan: &Plan,
    children: &mut Children,
    stop: &Stop,
) -> Result<(u32, PathBuf), Error> {
    let Some(port) = plan.postgres else {
        return Err(Error::Usage("the plan has no PostgreSQL".into()));
    };
    let host = plan.postgres_host();
    let password = folder.secret("database-password")?;
    let user = user();
    can_be_reached(folder, user)?;
    let home = folder.path("postgres");
    open_folder(&home)?;
    let data = data(folder.root());
    let log = folder.log(NAME);
    write_with_mode(&log, "", 0o600)?;
    if !data.join("PG_VERSION").exists() {
        init(&home, &data, &password, user, &log, stop)?;
        if plan.network.is_real() {
            admit_hosts(&data)?;
        }
    }
    let set = |setting: &str| ["-c".to_owned(), setting.to_owned()];
    let settings = [
        format!("listen_addresses={host}"),
        format!("port={port}"),
        // A socket's path could be too long here.
        "unix_socket_directories=".into(),
        "max_connections=60".into(),
        "shared_buffers=64MB".into(),
    ];
    let script = Script {
        what: "PostgreSQL".into(),
        namespace: plan.network.namespace(NAME),
        folder: &home,
        log: &log,
        environment: [
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            (MARK, folder.root().display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
        without: &[],
        bare: true,
        user,
        program: [program("postgres"), "-D".into(), data.display().to_string()]
            .into_iter()
            .chain(settings.iter().flat_map(|setting| set(setting)))
            .collect(),
    };
    let start = home.join("start");
    script.write(&start)?;
    let pid = children.start(NAME, &start, log.clone(), &[])?;
    let place = Place {
        host,
        port,
        password: &password,
        log: &log,
    };
    children.wait_for(NAME, PATIENCE, stop, || place.ask("SELECT 1").map(drop))?;
    place.make_databases()?;
    Ok((pid, start))
}

/// An error when the database's user cannot reach what it would keep in the folder.
pub fn can_be_reached(folder: &Folder, user: Option<(u32, u32)>) -> Result<(), Error> {
    if user.is_none() || !folder.nodes_are_elsewhere() {
        return Ok(());
    }
    Err(Error::Content {
        path: folder.root().to_path_buf(),
        what: "cannot hold PostgreSQL's data: its user cannot reach it; choose another `--dir`, \
               or let others walk through the folders above it (chmod o+x)"
            .into(),
    })
}

/// A server that takes writes, as its owner asks it.
pub struct Place<'a> {
    /// Its host's address.
    pub host: &'a str,
    /// Where it listens.
    pub port: u16,
    /// The password of [`USER`].
    pub password: &'a str,
    /// What it logs to.
    pub log: &'a Path,
}

impl Place<'_> {
    /// Makes the groups' databases where they are missing.
    pub fn make_databases(&self) -> Result<(), Error> {
        for group in GROUPS {
            let known = format!("SELECT 1 FROM pg_database WHERE datname = '{group}'");
            let make = format!("CREATE DATABASE {group} TEMPLATE template0 ENCODING 'UTF8'");
            let made = self.ask(&known).and_then(|found| {
                if found.is_empty() {
                    self.ask(&make).map(drop)
                } else {
                    Ok(())
                }
            });
            made.map_err(|last| Error::NotReady {
                what: format!("the database of {group}"),
                after: "the start".into(),
                last,
                tail: process::tail(self.log, 20),
            })?;
        }
        Ok(())
    }

    /// Asks the server's own database; what it printed.
    pub fn ask(&self, sql: &str) -> Result<String, String> {
        let mut command = Command::new(program("psql"));
        command
            .args(["-X", "-q", "-A", "-t", "-w", "-h", self.host, "-U", USER])
            .args(["-p", &self.port.to_string(), "-d", "postgres", "-c", sql])
            .env("PGPASSWORD", self.password)
            .env("PGCONNECT_TIMEOUT", "3")
            .stdin(std::process::Stdio::null());
        let output = command.output().map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }
}

/// Makes the data folder. What an earlier try left half done is removed.
fn init(
    home: &Path,
    data: &Path,
    password: &str,
    user: Option<(u32, u32)>,
    log: &Path,
    stop: &Stop,
) -> Result<(), Error> {
    if data.exists() {
        std::fs::remove_dir_all(data).map_err(Error::file("remove", data))?;
    }
    private_folder(data)?;
    let secret = home.join("password");
    write_with_mode(&secret, &format!("{password}\n"), 0o600)?;
    if let Some((user, group)) = user {
        for owned in [data, &secret] {
            chown(owned, Some(user), Some(group)).map_err(Error::file("give away", owned))?;
        }
    }
    let mut command = match user {
        None => process::command(program("initdb")),
        Some((user, group)) => {
            let mut command = process::command("setpriv");
            command
                .arg(format!("--reuid={user}"))
                .arg(format!("--regid={group}"))
                .args(["--clear-groups", "--"])
                .arg(program("initdb"));
            command
        }
    };
    command
        .current_dir(home)
        .env("LANG", "C.UTF-8")
        .arg("-D")
        .arg(data)
        .args(["-U", USER, "-A", "scram-sha-256", "-E", "UTF8"])
        .args(["--locale=C.UTF-8", "--pwfile"])
        .arg(&secret);
    let outcome = process::run_logged(command, log, stop);
    let _ = std::fs::remove_file(&secret);
    outcome
}

/// Lets the group's servers in from their hosts, with the password.
fn admit_hosts(data: &Path) -> Result<(), Error> {
    use std::io::Write as _;
    let rules = data.join("pg_hba.conf");
    let append = std::fs::OpenOptions::new().append(true).open(&rules);
    append
        .and_then(|mut file| file.write_all(b"host all all 10.0.0.0/8 scram-sha-256\n"))
        .map_err(Error::file("write", &rules))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users =
            "postgres-x:x:1:1::/:/bin/sh\npostgres:x:101:104:P,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(ids_of("postgres", users), Some((101, 104)));
        assert_eq!(ids_of("nobody", users), None);
    }

    #[test]
    fn the_address_holds_no_password() {
        assert_eq!(
            url("127.0.0.1", 8115, "east"),
            "postgresql://gridhelm@127.0.0.1:8115/east"
        );
    }
}
