//! How a server that handed over leaves its load balancers.
//!
//! A balancer finds the successor at its own next check. Until then the server that handed over stays in
//! balance and relays; then it takes nothing new, but ends what it has under way; then it is out. So no request
//! meets a moment in which no server takes it, and none is cut off because its server was taken out.

use crate::clock::Moment;
use crate::group::Standing;
use gridhelm_api::group::ServerRole;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long it stays in balance: three checks of a balancer at the shipped interval of 500 ms. Shorter than the
/// time after which a lease lapses, so that nobody takes it for a second active server.
const OVERLAP: Duration = Duration::from_millis(1_500);
/// Until then it says that it takes nothing new whether or not anything is under way: a balancer that takes it out
/// cuts off what it sent there since it asked.
const QUIET: Duration = Duration::from_secs(4);
/// How long it may end what it has under way: the longest that a request for a task waits.
const FINISH: Duration = Duration::from_secs(75);
/// How long it may end what it has under way when it is told to stop.
const STOPPING: Duration = Duration::from_secs(5);
/// How often a server that stops looks whether it is out.
const LOOK: Duration = Duration::from_millis(50);
/// How long work is relayed: until clients that ask this server directly have noticed, too.
const GRACE: Duration = Duration::from_secs(10);

/// What a server tells a load balancer that asks whether it takes the group's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Balance {
    /// Yes.
    In,
    /// Nothing new, but what is under way shall end.
    Finishing,
    /// No.
    Out,
}

/// Decides for a server that handed over so long ago.
fn balance(left: Duration, successor_known: bool, under_way: usize) -> Balance {
    if left < OVERLAP && successor_known {
        Balance::In
    } else if left < QUIET || (left < FINISH && under_way > 0) {
        Balance::Finishing
    } else {
        Balance::Out
    }
}

/// What this server still does after it handed over. When it did, its [`Standing`] tells.
#[derive(Default)]
pub(crate) struct Leave {
    under_way: Arc<AtomicUsize>,
}

/// A request under way; it is over when this is dropped.
pub(crate) struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Leave {
    /// Counts a request that must not be cut off.
    pub(crate) fn begin(&self) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(&self.under_way))
    }

    /// Whether a server that stands so still relays work.
    pub(crate) fn lately(standing: &Standing) -> bool {
        since(standing).is_some_and(|since| since < GRACE)
    }

    /// What this server, which stands so, tells load balancers.
    pub(crate) fn balance(&self, standing: &Standing) -> Balance {
        // While it hands over it still is the one: it parks what comes.
        if standing.status.role == ServerRole::Leaving || standing.fence().is_ok() {
            return Balance::In;
        }
        let successor_known = standing.status.active.is_some();
        let under_way = self.under_way.load(Ordering::Relaxed);
        since(standing).map_or(Balance::Out, |since| {
            balance(since, successor_known, under_way)
        })
    }

    /// Waits until no load balancer sends anything here any more, where this server handed over lately: whoever stops it
    /// right after a switchover must not cut off what balancers still send.
    pub(crate) async fn until_out(&self, standing: &watch::Receiver<Standing>) {
        let patience = Instant::now() + QUIET + STOPPING;
        loop {
            let (left, balance, working) = {
                let now = standing.borrow();
                let left = now.left.is_some();
                (left, self.balance(&now), now.fence().is_ok())
            };
            if !left || working || balance == Balance::Out || Instant::now() > patience {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// How long ago a server that stands so handed over.
fn since(standing: &Standing) -> Option<Duration> {
    standing.left.map(|left| Moment::now().since(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1_499);
    const LATER: Duration = Duration::from_millis(1_500);

    #[test]
    fn it_stays_in_balance_until_the_successor_was_found() {
        assert_eq!(balance(Duration::ZERO, true, 0), Balance::In);
        assert_eq!(balance(SOON, true, 3), Balance::In);
        assert_eq!(balance(LATER, true, 0), Balance::Finishing);
        assert_eq!(balance(QUIET, true, 0), Balance::Out);
    }

    #[test]
    fn it_takes_nothing_when_it_knows_nobody_to_relay_to() {
        assert_eq!(balance(Duration::ZERO, false, 0), Balance::Finishing);
        assert_eq!(balance(QUIET, false, 0), Balance::Out);
    }

    #[test]
    fn what_is_under_way_may_end_but_not_for_ever() {
        assert_eq!(balance(QUIET, true, 1), Balance::Finishing);
        assert_eq!(balance(FINISH, true, 1), Balance::Out);
    }

    #[test]
    fn nobody_takes_it_for_a_second_active_server() {
        assert!(OVERLAP < crate::group::lease::LAPSE_AFTER);
    }

    #[test]
    fn a_server_that_never_handed_over_is_out() {
        assert_eq!(Leave::default().balance(&Standing::default()), Balance::Out);
    }

    #[tokio::test]
    async fn a_server_that_never_handed_over_stops_at_once() {
        let (sender, standing) = watch::channel(Standing::default());
        let leave = Leave::default();
        let waits = leave.until_out(&standing);
        assert!(futures_util::FutureExt::now_or_never(waits).is_some());
        sender.send_modify(|s| s.left = Some(Moment::now()));
        let waits = leave.until_out(&standing);
        assert!(futures_util::FutureExt::now_or_never(waits).is_none());
    }

    #[test]
    fn a_request_counts_until_it_is_over() {
        let leave = Leave::default();
        let request = leave.begin();
        assert_eq!(leave.under_way.load(Ordering::Relaxed), 1);
        drop(request);
        assert_eq!(leave.under_way.load(Ordering::Relaxed), 0);
    }
}
