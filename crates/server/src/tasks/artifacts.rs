//! Fetches what a run left in its work directory and keeps it.

use super::Tasks;
use super::live::Live;
use crate::grid::Session;
use gridhelm_api::task::{Artifact, ConsoleKind};
use gridhelm_rserve::run::RunOutcome;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// The most files of one attempt.
const MAX_FILES: usize = 200;
/// The largest file, bytes.
const MAX_FILE: u64 = 64 << 20;
/// All files of one attempt together, bytes.
const MAX_TOTAL: u64 = 256 << 20;
/// How long one file may take.
const FETCH: Duration = Duration::from_secs(30);

impl Tasks {
    /// Fetches plots and files and stores their content. What is too large, too much or cannot be read is
    /// named on the task's console. `false`: the session was lost on the way.
    pub(super) async fn keep_files(
        &self,
        live: &Live,
        session: &mut dyn Session,
        outcome: &RunOutcome,
    ) -> (Vec<Artifact>, bool) {
        let plots = outcome.plots.iter().map(|name| (name, 0, true));
        let files = outcome.files.iter().map(|f| (&f.name, f.bytes, false));
        let mut kept: Vec<Artifact> = Vec::new();
        let mut total = 0;
        let left = |name: &str, why: &str| {
            let text = format!("{name} was not kept: {why}.\n");
            live.say(&self.hub, ConsoleKind::System, &text);
        };
        for (name, bytes, plot) in plots.chain(files) {
            if kept.len() == MAX_FILES {
                left(
                    name,
                    "only the first 200 files are kept; nor were those after it",
                );
                break;
            }
            let room = MAX_FILE.min(MAX_TOTAL - total);
            if bytes > room {
                left(name, "it is too large (64 MiB a file, 256 MiB together)");
                continue;
            }
            let content = match tokio::time::timeout(FETCH, session.fetch(name, room)).await {
                Ok(Ok(content)) => content,
                Ok(Err(error)) if error.usable => {
                    left(name, error.brief());
                    continue;
                }
                Ok(Err(error)) => {
                    left(name, error.brief());
                    return (kept, false);
                }
                Err(_) => {
                    left(name, "it could not be read within 30 s");
                    return (kept, false);
                }
            };
            let sha256 = hex(&Sha256::digest(&content));
            let size = content.len() as u64;
            if let Err(error) = self.store.put_blob(&sha256, &content).await {
                left(name, &error.to_string());
                continue;
            }
            total += size;
            kept.push(Artifact {
                name: name.clone(),
                size,
                plot,
                sha256,
            });
        }
        (kept, true)
    }
}

fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(64), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}
