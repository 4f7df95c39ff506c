//! What an action would leave of the grid. A function of values.

use gridhelm_api::FieldError;
use gridhelm_api::node::{Node, OperatingType};

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

/// What would be wrong if these nodes were taken out: each with the field `guard.KIND`. Empty when nothing is, or when they give
/// nothing now that could be missed.
pub(crate) fn missing(rooms: &[Room<'_>], out: &[&str], least: u32) -> Vec<FieldError> {
    let sum = |wanted: &dyn Fn(&&Room<'_>) -> bool| -> u64 {
        rooms
            .iter()
            .filter(wanted)
            .map(|room| u64::from(room.usable))
            .sum()
    };
    let stays = |room: &&Room<'_>| !out.contains(&room.name);
    let mut missing = Vec::new();
    for (kind, word, people) in KINDS {
        let before = sum(&|room| takes(room.takes, kind));
        let after = sum(&|room| takes(room.takes, kind) && stays(room));
        if before > 0 && after == 0 {
            missing.push(FieldError::new(
                format!("guard.{word}"),
                format!("No slot would be left for {people}; {before} can be used now."),
            ));
        }
    }
    let (before, after) = (sum(&|_| true), sum(&stays));
    if after < before && after < u64::from(least) {
        missing.push(FieldError::new(
            "guard.least_slots",
            format!("{after} of {before} slots would be left; the group's limit is {least}."),
        ));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn room(name: &str, takes: OperatingType, usable: u32) -> Room<'_> {
        Room {
            name,
            takes,
            usable,
        }
    }

    fn fields(rooms: &[Room<'_>], out: &[&str], least: u32) -> Vec<String> {
        missing(rooms, out, least)
            .into_iter()
            .map(|e| e.field)
            .collect()
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

    proptest! {
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
            let few = missing(&rooms, &names[..cut], least).len();
            let all = missing(&rooms, &names[..rooms.len()], least).len();
            prop_assert!(few <= all);
            prop_assert_eq!(missing(&rooms, &[], least).len(), 0);
        }
    }
}
