//! Passwords as argon2id hashes in PHC form.
//!
//! Hashing is slow and takes 19 MiB each time on purpose. So that sign-ins can neither fill the memory
//! nor starve the server, one hash is made at a time, on a thread of its own, and at most [`WAITING`]
//! callers wait for one. Always the same thread: the C library keeps what each thread once took.

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use tokio::sync::{Semaphore, oneshot};

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
    worker: mpsc::Sender<Job>,
    waiting: Arc<Semaphore>,
}

/// A hash to be made.
type Job = Box<dyn FnOnce() + Send>;

impl Passwords {
    /// A hasher; makes one hash (about 20 ms).
    pub(super) fn new() -> Result<Self, PasswordError> {
        let params = Params::new(MEMORY_KIB, 2, 1, None).map_err(failed)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = crate::random::hex(16).map_err(failed)?;
        let worker = worker()?;
        let (tell, told) = mpsc::channel();
        let first = argon.clone();
        let job: Job = Box::new(move || drop(tell.send(hash_now(&first, &nobody))));
        worker.send(job).map_err(failed)?;
        let dummy = told.recv().map_err(failed)??;
        Ok(Self {
            argon,
            dummy,
            worker,
            waiting: Arc::new(Semaphore::new(WAITING)),
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
        let place = Arc::clone(&self.waiting)
            .try_acquire_owned()
            .map_err(|_| PasswordError::Busy)?;
        let (tell, told) = oneshot::channel();
        // The place goes along: a caller that goes away does not make room for one more.
        let job: Job = Box::new(move || {
            let done = work();
            drop(place);
            let _ = tell.send(done);
        });
        self.worker.send(job).map_err(failed)?;
        told.await.map_err(failed)
    }
}

/// The thread that hashes; it ends with its [`Passwords`].
fn worker() -> Result<mpsc::Sender<Job>, PasswordError> {
    let (sender, jobs) = mpsc::channel::<Job>();
    std::thread::Builder::new()
        .name("passwords".to_owned())
        .spawn(move || {
            for job in jobs {
                // One that panics tells its caller by being dropped; the next ones are made.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        })
        .map_err(failed)?;
    Ok(sender)
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
    async fn after_one_that_panics_hashes_are_made_again() {
        let passwords = Passwords::new().unwrap();
        let lost = passwords.apart(|| -> u8 { panic!("a test") }).await;
        assert!(matches!(lost, Err(PasswordError::Failed(_))));
        assert!(passwords.hash("p").await.is_ok());
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
