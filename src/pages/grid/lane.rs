//! The last 30 minutes, or 24 hours, of a node as a drawing: how many slots could be used, arrow down where the grid contracted, up where it expanded.

use std::fmt::Write;

use gridhelm_api::Millis;
use gridhelm_api::node::TimelinePoint;

use crate::ui::format::counted;

/// How far back the drawing goes at first, milliseconds.
pub(crate) const WINDOW: Millis = 30 * 60_000;
/// How far back it goes when one wants to see more.
pub(crate) const DAY: Millis = 86_400_000;
/// The drawing's width, in its own units.
pub(crate) const WIDTH: f64 = 276.0;
/// Where all slots usable and none usable lie.
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;

/// A change of how many slots could be used.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    /// When.
    pub(crate) at: Millis,
    /// Where in the drawing.
    pub(crate) x: f64,
    /// Usable slots from then on.
    pub(crate) usable: u32,
    /// Whether it went up.
    pub(crate) up: bool,
    /// Why.
    pub(crate) reason: String,
}

/// What is drawn, and what is said of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Lane {
    /// The line, as an SVG path; empty when nothing is known.
    pub(crate) line: String,
    /// Stretches without a usable slot: from, width.
    pub(crate) lost: Vec<(f64, f64)>,
    /// The changes, oldest first.
    pub(crate) marks: Vec<Mark>,
    /// Slots in all, at the end.
    pub(crate) total: u32,
    /// Usable ones at the end.
    pub(crate) usable: u32,
}

/// Draws points that are in any order, up to `now`, from `window` milliseconds before.
#[allow(clippy::cast_precision_loss)] // minutes, not centuries
pub(crate) fn lane(points: &[TimelinePoint], now: Millis, window: Millis) -> Lane {
    let mut points: Vec<&TimelinePoint> = points.iter().filter(|point| point.at <= now).collect();
    crate::ui::order::sort(&mut points, |a, b| a.at.cmp(&b.at));
    let start = now - window;
    let known = points.partition_point(|point| point.at <= start);
    let shown = &points[known.saturating_sub(1)..];
    let (Some(first), Some(last)) = (shown.first(), shown.last()) else {
        return Lane::default();
    };
    let highest = shown
        .iter()
        .map(|point| point.total.max(point.usable))
        .max()
        .unwrap_or(1)
        .max(1);
    let place = |at: Millis| ((at - start).max(0) as f64 / window as f64 * WIDTH).clamp(0.0, WIDTH);
    let height = |usable: u32| BOTTOM - (BOTTOM - TOP) * f64::from(usable) / f64::from(highest);

    let mut lane = Lane {
        line: format!("M{:.1} {:.1}", place(first.at), height(first.usable)),
        total: last.total,
        usable: last.usable,
        ..Lane::default()
    };
    for pair in shown.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        let x = place(after.at);
        let _ = write!(lane.line, "H{x:.1}V{:.1}", height(after.usable));
        if before.usable == 0 {
            lane.lost.push((place(before.at), x - place(before.at)));
        }
        if before.usable != after.usable {
            lane.marks.push(Mark {
                at: after.at,
                x,
                usable: after.usable,
                up: after.usable > before.usable,
                reason: after.reason.clone(),
            });
        }
    }
    let _ = write!(lane.line, "H{WIDTH}");
    if last.usable == 0 && last.total > 0 {
        lane.lost.push((place(last.at), WIDTH - place(last.at)));
    }
    lane
}

/// The line closed to an area.
pub(crate) fn area(lane: &Lane) -> String {
    let start = lane
        .line
        .strip_prefix('M')
        .and_then(|line| line.split(' ').next())
        .unwrap_or("0");
    format!("{}V{BOTTOM}H{start}Z", lane.line)
}

/// The drawing in words.
pub(crate) fn spoken(
    name: &str,
    lane: &Lane,
    window: Millis,
    clock: impl Fn(Millis) -> String,
) -> String {
    let time = if window == WINDOW {
        "30 minutes"
    } else {
        "24 hours"
    };
    let mut text = format!("Usable slots of {name} in the last {time}: ");
    for mark in &lane.marks {
        let verb = if mark.up { "expanded" } else { "contracted" };
        let _ = write!(text, "at {} {verb} to {}, ", clock(mark.at), mark.usable);
    }
    let _ = write!(
        text,
        "now {} of {}",
        lane.usable,
        counted(lane.total as usize, "slot")
    );
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn point(minutes_ago: i64, usable: u32) -> TimelinePoint {
        TimelinePoint {
            at: 10_000_000 - minutes_ago * 60_000,
            usable,
            total: 16,
            reason: "why".to_owned(),
            planned: false,
        }
    }

    #[test]
    fn nothing_known_draws_nothing() {
        assert_eq!(lane(&[], 10_000_000, WINDOW), Lane::default());
    }

    #[test]
    fn contraction_and_expansion_are_marked_where_they_were() {
        let lane = lane(
            &[point(15, 0), point(90, 16), point(20, 14), point(18, 16)],
            10_000_000,
            WINDOW,
        );
        assert_eq!(lane.line, "M0.0 12.0H92.0V16.0H110.4V12.0H138.0V44.0H276");
        assert_eq!(
            lane.marks
                .iter()
                .map(|mark| (mark.usable, mark.up))
                .collect::<Vec<_>>(),
            [(14, false), (16, true), (0, false)]
        );
        assert_eq!(lane.lost, [(138.0, 138.0)]);
        assert_eq!(
            area(&lane),
            "M0.0 12.0H92.0V16.0H110.4V12.0H138.0V44.0H276V44H0.0Z"
        );
        assert_eq!(
            spoken("r07", &lane, WINDOW, |at| format!(
                "{}",
                (10_000_000 - at) / 60_000
            )),
            "Usable slots of r07 in the last 30 minutes: at 20 contracted to 14, at 18 expanded to 16, at 15 contracted to 0, now 0 of 16 slots"
        );
    }

    #[test]
    fn a_node_that_is_younger_than_the_drawing_starts_where_it_began() {
        let lane = lane(&[point(6, 16)], 10_000_000, WINDOW);
        assert_eq!(lane.line, "M220.8 12.0H276");
        assert!(lane.marks.is_empty());
    }

    #[test]
    fn points_of_the_future_and_a_grid_without_slots_do_no_harm() {
        let none = TimelinePoint {
            at: 9_000_000,
            usable: 0,
            total: 0,
            reason: String::new(),
            planned: false,
        };
        let lane = lane(&[none, point(-5, 3)], 10_000_000, WINDOW);
        assert!(lane.lost.is_empty() && !lane.line.contains("NaN"));
    }
}
