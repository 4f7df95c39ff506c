//! Replication at the target: what is missing is uploaded, then everything is committed or nothing.

use super::{Repository, RepositoryError, Result, Upload};
use crate::accounts::Actor;
use gridhelm_api::changeset::{
    Changeset, ChangesetRecord, ChangesetReport, ChangesetRequest, Committed, Listings,
    ListingsRequest, MAX_BRANCHES, MAX_PART, Manifest, PART_STEP, PackTaken, PartState, Tree,
};
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::names::MAX_REASON;
use gridhelm_api::{FieldError, names};
use serde_json::json;
use std::collections::BTreeSet;

impl Repository {
    /// Every file with its hashes; with a group's name also what replications from there left, and what was taken away.
    pub async fn manifest(&self, with: Option<&str>) -> Result<Manifest> {
        Ok(self.store.manifest(with).await?)
    }

    /// The root of the tree of hashes with its authors, or an author with its directories.
    pub async fn tree(&self, author: Option<&str>) -> Result<Tree> {
        Ok(self.store.tree(author).await?)
    }

    /// The files of some directories.
    pub async fn listings(&self, request: &ListingsRequest) -> Result<Listings> {
        if request.directories.len() > MAX_BRANCHES {
            let error = FieldError::new("directories", "Name at most 20000 directories.");
            return Err(RepositoryError::Invalid(vec![error]));
        }
        let with = request.with.as_deref();
        Ok(self.store.listings(&request.directories, with).await?)
    }

    /// Which of these contents are the latest of a file, with their sizes.
    pub async fn present(&self, sha256: &[String]) -> Result<Vec<(String, u64)>> {
        Ok(self.store.present_contents(sha256).await?)
    }

    /// Changesets, newest first.
    pub async fn changesets(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ChangesetRecord>> {
        Ok(self.store.changesets(before, limit).await?)
    }

    /// A changeset with every file that it wrote.
    pub async fn report(&self, group: &str, id: &str) -> Result<ChangesetReport> {
        let found = self.store.changeset_report(id).await?;
        let found = found.ok_or_else(|| RepositoryError::NotFound(format!("Changeset {id}")))?;
        Ok(ChangesetReport {
            group: group.to_owned(),
            record: found.record,
            files: found.files,
            missing: found.missing,
            planned: found.planned,
        })
    }

    /// Forgets an open changeset.
    pub async fn discard(&self, id: &str) -> Result<()> {
        let fence = self.standing.borrow().fence()?;
        Ok(self.store.discard_changeset(&fence, id).await?)
    }

    /// Opens a changeset; answers what must be uploaded.
    pub async fn open_changeset(
        &self,
        request: &ChangesetRequest,
        by: &Actor,
    ) -> Result<Changeset> {
        let mut errors = request.check();
        errors.extend(names::check_name("source", &request.source).err());
        if request.reason.chars().count() > MAX_REASON {
            errors.push(FieldError::new("reason", "Give at most 500 characters."));
        }
        if !errors.is_empty() {
            return Err(RepositoryError::Invalid(errors));
        }
        self.must_own_all(request, by).await?;
        let fence = self.standing.borrow().fence()?;
        let wanted: BTreeSet<String> = request
            .operations
            .iter()
            .filter_map(|o| o.sha256.clone())
            .collect();
        let wanted: Vec<String> = wanted.into_iter().collect();
        let id = self.store.open_changeset(&fence, request, &by.name).await?;
        let missing = self.store.missing_blobs(&wanted).await?;
        Ok(Changeset { id, missing })
    }

    /// How large the content of this hash was announced to be.
    pub async fn announced_size(&self, changeset: &str, sha256: &str) -> Result<u64> {
        let wanted = [sha256.to_owned()];
        let found = self.store.changeset_sizes(changeset, &wanted).await?;
        found.first().map(|(_, size)| *size).ok_or_else(|| {
            RepositoryError::NotFound(format!("Content {sha256} in changeset {changeset}"))
        })
    }

    /// Takes a content of a changeset if it has the announced hash and size.
    pub async fn put_content(&self, sha256: &str, size: u64, upload: &Upload) -> Result<()> {
        let came = upload.bytes().len() as u64;
        if came != size || upload.sha256() != sha256 {
            return Err(RepositoryError::Mismatch(format!(
                "{size} bytes with SHA-256 {sha256} were announced; {came} bytes with {} came. Nothing was kept: send it again.",
                upload.sha256()
            )));
        }
        Ok(self.store.put_blob(sha256, upload.bytes()).await?)
    }

    /// Takes contents of a changeset, all or none: each must have its hash, and the changeset must name it.
    pub async fn put_pack(&self, changeset: &str, pack: Vec<u8>) -> Result<PackTaken> {
        let read = tokio::task::spawn_blocking(move || unpack(&pack)).await;
        let contents = read.map_err(|error| RepositoryError::Mismatch(error.to_string()))??;
        let hashes: Vec<String> = contents.iter().map(|(hash, _)| hash.clone()).collect();
        let named = self.store.changeset_sizes(changeset, &hashes).await?;
        if named.len() != hashes.len() {
            let named: BTreeSet<&str> = named.iter().map(|(hash, _)| hash.as_str()).collect();
            let other = hashes.iter().find(|hash| !named.contains(hash.as_str()));
            return Err(RepositoryError::Mismatch(format!(
                "Changeset {changeset} does not name the content {}. Nothing was kept.",
                other.map_or("", String::as_str)
            )));
        }
        let taken = PackTaken {
            contents: contents.len() as u64,
            bytes: contents.iter().map(|(_, bytes)| bytes.len() as u64).sum(),
        };
        self.store.put_blobs(contents).await?;
        Ok(taken)
    }

    /// Takes a part of a large content of a changeset; without bytes it says how much has come.
    pub async fn put_part(
        &self,
        changeset: &str,
        sha256: &str,
        offset: u64,
        bytes: &[u8],
    ) -> Result<PartState> {
        let size = self.announced_size(changeset, sha256).await?;
        let length = bytes.len() as u64;
        let end = offset.saturating_add(length);
        let whole_steps = length.is_multiple_of(PART_STEP) || end == size;
        if end > size || length > MAX_PART || !whole_steps || !offset.is_multiple_of(PART_STEP) {
            return Err(RepositoryError::Mismatch(format!(
                "A part of {length} bytes at {offset} does not fit a content of {size}: send multiples of {PART_STEP} bytes, at most {MAX_PART}."
            )));
        }
        let state = self
            .store
            .put_part(changeset, sha256, size, offset, bytes)
            .await?;
        Ok(state)
    }

    /// What a changeset did that is no longer open: the answer to its commit may have been lost.
    async fn committed(&self, id: &str, by: &Actor) -> Result<Committed> {
        let found = self.store.changeset_report(id).await?;
        let record = found.map(|found| found.record);
        let opener = record.as_ref().map(|record| record.by.clone());
        let committed = record.and_then(|record| record.committed);
        let Some(committed) = committed else {
            return Err(RepositoryError::NotFound(format!("Changeset {id}")));
        };
        if opener.as_deref() != Some(by.name.as_str()) {
            self.must_see_all(by).await?;
        }
        Ok(committed)
    }

    /// Commits a changeset whole or not at all; one that is committed already answers the same again.
    pub async fn commit_changeset(&self, id: &str, by: &Actor) -> Result<Committed> {
        let fence = self.standing.borrow().fence()?;
        let Some(request) = self.store.changeset(id).await? else {
            return self.committed(id, by).await;
        };
        self.must_own_all(&request, by).await?;
        let count = |f: fn(bool, bool) -> bool| {
            let ops = request.operations.iter();
            ops.filter(|o| f(o.expect.is_some(), o.sha256.is_some()))
                .count()
        };
        let created = count(|before, after| !before && after);
        let updated = count(|before, after| before && after);
        let deleted = count(|_, after| !after);
        let mut message = format!(
            "replicated from {} by plan {}: {created} created, {updated} updated, {deleted} deleted",
            request.source, request.plan
        );
        let reason = request.reason.trim();
        if !reason.is_empty() {
            message = format!("{message}: {reason}");
        }
        let mut audit = by.audit("changeset.commit", id);
        audit.after = Some(json!({
            "plan": request.plan, "source": request.source,
            "created": created, "updated": updated, "deleted": deleted,
        }));
        audit.reason = (!reason.is_empty()).then(|| reason.to_owned());
        let event = by.event(
            Severity::Good,
            Topic::Repository,
            "repository.replicated",
            &request.plan,
            message,
        );
        let notes = by.notes(audit, event);
        let (committed, events) = self
            .store
            .commit_changeset(&fence, id, &by.name, notes)
            .await?;
        self.changed(events).await;
        Ok(committed)
    }
}

/// The contents of a pack, each with the hash under which it was sent.
fn unpack(pack: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let found = gridhelm_replicate::pack::contents(pack)
        .map_err(|error| RepositoryError::Mismatch(format!("{error}. Nothing was kept.")))?;
    let mut contents: Vec<(String, Vec<u8>)> = Vec::with_capacity(found.len());
    for (hash, bytes) in found {
        let came = gridhelm_replicate::content_hash(bytes);
        if came != hash {
            return Err(RepositoryError::Mismatch(format!(
                "{} bytes were sent as {hash} and have the SHA-256 {came}. Nothing was kept: send them again.",
                bytes.len()
            )));
        }
        contents.push((hash, bytes.to_vec()));
    }
    Ok(contents)
}
