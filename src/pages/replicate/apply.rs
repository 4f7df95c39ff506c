//! Applying a plan: contents are copied, one commit writes all or nothing, and the hashes are read back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::Code;
use gridhelm_api::changeset::{Committed, Manifest};
use gridhelm_client::Error;
use gridhelm_replicate::{Plan, Verified, verify};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::work::Work;
use crate::deployment::trouble;
use crate::ui::format::{bytes, counted, short_hash};
use crate::ui::{Button, ErrorBox, Glyph, StepLine, Trouble, Weight, next_id, step_line};

/// Where an application stands.
#[derive(Clone, Debug, Default, PartialEq)]
struct Progress {
    /// The plan that is applied.
    plan: Option<Arc<Plan>>,
    /// 0 opening, 1 copying, 2 committing, 3 verifying, 4 over.
    step: usize,
    copied: (usize, usize),
    copied_bytes: u64,
    committed: Option<Committed>,
    verdict: Option<(Verified, Arc<Manifest>, Arc<Manifest>)>,
    fault: Option<Trouble>,
    /// Files that changed meanwhile, when it was refused for that.
    changed: Vec<String>,
}

/// The bar under the tree, and what became of the last application.
pub(super) fn bar(work: Work) -> AnyView {
    let progress = RwSignal::new(Progress::default());
    let running = move || {
        progress.with(|progress| {
            progress.plan.is_some() && progress.step < 4 && progress.fault.is_none()
        })
    };
    let busy = Signal::derive(move || running().then(|| "Applying…".to_owned()));
    let off = Signal::derive(move || {
        let plan = work.plan.get();
        work.target
            .refuses_operator()
            .or_else(|| {
                (!work
                    .target
                    .servers
                    .iter()
                    .any(crate::deployment::Server::is_live))
                .then(|| format!("No server of {} answers.", work.target.name))
            })
            .or_else(|| match plan {
                None => Some("Compare first.".to_owned()),
                Some(plan) if plan.is_empty() => Some("Nothing to do.".to_owned()),
                Some(plan) if plan.is_too_big() => {
                    Some("More than 100,000 files: choose fewer.".to_owned())
                }
                Some(_) => None,
            })
    });
    let apply = Callback::new(move |()| {
        if let Some(plan) = work.plan.get_untracked() {
            spawn_local(run(work, plan, progress));
        }
    });
    let again = Callback::new(move |()| {
        progress.set(Progress::default());
        work.compare();
    });
    let why = next_id("why");
    let words = move || {
        off.get().unwrap_or_else(|| {
            let plan = work.plan.get();
            let counts = plan
                .map(|plan| {
                    (
                        plan.operations.len(),
                        plan.counts.kept + plan.counts.conflict,
                    )
                })
                .unwrap_or_default();
            format!(
                "{}. {} as they are.",
                counted(counts.0, "file"),
                if counts.1 == 0 {
                    "No others stay".to_owned()
                } else {
                    format!("{} stay", counts.1)
                }
            )
        })
    };
    let stale = move || work.changed.with(|changed| !changed.is_empty());
    let label = move || {
        work.plan.with(|plan| {
            plan.as_ref()
                .map(|plan| plan.id.clone())
                .unwrap_or_default()
        })
    };
    let button = {
        let why = why.clone();
        move || {
            if stale() && !running() {
                view! { <Button weight=Weight::Primary on_click=again busy=work.busy>"Compute again"</Button> }.into_any()
            } else {
                view! { <Button weight=Weight::Primary off=off reason_at=why.clone() busy=busy on_click=apply>"Apply plan "<span class="mono">{label}</span></Button> }.into_any()
            }
        }
    };
    let check = Callback::new(move |()| {
        if let Some(plan) = progress.with_untracked(|progress| progress.plan.clone()) {
            spawn_local(check(work, plan, progress));
        }
    });
    view! {
        {move || outcome(work, progress, check)}
        <div class="applybar"><span class="why-not grow" id=why aria-live="polite">{words}</span>{button}</div>
    }
    .into_any()
}

async fn run(work: Work, plan: Arc<Plan>, progress: RwSignal<Progress>) {
    progress.set(Progress {
        plan: Some(Arc::clone(&plan)),
        ..Progress::default()
    });
    let committed = match copy_and_commit(work, &plan, progress).await {
        Ok(committed) => committed,
        Err(error) => {
            let stale = error
                .problem()
                .filter(|problem| problem.code == Code::PlanStale);
            let changed = stale
                .map(|problem| problem.changed.clone())
                .unwrap_or_default();
            if !changed.is_empty() {
                work.changed.set(changed.clone());
            }
            progress.update(|progress| {
                progress.fault = Some(trouble("Nothing was written", &error));
                progress.changed = changed;
            });
            return;
        }
    };
    progress.update(|progress| {
        progress.committed = Some(committed);
        progress.step = 3;
    });
    check(work, plan, progress).await;
}

/// Copies what the target lacks, then commits everything at once.
async fn copy_and_commit(
    work: Work,
    plan: &Plan,
    progress: RwSignal<Progress>,
) -> Result<Committed, Error> {
    let request = &plan.request("");
    let changeset = work
        .target
        .act(|client| async move { client.open_changeset(request).await })
        .await?;
    let id = changeset.id.as_str();
    let sizes: HashMap<&str, u64> = plan
        .operations
        .iter()
        .filter_map(|operation| Some((operation.sha256.as_deref()?, operation.size)))
        .collect();
    let missing: HashSet<&str> = changeset.missing.iter().map(String::as_str).collect();
    progress.update(|progress| {
        progress.step = 1;
        progress.copied = (0, missing.len());
    });
    for hash in missing {
        let content = &work
            .source
            .act(|client| async move { client.blob(hash).await })
            .await?;
        work.target
            .act(|client| async move { client.upload_blob(id, hash, content.clone()).await })
            .await?;
        progress.update(|progress| {
            progress.copied.0 += 1;
            progress.copied_bytes += sizes.get(hash).copied().unwrap_or(0);
        });
    }
    progress.update(|progress| progress.step = 2);
    work.target
        .act(|client| async move { client.commit_changeset(id).await })
        .await
}

/// Reads both sides again and compares hash by hash: the verdict does not rest on what the commit said.
async fn check(work: Work, plan: Arc<Plan>, progress: RwSignal<Progress>) {
    match work.read().await {
        Ok((source, target)) => {
            let verified = verify(&plan, &target);
            progress.update(|progress| {
                progress.verdict = Some((verified, source, target));
                progress.step = 4;
            });
            work.compare();
        }
        Err(fault) => progress.update(|progress| progress.fault = Some(fault)),
    }
}

fn outcome(work: Work, progress: RwSignal<Progress>, again: Callback<()>) -> AnyView {
    let now = progress.get();
    let Some(plan) = now.plan.clone() else {
        return ().into_any();
    };
    let state = |step: usize| match now.step {
        at if at > step => Glyph::Pass,
        at if at == step && now.fault.is_some() => Glyph::Fail,
        at if at == step => Glyph::Now,
        _ => Glyph::Todo,
    };
    let committed = now.committed.as_ref().map(|done| {
        format!(
            "{} created, {} updated, {} deleted, in one transaction",
            done.created, done.updated, done.deleted
        )
    });
    let steps = [
        (
            "Open the changeset",
            format!(
                "{} at {}",
                counted(plan.operations.len(), "operation"),
                work.target.name
            ),
        ),
        (
            "Copy contents",
            format!(
                "{} of {}, {}",
                now.copied.0,
                now.copied.1,
                bytes(now.copied_bytes)
            ),
        ),
        (
            "Commit",
            committed.unwrap_or_else(|| "all or nothing".to_owned()),
        ),
        (
            "Verify by hash",
            now.verdict
                .as_ref()
                .map(|(verified, ..)| verdict(verified))
                .unwrap_or_default(),
        ),
    ];
    let line = |(index, (title, note)): (usize, (&str, String))| {
        step_line(StepLine {
            state: state(index),
            title: title.to_owned(),
            note,
            time: String::new(),
        })
    };
    let roots = now.verdict.as_ref().map(|(verified, source, target)| {
        let equal = source.root == target.root;
        let word = if equal { "Repositories are equal." } else { "Other files still differ." };
        let mark = if verified.ok() { "Verified" } else { "Not as planned" };
        view! {
            <p class="verdict" role="status"><b>{mark}</b>": root of "{work.source.name.as_str()}" "<span class="mono">{short_hash(&source.root)}</span>", of "{work.target.name.as_str()}" "<span class="mono">{short_hash(&target.root)}</span>". "{word}" "<Button small=true on_click=again>"Verify"</Button></p>
        }
    });
    let changed = (!now.changed.is_empty()).then(|| view! { <ul class="changed">{now.changed.iter().map(|path| view! { <li class="mono">{path.clone()}</li> }).collect_view()}</ul> });
    view! {
        <div class="outcome">
            <ol class="steps">{steps.into_iter().enumerate().map(line).collect_view()}</ol>
            {now.fault.map(|trouble| view! { <ErrorBox trouble=trouble/> })}
            {changed}
            {roots}
        </div>
    }
    .into_any()
}

fn verdict(verified: &Verified) -> String {
    if verified.ok() {
        format!(
            "{} of {} have the planned SHA-256",
            counted(verified.checked, "file"),
            verified.checked
        )
    } else {
        let names: Vec<String> = verified
            .wrong
            .iter()
            .take(5)
            .map(|wrong| wrong.id.name.clone())
            .collect();
        format!(
            "{} not as planned: {}",
            counted(verified.wrong.len(), "file"),
            names.join(", ")
        )
    }
}
