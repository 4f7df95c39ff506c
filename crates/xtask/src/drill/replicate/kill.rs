//! The target, or the source, is killed at seeded points of an application.

use super::{Base, Found, Ground, Seeded, next_state, rounds, state};
use crate::drill::Verdict;
use crate::harness::repositories::{Repository, applied, everything, planned};
use crate::harness::{HarnessError, Result};
use gridhelm_client::replication::{Progress, Step, Watch};
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// Points at which a server is killed in the long form of the drill.
const POINTS: u64 = 54;
/// In the tests: each takes about a second.
const FEW: u64 = 12;

/// When a server is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Point {
    /// At the how-many-th thing that is told about the application.
    at: usize,
    /// So much later, microseconds.
    after: u64,
    /// The target, or the source.
    target: bool,
}

/// Kills a server at a point of an application, and starts it again.
struct Killer<'a> {
    source: &'a Repository,
    target: &'a Repository,
    point: Point,
    told: Cell<usize>,
    killed: RefCell<Option<Step>>,
}

impl<'a> Killer<'a> {
    fn new(source: &'a Repository, target: &'a Repository, point: Point) -> Self {
        Self {
            source,
            target,
            point,
            told: Cell::new(0),
            killed: RefCell::new(None),
        }
    }

    fn kill(&self, step: Step) {
        let which = if self.point.target {
            self.target
        } else {
            self.source
        };
        let (program, wait) = (which.killer(), Duration::from_micros(self.point.after));
        // A thread of its own: the request that is on its way goes on meanwhile.
        std::thread::spawn(move || {
            std::thread::sleep(wait);
            program.now();
        });
        *self.killed.borrow_mut() = Some(step);
    }
}

impl Watch for Killer<'_> {
    fn at(&self, progress: &Progress) {
        let told = self.told.get();
        self.told.set(told + 1);
        if told == self.point.at && self.killed.borrow().is_none() {
            self.kill(progress.step);
        }
    }

    async fn may_go_on(&self) -> bool {
        true
    }
}

/// The target (or the source) is killed at seeded points of an application.
pub(in crate::drill) async fn killed(base: Base) -> Result<Verdict> {
    let points = rounds(base, FEW, POINTS);
    let ground = Ground::new("replicate-kill", base)?;
    let source = ground.repository("east").await?;
    let target = ground.repository("west").await?;
    let mut seeded = Seeded(20_261_123);
    let mut found = Found::default();
    for round in 0..points {
        let with_large = round % 3 == 0;
        source
            .put(&next_state(&mut seeded, round, with_large)?)
            .await?;
        let before = state(&target.manifest("east").await?);
        let after = state(&source.manifest("west").await?);
        let (_, plan) = planned(&source, &target, &everything()).await?;
        let point = Point {
            at: usize::try_from(seeded.below(if with_large { 9 } else { 4 })).unwrap_or_default(),
            after: seeded.below(15_000),
            target: seeded.below(5) > 0,
        };
        let killer = Killer::new(&source, &target, point);
        // The one that was killed is started again as a supervisor does, and looked at before anything else is asked of it.
        let outcome = applied_until_killed(&source, &target, &plan, &killer).await?;
        let seen = state(&target.manifest("east").await?);
        found.points += usize::from(killer.killed.borrow().is_some());
        let whole = seen == before || seen == after;
        found.partial += usize::from(!whole);
        if outcome.is_some() && seen != after {
            found.lost += 1;
        }
        // Another try converges, with what came already.
        let (_, again) = planned(&source, &target, &everything()).await?;
        if !again.is_empty() {
            if seen == before && again.id != plan.id {
                found
                    .verdict
                    .broken
                    .push(format!("round {round}: another plan"));
            }
            applied(&source, &target, &again, &())
                .await
                .map_err(HarnessError::new)?;
        }
        let last = state(&target.manifest("east").await?);
        found.verdict.must(last == after, || {
            format!("round {round}, {point:?}: the second try did not converge")
        });
        let tree = target.client().tree(None).await?;
        let manifest = target.manifest("east").await?;
        found.verdict.must(
            tree.root == gridhelm_replicate::root(&manifest.entries),
            || format!("round {round}: the tree is not that of the files"),
        );
    }
    Ok(found.done())
}

/// Applies a plan; once a server was killed, starts it again and says what was answered: the commit's answer, if it came.
async fn applied_until_killed(
    source: &Repository,
    target: &Repository,
    plan: &gridhelm_replicate::Plan,
    killer: &Killer<'_>,
) -> Result<Option<()>> {
    let applying = applied(source, target, plan, killer);
    let gone = async {
        loop {
            for which in [source, target] {
                if which.has_ended() {
                    return which;
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::pin!(applying, gone);
    let outcome = tokio::select! {
        done = &mut applying => Some(done),
        which = &mut gone => {
            which.begin().await?;
            None
        }
    };
    let killed = killer.killed.borrow().is_some();
    if let (Some(done), true) = (&outcome, killed) {
        // It was faster than its end, which still comes.
        let which = gone.await;
        which.begin().await?;
        return Ok(done.as_ref().ok().map(|_| ()));
    }
    match outcome {
        Some(Ok(_)) => Ok(Some(())),
        Some(Err(error)) => Err(HarnessError::new(error)),
        // The application was given up where it stood, as with a closed tab.
        None => Ok(None),
    }
}
