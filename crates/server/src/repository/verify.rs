//! Reading contents again: what the disk gives back must have the hash under which it was kept.

use super::{Repository, RepositoryError, Result};
use crate::accounts::Actor;
use crate::clock;
use crate::store::{Store, StoreError};
use gridhelm_api::changeset::{Damaged, Verification, VerifyRequest};
use gridhelm_api::repository::FileId;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Read at a time, bytes.
const PIECE: u64 = 1 << 20;
/// Files looked up at once.
const FILES: u32 = 500;
/// After so long the answer says where to go on.
const LONG: Duration = Duration::from_secs(20);
/// Damaged files that are told, at most.
const TOLD: usize = 1_000;

/// A file, which of its versions (`None`: the latest), and the hash that this should have (`None`: it says that the file was taken away).
type Wanted = (FileId, Option<i64>, Option<String>);

impl Repository {
    /// Reads contents again and compares their hashes: of all files behind one, or of those that a changeset wrote, whose outcome is
    /// kept with it.
    pub async fn verify(&self, request: &VerifyRequest, by: &Actor) -> Result<Verification> {
        let mut found = Verification {
            at: clock::now(),
            by: by.name.clone(),
            files: 0,
            bytes: 0,
            damaged: Vec::new(),
            next: None,
        };
        let begun = Instant::now();
        let mut known = BTreeMap::new();
        let mut after = request.after.clone();
        let mut of_changeset = match &request.changeset {
            Some(id) => Some(self.written(id, after.as_ref()).await?),
            None => None,
        };
        loop {
            let some = match &mut of_changeset {
                Some(all) => {
                    let rest = all.split_off(all.len().min(FILES as usize));
                    std::mem::replace(all, rest)
                }
                None => self.files_behind(after.as_ref()).await?,
            };
            if some.is_empty() {
                break;
            }
            for (id, version, wanted) in some {
                if found.files > 0 && begun.elapsed() > LONG {
                    found.next = after;
                    return Ok(found);
                }
                self.look(&id, version, wanted, &mut known, &mut found)
                    .await?;
                after = Some(id);
            }
        }
        if let Some(id) = &request.changeset
            && request.after.is_none()
        {
            let fence = self.standing.borrow().fence()?;
            self.store.keep_verification(&fence, id, &found).await?;
        }
        Ok(found)
    }

    async fn files_behind(&self, after: Option<&FileId>) -> Result<Vec<Wanted>> {
        let files = self.store.files_behind(after, FILES).await?;
        let wanted = files
            .into_iter()
            .map(|meta| (meta.id, None, Some(meta.sha256)));
        Ok(wanted.collect())
    }

    /// What a changeset left of the files that it wrote.
    async fn written(&self, id: &str, after: Option<&FileId>) -> Result<Vec<Wanted>> {
        let found = self.store.changeset_report(id).await?;
        let found = found.ok_or_else(|| RepositoryError::NotFound(format!("Changeset {id}")))?;
        let behind = found
            .files
            .into_iter()
            .filter(|file| after.is_none_or(|after| file.id > *after));
        Ok(behind
            .map(|file| (file.id, Some(file.version), file.after))
            .collect())
    }

    async fn look(
        &self,
        id: &FileId,
        version: Option<i64>,
        wanted: Option<String>,
        known: &mut BTreeMap<String, (u64, String)>,
        found: &mut Verification,
    ) -> Result<()> {
        found.files += 1;
        let mut tell = |expected: Option<String>, what: String| {
            if found.damaged.len() < TOLD {
                found.damaged.push(Damaged {
                    id: id.clone(),
                    expected,
                    found: what,
                });
            }
        };
        let now = self.store.file(id, version).await?;
        let now = now.map(|meta| (meta.sha256, meta.size));
        if now.as_ref().map(|(sha256, _)| sha256) != wanted.as_ref() {
            let what = now.map_or_else(|| "no such file".to_owned(), |(sha256, _)| sha256);
            tell(wanted, what);
            return Ok(());
        }
        let Some((sha256, size)) = now else {
            return Ok(());
        };
        if !known.contains_key(&sha256) {
            let read = content_again(&self.store, &sha256, size).await?;
            if known.len() > 100_000 {
                known.clear();
            }
            known.insert(sha256.clone(), read);
        }
        let Some((bytes, came)) = known.get(&sha256).cloned() else {
            return Ok(());
        };
        if came != sha256 {
            tell(Some(sha256), came);
        }
        found.bytes += bytes;
        Ok(())
    }
}

/// How many bytes of a content are there, and their hash, or what is wrong with them.
async fn content_again(store: &Arc<dyn Store>, sha256: &str, size: u64) -> Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut at = 0;
    while at < size {
        let piece = match store.read_blob(sha256, at, PIECE.min(size - at)).await {
            Ok(Some(piece)) if !piece.is_empty() => piece,
            Ok(_) => return Ok((at, "its content is not there".to_owned())),
            Err(StoreError::Corrupt { message, .. }) => return Ok((at, message)),
            Err(error) => return Err(error.into()),
        };
        at += piece.len() as u64;
        let hashing = tokio::task::spawn_blocking(move || {
            hash.update(&piece);
            hash
        });
        hash = hashing
            .await
            .map_err(|error| RepositoryError::Mismatch(error.to_string()))?;
    }
    Ok((at, gridhelm_replicate::hex(&hash.finalize())))
}
