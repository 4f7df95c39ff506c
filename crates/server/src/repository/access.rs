//! Who may read, run and change a file, where the group's rules have its access decide.
//!
//! The words are those of the programs' API: *private* is for the author, *restricted* for accounts of the named roles, *shared* and
//! *public* for everyone who signs in (nothing here is open to those who do not). Admins may everything: they keep the repository. Only
//! the author and admins change a file, see its history, or have it written by a changeset; what shows all files at once (manifests,
//! contents by hash) is for admins.

use super::{Repository, RepositoryError, Result};
use crate::accounts::Actor;
use gridhelm_api::account::Role;
use gridhelm_api::changeset::ChangesetRequest;
use gridhelm_api::repository::{Access, FileId, FileInfo, FileMeta};

/// Whether it is theirs: the author's, or an admin's like everything.
pub(super) fn owns(id: &FileId, by: &Actor) -> bool {
    by.role == Role::Admin || id.author == by.name
}

/// Whether the access of a file lets an account read and run it. A role may all that those before it may, so a restricted file is open to
/// the named roles and those above them; roles of other servers, which this group does not have, open it to nobody.
pub(super) fn may_read(id: &FileId, info: Option<&FileInfo>, by: &Actor) -> bool {
    if owns(id, by) {
        return true;
    }
    match info.map(|info| info.access).unwrap_or_default() {
        Access::Private => false,
        Access::Restricted => info.is_some_and(|info| {
            [Role::Viewer, Role::Operator, Role::Admin]
                .into_iter()
                .filter(|role| *role <= by.role)
                .any(|role| {
                    info.roles
                        .iter()
                        .any(|name| name.eq_ignore_ascii_case(role.name()))
                })
        }),
        Access::Shared | Access::Public => true,
    }
}

impl Repository {
    /// Whether access decides.
    async fn enforces(&self) -> Result<bool> {
        Ok(self.rules_now().await?.enforce_access)
    }

    /// Those of the files that the actor may read.
    pub(super) async fn readable(&self, files: Vec<FileMeta>, by: &Actor) -> Result<Vec<FileMeta>> {
        if by.role == Role::Admin || !self.enforces().await? {
            return Ok(files);
        }
        let may = |file: &FileMeta| may_read(&file.id, file.info.as_deref(), by);
        Ok(files.into_iter().filter(may).collect())
    }

    /// Refuses who may not read that version of a file; what the latest one says counts. Whoever may not read it is not told that it exists.
    pub(super) async fn must_read(
        &self,
        id: &FileId,
        version: Option<i64>,
        by: &Actor,
    ) -> Result<()> {
        if owns(id, by) || !self.enforces().await? {
            return Ok(());
        }
        let latest = self.store.file(id, None).await?;
        let may = latest.is_some_and(|latest| {
            may_read(id, latest.info.as_deref(), by)
                && version.is_none_or(|version| version == latest.version)
        });
        if may {
            return Ok(());
        }
        Err(RepositoryError::NotFound(super::named(id, version)))
    }

    /// Refuses who may not change a file, or see how it changed.
    pub(super) async fn must_own(&self, id: &FileId, by: &Actor) -> Result<()> {
        if owns(id, by) || !self.enforces().await? {
            return Ok(());
        }
        Err(RepositoryError::Forbidden(format!(
            "{} is {}'s: this group has a file's access decide, and only its author or an admin may do this.",
            id.path(),
            id.author
        )))
    }

    /// Refuses who may not see all files.
    pub(crate) async fn must_see_all(&self, by: &Actor) -> Result<()> {
        if by.role == Role::Admin || !self.enforces().await? {
            return Ok(());
        }
        Err(RepositoryError::Forbidden(
            "This group has a file's access decide: what shows all files takes an admin."
                .to_owned(),
        ))
    }

    /// Refuses a changeset that touches files of others than the actor.
    pub(super) async fn must_own_all(&self, request: &ChangesetRequest, by: &Actor) -> Result<()> {
        let other = request.operations.iter().find(|op| !owns(&op.id, by));
        match other {
            Some(other) => self.must_own(&other.id, by).await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn actor(name: &str, role: Role) -> Actor {
        Actor {
            name: name.to_owned(),
            role,
            address: String::new(),
            agent: String::new(),
            request_id: String::new(),
        }
    }

    fn info(access: Access, roles: &[&str]) -> FileInfo {
        FileInfo {
            access,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            ..FileInfo::default()
        }
    }

    #[test]
    fn access_says_who_may_read() {
        let id = FileId::new("ann", "risk", "limits.R");
        let (viewer, operator) = (actor("vic", Role::Viewer), actor("oli", Role::Operator));
        let may = |info: &FileInfo, by: &Actor| may_read(&id, Some(info), by);
        let cases = [
            (info(Access::Private, &[]), false, false),
            (info(Access::Private, &["viewer"]), false, false),
            (info(Access::Restricted, &[]), false, false),
            (info(Access::Restricted, &["MARKETING"]), false, false),
            (info(Access::Restricted, &["Operator"]), false, true),
            (info(Access::Restricted, &["viewer"]), true, true),
            (info(Access::Restricted, &["admin"]), false, false),
            (info(Access::Shared, &[]), true, true),
            (info(Access::Public, &[]), true, true),
        ];
        for (info, of_viewer, of_operator) in cases {
            assert_eq!(may(&info, &viewer), of_viewer, "{info:?}");
            assert_eq!(may(&info, &operator), of_operator, "{info:?}");
            assert!(may(&info, &actor("ann", Role::Viewer)), "{info:?}");
            assert!(may(&info, &actor("ada", Role::Admin)), "{info:?}");
        }
        assert!(!may_read(&id, None, &viewer), "nothing is said: private");
    }

    proptest! {
        /// More rights never take something away: whoever may read as a viewer may as an operator and as an admin.
        #[test]
        fn a_higher_role_reads_at_least_as_much(access in 0..4_u8, roles in proptest::collection::vec("viewer|operator|admin|X", 0..3)) {
            let access = [Access::Private, Access::Restricted, Access::Shared, Access::Public][usize::from(access)];
            let info = FileInfo { access, roles, ..FileInfo::default() };
            let id = FileId::new("ann", "risk", "limits.R");
            let reads = [Role::Viewer, Role::Operator, Role::Admin].map(|role| may_read(&id, Some(&info), &actor("vic", role)));
            prop_assert!(reads.is_sorted());
        }
    }
}
