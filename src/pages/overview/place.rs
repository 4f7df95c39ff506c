//! Where everything lies in the drawing of the topology. Pure: places depend on how many there are, never on how they fare, so that nothing jumps.

/// Left edge of a group's frame, and its width.
pub(crate) const FRAME: (f64, f64) = (158.5, 671.0);
/// Left edge of a server's box, and its width.
pub(crate) const SERVER: (f64, f64) = (172.5, 196.0);
/// Height of a server's box.
pub(crate) const SERVER_HIGH: f64 = 44.0;
/// From one server's box to the next.
const SERVER_PITCH: f64 = 52.0;
/// Height of the database.
pub(crate) const BASE_HIGH: f64 = 34.0;
/// From one node's line to the next.
pub(crate) const NODE_PITCH: f64 = 19.0;
/// The most node lines of a group.
pub(crate) const NODES: usize = 12;
/// The most slots of a node that are drawn one by one.
pub(crate) const CELLS: usize = 18;

/// A group's place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    /// Upper edge.
    pub(crate) y: f64,
    /// Height.
    pub(crate) height: f64,
    /// Upper edge of each server's box.
    pub(crate) servers: Vec<f64>,
    /// Upper edge of the database.
    pub(crate) base: f64,
    /// Middle of each node's line.
    pub(crate) nodes: Vec<f64>,
}

/// Places groups of so many servers and node lines below each other.
#[allow(clippy::cast_precision_loss)] // pixels
pub(crate) fn frames(groups: &[(usize, usize)]) -> Vec<Frame> {
    let mut y = 0.5;
    let place = |(servers, nodes): &(usize, usize)| {
        let lines = (*nodes).min(NODES);
        let boxes: Vec<f64> = (0..*servers)
            .map(|index| y + 30.0 + index as f64 * SERVER_PITCH)
            .collect();
        let base = y + 30.0 + *servers as f64 * SERVER_PITCH + 8.0;
        let lines: Vec<f64> = (0..lines)
            .map(|index| y + 39.0 + index as f64 * NODE_PITCH)
            .collect();
        let bottom = lines
            .last()
            .map_or(0.0, |last| last + 16.0)
            .max(base + BASE_HIGH + 14.0);
        let frame = Frame {
            y,
            height: bottom - y,
            servers: boxes,
            base,
            nodes: lines,
        };
        y = bottom + 15.0;
        frame
    };
    groups.iter().map(place).collect()
}

/// Height of the whole drawing.
pub(crate) fn height(frames: &[Frame]) -> f64 {
    frames
        .last()
        .map_or(60.0, |last| last.y + last.height + 1.0)
}

/// The line from the balancer to a server: right, along a lane of its own, right again, with round corners.
pub(crate) fn route(from: (f64, f64), lane: f64, to: (f64, f64)) -> String {
    let ((x, y), (end, goal)) = (from, to);
    let turn = (goal - y).abs().min(8.0) / 2.0;
    if turn < 0.5 {
        return format!("M{x} {y}H{end}");
    }
    let down = if goal > y { turn } else { -turn };
    format!(
        "M{x} {y}H{:.1}q{turn} 0 {turn} {down}V{:.1}q0 {down} {turn} {down}H{end}",
        lane - turn,
        goal - down
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn groups_never_overlap_and_hold_all_of_theirs() {
        for servers in 1..5 {
            for nodes in [0, 1, 3, 12, 10_000] {
                let frames = frames(&[(servers, nodes), (1, 1)]);
                let first = &frames[0];
                assert!(first.base + BASE_HIGH < first.y + first.height);
                assert!(first.servers.last().unwrap() + SERVER_HIGH < first.base);
                assert!(first.nodes.len() <= NODES);
                assert!(
                    first
                        .nodes
                        .last()
                        .is_none_or(|last| last + 8.0 < first.y + first.height)
                );
                assert!(frames[1].y > first.y + first.height);
                assert!(height(&frames) > frames[1].y + frames[1].height);
            }
        }
    }

    #[test]
    fn lines_turn_only_where_they_must() {
        assert_eq!(route((10.0, 50.0), 20.0, (40.0, 50.0)), "M10 50H40");
        assert_eq!(
            route((10.0, 50.0), 20.0, (40.0, 100.0)),
            "M10 50H16.0q4 0 4 4V96.0q0 4 4 4H40"
        );
        assert_eq!(
            route((10.0, 50.0), 20.0, (40.0, 10.0)),
            "M10 50H16.0q4 0 4 -4V14.0q0 -4 4 -4H40"
        );
    }
}
