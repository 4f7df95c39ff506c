//! What was read stays read, over a reload, and nothing else does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use gridhelm_api::event::Topic;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    One(&'static str, i64),
    All(&'static str, i64),
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    let group = prop_oneof![Just("east"), Just("west")];
    prop_oneof![
        (group.clone(), 1_i64..30).prop_map(|(group, id)| Step::One(group, id)),
        (group, 1_i64..30).prop_map(|(group, id)| Step::All(group, id)),
        Just(Step::Reload),
    ]
}

proptest! {
    #[test]
    fn what_was_read_is_what_was_marked(steps in prop::collection::vec(step(), 0..24)) {
        let mut marks = Marks::default();
        let mut read = std::collections::BTreeMap::<&str, std::collections::BTreeSet<i64>>::new();
        for step in steps {
            match step {
                Step::One(group, id) => {
                    marks.read(group, id);
                    // A group that was never seen has nothing that could be unread.
                    if let Some(read) = read.get_mut(group) {
                        read.insert(id);
                    }
                }
                Step::All(group, id) => {
                    marks.read_all(group, id);
                    read.entry(group).or_default().extend(1..=id);
                }
                Step::Reload => marks = Marks::parse(&marks.write()),
            }
        }
        for group in ["east", "west"] {
            for id in 1..30 {
                let expected = read.get(group).is_none_or(|read| read.contains(&id));
                prop_assert_eq!(marks.has(group, id), expected, "{} {}", group, id);
            }
        }
    }
}

#[test]
fn what_somebody_else_kept_there_counts_for_nothing() {
    assert_eq!(Marks::parse("east\n\nwest x 3\nnonsense"), Marks::default());
}

#[test]
fn a_notice_is_what_a_person_should_not_miss() {
    let event = |severity, kind: &str| Event {
        id: 1,
        at: 0,
        severity,
        topic: Topic::Grid,
        kind: kind.to_owned(),
        subject: "east-r01".to_owned(),
        message: String::new(),
        actor: "east-1".to_owned(),
        epoch: 1,
    };
    assert!(is_notice(&event(Severity::Warn, "task.failed")));
    assert!(is_notice(&event(Severity::Fail, "node.contracted")));
    assert!(is_notice(&event(Severity::Good, "node.drained")));
    assert!(is_notice(&event(Severity::Good, "switch.done")));
    assert!(!is_notice(&event(Severity::Good, "node.expanded")));
    assert!(!is_notice(&event(Severity::Info, "file.written")));
}
