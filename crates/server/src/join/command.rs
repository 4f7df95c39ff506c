//! `gridhelm-server join`: asks a server of the group for what a new one needs, and writes its configuration.

use super::file::{Own, ids_of, keep, writable};
use crate::config::{ConfigError, TlsConfig};
use crate::identity;
use crate::tls::{self, Tls};
use gridhelm_api::Problem;
use gridhelm_api::join::{JoinRequest, Joined};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where configurations are, one a server, as the shipped service reads them.
const FOLDER: &str = "/etc/gridhelm";
/// The first port that a new server tries.
const FIRST_PORT: u16 = 8101;
/// How many ports are tried.
const PORTS: u16 = 20;
/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// The largest answer that is read, bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// What the command line says.
#[derive(Debug, Clone)]
pub struct JoinOptions {
    /// The address of a server of the group: `https://host:port`; `http://` only on this host, or with `plain`.
    pub server: String,
    /// The certificates (PEM) that signed the server's; the new server trusts them, too.
    pub ca: Option<PathBuf>,
    /// The certificate that the new server shows, and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Ask in plain HTTP over the network all the same: whoever listens on the way reads the database's password.
    pub plain: bool,
    /// The token.
    pub token: String,
    /// The new server's name; the group gives one when absent.
    pub name: Option<String>,
    /// Where it listens; a free port at the address that reaches the server when absent.
    pub listen: Option<SocketAddr>,
    /// How others reach it; from `listen` when absent.
    pub public_url: Option<String>,
    /// The file to write; `/etc/gridhelm/NAME.toml` when absent.
    pub config: Option<PathBuf>,
    /// The user that the files shall belong to; the caller when absent.
    pub user: Option<String>,
}

/// Why a server did not join: what happened, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The address is not one.
    #[error("--server {0}: give https://host:port of a server of the group")]
    Address(String),
    /// The answer would travel in plain words.
    #[error(
        "--server {0}: the answer holds what opens the group's database, its password included, and would travel in plain \
         words. Give the https:// address of a server, or run the command on its host; --plain-http does it all the same, \
         for a network that nobody else reads"
    )]
    Plain(String),
    /// The certificates cannot be used.
    #[error("{0}")]
    Tls(String),
    /// The server does not answer.
    #[error(
        "{url} does not answer: {why}. Check the address, and that a server of the group runs there."
    )]
    Silent {
        /// Its address.
        url: String,
        /// What was seen.
        why: String,
    },
    /// The server refuses.
    #[error("{url} refuses: {detail} (request {request})")]
    Refused {
        /// Its address.
        url: String,
        /// Its words.
        detail: String,
        /// The request's id, for its log.
        request: String,
    },
    /// A file is in the way or cannot be written.
    #[error("cannot write {path}: {why}. Nothing there was changed.")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// The system does not give what is needed.
    #[error("{0}")]
    System(String),
    /// What was written is not a configuration that a server starts with.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The token was used up, but the configuration could not be kept.
    #[error("{source} The token is used up: ask an admin for a new one and try again.")]
    After {
        /// What failed.
        source: Box<JoinError>,
    },
}

/// Joins; gives lines for the person who asked.
///
/// # Errors
/// [`JoinError`]. Where the target file is known before and cannot be written, the token stays good.
pub async fn join(options: JoinOptions) -> Result<Vec<String>, JoinError> {
    let server = options.server.trim_end_matches('/').to_owned();
    let target = server_address(&server)?;
    if !options.plain && !is_private(&server, &target) {
        return Err(JoinError::Plain(server));
    }
    let tls = tls_of(&options)?;
    let trusted = Tls::open(&tls).map_err(JoinError::Tls)?;
    let owner = options.user.as_deref().map(ids_of).transpose()?;
    if let Some(file) = &options.config {
        writable(file)?;
    } else if let Some(name) = &options.name {
        writable(&default_file(name))?;
    } else {
        writable(&Path::new(FOLDER).join("new-server.toml"))?;
    }
    let listen = match options.listen {
        Some(listen) => listen,
        None => free_port(local_address(&target, &server).await?)?,
    };
    let public_url = options.public_url.clone().unwrap_or_else(|| {
        let scheme = if tls.is_on() { "https" } else { "http" };
        format!("{scheme}://{listen}")
    });
    let request = JoinRequest {
        token: options.token.trim().to_owned(),
        name: options.name.clone(),
        host_boot: identity::host_boot().ok_or_else(|| {
            JoinError::System(
                "this host's boot id cannot be read; Gridhelm needs Linux with /proc".into(),
            )
        })?,
    };
    let joined = ask(&server, &request, &trusted).await?;
    let file = options.config.unwrap_or_else(|| default_file(&joined.name));
    let own = Own {
        listen,
        public_url: &public_url,
        tls: &tls,
    };
    keep(&file, &joined, &own, owner).map_err(|source| JoinError::After {
        source: Box::new(source),
    })?;
    Ok(told(&file, &joined, listen))
}

fn told(file: &Path, joined: &Joined, listen: SocketAddr) -> Vec<String> {
    let peers: Vec<_> = joined.peers.iter().map(|(name, _)| name.as_str()).collect();
    let start = if file.parent() == Some(Path::new(FOLDER)) {
        format!("systemctl enable --now gridhelm-server@{}", joined.name)
    } else {
        format!("gridhelm-server --config {}", file.display())
    };
    vec![
        format!(
            "{} may join group {} beside {}; it will listen at {listen}.",
            joined.name,
            joined.group,
            peers.join(", ")
        ),
        format!(
            "Its configuration is {}; only its owner can read it.",
            file.display()
        ),
        format!("Start it: {start}"),
        "It becomes a standby. Add it to the load balancer and to deployment.json.".to_owned(),
    ]
}

fn default_file(name: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("{name}.toml"))
}

/// `host:port` of an address without a path.
fn server_address(url: &str) -> Result<String, JoinError> {
    let wrong = || JoinError::Address(url.to_owned());
    let (port, host) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(host), _) => (443, host),
        (None, Some(host)) => (80, host),
        (None, None) => return Err(wrong()),
    };
    if host.is_empty() || host.contains(['/', '@', '?', '#']) {
        return Err(wrong());
    }
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok(if has_port {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    })
}

/// Whether nobody on the way can read along: by TLS, or because there is no way.
fn is_private(url: &str, target: &str) -> bool {
    let host = target.rsplit_once(':').map_or(target, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>();
    url.starts_with("https://") || host == "localhost" || address.is_ok_and(|ip| ip.is_loopback())
}

/// `[tls]` of the new server: by whole paths, as it may be started anywhere.
fn tls_of(options: &JoinOptions) -> Result<TlsConfig, JoinError> {
    let whole = |file: &PathBuf| {
        std::path::absolute(file).map_err(|error| JoinError::Tls(error.to_string()))
    };
    let (certificate, key) = match &options.certificate {
        Some((certificate, key)) => (Some(whole(certificate)?), Some(whole(key)?)),
        None => (None, None),
    };
    Ok(TlsConfig {
        certificate,
        key,
        ca: options.ca.as_ref().map(whole).transpose()?,
        ..TlsConfig::default()
    })
}

/// This host's address on the way to the server.
async fn local_address(target: &str, server: &str) -> Result<IpAddr, JoinError> {
    let silent = |why: String| JoinError::Silent {
        url: server.to_owned(),
        why,
    };
    let connecting = tokio::net::TcpStream::connect(target);
    let stream = tokio::time::timeout(PATIENCE, connecting)
        .await
        .map_err(|_| silent(format!("no connection within {PATIENCE:?}")))?
        .map_err(|error| silent(error.to_string()))?;
    let local = stream.local_addr().map_err(|e| silent(e.to_string()))?;
    Ok(local.ip())
}

/// The first free port from [`FIRST_PORT`] on.
fn free_port(ip: IpAddr) -> Result<SocketAddr, JoinError> {
    (FIRST_PORT..FIRST_PORT + PORTS)
        .map(|port| SocketAddr::new(ip, port))
        .find(|address| std::net::TcpListener::bind(address).is_ok())
        .ok_or_else(|| {
            JoinError::System(format!(
                "no free port at {ip} from {FIRST_PORT} to {}; name one with --listen",
                FIRST_PORT + PORTS - 1
            ))
        })
}

async fn ask(server: &str, request: &JoinRequest, tls: &Tls) -> Result<Joined, JoinError> {
    let silent = |error: &dyn core::fmt::Display| JoinError::Silent {
        url: server.to_owned(),
        why: error.to_string(),
    };
    let http = tls
        .caller()
        .timeout(PATIENCE)
        .build()
        .map_err(|error| JoinError::System(error.to_string()))?;
    let address = format!("{server}/api/v1/group/join");
    let answer = http.post(&address).json(request).send().await;
    let answer = answer.map_err(|error| silent(&innermost(&error)))?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|error| silent(&error))?;
    if body.len() > MAX_ANSWER {
        return Err(silent(&"its answer is not one of a Gridhelm server"));
    }
    if status.is_success() {
        return serde_json::from_slice(&body)
            .map_err(|error| silent(&format!("its answer is not understood: {error}")));
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => {
            let fields = problem
                .errors
                .iter()
                .map(|e| format!(" {}: {}", e.field, e.message));
            Err(JoinError::Refused {
                url: server.to_owned(),
                detail: format!("{}{}", problem.detail, fields.collect::<String>()),
                request: problem.request_id,
            })
        }
        Err(_) => Err(silent(&format!(
            "it answers {status}, and not as a Gridhelm server"
        ))),
    }
}

/// "Connection refused", not "error sending request"; with what helps where a certificate is not trusted.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn core::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let said = cause.to_string();
    if tls::distrust(&said).is_some() {
        return format!("{said}; name the certificate that signed the server's with --ca");
    }
    said
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_of_servers() {
        assert_eq!(server_address("http://a:8101").unwrap(), "a:8101");
        assert_eq!(server_address("http://[::1]:8101").unwrap(), "[::1]:8101");
        assert_eq!(server_address("http://a").unwrap(), "a:80");
        assert_eq!(server_address("https://a").unwrap(), "a:443");
        for wrong in ["a:8101", "ftp://a", "http://", "https://a/x", "http://u@a"] {
            assert!(server_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_travels_in_plain_words_is_refused() {
        let private = |url: &str| is_private(url, &server_address(url).unwrap());
        for url in [
            "https://a",
            "http://127.0.0.1:8101",
            "http://localhost",
            "http://[::1]:1",
        ] {
            assert!(private(url), "{url}");
        }
        for url in [
            "http://a",
            "http://10.0.0.1:8101",
            "http://localhost.example.org",
            "http://[fd00::1]:1",
        ] {
            assert!(!private(url), "{url}");
        }
    }
}
