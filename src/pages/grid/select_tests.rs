//! What of the table is looked at again when nodes change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::pages::grid::sample::node;
use crate::reactive::ArcRwSignal;
use std::cell::Cell;

fn rows(names: &[&str]) -> Arc<Vec<Entry<Node>>> {
    let entry = |name: &&str| Entry {
        key: Arc::from(*name),
        item: ArcRwSignal::new(Arc::new(node(name))),
    };
    Arc::new(names.iter().map(entry).collect())
}

fn change(rows: &[Entry<Node>], place: usize, slots: u32) {
    let mut node = Node::clone(&rows[place].item.get_untracked());
    node.slot_limit = slots;
    rows[place].item.set(Arc::new(node));
}

fn keys(names: &[&str]) -> Option<Vec<Arc<str>>> {
    Some(names.iter().map(|name| Arc::from(*name)).collect())
}

#[test]
fn only_what_changed_is_looked_at_again() {
    let owner = Owner::new();
    owner.set();
    let all = rows(&["r1", "r2", "r10"]);
    let looked = Cell::new(0);
    let many = |node: &Node| {
        looked.set(looked.get() + 1);
        node.slot_limit > 5
    };
    let mut left = Left::default();
    assert!(left.look(&all, None, &many));
    assert_eq!(looked.replace(0), 3);

    change(&all, 2, 9);
    assert!(left.look(&all, keys(&["r10"]), &many), "one is left now");
    assert_eq!(
        (looked.replace(0), left.left.clone()),
        (1, vec![false, false, true])
    );
    change(&all, 2, 8);
    assert!(!left.look(&all, keys(&["r10", "gone"]), &many), "as before");
    assert_eq!(looked.replace(0), 1);
    assert!(!left.look(&all, keys(&[]), &many));
    assert_eq!(looked.replace(0), 0);

    let other = rows(&["r1", "r10"]);
    assert!(
        left.look(&other, keys(&[]), &many),
        "other rows: all of them"
    );
    assert_eq!((looked.get(), left.left.len()), (2, 2));
}

#[test]
fn a_group_of_which_nothing_is_left_has_no_head() {
    let owner = Owner::new();
    owner.set();
    let sorted = |group: usize, names: &[&str], places: &[usize]| Sorted {
        group,
        rows: rows(names),
        places: places.to_vec(),
    };
    let sorted = [sorted(0, &["a", "b"], &[1, 0]), sorted(1, &["c"], &[0])];
    let of = |left: &[bool]| Left {
        left: left.to_vec(),
        ..Left::default()
    };
    let left = [of(&[true, true]), of(&[false])];
    let node = |group: usize, name: &str| Line::Node(group, Arc::from(name));
    let found = filtered(&sorted, &left, true);
    assert_eq!(found, [Line::Head(0), node(0, "b"), node(0, "a")]);
    let unfiltered = filtered(&sorted, &left, false);
    assert_eq!(unfiltered.len(), 5, "a filter of before has no say");
}
