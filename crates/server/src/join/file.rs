//! Writing a new server's configuration: for its owner alone, and never over what is there.

use super::JoinError;
use crate::config::{Config, TlsConfig};
use gridhelm_api::join::{Joined, JoinedDatabase};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt as _, chown};
use std::path::Path;

/// Nothing is there, and its folder takes files: found out before the token is used up.
pub(super) fn writable(file: &Path) -> Result<(), JoinError> {
    let failed = |why: String| JoinError::File {
        path: file.display().to_string(),
        why,
    };
    if file.exists() {
        return Err(failed("it exists; name another with --config".to_owned()));
    }
    let folder = file.parent().filter(|f| !f.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(failed(format!(
            "the folder {} does not exist; make it",
            folder.display()
        )));
    }
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK)
        .map_err(|error| failed(format!("{}: {error}", folder.display())))
}

/// What the new server does not learn from the group.
pub(super) struct Own<'a> {
    pub(super) listen: SocketAddr,
    pub(super) public_url: &'a str,
    pub(super) tls: &'a TlsConfig,
}

/// Writes the configuration, and the password beside it, and reads them back as a server does.
pub(super) fn keep(
    file: &Path,
    joined: &Joined,
    own: &Own<'_>,
    owner: Option<(u32, u32)>,
) -> Result<(), JoinError> {
    let secret = file.with_extension("database-password");
    let secret = std::path::absolute(&secret).unwrap_or(secret);
    if let JoinedDatabase::Postgresql {
        password: Some(password),
        ..
    } = &joined.database
    {
        write_new(&secret, &format!("{password}\n"), owner)?;
    }
    let text = configuration(joined, own, &secret);
    if let Err(error) = write_new(file, &text, owner) {
        let _ = std::fs::remove_file(&secret);
        return Err(error);
    }
    Config::load(file, &|_| None)?;
    Ok(())
}

fn configuration(joined: &Joined, own: &Own<'_>, secret: &Path) -> String {
    let string = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let database = match &joined.database {
        JoinedDatabase::Sqlite { path } => format!("path = {}\n", string(path)),
        JoinedDatabase::Postgresql { url, password } => {
            let file = password.as_ref().map_or_else(String::new, |_| {
                format!(
                    "password_file = {}\n",
                    string(&secret.display().to_string())
                )
            });
            format!("url = {}\n{file}", string(url))
        }
    };
    let files = [
        ("certificate", &own.tls.certificate),
        ("key", &own.tls.key),
        ("ca", &own.tls.ca),
    ];
    let mut tls = String::new();
    for (name, file) in files {
        if let Some(file) = file {
            tls.push_str(&format!(
                "{name} = {}\n",
                string(&file.display().to_string())
            ));
        }
    }
    if !tls.is_empty() {
        tls = format!("\n[tls]\n{tls}");
    }
    let origins: Vec<_> = joined.allowed_origins.iter().map(|o| string(o)).collect();
    format!(
        "# A server that joined its group by `gridhelm-server join`.\n\
         name = {}\ngroup = {}\nlisten = {}\n\
         # How browsers and the group's other servers reach it.\n\
         public_url = {}\n\
         allowed_origins = [{}]\n\n[database]\n{database}{tls}",
        string(&joined.name),
        string(&joined.group),
        string(&own.listen.to_string()),
        string(own.public_url),
        origins.join(", ")
    )
}

/// Writes a file that was not there, for its owner alone.
fn write_new(file: &Path, text: &str, owner: Option<(u32, u32)>) -> Result<(), JoinError> {
    let failed = |error: std::io::Error| JoinError::File {
        path: file.display().to_string(),
        why: error.to_string(),
    };
    let mut options = OpenOptions::new();
    let mut made = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(failed)?;
    let written = made
        .write_all(text.as_bytes())
        .and_then(|()| made.sync_all())
        .and_then(|()| owner.map_or(Ok(()), |(user, group)| chown(file, Some(user), Some(group))));
    if written.is_err() {
        let _ = std::fs::remove_file(file);
    }
    written.map_err(failed)
}

/// A user's number and group, from `/etc/passwd`.
pub(super) fn ids_of(user: &str) -> Result<(u32, u32), JoinError> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != user {
            return None;
        }
        let mut fields = fields.skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    ids.ok_or_else(|| {
        JoinError::System(format!("--user {user}: there is no such user on this host"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn joined(database: JoinedDatabase) -> Joined {
        Joined {
            group: "east".into(),
            name: "east-3".into(),
            database,
            allowed_origins: vec!["http://c:1".into()],
            peers: vec![("east-1".into(), "http://a:1".into())],
        }
    }

    #[test]
    fn what_is_written_is_private_and_a_servers_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("east-3.toml");
        let with_password = joined(JoinedDatabase::Postgresql {
            url: "postgresql://g@db1,db2/east".into(),
            password: Some("hu\"sh".into()),
        });
        let listen = "10.0.0.3:8101".parse().unwrap();
        let tls = TlsConfig {
            certificate: Some("/c.pem".into()),
            key: Some("/k\"ey.pem".into()),
            ca: Some("/ca.pem".into()),
            ..TlsConfig::default()
        };
        let own = Own {
            listen,
            public_url: "https://10.0.0.3:8101",
            tls: &tls,
        };
        keep(&file, &with_password, &own, None).unwrap();
        let config = Config::load(&file, &|_| None).unwrap();
        assert_eq!((config.name.as_str(), config.listen), ("east-3", listen));
        assert_eq!(
            config.database.password_text().unwrap().as_deref(),
            Some("hu\"sh")
        );
        assert_eq!(config.allowed_origins, ["http://c:1"]);
        assert_eq!(config.tls, tls);
        for kept in [&file, &dir.path().join("east-3.database-password")] {
            let mode = std::fs::metadata(kept).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", kept.display());
        }
        assert!(!std::fs::read_to_string(&file).unwrap().contains("hu\"sh"));
        // What is there is never overwritten.
        assert!(matches!(writable(&file), Err(JoinError::File { .. })));
        keep(&file, &with_password, &own, None).unwrap_err();
    }
}
