//! One server without nodes, of a group of its own, that a bench starts and asks.

use crate::build;
use crate::harness::api::Api;
use crate::harness::{HarnessError, Result};
use crate::stop::Stop;
use crate::workspace::Workspace;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PASSWORD: &str = "bench-of-one-server-1";
/// How long the server may take to answer, and to be active.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// The built server, and a folder for what it writes that is empty at first and goes at the end.
#[derive(Debug)]
pub struct Bench {
    /// The server's program.
    pub program: PathBuf,
    /// The folder.
    pub folder: PathBuf,
}

impl Bench {
    /// Builds the server and makes the folder.
    ///
    /// # Errors
    /// When one of them cannot be.
    pub fn new(name: &str) -> Result<Self> {
        let workspace = Workspace::find().map_err(HarnessError::new)?;
        let stop = Stop::listen().map_err(HarnessError::new)?;
        let program = build::server(&workspace, &stop).map_err(HarnessError::new)?;
        let folder = workspace.target.join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        Ok(Self { program, folder })
    }

    /// Writes the configuration `name`, with its own database, and these lines at its end.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configuration(&self, name: &str, url: &str, more: &str) -> Result<PathBuf> {
        let path = self.folder.join(format!("{name}.toml"));
        let listen = url.split_once("//").map_or(url, |(_, at)| at);
        let text = format!(
            "name = \"bench-1\"\ngroup = \"bench\"\nlisten = \"{listen}\"\npublic_url = \"{url}\"\n\
             [database]\npath = \"{}\"\n[disk]\nrefuse_below_mib = 0\n{more}",
            self.folder.join(format!("{name}.db")).display()
        );
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// Starts the server of that configuration; it ends when this goes.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, config: &Path) -> Result<Lone> {
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(config)
            .env("GRIDHELM_BOOTSTRAP_PASSWORD", PASSWORD)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(config.with_extension("log"))?);
        Ok(Lone(command.spawn()?))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An address on this host where nothing listens, to be a server's.
///
/// # Errors
/// When there is none.
pub fn address() -> Result<String> {
    Ok(format!("127.0.0.1:{}", crate::harness::ports::one()?))
}

/// Processor time that a process has used so far, seconds: its own and the kernel's for it, fields 14 and 15 of `/proc/PID/stat` (proc(5)).
///
/// # Errors
/// When it has ended.
pub fn cpu_s(pid: u32) -> Result<f64> {
    /// Clock ticks a second (`USER_HZ`, 100 on every Linux that the servers run on).
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let mut used = fields
        .split(' ')
        .skip(11)
        .map_while(|field| field.parse::<f64>().ok());
    let ticks = used.next().zip(used.next());
    let (own, kernel) = ticks.ok_or_else(|| HarnessError::new("the process has ended"))?;
    Ok((own + kernel) / TICKS)
}

/// A server that ends with this.
#[derive(Debug)]
pub struct Lone(Child);

impl Lone {
    /// Signed in as its first admin, once it is active.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn admin(&self, url: &str, ca: Option<&Path>) -> Result<Api> {
        let end = Instant::now() + STARTS_WITHIN;
        let api = loop {
            match Api::sign_in_trusting(url, "admin", PASSWORD, ca).await {
                Ok(api) => break api,
                Err(error) if Instant::now() > end => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        while api.get("server").await?.body["role"] != "active" {
            if Instant::now() > end {
                return Err(HarnessError::new("the server does not become active"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(api)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// What it has in memory, kB (`VmRSS`).
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident_kb(&self) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.ok_or_else(|| HarnessError::new("the server has ended"))
    }
}

impl Drop for Lone {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}
