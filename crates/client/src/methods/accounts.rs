//! Accounts and the audit log.

use gridhelm_api::Page;
use gridhelm_api::account::{
    Account, AccountDraft, AccountPatch, ApiToken, ApiTokenDraft, AuditChain, AuditRow, Lockout,
    NewApiToken, PasswordChange, SignIn, SignedIn,
};

use super::{Client, SLOW, add_number, add_some, path};
use crate::error::Result;
use crate::platform;
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

    /// Changes one's own password; all sign-ins of the account end, the answer is a new one.
    pub async fn change_password(&self, change: &PasswordChange) -> Result<SignedIn> {
        self.call(Method::Put, "/me/password", Body::json(change), None)
            .await
    }

    /// Ends all sign-ins of an account.
    pub async fn end_sessions(&self, username: &str) -> Result<()> {
        let path = path(&["users", username, "sessions"]);
        self.call(Method::Delete, &path, Body::None, None).await
    }

    /// Who is kept out by too many failed sign-ins, at the asked server.
    pub async fn lockouts(&self) -> Result<Vec<Lockout>> {
        self.list("/users/lockouts").await
    }

    /// Tokens for programs: one's own; an admin sees all.
    pub async fn tokens(&self) -> Result<Vec<ApiToken>> {
        self.list("/tokens").await
    }

    /// Makes a token for a program; its secret is told this once.
    pub async fn create_token(&self, draft: &ApiTokenDraft) -> Result<NewApiToken> {
        self.call(Method::Post, "/tokens", Body::json(draft), None)
            .await
    }

    /// Ends a token for a program.
    pub async fn end_token(&self, id: &str) -> Result<()> {
        self.call(Method::Delete, &path(&["tokens", id]), Body::None, None)
            .await
    }

    /// The audit log, newest first: up to `limit` rows.
    pub async fn audit(&self, before: Option<&str>, limit: u32) -> Result<Page<AuditRow>> {
        let mut url = "/audit".to_owned();
        add_some(&mut url, "before", before);
        add_number(&mut url, "limit", Some(limit.into()));
        self.get(&url).await
    }

    /// Walks the audit log's chain.
    pub async fn verify_audit(&self) -> Result<AuditChain> {
        let mut request = self.request(Method::Get, "/audit/verify", Body::None);
        request.timeout_s = SLOW;
        platform::send(request).await?.json()
    }
}
