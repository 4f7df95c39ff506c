//! Applying a plan at its target.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

use gridhelm_api::Code;
use gridhelm_api::changeset::{Committed, PartState};
use gridhelm_api::grant::{Grant, MAX_GRANTED, PullRequest};
use gridhelm_replicate::Plan;

use crate::error::{Error, Result};
use crate::methods::Client;
use crate::platform;

/// The largest content that travels whole, and the contents of one pack together, bytes.
const PACK: u64 = 16 << 20;
/// Contents in one pack, at most.
const MANY: usize = 2_000;
/// A part of a larger content, bytes; a multiple of the step that the server asks for.
const PART: u64 = 7 << 20;
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
    /// One large content, and its size.
    Large(String, u64),
}

/// Cuts what is missing into loads: the large ones first, for they take longest.
fn loads(missing: &[String], sizes: &HashMap<&str, u64>) -> VecDeque<Load> {
    let mut large = VecDeque::new();
    let mut packs = Vec::new();
    let mut pack = (Vec::new(), 0);
    for sha256 in missing {
        let size = sizes.get(sha256.as_str()).copied().unwrap_or_default();
        if size > PACK {
            large.push_back(Load::Large(sha256.clone(), size));
            continue;
        }
        if !pack.0.is_empty() && (pack.1 + size > PACK || pack.0.len() >= MANY) {
            let (contents, bytes) = core::mem::take(&mut pack);
            packs.push(Load::Pack(contents, bytes));
        }
        pack.0.push(sha256.clone());
        pack.1 += size;
    }
    if !pack.0.is_empty() {
        packs.push(Load::Pack(pack.0, pack.1));
    }
    large.extend(packs);
    large
}

struct Applying<'a, S, T, W> {
    source: &'a S,
    target: &'a T,
    watch: &'a W,
    progress: RefCell<Progress>,
    /// Leave for the target's server to fetch large contents from the source's; none once that did not work.
    grant: RefCell<Option<Grant>>,
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

    /// Makes a request; again where nobody answered or nobody was active, for all requests here can be made twice.
    async fn again<R>(
        &self,
        side: &impl Fn() -> Client,
        what: impl AsyncFn(Client) -> Result<R>,
    ) -> core::result::Result<R, ApplyError> {
        let mut tries = 1;
        loop {
            match what(side()).await {
                Ok(done) => return Ok(done),
                Err(error) if tries < TRIES && error.try_another() => {
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
        let queue = loads(missing, sizes);
        self.ask_for_leave(&queue).await;
        let queue = RefCell::new(queue);
        let lane = async || {
            loop {
                let next = queue.borrow_mut().pop_front();
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
    async fn ask_for_leave(&self, queue: &VecDeque<Load>) {
        let large = queue.iter().filter_map(|load| match load {
            Load::Large(sha256, _) => Some(sha256.clone()),
            Load::Pack(..) => None,
        });
        let large: Vec<String> = large.take(MAX_GRANTED).collect();
        if large.is_empty() {
            return;
        }
        let granted = (self.source)().grant_contents(large).await;
        *self.grant.borrow_mut() = granted.ok();
    }

    /// Has the target's server fetch a content by itself, as far as that works: what is left goes through here.
    async fn pull(
        &self,
        changeset: &str,
        sha256: &str,
        state: &mut PartState,
    ) -> core::result::Result<(), ApplyError> {
        while !state.whole {
            let Some(grant) = self.grant.borrow().clone() else {
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
            match (self.target)().pull_content(changeset, &request).await {
                Ok(next) if next.whole || next.have > state.have => {
                    let came = next.have.saturating_sub(state.have);
                    *state = next;
                    self.tell(|progress| progress.bytes.0 += came);
                }
                // The target may not, cannot, or is an older server.
                Ok(_) | Err(_) => *self.grant.borrow_mut() = None,
            }
        }
        Ok(())
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
        let pack = self
            .again(self.source, async |client| {
                client.contents(contents.clone()).await
            })
            .await?;
        // The pack travels as it came; the target compares every hash.
        self.again(self.target, async |client| {
            client.upload_contents(changeset, pack.clone()).await
        })
        .await?;
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
        let mut state = self
            .again(self.target, async |client| {
                client.upload_part(changeset, sha256, 0, Vec::new()).await
            })
            .await?;
        self.tell(|progress| progress.bytes.0 += state.have.min(size));
        self.pull(changeset, sha256, &mut state).await?;
        while !state.whole {
            if !self.watch.may_go_on().await {
                return Err(ApplyError::CalledOff);
            }
            let at = state.have;
            let part = self
                .again(self.source, async |client| {
                    client.blob_range(sha256, at, PART.min(size - at)).await
                })
                .await?;
            state = self
                .again(self.target, async |client| {
                    client
                        .upload_part(changeset, sha256, at, part.clone())
                        .await
                })
                .await?;
            self.tell(|progress| progress.bytes.0 += state.have.saturating_sub(at));
        }
        self.tell(|progress| progress.contents.0 += 1);
        Ok(())
    }
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
            .map(|(name, n)| (name.as_str(), if n % 1000 == 7 { PACK + n } else { 9_000 }))
            .collect();
        let cut = loads(&names, &sizes);
        let mut seen = Vec::new();
        for load in &cut {
            match load {
                Load::Pack(contents, bytes) => {
                    assert!(*bytes <= PACK && contents.len() <= MANY && !contents.is_empty());
                    seen.extend(contents.clone());
                }
                Load::Large(sha256, size) => {
                    assert!(*size > PACK);
                    seen.push(sha256.clone());
                }
            }
        }
        seen.sort_by_key(|n| n.parse::<u32>().unwrap());
        assert_eq!(seen, names);
        assert!(matches!(cut[0], Load::Large(..)), "the large ones go first");
    }
}
