//! A model of 2 GiB: by the servers alone and by hand, with a break in the middle, and with bounded memory.

use super::{Base, Found, Ground, Seeded, id, state};
use crate::drill::Verdict;
use crate::harness::relay::{Relay, Way};
use crate::harness::repositories::{Repository, Setup, applied, applied_by, everything, planned};
use crate::harness::{HarnessError, Result, ports};
use gridhelm_api::changeset::{ChangesetRequest, Operation, VerifyRequest};
use sha2::{Digest as _, Sha256};
use std::time::Instant;

/// Its bytes, and those of a part that is made at once.
const MODEL: u64 = 2 << 30;
const PART: u64 = 8 << 20;
/// What may be sent twice after a break, and what requests have beside contents, bytes.
const TWICE: u64 = 8 << 20;
/// The most memory that a server may have had, bytes: far less than the model.
const MEMORY: u64 = 400 << 20;

/// The bytes of a part, the same each time.
fn part(number: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ (number + 1).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mut bytes = Vec::with_capacity(usize::try_from(PART).unwrap_or_default());
    while (bytes.len() as u64) < PART {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

fn hash() -> String {
    let mut hash = Sha256::new();
    for number in 0..MODEL / PART {
        hash.update(part(number));
    }
    gridhelm_replicate::hex(&hash.finalize())
}

/// Writes the model into a repository, in parts; the network breaks in the middle, and it goes on with what came.
async fn put(repository: &Repository, sha256: &str, found: &mut Found) -> Result<()> {
    let way = Relay::to_url(&repository.url).await?;
    let client = repository.client_by(&way.url);
    let request = ChangesetRequest {
        plan: "filled".to_owned(),
        source: repository.group.clone(),
        operations: vec![Operation {
            id: id("ann/models/model.rds")?,
            sha256: Some(sha256.to_owned()),
            size: MODEL,
            ..Operation::default()
        }],
        reason: "a test's model".to_owned(),
    };
    way.cut_up(MODEL / 4 + Seeded(3).below(MODEL / 2), Way::Broken);
    let mut changeset = client.open_changeset(&request).await?.id;
    let (mut at, mut broke) = (0, 0);
    while at < MODEL {
        let bytes = part(at / PART).split_off(usize::try_from(at % PART).unwrap_or_default());
        match client.upload_part(&changeset, sha256, at, bytes).await {
            Ok(state) => at = state.have,
            Err(error) if broke == 0 && error.try_another() => {
                broke += 1;
                way.set(Way::Open);
                changeset = client.open_changeset(&request).await?.id;
                let state = client
                    .upload_part(&changeset, sha256, 0, Vec::new())
                    .await?;
                at = state.have;
            }
            Err(error) => return Err(error.into()),
        }
    }
    client.commit_changeset(&changeset).await?;
    found.points += broke;
    let sent = way.up();
    found
        .verdict
        .must(broke == 1 && sent < MODEL + 2 * TWICE, || {
            format!("{sent} bytes were sent for the model, with {broke} breaks")
        });
    Ok(())
}

/// The model goes from server to server with a break in the middle, then to another target by hand.
pub(in crate::drill) async fn large(base: Base) -> Result<Verdict> {
    let ground = Ground::new("replicate-large", base)?;
    let port = ports::one()?;
    let between = Relay::to(port).await?;
    let setup = Setup {
        port: Some(port),
        public_url: Some(between.url.clone()),
        ..Setup::default()
    };
    let source = ground.repository_as("east", setup).await?;
    let setup = Setup {
        sources: vec![between.url.clone()],
        ..Setup::default()
    };
    let target = ground.repository_as("west", setup).await?;
    let by_hand = ground.repository("south").await?;
    let mut found = Found::default();
    let sha256 = hash();
    let began = Instant::now();
    put(&source, &sha256, &mut found).await?;
    found.verdict.figure("large_upload_ms", began.elapsed());

    let way = Relay::to_url(&target.url).await?;
    let (from, to) = (source.client(), target.client_by(&way.url));
    let (_, plan) = planned(&source, &target, &everything()).await?;
    let byte = MODEL / 4 + Seeded(5).below(MODEL / 2);
    between.cut_down(byte, Way::Silent);
    let began = Instant::now();
    tokio::select! {
        () = between.cut() => {}
        done = applied_by(&from, &to, &plan, &()) => {
            return Err(HarnessError(format!("it was not cut: {done:?}")));
        }
    }
    found.points += 1;
    // The tab is closed, the network is gone and comes back.
    way.set(Way::Broken);
    between.set(Way::Broken);
    let none = target.manifest("east").await?.entries.is_empty();
    found.partial += usize::from(!none);
    way.set(Way::Open);
    between.set(Way::Open);
    let (_, plan) = planned(&source, &target, &everything()).await?;
    let done = applied_by(&from, &to, &plan, &()).await;
    let done = done.map_err(HarnessError::new)?;
    found.verdict.figure("large_pull_ms", began.elapsed());
    let (pulled, went) = (between.down(), way.up());
    found
        .verdict
        .must(pulled < MODEL + TWICE && went < TWICE, || {
            format!("{pulled} bytes went from server to server and {went} by hand")
        });
    same(&source, &target, &sha256, &done.id, &mut found).await?;
    found.verdict.figures.insert(
        "large_sent_twice_kib",
        (pulled.saturating_sub(MODEL) >> 10) as f64,
    );

    let (_, plan) = planned(&source, &by_hand, &everything()).await?;
    let began = Instant::now();
    let done = applied(&source, &by_hand, &plan, &()).await;
    let done = done.map_err(HarnessError::new)?;
    found.verdict.figure("large_by_hand_ms", began.elapsed());
    same(&source, &by_hand, &sha256, &done.id, &mut found).await?;
    for (name, server) in [
        ("large_source_peak_mib", &source),
        ("large_target_peak_mib", &target),
        ("large_by_hand_peak_mib", &by_hand),
    ] {
        let peak = server.peak_memory()?;
        found.verdict.figures.insert(name, (peak >> 20) as f64);
        found.verdict.must(peak < MEMORY, || {
            format!("{} needed {} MiB", server.group, peak >> 20)
        });
    }
    Ok(found.done())
}

/// The target is as the source, and what it reads again has the hash.
async fn same(
    source: &Repository,
    target: &Repository,
    sha256: &str,
    changeset: &str,
    found: &mut Found,
) -> Result<()> {
    let (here, there) = (
        source.manifest("west").await?,
        target.manifest("east").await?,
    );
    let whole = state(&here) == state(&there) && there.entries.iter().any(|e| e.sha256 == sha256);
    found.points += 1;
    found.partial += usize::from(!whole);
    let request = VerifyRequest {
        changeset: Some(changeset.to_owned()),
        after: None,
    };
    let began = Instant::now();
    let checked = target.client().verify_contents(&request).await?;
    found.verdict.figure("large_verify_ms", began.elapsed());
    found
        .verdict
        .must(checked.damaged.is_empty() && checked.bytes == MODEL, || {
            format!("read again: {checked:?}")
        });
    Ok(())
}
