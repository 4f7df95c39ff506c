//! What keeps servers from taking turns: a pause after each switch, and a limit to failovers that nobody asked for.
//! Functions of values. Times are of records, by the clocks of the servers that wrote them: a wrong clock costs a
//! pause too short or too long, never more.

use gridhelm_api::Millis;
use gridhelm_api::switch::{HOLD_S, SwitchKind, SwitchRecord, SwitchState};
use serde::Deserialize;

/// How often automatic failover may follow on itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FailoverLimit {
    /// So many failovers at most, then a person decides; 0: no limit.
    pub most: u32,
    /// Within this time, seconds.
    pub within_s: u32,
}

impl Default for FailoverLimit {
    fn default() -> Self {
        Self {
            most: 5,
            within_s: 600,
        }
    }
}

/// Until when another planned switch is held back, if it is.
pub fn held_until(latest: Option<&SwitchRecord>, now: Millis) -> Option<Millis> {
    let done = latest.filter(|switch| switch.state == SwitchState::Done)?;
    let until = done.ended_at? + i64::from(HOLD_S) * 1_000;
    // A record from the future is of a clock that was wrong.
    (now < until && until - now <= i64::from(HOLD_S) * 1_000).then_some(until)
}

/// Until when automatic failover rests because it followed on itself too often, if it does. `latest`: newest first.
pub fn exhausted_until(
    limit: FailoverLimit,
    latest: &[SwitchRecord],
    now: Millis,
) -> Option<Millis> {
    let most = usize::try_from(limit.most).ok().filter(|most| *most > 0)?;
    let within = i64::from(limit.within_s) * 1_000;
    // The one that must grow old before there is room for another.
    let bound = latest
        .iter()
        .filter(|s| s.kind == SwitchKind::Automatic && s.state == SwitchState::Done)
        .nth(most - 1)?;
    let until = bound.started_at + within;
    (now < until).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::record;

    fn ended(kind: SwitchKind, state: SwitchState, at: Millis) -> SwitchRecord {
        SwitchRecord {
            state,
            started_at: at,
            ended_at: Some(at),
            ..record::new(kind, "s-1".into(), "east", "east-2")
        }
    }

    #[test]
    fn a_switch_is_followed_by_a_pause_and_a_failed_one_is_not() {
        let done = ended(SwitchKind::Planned, SwitchState::Done, 100_000);
        assert_eq!(held_until(Some(&done), 100_001), Some(160_000));
        assert_eq!(held_until(Some(&done), 160_000), None);
        assert_eq!(held_until(Some(&done), 1_000), None, "a clock was wrong");
        let failed = ended(SwitchKind::Planned, SwitchState::Failed, 100_000);
        assert_eq!(held_until(Some(&failed), 100_001), None);
        assert_eq!(held_until(None, 0), None);
    }

    #[test]
    fn failovers_that_follow_on_each_other_end() {
        let limit = FailoverLimit {
            most: 2,
            within_s: 600,
        };
        let automatic = |at| ended(SwitchKind::Automatic, SwitchState::Done, at);
        let two = [automatic(50_000), automatic(20_000)];
        assert_eq!(exhausted_until(limit, &two, 60_000), Some(620_000));
        assert_eq!(exhausted_until(limit, &two, 620_000), None);
        assert_eq!(exhausted_until(limit, &two[..1], 60_000), None);
        let planned = [
            ended(SwitchKind::Planned, SwitchState::Done, 50_000),
            automatic(20_000),
        ];
        assert_eq!(exhausted_until(limit, &planned, 60_000), None);
        let none = FailoverLimit { most: 0, ..limit };
        assert_eq!(exhausted_until(none, &two, 60_000), None);
    }
}
