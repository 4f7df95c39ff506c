//! The network between whoever applies a plan and the target is cut, and back; and that between the two servers.

use super::{Base, Files, Found, Ground, Seeded, id, next_state, rounds, state};
use crate::drill::Verdict;
use crate::harness::relay::{Relay, Way};
use crate::harness::repositories::{Repository, Setup, applied_by, everything, planned};
use crate::harness::{HarnessError, Result, ports};
use gridhelm_api::Code;
use gridhelm_client::replication::{ApplyError, Progress, Step, Watch};
use gridhelm_replicate::Plan;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

/// Points at which the way to the target is cut in the long form of the drill, and in the tests.
const POINTS: u64 = 40;
const FEW: u64 = 10;
/// What requests and answers have beside contents, bytes: heads, the list of operations, frames.
const AROUND: u64 = 96 << 10;
/// A content that the target's server fetches by itself, bytes, and the most that it fetches at once.
const MODEL: usize = 20 << 20;
const PIECE: u64 = 8 << 20;

/// Where an application is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// So many bytes after its beginning.
    Content(u64),
    /// So many bytes within the request for the commit.
    Commit(u64),
    /// The commit is done, its answer does not come.
    Answer,
}

/// What becomes of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// The network is back before its tries are over: it goes on by itself.
    GoesOn,
    /// It was given up, as with a closed tab; it is begun again.
    Again,
}

/// Cuts a way as its application goes, and knows how much had been taken over then.
struct Cutter<'a> {
    way: &'a Relay,
    point: Where,
    how: Way,
    /// Bytes of contents that the target has taken, as far as was told.
    taken: Cell<u64>,
    /// Requests made again.
    again: Cell<u32>,
    committing: Cell<bool>,
}

impl Watch for Cutter<'_> {
    fn at(&self, progress: &Progress) {
        self.taken.set(progress.bytes.0);
        self.again.set(progress.again);
        if progress.step == Step::Committing && !self.committing.replace(true) {
            match self.point {
                Where::Content(_) => {}
                Where::Commit(byte) => self.way.cut_up(byte, self.how),
                Where::Answer => self.way.cut_down(0, self.how),
            }
        }
    }

    async fn may_go_on(&self) -> bool {
        true
    }
}

/// What must be sent for a plan to a target that has nothing of it.
fn contents(plan: &Plan) -> u64 {
    let wanted: BTreeMap<_, _> = plan
        .operations
        .iter()
        .filter_map(|o| Some((o.sha256.as_deref()?, o.size)))
        .collect();
    wanted.values().sum()
}

/// The way to the target is cut at seeded points; then, for a large content, the way between the servers too.
pub(in crate::drill) async fn cut(base: Base) -> Result<Verdict> {
    let points = rounds(base, FEW, POINTS);
    let ground = Ground::new("replicate-cut", base)?;
    let source = ground.repository("east").await?;
    let target = ground.repository("west").await?;
    let mut seeded = Seeded(20_261_124);
    let mut found = Found::default();
    for round in 0..points {
        one(&source, &target, round, &mut seeded, &mut found).await?;
    }
    between_servers(&ground, &mut seeded, &mut found).await?;
    Ok(found.done())
}

async fn one(
    source: &Repository,
    target: &Repository,
    round: u64,
    seeded: &mut Seeded,
    found: &mut Found,
) -> Result<()> {
    let with_large = round.is_multiple_of(2);
    source.put(&next_state(seeded, round, with_large)?).await?;
    let before = state(&target.manifest("east").await?);
    let after = state(&source.manifest("west").await?);
    let (_, plan) = planned(source, target, &everything()).await?;
    let all = contents(&plan);
    let point = match round % 5 {
        3 => Where::Commit(seeded.below(300)),
        4 => Where::Answer,
        _ => Where::Content(seeded.below(all)),
    };
    let how = if seeded.below(2) == 0 {
        Way::Silent
    } else {
        Way::Broken
    };
    let then = if seeded.below(2) == 0 {
        After::GoesOn
    } else {
        After::Again
    };
    let what = format!("round {round}: {point:?} {how:?} {then:?}");
    let way = Relay::to_url(&target.url).await?;
    let (from, to) = (source.client(), target.client_by(&way.url));
    if let Where::Content(byte) = point {
        way.cut_up(byte, how);
    }
    let cutter = Cutter {
        way: &way,
        point,
        how,
        taken: Cell::default(),
        again: Cell::default(),
        committing: Cell::default(),
    };
    let mut applying = Box::pin(applied_by(&from, &to, &plan, &cutter));
    let was_cut = tokio::select! {
        () = way.cut() => true,
        done = &mut applying => {
            // It needed fewer bytes than that.
            done.map_err(HarnessError::new)?;
            false
        }
    };
    found.points += usize::from(was_cut);
    found
        .verdict
        .must(was_cut || matches!(point, Where::Content(_)), || {
            format!("{what}: it was not cut")
        });
    if was_cut {
        // The other end is looked at by a way of its own, a moment later: what it got, it may still be working on.
        let pause = tokio::time::sleep(Duration::from_millis(100 + seeded.below(300)));
        let early = tokio::select! {
            () = pause => None,
            done = &mut applying => Some(done),
        };
        found.verdict.must(early.is_none(), || {
            format!("{what}: it ended while the network was cut: {early:?}")
        });
        let seen = state(&target.manifest("east").await?);
        found.partial += usize::from(seen != before && seen != after);
        found
            .verdict
            .must(seen == before || point == Where::Answer, || {
                format!("{what}: it was committed without its commit")
            });
        let (sent, taken) = (way.up(), cutter.taken.get());
        if then == After::Again {
            drop(applying);
            way.set(Way::Broken);
            way.set(Way::Open);
            // A commit whose answer was lost may still be at work: then a plan made meanwhile is stale, as it must be.
            let mut stale = point == Where::Answer;
            loop {
                let (_, plan) = planned(source, target, &everything()).await?;
                if plan.is_empty() {
                    break;
                }
                match applied_by(&from, &to, &plan, &()).await {
                    Ok(_) => break,
                    Err(ApplyError::Client(error))
                        if stale && error.code() == Some(Code::PlanStale) =>
                    {
                        stale = false;
                    }
                    Err(error) => return Err(HarnessError(format!("{what}: {error}"))),
                }
            }
        } else {
            way.set(Way::Open);
            applying
                .await
                .map_err(|e| HarnessError(format!("{what}: {e}")))?;
        }
        let more = way.up() - sent;
        found.verdict.must(more <= all - taken + AROUND, || {
            format!("{what}: {more} bytes were sent after it, and {taken} of {all} were there")
        });
    }
    let last = state(&target.manifest("east").await?);
    found.verdict.must(last == after, || {
        format!("{what}: the target is not as the source")
    });
    found.lost += usize::from(last == before && before != after);
    Ok(())
}

/// A large content goes from server to server. The way between them is cut: the rest goes through whoever applies. The way from there to
/// the target is cut: the servers go on, and nothing goes that way.
async fn between_servers(ground: &Ground, seeded: &mut Seeded, found: &mut Found) -> Result<()> {
    let port = ports::one()?;
    let between = Relay::to(port).await?;
    let source = ground.repository_as(
        "north",
        Setup {
            port: Some(port),
            public_url: Some(between.url.clone()),
            ..Setup::default()
        },
    );
    let source = source.await?;
    let target = ground.repository_as(
        "south",
        Setup {
            sources: vec![between.url.clone()],
            ..Setup::default()
        },
    );
    let target = target.await?;
    let way = Relay::to_url(&target.url).await?;
    let (from, to) = (source.client(), target.client_by(&way.url));
    let model = MODEL as u64;
    for (round, cut) in [(0, None), (1, Some(&between)), (2, Some(&way))] {
        let rest_by_hand = round == 1;
        let file = id(&format!("ann/models/model-{round}.rds"))?;
        let bytes = Some(seeded.bytes(MODEL));
        source.put(&Files::from([(file, bytes)])).await?;
        let after = state(&source.manifest("south").await?);
        let before = state(&target.manifest("north").await?);
        let (_, plan) = planned(&source, &target, &everything()).await?;
        let (went, pulled) = (way.up(), between.down());
        if cut.is_some() {
            between.cut_down(seeded.below(model * 2 / 3), Way::Silent);
        }
        let mut applying = Box::pin(applied_by(&from, &to, &plan, &()));
        if let Some(cut) = cut {
            tokio::select! {
                () = between.cut() => {}
                done = &mut applying => {
                    return Err(HarnessError(format!("nothing was pulled: {done:?}")));
                }
            }
            cut.set(Way::Broken);
            let pause = tokio::time::sleep(Duration::from_millis(200 + seeded.below(800)));
            let early = tokio::select! {
                () = pause => None,
                done = &mut applying => Some(done),
            };
            found.points += 1;
            let seen = state(&target.manifest("north").await?);
            let done = early.transpose().map_err(HarnessError::new)?.is_some();
            found.partial += usize::from(seen != before && seen != after);
            // Whoever applies reaches the target as ever while only the servers are cut from each other: it may commit at any moment,
            // and be seen before its answer came.
            found.verdict.must(seen == before || rest_by_hand, || {
                format!("model {round}: it was committed without its commit")
            });
            found.verdict.must(seen == after || !done, || {
                format!("model {round}: it is told to be done and is not")
            });
            way.set(Way::Open);
            between.set(Way::Open);
            if !done {
                applying.await.map_err(HarnessError::new)?;
            }
        } else {
            applying.await.map_err(HarnessError::new)?;
        }
        let last = state(&target.manifest("north").await?);
        found.verdict.must(last == after, || {
            format!("model {round}: the target is not as the source")
        });
        let (went, pulled) = (way.up() - went, between.down() - pulled);
        let told = format!("model {round}: {went} bytes by hand, {pulled} from server to server");
        crate::say::progress("seen", &told);
        // Only what was on its way was sent twice.
        found
            .verdict
            .must(went + pulled <= model + PIECE + AROUND, || told.clone());
        found
            .verdict
            .must(rest_by_hand == (went > AROUND), || told.clone());
    }
    Ok(())
}
