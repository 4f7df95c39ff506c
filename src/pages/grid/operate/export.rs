//! The nodes that the filter leaves, in the order of the table, as CSV or JSON for other programs. Pure.

use gridhelm_api::node::Node;
use serde_json::{Value, json};

use super::super::order::{r_version, used};
use super::super::reason::reason;
use super::super::register::runs_word;
use crate::deployment::node_word;
use crate::ui::csv_line;

/// What is written of a node, in this order. Times are milliseconds since 1970, shares from 0 to 1.
const FIELDS: [&str; 18] = [
    "group",
    "name",
    "host",
    "port",
    "state",
    "reason",
    "slots",
    "used",
    "load",
    "memory_used",
    "r_version",
    "last_heartbeat",
    "heartbeat_ms",
    "takes",
    "labels",
    "intent",
    "intent_reason",
    "health_since",
];

/// What is written of a node, field by field. `wall` is the time now, milliseconds since 1970.
fn values(group: &str, node: &Node, wall: f64) -> [Value; FIELDS.len()] {
    [
        json!(group),
        json!(node.name),
        json!(node.host),
        json!(node.port),
        json!(node_word(node)),
        json!(reason(node, wall)),
        json!(node.slots.len()),
        json!(used(node)),
        json!(node.load),
        json!(node.memory_used),
        json!(r_version(node)),
        json!(node.last_heartbeat),
        json!(node.heartbeat_ms),
        json!(runs_word(node.operating_type)),
        json!(node.labels),
        json!(node.intent),
        json!(node.intent_reason),
        json!(node.health_since),
    ]
}

/// A value in a cell: a text as it is, a list with semicolons between its items, nothing for what is not known.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(";"),
        other => other.to_string(),
    }
}

/// The nodes as CSV, with a head.
pub(super) fn to_csv<'a>(nodes: impl Iterator<Item = (&'a str, &'a Node)>, wall: f64) -> String {
    let mut text = csv_line(FIELDS);
    for (group, node) in nodes {
        let cells = values(group, node, wall).each_ref().map(cell);
        text.push_str(&csv_line(cells.iter().map(String::as_str)));
    }
    text
}

/// The nodes as a JSON list of objects, a line each.
pub(super) fn to_json<'a>(nodes: impl Iterator<Item = (&'a str, &'a Node)>, wall: f64) -> String {
    let mut text = String::from("[");
    for (at, (group, node)) in nodes.enumerate() {
        let fields = FIELDS.iter().map(|field| (*field).to_owned());
        let object: serde_json::Map<String, Value> =
            fields.zip(values(group, node, wall)).collect();
        text.push_str(if at == 0 { "\n" } else { ",\n" });
        text.push_str(&Value::Object(object).to_string());
    }
    text.push_str("\n]\n");
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::pages::grid::sample::node;
    use gridhelm_api::node::Health;

    fn odd() -> Node {
        Node {
            labels: vec!["rack b2".to_owned(), "=gpu".to_owned()],
            health: Health::Unreachable,
            health_reason: Some("said \"no\", twice".to_owned()),
            load: Some(0.5),
            ..node("=r1")
        }
    }

    #[test]
    fn a_spreadsheet_gets_a_line_a_node() {
        let (a, b) = (odd(), node("r2"));
        let text = to_csv([("east", &a), ("west", &b)].into_iter(), 0.0);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("group,name,host,port,state,reason,"));
        assert!(
            lines[1].starts_with(
                "east,\"'=r1\",10.0.0.1,6311,Lost,\"said \"\"no\"\", twice\",3,0,0.5,,"
            ),
            "{}",
            lines[1]
        );
        assert!(lines[1].contains("rack b2;=gpu"));
        assert!(lines[2].starts_with("west,r2,"));
    }

    #[test]
    fn a_program_gets_the_same_with_types() {
        let (a, b) = (odd(), node("r2"));
        let text = to_json([("east", &a), ("west", &b)].into_iter(), 0.0);
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read.as_array().unwrap().len(), 2);
        assert_eq!(read[0]["load"], 0.5);
        assert_eq!(read[0]["memory_used"], Value::Null);
        assert_eq!(read[0]["labels"], json!(["rack b2", "=gpu"]));
        assert_eq!(read[1]["intent"], "enabled");
        assert_eq!(read[0].as_object().unwrap().len(), FIELDS.len());
        assert_eq!(to_json([].into_iter(), 0.0), "[\n]\n");
    }
}
