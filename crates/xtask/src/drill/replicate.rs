//! Replications under faults: whatever happens, every target is wholly before or wholly after, another try converges, and nothing that
//! was answered as done is lost.

mod bit;
mod clock;
mod cut;
mod full;
mod ground;
mod kill;
mod large;
mod people;
mod slow;

pub(super) use bit::flipped;
pub(super) use clock::clock;
pub(super) use cut::cut;
pub(super) use full::{disk, versions};
pub(super) use ground::Base;
pub(super) use kill::killed;
pub(super) use large::large;
pub(super) use people::people;
pub(super) use slow::slow;

use super::Verdict;
use crate::harness::repositories::{Repository, everything, planned};
use crate::harness::{HarnessError, Result};
use gridhelm_api::changeset::Manifest;
use gridhelm_api::repository::FileId;
use ground::{Ground, SERVER};
use std::collections::BTreeMap;

/// A content that is copied in parts, bytes.
const LARGE: usize = 17 << 20;

type Files = BTreeMap<FileId, Option<Vec<u8>>>;

/// What a replication drill found.
#[derive(Debug, Default)]
struct Found {
    points: usize,
    partial: usize,
    lost: usize,
    verdict: Verdict,
}

impl Found {
    fn done(mut self) -> Verdict {
        let figure = |n: usize| n as f64;
        self.verdict.lost = self.lost;
        self.verdict
            .figures
            .insert("fault_points", figure(self.points));
        self.verdict
            .figures
            .insert("partial_targets", figure(self.partial));
        self.verdict
            .figures
            .insert("lost_acknowledged", figure(self.lost));
        let (partial, lost) = (self.partial, self.lost);
        self.verdict
            .must(partial == 0, || format!("{partial} targets are partial"));
        self.verdict
            .must(lost == 0, || format!("{lost} acknowledged states are lost"));
        self.verdict
    }
}

/// How many times something is tried: by hand as often as `all`; in the tests, which name the server that they were built with, a few
/// times, and on PostgreSQL half as many, for what differs there is the database alone.
fn rounds(base: Base, few: u64, all: u64) -> u64 {
    match (std::env::var_os(SERVER), base) {
        (None, _) => all,
        (Some(_), Base::Sqlite) => few,
        (Some(_), Base::Postgres) => few / 2,
    }
}

fn id(path: &str) -> Result<FileId> {
    FileId::from_path(path).ok_or_else(|| HarnessError(format!("no path: {path}")))
}

/// The same numbers in each run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below.max(1)
    }

    /// So many bytes that do not repeat.
    fn bytes(&mut self, many: usize) -> Vec<u8> {
        let mut content = vec![0_u8; many];
        for chunk in content.chunks_mut(4) {
            let bytes = self.below(u64::MAX).to_le_bytes();
            let many = chunk.len();
            chunk.copy_from_slice(&bytes[..many]);
        }
        content
    }
}

/// The source's next state: other contents, files that come and go, names that are easily mixed up, an empty file, sometimes a large one.
fn next_state(seeded: &mut Seeded, round: u64, with_large: bool) -> Result<Files> {
    let mut files = Files::new();
    for n in 0..40_u64 {
        let path = format!("ann/d-{}/script-{n:02}.R", n % 3);
        let content = if seeded.below(10) == 0 {
            None
        } else {
            Some(format!("x <- {}\n", seeded.below(1000)).into_bytes())
        };
        files.insert(id(&path)?, content);
    }
    // The same name composed and decomposed, and names that differ only in case.
    for (n, name) in [
        "Gr\u{f6}\u{df}e.R",
        "Gro\u{308}\u{df}e.R",
        "case.R",
        "Case.R",
    ]
    .iter()
    .enumerate()
    {
        // The second of each pair comes and goes, the first one stays.
        let there = n % 2 == 0 || seeded.below(3) > 0;
        let content = there.then(|| format!("{name} {n} {round}").into_bytes());
        files.insert(id(&format!("ann/names/{name}"))?, content);
    }
    files.insert(id("ann/names/empty.R")?, Some(Vec::new()));
    if with_large {
        files.insert(id("ann/models/large.rds")?, Some(seeded.bytes(LARGE)));
    }
    Ok(files)
}

/// A target's state as the checker compares it: paths and contents.
fn state(manifest: &Manifest) -> BTreeMap<String, String> {
    let entries = manifest.entries.iter();
    entries.map(|e| (e.id.path(), e.sha256.clone())).collect()
}

/// A plan by which the target becomes as the source, conflicts included.
async fn plan_as_source(
    source: &Repository,
    target: &Repository,
) -> Result<gridhelm_replicate::Plan> {
    let (pair, _) = planned(source, target, &everything()).await?;
    let compared = gridhelm_replicate::compare(pair.source, pair.target);
    let files = compared.files.into_iter();
    let mut all = everything();
    all.choices = files
        .filter(|file| file.parity != gridhelm_replicate::Parity::Same)
        .map(|file| (file.id, gridhelm_replicate::Choice::Source))
        .collect();
    let (_, plan) = planned(source, target, &all).await?;
    Ok(plan)
}
