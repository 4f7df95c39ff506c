//! The audit log as evidence: its chain verified, its rows saved.

use crate::reactive::{Callback, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::account::{AuditChain, AuditRow};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::View;
use crate::deployment::{Group, trouble};
use crate::ui::format::{count, counted};
use crate::ui::{Button, Glyph, Icon, Trouble, csv_line, glyph, save_text, use_toasts};

/// What a group's server said of its log, or why it did not.
pub(super) type Verdict = (&'static str, Result<AuditChain, Trouble>);

/// How many rows are fetched at a time when they are saved.
const PAGE: u32 = 1_000;

/// The groups shown that the person is an admin of.
fn groups(view: View) -> Vec<&'static Group> {
    let all = view.scope.get_untracked();
    all.into_iter()
        .map(|index| &view.deployment.groups[index])
        .filter(|group| group.refuses(gridhelm_api::account::Role::Admin).is_none())
        .collect()
}

/// The buttons.
pub(super) fn buttons(view: View, admin: Memo<bool>, verdicts: RwSignal<Vec<Verdict>>) -> AnyView {
    let busy = RwSignal::new(None::<String>);
    let saving = RwSignal::new(None::<String>);
    let toasts = use_toasts();
    let off = Signal::derive(move || (!admin.get()).then(|| "For admins.".to_owned()));
    let verify = Callback::new(move |()| {
        busy.set(Some("Verifying…".to_owned()));
        spawn_local(async move {
            let mut found = Vec::new();
            for group in groups(view) {
                let said = group
                    .act(|client| async move { client.verify_audit().await })
                    .await;
                let said = said.map_err(|error| {
                    trouble(
                        &format!("The log of {} was not verified", group.name),
                        &error,
                    )
                });
                found.push((group.name.as_str(), said));
            }
            let _ = busy.try_set(None);
            let _ = verdicts.try_set(found);
        });
    });
    let save = Callback::new(move |as_csv: bool| {
        saving.set(Some("Saving…".to_owned()));
        spawn_local(async move {
            let rows = all(view).await;
            let _ = saving.try_set(None);
            match rows {
                Ok(rows) if as_csv => save_text("audit.csv", "text/csv", &csv(&rows)),
                Ok(rows) => {
                    let rows: Vec<_> = rows
                        .iter()
                        .map(|(group, row)| serde_json::json!({ "group": group, "row": row }))
                        .collect();
                    let text = serde_json::to_string_pretty(&rows).unwrap_or_default();
                    save_text("audit.json", "application/json", &text);
                }
                Err(fault) => toasts.trouble(&fault),
            }
        });
    });
    view! {
        <Button icon=Icon::Check off=off busy=busy on_click=verify>"Verify"</Button>
        <Button icon=Icon::Download off=off busy=saving on_click=Callback::new(move |()| save.run(true))>"CSV"</Button>
        <Button icon=Icon::Download off=off busy=saving on_click=Callback::new(move |()| save.run(false))>"JSON"</Button>
    }
    .into_any()
}

/// All rows of the groups shown, newest first.
async fn all(view: View) -> Result<Vec<(&'static str, AuditRow)>, Trouble> {
    let mut rows = Vec::new();
    for group in groups(view) {
        let mut before = None::<String>;
        loop {
            let asked = before.as_deref();
            let page = group
                .act(|client| async move { client.audit(asked, PAGE).await })
                .await
                .map_err(|error| {
                    trouble(&format!("The log of {} was not saved", group.name), &error)
                })?;
            rows.extend(page.items.into_iter().map(|row| (group.name.as_str(), row)));
            match page.next {
                Some(next) => before = Some(next),
                None => break,
            }
        }
    }
    Ok(rows)
}

fn csv(rows: &[(&'static str, AuditRow)]) -> String {
    let mut text = csv_line([
        "group",
        "id",
        "at",
        "actor",
        "action",
        "subject",
        "reason",
        "before",
        "after",
        "address",
        "program",
        "request_id",
    ]);
    for (group, row) in rows {
        let state = |state: &Option<serde_json::Value>| {
            state.as_ref().map(ToString::to_string).unwrap_or_default()
        };
        text.push_str(&csv_line([
            *group,
            &row.id.to_string(),
            &row.at.to_string(),
            &row.actor,
            &row.action,
            &row.subject,
            row.reason.as_deref().unwrap_or_default(),
            &state(&row.before),
            &state(&row.after),
            &row.address,
            &row.agent,
            &row.request_id,
        ]));
    }
    text
}

/// What was found, group by group.
pub(super) fn shown(verdicts: RwSignal<Vec<Verdict>>) -> AnyView {
    let line = |(group, said): Verdict| {
        let (shape, text, head) = words(group, &said);
        let head = head.map(|head| view! { <p class="mono muted wrap">"Ends with "{head}</p> });
        view! { <div class="pad verdict">{glyph(shape)}<div><p>{text}</p>{head}</div></div> }
            .into_any()
    };
    let lines = move || verdicts.get().into_iter().map(line).collect_view();
    view! { <div role="status">{lines}</div> }.into_any()
}

/// A verdict as shape, sentence and the hash to note.
fn words(group: &str, said: &Result<AuditChain, Trouble>) -> (Glyph, String, Option<String>) {
    match said {
        Err(fault) => (
            Glyph::Warn,
            format!("{}. {}", fault.title, fault.detail),
            None,
        ),
        Ok(chain) => {
            if let Some(broken) = &chain.broken {
                let text = format!(
                    "The audit log of {group} is not as it was written. {}",
                    broken.what
                );
                return (Glyph::Fail, text, None);
            }
            let rows = usize::try_from(chain.covered).unwrap_or(usize::MAX);
            let before = match chain.rows.saturating_sub(chain.covered) {
                0 => String::new(),
                n => format!(" {} rows are older than the chain.", count(n)),
            };
            let text = format!(
                "The audit log of {group} holds: {} follow on each other.{before} Note its end's hash elsewhere: it shows later that nothing before it was written anew.",
                counted(rows, "row")
            );
            (Glyph::Pass, text, Some(chain.head.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridhelm_api::account::AuditBreak;

    fn chain() -> AuditChain {
        AuditChain {
            rows: 5,
            covered: 5,
            first: Some(1),
            last: Some(5),
            head: "0af3".into(),
            noted: None,
            broken: None,
            cut: None,
        }
    }

    #[test]
    fn a_chain_that_holds_gives_its_end_to_note() {
        let (shape, text, head) = words("east", &Ok(chain()));
        assert_eq!((shape, head.as_deref()), (Glyph::Pass, Some("0af3")));
        assert!(
            text.contains("5 rows follow") && !text.contains("older"),
            "{text}"
        );
        let old = AuditChain { rows: 7, ..chain() };
        assert!(words("east", &Ok(old)).1.contains("2 rows are older"));
    }

    #[test]
    fn a_break_is_said_as_it_was_found() {
        let broken = AuditChain {
            broken: Some(AuditBreak {
                id: 3,
                what: "Row 3 was changed.".into(),
            }),
            ..chain()
        };
        let (shape, text, head) = words("east", &Ok(broken));
        assert_eq!((shape, head), (Glyph::Fail, None));
        assert!(text.contains("Row 3 was changed."), "{text}");
    }

    #[test]
    fn rows_are_saved_with_their_group() {
        let row = AuditRow {
            id: 4,
            at: 9,
            actor: "ada".into(),
            action: "node.edit".into(),
            subject: "=cmd".into(),
            before: None,
            after: Some(serde_json::json!({ "n": 1 })),
            reason: None,
            address: "::1".into(),
            agent: "curl".into(),
            request_id: "UID-1".into(),
        };
        let text = csv(&[("east", row)]);
        let line = text.lines().nth(1).unwrap_or_default();
        assert_eq!(
            line,
            "east,4,9,ada,node.edit,\"'=cmd\",,,\"{\"\"n\"\":1}\",::1,curl,UID-1"
        );
    }
}
