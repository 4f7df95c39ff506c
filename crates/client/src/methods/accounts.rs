//! Accounts and the audit log.

use gridhelm_api::Page;
use gridhelm_api::account::{Account, AccountDraft, AccountPatch, AuditRow, SignIn, SignedIn};

use super::{Client, add_some, path};
use crate::error::Result;
use crate::request::{Body, Method};

impl Client {
    /// Signs in to this server's group.
    pub async fn sign_in(&self, sign_in: &SignIn) -> Result<SignedIn> {
        self.call(Method::Post, "/session", Body::json(sign_in), None)
            .await
    }

    /// The account of the token.
    pub async fn me(&self) -> Result<Account> {
        self.get("/me").await
    }

    /// Ends the token.
    pub async fn sign_out(&self) -> Result<()> {
        self.call(Method::Delete, "/session", Body::None, None)
            .await
    }

    /// All accounts of the group.
    pub async fn users(&self) -> Result<Vec<Account>> {
        self.list("/users").await
    }

    /// Makes an account.
    pub async fn create_user(&self, draft: &AccountDraft) -> Result<Account> {
        self.call(Method::Post, "/users", Body::json(draft), None)
            .await
    }

    /// Changes an account.
    pub async fn patch_user(&self, username: &str, patch: &AccountPatch) -> Result<Account> {
        self.call(
            Method::Patch,
            &path(&["users", username]),
            Body::json(patch),
            None,
        )
        .await
    }

    /// The audit log, newest first.
    pub async fn audit(&self, before: Option<&str>) -> Result<Page<AuditRow>> {
        let mut url = "/audit".to_owned();
        add_some(&mut url, "before", before);
        self.get(&url).await
    }
}
