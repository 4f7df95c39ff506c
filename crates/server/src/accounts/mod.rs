//! Accounts of a group: sign-in, tokens, roles.

mod actor;
mod admin;
mod check;
mod error;
mod password;
mod programs;
mod throttle;
mod token;

pub use actor::Actor;
pub use admin::Bootstrap;
pub use error::AccountError;
pub use token::{Claims, TokenError};

use crate::clock;
use crate::store::{Notes, Store, TokenState};
use gridhelm_api::Millis;
use gridhelm_api::account::{Role, SignIn, SignedIn};
use password::Passwords;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use throttle::Throttle;

/// How long a person's token is valid, milliseconds.
pub const TOKEN_MS: Millis = 12 * 60 * 60 * 1000;
/// How long a server's token is valid, milliseconds.
const SERVER_TOKEN_MS: Millis = 30 * 1000;
/// How often roles and revocations are read again.
const REFRESH: Duration = Duration::from_secs(1);

/// The accounts of this server's group. Tokens are verified with what is cached, so that signed-in people
/// can see and do things while the database is away.
pub struct Accounts {
    store: Arc<dyn Store>,
    group: String,
    key: Vec<u8>,
    passwords: Passwords,
    throttle: Mutex<Throttle>,
    state: RwLock<Arc<TokenState>>,
    /// Held while accounts are changed or read again: the last admin is counted and written as one.
    changing: tokio::sync::Mutex<Instant>,
}

/// Where a request without a token came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The client's address.
    pub address: IpAddr,
    /// The program that it says it is.
    pub agent: &'a str,
    /// The request's id.
    pub request_id: &'a str,
}

impl Accounts {
    /// Reads the group's key and accounts. Fails when the database does not answer.
    pub async fn new(store: Arc<dyn Store>, group: &str) -> Result<Arc<Self>, AccountError> {
        let key = store.token_key().await?;
        if key.len() < 32 {
            return Err(AccountError::Internal(
                "the group's key for tokens is shorter than 32 bytes; restore the database".into(),
            ));
        }
        let state = store.token_state().await?;
        Ok(Arc::new(Self {
            store,
            group: group.to_owned(),
            key,
            passwords: Passwords::new()?,
            throttle: Mutex::default(),
            state: RwLock::new(Arc::new(state)),
            changing: tokio::sync::Mutex::new(Instant::now()),
        }))
    }

    /// Reads roles and revocations again every second, as long as the accounts are in use.
    pub fn keep_fresh(self: &Arc<Self>) -> tokio::task::JoinHandle<()> {
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut answered = true;
            loop {
                tokio::time::sleep(REFRESH).await;
                let Some(accounts) = weak.upgrade() else {
                    return;
                };
                let result = accounts.refresh().await;
                if let (Err(error), true) = (&result, answered) {
                    tracing::warn!(%error, "accounts cannot be read; tokens are verified with what was read last");
                }
                answered = result.is_ok();
            }
        })
    }

    /// Reads roles and revocations again.
    pub async fn refresh(&self) -> Result<(), AccountError> {
        let mut last = self.changing.lock().await;
        self.read_again(&mut last).await
    }

    async fn read_again(&self, last: &mut Instant) -> Result<(), AccountError> {
        let fresh = self.store.token_state().await?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        *state = Arc::new(fresh);
        *last = Instant::now();
        Ok(())
    }

    /// Signs in. The name and the password are compared in the same time whether the account exists or not.
    pub async fn sign_in(
        &self,
        request: &SignIn,
        from: &Origin<'_>,
    ) -> Result<SignedIn, AccountError> {
        let address = from.address;
        let by = |name: &str| Actor {
            name: name.to_owned(),
            role: Role::Viewer,
            address: address.to_string(),
            agent: from.agent.to_owned(),
            request_id: from.request_id.to_owned(),
        };
        let name = request.username.as_str();
        if check::check_username(name).is_err() || request.password.chars().count() > 256 {
            // Such an account cannot exist; the text is not written anywhere.
            self.admit("\u{0}", address, &by("(no such name)")).await?;
            self.passwords.verify("", None).await?;
            return Err(AccountError::WrongCredentials);
        }
        self.admit(name, address, &by(name)).await?;
        let stored = self.store.account(name).await?;
        let hash = stored.as_ref().map(|s| s.hash.as_str());
        let right = self.passwords.verify(&request.password, hash).await?;
        let Some(stored) = stored.filter(|s| right && !s.account.disabled) else {
            let audit = by(name).audit("session.refused", name);
            self.store.note(Notes::audit(audit)).await?;
            return Err(AccountError::WrongCredentials);
        };
        let claims = Claims {
            id: random_id()?,
            sub: stored.account.username.clone(),
            role: stored.account.role,
            group: self.group.clone(),
            generation: stored.generation,
            exp: clock::now() + TOKEN_MS,
            program: false,
            areas: Vec::new(),
        };
        let notes = Notes {
            events: Vec::new(),
            audit: vec![by(name).audit("session.create", name)],
        };
        self.store.signed_in(name, clock::now(), notes).await?;
        self.lock_throttle().succeeded(name, address);
        if !self.state().accounts.contains_key(&claims.sub) {
            self.refresh().await?;
        }
        Ok(SignedIn {
            token: self.sign(&claims)?,
            expires_at: claims.exp,
            user: stored.account,
            group: self.group.clone(),
        })
    }

    async fn admit(&self, name: &str, address: IpAddr, by: &Actor) -> Result<(), AccountError> {
        let admitted = self.lock_throttle().admit(name, address, Instant::now());
        let Err(wait) = admitted else {
            return Ok(());
        };
        if wait.first {
            let audit = by.audit("session.throttled", by.name.clone());
            self.store.note(Notes::audit(audit)).await?;
        }
        Err(AccountError::Throttled {
            retry_after: wait.retry_after,
        })
    }

    fn lock_throttle(&self) -> std::sync::MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> Arc<TokenState> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn sign(&self, claims: &Claims) -> Result<String, AccountError> {
        token::sign(&self.key, claims).map_err(|e| AccountError::Internal(e.to_string()))
    }

    /// Verifies a token without the database; the role in the answer is the account's present one.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let claims = token::verify(&self.key, token, &self.group, clock::now())?;
        self.still_valid(&claims)
            .map(|role| Claims { role, ..claims })
    }

    /// As [`Accounts::verify`]; an account that this server has not heard of yet is looked up first, at most
    /// five times a second.
    pub async fn verify_fresh(&self, token: &str) -> Result<Claims, TokenError> {
        let claims = token::verify(&self.key, token, &self.group, clock::now())?;
        if claims.server().is_none() && !self.state().accounts.contains_key(&claims.sub) {
            let mut last = self.changing.lock().await;
            if last.elapsed() > REFRESH / 5 && self.read_again(&mut last).await.is_err() {
                *last = Instant::now();
            }
        }
        self.still_valid(&claims)
            .map(|role| Claims { role, ..claims })
    }

    /// Whether verified claims still hold, and with which role: time, revocation, account.
    pub fn still_valid(&self, claims: &Claims) -> Result<Role, TokenError> {
        if claims.exp <= clock::now() {
            return Err(TokenError::Expired);
        }
        if claims.server().is_some() {
            return Ok(Role::Operator);
        }
        let state = self.state();
        if state.revoked.contains(&claims.id) {
            return Err(TokenError::Revoked);
        }
        match state.accounts.get(&claims.sub) {
            Some((_, role, false)) if claims.program => Ok(claims.role.min(*role)),
            Some((generation, role, false)) if claims.generation >= *generation => Ok(*role),
            Some(_) => Err(TokenError::Revoked),
            None => Err(TokenError::Invalid),
        }
    }

    /// Ends a token before its time, at every server of the group within a second.
    pub async fn sign_out(&self, claims: &Claims, by: &Actor) -> Result<(), AccountError> {
        if claims.server().is_none() {
            let audit = by.audit("session.end", claims.sub.clone());
            let notes = Notes::audit(audit);
            self.store
                .revoke_token(&claims.id, claims.exp, notes)
                .await?;
            self.refresh().await?;
        }
        Ok(())
    }

    /// A token whose time was over a second ago.
    #[cfg(test)]
    pub(crate) fn token_that_expired(&self, username: &str) -> Result<String, AccountError> {
        self.sign(&Claims {
            id: random_id()?,
            sub: username.to_owned(),
            role: Role::Admin,
            group: self.group.clone(),
            generation: i64::MAX,
            exp: clock::now() - 1000,
            program: false,
            areas: Vec::new(),
        })
    }

    /// A token, valid for 30 s, by which this server calls another one of the group.
    pub fn server_token(&self, server: &str) -> Result<String, AccountError> {
        let exp = clock::now() + SERVER_TOKEN_MS;
        self.sign(&Claims::of_server(random_id()?, server, &self.group, exp))
    }
}

fn random_id() -> Result<String, AccountError> {
    crate::random::hex(16).map_err(|e| AccountError::Internal(format!("random source: {e}")))
}
