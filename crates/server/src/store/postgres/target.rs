//! Where the database is: hosts, database, user.

use super::tls::{self, Tls};
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// How long a host may take to accept a connection.
pub(super) const CONNECT: Duration = Duration::from_millis(1_500);

/// A group's database in PostgreSQL: one or more hosts, of which one takes writes. `Debug` hides the password.
#[derive(Clone)]
pub struct PostgresTarget {
    hosts: Vec<(Host, u16)>,
    user: String,
    database: String,
    password: Option<String>,
    options: Option<String>,
    tls: Tls,
}

/// How to connect to one host, and what to do about TLS there.
pub(super) struct Way {
    pub(super) config: Config,
    pub(super) tls: Tls,
}

impl PostgresTarget {
    /// Reads `postgresql://user@host1:5432,host2/database` (or `host=… user=… dbname=…`).
    ///
    /// # Errors
    /// What is wrong with it and what would be accepted. A password is refused: an address is shown in
    /// logs and lists of processes.
    pub fn parse(url: &str, password: Option<String>) -> Result<Self, String> {
        const FORM: &str = "give postgresql://user@host1,host2/database";
        let (url, tls) = tls::split(url)?;
        let config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            format!("{}; {FORM}", super::broken::words(&error))
        })?;
        if config.get_password().is_some() {
            return Err("it holds a password; put that into the file named by password_file, or into GRIDHELM_DATABASE_PASSWORD".to_owned());
        }
        let (Some(user), Some(database)) = (config.get_user(), config.get_dbname()) else {
            return Err(format!("it names no user or no database; {FORM}"));
        };
        let ports = config.get_ports();
        let hosts: Vec<_> = config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(i, host)| {
                let port = ports.get(i).or(ports.first()).copied();
                (host.clone(), port.unwrap_or(5432))
            })
            .collect();
        if hosts.is_empty() {
            return Err(format!("it names no host; {FORM}"));
        }
        let local = |(host, _): &(Host, u16)| matches!(host, Host::Unix(_));
        if tls.is_on() && hosts.iter().any(local) {
            return Err("sslmode=verify-full: a Unix socket has no TLS; name the host".to_owned());
        }
        Ok(Self {
            hosts,
            user: user.to_owned(),
            database: database.to_owned(),
            password,
            options: config.get_options().map(str::to_owned),
            tls,
        })
    }

    /// The hosts for people: `db1, db2`.
    pub fn hosts(&self) -> String {
        let shown: Vec<_> = self.hosts.iter().map(shown).collect();
        shown.join(", ")
    }

    /// Whether there is one host only.
    pub(super) fn is_one_host(&self) -> bool {
        self.hosts.len() == 1
    }

    /// One way to connect for each host, with its name for people.
    pub(super) fn ways(&self, application: &str, attrs: TargetSessionAttrs) -> Vec<(String, Way)> {
        let way = |host: &(Host, u16)| {
            let mut config = Config::new();
            match &host.0 {
                Host::Tcp(name) => config.host(name),
                Host::Unix(folder) => config.host_path(folder),
            };
            config
                .port(host.1)
                .user(&self.user)
                .dbname(&self.database)
                .application_name(application)
                .target_session_attrs(attrs)
                .ssl_mode(if self.tls.is_on() {
                    SslMode::Require
                } else {
                    SslMode::Disable
                })
                .connect_timeout(CONNECT)
                .tcp_user_timeout(Duration::from_secs(4))
                .keepalives_idle(Duration::from_secs(2))
                .keepalives_interval(Duration::from_secs(1))
                .keepalives_retries(3);
            if let Some(password) = &self.password {
                config.password(password);
            }
            if let Some(options) = &self.options {
                config.options(options);
            }
            let tls = self.tls.clone();
            (shown(host), Way { config, tls })
        };
        self.hosts.iter().map(way).collect()
    }
}

fn shown((host, port): &(Host, u16)) -> String {
    let host = match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(folder) => folder.display().to_string(),
    };
    if *port == 5432 {
        host
    } else {
        format!("{host}:{port}")
    }
}

impl core::fmt::Debug for PostgresTarget {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "postgresql://{}@{}/{}",
            self.user,
            self.hosts(),
            self.database
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn several_hosts_are_read_and_shown_without_the_password() {
        let url = "postgresql://gridhelm@db1:5433,db2:5433/east";
        let target = PostgresTarget::parse(url, Some("hush-hush".to_owned())).unwrap();
        assert_eq!(
            format!("{target:?}"),
            "postgresql://gridhelm@db1:5433, db2:5433/east"
        );
        let one = PostgresTarget::parse("postgresql://g@db1/east", None).unwrap();
        assert_eq!(one.hosts(), "db1");
        let ways = target.ways("gridhelm/east-1/b", TargetSessionAttrs::ReadWrite);
        assert_eq!(ways.len(), 2);
        assert_eq!(ways[1].1.config.get_ports(), [5433]);
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        for (url, named) in [
            ("postgresql://g:secret@db1/east", "password_file"),
            ("postgresql://db1/east", "no user"),
            ("postgresql://g@db1", "no database"),
            ("user=g dbname=east", "no host"),
            ("postgresql://g@db1/east?sslmode=require", "verify-full"),
            ("mysql://g@db1/east", "postgresql://user@"),
        ] {
            let error = PostgresTarget::parse(url, None).unwrap_err();
            assert!(error.contains(named), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
