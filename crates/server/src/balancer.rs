//! Tells a load balancer on the same host that this server is active now.
//!
//! `HAProxy` finds the active server by its own checks, every half second. Over its runtime socket the new active
//! server (only it, and only after it holds the epoch) says so itself: `set server BACKEND/SERVER health up` acts at
//! once, and the next check corrects it if it was wrong. So a mistake here costs half a second, never more; nothing
//! is ever taken out this way.

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

/// Tells the balancer each time this server becomes active, as long as the keeper lives.
pub async fn follow(
    config: BalancerConfig,
    server: String,
    group: String,
    mut standing: watch::Receiver<Standing>,
) {
    let backends = config.backends.unwrap_or_else(|| vec![group, "any".into()]);
    let text = commands(&server, &backends);
    let mut told = None;
    loop {
        let epoch = {
            let now = standing.borrow_and_update();
            let active = now.status.role == ServerRole::Active && now.fence().is_ok();
            active.then_some(now.status.epoch)
        };
        if epoch.is_some() && epoch != told {
            match tokio::time::timeout(ANSWER, tell(&config.socket, &text)).await {
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
async fn tell(socket: &Path, commands: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(commands.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer).await?;
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
    fn names_that_could_carry_a_command_are_refused() {
        for bad in ["", "a b", "a;b", "a\nshow env", "a/b"] {
            assert!(!is_backend(bad), "{bad:?}");
        }
        assert!(is_backend("east_2.x-1"));
    }
}
