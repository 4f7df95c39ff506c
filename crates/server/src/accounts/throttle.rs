//! Slows sign-ins down, by name and by address. Pure: the caller gives the time.
//!
//! An attempt counts as failed when it *begins* and is taken back when it succeeds, so that a hundred
//! guesses at the same moment are a hundred, not one. The first [`FREE_BY_NAME`] failures of a name (and
//! [`FREE_BY_ADDRESS`] of an address, behind which many people may sit) are free; each one more doubles the
//! wait, up to [`LONGEST`]. [`FORGET`] after the last attempt all is forgotten. The wait is short enough
//! that nobody can lock an account for good by guessing at it.

use gridhelm_api::account::Lockout;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Failures of one name without a wait.
pub(super) const FREE_BY_NAME: u32 = 5;
/// Failures of one address without a wait.
pub(super) const FREE_BY_ADDRESS: u32 = 20;
/// The longest wait.
pub(super) const LONGEST: Duration = Duration::from_mins(1);
/// After so long without an attempt the failures are forgotten.
pub(super) const FORGET: Duration = Duration::from_mins(15);
/// Names and addresses that are shown, each.
const SHOWN: usize = 100;
/// Names and addresses remembered, each.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Tries {
    failed: u32,
    last: Instant,
    told: bool,
}

/// Refused for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    /// How long to wait.
    pub(super) retry_after: Duration,
    /// Whether this is the first refusal of this wait: the one that is audited.
    pub(super) first: bool,
}

/// Remembers failed sign-ins.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    names: HashMap<String, Tries>,
    addresses: HashMap<IpAddr, Tries>,
}

impl Throttle {
    /// An attempt begins: counted as failed until [`Throttle::succeeded`], or refused without counting.
    pub(super) fn admit(&mut self, name: &str, address: IpAddr, now: Instant) -> Result<(), Wait> {
        let name = name.to_lowercase();
        let waits = [
            self.names.get_mut(&name).map(|t| t.wait(FREE_BY_NAME, now)),
            self.addresses
                .get_mut(&address)
                .map(|t| t.wait(FREE_BY_ADDRESS, now)),
        ];
        if let Some(wait) = waits
            .into_iter()
            .flatten()
            .flatten()
            .max_by_key(|w| w.retry_after)
        {
            return Err(wait);
        }
        count(&mut self.names, name, now);
        count(&mut self.addresses, address, now);
        Ok(())
    }

    /// Names and addresses that wait now, at most a hundred of each, those that wait longest first.
    pub(super) fn kept_out(&self, now: Instant) -> Vec<Lockout> {
        let left = |tries: &Tries, free| tries.left(free, now).map(|left| left.as_secs().max(1));
        let mut names: Vec<Lockout> = self
            .names
            .iter()
            .filter_map(|(name, tries)| {
                Some(Lockout {
                    // What cannot be a name is not written anywhere.
                    username: Some(name.clone()).filter(|name| !name.starts_with('\u{0}')),
                    address: None,
                    left_s: left(tries, FREE_BY_NAME)?,
                })
            })
            .filter(|lockout| lockout.username.is_some())
            .collect();
        let mut addresses: Vec<Lockout> = self
            .addresses
            .iter()
            .filter_map(|(address, tries)| {
                Some(Lockout {
                    username: None,
                    address: Some(address.to_string()),
                    left_s: left(tries, FREE_BY_ADDRESS)?,
                })
            })
            .collect();
        for list in [&mut names, &mut addresses] {
            list.sort_by_key(|lockout| std::cmp::Reverse(lockout.left_s));
            list.truncate(SHOWN);
        }
        names.append(&mut addresses);
        names
    }

    /// The attempt was right: the name's failures are forgotten, the address's one is taken back.
    pub(super) fn succeeded(&mut self, name: &str, address: IpAddr) {
        self.names.remove(&name.to_lowercase());
        if let Some(tries) = self.addresses.get_mut(&address) {
            tries.failed = tries.failed.saturating_sub(1);
        }
    }
}

impl Tries {
    /// For how much longer it waits, if it does.
    fn left(&self, free: u32, now: Instant) -> Option<Duration> {
        let since = now.saturating_duration_since(self.last);
        if self.failed < free || since >= FORGET {
            return None;
        }
        let doublings = (self.failed - free).min(16);
        let whole = Duration::from_secs(1 << doublings).min(LONGEST);
        whole.checked_sub(since).filter(|d| !d.is_zero())
    }

    fn wait(&mut self, free: u32, now: Instant) -> Option<Wait> {
        let retry_after = self.left(free, now)?;
        let first = !self.told;
        self.told = true;
        Some(Wait { retry_after, first })
    }
}

fn count<K: std::hash::Hash + Eq + Clone>(map: &mut HashMap<K, Tries>, key: K, now: Instant) {
    if map.len() >= REMEMBERED && !map.contains_key(&key) {
        map.retain(|_, t| now.saturating_duration_since(t.last) < FORGET);
        // Still full: the longest quiet one goes.
        if map.len() >= REMEMBERED {
            let oldest = map
                .iter()
                .min_by_key(|(_, t)| t.last)
                .map(|(k, _)| k.clone());
            if let Some(oldest) = oldest {
                map.remove(&oldest);
            }
        }
    }
    let tries = map.entry(key).or_insert(Tries {
        failed: 0,
        last: now,
        told: false,
    });
    if now.saturating_duration_since(tries.last) >= FORGET {
        tries.failed = 0;
    }
    tries.failed = tries.failed.saturating_add(1);
    tries.last = now;
    tries.told = false;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn other(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    #[test]
    fn the_wait_grows_after_five_failures_and_ends_by_itself() {
        let mut t = Throttle::default();
        let mut now = Instant::now();
        for _ in 0..FREE_BY_NAME {
            assert_eq!(t.admit("mia", HERE, now), Ok(()));
        }
        let wait = t.admit("MIA", HERE, now).unwrap_err();
        let shown = t.kept_out(now);
        assert_eq!(shown.len(), 1);
        assert_eq!(shown[0].username.as_deref(), Some("mia"));
        assert_eq!(
            (wait.retry_after, wait.first),
            (Duration::from_secs(1), true)
        );
        assert!(!t.admit("mia", HERE, now).unwrap_err().first);
        // Another name from the same address is not held back, nor is the name free from another address.
        assert_eq!(t.admit("ben", HERE, now), Ok(()));
        assert!(t.admit("mia", other(1), now).is_err());
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let left = t.admit("mia", HERE, now).unwrap_err().retry_after;
            assert_eq!(left, Duration::from_secs(seconds));
            now += left;
            assert_eq!(t.admit("mia", HERE, now), Ok(()));
        }
        now += FORGET;
        for _ in 0..FREE_BY_NAME {
            assert_eq!(t.admit("mia", other(2), now), Ok(()));
        }
    }

    #[test]
    fn an_address_that_tries_many_names_is_held_back() {
        let mut t = Throttle::default();
        let now = Instant::now();
        for n in 0..FREE_BY_ADDRESS {
            assert_eq!(t.admit(&format!("user{n}"), HERE, now), Ok(()));
        }
        assert!(t.admit("fresh", HERE, now).is_err());
        assert_eq!(t.admit("fresh", other(1), now), Ok(()));
    }

    #[test]
    fn success_forgets_the_name() {
        let mut t = Throttle::default();
        let now = Instant::now();
        for _ in 0..100 {
            assert_eq!(t.admit("mia", HERE, now), Ok(()));
            t.succeeded("mia", HERE);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut t = Throttle::default();
        let now = Instant::now();
        for n in 0..u32::try_from(REMEMBERED).unwrap() + 500 {
            let address = IpAddr::from(n.to_be_bytes());
            let _ = t.admit(
                &format!("u{n}"),
                address,
                now + Duration::from_millis(n.into()),
            );
        }
        assert_eq!(t.names.len(), REMEMBERED);
        assert_eq!(t.addresses.len(), REMEMBERED);
        assert!(t.names.contains_key(&format!("u{}", REMEMBERED + 499)));
    }
}
