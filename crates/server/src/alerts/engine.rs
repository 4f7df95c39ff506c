//! From what the rules find to alerts that open and end. A function of values, and two clocks that are passed in: one that never goes
//! back for time spans, and the wall's for what is written down.

use super::look::Finding;
use gridhelm_api::Millis;
use gridhelm_api::alert::{Alert, AlertRule, Said, Silence, Telling};
use std::collections::{BTreeMap, BTreeSet};

/// Which alert: the rule's name and what it is about.
type Key = (String, String);

/// An alert as it stands now, and what is to be told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) alert: Alert,
    pub(crate) telling: Telling,
    /// Whether the webhook is told.
    pub(crate) notify: bool,
}

#[derive(Debug, Clone)]
struct Open {
    alert: Alert,
    notify: bool,
    /// Since when its rule finds nothing any more.
    over_since: Option<u64>,
}

/// The alerts of a duty.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    /// Since when each finding holds that is no alert yet.
    waiting: BTreeMap<Key, u64>,
    open: BTreeMap<Key, Open>,
}

impl Engine {
    /// With the alerts that an earlier duty opened.
    pub(crate) fn with(open: Vec<Alert>) -> Self {
        let open = open
            .into_iter()
            .filter(|alert| alert.resolved_at.is_none())
            .map(|alert| {
                let key = (alert.rule.clone(), alert.subject.clone());
                let open = Open {
                    notify: !alert.silenced,
                    alert,
                    over_since: None,
                };
                (key, open)
            })
            .collect();
        Self {
            waiting: BTreeMap::new(),
            open,
        }
    }

    /// Takes what is found now. `ticks`: milliseconds of a clock that never goes back; `id` makes ids of new alerts.
    pub(crate) fn step(
        &mut self,
        findings: Vec<Finding>,
        rules: &[AlertRule],
        silences: &[Silence],
        ticks: u64,
        now: Millis,
        mut id: impl FnMut() -> Option<String>,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut seen = BTreeSet::new();
        for finding in findings {
            let key = (finding.rule.clone(), finding.subject.clone());
            seen.insert(key.clone());
            if let Some(open) = self.open.get_mut(&key) {
                open.over_since = None;
                open.alert.message = finding.message;
                open.notify = finding.notify && !open.alert.silenced;
                continue;
            }
            let since = *self.waiting.entry(key.clone()).or_insert(ticks);
            if ticks.saturating_sub(since) < u64::from(finding.after_s) * 1_000 {
                continue;
            }
            let Some(id) = id() else { continue };
            self.waiting.remove(&key);
            let silenced = silences
                .iter()
                .any(|s| s.covers(&finding.rule, &finding.subject, now));
            let alert = Alert {
                id,
                rule: finding.rule,
                kind: finding.kind,
                severity: finding.severity,
                subject: finding.subject,
                message: finding.message,
                opened_at: now,
                resolved_at: None,
                acknowledged: None,
                silenced,
            };
            let notify = finding.notify && !silenced;
            changes.push(Change {
                alert: alert.clone(),
                telling: Telling::Opened,
                notify,
            });
            let open = Open {
                alert,
                notify,
                over_since: None,
            };
            self.open.insert(key, open);
        }
        self.waiting.retain(|key, _| seen.contains(key));
        self.open.retain(|key, open| {
            if seen.contains(key) {
                return true;
            }
            let since = *open.over_since.get_or_insert(ticks);
            // A rule that is gone or off waits for nothing.
            let after = rules
                .iter()
                .find(|rule| rule.name == key.0 && rule.enabled)
                .map_or(0, |rule| u64::from(rule.after_s) * 1_000);
            if ticks.saturating_sub(since) < after {
                return true;
            }
            open.alert.resolved_at = Some(now);
            changes.push(Change {
                alert: open.alert.clone(),
                telling: Telling::Resolved,
                notify: open.notify,
            });
            false
        });
        changes
    }

    /// Somebody looks after an alert; the alert as it is then, `None` when none of that id is open.
    pub(crate) fn acknowledge(&mut self, id: &str, said: Said) -> Option<Alert> {
        let open = self.open.values_mut().find(|open| open.alert.id == id)?;
        open.alert.acknowledged = Some(said);
        Some(open.alert.clone())
    }

    /// An alert by its id, while it is open.
    pub(crate) fn open_alert(&self, id: &str) -> Option<Alert> {
        let open = self.open.values().find(|open| open.alert.id == id)?;
        Some(open.alert.clone())
    }

    /// What is open, newest first, as it was last seen.
    pub(crate) fn open(&self) -> Vec<Alert> {
        let mut open: Vec<Alert> = self.open.values().map(|open| open.alert.clone()).collect();
        open.sort_by(|a, b| (b.opened_at, &b.id).cmp(&(a.opened_at, &a.id)));
        open
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::look::tests::rule;
    use super::*;
    use gridhelm_api::alert::AlertKind;
    use gridhelm_api::event::Severity;
    use proptest::prelude::*;

    fn finding(subject: &str, after_s: u32) -> Finding {
        Finding {
            rule: "rule".to_owned(),
            kind: AlertKind::NodeUnreachable,
            severity: Severity::Fail,
            subject: subject.to_owned(),
            message: "does not answer".to_owned(),
            after_s,
            notify: true,
        }
    }

    fn rules(after_s: u32) -> Vec<AlertRule> {
        vec![AlertRule {
            after_s,
            ..rule(AlertKind::NodeUnreachable, 0)
        }]
    }

    fn tellings(
        engine: &mut Engine,
        found: Vec<Finding>,
        after_s: u32,
        ticks: u64,
    ) -> Vec<Telling> {
        let now = Millis::try_from(ticks).unwrap();
        let id = || Some(format!("a-{ticks}"));
        engine
            .step(found, &rules(after_s), &[], ticks, now, id)
            .into_iter()
            .map(|change| change.telling)
            .collect()
    }

    #[test]
    fn what_holds_long_enough_opens_and_what_is_over_long_enough_ends() {
        let mut engine = Engine::default();
        let found = || vec![finding("r01", 10)];
        assert_eq!(tellings(&mut engine, found(), 10, 0), []);
        assert_eq!(tellings(&mut engine, found(), 10, 9_999), []);
        assert_eq!(
            tellings(&mut engine, found(), 10, 10_000),
            [Telling::Opened]
        );
        assert_eq!(tellings(&mut engine, found(), 10, 20_000), []);
        assert_eq!(tellings(&mut engine, vec![], 10, 21_000), []);
        // It came back in between: the count starts anew.
        assert_eq!(tellings(&mut engine, found(), 10, 25_000), []);
        assert_eq!(tellings(&mut engine, vec![], 10, 26_000), []);
        assert_eq!(tellings(&mut engine, vec![], 10, 35_999), []);
        assert_eq!(
            tellings(&mut engine, vec![], 10, 36_000),
            [Telling::Resolved]
        );
        assert!(engine.open().is_empty());
    }

    #[test]
    fn what_breaks_off_starts_anew() {
        let mut engine = Engine::default();
        let found = || vec![finding("r01", 10)];
        tellings(&mut engine, found(), 10, 0);
        tellings(&mut engine, vec![], 10, 5_000);
        assert_eq!(tellings(&mut engine, found(), 10, 10_000), []);
        assert_eq!(
            tellings(&mut engine, found(), 10, 20_000),
            [Telling::Opened]
        );
    }

    #[test]
    fn another_server_goes_on_with_what_is_open() {
        let mut first = Engine::default();
        tellings(&mut first, vec![finding("r01", 0)], 0, 1);
        let said = Said {
            by: "ana".to_owned(),
            at: 2,
            reason: "on it".to_owned(),
        };
        let id = first.open()[0].id.clone();
        assert!(first.acknowledge("none", said.clone()).is_none());
        first.acknowledge(&id, said.clone()).unwrap();
        let mut second = Engine::with(first.open());
        assert_eq!(
            tellings(&mut second, vec![finding("r01", 0)], 0, 5),
            [],
            "it is open already"
        );
        assert_eq!(second.open()[0].acknowledged, Some(said));
        assert_eq!(tellings(&mut second, vec![], 0, 6), [Telling::Resolved]);
    }

    #[test]
    fn a_silence_keeps_an_alert_from_being_told() {
        let mut engine = Engine::default();
        let silence = Silence {
            id: "s".to_owned(),
            rule: None,
            subject: Some("r01".to_owned()),
            until: 1_000,
            said: Said {
                by: "ana".to_owned(),
                at: 0,
                reason: "known".to_owned(),
            },
        };
        let found = vec![finding("r01", 0), finding("r02", 0)];
        let mut n = 0;
        let changes = engine.step(found, &rules(0), &[silence], 1, 1, || {
            n += 1;
            Some(format!("a-{n}"))
        });
        let told: Vec<_> = changes
            .iter()
            .map(|c| (c.alert.subject.as_str(), c.alert.silenced, c.notify))
            .collect();
        assert_eq!(told, [("r01", true, false), ("r02", false, true)]);
        let ends = engine.step(vec![], &rules(0), &[], 2, 2, || None);
        assert_eq!(
            ends.iter().map(|c| c.notify).collect::<Vec<_>>(),
            [false, true]
        );
    }

    proptest! {
        /// Whatever comes and goes: an alert opens before it ends, ends once, and is never open twice.
        #[test]
        fn alerts_open_and_end_in_turn(
            steps in proptest::collection::vec((1_u64..4_000, proptest::collection::vec(any::<bool>(), 3)), 1..60),
            after_s in 0_u32..5,
        ) {
            let names = ["r01", "r02", "r03"];
            let mut engine = Engine::default();
            let (mut ticks, mut ids) = (0, 0);
            let mut open: BTreeMap<String, String> = BTreeMap::new();
            for (wait, there) in steps {
                ticks += wait;
                let found = names.iter().zip(&there).filter(|(_, there)| **there).map(|(name, _)| finding(name, after_s)).collect();
                let changes = engine.step(found, &rules(after_s), &[], ticks, i64::try_from(ticks).unwrap(), || {
                    ids += 1;
                    Some(format!("a-{ids}"))
                });
                for change in changes {
                    let subject = change.alert.subject.clone();
                    if change.telling == Telling::Opened {
                        prop_assert!(open.insert(subject, change.alert.id).is_none());
                    } else {
                        prop_assert_eq!(open.remove(&subject), Some(change.alert.id));
                    }
                }
                let shown: BTreeSet<_> = engine.open().into_iter().map(|alert| alert.subject).collect();
                prop_assert_eq!(shown, open.keys().cloned().collect());
            }
            ticks += 10_000;
            engine.step(vec![], &rules(after_s), &[], ticks, 0, || None);
            engine.step(vec![], &rules(after_s), &[], ticks + 10_000, 0, || None);
            prop_assert!(engine.open().is_empty());
        }
    }
}
