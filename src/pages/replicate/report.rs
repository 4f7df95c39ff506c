//! A plan as a report to be printed: a page of HTML that needs nothing else. Pure.

use gridhelm_api::changeset::Operation;
use gridhelm_api::repository::FileId;
use gridhelm_replicate::Plan;

use crate::ui::format::{bytes, counted, short_hash};

/// What a browser needs to print it well.
const STYLE: &str = "body{font:14px system-ui,sans-serif;margin:2em;color:#111}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.25em .6em;border-bottom:1px solid #ccc;vertical-align:top}td.m{font-family:monospace}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1em}dt{color:#555}dd{margin:0}thead{display:table-header-group}\
tr{break-inside:avoid}.sign{margin-top:3em;display:flex;gap:4em}.sign span{border-top:1px solid #111;padding-top:.3em;min-width:16em}";

/// Text as HTML shows it: nothing in it is taken for markup.
fn text(plain: &str) -> String {
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// What an operation does.
pub(super) fn verb(operation: &Operation) -> &'static str {
    match (&operation.expect, &operation.sha256) {
        (None, _) => "create",
        (Some(_), None) => "delete",
        (Some(before), Some(after)) if before == after => "metadata",
        _ => "update",
    }
}

/// What stays out of a plan, and why a person should know.
pub(super) struct Open<'a> {
    /// Files in conflict that nobody decided.
    pub(super) conflicts: &'a [FileId],
    /// When it was made, for people.
    pub(super) made: &'a str,
    /// By whom.
    pub(super) by: &'a str,
}

/// The report.
pub(super) fn report(plan: &Plan, open: &Open<'_>) -> String {
    let hash = |hash: &Option<String>| {
        hash.as_deref()
            .map_or_else(|| "none".to_owned(), short_hash)
    };
    let mut rows = String::new();
    for operation in &plan.operations {
        rows.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"m\">{} → {}</td></tr>\n",
            verb(operation),
            text(&operation.id.path()),
            bytes(operation.size),
            text(&hash(&operation.expect)),
            text(&hash(&operation.sha256)),
        ));
    }
    let list = |title: &str, lines: Vec<String>| {
        if lines.is_empty() {
            return String::new();
        }
        let lines: String = lines
            .iter()
            .map(|line| format!("<li>{}</li>\n", text(line)))
            .collect();
        format!("<h2>{title}</h2>\n<ul>{lines}</ul>\n")
    };
    let access = plan.access.iter().map(|change| {
        let before = change.before.map_or("new", |access| access.name());
        format!("{}: {before} → {}", change.id.path(), change.after.name())
    });
    let access = list("Who may see what", access.collect());
    let conflicts = open.conflicts.iter().map(FileId::path).collect();
    let conflicts = list("In conflict, left as they are", conflicts);
    let counts = plan.counts;
    let facts = [
        ("From", plan.source.clone()),
        ("To", plan.target.clone()),
        ("Made", format!("{}, by {}", open.made, open.by)),
        ("Creates", counts.create.to_string()),
        ("Updates", counts.update.to_string()),
        ("Deletes", counts.delete.to_string()),
        ("Metadata only", counts.metadata.to_string()),
        (
            "Kept, ignored",
            format!("{}, {}", counts.kept, counts.ignored),
        ),
        ("To copy", bytes(plan.bytes)),
        ("Source root", plan.source_root.clone()),
        ("Target root", plan.target_root.clone()),
    ];
    let facts: String = facts
        .iter()
        .map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>\n", text(value)))
        .collect();
    let title = format!("Plan {}", text(&plan.id));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head><body>\n\
         <h1>{title}</h1>\n<dl>\n{facts}</dl>\n{access}{conflicts}<h2>{}</h2>\n<table><thead><tr><th>What</th><th>File</th><th>Size</th>\
         <th>SHA-256</th></tr></thead><tbody>\n{rows}</tbody></table>\n<p class=\"sign\"><span>Planned by</span><span>Approved by</span></p>\n\
         </body></html>\n",
        counted(plan.operations.len(), "operation")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gridhelm_api::repository::Access;
    use gridhelm_replicate::{AccessChange, Counts};

    fn plan(name: &str) -> Plan {
        let id = FileId::new("ann", "risk", name);
        Plan {
            id: "7f3a-91c2".to_owned(),
            source: "east".to_owned(),
            target: "west".to_owned(),
            source_root: "aa".to_owned(),
            target_root: "bb".to_owned(),
            operations: vec![Operation {
                id: id.clone(),
                sha256: Some("c".repeat(64)),
                size: 12,
                ..Operation::default()
            }],
            counts: Counts {
                create: 1,
                ..Counts::default()
            },
            bytes: 12,
            access: vec![AccessChange {
                id,
                before: None,
                after: Access::Public,
            }],
        }
    }

    #[test]
    fn it_says_what_would_happen_and_nothing_in_a_name_is_markup() {
        let name = "<img src=x onerror='alert(1)'>&\".R";
        let conflicts = [FileId::new("ann", "risk", "<b>both</b>.R")];
        let open = Open {
            conflicts: &conflicts,
            made: "23 Nov 2026",
            by: "<i>ann</i>",
        };
        let made = report(&plan(name), &open);
        for bad in ["<img", "<b>", "<i>", "'alert"] {
            assert!(!made.contains(bad), "{bad}: {made}");
        }
        for wanted in [
            "Plan 7f3a-91c2",
            "create",
            "new → public",
            "&lt;img",
            "both",
            "12 B",
            "23 Nov 2026",
        ] {
            assert!(made.contains(wanted), "{wanted}: {made}");
        }
        assert_eq!(made.matches("<tr>").count(), 2, "a head and a row");
    }
}
