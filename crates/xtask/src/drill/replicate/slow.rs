//! A slow network: an application of a plan finishes, tells how far it is, runs into no time-out, and can be called off.

use super::{Base, Files, Found, Ground, Seeded, id, state};
use crate::drill::Verdict;
use crate::drill::namespaces::{self, Lone, enter};
use crate::harness::repositories::{applied, everything, planned};
use crate::harness::{HarnessError, Result};
use gridhelm_client::replication::{ApplyError, Progress, Step, Watch};
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// What goes through the network, kbit a second. A content goes from the source, and then to the target.
const RATE: u32 = 2_000;
/// Files whose names alone take a while, and contents that differ, with their bytes.
const FILES: usize = 15_000;
const CONTENTS: usize = 4;
const BYTES: usize = 200 << 10;
/// What a request may take that is not known to take longer.
const PLAIN: Duration = Duration::from_secs(10);
/// After so long a person wants to see something move, or stop.
const PATIENCE: Duration = Duration::from_secs(15);

/// Runs on a thread of its own, which makes a network namespace and enters it.
pub(in crate::drill) async fn slow() -> Result<Verdict> {
    if let Some(why) = namespaces::missing() {
        crate::say::progress("skipped", format_args!("replicate-slow: {why}"));
        return Ok(Verdict::default());
    }
    let (done, outcome) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = done.send(alone());
    });
    outcome.await.map_err(HarnessError::new)?
}

fn alone() -> Result<Verdict> {
    let place = Lone::new()?;
    let inside = place.path();
    enter(&inside)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(move || {
            if let Err(error) = enter(&inside) {
                crate::say::progress("error", error);
            }
        })
        .build()?;
    runtime.block_on(within(&place))
}

async fn within(place: &Lone) -> Result<Verdict> {
    let ground = Ground::new("replicate-slow", Base::Sqlite)?;
    let source = ground.repository("east").await?;
    let target = ground.repository("west").await?;
    let mut seeded = Seeded(23);
    let mut found = Found::default();
    let mut files = Files::new();
    for n in 0..FILES {
        let name = format!("ann/d-{:03}/a-script-with-a-long-name-{n:05}.R", n % 100);
        files.insert(id(&name)?, Some(b"x <- 1\n".to_vec()));
    }
    for n in 0..CONTENTS {
        let content = seeded.bytes(BYTES);
        files.insert(id(&format!("ann/models/model-{n}.rds"))?, Some(content));
    }
    source.put(&files).await?;
    let (_, plan) = planned(&source, &target, &everything()).await?;
    let after = state(&source.manifest("west").await?);
    if let Err(why) = place.slow(RATE) {
        crate::say::progress("skipped", format_args!("replicate-slow: {why}"));
        return Ok(Verdict::default());
    }
    let seen = Seen::new(None);
    let began = Instant::now();
    let done = applied(&source, &target, &plan, &seen).await;
    let took = began.elapsed();
    done.map_err(HarnessError::new)?;
    found.points += 1;
    // Longer than a plain request may take: otherwise this would show nothing.
    let opening = seen.opening();
    found.verdict.must(opening > PLAIN, || {
        format!("the target was told the plan in {opening:?}: that is no slow network")
    });
    let (again, still) = (seen.again.get(), seen.still());
    found.verdict.must(again == 0, || {
        format!("{again} requests were made again: something ran out of time")
    });
    found.verdict.must(still < PATIENCE, || {
        format!("nothing was told for {still:?} while contents were copied")
    });
    found.verdict.figure("slow_apply_ms", took);
    found.verdict.figure("slow_opening_ms", opening);
    found.verdict.figure("slow_longest_still_ms", still);
    // Called off in the middle: soon, and nothing was written. With the network as it was, another try goes on.
    place.quick()?;
    let before = state(&target.manifest("east").await?);
    found.partial += usize::from(before != after);
    let large = seeded.bytes(4 << 20);
    source
        .put(&Files::from([(id("ann/models/model-9.rds")?, Some(large))]))
        .await?;
    let (_, plan) = planned(&source, &target, &everything()).await?;
    place.slow(RATE)?;
    let seen = Seen::new(Some(Duration::from_secs(3)));
    let began = Instant::now();
    let done = applied(&source, &target, &plan, &seen).await;
    let took = began.elapsed();
    place.quick()?;
    found.points += 1;
    found
        .verdict
        .must(matches!(done, Err(ApplyError::CalledOff)), || {
            format!("called off, it said {done:?}")
        });
    found.verdict.must(took < PATIENCE, || {
        format!("it was called off only after {took:?}")
    });
    found.verdict.figure("slow_called_off_ms", took);
    let now = state(&target.manifest("east").await?);
    found.partial += usize::from(now != before);
    let went_on = Seen::new(None);
    let done = applied(&source, &target, &plan, &went_on).await;
    done.map_err(HarnessError::new)?;
    let last = state(&target.manifest("east").await?);
    let after = state(&source.manifest("west").await?);
    found.verdict.must(last == after, || {
        "called off and begun again, the target is not as the source".to_owned()
    });
    Ok(found.done())
}

/// When something was told.
struct Seen {
    told: RefCell<Vec<(Instant, Step)>>,
    again: Cell<u32>,
    /// It is called off so long after its first content.
    until: Option<Duration>,
}

impl Seen {
    fn new(until: Option<Duration>) -> Self {
        Self {
            told: RefCell::default(),
            again: Cell::default(),
            until,
        }
    }

    /// The longest time without a word while contents were copied.
    fn still(&self) -> Duration {
        let told = self.told.borrow();
        let copied = told
            .windows(2)
            .filter(|pair| pair[0].1 == Step::Copying)
            .map(|pair| pair[1].0 - pair[0].0);
        copied.max().unwrap_or_default()
    }

    /// How long the target was told what shall be done.
    fn opening(&self) -> Duration {
        let told = self.told.borrow();
        let at = |step| told.iter().find(|(_, s)| *s == step).map(|(at, _)| *at);
        match (at(Step::Opening), at(Step::Copying)) {
            (Some(from), Some(to)) => to - from,
            _ => Duration::ZERO,
        }
    }
}

impl Watch for Seen {
    fn at(&self, progress: &Progress) {
        self.told.borrow_mut().push((Instant::now(), progress.step));
        self.again.set(progress.again);
    }

    async fn may_go_on(&self) -> bool {
        let told = self.told.borrow();
        let copying = told.iter().find(|(_, step)| *step == Step::Copying);
        let since = copying.map(|(at, _)| at.elapsed());
        self.until.is_none_or(|until| since <= Some(until))
    }
}
