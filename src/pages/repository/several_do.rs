//! What is done with one of several files, and how it is taken back.

use std::cell::RefCell;
use std::collections::VecDeque;

use gridhelm_api::repository::{FileId, FileInfo, FileMeta};
use gridhelm_client::Error;

use super::about::{place, placing};
use super::several_plan::Step;
use crate::deployment::{Group, trouble};

/// Files that are written at the same time.
const AT_ONCE: usize = 4;

/// How a file comes back to what it was.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Back {
    /// It was deleted; this version restores it.
    Restore(i64),
    /// It is there now.
    Move(FileId),
    /// A copy of it is there.
    Remove(FileId),
    /// Something else was said about it, until this version.
    Describe(i64),
}

/// Does all of the work, some of it at the same time, until something says that it is enough.
pub(super) async fn each<T>(work: VecDeque<T>, what: impl AsyncFn(T) -> bool) {
    let work = RefCell::new(work);
    let worker = async || {
        loop {
            let next = work.borrow_mut().pop_front();
            let Some(next) = next else { return };
            if !what(next).await {
                work.borrow_mut().clear();
            }
        }
    };
    futures_util::future::join_all((0..AT_ONCE).map(|_| worker())).await;
}

/// An error in a line: what the server said, with the field that it names.
fn said(error: &Error) -> String {
    let trouble = trouble("", error);
    let fields = trouble
        .fields
        .iter()
        .map(|(field, why)| format!(" {field}: {why}"));
    let mut text = trouble.detail.clone();
    text.extend(fields.take(1));
    text
}

/// Does with one file what it needs; the way back.
pub(super) async fn one(
    group: &'static Group,
    file: &FileMeta,
    step: &Step,
) -> Result<Back, String> {
    let (id, version) = (&file.id, file.version);
    match step {
        Step::Delete => group
            .act(|client| async move { client.delete_file(id, version).await })
            .await
            .map(|()| Back::Restore(version)),
        Step::Place { request, to, moves } => place(group, request).await.map(|()| {
            if *moves {
                Back::Move(to.clone())
            } else {
                Back::Remove(to.clone())
            }
        }),
        Step::Describe(info) => describe(group, id, version, info)
            .await
            .map(|written| Back::Describe(written.version)),
    }
    .map_err(|error| said(&error))
}

async fn describe(
    group: &'static Group,
    id: &FileId,
    version: i64,
    info: &FileInfo,
) -> Result<FileMeta, Error> {
    group
        .act(|client| async move { client.describe_file(id, version, info).await })
        .await
}

/// Makes one file what it was; not where somebody changed it meanwhile.
pub(super) async fn taken_back(
    group: &'static Group,
    was: &FileMeta,
    back: &Back,
) -> Result<(), String> {
    let id = &was.id;
    let told = was.info.as_deref().cloned().unwrap_or_default();
    let now = async |id: &FileId| {
        let file = group
            .act(|client| async move { client.file(id).await })
            .await;
        match file {
            Ok(file) if file.sha256 == was.sha256 => Ok(file),
            Ok(_) => Err("somebody wrote it meanwhile.".to_owned()),
            Err(error) => Err(said(&error)),
        }
    };
    let done = match back {
        Back::Restore(version) => {
            let version = *version;
            let restored = group
                .act(|client| async move { client.restore(id, version, None).await })
                .await;
            match restored {
                // What was said about it is not part of a version's content.
                Ok(file) if !told.is_plain() => {
                    describe(group, id, file.version, &told).await.map(|_| ())
                }
                other => other.map(|_| ()),
            }
        }
        Back::Move(to) => {
            let file = now(to).await?;
            place(group, &placing(&group.name, &file, id, true)).await
        }
        Back::Remove(copy) => {
            let version = now(copy).await?.version;
            group
                .act(|client| async move { client.delete_file(copy, version).await })
                .await
        }
        Back::Describe(version) => describe(group, id, *version, &told).await.map(|_| ()),
    };
    done.map_err(|error| said(&error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn all_of_it_is_done_once_or_it_stops_where_it_is_enough() {
        let seen = RefCell::new(Vec::new());
        let see = async |n: u32, last: u32| {
            seen.borrow_mut().push(n);
            n < last
        };
        let all: VecDeque<u32> = (0..10).collect();
        each(all.clone(), async |n| see(n, 99).await)
            .now_or_never()
            .unwrap();
        assert_eq!(seen.take(), (0..10).collect::<Vec<_>>());
        each(all, async |n| see(n, 3).await).now_or_never().unwrap();
        assert_eq!(seen.take(), [0, 1, 2, 3]);
    }
}
