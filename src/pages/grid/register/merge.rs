//! Two people edited one node: what the other one changed, and whether both changes touch the same field. Pure.

use gridhelm_api::node::{Node, NodePatch};

use super::form::runs_word;

/// One field that another person changed since the form was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The field's label.
    pub(crate) field: &'static str,
    /// What it was when the form was opened.
    pub(crate) before: String,
    /// What it is now.
    pub(crate) now: String,
    /// What this form would make of it, if it changes it as well.
    pub(crate) yours: Option<String>,
}

/// What changed between the node as the form saw it and as it is now.
pub(crate) fn changes(seen: &Node, now: &Node, patch: &NodePatch) -> Vec<Change> {
    let user = |user: &Option<String>| user.clone().unwrap_or_else(|| "none".to_owned());
    let rows = [
        (
            "Host",
            seen.host.clone(),
            now.host.clone(),
            patch.host.clone(),
        ),
        (
            "Rserve port",
            seen.port.to_string(),
            now.port.to_string(),
            patch.port.map(|port| port.to_string()),
        ),
        (
            "User at Rserve",
            user(&seen.user),
            user(&now.user),
            patch.user.clone(),
        ),
        (
            "Slots",
            seen.slot_limit.to_string(),
            now.slot_limit.to_string(),
            patch.slot_limit.map(|slots| slots.to_string()),
        ),
        (
            "Runs",
            runs_word(seen.operating_type).to_owned(),
            runs_word(now.operating_type).to_owned(),
            patch.operating_type.map(|runs| runs_word(runs).to_owned()),
        ),
        (
            "Labels",
            seen.labels.join(", "),
            now.labels.join(", "),
            patch.labels.as_ref().map(|labels| labels.join(", ")),
        ),
        (
            "Intent",
            format!("{:?}", seen.intent).to_lowercase(),
            format!("{:?}", now.intent).to_lowercase(),
            None,
        ),
    ];
    rows.into_iter()
        .filter(|(_, before, now, _)| before != now)
        .map(|(field, before, now, yours)| Change {
            field,
            before,
            now,
            yours,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::pages::grid::sample::node;

    #[test]
    fn what_the_other_one_changed_is_told_beside_what_this_form_wants() {
        let seen = node("r1");
        let now = Node {
            slot_limit: 8,
            labels: vec!["big".to_owned()],
            version: 2,
            ..node("r1")
        };
        let patch = NodePatch {
            slot_limit: Some(4),
            ..NodePatch::default()
        };
        let changes = changes(&seen, &now, &patch);
        assert_eq!(
            changes.iter().map(|c| c.field).collect::<Vec<_>>(),
            ["Slots", "Labels"]
        );
        assert_eq!(
            (
                changes[0].before.as_str(),
                changes[0].now.as_str(),
                changes[0].yours.as_deref()
            ),
            ("3", "8", Some("4"))
        );
        assert_eq!(changes[1].yours, None);
    }

    #[test]
    fn a_version_that_grew_without_a_visible_change_tells_nothing() {
        assert_eq!(
            changes(
                &node("r1"),
                &Node {
                    version: 9,
                    ..node("r1")
                },
                &NodePatch::default()
            ),
            []
        );
    }
}
