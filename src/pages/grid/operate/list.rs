//! The grid as a list: written as CSV or JSON, read from either row by row, and compared with what is registered. Pure.

use std::collections::{BTreeMap, BTreeSet};

use gridhelm_api::node::{Intent, Node, NodeDraft, NodePatch, OperatingType};
use serde::Serialize;

use crate::ui::csv_line;

/// The most rows of one list.
pub(super) const MAX_ROWS: usize = 2_000;

/// The columns. A list that is read may leave out all but the first three, and may have a password, which is never written.
const COLUMNS: [&str; 8] = [
    "name", "host", "port", "slots", "type", "labels", "user", "intent",
];

/// What a row would do. `Debug` hides passwords.
#[derive(Clone, PartialEq)]
pub(super) enum Effect {
    /// Registers a node.
    New(Box<NodeDraft>),
    /// Changes one that is registered, if it still is at that version: how, in words.
    Changed {
        name: String,
        version: i64,
        patch: Box<NodePatch>,
        words: String,
    },
    /// It is so already.
    Same(String),
    /// It cannot be taken.
    Wrong(Vec<String>),
}

/// A row of a list: where it stands, counted from 1, and what it would do.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) effect: Effect,
}

impl core::fmt::Debug for Effect {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::New(draft) => write!(f, "New({})", draft.name),
            Self::Changed { name, words, .. } => write!(f, "Changed({name}: {words})"),
            Self::Same(name) => write!(f, "Same({name})"),
            Self::Wrong(why) => f.debug_tuple("Wrong").field(why).finish(),
        }
    }
}

/// A node as it is written.
#[derive(Serialize)]
struct Written<'a> {
    name: &'a str,
    host: &'a str,
    port: u16,
    slot_limit: u32,
    operating_type: OperatingType,
    labels: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    intent: Intent,
}

fn type_word(of: OperatingType) -> &'static str {
    match of {
        OperatingType::Anonymous => "anonymous",
        OperatingType::Authenticated => "authenticated",
        OperatingType::Asynchronous => "asynchronous",
        OperatingType::Mixed => "mixed",
    }
}

fn intent_word(of: Intent) -> &'static str {
    match of {
        Intent::Enabled => "enabled",
        Intent::Draining => "draining",
        Intent::Disabled => "disabled",
    }
}

/// The nodes as CSV, with a head.
pub(super) fn to_csv(nodes: &[Node]) -> String {
    let mut text = csv_line(COLUMNS);
    for node in nodes {
        text.push_str(&csv_line([
            node.name.as_str(),
            &node.host,
            &node.port.to_string(),
            &node.slot_limit.to_string(),
            type_word(node.operating_type),
            &node.labels.join(";"),
            node.user.as_deref().unwrap_or_default(),
            intent_word(node.intent),
        ]));
    }
    text
}

/// The nodes as JSON. Empty when that fails.
pub(super) fn to_json(nodes: &[Node]) -> String {
    let written: Vec<Written<'_>> = nodes
        .iter()
        .map(|node| Written {
            name: &node.name,
            host: &node.host,
            port: node.port,
            slot_limit: node.slot_limit,
            operating_type: node.operating_type,
            labels: &node.labels,
            user: node.user.as_deref(),
            intent: node.intent,
        })
        .collect();
    serde_json::to_string_pretty(&written).unwrap_or_default()
}

/// Reads a list and compares it with the nodes of a group. What cannot be read at all is the error.
pub(super) fn read(text: &str, nodes: &[Node]) -> Result<Vec<Row>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let drafts = if text.starts_with(['[', '{']) {
        of_json(text)?
    } else {
        of_csv(text)?
    };
    if drafts.len() > MAX_ROWS {
        return Err(format!(
            "The list has {} rows; {MAX_ROWS} are the most at a time.",
            drafts.len()
        ));
    }
    let mut names = BTreeSet::new();
    let mut places = BTreeSet::new();
    let known: BTreeMap<&str, &Node> = nodes.iter().map(|node| (&*node.name, node)).collect();
    let rows = drafts.into_iter().enumerate().map(|(index, draft)| {
        let at = index + 1;
        let (name, effect) = match draft {
            Err((name, why)) => (name, Effect::Wrong(vec![why])),
            Ok((draft, given)) => {
                let name = draft.name.clone();
                let mut wrong: Vec<String> = draft
                    .check()
                    .into_iter()
                    .map(|error| format!("{}: {}", error.field, error.message))
                    .collect();
                if !names.insert(name.clone()) {
                    wrong.push("name: an earlier row has it, too.".to_owned());
                }
                if !places.insert((draft.host.clone(), draft.port)) {
                    wrong.push("host: an earlier row has this address, too.".to_owned());
                }
                let taken = nodes.iter().find(|node| {
                    node.name != name && (&node.host, node.port) == (&draft.host, draft.port)
                });
                if let Some(other) = taken {
                    wrong.push(format!("host: {} is at this address.", other.name));
                }
                let effect = if wrong.is_empty() {
                    compare(draft, given, known.get(&*name).copied())
                } else {
                    Effect::Wrong(wrong)
                };
                (name, effect)
            }
        };
        Row { at, name, effect }
    });
    Ok(rows.collect())
}

/// What a draft would do to the node of its name. What people want of it is theirs to set: a list only says how new ones start.
fn compare(draft: NodeDraft, given: Given, node: Option<&Node>) -> Effect {
    let Some(node) = node else {
        return Effect::New(Box::new(draft));
    };
    let mut words = Vec::new();
    let mut patch = NodePatch::default();
    if draft.host != node.host || draft.port != node.port {
        words.push(format!(
            "{}:{} becomes {}:{}",
            node.host, node.port, draft.host, draft.port
        ));
        patch.host = (draft.host != node.host).then(|| draft.host.clone());
        patch.port = (draft.port != node.port).then_some(draft.port);
    }
    if given.slots && draft.slot_limit != node.slot_limit {
        words.push(format!(
            "{} slots become {}",
            node.slot_limit, draft.slot_limit
        ));
        patch.slot_limit = Some(draft.slot_limit);
    }
    if given.kind && draft.operating_type != node.operating_type {
        let (old, new) = (
            type_word(node.operating_type),
            type_word(draft.operating_type),
        );
        words.push(format!("{old} becomes {new}"));
        patch.operating_type = Some(draft.operating_type);
    }
    if given.labels && draft.labels != node.labels {
        words.push("other labels".to_owned());
        patch.labels = Some(draft.labels.clone());
    }
    if draft.user.is_some() && draft.user != node.user {
        words.push("another user".to_owned());
        patch.user.clone_from(&draft.user);
    }
    if draft.password.is_some() {
        words.push("the password is set".to_owned());
        patch.password.clone_from(&draft.password);
    }
    if words.is_empty() {
        return Effect::Same(node.name.clone());
    }
    Effect::Changed {
        name: node.name.clone(),
        version: node.version,
        patch: Box::new(patch),
        words: words.join(", "),
    }
}

/// What a row gives that it may leave out; what it leaves out stays as it is.
#[derive(Clone, Copy, Debug, Default)]
struct Given {
    slots: bool,
    kind: bool,
    labels: bool,
}

/// A draft, or the row's name and why there is none.
type Draft = Result<(NodeDraft, Given), (String, String)>;

fn of_json(text: &str) -> Result<Vec<Draft>, String> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| format!("This is not JSON: {error}."))?;
    let serde_json::Value::Array(items) = value else {
        return Err("Give a list of nodes: [ {\"name\": …}, … ].".to_owned());
    };
    let draft = |item: serde_json::Value| {
        let name = item["name"].as_str().unwrap_or_default().to_owned();
        let has = |field: &str| item.get(field).is_some();
        let given = Given {
            slots: has("slot_limit"),
            kind: has("operating_type"),
            labels: has("labels"),
        };
        serde_json::from_value::<NodeDraft>(item)
            .map(|draft| (draft, given))
            .map_err(|error| (name, format!("{error}.")))
    };
    Ok(items.into_iter().map(draft).collect())
}

fn of_csv(text: &str) -> Result<Vec<Draft>, String> {
    let mut lines = records(text)?.into_iter();
    let head: Vec<String> = lines
        .next()
        .unwrap_or_default()
        .iter()
        .map(|name| name.trim().to_lowercase())
        .collect();
    let known = |name: &String| COLUMNS.contains(&name.as_str()) || name == "password";
    if let Some(other) = head.iter().find(|name| !known(name)) {
        return Err(format!(
            "The first line must name the columns: {} or password. \"{other}\" is none of them.",
            COLUMNS.join(", ")
        ));
    }
    for needed in &COLUMNS[..3] {
        if !head.iter().any(|name| name == needed) {
            return Err(format!("The column {needed} is missing."));
        }
    }
    Ok(lines.map(|fields| of_fields(&head, &fields)).collect())
}

fn of_fields(head: &[String], fields: &[String]) -> Draft {
    let field = |name: &str| {
        let at = head.iter().position(|column| column == name)?;
        fields.get(at).map(|f| f.trim()).filter(|f| !f.is_empty())
    };
    let name = field("name").unwrap_or_default().to_owned();
    let wrong = |why: String| Err((name.clone(), why));
    if fields.len() > head.len() {
        return wrong(format!(
            "{} fields, but {} columns.",
            fields.len(),
            head.len()
        ));
    }
    let Some(Ok(port)) = field("port").map(str::parse::<u16>) else {
        return wrong("port: give a number from 1 to 65535.".to_owned());
    };
    let slot_limit = match field("slots").map(str::parse::<u32>) {
        None => 1,
        Some(Ok(slots)) => slots,
        Some(Err(_)) => return wrong("slots: give a number from 1 to 1024.".to_owned()),
    };
    let operating_type = match field("type").unwrap_or("mixed") {
        "mixed" => OperatingType::Mixed,
        "anonymous" => OperatingType::Anonymous,
        "authenticated" => OperatingType::Authenticated,
        "asynchronous" => OperatingType::Asynchronous,
        other => {
            return wrong(format!(
                "type: {other} is none; give mixed, authenticated, asynchronous or anonymous."
            ));
        }
    };
    let intent = match field("intent").unwrap_or("enabled") {
        "enabled" => Intent::Enabled,
        // One that drains would take nothing, either: it starts out of the grid.
        "disabled" | "draining" => Intent::Disabled,
        other => {
            return wrong(format!(
                "intent: {other} is none; give enabled or disabled."
            ));
        }
    };
    let has = |name: &str| head.iter().any(|column| column == name);
    let given = Given {
        slots: has("slots"),
        kind: has("type"),
        labels: has("labels"),
    };
    let draft = NodeDraft {
        host: field("host").unwrap_or_default().to_owned(),
        port,
        slot_limit,
        operating_type,
        user: field("user").map(str::to_owned),
        password: field("password").map(str::to_owned),
        labels: field("labels")
            .map(|labels| {
                let labels = labels.split(';').map(str::trim);
                labels
                    .filter(|l| !l.is_empty())
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default(),
        intent,
        name,
    };
    Ok((draft, given))
}

/// The records of CSV (RFC 4180); lines without a field are left out.
fn records(text: &str) -> Result<Vec<Vec<String>>, String> {
    let (mut all, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                all.push(std::mem::take(&mut record));
            }
            '\r' if !quoted => {}
            other => field.push(other),
        }
    }
    if quoted {
        return Err("A field's quotation mark is not closed.".to_owned());
    }
    record.push(field);
    all.push(record);
    all.retain(|record| record.iter().any(|field| !field.trim().is_empty()));
    // What `csv_line` put in front of what a spreadsheet would take for a formula.
    for field in all.iter_mut().flatten() {
        if field.starts_with("'=")
            || field.starts_with("'+")
            || field.starts_with("'-")
            || field.starts_with("'@")
        {
            field.remove(0);
        }
    }
    Ok(all)
}

/// At most so many rows, in their order: those that are wrong before any other, so that each fault is seen.
pub(super) fn drawn(rows: &[Row], most: usize) -> Vec<&Row> {
    let wrong = |row: &&Row| matches!(row.effect, Effect::Wrong(_));
    let mut room = most.saturating_sub(rows.iter().filter(wrong).count());
    let mut fits = |row: &&Row| {
        let takes = !wrong(row);
        let fits = !takes || room > 0;
        room -= usize::from(takes && fits);
        fits
    };
    rows.iter().filter(|row| fits(row)).take(most).collect()
}

/// What a list would do, in a sentence.
pub(super) fn summary(rows: &[Row]) -> String {
    let count = |wanted: fn(&Effect) -> bool| rows.iter().filter(|r| wanted(&r.effect)).count();
    format!(
        "{} new, {} changed, {} as they are, {} wrong.",
        count(|e| matches!(e, Effect::New(_))),
        count(|e| matches!(e, Effect::Changed { .. })),
        count(|e| matches!(e, Effect::Same(_))),
        count(|e| matches!(e, Effect::Wrong(_)))
    )
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::pages::grid::sample::node;
    use proptest::prelude::*;

    fn nodes() -> Vec<Node> {
        let mut second = node("r02");
        second.port = 6312;
        second.labels = vec!["big".to_owned(), "rack 2".to_owned()];
        second.user = Some("grid".to_owned());
        vec![node("r01"), second]
    }

    #[test]
    fn what_was_written_is_read_as_it_is() {
        let nodes = nodes();
        for text in [to_csv(&nodes), to_json(&nodes)] {
            let rows = read(&text, &nodes).unwrap();
            assert!(
                rows.iter().all(|row| matches!(row.effect, Effect::Same(_))),
                "{text}\n{rows:?}"
            );
            let fresh = read(&text, &[]).unwrap();
            assert!(fresh.iter().all(|row| matches!(row.effect, Effect::New(_))));
        }
        assert!(!to_json(&nodes).contains("password") && !to_csv(&nodes).contains("password"));
    }

    #[test]
    fn each_row_says_what_it_would_do() {
        let text = "name,host,port,slots,password\nr01,10.0.0.1,6311,8,\nr03,10.0.0.3,6311,2,hush\n../x,h,6311,1,\nr04,10.0.0.1,6312,1,\nr05,h5,x,1,\n";
        let rows = read(text, &nodes()).unwrap();
        match &rows[0].effect {
            Effect::Changed {
                patch,
                words,
                version,
                ..
            } => {
                assert_eq!((patch.slot_limit, *version), (Some(8), 1));
                assert_eq!(words, "3 slots become 8");
            }
            other => panic!("{other:?}"),
        }
        assert!(
            matches!(&rows[1].effect, Effect::New(draft) if draft.password.as_deref() == Some("hush"))
        );
        let wrong: Vec<_> = rows[2..]
            .iter()
            .map(|row| match &row.effect {
                Effect::Wrong(why) => why[0].split(':').next().unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(wrong, ["name", "host", "port"]);
        assert_eq!(summary(&rows), "1 new, 1 changed, 0 as they are, 3 wrong.");
    }

    #[test]
    fn what_a_list_does_not_say_stays_as_it_is() {
        let nodes = nodes();
        for text in [
            "name,host,port\nr02,10.0.0.1,6312\n",
            r#"[{"name":"r02","host":"10.0.0.1","port":6312,"slot_limit":3}]"#,
        ] {
            let rows = read(text, &nodes).unwrap();
            assert_eq!(rows[0].effect, Effect::Same("r02".to_owned()), "{text}");
        }
        let emptied = read("name,host,port,labels\nr02,10.0.0.1,6312,\n", &nodes).unwrap();
        assert!(
            matches!(&emptied[0].effect, Effect::Changed { words, .. } if words == "other labels")
        );
    }

    #[test]
    fn a_wrong_row_is_drawn_however_long_the_list_is() {
        let row = |at: usize| Row {
            at,
            name: format!("r{at}"),
            effect: if at.is_multiple_of(4) {
                Effect::Wrong(vec!["Why.".to_owned()])
            } else {
                Effect::Same(format!("r{at}"))
            },
        };
        let rows: Vec<Row> = (1..=12).map(row).collect();
        let places =
            |most: usize| -> Vec<usize> { drawn(&rows, most).iter().map(|row| row.at).collect() };
        assert_eq!(places(5), [1, 2, 4, 8, 12]);
        assert_eq!(places(2), [4, 8]);
        assert_eq!(places(12).len(), 12);
    }

    #[test]
    fn a_list_must_be_one() {
        for bad in [
            "{\"name\": 1}",
            "[1",
            "name,host\nr01,h",
            "name,host,port,colour\n",
            "name,host,port\n\"r01,h,1",
        ] {
            assert!(read(bad, &[]).is_err(), "{bad}");
        }
        assert_eq!(read("  \n", &[]), Ok(Vec::new()));
        let twice = read("name,host,port\nr1,h,1\nr1,h,1\n", &[]).unwrap();
        assert!(matches!(&twice[1].effect, Effect::Wrong(why) if why.len() == 2));
        let many = format!("name,host,port\n{}", "r,h,1\n".repeat(MAX_ROWS + 1));
        assert!(read(&many, &[]).is_err());
    }

    proptest! {
        #[test]
        fn csv_comes_back(fields in proptest::collection::vec("[a-z\",\n '=-]{1,8}", 1..5)) {
            // White space around a field is nobody's value.
            prop_assume!(fields.iter().any(|f| !f.trim().is_empty()));
            prop_assume!(fields.iter().all(|f| !f.starts_with('\'')));
            let line = csv_line(fields.iter().map(String::as_str));
            prop_assert_eq!(records(&line).unwrap(), vec![fields]);
        }

        #[test]
        fn no_text_stops_it(text in ".{0,200}") {
            let _ = read(&text, &nodes());
        }
    }
}
