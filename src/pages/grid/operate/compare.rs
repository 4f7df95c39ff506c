//! What is the same and what differs between two nodes. Pure.

use std::collections::{BTreeMap, BTreeSet};

use gridhelm_api::node::{Health, Intent, Node, NodeFacts, SlotState};
use gridhelm_api::packages::NodePackages;

use super::super::order::{r_version, used};
use super::super::register::runs_word;
use super::super::row::address;
use crate::deployment::node_word;
use crate::ui::format::{bytes, count, duration, percent};

/// One thing, as it is on the one node and on the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// What.
    pub(super) name: &'static str,
    /// On each, the one first; `–` for what is not known.
    pub(super) values: [String; 2],
    /// Whether it should be the same on nodes that stand in for each other, and is not.
    pub(super) differs: bool,
}

const UNKNOWN: &str = "–";

/// Something that should be the same.
fn same(name: &'static str, nodes: [&Node; 2], of: impl Fn(&Node) -> String) -> Pair {
    let values = nodes.map(of);
    let differs = values[0] != values[1] && !values.iter().any(|value| value == UNKNOWN);
    Pair {
        name,
        values,
        differs,
    }
}

/// Something that is each node's own.
fn own(name: &'static str, nodes: [&Node; 2], of: impl Fn(&Node) -> String) -> Pair {
    Pair {
        name,
        values: nodes.map(of),
        differs: false,
    }
}

fn known<T>(value: Option<T>, word: impl Fn(T) -> String) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), word)
}

/// What a probe read, where there was one that read it.
fn fact(node: &Node, of: impl Fn(&NodeFacts) -> Option<String>) -> String {
    known(node.facts.as_ref().and_then(of), |word| word)
}

/// What the nodes are: what should be the same on both.
pub(super) fn facts(nodes: [&Node; 2]) -> Vec<Pair> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let labels = |node: &Node| {
        let labels: BTreeSet<&str> = node.labels.iter().map(String::as_str).collect();
        let labels: Vec<&str> = labels.into_iter().collect();
        known((!labels.is_empty()).then(|| labels.join(", ")), |all| all)
    };
    vec![
        own("Address", nodes, address),
        same("R", nodes, |node| known(some(r_version(node)), |v| v)),
        same("Rserve", nodes, |node| {
            fact(node, |facts| some(&facts.rserve_version))
        }),
        same("Takes", nodes, |node| {
            runs_word(node.operating_type).to_owned()
        }),
        same("Slots", nodes, |node| count(node.slot_limit.into())),
        same("Labels", nodes, labels),
        same("Cores", nodes, |node| {
            fact(node, |f| (f.cores > 0).then(|| count(f.cores.into())))
        }),
        same("Memory", nodes, |node| {
            fact(node, |f| {
                (f.memory_total > 0).then(|| bytes(f.memory_total))
            })
        }),
        own("Free disk", nodes, |node| {
            fact(node, |f| (f.disk_free > 0).then(|| bytes(f.disk_free)))
        }),
        own("Host", nodes, |node| fact(node, |f| some(&f.host))),
        same("Packages", nodes, |node| {
            fact(node, |f| (f.packages > 0).then(|| count(f.packages.into())))
        }),
        own("Clock", nodes, |node| {
            fact(node, |f| {
                (f.at > 0).then(|| format!("off by {} ms", count(f.clock_offset_ms.unsigned_abs())))
            })
        }),
    ]
}

/// How the nodes are at this moment.
pub(super) fn health(nodes: [&Node; 2]) -> Vec<Pair> {
    let slots = |state: SlotState| {
        move |node: &Node| {
            let number = node.slots.iter().filter(|slot| slot.state == state).count();
            count(number as u64)
        }
    };
    let intent = |node: &Node| {
        match node.intent {
            Intent::Enabled => "enabled",
            Intent::Draining => "draining",
            Intent::Disabled => "disabled",
        }
        .to_owned()
    };
    let reason = |node: &Node| {
        let healthy = node.health == Health::Healthy;
        known(node.health_reason.clone().filter(|_| !healthy), |why| why)
    };
    vec![
        same("State", nodes, |node| node_word(node).to_owned()),
        own("Why", nodes, reason),
        same("Intent", nodes, intent),
        own("Used", nodes, |node| count(used(node) as u64)),
        own("Idle", nodes, slots(SlotState::Idle)),
        own("Load", nodes, |node| known(node.load, percent)),
        own("Memory in use", nodes, |node| {
            known(node.memory_used, percent)
        }),
        own("Last heartbeat", nodes, |node| {
            known(node.heartbeat_ms, duration)
        }),
        own("Tries that failed", nodes, |node| {
            count(node.failures.into())
        }),
    ]
}

/// A package that is not the same on both nodes: its version on each, none where it is lacking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Different {
    pub(super) name: String,
    pub(super) versions: [Option<String>; 2],
}

/// The packages that R would not load as the same version on both nodes, by name; and how many are the same. None when one of the lists was
/// never read.
pub(super) fn packages(nodes: [&NodePackages; 2]) -> Option<(Vec<Different>, usize)> {
    if nodes.iter().any(|node| node.read_at.is_none()) {
        return None;
    }
    let [one, other] = nodes.map(|node| {
        let mut first: BTreeMap<&str, &str> = BTreeMap::new();
        for package in &node.packages {
            // What is in two libraries, R takes from the first.
            first.entry(&package.name).or_insert(&package.version);
        }
        first
    });
    let names: BTreeSet<&str> = one.keys().chain(other.keys()).copied().collect();
    let all = names.len();
    let different: Vec<Different> = names
        .into_iter()
        .filter(|name| one.get(name) != other.get(name))
        .map(|name| Different {
            name: name.to_owned(),
            versions: [&one, &other].map(|of| of.get(name).map(|version| (*version).to_owned())),
        })
        .collect();
    let equal = all - different.len();
    Some((different, equal))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::pages::grid::sample::node;
    use gridhelm_api::packages::InstalledPackage;
    use proptest::prelude::*;

    fn listed(packages: &[(&str, &str)]) -> NodePackages {
        let package = |(name, version): &(&str, &str)| InstalledPackage {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            library: "/l".to_owned(),
            priority: None,
            built: "4.2.2".to_owned(),
        };
        NodePackages {
            read_at: Some(1),
            packages: packages.iter().map(package).collect(),
            ..NodePackages::default()
        }
    }

    #[test]
    fn what_should_be_the_same_and_is_not_is_marked() {
        let facts_of = |r: &str| {
            Some(NodeFacts {
                r_version: r.to_owned(),
                cores: 8,
                ..NodeFacts::default()
            })
        };
        let one = Node {
            facts: facts_of("4.2.2"),
            labels: vec!["b".to_owned(), "a".to_owned()],
            ..node("r1")
        };
        let other = Node {
            facts: facts_of("4.1.0"),
            labels: vec!["a".to_owned(), "b".to_owned()],
            host: "10.0.0.2".to_owned(),
            slot_limit: 5,
            ..node("r2")
        };
        let different: Vec<&str> = facts([&one, &other])
            .into_iter()
            .filter(|pair| pair.differs)
            .map(|pair| pair.name)
            .collect();
        assert_eq!(different, ["R", "Slots"]);
        let unknown = facts([&one, &node("r3")]);
        assert!(
            unknown
                .iter()
                .all(|pair| !pair.differs || pair.name == "Labels"),
            "what is not known does not differ"
        );
        let lost = Node {
            health: Health::Unreachable,
            health_reason: Some("refused".to_owned()),
            ..node("r4")
        };
        let pairs = health([&one, &lost]);
        assert!(pairs[0].differs);
        assert_eq!(pairs[1].values, [UNKNOWN, "refused"]);
    }

    #[test]
    fn packages_differ_by_what_r_would_load() {
        let one = listed(&[("a", "1"), ("b", "2"), ("a", "9")]);
        let other = listed(&[("b", "3"), ("a", "1"), ("c", "1")]);
        let (different, equal) = packages([&one, &other]).unwrap();
        assert_eq!(equal, 1);
        let shown: Vec<_> = different
            .iter()
            .map(|of| (of.name.as_str(), of.versions.clone()))
            .collect();
        let some = |version: &str| Some(version.to_owned());
        assert_eq!(
            shown,
            [("b", [some("2"), some("3")]), ("c", [None, some("1")])]
        );
        assert_eq!(packages([&one, &NodePackages::default()]), None);
    }

    proptest! {
        /// Turned round, the same packages differ, the sides changed; and a node does not differ from itself.
        #[test]
        fn comparing_has_no_first_side(
            one in prop::collection::vec(("[ab]{1,2}", "[12]"), 0..6), other in prop::collection::vec(("[ab]{1,2}", "[12]"), 0..6),
        ) {
            let texts = |all: &[(String, String)]| {
                let all: Vec<(&str, &str)> = all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                listed(&all)
            };
            let (one, other) = (texts(&one), texts(&other));
            let (there, equal) = packages([&one, &other]).unwrap();
            let (mut back, equal_back) = packages([&other, &one]).unwrap();
            for of in &mut back {
                of.versions.reverse();
            }
            prop_assert_eq!(there, back);
            prop_assert_eq!(equal, equal_back);
            prop_assert!(packages([&one, &one]).unwrap().0.is_empty());
        }
    }
}
