//! Reading what differs between groups: only the branches of the trees of hashes that do.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use gridhelm_api::changeset::{Manifest, Tree};
use gridhelm_api::repository::FileId;

use super::differing::{Differing, empty};
use super::listed::{Changed, Place, Steady};
use crate::error::{Error, Result};
use crate::methods::Client;

/// How often a side is read again that changes while it is read.
const READINGS: usize = 4;

/// Repositories of at most so many files are read whole: nobody waits for that, and all of it can be shown.
const SMALL: u64 = 1_000;

/// Two repositories, as far as they differ.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Whether all of both was read.
    pub whole: bool,
    /// The source: its root, and the files of the directories that were read.
    pub source: Arc<Manifest>,
    /// The target, likewise.
    pub target: Arc<Manifest>,
    /// The directories that were read, in order: those that differ, and those that were asked for.
    pub directories: Vec<Place>,
    /// Files of all other directories, which are the same on both sides.
    pub same: u64,
    /// Requests that it took at each side.
    pub requests: usize,
}

impl Pair {
    /// As much of this pair as tells what changed since an earlier one was read: of directories that were the same on both sides
    /// then, only what is not the same now.
    #[must_use]
    pub fn since(mut self, earlier: &Self) -> Self {
        if earlier.whole {
            return self;
        }
        let was_read = |id: &FileId| {
            let place = (id.author.clone(), id.directory.clone());
            earlier.directories.binary_search(&place).is_ok()
        };
        let (source, target) = (Arc::clone(&self.source), Arc::clone(&self.target));
        let only = |mine: &Manifest, other: &Manifest| {
            let there: HashMap<&FileId, &str> =
                other.entries.iter().map(|e| (&e.id, &*e.sha256)).collect();
            let mut mine = mine.clone();
            mine.entries
                .retain(|e| was_read(&e.id) || there.get(&e.id) != Some(&&*e.sha256));
            Arc::new(mine)
        };
        self.source = only(&source, &target);
        self.target = only(&target, &source);
        self
    }
}

/// Reads what differs between two groups, and these directories in any case; all of it where they are small or `whole` says so.
/// Equal repositories cost one request a side.
pub async fn read_pair(
    source: &Client,
    target: &Client,
    also: &[Place],
    whole: bool,
) -> Result<Pair> {
    steadily(async || {
        let roots = try_join_all([source, target].map(|side| side.tree(None))).await?;
        if whole || roots.iter().all(|root| root.files <= SMALL) {
            return all_of(source, target, &roots).await.map(Ok);
        }
        // Each is asked what the other left there.
        let with = roots.iter().rev().map(|root| root.group.clone()).collect();
        let found = match Differing::find(&[source, target], roots, with, also).await? {
            Ok(found) => found,
            Err(changed) => return Ok(Err(changed)),
        };
        let mut whole: Vec<Manifest> = found.sides.iter().map(|side| empty(&side.tree)).collect();
        let read = found
            .each_page(|page| {
                for (whole, page) in whole.iter_mut().zip(page) {
                    whole.entries.extend(page.entries);
                    whole.gone.extend(page.gone);
                }
            })
            .await?;
        let mut whole = whole.into_iter().map(Arc::new);
        let (Some(from), Some(to)) = (whole.next(), whole.next()) else {
            return Err(nothing(source));
        };
        Ok(read.map(|requests| Pair {
            whole: false,
            source: from,
            target: to,
            requests: found.requests + requests,
            directories: found.directories,
            same: found.same,
        }))
    })
    .await
}

async fn all_of(source: &Client, target: &Client, roots: &[Tree]) -> Result<Pair> {
    let [from, to] = roots else {
        return Err(nothing(source));
    };
    let (from, to) =
        futures_util::try_join!(source.manifest(&to.group), target.manifest(&from.group))?;
    Ok(Pair {
        whole: true,
        source: Arc::new(from),
        target: Arc::new(to),
        directories: Vec::new(),
        same: 0,
        requests: 2,
    })
}

/// Reads any number of groups, as far as not all of them are the same, in pages of whole directories in order: `page` gets each with what
/// came of those before, and what is read is gone with it. Answers what came of all, and how many files the first group has elsewhere.
///
/// Where a group changes meanwhile, it begins again, with nothing.
pub async fn read_groups<T: Default>(
    groups: &[Client],
    page: impl Fn(&mut T, Vec<Arc<Manifest>>),
) -> Result<(T, u64)> {
    let clients: Vec<&Client> = groups.iter().collect();
    steadily(async || {
        let roots = try_join_all(clients.iter().map(|group| group.tree(None))).await?;
        let first = roots.first().map(|root| root.group.clone());
        let with = vec![first.unwrap_or_default(); roots.len()];
        let found = match Differing::find(&clients, roots, with, &[]).await? {
            Ok(found) => found,
            Err(changed) => return Ok(Err(changed)),
        };
        let mut all = T::default();
        let read = found
            .each_page(|read| page(&mut all, read.into_iter().map(Arc::new).collect()))
            .await?;
        Ok(read.map(|_| (all, found.same)))
    })
    .await
}

/// Reads again what changed while it was read.
async fn steadily<T>(mut once: impl AsyncFnMut() -> Result<Steady<T>>) -> Result<T> {
    let mut url = String::new();
    for _ in 0..READINGS {
        match once().await? {
            Ok(read) => return Ok(read),
            Err(Changed(side)) => url = side,
        }
    }
    Err(Error::Decode {
        url,
        status: 200,
        detail: "the repository changes faster than it can be read".to_owned(),
    })
}

/// What no answer of a server is the cause of.
fn nothing(side: &Client) -> Error {
    Error::Decode {
        url: side.base().to_owned(),
        status: 200,
        detail: "nothing was read".to_owned(),
    }
}
