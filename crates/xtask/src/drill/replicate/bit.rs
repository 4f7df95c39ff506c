//! A bit flips on the target's disk.

use super::{Base, Found, Ground, Seeded, id, next_state};
use crate::drill::Verdict;
use crate::harness::repositories::{applied, everything, planned};
use crate::harness::{HarnessError, Result};
use gridhelm_api::changeset::VerifyRequest;
use std::path::{Path, PathBuf};

/// A bit flips on the target's disk, in a content that is read by nobody: the deep check finds it, and nothing else.
pub(in crate::drill) async fn flipped() -> Result<Verdict> {
    let ground = Ground::new("replicate-bit", Base::Sqlite)?;
    let source = ground.repository("east").await?;
    let target = ground.repository("west").await?;
    let mut found = Found::default();
    let mut files = next_state(&mut Seeded(3), 0, false)?;
    let marked = b"# the marked line of a script that nobody reads\n".to_vec();
    files.insert(id("ann/d-0/marked.R")?, Some(marked.clone()));
    source.put(&files).await?;
    let (_, plan) = planned(&source, &target, &everything()).await?;
    let committed = applied(&source, &target, &plan, &())
        .await
        .map_err(HarnessError::new)?;
    let deep = VerifyRequest {
        changeset: Some(committed.id.clone()),
        after: None,
    };
    let whole = target.client().verify_contents(&deep).await?;
    found.verdict.must(whole.damaged.is_empty(), || {
        format!("before the bit flipped: {:?}", whole.damaged)
    });
    target.kill();
    fold(&target.database)?;
    flip(&target.database, &marked)?;
    target.begin().await?;
    found.points += 1;
    for request in [deep, VerifyRequest::default()] {
        let checked = target.client().verify_contents(&request).await?;
        let names: Vec<_> = checked.damaged.iter().map(|d| d.id.name.as_str()).collect();
        found.verdict.must(names == ["marked.R"], || {
            format!("after the bit flipped {names:?} are damaged")
        });
    }
    let report = target.client().changeset(&committed.id).await?;
    let kept = report.record.verified.map_or(0, |v| v.damaged.len());
    found
        .verdict
        .must(kept == 1, || format!("{kept} damaged files are on record"));
    Ok(found.done())
}

/// Brings what is in a database's log alone into its file.
fn fold(database: &Path) -> Result<()> {
    let code = "import sqlite3, sys\nprint(sqlite3.connect(sys.argv[1]).execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchone()[0])";
    let output = std::process::Command::new("python3")
        .args(["-c", code])
        .arg(database)
        .output()?;
    if output.status.success() && output.stdout.starts_with(b"0") {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(HarnessError(format!("the log was not folded in: {told}")))
}

/// Flips a bit of every place in a file, and its log, where these bytes are.
fn flip(database: &Path, bytes: &[u8]) -> Result<()> {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    // What is in the log alone is brought into the file by the next start; a changed log would not be read at all.
    let log = PathBuf::from(log);
    if log.is_file()
        && std::fs::read(&log)?
            .windows(bytes.len())
            .any(|w| w == bytes)
    {
        return Err(HarnessError::new("the content is still in the log"));
    }
    let mut content = std::fs::read(database)?;
    let places: Vec<usize> = (0..content.len().saturating_sub(bytes.len()))
        .filter(|at| content[*at..].starts_with(bytes))
        .collect();
    if places.is_empty() {
        return Err(HarnessError::new("the content is not in the file"));
    }
    for at in places {
        content[at + 2] ^= 1;
    }
    Ok(std::fs::write(database, content)?)
}
