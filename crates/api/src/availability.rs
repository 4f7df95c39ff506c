//! How much of a time slots and nodes could be used, and the grid as it was at a moment: functions of the recorded points.

use crate::Millis;
use crate::node::TimelinePoint;
use serde::{Deserialize, Serialize};

/// The shares of one node, or of the grid, over a time.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Share {
    /// Share of slot time that could be used, 0 to 1; absent when there was no slot in that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<f64>,
    /// Share of the time in which at least one slot of a node could be used, 0 to 1, for the grid the mean of its nodes by time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<f64>,
    /// Share of slot time that was out although people wanted it in, 0 to 1.
    #[serde(default)]
    pub unplanned: f64,
    /// For how long there were records, milliseconds, at most the whole time: a node that was registered an hour ago has an hour. Of the
    /// grid, the sum of its nodes.
    pub known_ms: Millis,
}

/// One node's shares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct NodeShares {
    /// Its name. It may have been removed since.
    pub name: String,
    /// Over the last 24 hours.
    pub day: Share,
    /// Over the last 7 days.
    pub week: Share,
    /// How often it lost slots without anybody wanting it, in the last 7 days.
    pub losses: u32,
}

/// `GET /availability`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Availability {
    /// The server's clock.
    pub at: Millis,
    /// The whole grid over the last 24 hours.
    pub day: Share,
    /// The whole grid over the last 7 days.
    pub week: Share,
    /// Its nodes, by name; those that were removed in that time, too.
    pub nodes: Vec<NodeShares>,
}

/// One change of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct NodePoint {
    /// The node.
    pub node: String,
    /// What held from then on.
    #[serde(flatten)]
    pub point: TimelinePoint,
}

/// `GET /grid/history`: all that changed, from which the grid at any moment follows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct GridHistory {
    /// From when.
    pub since: Millis,
    /// Until when: the server's clock, or where the points end because there are too many for one answer.
    pub until: Millis,
    /// Oldest first; those from before `since` tell how each node stood then.
    pub points: Vec<NodePoint>,
}

/// One node at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeThen<'a> {
    /// Its name.
    pub node: &'a str,
    /// What held.
    pub point: &'a TimelinePoint,
}

impl GridHistory {
    /// The grid as it was at that moment, by name; nodes that were not registered then are left out.
    pub fn at(&self, moment: Millis) -> Vec<NodeThen<'_>> {
        let mut then: std::collections::BTreeMap<&str, &TimelinePoint> =
            std::collections::BTreeMap::new();
        for found in self.points.iter().filter(|p| p.point.at <= moment) {
            then.insert(&found.node, &found.point);
        }
        then.into_iter()
            .filter(|(_, point)| point.total > 0)
            .map(|(node, point)| NodeThen { node, point })
            .collect()
    }
}

/// Sums of a time, from which shares are made.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    slot_ms: f64,
    usable_ms: f64,
    unplanned_ms: f64,
    up_ms: f64,
    known_ms: f64,
}

impl Sums {
    fn share(self) -> Share {
        let of = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        Share {
            slots: of(self.usable_ms, self.slot_ms),
            nodes: of(self.up_ms, self.known_ms),
            unplanned: of(self.unplanned_ms, self.slot_ms).unwrap_or(0.0),
            #[allow(clippy::cast_possible_truncation)] // a sum of milliseconds
            known_ms: self.known_ms as Millis,
        }
    }

    fn add(&mut self, other: Self) {
        self.slot_ms += other.slot_ms;
        self.usable_ms += other.usable_ms;
        self.unplanned_ms += other.unplanned_ms;
        self.up_ms += other.up_ms;
        self.known_ms += other.known_ms;
    }
}

/// What one node's points (oldest first) come to between two moments.
fn sums(points: &[&TimelinePoint], from: Millis, to: Millis) -> Sums {
    let mut sums = Sums::default();
    for (index, point) in points.iter().enumerate() {
        let begins = point.at.max(from);
        let ends = points.get(index + 1).map_or(to, |next| next.at).min(to);
        if ends <= begins || point.total == 0 {
            continue;
        }
        #[allow(clippy::cast_precision_loss)] // milliseconds of a week
        let ms = (ends - begins) as f64;
        let (usable, total) = (
            f64::from(point.usable.min(point.total)),
            f64::from(point.total),
        );
        sums.slot_ms += ms * total;
        sums.usable_ms += ms * usable;
        if !point.planned {
            sums.unplanned_ms += ms * (total - usable);
        }
        sums.known_ms += ms;
        if point.usable > 0 {
            sums.up_ms += ms;
        }
    }
    sums
}

/// A day and a week, milliseconds.
const DAY: Millis = 86_400_000;
/// The longest time that is looked at.
pub const WEEK: Millis = 7 * DAY;

/// The shares of the day and the week before `now`, of points as the store has them: oldest first, with each node's last one from before.
pub fn availability(points: &[(String, TimelinePoint)], now: Millis) -> Availability {
    let mut by_node: std::collections::BTreeMap<&str, Vec<&TimelinePoint>> =
        std::collections::BTreeMap::new();
    for (node, point) in points {
        by_node.entry(node).or_default().push(point);
    }
    let (mut day, mut week) = (Sums::default(), Sums::default());
    let mut nodes = Vec::with_capacity(by_node.len());
    for (name, points) in by_node {
        let of_day = sums(&points, now - DAY, now);
        let of_week = sums(&points, now - WEEK, now);
        if of_week.known_ms <= 0.0 {
            continue;
        }
        day.add(of_day);
        week.add(of_week);
        let lost = points
            .windows(2)
            .filter(|p| p[1].usable < p[0].usable && !p[1].planned && p[1].total > 0)
            .count();
        nodes.push(NodeShares {
            name: name.to_owned(),
            day: of_day.share(),
            week: of_week.share(),
            losses: u32::try_from(lost).unwrap_or(u32::MAX),
        });
    }
    Availability {
        at: now,
        day: day.share(),
        week: week.share(),
        nodes,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;
    use proptest::prelude::*;

    fn point(at: Millis, usable: u32, total: u32, planned: bool) -> TimelinePoint {
        TimelinePoint {
            at,
            usable,
            total,
            reason: String::new(),
            planned,
        }
    }

    fn of(node: &str, points: &[TimelinePoint]) -> Vec<(String, TimelinePoint)> {
        points
            .iter()
            .map(|p| (node.to_owned(), p.clone()))
            .collect()
    }

    #[test]
    fn half_a_day_out_is_half_a_day_out() {
        let now = 10 * DAY;
        let points = of(
            "r01",
            &[
                point(now - WEEK, 4, 4, false),
                point(now - DAY / 2, 0, 4, false),
            ],
        );
        let found = availability(&points, now);
        assert_eq!(found.day.slots, Some(0.5));
        assert_eq!(found.day.nodes, Some(0.5));
        assert_eq!(found.day.unplanned, 0.5);
        assert_eq!(found.nodes[0].losses, 1);
        assert!((found.week.slots.unwrap() - (1.0 - 0.5 / 7.0)).abs() < 1e-9);
    }

    #[test]
    fn what_was_wanted_is_no_loss_and_what_was_not_there_does_not_count() {
        let now = 10 * DAY;
        let hour = DAY / 24;
        let points = of(
            "r01",
            &[
                point(now - 2 * hour, 2, 2, false),
                point(now - hour, 0, 2, true),
            ],
        );
        let found = availability(&points, now);
        assert_eq!(found.day.known_ms, 2 * hour);
        assert_eq!((found.day.slots, found.day.unplanned), (Some(0.5), 0.0));
        assert_eq!(found.nodes[0].losses, 0);
        let removed = of(
            "r02",
            &[point(0, 2, 2, false), point(now - 8 * DAY, 0, 0, true)],
        );
        assert_eq!(availability(&removed, now).nodes, []);
        assert_eq!(availability(&[], now).day.slots, None);
    }

    #[test]
    fn the_grid_at_a_moment_is_what_was_last_told_of_each_node() {
        let mut points = Vec::new();
        for (node, at, usable, total) in [
            ("a", 10, 2, 2),
            ("b", 20, 3, 3),
            ("a", 30, 0, 2),
            ("b", 40, 0, 0),
        ] {
            points.push(NodePoint {
                node: node.to_owned(),
                point: point(at, usable, total, false),
            });
        }
        let history = GridHistory {
            since: 0,
            until: 50,
            points,
        };
        let seen = |moment| {
            history
                .at(moment)
                .iter()
                .map(|then| (then.node, then.point.usable))
                .collect::<Vec<_>>()
        };
        assert_eq!(seen(5), []);
        assert_eq!(seen(10), [("a", 2)]);
        assert_eq!(seen(29), [("a", 2), ("b", 3)]);
        assert_eq!(seen(35), [("a", 0), ("b", 3)]);
        assert_eq!(seen(40), [("a", 0)]);
    }

    proptest! {
        #[test]
        fn shares_are_shares_and_add_up(
            steps in proptest::collection::vec((0_i64..DAY, 0_u32..5, 0_u32..5, any::<bool>()), 0..20)
        ) {
            let now = 30 * DAY;
            let mut at = now - 8 * DAY;
            let mut points = Vec::new();
            for (step, usable, total, planned) in steps {
                at += step;
                points.push(point(at.min(now), usable.min(total), total, planned));
            }
            let found = availability(&of("n", &points), now);
            for share in [found.day, found.week] {
                for part in [share.slots, share.nodes].into_iter().flatten() {
                    prop_assert!((0.0..=1.0).contains(&part), "{share:?}");
                }
                prop_assert!(share.known_ms <= WEEK);
                if let Some(slots) = share.slots {
                    prop_assert!(slots + share.unplanned <= 1.0 + 1e-9, "{share:?}");
                }
            }
            prop_assert!(found.day.known_ms <= found.week.known_ms);
        }
    }
}
