//! Applying a plan at its target.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};

use gridhelm_api::Code;
use gridhelm_api::changeset::{Committed, PartState};
use gridhelm_api::grant::{Grant, MAX_GRANTED, PullRequest};
use gridhelm_replicate::Plan;

use super::pace::Pace;
use crate::error::{Error, Result};
use crate::methods::Client;
use crate::platform;

/// Larger contents are fetched by the target's server itself, where it may, bytes.
const PACK: u64 = super::pace::MOST;
/// Contents in one pack, at most.
const MANY: usize = 2_000;
/// Packs and parts under way at once.
const LANES: usize = 3;
/// How often a request is made again where nobody answered, or nobody was active, and the pause before, milliseconds.
const TRIES: u32 = 8;
const PAUSE_MS: u32 = 500;

/// Where an application of a plan stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is done.
    pub step: Step,
    /// Contents that came, and that must come.
    pub contents: (usize, usize),
    /// Bytes that came, and that must come.
    pub bytes: (u64, u64),
    /// Requests that were made again.
    pub again: u32,
}

/// A step of an application.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The target is told what shall be done.
    #[default]
    Opening,
    /// It gets the contents that it lacks.
    Copying,
    /// It does all of it, or nothing.
    Committing,
}

/// Why an application ended early.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It was called off; what came stays there for a day, and the same plan goes on with it.
    #[error("it was called off before the commit; nothing was written")]
    CalledOff,
    /// A request failed.
    #[error(transparent)]
    Client(#[from] Error),
}

/// How an application is watched, held and called off.
pub trait Watch {
    /// It has come so far.
    fn at(&self, progress: &Progress);
    /// Comes back when it may go on; `false` calls it off. Asked before every pack and every part, and before the commit.
    fn may_go_on(&self) -> impl Future<Output = bool>;
}

/// Nobody watches.
impl Watch for () {
    fn at(&self, _: &Progress) {}
    async fn may_go_on(&self) -> bool {
        true
    }
}

/// What is copied at once.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Load {
    /// Contents in one pack, and their bytes.
    Pack(Vec<String>, u64),
    /// One content in parts, and its size.
    Large(String, u64),
}

/// What is still to be copied, each content with its size.
#[derive(Debug, Default)]
struct Queue {
    large: VecDeque<(String, u64)>,
    others: VecDeque<(String, u64)>,
}

impl Queue {
    fn new(missing: &[String], sizes: &HashMap<&str, u64>) -> Self {
        let size = |hash: &String| sizes.get(hash.as_str()).copied().unwrap_or_default();
        let sized = missing.iter().map(|hash| (hash.clone(), size(hash)));
        let (large, others) = sized.partition(|(_, size)| *size > PACK);
        Self { large, others }
    }

    /// What is copied next, in requests of so many bytes: the large ones first, for they take longest.
    fn next(&mut self, limit: u64) -> Option<Load> {
        if let Some((sha256, size)) = self.large.pop_front() {
            return Some(Load::Large(sha256, size));
        }
        let (sha256, mut bytes) = self.others.pop_front()?;
        if bytes > limit {
            return Some(Load::Large(sha256, bytes));
        }
        let mut pack = vec![sha256];
        while let Some((_, size)) = self.others.front()
            && bytes + size <= limit
            && pack.len() < MANY
        {
            bytes += size;
            pack.extend(self.others.pop_front().map(|(sha256, _)| sha256));
        }
        Some(Load::Pack(pack, bytes))
    }
}

struct Applying<'a, S, T, W> {
    source: &'a S,
    target: &'a T,
    watch: &'a W,
    progress: RefCell<Progress>,
    pace: Cell<Pace>,
    /// Leave for the target's server to fetch large contents from the source's; none once that did not work.
    grant: RefCell<Option<Leave>>,
}

/// Leave to fetch contents.
#[derive(Debug, Clone)]
struct Leave {
    grant: Grant,
    contents: Vec<String>,
    /// Whether something came by it.
    worked: bool,
}

/// Applies a plan at its target: what `source` and `target` give are the servers to ask, anew for each request, so that a switch of a
/// group is followed. The same plan with the same reason goes on where an earlier application stopped.
pub async fn apply<S, T, W>(
    source: &S,
    target: &T,
    plan: &Plan,
    reason: &str,
    watch: &W,
) -> core::result::Result<Committed, ApplyError>
where
    S: Fn() -> Client,
    T: Fn() -> Client,
    W: Watch,
{
    let applying = Applying {
        source,
        target,
        watch,
        progress: RefCell::default(),
        pace: Cell::default(),
        grant: RefCell::default(),
    };
    applying.run(plan, reason).await
}

impl<S: Fn() -> Client, T: Fn() -> Client, W: Watch> Applying<'_, S, T, W> {
    async fn run(&self, plan: &Plan, reason: &str) -> core::result::Result<Committed, ApplyError> {
        let request = plan.request(reason);
        let sizes: HashMap<&str, u64> = plan
            .operations
            .iter()
            .filter_map(|operation| Some((operation.sha256.as_deref()?, operation.size)))
            .collect();
        let mut rounds = 0;
        loop {
            self.tell(|progress| progress.step = Step::Opening);
            let changeset = self
                .again(self.target, async |client| {
                    client.open_changeset(&request).await
                })
                .await?;
            self.copy(&changeset.id, &changeset.missing, &sizes).await?;
            if !self.watch.may_go_on().await {
                return Err(ApplyError::CalledOff);
            }
            self.tell(|progress| progress.step = Step::Committing);
            let committed = self
                .again(self.target, async |client| {
                    client.commit_changeset(&changeset.id).await
                })
                .await;
            rounds += 1;
            match committed {
                // A content went meanwhile, or the changeset with it: it is told again what is missing.
                Err(ApplyError::Client(error))
                    if rounds < 3 && matches!(error.code(), Some(Code::Conflict)) => {}
                done => return done,
            }
        }
    }

    fn tell(&self, change: impl FnOnce(&mut Progress)) {
        let now = {
            let mut progress = self.progress.borrow_mut();
            change(&mut progress);
            *progress
        };
        self.watch.at(&now);
    }

    /// Makes a request; again where nobody answered, the line stood still or nobody was active, for all requests here can be made twice.
    async fn again<R>(
        &self,
        side: &impl Fn() -> Client,
        what: impl AsyncFn(Client) -> Result<R>,
    ) -> core::result::Result<R, ApplyError> {
        let mut tries = 1;
        loop {
            match what(side()).await {
                Ok(done) => return Ok(done),
                Err(error) if tries < TRIES && may_do_better(&error) => {
                    tries += 1;
                    self.tell(|progress| progress.again += 1);
                    platform::sleep(PAUSE_MS).await;
                    if !self.watch.may_go_on().await {
                        return Err(ApplyError::CalledOff);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn copy(
        &self,
        changeset: &str,
        missing: &[String],
        sizes: &HashMap<&str, u64>,
    ) -> core::result::Result<(), ApplyError> {
        let bytes = missing.iter().filter_map(|hash| sizes.get(hash.as_str()));
        let bytes = bytes.sum();
        self.tell(|progress| {
            progress.step = Step::Copying;
            progress.contents = (0, missing.len());
            progress.bytes = (0, bytes);
        });
        let queue = Queue::new(missing, sizes);
        let large = queue.large.iter().map(|(sha256, _)| sha256.clone());
        self.ask_for_leave(large.take(MAX_GRANTED).collect()).await;
        let queue = RefCell::new(queue);
        let lane = async || {
            loop {
                let next = queue.borrow_mut().next(self.pace.get().pack());
                let Some(load) = next else {
                    return Ok(());
                };
                match load {
                    Load::Pack(contents, bytes) => self.pack(changeset, contents, bytes).await?,
                    Load::Large(sha256, size) => self.large(changeset, &sha256, size).await?,
                }
            }
        };
        let lanes = (0..LANES).map(|_| lane());
        futures_util::future::try_join_all(lanes).await.map(|_| ())
    }

    /// Asks the source for leave to have large contents fetched by the target's server. Without it they go through here.
    async fn ask_for_leave(&self, contents: Vec<String>) {
        if contents.is_empty() {
            return;
        }
        let granted = (self.source)().grant_contents(contents.clone()).await;
        *self.grant.borrow_mut() = granted.ok().map(|grant| Leave {
            grant,
            contents,
            worked: false,
        });
    }

    /// Has the target's server fetch a content by itself, as far as that works: what is left goes through here.
    async fn pull(
        &self,
        changeset: &str,
        sha256: &str,
        state: &mut PartState,
    ) -> core::result::Result<(), ApplyError> {
        while !state.whole {
            let Some(Leave { grant, .. }) = self.grant.borrow().clone() else {
                return Ok(());
            };
            if !self.watch.may_go_on().await {
                return Err(ApplyError::CalledOff);
            }
            let request = PullRequest {
                url: grant.url,
                secret: grant.secret,
                sha256: sha256.to_owned(),
            };
            let next = match (self.target)().pull_content(changeset, &request).await {
                // Nobody answered here; the servers may well have gone on.
                Err(error) if may_do_better(&error) => {
                    self.tell(|progress| progress.again += 1);
                    Some(self.part_state(changeset, sha256).await?)
                }
                answer => answer.ok(),
            };
            match next {
                Some(next) if next.whole || next.have > state.have => {
                    let came = next.have.saturating_sub(state.have);
                    *state = next;
                    if let Some(leave) = self.grant.borrow_mut().as_mut() {
                        leave.worked = true;
                    }
                    self.tell(|progress| progress.bytes.0 += came);
                }
                // The target may not, cannot, or is an older server; or the leave has ended.
                _ => self.renew_leave(&request.secret).await,
            }
        }
        Ok(())
    }

    /// Nothing came by this leave: another one is asked for where something did before, for leave ends, also with the server that gave
    /// it.
    async fn renew_leave(&self, secret: &str) {
        let held = self.grant.borrow_mut().take();
        match held {
            Some(leave) if leave.grant.secret == secret => {
                if leave.worked {
                    self.ask_for_leave(leave.contents).await;
                }
            }
            // Somebody here has another one already.
            other => *self.grant.borrow_mut() = other,
        }
    }

    /// How much of a content has come.
    async fn part_state(
        &self,
        changeset: &str,
        sha256: &str,
    ) -> core::result::Result<PartState, ApplyError> {
        self.again(self.target, async |client| {
            client.upload_part(changeset, sha256, 0, Vec::new()).await
        })
        .await
    }

    /// So many bytes went here and there since these moments.
    fn went(&self, bytes: u64, [begun, read]: [f64; 2]) {
        let mut pace = self.pace.get();
        pace.took(bytes, (read - begun).max(platform::now_ms() - read));
        self.pace.set(pace);
    }

    async fn pack(
        &self,
        changeset: &str,
        contents: Vec<String>,
        bytes: u64,
    ) -> core::result::Result<(), ApplyError> {
        if !self.watch.may_go_on().await {
            return Err(ApplyError::CalledOff);
        }
        let many = contents.len();
        let begun = platform::now_ms();
        let pack = self
            .again(self.source, async |client| {
                client.contents(contents.clone()).await
            })
            .await?;
        let read = platform::now_ms();
        // The pack travels as it came; the target compares every hash.
        self.again(self.target, async |client| {
            client.upload_contents(changeset, pack.clone()).await
        })
        .await?;
        self.went(bytes, [begun, read]);
        self.tell(|progress| {
            progress.contents.0 += many;
            progress.bytes.0 += bytes;
        });
        Ok(())
    }

    async fn large(
        &self,
        changeset: &str,
        sha256: &str,
        size: u64,
    ) -> core::result::Result<(), ApplyError> {
        let mut state = self.part_state(changeset, sha256).await?;
        self.tell(|progress| progress.bytes.0 += state.have.min(size));
        if size > PACK {
            self.pull(changeset, sha256, &mut state).await?;
        }
        while !state.whole {
            if !self.watch.may_go_on().await {
                return Err(ApplyError::CalledOff);
            }
            let at = state.have;
            let length = self.pace.get().part().min(size - at);
            let begun = platform::now_ms();
            let part = self
                .again(self.source, async |client| {
                    client.blob_range(sha256, at, length).await
                })
                .await?;
            let read = platform::now_ms();
            state = self
                .again(self.target, async |client| {
                    client
                        .upload_part(changeset, sha256, at, part.clone())
                        .await
                })
                .await?;
            self.went(length, [begun, read]);
            self.tell(|progress| progress.bytes.0 += state.have.saturating_sub(at));
        }
        self.tell(|progress| progress.contents.0 += 1);
        Ok(())
    }
}

/// Whether the same request may be answered well another time.
fn may_do_better(error: &Error) -> bool {
    error.try_another() || error.code() == Some(Code::TooSlow)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn loads_are_bounded_and_lose_nothing() {
        let names: Vec<String> = (0..5_000).map(|n| format!("{n}")).collect();
        let sizes: HashMap<&str, u64> = names
            .iter()
            .zip(0_u64..)
            .map(|(name, n)| {
                (
                    name.as_str(),
                    if n % 1000 == 7 { PACK + n } else { 900 + n },
                )
            })
            .collect();
        for limit in [2_000, 1 << 20, PACK] {
            let mut queue = Queue::new(&names, &sizes);
            let mut seen = Vec::new();
            let first = queue.next(limit);
            assert!(matches!(first, Some(Load::Large(_, size)) if size > PACK));
            let mut next = first;
            while let Some(load) = next {
                match load {
                    Load::Pack(contents, bytes) => {
                        let real: u64 = contents.iter().map(|n| sizes[n.as_str()]).sum();
                        assert_eq!(real, bytes);
                        assert!(bytes <= limit && contents.len() <= MANY && !contents.is_empty());
                        seen.extend(contents);
                    }
                    Load::Large(sha256, size) => {
                        assert!(size > limit);
                        seen.push(sha256);
                    }
                }
                next = queue.next(limit);
            }
            seen.sort_by_key(|n| n.parse::<u32>().unwrap());
            assert_eq!(seen, names);
        }
    }

    #[test]
    fn a_line_that_stood_still_is_tried_again() {
        let of = |code| {
            let mut problem = gridhelm_api::Problem::new(code, "x");
            problem.status = code.status();
            Error::Problem(Box::new(problem))
        };
        assert!(may_do_better(&of(Code::TooSlow)));
        assert!(may_do_better(&of(Code::NotActive)));
        assert!(!may_do_better(&of(Code::PlanStale)));
    }
}
