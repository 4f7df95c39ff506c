//! Passwords as argon2id hashes in PHC form.
//!
//! Hashing is slow and takes 19 MiB each time on purpose. So that sign-ins can neither fill the memory
//! nor starve the server, one hash is made at a time, on a thread of its own, and at most [`WAITING`]
//! callers wait for one. Its memory is taken once and kept: the C library would keep more of what is taken and
//! given back each time.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
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

/// What a hash is made in.
type Memory = Vec<Block>;
/// A hash to be made.
type Job = Box<dyn FnOnce(&mut Memory) + Send>;

impl Passwords {
    /// A hasher; makes one hash (about 20 ms).
    pub(super) fn new() -> Result<Self, PasswordError> {
        let params = Params::new(MEMORY_KIB, 2, 1, None).map_err(failed)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = crate::random::hex(16).map_err(failed)?;
        let worker = worker()?;
        let (tell, told) = mpsc::channel();
        let first = argon.clone();
        let job: Job = Box::new(move |memory| drop(tell.send(hash_now(&first, memory, &nobody))));
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
        self.apart(move |memory| hash_now(&argon, memory, &password))
            .await?
    }

    /// Whether the password belongs to the hash; without a hash it takes as long and answers no.
    pub(super) async fn verify(
        &self,
        password: &str,
        hash: Option<&str>,
    ) -> Result<bool, PasswordError> {
        let password = password.to_owned();
        let known = hash.is_some();
        let hash = hash.unwrap_or(&self.dummy).to_owned();
        self.apart(move |memory| Ok(fits(memory, &password, &hash)? && known))
            .await?
    }

    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = Arc::clone(&self.waiting)
            .try_acquire_owned()
            .map_err(|_| PasswordError::Busy)?;
        let (tell, told) = oneshot::channel();
        // The place goes along: a caller that goes away does not make room for one more.
        let job: Job = Box::new(move |memory| {
            let done = work(memory);
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
            let mut memory = Memory::new();
            for job in jobs {
                // One that panics tells its caller by being dropped; the next ones are made. Each hash fills its memory anew.
                let _ = catch_unwind(AssertUnwindSafe(|| job(&mut memory)));
            }
        })
        .map_err(failed)?;
    Ok(sender)
}

fn hash_now(
    argon: &Argon2<'_>,
    memory: &mut Memory,
    password: &str,
) -> Result<String, PasswordError> {
    let salt = Salt::generate();
    let length = Params::DEFAULT_OUTPUT_LEN;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon.params()).map_err(failed)?,
        hash: Some(output(argon, memory, password, &salt, length)?),
        salt: Some(salt),
    };
    Ok(hash.to_string())
}

/// Whether a password belongs to a hash, whatever its settings are.
fn fits(memory: &mut Memory, password: &str, hash: &str) -> Result<bool, PasswordError> {
    let hash = PasswordHash::new(hash).map_err(failed)?;
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
        return Err(failed("a stored hash has no salt or no end"));
    };
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).map_err(failed)?;
    let version = hash.version.map(Version::try_from).transpose();
    let params = Params::try_from(&hash).map_err(failed)?;
    let argon = Argon2::new(
        algorithm,
        version.map_err(failed)?.unwrap_or_default(),
        params,
    );
    // The comparison takes the same time wherever they differ.
    Ok(output(&argon, memory, password, salt, expected.len())? == *expected)
}

fn output(
    argon: &Argon2<'_>,
    memory: &mut Memory,
    password: &str,
    salt: &Salt,
    length: usize,
) -> Result<Output, PasswordError> {
    let blocks = argon.params().block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::default());
    }
    let mut out = [0; Output::MAX_LENGTH];
    let out = &mut out[..length];
    argon
        .hash_password_into_with_memory(password.as_bytes(), salt, out, memory.as_mut_slice())
        .map_err(failed)?;
    Output::new(out).map_err(failed)
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

    /// What the library itself makes and takes is the same.
    #[tokio::test]
    async fn hashes_are_those_of_the_library() {
        use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash("correct horse").await.unwrap();
        let parsed = PasswordHash::new(&hash).unwrap();
        let library = Argon2::default();
        library.verify_password(b"correct horse", &parsed).unwrap();
        // Of other settings, as an older or later release may have.
        let params = Params::new(64, 3, 2, Some(20)).unwrap();
        let other = Argon2::new(Algorithm::Argon2i, Version::V0x10, params);
        let hash = other.hash_password(b"staple").unwrap().to_string();
        assert!(passwords.verify("staple", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("stable", Some(&hash)).await.unwrap());
    }

    #[tokio::test]
    async fn after_one_that_panics_hashes_are_made_again() {
        let passwords = Passwords::new().unwrap();
        let lost = passwords.apart(|_| -> u8 { panic!("a test") }).await;
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
