//! What a large value costs on its way from R: time, and memory beyond the value itself. On an Rserve of its own.

use super::Figure;
use super::stats::median;
use crate::deployment::node::user;
use crate::harness::{HarnessError, Result};
use crate::set_up::apt::RSERVE;
use gridhelm_rserve::{Connection, Endpoint, Options};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Numbers of the measured vector: 32 MB.
const NUMBERS: usize = 4_000_000;
const RUNS: usize = 15;
/// The first argument with which the measuring program calls itself: memory is measured in a process of its own.
pub const PEAK: &str = "peak-of-a-value";

/// Measures and prints both figures.
///
/// # Errors
/// That Rserve does not start or does not answer.
pub async fn run() -> Result<()> {
    let node = Node::start().await?;
    let mut connection = node.open().await?;
    let make = format!("x <- as.numeric(seq_len({NUMBERS})); 0");
    connection.eval(&make).await.map_err(HarnessError::new)?;
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let began = Instant::now();
        let value = connection.eval("x").await.map_err(HarnessError::new)?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        if value.len() != NUMBERS {
            return Err(HarnessError("the vector came back shorter".into()));
        }
    }
    connection.close().await;
    Figure::new("decode_32mb_vector_ms", median(&times), "ms", RUNS)
        .bar(120.0)
        .peer("236 ms with JSON, an earlier client (evaluation, transfer and decoding on one host)")
        .print();

    let program = std::env::current_exe()?;
    let mut peaks = Vec::new();
    for _ in 0..3 {
        let output = Command::new(&program)
            .args([PEAK, &node.port.to_string()])
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        peaks.push(text.trim().parse().map_err(|_| {
            let told = String::from_utf8_lossy(&output.stderr);
            HarnessError(format!("the measuring process said \"{text}\" {told}"))
        })?);
    }
    Figure::new("decode_peak_over_size", median(&peaks), "×", peaks.len())
        .bar(1.3)
        .print();
    Ok(())
}

/// In a process of its own: prints how much resident memory grew at most while the vector was taken, over its size.
///
/// # Errors
/// That the node does not answer, or that `/proc` does not tell.
#[allow(clippy::print_stdout, reason = "the other process reads it")]
pub async fn peak(port: Option<String>) -> Result<()> {
    let port = port.and_then(|port| port.parse().ok());
    let port = port.ok_or_else(|| HarnessError("give a port".into()))?;
    let mut connection = open(port).await?;
    // What the first use of a connection needs is none of the value's.
    connection
        .eval("numeric(1e4)")
        .await
        .map_err(HarnessError::new)?;
    let make = format!("x <- as.numeric(seq_len({NUMBERS})); 0");
    connection.eval(&make).await.map_err(HarnessError::new)?;
    // The highest memory so far is forgotten.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let before = resident("VmRSS:")?;
    let value = connection.eval("x").await.map_err(HarnessError::new)?;
    let most = resident("VmHWM:")?;
    let size = value.len() as f64 * 8.0;
    println!("{}", (most - before) / size);
    Ok(())
}

/// A line of this process' memory, bytes.
fn resident(name: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kb.map(|kb| kb * 1024.0)
        .ok_or_else(|| HarnessError(format!("/proc/self/status has no {name}")))
}

async fn open(port: u16) -> Result<Connection> {
    let endpoint = Endpoint {
        host: "127.0.0.1".to_owned(),
        port,
    };
    Connection::open(&endpoint, None, &Options::default())
        .await
        .map_err(HarnessError::new)
}

/// An Rserve for this host only, ended and removed when dropped.
struct Node {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Node {
    async fn start() -> Result<Self> {
        let program = RSERVE
            .iter()
            .find(|path| Path::new(path).exists())
            .ok_or_else(|| HarnessError("Rserve is not installed".into()))?;
        let folder = std::env::temp_dir().join(format!("gridhelm-bench-{}", std::process::id()));
        let work = folder.join("work");
        std::fs::create_dir_all(&work)?;
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755))?;
        let port = crate::harness::ports::one()?;
        let configuration = folder.join("Rserv.conf");
        let text = format!(
            "port {port}\nremote disable\ndaemon disable\nmaxsendbuf 0\nencoding utf8\n\
             interactive no\nshutdown disable\nworkdir {}\n",
            work.display()
        );
        std::fs::write(&configuration, text)?;
        let mut command = match user() {
            // Nodes never run as root.
            Some((uid, gid)) => {
                chown(&work, Some(uid), Some(gid))?;
                let mut command = Command::new("setpriv");
                let (uid, gid) = (uid.to_string(), gid.to_string());
                command.args(["--reuid", &uid, "--regid", &gid, "--clear-groups", program]);
                command
            }
            None => Command::new(program),
        };
        let child = command
            .arg("--RS-conf")
            .arg(&configuration)
            .args(["--no-save", "--vanilla"])
            .env("R_HOME", "/usr/lib/R")
            .env("LD_LIBRARY_PATH", "/usr/lib/R/lib")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let node = Self {
            child,
            port,
            folder,
        };
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            match node.open().await {
                Ok(connection) => {
                    connection.close().await;
                    return Ok(node);
                }
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    async fn open(&self) -> Result<Connection> {
        open(self.port).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
