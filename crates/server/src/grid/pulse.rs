//! Whether the R session in a slot can still work, from what looks at its process see. A function of values.
//!
//! A session that runs code answers nobody until that ends, so its process is looked at instead: the node's watch reads its state from
//! `/proc` about once a second, without a word to the session itself.

use gridhelm_api::Millis;
use gridhelm_api::node::{SlotStall, StallKind};

/// Looks in a row that must see a process stopped, or gone, before that is told: one alone may fall into a moment.
const CERTAIN: u32 = 2;
/// The same of a process that waits for a disk: that is usual, unless it lasts.
const DISK: u32 = 10;
/// Looks in a row that must fail before a session counts as silent, and since when nothing of it was seen, milliseconds.
const SILENT: (u32, Millis) = (3, 10_000);
/// What stays the same is told anew so often, milliseconds: with the present number of tries.
const AGAIN: Millis = 10_000;

/// What a look saw of a session's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It runs, or waits as running code does.
    Fine,
    /// It is stopped (SIGSTOP, a debugger).
    Stopped,
    /// It waits for a disk at this moment, and cannot be interrupted.
    Disk,
    /// There is no such process.
    Gone,
    /// Nothing: the look itself failed, for this reason.
    Failed(String),
}

impl Look {
    /// By the state letter in `/proc/PID/stat` (proc(5)); `X` where there is no such file.
    pub fn of_letter(state: char) -> Self {
        match state {
            'T' | 't' => Self::Stopped,
            'D' => Self::Disk,
            'Z' | 'X' | 'x' => Self::Gone,
            _ => Self::Fine,
        }
    }

    fn kind(&self) -> Option<(StallKind, u32)> {
        match self {
            Self::Fine => None,
            Self::Stopped => Some((StallKind::Stopped, CERTAIN)),
            Self::Disk => Some((StallKind::Disk, DISK)),
            Self::Gone => Some((StallKind::Gone, CERTAIN)),
            Self::Failed(_) => Some((StallKind::Silent, SILENT.0)),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Fine => String::new(),
            Self::Stopped => {
                "its process is stopped (SIGSTOP or a debugger): it goes on by SIGCONT".to_owned()
            }
            Self::Disk => "its process waits for a disk that does not answer".to_owned(),
            Self::Gone => "its process is gone, and its connection was not closed".to_owned(),
            Self::Failed(why) => format!("its process cannot be looked at: {why}"),
        }
    }
}

/// What is known of one session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pulse {
    /// When it was last seen well.
    last_good: Option<Millis>,
    /// What the last looks saw that is not well, told or not yet.
    bad: Option<SlotStall>,
    /// What is told of it.
    told: Option<SlotStall>,
}

impl Pulse {
    /// Takes a look made at `now`; whether what is told of it is another from now on.
    pub fn look(&mut self, look: &Look, now: Millis) -> bool {
        let Some((kind, enough)) = look.kind() else {
            self.last_good = Some(now);
            self.bad = None;
            return self.told.take().is_some();
        };
        let silent = kind == StallKind::Silent;
        match &mut self.bad {
            Some(bad) if bad.kind == kind => {
                bad.tries = bad.tries.saturating_add(1);
                bad.looked_at = now;
                bad.what = look.words();
            }
            // What was seen of it holds until something else is seen.
            Some(_) if silent => return false,
            bad => {
                *bad = Some(SlotStall {
                    kind,
                    what: look.words(),
                    since: now,
                    tries: 1,
                    looked_at: now,
                    last_good: self.last_good,
                });
            }
        }
        let Some(bad) = &self.bad else { return false };
        let unseen = now.saturating_sub(self.last_good.unwrap_or(bad.since));
        let certain = bad.tries >= enough && (!silent || unseen >= SILENT.1);
        let stale = self.told.as_ref().is_none_or(|told| {
            told.kind != bad.kind || bad.looked_at.saturating_sub(told.looked_at) >= AGAIN
        });
        if certain && stale {
            self.told = Some(bad.clone());
        }
        certain && stale
    }

    /// What is told of a session that cannot work.
    pub fn stall(&self) -> Option<&SlotStall> {
        self.told.as_ref()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn kind(pulse: &Pulse) -> Option<StallKind> {
        pulse.stall().map(|stall| stall.kind)
    }

    #[test]
    fn a_stopped_process_is_told_by_the_second_look_and_taken_back_by_the_first_good_one() {
        let mut pulse = Pulse::default();
        assert!(!pulse.look(&Look::Fine, 1_000));
        assert!(!pulse.look(&Look::of_letter('T'), 2_000));
        assert!(pulse.look(&Look::of_letter('t'), 3_000));
        let told = pulse.stall().unwrap();
        assert_eq!(
            (told.kind, told.since, told.tries, told.looked_at),
            (StallKind::Stopped, 2_000, 2, 3_000)
        );
        assert_eq!(told.last_good, Some(1_000));
        assert!(told.what.contains("stopped"), "{told:?}");
        // What stays the same is told anew after ten seconds only.
        assert!((4..=12).all(|s| !pulse.look(&Look::Stopped, s * 1_000)));
        assert!(pulse.look(&Look::Stopped, 13_000));
        assert_eq!(pulse.stall().unwrap().tries, 12);
        assert!(pulse.look(&Look::Fine, 14_000));
        assert_eq!(pulse.stall(), None);
    }

    #[test]
    fn what_comes_and_goes_within_a_moment_is_not_told() {
        let mut pulse = Pulse::default();
        for now in 0..50 {
            let letter = if now % 2 == 0 { 'Z' } else { 'S' };
            assert!(!pulse.look(&Look::of_letter(letter), now * 1_000));
        }
        // A disk that is waited for is usual for a while.
        let mut pulse = Pulse::default();
        assert!((0..9).all(|now| !pulse.look(&Look::of_letter('D'), now * 1_000)));
        assert!(pulse.look(&Look::Disk, 9_000));
    }

    #[test]
    fn silence_takes_tries_and_time_and_does_not_hide_what_was_seen() {
        let failed = || Look::Failed("no answer".to_owned());
        let mut pulse = Pulse::default();
        pulse.look(&Look::Fine, 0);
        // Many tries within a moment are no proof, nor is a long time without one.
        assert!((1..9).all(|now| !pulse.look(&failed(), now * 1_000)));
        assert_eq!(kind(&pulse), None);
        assert!(pulse.look(&failed(), 10_000));
        let told = pulse.stall().unwrap();
        assert_eq!((told.kind, told.last_good), (StallKind::Silent, Some(0)));
        assert!(told.what.ends_with("no answer"));
        assert!(!pulse.look(&Look::Stopped, 11_000), "once is not enough");
        assert!(pulse.look(&Look::Stopped, 12_000));
        assert!(!pulse.look(&failed(), 60_000));
        assert_eq!(kind(&pulse), Some(StallKind::Stopped));
    }

    fn any_look() -> impl Strategy<Value = Look> {
        prop_oneof![
            3 => Just(Look::Fine),
            3 => Just(Look::Stopped),
            3 => Just(Look::Disk),
            2 => Just(Look::Gone),
            2 => Just(Look::Failed("x".to_owned())),
        ]
    }

    proptest! {
        /// What is told was seen by the looks just before, as often as it says, and nothing is told of a session that was just seen well.
        #[test]
        fn what_is_told_was_seen(steps in prop::collection::vec((any_look(), 1_i64..6_000), 0..80)) {
            let (mut pulse, mut now) = (Pulse::default(), 0);
            let mut run: Vec<(StallKind, Millis)> = Vec::new();
            let mut good = None;
            for (look, step) in steps {
                now += step;
                let before = pulse.stall().cloned();
                let told = pulse.look(&look, now);
                prop_assert_eq!(told, before.as_ref() != pulse.stall());
                match look.kind() {
                    None => {
                        run.clear();
                        good = Some(now);
                        prop_assert_eq!(pulse.stall(), None);
                    }
                    Some((StallKind::Silent, _)) if run.iter().any(|(kind, _)| *kind != StallKind::Silent) => {}
                    Some((kind, _)) => {
                        run.retain(|(seen, _)| *seen == kind);
                        run.push((kind, now));
                    }
                }
                if let Some(stall) = pulse.stall().filter(|_| told) {
                    prop_assert_eq!(stall.kind, run[0].0);
                    prop_assert_eq!(stall.since, run[0].1);
                    prop_assert_eq!(stall.tries as usize, run.len());
                    prop_assert_eq!(stall.last_good, good);
                    prop_assert!(stall.tries >= CERTAIN && stall.looked_at == now);
                }
            }
        }
    }
}
