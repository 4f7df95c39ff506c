//! What an admin write changed: two JSON values as lines, the differing ones marked. Pure.

use serde_json::Value;

/// A line of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    /// The text: `slot_limit: 3`.
    pub(crate) text: String,
    /// Whether the other side differs.
    pub(crate) differs: bool,
}

/// The most lines of one side.
const MOST: usize = 60;

fn flat(prefix: &str, value: &Value, out: &mut Vec<(String, String)>) {
    if out.len() >= MOST {
        return;
    }
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let name = if prefix.is_empty() {
                    name.clone()
                } else {
                    [prefix, name].join(".")
                };
                flat(&name, value, out);
            }
        }
        Value::Null => out.push((prefix.to_owned(), "none".to_owned())),
        Value::String(text) => out.push((prefix.to_owned(), text.clone())),
        Value::Array(items) if items.iter().all(Value::is_string) => out.push((
            prefix.to_owned(),
            items
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(", "),
        )),
        other => out.push((prefix.to_owned(), other.to_string())),
    }
}

/// Both sides; a side that is not there is empty.
pub(crate) fn sides(before: Option<&Value>, after: Option<&Value>) -> (Vec<Side>, Vec<Side>) {
    let lines = |value: Option<&Value>| {
        let mut out = Vec::new();
        if let Some(value) = value {
            flat("", value, &mut out);
        }
        out
    };
    let (left, right) = (lines(before), lines(after));
    let mark = |own: &[(String, String)], other: &[(String, String)]| {
        let side = |(name, text): &(String, String)| Side {
            text: if name.is_empty() {
                text.clone()
            } else {
                format!("{name}: {text}")
            },
            differs: !other.is_empty()
                && !other
                    .iter()
                    .any(|(known, value)| known == name && value == text),
        };
        own.iter().map(side).collect()
    };
    (mark(&left, &right), mark(&right, &left))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_marked_on_both_sides() {
        let (before, after) = sides(
            Some(&json!({"slots": 3, "labels": ["a"], "gone": 1})),
            Some(&json!({"slots": 4, "labels": ["a"], "at": {"host": "x"}})),
        );
        // JSON objects keep or sort their keys, as other crates of the build wish.
        let marked = |side: &[Side]| {
            let mut marked: Vec<_> = side
                .iter()
                .filter(|line| line.differs)
                .map(|line| line.text.clone())
                .collect();
            marked.sort();
            marked
        };
        assert_eq!(marked(&before), ["gone: 1", "slots: 3"]);
        assert_eq!(marked(&after), ["at.host: x", "slots: 4"]);
        assert!(before.iter().any(|line| line.text == "labels: a"));
    }

    #[test]
    fn a_new_thing_is_not_marked_and_a_large_one_is_cut() {
        let (before, after) = sides(None, Some(&json!({"name": "r1"})));
        assert!(before.is_empty() && !after[0].differs);
        let large: Value = (0..500)
            .map(|n| (n.to_string(), json!(n)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        assert_eq!(sides(None, Some(&large)).1.len(), MOST);
    }
}
