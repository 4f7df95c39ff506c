//! A node as `deploy/node/start` starts it: its own fences hold, whatever a server or a script does.

use crate::node::{free_port, send};
use crate::rig::{Rig, create, database};
use gridhelm_api::node::{Health, Intent, NodeDraft, OperatingType, SlotState};
use gridhelm_api::task::{FailureKind, TaskState};
use gridhelm_rserve::{Connection, Credentials, Endpoint, Error, Options};
use gridhelm_server::grid::GridOptions;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PASSWORD: &str = "correct-horse-battery-staple";

struct Fenced {
    port: u16,
    dir: tempfile::TempDir,
    child: Child,
}

impl Fenced {
    /// `None` where we are not root: the script needs it to become the node's user.
    async fn start(slots: u32) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let dir = tempfile::Builder::new()
            .prefix("gridhelm-fence-")
            .tempdir()
            .unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let (port, place) = (free_port(), dir.path().display());
        // A user of its own: the limit of processes counts all of a user.
        let user = 100_000 + std::process::id() % 100_000 + u32::from(port) * 20_000;
        let settings = format!(
            "RUN_AS={user} PORT={port} SLOTS={slots} GROUPS_HERE=1 STATE={place}/state\n\
             MEMORY_KB=2000000 PROCESSES=40 FILE_MB=8\n"
        );
        fs::write(dir.path().join("r01.env"), settings).unwrap();
        let password = dir.path().join("r01.password");
        fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/node/start");
        let child = Command::new(script)
            .arg("r01")
            .env("GRIDHELM_NODES", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut node = Self { port, dir, child };
        let until = Instant::now() + Duration::from_secs(30);
        while node.sign_in("gridhelm", PASSWORD).await.is_err() {
            assert!(node.child.try_wait().unwrap().is_none(), "the node ended");
            assert!(Instant::now() < until, "the node does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(node)
    }

    async fn sign_in(&self, user: &str, password: &str) -> Result<Connection, Error> {
        let endpoint = Endpoint {
            host: "127.0.0.1".to_owned(),
            port: self.port,
        };
        let credentials = Credentials {
            user: user.to_owned(),
            password: password.into(),
        };
        Connection::open(&endpoint, Some(&credentials), &Options::default()).await
    }

    fn draft(&self, slots: u32) -> NodeDraft {
        NodeDraft {
            name: "r01".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: self.port,
            slot_limit: slots,
            operating_type: OperatingType::Mixed,
            user: Some("gridhelm@epoch".to_owned()),
            password: Some(PASSWORD.to_owned()),
            labels: Vec::new(),
            intent: Intent::Enabled,
        }
    }

    /// Processes `sleep` that work below its work directory, there or removed.
    fn sleepers(&self) -> usize {
        let work = self.state().join("work");
        let inside = |entry: &fs::DirEntry| {
            let is = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let cwd = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            is.trim() == "sleep" && cwd.starts_with(&work)
        };
        let all = fs::read_dir("/proc").unwrap().flatten();
        all.filter(inside).count()
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }
}

impl Drop for Fenced {
    fn drop(&mut self) {
        let work = self.state().join("work");
        let _ = self.child.kill();
        let _ = self.child.wait();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let cwd = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            let pid = entry
                .file_name()
                .to_str()
                .and_then(|p| p.parse::<i64>().ok());
            if let Some(pid) = pid.filter(|_| cwd.starts_with(&work)) {
                send("-KILL", pid);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_counts_its_slots_and_refuses_an_epoch_below_the_highest() {
    let Some(node) = Fenced::start(1).await else {
        return;
    };
    for (user, password) in [
        ("gridhelm", "wrong"),
        // What Debian 12's Rserve takes for every user of a password file.
        ("gridhelm", "*0"),
        ("gridhelm@east@7", "*0"),
        ("gridhelm@../x@7", PASSWORD),
        ("gridhelm@east@-1", PASSWORD),
        ("root", PASSWORD),
    ] {
        let refused = node.sign_in(user, password).await;
        assert!(
            matches!(refused, Err(Error::SignInRefused { .. })),
            "{user}"
        );
    }
    // One slot, and one for the group's watch.
    let mut first = node.sign_in("gridhelm@east@7", PASSWORD).await.unwrap();
    let second = node.sign_in("gridhelm@east@7", PASSWORD).await.unwrap();
    let third = node.sign_in("gridhelm@east@7", PASSWORD).await;
    assert!(matches!(third, Err(Error::SignInRefused { .. })));
    // A look at the node is none of them.
    assert!(node.sign_in("gridhelm", PASSWORD).await.is_ok());
    second.close().await;
    let until = Instant::now() + Duration::from_secs(10);
    while node.sign_in("gridhelm@east@7", PASSWORD).await.is_err() {
        assert!(Instant::now() < until, "the place is not free again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // A server that was replaced opens nothing more; another group has epochs of its own.
    assert_eq!(first.eval("6 * 7").await.unwrap().as_u64(), Some(42));
    first.close().await;
    let until = Instant::now() + Duration::from_secs(10);
    while node.sign_in("gridhelm@east@8", PASSWORD).await.is_err() {
        assert!(Instant::now() < until, "the next epoch is refused");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let late = node.sign_in("gridhelm@east@7", PASSWORD).await;
    assert!(matches!(late, Err(Error::SignInRefused { .. })));
    assert!(node.sign_in("gridhelm@west@1", PASSWORD).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_finds_no_password_and_a_runaway_one_loses_its_own_session_at_most() {
    let Some(node) = Fenced::start(2).await else {
        return;
    };
    let (_dir, path) = database();
    let rig = Rig::active(&path, "east-1", GridOptions::default()).await;
    create(&rig.store, &rig.fence, &node.draft(2)).await;
    rig.grid.changed("r01").await.unwrap();
    rig.until_health("r01", Health::Healthy).await;

    // Wherever a script may look: files, environment, standard input, what R has loaded, the command line.
    let looks = format!(
        "try <- function(expr) tryCatch(suppressWarnings(expr), error = function(e) character())\n\
         listener <- strsplit(sub('.*\\\\) ', '', readLines('/proc/self/stat')), ' ')[[1]][2]\n\
         files <- c('{0}/r01.password', '{0}/r01.env', list.files('{0}/state', recursive = TRUE, full.names = TRUE),\n\
                    '/proc/self/environ', '/proc/self/cmdline', paste0('/proc/', listener, c('/environ', '/cmdline')))\n\
         raw <- function(f) {{ b <- readBin(f, 'raw', 1e6); rawToChar(b[b != 0]) }}\n\
         found <- unlist(lapply(files, function(f) try(raw(f))))\n\
         auth <- environment(.gridhelm_auth)\n\
         objects <- unlist(lapply(ls(auth, all.names = TRUE), function(n) paste(deparse(get(n, auth)), collapse = '\\n')))\n\
         texts <- c(found, objects, intToUtf8(auth$secret), unlist(as.list(Sys.getenv())), try(readLines('/dev/stdin')), system('cat', intern = TRUE))\n\
         c(any(grepl('{PASSWORD}', texts, fixed = TRUE)), length(texts) > 10, sum(auth$secret) == 0)",
        node.dir.path().display()
    );
    let task = rig.run(&looks).await;
    assert_eq!(task.value, Some(json!([false, true, true])), "{task:?}");

    let memory = rig.run("x <- numeric(1e9)").await;
    let failure = memory.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::Error);
    assert!(
        failure.message.contains("cannot allocate"),
        "{}",
        failure.message
    );

    // More processes than the node's user may have: some are refused, and all end with the task.
    let fork = "system('for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40; do sleep 600 & done 2>/dev/null; wait')";
    let task = rig.run_with(fork, |r| r.timeout_s = 5).await;
    assert!(task.state.is_final(), "{task:?}");
    // What left the session's process tree is found by where it works.
    let until = Instant::now() + Duration::from_secs(40);
    while node.sleepers() > 0 {
        assert!(Instant::now() < until, "{} are left", node.sleepers());
        rig.grid.probe_now("r01");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    rig.until_health("r01", Health::Healthy).await;
    rig.until_node("r01", "its slots", |n| {
        n.slots.iter().all(|s| s.state == SlotState::Idle)
    })
    .await;

    // A file that is too large ends the write, or the session; not the node.
    let file = rig
        .run("con <- file('big', 'wb'); for (i in 1:20) writeBin(raw(1e6), con); close(con)")
        .await;
    assert_eq!(file.state, TaskState::Failed, "{file:?}");
    let after = rig.run("1 + 1").await;
    assert_eq!(after.value, Some(json!(2)), "{after:?}");
    assert!(node.state().join("epochs/east").exists());
    rig.stop().await;
}
