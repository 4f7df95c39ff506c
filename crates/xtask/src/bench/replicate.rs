//! `cargo xtask bench replicate`: 10,000 scripts and 20 files of 10 MB to two targets, with rsync, rclone and Syncthing in the same run.

use super::Figure;
use super::printed;
use super::stats::median;
use super::syncthing::Syncthing;
use crate::build;
use crate::harness::repositories::{Repository, applied, everything, planned};
use crate::harness::{HarnessError, Result, ports};
use crate::stop::Stop;
use crate::workspace::Workspace;
use gridhelm_api::repository::FileId;
use gridhelm_client::replication::read_pair;
use gridhelm_replicate::verify_files;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Scripts, in so many directories, and large files with so many bytes each.
const SCRIPTS: usize = 10_000;
const DIRECTORIES: usize = 100;
const LARGE: usize = 20;
const LARGE_BYTES: usize = 10 << 20;
/// The groups to copy to.
const TARGETS: [&str; 2] = ["west", "south"];
/// Runs of what changes nothing, and of a change of 1 %.
const RUNS: usize = 5;
/// A smaller measurement, as this share of the whole: for trying out.
const SHARE: &str = "GRIDHELM_BENCH_SHARE";

type Files = BTreeMap<FileId, Option<Vec<u8>>>;

/// Numbers that look random and are the same in each run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, many: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(many + 8);
        while bytes.len() < many {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(many);
        bytes
    }

    fn script(&mut self, n: usize) -> Vec<u8> {
        let many = 1_000 + usize::try_from(self.next() % 7_000).unwrap_or_default();
        let mut text = format!("# script {n}\n").into_bytes();
        while text.len() < many {
            let line = format!("x{0} <- sum(rnorm({0}))  # {1}\n", self.next() % 997, n);
            text.extend_from_slice(line.as_bytes());
        }
        text
    }
}

fn files(noise: &mut Noise, share: usize) -> Files {
    let mut files = Files::new();
    for n in 0..SCRIPTS / share {
        let directory = format!("directory-{:03}", n % DIRECTORIES);
        let id = FileId::new("analyst", directory, format!("script-{n:05}.R"));
        files.insert(id, Some(noise.script(n)));
    }
    for n in 0..LARGE / share {
        let id = FileId::new("analyst", "models", format!("model-{n:02}.rds"));
        files.insert(id, Some(noise.bytes(LARGE_BYTES)));
    }
    files
}

/// Measures and prints the figures of replication.
///
/// # Errors
/// The first thing that could not be measured.
pub async fn run() -> Result<()> {
    let workspace = Workspace::find().map_err(HarnessError::new)?;
    let stop = Stop::listen().map_err(HarnessError::new)?;
    let program = build::server(&workspace, &stop).map_err(HarnessError::new)?;
    let folder = workspace.target.join("bench-replicate");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let measured = measure(&program, &folder).await;
    let _ = std::fs::remove_dir_all(&folder);
    measured?;
    tree()
}

/// What the tree of hashes costs a write, and how soon it tells the root of a million files. A test of the store measures it, which alone
/// can leave the tree as it is; it is compiled as the server's release is.
fn tree() -> Result<()> {
    printed::run(
        &[
            "--release",
            "--package",
            "gridhelm-server",
            "--lib",
            "figures_of_the_tree",
            "--",
            "--ignored",
            "--nocapture",
        ],
        &["manifest_write_overhead_pct", "manifest_root_1m_ms"],
    )
}

/// What one side took, seconds.
#[derive(Default)]
struct Took {
    first: Vec<f64>,
    unchanged: Vec<f64>,
    changed: Vec<f64>,
}

async fn measure(program: &Path, folder: &Path) -> Result<()> {
    let share = std::env::var(SHARE).ok().and_then(|text| text.parse().ok());
    let share = share.unwrap_or(1).max(1);
    let mut noise = Noise(88_172_645_463_325_252);
    let all = files(&mut noise, share);
    let on_disk = folder.join("files");
    write_out(&on_disk, &all)?;
    let mut peers = Vec::new();
    if let Some(rsync) = Rsync::start(folder, &on_disk)? {
        peers.push(Peer::Rsync(rsync));
    }
    if let Some(rclone) = Rclone::start(&on_disk)? {
        peers.push(Peer::Rclone(rclone));
    }
    if let Some(syncthing) = Syncthing::start(folder, &on_disk, TARGETS.len())? {
        peers.push(Peer::Syncthing(syncthing));
    }
    let mut theirs: Vec<Took> = peers.iter().map(|_| Took::default()).collect();
    let source = Repository::start(program, folder, "east").await?;
    source.put(&all).await?;
    let mut targets = Vec::new();
    for group in TARGETS {
        targets.push(Repository::start(program, folder, group).await?);
    }
    let mut ours = Took::default();
    let quiet = async |folder: &Path| {
        // What was written before is no part of the next measurement.
        let _ = Command::new("sync").arg("-f").arg(folder).status();
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    for (n, target) in targets.iter().enumerate() {
        quiet(folder).await;
        ours.first.push(replicated(&source, target).await?);
        for (peer, took) in peers.iter().zip(&mut theirs) {
            quiet(folder).await;
            took.first.push(peer.copy(folder, n)?);
        }
    }
    for _ in 0..RUNS {
        ours.unchanged.push(replicated(&source, &targets[0]).await?);
        for (peer, took) in peers.iter().zip(&mut theirs) {
            took.unchanged.push(peer.copy(folder, 0)?);
        }
    }
    for _ in 0..RUNS {
        let mut changed = Files::new();
        let many = all.len() / 100;
        for id in all.keys().filter(|id| id.name.ends_with(".R")).take(many) {
            let n = usize::try_from(noise.next() % 1_000_000).unwrap_or_default();
            changed.insert(id.clone(), Some(noise.script(n)));
        }
        source.put(&changed).await?;
        write_out(&on_disk, &changed)?;
        quiet(folder).await;
        ours.changed.push(replicated(&source, &targets[0]).await?);
        for (peer, took) in peers.iter().zip(&mut theirs) {
            took.changed.push(peer.copy(folder, 0)?);
        }
    }
    print(&ours, &peers, &theirs, all.len(), share);
    replicated(&source, &targets[1]).await?;
    unchanged(&source, &targets[0]).await
}

/// One replication, as a person does it: compare, plan, apply, verify. How long it took, seconds.
async fn replicated(source: &Repository, target: &Repository) -> Result<f64> {
    let from = Instant::now();
    let (_, plan) = planned(source, target, &everything()).await?;
    if !plan.is_empty() {
        applied(source, target, &plan, &())
            .await
            .map_err(HarnessError::new)?;
        let mut places: Vec<_> = plan
            .operations
            .iter()
            .map(|op| (op.id.author.clone(), op.id.directory.clone()))
            .collect();
        places.sort_unstable();
        places.dedup();
        let pair = read_pair(&source.client(), &target.client(), &places, false).await?;
        let found = verify_files(&plan, &pair.target);
        if !found.ok() || pair.source.root != pair.target.root {
            return Err(HarnessError::new("the target is not as planned"));
        }
    }
    Ok(from.elapsed().as_secs_f64())
}

fn print(ours: &Took, peers: &[Peer], theirs: &[Took], files: usize, share: usize) {
    let of = |pick: fn(&Took) -> &Vec<f64>| {
        let peers = peers.iter().zip(theirs);
        let mut words: Vec<String> = peers
            .map(|(peer, took)| format!("{} {:.2} s", peer.name(), median(pick(took))))
            .collect();
        for name in ["peer_rsync", "peer_rclone", "peer_syncthing"] {
            if !words.iter().any(|word| word.starts_with(name)) {
                words.push(format!("{name} is not installed here"));
            }
        }
        if share > 1 {
            words.push(format!("a {share}th of the data"));
        }
        format!("{}; SQLite, {files} files", words.join(", "))
    };
    let figure = |name, pick: fn(&Took) -> &Vec<f64>| {
        let values = pick(ours);
        Figure::new(name, median(values), "s per target", values.len()).peer(of(pick))
    };
    figure("first_copy_s", |took| &took.first).print();
    figure("unchanged_s", |took| &took.unchanged).print();
    figure("changed_1pct_s", |took| &took.changed).print();
    let rsync = peers.iter().zip(theirs);
    for (_, took) in rsync.filter(|(peer, _)| matches!(peer, Peer::Rsync(_))) {
        let ratio = median(&ours.first) / median(&took.first);
        Figure::new("first_copy_over_rsync", ratio, "times", took.first.len())
            .bar(4.0)
            .print();
    }
}

/// What a comparison of equal repositories costs.
async fn unchanged(source: &Repository, target: &Repository) -> Result<()> {
    let mut times = Vec::new();
    let mut requests = 0;
    for _ in 0..20 {
        let from = Instant::now();
        let pair = read_pair(&source.client(), &target.client(), &[], false).await?;
        times.push(from.elapsed().as_secs_f64() * 1e3);
        requests = pair.requests;
        if pair.source.root != pair.target.root {
            return Err(HarnessError::new("the repositories are not equal"));
        }
    }
    Figure::new("unchanged_requests", requests as f64, "a server", 20)
        .bar(3.0)
        .print();
    let bytes = on_the_wire(&source.url, "/api/v1/repository/tree", source.token())?;
    Figure::new(
        "unchanged_bytes",
        bytes as f64,
        "bytes a server, heads included",
        1,
    )
    .bar(5_000.0)
    .print();
    Figure::new("unchanged_ms", median(&times), "ms", times.len())
        .bar(50.0)
        .print();
    Ok(())
}

/// Bytes of a request and its answer, heads included.
fn on_the_wire(url: &str, path: &str, token: &str) -> Result<usize> {
    let at = url.split_once("//").map_or(url, |(_, at)| at);
    let mut stream = TcpStream::connect(at)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {at}\r\nauthorization: Bearer {token}\r\naccept: */*\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if !answer.starts_with(b"HTTP/1.1 200") {
        return Err(HarnessError::new("the tree cannot be read"));
    }
    Ok(request.len() + answer.len())
}

/// Writes files into `author/directory/name` under a folder.
fn write_out(folder: &Path, files: &Files) -> Result<()> {
    for (id, content) in files {
        let directory = folder.join(&id.author).join(&id.directory);
        std::fs::create_dir_all(&directory)?;
        if let Some(content) = content {
            std::fs::write(directory.join(&id.name), content)?;
        }
    }
    Ok(())
}

/// Another program that copies.
enum Peer {
    Rsync(Rsync),
    Rclone(Rclone),
    Syncthing(Syncthing),
}

impl Peer {
    fn name(&self) -> &'static str {
        match self {
            Self::Rsync(_) => "peer_rsync",
            Self::Rclone(_) => "peer_rclone",
            Self::Syncthing(_) => "peer_syncthing",
        }
    }

    /// Makes the `n`-th target's folder as the source's; how long it took, seconds.
    fn copy(&self, folder: &Path, n: usize) -> Result<f64> {
        let to = folder.join(format!("{}-{n}", self.name()));
        std::fs::create_dir_all(&to)?;
        let mut command = match self {
            Self::Syncthing(syncthing) => {
                let from = Instant::now();
                syncthing.copy(n)?;
                return Ok(from.elapsed().as_secs_f64());
            }
            Self::Rsync(rsync) => {
                let mut command = Command::new("rsync");
                let from = format!("rsync://127.0.0.1:{}/files/", rsync.port);
                command.args(["-a", "--delete", &from]).arg(&to);
                command
            }
            Self::Rclone(rclone) => {
                let mut command = Command::new("rclone");
                let url = format!("http://127.0.0.1:{}", rclone.port);
                command.args([
                    "sync",
                    ":http:",
                    "--http-url",
                    &url,
                    "--config",
                    "/dev/null",
                ]);
                command.arg(&to);
                command
            }
        };
        let from = Instant::now();
        let output = command.stdin(Stdio::null()).output()?;
        let took = from.elapsed().as_secs_f64();
        if output.status.success() {
            return Ok(took);
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(HarnessError(format!("{}: {said}", self.name())))
    }
}

/// A program that serves, ended with this.
pub(super) struct Served(Child);

impl Served {
    /// Starts it, and waits until it listens.
    pub(super) fn start(command: &mut Command, port: u16) -> Result<Self> {
        let silent = command.stdin(Stdio::null()).stdout(Stdio::null());
        let served = Self(silent.stderr(Stdio::null()).spawn()?);
        listening(port)?;
        Ok(served)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Rsync {
    port: u16,
    _served: Served,
}

struct Rclone {
    port: u16,
    _served: Served,
}

pub(super) fn there_is(program: &str) -> bool {
    let asked = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// Waits until something listens there.
fn listening(port: u16) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > end {
            return Err(HarnessError(format!("nothing listens at port {port}")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

impl Rsync {
    fn start(folder: &Path, files: &Path) -> Result<Option<Self>> {
        if !there_is("rsync") {
            return Ok(None);
        }
        let port = ports::one()?;
        let config = folder.join("rsyncd.conf");
        let text = format!(
            "use chroot = no\npid file = {0}/rsyncd.pid\nlog file = {0}/rsyncd.log\n[files]\npath = {1}\nread only = yes\n",
            folder.display(),
            files.display()
        );
        std::fs::write(&config, text)?;
        let mut command = Command::new("rsync");
        command
            .args(["--daemon", "--no-detach", "--address=127.0.0.1"])
            .arg(format!("--port={port}"))
            .arg(format!("--config={}", config.display()));
        let served = Served::start(&mut command, port)?;
        Ok(Some(Self {
            port,
            _served: served,
        }))
    }
}

impl Rclone {
    fn start(files: &Path) -> Result<Option<Self>> {
        if !there_is("rclone") {
            return Ok(None);
        }
        let port = ports::one()?;
        let mut command = Command::new("rclone");
        command
            .args(["serve", "http", "--config", "/dev/null", "--addr"])
            .arg(format!("127.0.0.1:{port}"))
            .arg(files);
        let served = Served::start(&mut command, port)?;
        Ok(Some(Self {
            port,
            _served: served,
        }))
    }
}
