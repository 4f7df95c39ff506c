//! Sessions, listeners, servers and disks of the grid fail while tasks run.

use super::Verdict;
use super::floor::{Floor, ONE, Order, PATIENCE, R1, R2, node_of, pid_of};
use crate::harness::local::signal;
use crate::harness::{HarnessError, Result, wait_for};
use crate::set_up::apt::{self, FAKETIME};
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const TWO: &str = "east-2";

fn is_down(node: &serde_json::Value) -> bool {
    node["health"] == "unreachable"
}

/// One session is killed, another one stopped, beside others that go on.
pub(super) async fn session() -> Result<Verdict> {
    let mut floor = Floor::start("drill-grid-session").await?;
    let mut beside = Vec::new();
    for _ in 0..3 {
        beside.push(floor.submit(&Order::of("Sys.sleep(3); 'beside'")).await?);
    }
    let killed = floor.submit(&Order::of("Sys.sleep(2); 'again'")).await?;
    let stopped = Order {
        timeout_s: 3,
        ..Order::of("Sys.sleep(60)")
    };
    let stopped = floor.submit(&stopped).await?;
    let first = floor.until(&killed, "running").await?;
    let hung = floor.until(&stopped, "running").await?;
    signal(pid_of(&hung)?, Signal::STOP);
    let began = Instant::now();
    signal(pid_of(&first)?, Signal::KILL);
    let path = format!("tasks/{killed}");
    wait_for("the killed session to be seen", PATIENCE, || async {
        let task = floor.api.get(&path).await?.body;
        Ok((task["attempts"][0]["failure"]["kind"] == "grid").then_some(()))
    })
    .await?;
    floor
        .verdict
        .figure("session_kill_settled_ms", began.elapsed());
    let again = floor.until(&killed, "succeeded").await?;
    let elsewhere = node_of(&again) != node_of(&first);
    floor
        .verdict
        .must(elsewhere && again["attempts"][1].is_object(), || {
            format!("it did not run again on another node: {again}")
        });
    let hung = floor.until(&stopped, "failed").await?;
    floor
        .verdict
        .figure("stopped_session_ended_ms", began.elapsed());
    floor
        .verdict
        .must(hung["failure"]["kind"] == "timeout", || {
            format!("a stopped session did not end by its time-out: {hung}")
        });
    for id in &beside {
        let task = floor.until(id, "succeeded").await?;
        floor.verdict.must(task["attempts"][1].is_null(), || {
            format!("a task beside was disturbed: {task}")
        });
    }
    floor
        .judge(&[("task.repeated", &killed), ("task.failed", &stopped)])
        .await
}

/// A listener is killed and comes back after a second; another one is stopped for a moment.
pub(super) async fn listener() -> Result<Verdict> {
    let mut floor = Floor::start("drill-grid-listener").await?;
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(floor.submit(&Order::of("Sys.sleep(2); 'done'")).await?);
    }
    for id in &ids {
        floor.until(id, "running").await?;
    }
    floor.signal_listener(R1, Signal::KILL);
    let seen = floor.until_node(R1, "the loss", is_down).await?;
    floor.verdict.figure("listener_kill_seen_ms", seen);
    tokio::time::sleep(Duration::from_secs(1)).await;
    floor.restart_listener(R1).await?;
    let back = floor.until_full().await?;
    floor.verdict.figure("listener_back_ms", back);
    for id in &ids {
        // The sessions of a dead listener live on, and so do their tasks.
        let task = floor.until(id, "succeeded").await?;
        floor.verdict.must(task["attempts"][1].is_null(), || {
            format!("it ran twice: {task}")
        });
    }
    floor.signal_listener(R2, Signal::STOP);
    let seen = floor.until_node(R2, "the loss", is_down).await?;
    floor.verdict.figure("listener_stop_seen_ms", seen);
    // Work goes on where it can.
    let meanwhile = floor.submit(&Order::of("'meanwhile'")).await?;
    let task = floor.until(&meanwhile, "succeeded").await?;
    floor.verdict.must(node_of(&task) == R1, || {
        format!("it ran on a stopped node: {task}")
    });
    floor.signal_listener(R2, Signal::CONT);
    floor
        .judge(&[
            ("node.contracted", R1),
            ("node.expanded", R1),
            ("node.contracted", R2),
            ("node.expanded", R2),
        ])
        .await
}

/// A node is away for 1 s, and for 30 s.
pub(super) async fn back() -> Result<Verdict> {
    let mut floor = Floor::start("drill-grid-back").await?;
    for (away, figure) in [(1, "back_after_1_s_ms"), (30, "back_after_30_s_ms")] {
        floor.signal_listener(R1, Signal::KILL);
        floor.until_node(R1, "the loss", is_down).await?;
        let id = floor.submit(&Order::of("'meanwhile'")).await?;
        floor.until(&id, "succeeded").await?;
        tokio::time::sleep(Duration::from_secs(away)).await;
        floor.restart_listener(R1).await?;
        let back = floor.until_full().await?;
        floor.verdict.figure(figure, back);
    }
    floor
        .judge(&[("node.contracted", R1), ("node.expanded", R1)])
        .await
}

/// A listener stops and goes on twenty times while tasks come: each return is held back longer, so that it does not take tasks
/// with it again and again.
pub(super) async fn flapping() -> Result<Verdict> {
    let mut floor = Floor::start("drill-grid-flapping").await?;
    for _ in 0..20 {
        floor.signal_listener(R1, Signal::STOP);
        floor
            .submit(&Order::of("Sys.sleep(0.1); 'through'"))
            .await?;
        tokio::time::sleep(Duration::from_millis(600)).await;
        floor.signal_listener(R1, Signal::CONT);
        floor
            .submit(&Order::of("Sys.sleep(0.1); 'through'"))
            .await?;
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    let told = floor.events().await?;
    let lost = told
        .iter()
        .filter(|(kind, node)| kind == "node.contracted" && node == R1);
    let lost = u32::try_from(lost.count()).unwrap_or(u32::MAX);
    floor
        .verdict
        .figures
        .insert("contractions", f64::from(lost));
    floor.verdict.must((2..=10).contains(&lost), || {
        format!("of 20 losses {lost} took slots out: the node is not held back")
    });
    floor
        .judge(&[("node.contracted", R1), ("node.expanded", R1)])
        .await
}

/// The active server is killed with twenty tasks of four kinds running; the standby takes over and reclaims.
pub(super) async fn server() -> Result<Verdict> {
    let mut floor = Floor::start("drill-grid-server").await?;
    let scratch = Scratch::new("server")?;
    for node in [R1, R2] {
        floor.resize(node, 10).await?;
    }
    floor.until_full().await?;
    floor.crew.set_failover(ONE, "automatic").await?;
    let kinds = [
        "Sys.sleep(600)",
        "repeat {}",
        "system('sleep 600 & sh -c \"sleep 601; :\"')",
        "m <- matrix(rnorm(4e6), 2000); repeat m %*% m",
    ];
    let mut ids = Vec::new();
    for number in 0..20 {
        // The second time it ends at once; half of them may not have a second time.
        let code = format!(
            "tools::psnice(value = 19L); if (file.exists('{go}')) 'second' else {{ file.create('{began}'); {kind} }}",
            go = scratch.path("go").display(),
            began = scratch.path(&format!("began-{number}")).display(),
            kind = kinds[number % 4],
        );
        let order = Order {
            timeout_s: 600,
            again: number < 10,
            ..Order::of(&code)
        };
        ids.push(floor.submit(&order).await?);
    }
    wait_for("twenty tasks to run", PATIENCE, || async {
        Ok((0..20)
            .all(|n| scratch.path(&format!("began-{n}")).exists())
            .then_some(()))
    })
    .await?;
    std::fs::write(scratch.path("go"), "")?;
    floor.crew.end(ONE, Signal::KILL).await?;
    let began = Instant::now();
    floor.crew.until_active(TWO).await?;
    floor.verdict.figure("taken_over_ms", began.elapsed());
    floor.api = floor.crew.api(TWO)?;
    floor.must_be_clean("reclaim_20_zombies_ms").await?;
    for (number, id) in ids.iter().enumerate() {
        let state = if number < 10 { "succeeded" } else { "failed" };
        let task = floor.until(id, state).await?;
        let fits = (number < 10) == (task["value"] == "second");
        floor
            .verdict
            .must(fits, || format!("the wrong result: {task}"));
    }
    floor.crew.begin(ONE).await?;
    let reclaimed = ("slot.reclaimed", "");
    floor
        .judge(&[
            reclaimed,
            ("task.repeated", &ids[0]),
            ("task.failed", &ids[19]),
        ])
        .await
}

/// A node's disk is full, then is not.
pub(super) async fn disk() -> Result<Verdict> {
    let mut floor = Floor::start("drill-grid-disk").await?;
    let work = floor.folder(R2)?.join("work");
    floor.signal_listener(R2, Signal::KILL);
    floor.until_node(R2, "the loss", is_down).await?;
    let Some(mounted) = Mounted::new(&work)? else {
        crate::say::progress("skipped", "grid-disk: a tmpfs cannot be mounted here");
        return floor.judge(&[]).await;
    };
    floor.restart_listener(R2).await?;
    floor.until_full().await?;
    // A script that fills it gets an error of R; the node is fine after it.
    let label = format!("node={R2}");
    let fills = Order {
        label: Some(&label),
        ..Order::of("writeLines(rep('more than there is room for', 1e5), 'x')")
    };
    let id = floor.submit(&fills).await?;
    let task = floor.until(&id, "failed").await?;
    floor.verdict.must(
        task["failure"]["kind"] == "error" && task["attempts"][1].is_null(),
        || format!("a full disk is not an error of R: {task}"),
    );
    floor.until_full().await?;
    // Now somebody else fills it: no session can be marked, so none is used there.
    std::fs::write(work.join("filler"), vec![0_u8; 2 << 20]).ok();
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(floor.submit(&Order::of("Sys.sleep(0.2); 'done'")).await?);
    }
    for id in &ids {
        floor.until(id, "succeeded").await?;
    }
    std::fs::remove_file(work.join("filler"))?;
    floor.until_full().await?;
    floor.must_be_clean("clean_with_room_again_ms").await?;
    floor.signal_listener(R2, Signal::KILL);
    floor.until_node(R2, "the loss", is_down).await?;
    drop(mounted);
    floor.restart_listener(R2).await?;
    floor
        .judge(&[("node.contracted", R2), ("node.expanded", R2)])
        .await
}

/// The clock of a node's host is an hour ahead.
pub(super) async fn clock() -> Result<Verdict> {
    let mut floor = Floor::start("drill-grid-clock").await?;
    let Some(library) = apt::find(&FAKETIME) else {
        crate::say::progress(
            "skipped",
            format_args!("grid-clock: {} is not installed", FAKETIME.what),
        );
        for line in apt::commands(&[FAKETIME]) {
            crate::say::progress("do", line);
        }
        return floor.judge(&[]).await;
    };
    let start = floor.folder(R2)?.join("start");
    let script = std::fs::read_to_string(&start)?;
    // Behind the change of the user: what the library shares with its children must be the node's own.
    let ahead = script.replacen(
        " -- ",
        &format!(
            " -- env 'LD_PRELOAD={}' 'FAKETIME=+3600s' 'DONT_FAKE_MONOTONIC=1' ",
            library.display()
        ),
        1,
    );
    floor.signal_listener(R2, Signal::KILL);
    floor.until_node(R2, "the loss", is_down).await?;
    std::fs::write(&start, ahead)?;
    let _shared = Shared::new();
    floor.restart_listener(R2).await?;
    floor.until_full().await?;
    let ahead = |node: &serde_json::Value| {
        node["facts"]["clock_offset_ms"]
            .as_i64()
            .is_some_and(|ms| (3_590_000..=3_610_000).contains(&ms))
    };
    floor
        .until_node(R2, "the clock an hour ahead", ahead)
        .await?;
    // Nothing is decided by a node's clock: tasks run, time out, and are cleaned up there as elsewhere.
    let label = format!("node={R2}");
    let on = |code| Order {
        label: Some(&label),
        timeout_s: 2,
        ..Order::of(code)
    };
    let (runs, late) = (
        floor.submit(&on("'runs'")).await?,
        floor.submit(&on("Sys.sleep(60)")).await?,
    );
    floor.until(&runs, "succeeded").await?;
    let late = floor.until(&late, "failed").await?;
    floor
        .verdict
        .must(late["failure"]["kind"] == "timeout", || format!("{late}"));
    std::fs::write(&start, script)?;
    floor.signal_listener(R2, Signal::KILL);
    floor.until_node(R2, "the loss", is_down).await?;
    floor.restart_listener(R2).await?;
    floor
        .judge(&[("node.contracted", R2), ("node.expanded", R2)])
        .await
}

/// Two hundred tasks at once on six slots.
pub(super) async fn burst() -> Result<Verdict> {
    let mut floor = Floor::start("drill-grid-burst").await?;
    let began = Instant::now();
    let mut ids = Vec::new();
    for number in 0..200 {
        let code = format!("Sys.sleep(0.05); {number}");
        ids.push((number, floor.submit(&Order::of(&code)).await?));
    }
    floor.verdict.figure("accepted_200_ms", began.elapsed());
    for (number, id) in &ids {
        let task = floor.until(id, "succeeded").await?;
        let fits = task["value"] == *number && task["attempts"][1].is_null();
        floor
            .verdict
            .must(fits, || format!("not {number}, or not at once: {task}"));
    }
    floor.verdict.figure("done_200_ms", began.elapsed());
    floor.judge(&[]).await
}

/// A folder that the nodes' user can write to; goes with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Result<Self> {
        let folder =
            std::env::temp_dir().join(format!("gridhelm-drill-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777))?;
        Ok(Self(folder))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What faketime's library shares among the processes of a listener, and leaves when they are killed; goes with the value.
pub(super) struct Shared(Vec<PathBuf>);

impl Shared {
    /// What is there before.
    pub(super) fn new() -> Self {
        Self(Self::all())
    }

    fn all() -> Vec<PathBuf> {
        let entries = std::fs::read_dir("/dev/shm")
            .into_iter()
            .flatten()
            .flatten();
        let ours = |path: &PathBuf| path.to_string_lossy().contains("faketime_s");
        entries.map(|entry| entry.path()).filter(ours).collect()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for path in Self::all() {
            if !self.0.contains(&path) {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// A file system of 1 MB over a node's work directory; goes with the value.
struct Mounted(PathBuf);

impl Mounted {
    /// `None` where we may not mount.
    fn new(work: &Path) -> Result<Option<Self>> {
        use std::os::unix::fs::MetadataExt as _;
        let owner = std::fs::metadata(work)?;
        let options = format!("size=1m,mode=0700,uid={},gid={}", owner.uid(), owner.gid());
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(work)
            .stderr(std::process::Stdio::null())
            .status()
            .map_err(HarnessError::new)?;
        Ok(mounted.success().then(|| Self(work.to_owned())))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: sessions may still be in it.
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .status();
    }
}
