//! The plan as a file: JSON for programs, a patch for those who review text, a report to be printed.

use std::sync::Arc;

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::changeset::Operation;
use gridhelm_api::repository::FileId;
use gridhelm_replicate::{Parity, Plan};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::patch::{Pair, add};
use super::report::{Open, report, verb};
use super::work::Work;
use crate::deployment::{Group, trouble};
use crate::ui::format::bytes;
use crate::ui::{Button, ErrorBox, Trouble, moment, save_text};

/// The largest file of a patch, and all texts of one together, bytes.
const LARGEST: u64 = 1 << 20;
const ALL: u64 = 64 << 20;

/// The buttons.
pub(super) fn buttons(work: Work) -> AnyView {
    let busy = RwSignal::new(None::<String>);
    let fault = RwSignal::new(None::<Trouble>);
    let off = Signal::derive(move || {
        work.plan
            .with(Option::is_none)
            .then(|| "Compare first.".to_owned())
    });
    let json = Callback::new(move |()| {
        if let Some(plan) = work.plan.get_untracked() {
            let text = serde_json::to_string_pretty(&*plan).unwrap_or_default();
            save_text(&format!("plan-{}.json", plan.id), "application/json", &text);
        }
    });
    let print = Callback::new(move |()| {
        if let Some(plan) = work.plan.get_untracked() {
            let text = printed(work, &plan);
            save_text(&format!("plan-{}.html", plan.id), "text/html", &text);
        }
    });
    let patch = Callback::new(move |()| {
        let Some(plan) = work.plan.get_untracked() else {
            return;
        };
        fault.set(None);
        busy.set(Some("Reading the files…".to_owned()));
        spawn_local(async move {
            match patch_of(work, &plan).await {
                Ok(text) => save_text(&format!("plan-{}.patch", plan.id), "text/x-patch", &text),
                Err(trouble) => drop(fault.try_set(Some(trouble))),
            }
            let _ = busy.try_set(None);
        });
    });
    view! {
        {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
        <div class="rep-export">
            <Button small=true off=off on_click=json>"Save the plan as JSON"</Button>
            <Button small=true off=off busy=busy on_click=patch>"Save the plan as a patch"</Button>
            <Button small=true off=off on_click=print>"Save a report to print"</Button>
        </div>
    }
    .into_any()
}

fn printed(work: Work, plan: &Plan) -> String {
    let conflicts: Vec<FileId> = work.compared.with_untracked(|compared| {
        let files = compared
            .iter()
            .flat_map(|(comparison, _)| &comparison.files);
        let open = files.filter(|file| {
            let decided = work
                .choices
                .with_untracked(|choices| choices.contains_key(&file.id));
            file.parity == Parity::Conflict && !decided
        });
        open.map(|file| file.id.clone()).collect()
    });
    let by = work.target.session.with_untracked(|session| {
        session
            .as_ref()
            .map(|session| session.username.clone())
            .unwrap_or_default()
    });
    #[allow(
        clippy::cast_possible_truncation,
        reason = "milliseconds since 1970 fit"
    )]
    let made = moment(crate::ui::clock::wall() as i64);
    report(
        plan,
        &Open {
            conflicts: &conflicts,
            made: &made,
            by: &by,
        },
    )
}

/// A content as text; none when it is binary.
async fn text_of(group: &'static Group, sha256: &str) -> Result<Option<String>, Trouble> {
    let read = group
        .act(|client| async move { client.blob(sha256).await })
        .await;
    let content = read.map_err(|error| {
        trouble(
            &format!("A content of {} cannot be read", group.name),
            &error,
        )
    })?;
    Ok(String::from_utf8(content)
        .ok()
        .filter(|text| !text.contains('\0')))
}

/// What an operation changes, as text: the old and the new one, `None` where there is no file. Nothing where a side is no text.
async fn texts(
    work: Work,
    operation: &Operation,
) -> Result<Option<(Option<String>, Option<String>)>, Trouble> {
    let mut both = [None, None];
    let sides = [
        (work.target, &operation.expect),
        (work.source, &operation.sha256),
    ];
    for (text, (group, sha256)) in both.iter_mut().zip(sides) {
        if let Some(sha256) = sha256 {
            match text_of(group, sha256).await? {
                Some(found) => *text = Some(found),
                None => return Ok(None),
            }
        }
    }
    let [old, new] = both;
    Ok(Some((old, new)))
}

async fn patch_of(work: Work, plan: &Arc<Plan>) -> Result<String, Trouble> {
    let mut head = format!(
        "Plan {} from {} to {}, {} to copy.\n",
        plan.id,
        plan.source,
        plan.target,
        bytes(plan.bytes)
    );
    let old_size = |id: &FileId| {
        work.compared.with_untracked(|compared| {
            let (comparison, _) = compared.as_ref()?;
            Some(comparison.target_of(comparison.file(id)?)?.size)
        })
    };
    let (mut patch, mut read) = (String::new(), 0);
    for operation in &plan.operations {
        let path = operation.id.path();
        let what = verb(operation);
        if what == "metadata" {
            head.push_str(&format!("Only what is said about it changes: {path}\n"));
            continue;
        }
        let size = operation
            .size
            .max(old_size(&operation.id).unwrap_or_default());
        read += size;
        let texts = if size > LARGEST || read > ALL {
            None
        } else {
            texts(work, operation).await?
        };
        match texts {
            Some((old, new)) => add(
                &mut patch,
                &Pair {
                    path: &path,
                    old: old.as_deref(),
                    new: new.as_deref(),
                },
            ),
            None => head.push_str(&format!(
                "Not in this patch, for it is binary or large ({what}, {}): {path}\n",
                bytes(operation.size)
            )),
        }
    }
    Ok(format!("{head}\n{patch}"))
}
