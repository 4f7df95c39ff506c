//! Replication at the target: what is missing is uploaded, then everything is committed or nothing.

use super::{Repository, RepositoryError, Result, Upload};
use crate::accounts::Actor;
use gridhelm_api::changeset::{Changeset, ChangesetRequest, Committed, Manifest};
use gridhelm_api::event::{Severity, Topic};
use gridhelm_api::names::MAX_REASON;
use gridhelm_api::{FieldError, names};
use serde_json::json;
use std::collections::BTreeSet;

impl Repository {
    /// The repository's content as a tree of hashes.
    pub async fn manifest(&self) -> Result<Manifest> {
        Ok(self.store.manifest().await?)
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

    async fn changeset(&self, id: &str) -> Result<ChangesetRequest> {
        self.store
            .changeset(id)
            .await?
            .ok_or_else(|| RepositoryError::NotFound(format!("Changeset {id}")))
    }

    /// How large the content of this hash was announced to be.
    pub async fn announced_size(&self, changeset: &str, sha256: &str) -> Result<u64> {
        let request = self.changeset(changeset).await?;
        request
            .operations
            .iter()
            .find(|o| o.sha256.as_deref() == Some(sha256))
            .map(|o| o.size)
            .ok_or_else(|| {
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

    /// Commits a changeset whole or not at all.
    pub async fn commit_changeset(&self, id: &str, by: &Actor) -> Result<Committed> {
        let fence = self.standing.borrow().fence()?;
        let request = self.changeset(id).await?;
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
