//! A target whose disk is full, and a file with a thousand versions.

use super::{Base, Files, Found, Ground, Seeded, id, next_state, state};
use crate::drill::Verdict;
use crate::harness::repositories::{applied, everything, planned};
use crate::harness::{HarnessError, Result};
use gridhelm_client::replication::ApplyError;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Less than a large content takes while it is copied, and more than all else.
const SMALL: &str = "24m";
const LARGE: &str = "512m";
const VERSIONS: usize = 1_000;

/// A file system of its own; goes with the value.
struct Disk(PathBuf);

impl Disk {
    /// `None` where we may not mount.
    fn new(at: &Path) -> Result<Option<Self>> {
        std::fs::create_dir_all(at)?;
        let size = format!("size={SMALL},mode=0700");
        Ok(mount(&["-t", "tmpfs", "-o", &size, "tmpfs"], at)?.then(|| Self(at.to_owned())))
    }

    fn grow(&self) -> Result<()> {
        let size = format!("remount,size={LARGE}");
        if mount(&["-o", &size], &self.0)? {
            return Ok(());
        }
        Err(HarnessError::new("the disk could not be made larger"))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the server's log may still be open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(how: &[&str], at: &Path) -> Result<bool> {
    let mut command = Command::new("mount");
    let status = command.args(how).arg(at).stderr(Stdio::null()).status()?;
    Ok(status.success())
}

/// The target's disk fills while a large content is copied: it is as before, says so and lives on; with room again another try
/// converges.
pub(in crate::drill) async fn disk() -> Result<Verdict> {
    let ground = Ground::new("replicate-disk", Base::Sqlite)?;
    let small = ground.folder().join("small");
    let Some(disk) = Disk::new(&small)? else {
        crate::say::progress("skipped", "replicate-disk: a tmpfs cannot be mounted here");
        return Ok(Verdict::default());
    };
    let source = ground.repository("east").await?;
    let target = ground.repository_in(&small, "west").await?;
    let mut seeded = Seeded(11);
    let mut found = Found::default();
    source.put(&next_state(&mut seeded, 0, false)?).await?;
    let (_, plan) = planned(&source, &target, &everything()).await?;
    let first = applied(&source, &target, &plan, &()).await;
    first.map_err(HarnessError::new)?;

    source.put(&next_state(&mut seeded, 1, true)?).await?;
    let before = state(&target.manifest("east").await?);
    let after = state(&source.manifest("west").await?);
    let (_, plan) = planned(&source, &target, &everything()).await?;
    let outcome = applied(&source, &target, &plan, &()).await;
    found.points += 1;
    let told = match &outcome {
        Err(ApplyError::Client(error)) => error.problem().map(|problem| problem.code),
        _ => None,
    };
    found.verdict.must(told.is_some(), || {
        format!("a full disk is not told as a problem: {outcome:?}")
    });
    found.verdict.must(!target.has_ended(), || {
        "the target's server ended with its disk full".to_owned()
    });
    let seen = state(&target.manifest("east").await?);
    found.partial += usize::from(seen != before);

    disk.grow()?;
    let (_, plan) = planned(&source, &target, &everything()).await?;
    let again = applied(&source, &target, &plan, &()).await;
    again.map_err(HarnessError::new)?;
    let last = state(&target.manifest("east").await?);
    found.verdict.must(last == after, || {
        "with room again the second try did not converge".to_owned()
    });
    Ok(found.done())
}

/// A file with a thousand versions: the latest one is replicated, and then an old one that came back.
pub(in crate::drill) async fn versions(base: Base) -> Result<Verdict> {
    let ground = Ground::new("replicate-versions", base)?;
    let source = ground.repository("east").await?;
    let target = ground.repository("west").await?;
    let mut found = Found::default();
    let file = id("ann/d-0/often.R")?;
    let content = |n: usize| Files::from([(file.clone(), Some(format!("x <- {n}\n").into()))]);
    for n in 1..=VERSIONS {
        source.put(&content(n)).await?;
    }
    let kept = source.client().versions(&file).await?;
    let newest = kept.first().map_or(0, |version| version.version);
    found
        .verdict
        .must(usize::try_from(newest) == Ok(VERSIONS), || {
            format!("the source's newest version is {newest}")
        });
    for last in [VERSIONS, 1] {
        // The second time an old content comes back.
        source.put(&content(last)).await?;
        let (_, plan) = planned(&source, &target, &everything()).await?;
        applied(&source, &target, &plan, &())
            .await
            .map_err(HarnessError::new)?;
        let (here, there) = (
            state(&source.manifest("west").await?),
            state(&target.manifest("east").await?),
        );
        found.points += 1;
        found.partial += usize::from(here != there);
    }
    Ok(found.done())
}
