//! How much of the server one caller may have: requests by token buckets, connections and event streams by number.
//! Pure, the caller gives the time.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Callers remembered; of more, the newest are counted together.
const REMEMBERED: usize = 50_000;
/// How often it is looked through for those that need not be remembered.
const TIDY: Duration = Duration::from_secs(1);
/// How many seconds' worth of requests may come at once.
const BURST: f64 = 4.0;

/// What is left for one caller.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    /// What is there at `now`, at a filling of `rate` a second.
    fn filled(self, rate: f64, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        (self.left + since * rate).min(rate * BURST)
    }
}

/// Token buckets by key.
#[derive(Debug)]
pub(super) struct Rates<K> {
    /// Requests a second; 0: no limit.
    rate: f64,
    book: Mutex<Book<K>>,
}

#[derive(Debug)]
struct Book<K> {
    buckets: HashMap<K, Bucket>,
    /// When full buckets were last thrown away.
    tidied: Option<Instant>,
}

impl<K: Eq + Hash + Clone + Default> Rates<K> {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            rate: f64::from(rate),
            book: Mutex::new(Book {
                buckets: HashMap::new(),
                tidied: None,
            }),
        }
    }

    /// Takes one request.
    ///
    /// # Errors
    /// How long to wait for the next one.
    pub(super) fn take(&self, key: &K, now: Instant) -> Result<(), Duration> {
        if self.rate <= 0.0 {
            return Ok(());
        }
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let Book { buckets, tidied } = &mut *book;
        let lately = tidied.is_some_and(|at| now.saturating_duration_since(at) < TIDY);
        if buckets.len() >= REMEMBERED && !lately {
            // A full bucket is as good as none.
            let rate = self.rate;
            buckets.retain(|_, bucket| bucket.filled(rate, now) < rate * BURST);
            *tidied = Some(now);
        }
        let full = buckets.len() >= REMEMBERED && !buckets.contains_key(key);
        let key = if full { K::default() } else { key.clone() };
        let bucket = buckets.entry(key).or_insert(Bucket {
            left: self.rate * BURST,
            at: now,
        });
        let left = bucket.filled(self.rate, now);
        bucket.at = now.max(bucket.at);
        if left < 1.0 {
            bucket.left = left;
            return Err(Duration::from_secs_f64((1.0 - left) / self.rate));
        }
        bucket.left = left - 1.0;
        Ok(())
    }
}

/// How many of something each key has now.
#[derive(Debug)]
pub(super) struct Places<K: Eq + Hash> {
    /// The most; 0: no limit.
    most: usize,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

/// One place; given back with the value.
#[derive(Debug)]
pub(super) struct Place<K: Eq + Hash> {
    key: K,
    taken: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Eq + Hash + Clone> Places<K> {
    pub(super) fn new(most: u32) -> Self {
        Self {
            most: usize::try_from(most).unwrap_or(usize::MAX),
            taken: Arc::default(),
        }
    }

    /// The most that one key may have; 0: no limit.
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    /// A place, if one is left for this key.
    pub(super) fn take(&self, key: &K) -> Option<Place<K>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(key.clone()).or_default();
        if self.most > 0 && *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place {
            key: key.clone(),
            taken: Arc::clone(&self.taken),
        })
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

/// What an address counts as: itself, or of IPv6 its network, of which one caller has all addresses.
pub(super) fn of_address(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => {
            let network = u128::from(six) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds() {
        let rates = Rates::<u8>::new(10);
        let start = Instant::now();
        for _ in 0..40 {
            rates.take(&1, start).unwrap();
        }
        let wait = rates.take(&1, start).unwrap_err();
        assert_eq!(wait.as_millis(), 100);
        rates.take(&2, start).unwrap();
        rates.take(&1, start + wait).unwrap();
        rates.take(&1, start + wait).unwrap_err();
        let none = Rates::<u8>::new(0);
        assert!((0..100_000).all(|_| none.take(&1, start).is_ok()));
    }

    #[test]
    fn memory_is_bounded_and_who_waits_is_not_forgotten() {
        let rates = Rates::<u32>::new(1);
        let start = Instant::now();
        while rates.take(&7, start).is_ok() {}
        for key in 10..60_000 {
            let _ = rates.take(&key, start);
        }
        assert!(rates.book.lock().unwrap().buckets.len() <= REMEMBERED + 1);
        rates.take(&7, start).unwrap_err();
        // All others are full again.
        let later = start + Duration::from_secs(2);
        rates.take(&99_999, later).unwrap();
        assert!(rates.book.lock().unwrap().buckets.len() < 10);
    }

    #[test]
    fn places_are_given_back() {
        let places = Places::<&str>::new(2);
        let (first, second) = (places.take(&"a").unwrap(), places.take(&"a").unwrap());
        assert!(places.take(&"a").is_none());
        let other = places.take(&"b").unwrap();
        drop(first);
        let third = places.take(&"a").unwrap();
        drop((second, third, other));
        assert!(places.taken.lock().unwrap().is_empty());
        let free = Places::<u8>::new(0);
        let held: Vec<_> = (0..1000).map(|_| free.take(&1).unwrap()).collect();
        assert_eq!(held.len(), 1000);
    }

    #[test]
    fn a_network_of_ipv6_is_one_caller() {
        let of = |text: &str| of_address(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1:2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    proptest! {
        /// Whatever the pattern of calls: never more than the burst and the rate allow, and who keeps the rate is
        /// never refused.
        #[test]
        fn never_more_than_the_rate(rate in 1_u32..1000, steps in proptest::collection::vec(0_u64..200, 1..400)) {
            let rates = Rates::<u8>::new(rate);
            let start = Instant::now();
            let (mut now, mut passed) = (start, 0_u32);
            for ms in &steps {
                now += Duration::from_millis(*ms);
                passed += u32::from(rates.take(&1, now).is_ok());
            }
            let most = f64::from(rate) * (BURST + now.duration_since(start).as_secs_f64());
            prop_assert!(f64::from(passed) <= most + 1e-6);
            let calm = Rates::<u8>::new(rate);
            let gap = Duration::from_secs_f64(1.0 / f64::from(rate)) + Duration::from_nanos(1);
            let times = u32::try_from(steps.len()).unwrap();
            prop_assert!((0..times).all(|n| calm.take(&1, start + gap * n).is_ok()));
        }

        /// Waiting as long as was said is enough.
        #[test]
        fn the_wait_is_true(rate in 1_u32..1000, calls in 0_u32..5000) {
            let rates = Rates::<u8>::new(rate);
            let now = Instant::now();
            for _ in 0..calls {
                if let Err(wait) = rates.take(&1, now) {
                    prop_assert!(rates.take(&1, now + wait + Duration::from_micros(1)).is_ok());
                    break;
                }
            }
        }
    }
}
