//! What the rules find in the grid as it is now. A function of values.

use crate::grid::guard::{KINDS, takes};
use gridhelm_api::alert::{AlertKind, AlertRule};
use gridhelm_api::event::Severity;
use gridhelm_api::node::{Health, Intent, OperatingType};

/// A node as far as rules look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glance {
    pub(crate) name: String,
    pub(crate) labels: Vec<String>,
    pub(crate) takes: OperatingType,
    pub(crate) intent: Intent,
    pub(crate) health: Health,
    pub(crate) reason: Option<String>,
    pub(crate) usable: u32,
    pub(crate) zombies: u32,
}

/// The grid at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scene {
    pub(crate) nodes: Vec<Glance>,
    /// Tasks that wait.
    pub(crate) queued: u64,
}

/// What a rule finds wrong now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) rule: String,
    pub(crate) kind: AlertKind,
    pub(crate) severity: Severity,
    pub(crate) subject: String,
    pub(crate) message: String,
    pub(crate) after_s: u32,
    pub(crate) notify: bool,
}

/// The subject of what is about the whole grid.
pub(crate) const GRID: &str = "grid";

/// All that the rules find.
pub(crate) fn look(rules: &[AlertRule], scene: &Scene) -> Vec<Finding> {
    rules
        .iter()
        .filter(|rule| rule.enabled)
        .flat_map(|rule| {
            found(rule, scene)
                .into_iter()
                .map(|(subject, message)| Finding {
                    rule: rule.name.clone(),
                    kind: rule.kind,
                    severity: rule.severity,
                    subject,
                    message,
                    after_s: rule.after_s,
                    notify: rule.notify,
                })
        })
        .collect()
}

fn found(rule: &AlertRule, scene: &Scene) -> Vec<(String, String)> {
    let wanted = |node: &&Glance| {
        rule.label
            .as_ref()
            .is_none_or(|label| node.labels.contains(label))
    };
    let nodes = || scene.nodes.iter().filter(wanted);
    let enabled = || nodes().filter(|node| node.intent == Intent::Enabled);
    let why = |node: &Glance, what: &str| {
        let reason = node.reason.as_deref().unwrap_or_default();
        let colon = if reason.is_empty() { "" } else { ": " };
        (node.name.clone(), format!("{what}{colon}{reason}"))
    };
    match rule.kind {
        AlertKind::NodeUnreachable => enabled()
            .filter(|node| node.health == Health::Unreachable)
            .map(|node| why(node, "does not answer"))
            .collect(),
        AlertKind::NodeDegraded => enabled()
            .filter(|node| node.health == Health::Degraded)
            .map(|node| why(node, "is degraded"))
            .collect(),
        AlertKind::Zombies => nodes()
            .filter(|node| node.zombies > rule.threshold)
            .map(|node| {
                let n = node.zombies;
                let slots = if n == 1 { "slot is" } else { "slots are" };
                let held = format!("{n} {slots} held by sessions of an earlier active server");
                (node.name.clone(), held)
            })
            .collect(),
        AlertKind::SlotsBelow => {
            let usable: u64 = nodes().map(|node| u64::from(node.usable)).sum();
            let least = u64::from(rule.threshold);
            let message = format!("{usable} slots can be used, fewer than {least}");
            (usable < least)
                .then(|| (GRID.to_owned(), message))
                .into_iter()
                .collect()
        }
        AlertKind::QueueAbove => {
            let most = u64::from(rule.threshold);
            let message = format!("{} tasks wait, more than {most}", scene.queued);
            (scene.queued > most)
                .then(|| (GRID.to_owned(), message))
                .into_iter()
                .collect()
        }
        AlertKind::NoSlot => KINDS
            .iter()
            .filter(|(kind, ..)| {
                // What no node is registered for is not missed.
                let mut there = nodes().filter(|n| takes(n.takes, *kind)).peekable();
                there.peek().is_some() && there.all(|node| node.usable == 0)
            })
            .map(|(_, word, people)| {
                let message = format!("no slot can be used for {people}");
                ((*word).to_owned(), message)
            })
            .collect(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use gridhelm_api::alert::AlertRules;

    pub(in crate::alerts) fn glance(name: &str, health: Health) -> Glance {
        Glance {
            name: name.to_owned(),
            labels: vec!["big".to_owned()],
            takes: OperatingType::Mixed,
            intent: Intent::Enabled,
            health,
            reason: None,
            usable: if health == Health::Unreachable { 0 } else { 2 },
            zombies: 0,
        }
    }

    pub(in crate::alerts) fn rule(kind: AlertKind, threshold: u32) -> AlertRule {
        AlertRule {
            name: "rule".to_owned(),
            kind,
            severity: Severity::Warn,
            after_s: 0,
            threshold,
            label: None,
            notify: true,
            enabled: true,
        }
    }

    fn subjects(rule: &AlertRule, scene: &Scene) -> Vec<String> {
        look(std::slice::from_ref(rule), scene)
            .into_iter()
            .map(|f| f.subject)
            .collect()
    }

    fn scene(nodes: Vec<Glance>) -> Scene {
        Scene { nodes, queued: 5 }
    }

    #[test]
    fn a_healthy_grid_finds_nothing() {
        let scene = scene(vec![glance("r01", Health::Healthy)]);
        assert_eq!(look(&AlertRules::default().rules, &scene), []);
        assert_eq!(look(&AlertRules::default().rules, &Scene::default()), []);
    }

    #[test]
    fn what_is_out_on_purpose_is_no_alert() {
        let mut out = glance("r01", Health::Unreachable);
        let unreachable = rule(AlertKind::NodeUnreachable, 0);
        assert_eq!(subjects(&unreachable, &scene(vec![out.clone()])), ["r01"]);
        out.intent = Intent::Disabled;
        assert_eq!(subjects(&unreachable, &scene(vec![out])), [] as [String; 0]);
    }

    #[test]
    fn a_label_narrows_and_a_rule_that_is_off_is_silent() {
        let scene = scene(vec![glance("r01", Health::Unreachable)]);
        let mut rule = rule(AlertKind::NodeUnreachable, 0);
        rule.label = Some("small".to_owned());
        assert!(subjects(&rule, &scene).is_empty());
        rule.label = Some("big".to_owned());
        assert_eq!(subjects(&rule, &scene), ["r01"]);
        rule.enabled = false;
        assert!(subjects(&rule, &scene).is_empty());
    }

    #[test]
    fn thresholds_are_bounds_that_may_be_reached() {
        let scene = scene(vec![
            glance("r01", Health::Healthy),
            glance("r02", Health::Healthy),
        ]);
        assert!(subjects(&rule(AlertKind::SlotsBelow, 4), &scene).is_empty());
        assert_eq!(subjects(&rule(AlertKind::SlotsBelow, 5), &scene), [GRID]);
        assert!(subjects(&rule(AlertKind::QueueAbove, 5), &scene).is_empty());
        assert_eq!(subjects(&rule(AlertKind::QueueAbove, 4), &scene), [GRID]);
    }

    #[test]
    fn a_kind_of_task_without_a_slot_is_told_once() {
        let mut queue_only = glance("r01", Health::Unreachable);
        queue_only.takes = OperatingType::Asynchronous;
        let scene = scene(vec![queue_only, {
            let mut other = glance("r02", Health::Healthy);
            other.takes = OperatingType::Authenticated;
            other
        }]);
        assert_eq!(
            subjects(&rule(AlertKind::NoSlot, 0), &scene),
            ["asynchronous"]
        );
    }
}
