//! Tells a load balancer on the same host that this server is active now.
//!
//! `HAProxy` finds the active server by its own checks, every half second. Over its runtime socket the new active
//! server (only it, and only after it holds the epoch) says so itself: `set server BACKEND/SERVER health up` acts at
//! once, and the next check corrects it if it was wrong. So a mistake here costs half a second, never more; nothing
//! is ever taken out this way. Before and after a switch it is asked what it sees (`show stat`).

use crate::group::Standing;
use gridhelm_api::group::ServerRole;
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::watch;

/// How long the balancer may take to answer.
const ANSWER: Duration = Duration::from_millis(500);
/// The longest answer that is read, bytes.
const LONGEST: u64 = 4096;
/// The longest table of servers that is read, bytes.
const LONGEST_TABLE: u64 = 1 << 20;

/// The load balancer on this host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalancerConfig {
    /// `HAProxy`'s runtime socket (`stats socket … level admin`); this server's user must be allowed to write to it.
    pub socket: PathBuf,
    /// The backends in which this server stands under its own name; the group's name and `any` when absent.
    #[serde(default)]
    pub backends: Option<Vec<String>>,
}

/// Whether a name can stand in a command: `HAProxy`'s own rule for names of backends.
pub(crate) fn is_backend(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
}

/// The commands by which a server is shown as up.
fn commands(server: &str, backends: &[String]) -> String {
    let up = |backend: &String| format!("set server {backend}/{server} health up");
    let all: Vec<_> = backends.iter().map(up).collect();
    format!("{}\n", all.join(";"))
}

/// A server as the balancer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The backend.
    pub backend: String,
    /// The server's name there.
    pub server: String,
    /// The balancer's word: `UP`, `DOWN`, `MAINT`, `NOLB`, `DRAIN` and others, with what it counts behind it.
    pub status: String,
}

impl Seen {
    /// Whether it gets requests.
    pub fn is_up(&self) -> bool {
        self.status.starts_with("UP") || self.status == "no check"
    }
}

impl BalancerConfig {
    /// The backends in which the servers of this group stand.
    pub(crate) fn backends(&self, group: &str) -> Vec<String> {
        let default = || vec![group.to_owned(), "any".to_owned()];
        self.backends.clone().unwrap_or_else(default)
    }

    /// What the balancer sees of the servers in this group's backends.
    ///
    /// # Errors
    /// Why it cannot be asked, in words.
    pub async fn view(&self, group: &str) -> Result<Vec<Seen>, String> {
        let at = self.socket.display();
        let asked = ask(&self.socket, "show stat -1 4 -1\n", LONGEST_TABLE);
        let table = match tokio::time::timeout(ANSWER, asked).await {
            Ok(Ok(table)) => table,
            Ok(Err(error)) => return Err(format!("its socket {at} cannot be asked: {error}")),
            Err(_) => return Err(format!("its socket {at} does not answer within {ANSWER:?}")),
        };
        let backends = self.backends(group);
        let mut seen = servers(&table).ok_or_else(|| {
            let start: String = table.chars().take(80).collect();
            format!("its socket {at} answers with something else than a table: {start}")
        })?;
        seen.retain(|seen| backends.contains(&seen.backend));
        Ok(seen)
    }
}

/// The servers of a `show stat` table: CSV whose first line names the columns (`HAProxy` management guide, 9.1).
fn servers(table: &str) -> Option<Vec<Seen>> {
    let mut lines = table.lines();
    let names: Vec<&str> = lines.next()?.strip_prefix("# ")?.split(',').collect();
    let column = |name: &str| names.iter().position(|n| *n == name);
    let (backend, server, status) = (column("pxname")?, column("svname")?, column("status")?);
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let field = |i: usize| fields.get(i).map(|f| (*f).to_owned());
        Some(Seen {
            backend: field(backend)?,
            server: field(server)?,
            status: field(status)?,
        })
    };
    Some(lines.filter_map(row).collect())
}

/// Tells the balancer each time this server becomes active, as long as the keeper lives.
pub async fn follow(
    config: BalancerConfig,
    server: String,
    group: String,
    mut standing: watch::Receiver<Standing>,
) {
    let text = commands(&server, &config.backends(&group));
    let mut told = None;
    loop {
        let epoch = {
            let now = standing.borrow_and_update();
            let active = now.status.role == ServerRole::Active && now.fence().is_ok();
            active.then_some(now.status.epoch)
        };
        if epoch.is_some() && epoch != told {
            match tokio::time::timeout(ANSWER, ask(&config.socket, &text, LONGEST)).await {
                Ok(Ok(answer)) if answer.is_empty() => {
                    tracing::info!(epoch, "the load balancer knows that this server is active");
                }
                Ok(Ok(answer)) => tracing::warn!(
                    answer,
                    "the load balancer did not take the word of this server; its checks will find it"
                ),
                Ok(Err(error)) => tracing::warn!(
                    %error, socket = %config.socket.display(),
                    "the load balancer cannot be told; its checks will find this server"
                ),
                Err(_) => tracing::warn!(
                    "the load balancer did not answer within {ANSWER:?}; its checks will find this server"
                ),
            }
        }
        told = epoch;
        if standing.changed().await.is_err() {
            return;
        }
    }
}

/// Sends commands; `HAProxy` answers with an empty line for each that it took.
async fn ask(socket: &Path, commands: &str, longest: u64) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(commands.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(longest).read_to_string(&mut answer).await?;
    Ok(answer.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::Fence;
    use gridhelm_api::group::ServerStatus;
    use tokio::net::UnixListener;

    fn active(epoch: i64) -> Standing {
        Standing {
            status: ServerStatus {
                role: ServerRole::Active,
                epoch,
                ..ServerStatus::default()
            },
            fence: Some(Fence {
                epoch,
                boot: "b".into(),
            }),
            ..Standing::default()
        }
    }

    #[tokio::test]
    async fn it_is_told_once_for_each_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("admin.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (sender, standing) = watch::channel(Standing::default());
        let config = BalancerConfig {
            socket,
            backends: None,
        };
        let following = tokio::spawn(follow(config, "east-2".into(), "east".into(), standing));
        for epoch in [4, 6] {
            sender.send_replace(active(epoch));
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut line = [0; 80];
            let n = stream.read(&mut line).await.unwrap();
            assert_eq!(
                &line[..n],
                b"set server east/east-2 health up;set server any/east-2 health up\n"
            );
            stream.write_all(b"\n\n").await.unwrap();
            drop(stream);
            // The same epoch again, and standing by: nothing is said, or the next round would find it.
            let mut same = active(epoch);
            same.status.ready = true;
            sender.send_replace(same);
            sender.send_replace(Standing::default());
        }
        drop(sender);
        following.await.unwrap();
    }

    #[test]
    fn the_table_is_read_by_its_columns_names() {
        let table =
            "# pxname,svname,qcur,status,weight\neast,east-1,0,UP,1\neast,east-2,0,DOWN 1/2,1\n\n";
        let seen = servers(table).unwrap();
        let words: Vec<_> = seen
            .iter()
            .map(|s| (s.server.as_str(), s.is_up()))
            .collect();
        assert_eq!(words, [("east-1", true), ("east-2", false)]);
        assert_eq!(servers("Unknown command\n"), None);
        assert_eq!(servers("# pxname,svname\neast,east-1\n"), None);
    }

    #[test]
    fn names_that_could_carry_a_command_are_refused() {
        for bad in ["", "a b", "a;b", "a\nshow env", "a/b"] {
            assert!(!is_backend(bad), "{bad:?}");
        }
        assert!(is_backend("east_2.x-1"));
    }
}
