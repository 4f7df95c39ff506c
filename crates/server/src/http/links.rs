//! One-time addresses, by which a browser fetches one thing without a token.

use super::given::Given;
use axum::body::Bytes;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an address is good.
const GOOD_FOR: Duration = Duration::from_mins(1);
/// Addresses at the same time; beyond them the oldest goes.
const AT_ONCE: usize = 10_000;

/// What an address is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Thing {
    /// Content of the database.
    Content(Given),
    /// A file on this host, of that size.
    File {
        path: PathBuf,
        name: String,
        size: u64,
    },
    /// What was made for it.
    Bytes { bytes: Bytes, name: String },
}

/// The addresses that were given out and not used.
#[derive(Default)]
pub(crate) struct Links(Mutex<HashMap<String, (Instant, Thing)>>);

impl Links {
    /// A new address for a thing: its secret part, 128 random bits.
    pub(crate) fn make(&self, thing: Thing, now: Instant) -> Result<String, getrandom::Error> {
        let secret = crate::random::hex(16)?;
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if links.len() >= AT_ONCE {
            links.retain(|_, (made, _)| now.saturating_duration_since(*made) < GOOD_FOR);
        }
        if links.len() >= AT_ONCE {
            let oldest = links.iter().min_by_key(|(_, (made, _))| *made);
            if let Some(oldest) = oldest.map(|(k, _)| k.clone()) {
                links.remove(&oldest);
            }
        }
        links.insert(secret.clone(), (now, thing));
        Ok(secret)
    }

    /// The thing of an address, which ends with this.
    pub(crate) fn take(&self, secret: &str, now: Instant) -> Option<Thing> {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (made, thing) = links.remove(secret)?;
        (now.saturating_duration_since(made) < GOOD_FOR).then_some(thing)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn given(n: usize) -> Thing {
        Thing::Content(Given {
            sha256: String::new(),
            size: 0,
            name: n.to_string(),
        })
    }

    #[test]
    fn an_address_is_good_once_and_for_a_minute() {
        let links = Links::default();
        let now = Instant::now();
        let a = links.make(given(1), now).unwrap();
        let b = links.make(given(2), now).unwrap();
        assert_eq!(a.len(), 32);
        assert_eq!(links.take(&a, now), Some(given(1)));
        assert_eq!(links.take(&a, now), None);
        assert_eq!(links.take("no such", now), None);
        assert_eq!(links.take(&b, now + GOOD_FOR), None);
    }

    #[test]
    fn they_are_bounded() {
        let links = Links::default();
        let now = Instant::now();
        let first = links.make(given(0), now).unwrap();
        for n in 1..=AT_ONCE {
            links
                .make(given(n), now + Duration::from_millis(1))
                .unwrap();
        }
        assert_eq!(links.0.lock().unwrap().len(), AT_ONCE);
        assert_eq!(links.take(&first, now), None);
    }
}
