//! Alerts: rules about the grid, what they found, and the messages that are sent about it.

use crate::event::Severity;
use crate::names::{check_name, check_reason};
use crate::{FieldError, Millis};
use serde::{Deserialize, Serialize};

/// How many rules a group may have.
pub const MAX_RULES: usize = 50;
/// How many silences may hold at once.
pub const MAX_SILENCES: usize = 200;
/// The longest time that a rule waits before it opens an alert, seconds.
pub const MAX_AFTER_S: u32 = 86_400;
/// The longest silence, seconds: 30 days.
pub const MAX_SILENCE_S: u32 = 30 * 86_400;

/// What a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// A node that is enabled does not answer. One alert a node.
    NodeUnreachable,
    /// A node that is enabled answers late or in part, or is held back after it was lost. One alert a node.
    NodeDegraded,
    /// Fewer slots than the threshold can be used in the whole grid.
    SlotsBelow,
    /// No slot can be used for some kind of task that a node is there for. One alert a kind.
    NoSlot,
    /// More tasks than the threshold wait in the queue.
    QueueAbove,
    /// More slots of a node than the threshold are held by sessions of a server that is no longer active. One alert a node.
    Zombies,
}

impl AlertKind {
    /// Whether the rule's threshold means something.
    pub const fn has_threshold(self) -> bool {
        matches!(self, Self::SlotsBelow | Self::QueueAbove | Self::Zombies)
    }
}

/// A rule: what to look at, for how long it must hold, how grave it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct AlertRule {
    /// Its name; unique among the rules.
    pub name: String,
    /// What it looks at.
    pub kind: AlertKind,
    /// `warn` or `fail`.
    pub severity: Severity,
    /// For how long it must hold without a break before an alert opens, and be over before it closes, seconds, 0 to 86,400.
    #[serde(default)]
    pub after_s: u32,
    /// The number that it is compared with, where its kind has one.
    #[serde(default)]
    pub threshold: u32,
    /// Only nodes with this label, where its kind is about nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether the webhook is told.
    #[serde(default)]
    pub notify: bool,
    /// Whether it is looked at.
    #[serde(default = "yes")]
    pub enabled: bool,
}

const fn yes() -> bool {
    true
}

/// `GET` and `PUT /alerts/rules`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct AlertRules {
    /// Grows with each change; the ETag of writes. 0: the rules that every group starts with.
    #[serde(default)]
    pub version: i64,
    /// The rules, in the order in which they are shown, at most 50.
    pub rules: Vec<AlertRule>,
}

impl Default for AlertRules {
    /// What every group starts with.
    fn default() -> Self {
        let rule = |name: &str, kind, severity, after_s, threshold| AlertRule {
            name: name.to_owned(),
            kind,
            severity,
            after_s,
            threshold,
            label: None,
            notify: true,
            enabled: true,
        };
        Self {
            version: 0,
            rules: vec![
                rule(
                    "node-unreachable",
                    AlertKind::NodeUnreachable,
                    Severity::Fail,
                    10,
                    0,
                ),
                rule(
                    "node-degraded",
                    AlertKind::NodeDegraded,
                    Severity::Warn,
                    60,
                    0,
                ),
                rule("no-slot", AlertKind::NoSlot, Severity::Fail, 5, 0),
                rule("zombies", AlertKind::Zombies, Severity::Warn, 60, 0),
                rule(
                    "long-queue",
                    AlertKind::QueueAbove,
                    Severity::Warn,
                    60,
                    1_000,
                ),
            ],
        }
    }
}

impl AlertRules {
    /// Every field that is not acceptable, with the reason.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if self.rules.len() > MAX_RULES {
            errors.push(FieldError::new("rules", "Give at most 50 rules."));
        }
        for (index, rule) in self.rules.iter().enumerate().take(MAX_RULES) {
            let field = |name: &str| format!("rules[{index}].{name}");
            errors.extend(check_name(&field("name"), &rule.name).err());
            if self.rules[..index].iter().any(|r| r.name == rule.name) {
                errors.push(FieldError::new(
                    field("name"),
                    "Another rule has this name; give it one of its own.",
                ));
            }
            if !matches!(rule.severity, Severity::Warn | Severity::Fail) {
                errors.push(FieldError::new(field("severity"), "Give warn or fail."));
            }
            if rule.after_s > MAX_AFTER_S {
                errors.push(FieldError::new(
                    field("after_s"),
                    "Give 0 to 86400 seconds.",
                ));
            }
            if rule.threshold > 1_000_000 {
                errors.push(FieldError::new(field("threshold"), "Give 0 to 1000000."));
            }
            if rule
                .label
                .as_deref()
                .is_some_and(|l| !(1..=40).contains(&l.chars().count()))
            {
                errors.push(FieldError::new(
                    field("label"),
                    "Give a label of 1 to 40 characters.",
                ));
            }
        }
        errors
    }
}

/// What somebody said about an alert or a silence: who, when, why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Said {
    /// Who.
    pub by: String,
    /// When.
    pub at: Millis,
    /// Why.
    pub reason: String,
}

/// What a rule found, from then until it was over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Alert {
    /// Its id.
    pub id: String,
    /// The rule's name.
    pub rule: String,
    /// What the rule looks at.
    pub kind: AlertKind,
    /// How grave it is.
    pub severity: Severity,
    /// The node, the kind of task, or the group.
    pub subject: String,
    /// One sentence, as it was last seen.
    pub message: String,
    /// When it opened.
    pub opened_at: Millis,
    /// When it was over; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Millis>,
    /// Who has seen it and looks after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Said>,
    /// Whether a silence held when it opened: nobody was told.
    #[serde(default)]
    pub silenced: bool,
}

/// A time in which nobody is told about some alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Silence {
    /// Its id.
    pub id: String,
    /// Only alerts of this rule; of all rules when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Only alerts about this; about anything when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it ends.
    pub until: Millis,
    /// Who made it, when and why.
    pub said: Said,
}

impl Silence {
    /// Whether it holds for an alert at that time.
    pub fn covers(&self, rule: &str, subject: &str, now: Millis) -> bool {
        now < self.until
            && self.rule.as_deref().is_none_or(|r| r == rule)
            && self.subject.as_deref().is_none_or(|s| s == subject)
    }
}

/// `GET /alerts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Alerts {
    /// The server's clock.
    pub at: Millis,
    /// What is open, newest first.
    pub open: Vec<Alert>,
    /// What was over last, newest first, at most 100.
    pub ended: Vec<Alert>,
    /// What holds now.
    pub silences: Vec<Silence>,
}

/// `POST /alerts/{id}/acknowledge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Acknowledge {
    /// What is done about it. 3 to 500 characters.
    pub reason: String,
}

/// `POST /alerts/silences`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct SilenceDraft {
    /// Only alerts of this rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Only alerts about this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// For how long, seconds, 60 to 2,592,000.
    pub for_s: u32,
    /// Why. 3 to 500 characters.
    pub reason: String,
}

impl SilenceDraft {
    /// Every field that is not acceptable, with the reason.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors: Vec<_> = check_reason("reason", &self.reason)
            .err()
            .into_iter()
            .collect();
        if !(60..=MAX_SILENCE_S).contains(&self.for_s) {
            errors.push(FieldError::new(
                "for_s",
                "Give 60 seconds to 30 days (2592000).",
            ));
        }
        for (field, value) in [("rule", &self.rule), ("subject", &self.subject)] {
            if let Some(value) = value {
                errors.extend(check_name(field, value).err());
            }
        }
        errors
    }
}

/// `GET /alerts/webhook`: where messages go. The secret is never told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Webhook {
    /// Grows with each change; the ETag of writes. 0: never set.
    #[serde(default)]
    pub version: i64,
    /// The address; empty when none is set.
    pub url: String,
    /// Whether messages are sent.
    pub enabled: bool,
    /// Whether a secret is set.
    pub has_secret: bool,
    /// The latest messages, newest first, at most 20.
    #[serde(default)]
    pub deliveries: Vec<Delivery>,
}

/// `PUT /alerts/webhook` with `If-Match`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct WebhookDraft {
    /// Where to: `https://…` or `http://…`, at most 500 characters, without user and password.
    pub url: String,
    /// Whether messages are sent.
    pub enabled: bool,
    /// The secret by which messages are signed, 16 to 200 characters; write only. Absent: the one that is set stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl WebhookDraft {
    /// Every field that is not acceptable, with the reason.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let rest = self
            .url
            .strip_prefix("https://")
            .or_else(|| self.url.strip_prefix("http://"));
        let ok = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':']));
        let authority = rest
            .and_then(|rest| rest.split(['/', '?', '#']).next())
            .unwrap_or_default();
        if !ok
            || authority.contains('@')
            || self.url.len() > 500
            || self
                .url
                .chars()
                .any(|c| c.is_control() || c.is_whitespace())
        {
            errors.push(FieldError::new(
                "url",
                "Give an address that begins with https:// or http://, without user and password, of at most 500 characters.",
            ));
        }
        let bad = |s: &String| {
            !(16..=200).contains(&s.chars().count()) || s.chars().any(char::is_control)
        };
        if self.secret.as_ref().is_some_and(bad) {
            errors.push(FieldError::new(
                "secret",
                "Give 16 to 200 characters, no control characters.",
            ));
        }
        errors
    }
}

/// What a message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
#[serde(rename_all = "lowercase")]
pub enum Telling {
    /// An alert opened.
    Opened,
    /// It is over.
    Resolved,
    /// Somebody tries the webhook out.
    Test,
}

/// A message to the webhook, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Delivery {
    /// Its id: the same in every try, so that a receiver can tell that it has it already.
    pub id: String,
    /// What it tells.
    pub telling: Telling,
    /// The alert.
    pub alert: Alert,
    /// When it was made.
    pub made_at: Millis,
    /// When it is tried next; absent when it was taken or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Millis>,
    /// How often it was tried.
    #[serde(default)]
    pub tries: u32,
    /// When it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<Millis>,
    /// Why the last try failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_first_rules_are_acceptable() {
        assert_eq!(AlertRules::default().check(), []);
    }

    #[test]
    fn rules_are_checked_one_by_one() {
        let mut rules = AlertRules::default();
        rules.rules[1].name = rules.rules[0].name.clone();
        rules.rules[2].after_s = 100_000;
        rules.rules[3].severity = Severity::Good;
        let fields: Vec<_> = rules.check().into_iter().map(|e| e.field).collect();
        assert_eq!(
            fields,
            ["rules[1].name", "rules[2].after_s", "rules[3].severity"]
        );
    }

    #[test]
    fn a_webhooks_address_has_no_password_and_a_host() {
        let draft = |url: &str| WebhookDraft {
            url: url.to_owned(),
            enabled: true,
            secret: None,
        };
        for good in ["https://hooks.example/a?b=c", "http://10.0.0.1:8080/x"] {
            assert_eq!(draft(good).check(), [], "{good}");
        }
        for bad in [
            "",
            "ftp://x/y",
            "https://",
            "https:///x",
            "http://u:p@h/",
            "http://h/ x",
        ] {
            assert_eq!(draft(bad).check().len(), 1, "{bad}");
        }
        let short = WebhookDraft {
            secret: Some("short".to_owned()),
            ..draft("https://h/")
        };
        assert_eq!(short.check()[0].field, "secret");
    }

    #[test]
    fn a_silence_covers_what_it_names_until_it_ends() {
        let silence = Silence {
            id: "s".to_owned(),
            rule: None,
            subject: Some("r01".to_owned()),
            until: 100,
            said: Said {
                by: "ana".to_owned(),
                at: 1,
                reason: "known".to_owned(),
            },
        };
        assert!(silence.covers("any", "r01", 99));
        assert!(!silence.covers("any", "r02", 99));
        assert!(!silence.covers("any", "r01", 100));
    }
}
