//! What an action would leave of the grid. A function of values.

use gridhelm_api::FieldError;
use gridhelm_api::node::{Node, NodePatch, OperatingType};

/// A node as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What kinds of task it takes.
    pub(crate) takes: OperatingType,
    /// Its slots that can be used now.
    pub(crate) usable: u32,
}

impl<'a> Room<'a> {
    /// Of a node as it is seen now.
    pub(crate) fn of(node: &'a Node) -> Self {
        let usable = node.slots.iter().filter(|s| s.state.is_usable()).count();
        Self {
            name: &node.name,
            takes: node.operating_type,
            usable: u32::try_from(usable).unwrap_or(u32::MAX),
        }
    }

    /// Of the same node once it is edited so: slots beyond a lower limit take no work any more. What a higher one brings is not counted
    /// before it is there.
    pub(crate) fn edited(node: &'a Node, patch: &NodePatch) -> Self {
        let room = Self::of(node);
        let within = patch.slot_limit.map_or(usize::MAX, |n| n as usize);
        let stay = node.slots.iter().take(within);
        let usable = stay.filter(|s| s.state.is_usable()).count();
        Self {
            takes: patch.operating_type.unwrap_or(room.takes),
            usable: u32::try_from(usable).unwrap_or(u32::MAX),
            ..room
        }
    }
}

/// The kinds of task, with what people call them.
pub(crate) const KINDS: [(OperatingType, &str, &str); 2] = [
    (
        OperatingType::Authenticated,
        "authenticated",
        "tasks whose caller waits for the answer",
    ),
    (
        OperatingType::Asynchronous,
        "asynchronous",
        "tasks from the queue that nobody waits for",
    ),
];

/// Whether a node of this type takes tasks of that kind.
pub(crate) fn takes(node: OperatingType, kind: OperatingType) -> bool {
    node == OperatingType::Mixed || node == kind
}

/// What would be wrong if the grid became `after` of `before`: each with the field `guard.KIND`. Empty when nothing is, or when nothing
/// is taken away that could be missed.
pub(crate) fn missing(before: &[Room<'_>], after: &[Room<'_>], least: u32) -> Vec<FieldError> {
    let sum = |rooms: &[Room<'_>], wanted: &dyn Fn(&Room<'_>) -> bool| -> u64 {
        let rooms = rooms.iter().filter(|room| wanted(room));
        rooms.map(|room| u64::from(room.usable)).sum()
    };
    let mut missing = Vec::new();
    for (kind, word, people) in KINDS {
        let of_kind = |room: &Room<'_>| takes(room.takes, kind);
        let now = sum(before, &of_kind);
        if now > 0 && sum(after, &of_kind) == 0 {
            missing.push(FieldError::new(
                format!("guard.{word}"),
                format!("No slot would be left for {people}; {now} can be used now."),
            ));
        }
    }
    let (now, then) = (sum(before, &|_| true), sum(after, &|_| true));
    if then < now && then < u64::from(least) {
        missing.push(FieldError::new(
            "guard.least_slots",
            format!("{then} of {now} slots would be left; the group's limit is {least}."),
        ));
    }
    missing
}

/// The rooms without that node.
pub(crate) fn without<'a>(rooms: &[Room<'a>], name: &str) -> Vec<Room<'a>> {
    let stays = |room: &&Room<'a>| room.name != name;
    rooms.iter().filter(stays).copied().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use gridhelm_api::node::{Slot, SlotState};
    use proptest::prelude::*;

    fn room(name: &str, takes: OperatingType, usable: u32) -> Room<'_> {
        Room {
            name,
            takes,
            usable,
        }
    }

    fn fields(rooms: &[Room<'_>], out: &[&str], least: u32) -> Vec<String> {
        let after: Vec<Room<'_>> = rooms
            .iter()
            .filter(|room| !out.contains(&room.name))
            .copied()
            .collect();
        named(rooms, &after, least)
    }

    fn named(before: &[Room<'_>], after: &[Room<'_>], least: u32) -> Vec<String> {
        let missing = missing(before, after, least).into_iter();
        missing.map(|e| e.field).collect()
    }

    fn node(name: &str, takes: OperatingType, slots: &[SlotState]) -> Node {
        let node = serde_json::json!({
            "name": name, "host": "h", "port": 1, "slot_limit": slots.len(), "operating_type": takes, "intent": "enabled",
            "intent_since": 0, "version": 1, "created_at": 0,
        });
        let mut node: Node = serde_json::from_value(node).unwrap();
        let slot = |state: &SlotState| Slot {
            state: *state,
            ..Slot::default()
        };
        node.slots = slots.iter().map(slot).collect();
        node
    }

    fn limit(slots: u32) -> NodePatch {
        NodePatch {
            slot_limit: Some(slots),
            ..NodePatch::default()
        }
    }

    #[test]
    fn the_last_slots_of_a_kind_are_guarded() {
        use OperatingType::{Asynchronous, Authenticated, Mixed};
        let rooms = [
            room("a", Authenticated, 2),
            room("q", Asynchronous, 2),
            room("m", Mixed, 0),
        ];
        assert_eq!(fields(&rooms, &["a"], 0), ["guard.authenticated"]);
        assert_eq!(fields(&rooms, &["q"], 0), ["guard.asynchronous"]);
        assert_eq!(fields(&rooms, &["m"], 0), [] as [&str; 0]);
        assert_eq!(fields(&rooms, &["a", "q"], 0).len(), 2);
        let with_mixed = [room("a", Authenticated, 2), room("m", Mixed, 1)];
        assert_eq!(fields(&with_mixed, &["a"], 0), [] as [&str; 0]);
    }

    #[test]
    fn the_limit_counts_what_can_be_used() {
        use OperatingType::Mixed;
        let rooms = [
            room("a", Mixed, 3),
            room("b", Mixed, 3),
            room("c", Mixed, 0),
        ];
        assert_eq!(fields(&rooms, &["a"], 3), [] as [&str; 0]);
        assert_eq!(fields(&rooms, &["a"], 4), ["guard.least_slots"]);
        // What is out already takes nothing more away.
        assert_eq!(fields(&rooms, &["c"], 100), [] as [&str; 0]);
    }

    #[test]
    fn an_edit_is_guarded_by_what_it_would_leave() {
        use OperatingType::{Asynchronous, Mixed};
        use SlotState::{Busy, Idle, Lost, Stalled};
        let a = node("a", Mixed, &[Busy, Idle, Idle, Stalled]);
        let b = node("b", Asynchronous, &[Idle]);
        let before = [Room::of(&a), Room::of(&b)];
        let then = |patch: &NodePatch, least| {
            let after = [Room::edited(&a, patch), Room::of(&b)];
            named(&before, &after, least)
        };
        assert_eq!(then(&limit(1), 0), [] as [&str; 0]);
        assert_eq!(then(&limit(1), 3), ["guard.least_slots"]);
        assert_eq!(
            then(&limit(9), 100),
            [] as [&str; 0],
            "more takes nothing away"
        );
        assert_eq!(then(&NodePatch::default(), 100), [] as [&str; 0]);
        let other = NodePatch {
            operating_type: Some(Asynchronous),
            ..NodePatch::default()
        };
        assert_eq!(then(&other, 0), ["guard.authenticated"]);
        // The first slot is all that would be left, and it does not answer.
        let sick = node("a", Mixed, &[Lost, Idle]);
        let after = [Room::edited(&sick, &limit(1))];
        assert_eq!(
            named(&[Room::of(&sick)], &after, 0),
            ["guard.authenticated", "guard.asynchronous"]
        );
    }

    proptest! {
        /// Whatever the slots do: a lower limit never leaves more, and the present one nothing else than there is.
        #[test]
        fn a_lower_limit_never_helps(
            states in proptest::collection::vec(0_usize..7, 1..12), lower in 1_u32..12, higher in 1_u32..12, least in 0_u32..12,
        ) {
            use SlotState::{Busy, Disabled, Draining, Idle, Lost, Stalled, Zombie};
            let all = [Idle, Busy, Stalled, Lost, Zombie, Draining, Disabled];
            let states: Vec<SlotState> = states.into_iter().map(|n| all[n]).collect();
            let node = node("n", OperatingType::Mixed, &states);
            let (low, high) = (lower.min(higher), lower.max(higher));
            let before = [Room::of(&node)];
            let left = |slots| Room::edited(&node, &limit(slots));
            prop_assert!(left(low).usable <= left(high).usable);
            prop_assert_eq!(left(u32::try_from(states.len()).unwrap()), before[0]);
            let faults = |slots| missing(&before, &[left(slots)], least).len();
            prop_assert!(faults(high) <= faults(low));
        }

        #[test]
        fn taking_more_out_never_helps(
            usable in proptest::collection::vec((0_u32..4, 0_usize..4), 1..8), cut in 0_usize..8, least in 0_u32..12,
        ) {
            use OperatingType::{Anonymous, Asynchronous, Authenticated, Mixed};
            let names = ["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7"];
            let rooms: Vec<Room<'_>> = usable
                .iter()
                .zip(names)
                .map(|((n, kind), name)| room(name, [Anonymous, Authenticated, Asynchronous, Mixed][*kind], *n))
                .collect();
            let cut = cut.min(rooms.len());
            let few = fields(&rooms, &names[..cut], least).len();
            let all = fields(&rooms, &names[..rooms.len()], least).len();
            prop_assert!(few <= all);
            prop_assert_eq!(fields(&rooms, &[], least).len(), 0);
            let one = without(&rooms, "n0");
            prop_assert_eq!(named(&rooms, &one, least), fields(&rooms, &["n0"], least));
        }
    }
}
