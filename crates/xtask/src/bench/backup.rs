//! Part of `cargo xtask bench base`: a group of 1 GB backed up and restored by the command, reading back included.

use super::Figure;
use super::lone::{self, Bench};
use super::stats::median;
use crate::harness::api::Api;
use crate::harness::{HarnessError, Result};
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Files, and bytes of each: a gigabyte in all.
const FILES: usize = 50;
const EACH: usize = 20_000_000;
/// Runs of each figure.
const RUNS: usize = 3;
/// Measures and prints `backup_1gb_s` and `restore_1gb_s`.
///
/// # Errors
/// The first thing that could not be measured.
pub async fn run() -> Result<()> {
    let bench = Bench::new("bench-backup")?;
    let (program, folder) = (&*bench.program, &*bench.folder);
    let url = format!("http://{}", lone::address()?);
    let config = bench.configuration("from", &url, "")?;
    let server = bench.start(&config)?;
    fill(&url, &server.admin(&url, None).await?).await?;
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
        let config = bench.configuration(&format!("into-{run}"), &url, "")?;
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

/// Puts the files: half of each repeats itself, as text does, the other half is noise, as plots are.
async fn fill(url: &str, api: &Api) -> Result<()> {
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
        let request = http.put(&path).bearer_auth(api.token());
        let request = request.header("if-none-match", "*").body(content);
        let status = request.send().await?.status();
        if !status.is_success() {
            return Err(HarnessError::new(format!(
                "file {n} was not taken: {status}"
            )));
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
