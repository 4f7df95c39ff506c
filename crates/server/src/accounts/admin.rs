//! Managing accounts: the first admin, new accounts, changes, and help for a lost admin.

use super::check::{check_password, check_username};
use super::programs::people_only;
use super::{AccountError, Accounts, Actor, Claims};
use crate::clock;
use crate::store::{StoreError, StoredAccount};
use gridhelm_api::FieldError;
use gridhelm_api::account::{Account, AccountDraft, AccountPatch, Lockout, PasswordChange, Role};
use gridhelm_api::event::{Event, Severity, Topic};
use std::net::IpAddr;

/// The first admin's name.
const FIRST: &str = "admin";

/// What the first start of a group made.
#[derive(Clone, PartialEq, Eq)]
pub enum Bootstrap {
    /// There are accounts already.
    Existing,
    /// The first admin was made with the password that was given.
    Given {
        /// Its name.
        username: String,
    },
    /// The first admin was made with a random password, which is shown this once.
    Random {
        /// Its name.
        username: String,
        /// Its password.
        password: String,
    },
}

impl Accounts {
    /// Makes the first admin of a group that has no account: with `password`, or with a random one. When two
    /// servers start at once, one of them makes it.
    pub async fn bootstrap(&self, password: Option<&str>) -> Result<Bootstrap, AccountError> {
        if !self.store.accounts().await?.is_empty() {
            return Ok(Bootstrap::Existing);
        }
        let random = match password {
            Some(_) => None,
            None => Some(random_password()?),
        };
        let chosen = password.or(random.as_deref()).unwrap_or_default();
        let draft = AccountDraft {
            username: FIRST.to_owned(),
            password: chosen.to_owned(),
            role: Role::Admin,
        };
        match self.create(&draft, &on_host("bootstrap")).await {
            Ok(_) => {}
            Err(AccountError::Store(StoreError::AlreadyExists { .. })) => {
                return Ok(Bootstrap::Existing);
            }
            Err(error) => return Err(error),
        }
        let username = FIRST.to_owned();
        Ok(match random {
            Some(password) => Bootstrap::Random { username, password },
            None => Bootstrap::Given { username },
        })
    }

    /// Sets a new random password for an account, lets it in again and makes it admin again: for a person who
    /// is on the server's host. The account is made when it does not exist.
    pub async fn reset_on_host(&self, username: &str) -> Result<String, AccountError> {
        let password = random_password()?;
        let by = on_host("reset-password");
        if self.store.account(username).await?.is_none() {
            let draft = AccountDraft {
                username: username.to_owned(),
                password: password.clone(),
                role: Role::Admin,
            };
            self.create(&draft, &by).await?;
        } else {
            let patch = AccountPatch {
                role: Some(Role::Admin),
                disabled: Some(false),
                password: Some(password.clone()),
            };
            self.update(username, &patch, &by).await?;
        }
        Ok(password)
    }

    /// All accounts, by name.
    pub async fn list(&self) -> Result<Vec<Account>, AccountError> {
        Ok(self.store.accounts().await?)
    }

    /// Makes an account.
    pub async fn create(
        &self,
        draft: &AccountDraft,
        by: &Actor,
    ) -> Result<(Account, Vec<Event>), AccountError> {
        let errors: Vec<FieldError> = [
            check_username(&draft.username),
            check_password(&draft.username, &draft.password),
        ]
        .into_iter()
        .filter_map(Result::err)
        .collect();
        if !errors.is_empty() {
            return Err(AccountError::Invalid(errors));
        }
        let account = Account {
            username: draft.username.clone(),
            role: draft.role,
            disabled: false,
            created_at: clock::now(),
            signed_in_at: None,
        };
        let stored = StoredAccount {
            account: account.clone(),
            hash: self.passwords.hash(&draft.password).await?,
            generation: 1,
        };
        let mut audit = by.audit("user.create", &account.username);
        audit.after = serde_json::to_value(&account).ok();
        let event = by.event(
            Severity::Info,
            Topic::Account,
            "user.created",
            &account.username,
            format!("account made, {}", account.role.name()),
        );
        let mut last = self.changing.lock().await;
        let events = self
            .store
            .create_account(&stored, by.notes(audit, event))
            .await?;
        self.read_again(&mut last).await?;
        Ok((account, events))
    }

    /// Changes an account. A new password, and shutting out, end its tokens at once here and within a second
    /// at the group's other servers.
    pub async fn update(
        &self,
        username: &str,
        patch: &AccountPatch,
        by: &Actor,
    ) -> Result<(Account, Vec<Event>), AccountError> {
        let bad = patch
            .password
            .as_deref()
            .and_then(|p| check_password(username, p).err());
        if let Some(error) = bad {
            return Err(AccountError::Invalid(vec![error]));
        }
        let hash = match &patch.password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => None,
        };
        let mut last = self.changing.lock().await;
        let accounts = self.store.accounts().await?;
        let before = accounts
            .iter()
            .find(|a| a.username == username)
            .ok_or_else(|| AccountError::NotFound(username.to_owned()))?;
        let after = Account {
            role: patch.role.unwrap_or(before.role),
            disabled: patch.disabled.unwrap_or(before.disabled),
            ..before.clone()
        };
        let leads = |a: &Account| a.role == Role::Admin && !a.disabled;
        let others = accounts.iter().any(|a| a.username != username && leads(a));
        if leads(before) && !leads(&after) && !others {
            return Err(AccountError::LastAdmin(username.to_owned()));
        }
        let what = changes(before, &after, patch.password.is_some());
        if what.is_empty() {
            return Ok((after, Vec::new()));
        }
        let mut audit = by.audit("user.update", username);
        audit.before = serde_json::to_value(before).ok();
        audit.after = serde_json::to_value(&after).ok();
        let event = by.event(
            Severity::Info,
            Topic::Account,
            "user.changed",
            username,
            what.join(", "),
        );
        let events = self
            .store
            .update_account(
                username,
                patch.role,
                patch.disabled,
                hash.as_deref(),
                by.notes(audit, event),
            )
            .await?;
        self.read_again(&mut last).await?;
        Ok((after, events))
    }
}

impl Accounts {
    /// Changes one's own password. All sign-ins of the account end, this one too; tokens for programs stay.
    ///
    /// # Errors
    /// [`AccountError::WrongCredentials`] when the present password is wrong, throttled as a sign-in is.
    pub async fn change_password(
        &self,
        change: &PasswordChange,
        claims: &Claims,
        by: &Actor,
        address: IpAddr,
    ) -> Result<Vec<Event>, AccountError> {
        people_only(claims)?;
        self.admit(&by.name, address, by).await?;
        let stored = self.store.account(&by.name).await?;
        let hash = stored.as_ref().map(|s| s.hash.as_str());
        if !self.passwords.verify(&change.current, hash).await? {
            return Err(AccountError::WrongPassword);
        }
        self.lock_throttle().succeeded(&by.name, address);
        if change.new == change.current {
            let same = FieldError::new("new", "It is the present password; choose another.");
            return Err(AccountError::Invalid(vec![same]));
        }
        let patch = AccountPatch {
            password: Some(change.new.clone()),
            ..AccountPatch::default()
        };
        let changed = self.update(&by.name, &patch, by).await;
        let (_, events) = changed.map_err(|error| match error {
            // The field has another name here.
            AccountError::Invalid(errors) => AccountError::Invalid(
                errors
                    .into_iter()
                    .map(|e| FieldError::new("new", e.message))
                    .collect(),
            ),
            error => error,
        })?;
        Ok(events)
    }

    /// Ends all sign-ins of an account; tokens for programs stay.
    ///
    /// # Errors
    /// [`AccountError::NotFound`], or the store's.
    pub async fn end_sessions(
        &self,
        username: &str,
        by: &Actor,
    ) -> Result<Vec<Event>, AccountError> {
        let mut last = self.changing.lock().await;
        let known = self.store.account(username).await?;
        known.ok_or_else(|| AccountError::NotFound(username.to_owned()))?;
        let audit = by.audit("user.end_sessions", username);
        let event = by.event(
            Severity::Info,
            Topic::Account,
            "user.sessions_ended",
            username,
            "all sign-ins ended",
        );
        let notes = by.notes(audit, event);
        let events = self
            .store
            .update_account(username, None, None, None, notes)
            .await?;
        self.read_again(&mut last).await?;
        Ok(events)
    }

    /// Who is kept out here for now by too many failed sign-ins.
    pub fn lockouts(&self) -> Vec<Lockout> {
        self.lock_throttle().kept_out(std::time::Instant::now())
    }
}

fn changes(before: &Account, after: &Account, password: bool) -> Vec<String> {
    let mut what = Vec::new();
    if before.role != after.role {
        what.push(format!(
            "is {} now, was {}",
            after.role.name(),
            before.role.name()
        ));
    }
    if before.disabled != after.disabled {
        what.push(
            if after.disabled {
                "shut out"
            } else {
                "let in again"
            }
            .to_owned(),
        );
    }
    if password {
        what.push("new password".to_owned());
    }
    what
}

fn on_host(name: &str) -> Actor {
    Actor {
        name: name.to_owned(),
        role: Role::Admin,
        address: "host".to_owned(),
        agent: String::new(),
        request_id: String::new(),
    }
}

fn random_password() -> Result<String, AccountError> {
    crate::random::password().map_err(|e| AccountError::Internal(format!("random source: {e}")))
}
