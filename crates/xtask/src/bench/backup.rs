//! Part of `cargo xtask bench base`: a group of 1 GB backed up and restored by the command, reading back included.

use super::Figure;
use super::stats::median;
use crate::build;
use crate::harness::api::Api;
use crate::harness::{HarnessError, Result};
use crate::stop::Stop;
use crate::workspace::Workspace;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Files, and bytes of each: a gigabyte in all.
const FILES: usize = 50;
const EACH: usize = 20_000_000;
/// Runs of each figure.
const RUNS: usize = 3;
const PASSWORD: &str = "bench-of-the-backup-1";
/// How long the server may take to be active.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// Measures and prints `backup_1gb_s` and `restore_1gb_s`.
///
/// # Errors
/// The first thing that could not be measured.
pub async fn run() -> Result<()> {
    let workspace = Workspace::find().map_err(HarnessError::new)?;
    let stop = Stop::listen().map_err(HarnessError::new)?;
    let program = build::server(&workspace, &stop).map_err(HarnessError::new)?;
    let folder = workspace.target.join("bench-backup");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let measured = measure(&program, &folder).await;
    std::fs::remove_dir_all(&folder)?;
    measured
}

async fn measure(program: &Path, folder: &Path) -> Result<()> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let config = configuration(folder, "from", port)?;
    let server = Server::start(program, &config)?;
    fill(&format!("http://127.0.0.1:{port}")).await?;
    let mut backups = Vec::new();
    for run in 0..RUNS {
        let to = folder.join(format!("{run}.backup"));
        let words = ["backup", "--to", &to.display().to_string()].map(str::to_owned);
        backups.push(timed(program, &words, &config)?);
    }
    drop(server);
    let database = folder.join("from.db");
    let copied = copied(&database, &folder.join("copy.db"))?;
    let peer = format!("cp and sync of the database's file in the same run: {copied:.2}");
    Figure::new("backup_1gb_s", median(&backups), "s, read back", RUNS)
        .bar(15.0)
        .peer(&peer)
        .print();
    let mut restores = Vec::new();
    for run in 0..RUNS {
        let config = configuration(folder, &format!("into-{run}"), port)?;
        let from = folder.join(format!("{run}.backup"));
        let words = ["restore", "--from", &from.display().to_string()].map(str::to_owned);
        restores.push(timed(program, &words, &config)?);
        std::fs::remove_file(folder.join(format!("into-{run}.db")))?;
    }
    Figure::new("restore_1gb_s", median(&restores), "s, read back", RUNS)
        .bar(30.0)
        .peer(peer)
        .print();
    Ok(())
}

fn configuration(folder: &Path, name: &str, port: u16) -> Result<PathBuf> {
    let path = folder.join(format!("{name}.toml"));
    let text = format!(
        "name = \"bench-1\"\ngroup = \"bench\"\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"http://127.0.0.1:{port}\"\n\
         [database]\npath = \"{}\"\n[disk]\nrefuse_below_mib = 0\n",
        folder.join(format!("{name}.db")).display()
    );
    std::fs::write(&path, text)?;
    Ok(path)
}

/// A server that ends with this.
struct Server(Child);

impl Server {
    fn start(program: &Path, config: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(config)
            .env("GRIDHELM_BOOTSTRAP_PASSWORD", PASSWORD)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(config.with_extension("log"))?);
        Ok(Self(command.spawn()?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}

/// Puts the files: half of each repeats itself, as text does, the other half is noise, as plots are.
async fn fill(url: &str) -> Result<()> {
    let end = Instant::now() + STARTS_WITHIN;
    let api = loop {
        match Api::sign_in(url, "admin", PASSWORD).await {
            Ok(api) => break api,
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let http = reqwest::Client::new();
    let mut seed = 1_u64;
    for n in 0..FILES {
        let mut content = Vec::with_capacity(EACH);
        while content.len() < EACH / 2 {
            content.extend_from_slice(b"summary(lm(speed ~ distance, data = cars)) # ");
            content.extend_from_slice(&content.len().to_le_bytes());
        }
        while content.len() < EACH {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            content.extend_from_slice(&seed.to_le_bytes());
        }
        content.truncate(EACH);
        let path =
            format!("{url}/api/v1/repository/content?author=admin&directory=bench&name=f-{n}");
        loop {
            let request = http.put(&path).bearer_auth(api.token());
            let request = request.header("if-none-match", "*").body(content.clone());
            let status = request.send().await?.status();
            if status.is_success() {
                break;
            }
            // It becomes active a moment after it answers.
            if n > 0 || Instant::now() > end {
                return Err(HarnessError::new(format!(
                    "file {n} was not taken: {status}"
                )));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    Ok(())
}

/// Runs a command of the server to its good end, seconds.
fn timed(program: &Path, words: &[String], config: &Path) -> Result<f64> {
    let began = Instant::now();
    let output = Command::new(program)
        .args(words)
        .arg("--config")
        .arg(config)
        .output()?;
    let took = began.elapsed().as_secs_f64();
    if output.status.success() {
        return Ok(took);
    }
    Err(HarnessError::new(format!(
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    )))
}

/// What a plain copy costs, seconds.
fn copied(from: &Path, to: &Path) -> Result<f64> {
    let began = Instant::now();
    std::fs::copy(from, to)?;
    File::open(to)?.sync_all()?;
    let took = began.elapsed().as_secs_f64();
    std::fs::remove_file(to)?;
    Ok(took)
}
