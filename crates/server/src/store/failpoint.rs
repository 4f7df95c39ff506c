//! For drills: stops this process between a transaction's last statement and its commit, on order.
//!
//! Only where the server was started with `--failpoints FOLDER`, which says so in the log; nothing in the environment or the
//! configuration turns it on. The order is a file `before-commit.<pid>` in that folder.

use rustix::process::{Signal, getpid, kill_process};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// How long the thread waits for the stop to take hold: another thread may be the one that takes the signal.
const TAKES_HOLD: Duration = Duration::from_millis(50);

/// From now on orders are looked for in this folder.
pub fn look_in(folder: PathBuf) {
    tracing::warn!(folder = %folder.display(), "this server stops before a commit on order: for drills only");
    // A second call changes nothing.
    let _ = FOLDER.set(folder);
}

/// Right before a commit.
pub(super) fn before_commit() {
    let Some(folder) = FOLDER.get() else {
        return;
    };
    let order = folder.join(format!("before-commit.{}", std::process::id()));
    if std::fs::remove_file(order).is_err() {
        return;
    }
    if kill_process(getpid(), Signal::STOP).is_ok() {
        std::thread::sleep(TAKES_HOLD);
    }
}
