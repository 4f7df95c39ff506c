//! Passwords as argon2id hashes in PHC form.
//!
//! Hashing is slow and takes 19 MiB each time on purpose. So that sign-ins can neither fill the memory
//! nor starve the server, at most [`AT_ONCE`] hashes are made at a time, on threads of their own, and at
//! most [`WAITING`] wait for one.

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Hashes made at the same time.
const AT_ONCE: usize = 2;
/// Callers that may wait for a hash, those under way included.
const WAITING: usize = 32;
/// The memory of one hash, KiB: OWASP's first choice for argon2id.
const MEMORY_KIB: u32 = 19 * 1024;

/// Why a password could not be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub(super) enum PasswordError {
    /// Too many callers wait.
    #[error("too many sign-ins at the same time; try again in a second")]
    Busy,
    /// The hash function failed.
    #[error("hashing a password failed: {0}")]
    Failed(String),
}

/// Makes and compares hashes.
pub(super) struct Passwords {
    argon: Argon2<'static>,
    /// The hash of nobody's password: unknown names take as long as known ones.
    dummy: String,
    at_once: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Passwords {
    /// A hasher; makes one hash (about 20 ms).
    pub(super) fn new() -> Result<Self, PasswordError> {
        let params = Params::new(MEMORY_KIB, 2, 1, None).map_err(failed)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = crate::random::hex(16).map_err(failed)?;
        let dummy = hash_now(&argon, &nobody)?;
        Ok(Self {
            argon,
            dummy,
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Semaphore::new(WAITING),
        })
    }

    /// The hash of a password, with a new salt.
    pub(super) async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let argon = self.argon.clone();
        let password = password.to_owned();
        self.apart(move || hash_now(&argon, &password)).await?
    }

    /// Whether the password belongs to the hash; without a hash it takes as long and answers no.
    pub(super) async fn verify(
        &self,
        password: &str,
        hash: Option<&str>,
    ) -> Result<bool, PasswordError> {
        let argon = self.argon.clone();
        let password = password.to_owned();
        let known = hash.is_some();
        let hash = hash.unwrap_or(&self.dummy).to_owned();
        self.apart(move || {
            let parsed = PasswordHash::new(&hash).map_err(failed)?;
            Ok(argon.verify_password(password.as_bytes(), &parsed).is_ok() && known)
        })
        .await?
    }

    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _place = self
            .waiting
            .try_acquire()
            .map_err(|_| PasswordError::Busy)?;
        let permit = Arc::clone(&self.at_once)
            .acquire_owned()
            .await
            .map_err(failed)?;
        // The permit goes along: a caller that goes away does not make room for a third hash.
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        })
        .await
        .map_err(failed)
    }
}

fn hash_now(argon: &Argon2<'_>, password: &str) -> Result<String, PasswordError> {
    let hash: PasswordHash = argon.hash_password(password.as_bytes()).map_err(failed)?;
    Ok(hash.to_string())
}

#[allow(clippy::needless_pass_by_value)] // as `map_err` gives it
fn failed(error: impl std::fmt::Display) -> PasswordError {
    PasswordError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits_its_hash() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert_ne!(hash, passwords.hash("correct horse").await.unwrap());
        assert!(
            passwords
                .verify("correct horse", Some(&hash))
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .verify("correct horsf", Some(&hash))
                .await
                .unwrap()
        );
        assert!(!passwords.verify("correct horse", None).await.unwrap());
        assert!(passwords.verify("x", Some("not a hash")).await.is_err());
    }

    #[tokio::test]
    async fn more_callers_than_may_wait_are_turned_away() {
        let passwords = Passwords::new().unwrap();
        let all =
            futures_util::future::join_all((0..WAITING + 8).map(|_| passwords.hash("p"))).await;
        let busy = all
            .iter()
            .filter(|r| matches!(r, Err(PasswordError::Busy)))
            .count();
        assert_eq!(busy, 8);
        assert!(passwords.hash("p").await.is_ok());
    }
}
