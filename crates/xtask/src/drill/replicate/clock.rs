//! A target whose clock is an hour ahead of the source's, and one whose clock is an hour behind.

use super::{Base, Files, Found, Ground, Seeded, id, next_state, state};
use crate::drill::Verdict;
use crate::drill::grid::Shared;
use crate::harness::repositories::{Repository, Setup, applied, everything, planned};
use crate::harness::{HarnessError, Result};
use crate::set_up::apt::{self, FAKETIME};
use gridhelm_api::changeset::VerifyRequest;
use gridhelm_api::repository::FileId;
use gridhelm_replicate::{Parity, compare};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// An hour, and how far a clock may be from that, milliseconds.
const HOUR: i64 = 3_600_000;
const ABOUT: i64 = 120_000;

/// Plans, applications, verification and history go by what happened, never by two machines' clocks.
pub(in crate::drill) async fn clock(base: Base) -> Result<Verdict> {
    let Some(library) = apt::find(&FAKETIME) else {
        let what = FAKETIME.what;
        crate::say::progress(
            "skipped",
            format_args!("replicate-clock: {what} is not installed"),
        );
        return Ok(Verdict::default());
    };
    let _shared = Shared::new();
    let ground = Ground::new("replicate-clock", base)?;
    let source = ground.repository("east").await?;
    let mut seeded = Seeded(17);
    let mut found = Found::default();
    for (group, hours) in [("west", 1), ("south", -1)] {
        let setup = Setup {
            sources: vec![source.url.clone()],
            environment: another_clock(library, hours),
            ..Setup::default()
        };
        let target = ground.repository_as(group, setup).await?;
        for round in 0..3 {
            let files = next_state(&mut seeded, round, round == 1)?;
            source.put(&files).await?;
            there_and_told(&source, &target, hours * HOUR, &mut found).await?;
        }
        moved_on(&source, &target, &mut found).await?;
    }
    Ok(found.done())
}

fn another_clock(library: &Path, hours: i64) -> Vec<(String, String)> {
    [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", format!("{:+}s", hours * 3600)),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// A replication, its verification and its place in the history.
async fn there_and_told(
    source: &Repository,
    target: &Repository,
    ahead: i64,
    found: &mut Found,
) -> Result<()> {
    let (_, plan) = planned(source, target, &everything()).await?;
    let done = applied(source, target, &plan, &()).await;
    let done = done.map_err(HarnessError::new)?;
    found.points += 1;
    let (here, there) = (
        state(&source.manifest("west").await?),
        state(&target.manifest("east").await?),
    );
    found.partial += usize::from(here != there);
    for changeset in [Some(done.id.clone()), None] {
        let request = VerifyRequest {
            changeset,
            after: None,
        };
        let checked = target.client().verify_contents(&request).await?;
        found
            .verdict
            .must(checked.damaged.is_empty() && checked.files > 0, || {
                format!("the check of whole files says {checked:?}")
            });
    }
    let history = target.client().changesets(None).await?.items;
    let newest = history.first();
    found
        .verdict
        .must(newest.is_some_and(|newest| newest.id == done.id), || {
            format!("the newest of the history is {newest:?}")
        });
    // Without this the drill would show nothing.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = i64::try_from(now.map_err(HarnessError::new)?.as_millis());
    let off = newest.map_or(0, |newest| newest.at) - now.map_err(HarnessError::new)?;
    found.verdict.must((off - ahead).abs() < ABOUT, || {
        format!("the target's clock is {off} ms from ours, not {ahead}")
    });
    Ok(())
}

/// A file that moved on at the target is newer there, and one that moved on at the source is to be copied, whatever their times say.
async fn moved_on(source: &Repository, target: &Repository, found: &mut Found) -> Result<()> {
    let (here, there) = (id("ann/names/case.R")?, id("ann/names/empty.R")?);
    let edit = |file, text: &str| Files::from([(file, Some(text.as_bytes().to_vec()))]);
    source.put(&edit(here.clone(), "moved on here")).await?;
    target.put(&edit(there.clone(), "moved on there")).await?;
    for (from, to, newer) in [(source, target, &there), (target, source, &here)] {
        let (pair, plan) = planned(from, to, &everything()).await?;
        let compared = compare(pair.source, pair.target).files;
        let parity = |file: &FileId| {
            let found = compared.iter().find(|f| f.id == *file);
            found.map(|f| f.parity)
        };
        let other = if *newer == there { &here } else { &there };
        let seen = (parity(newer), parity(other));
        let wanted = (Some(Parity::Newer), Some(Parity::Differs));
        found.verdict.must(seen == wanted, || {
            format!("what moved on there and here is told as {seen:?}")
        });
        let planned: Vec<_> = plan.operations.iter().map(|op| &op.id).collect();
        found.verdict.must(planned == [other], || {
            format!("the plan is for {planned:?}, not for {}", other.path())
        });
    }
    found.points += 1;
    Ok(())
}
