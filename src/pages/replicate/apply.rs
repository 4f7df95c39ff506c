//! Applying a plan: contents are copied, one commit writes all or nothing, and the hashes are read back.

use std::sync::Arc;

use crate::reactive::{Callback, Memo, RwSignal, Signal};
use crate::ui::view;
use gloo_timers::future::TimeoutFuture;
use gridhelm_api::Code;
use gridhelm_api::changeset::Committed;
use gridhelm_client::replication::{self, ApplyError, Step, Watch};
use gridhelm_replicate::{Plan, Verified, verify_files};
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
    copied_bytes: (u64, u64),
    /// Requests that were made again.
    again: u32,
    committed: Option<Committed>,
    /// What was found, and both roots.
    verdict: Option<(Verified, String, String)>,
    fault: Option<Trouble>,
    /// Files that changed meanwhile, when it was refused for that.
    changed: Vec<String>,
}

/// What a person wants of an application that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wish {
    #[default]
    On,
    Hold,
    Off,
}

/// How often a held application looks whether it may go on, milliseconds.
const LOOKS: u32 = 200;

struct Watched {
    progress: RwSignal<Progress>,
    wish: RwSignal<Wish>,
}

impl Watch for Watched {
    fn at(&self, now: &replication::Progress) {
        let now = *now;
        let _ = self.progress.try_update(|progress| {
            progress.step = match now.step {
                Step::Opening => 0,
                Step::Copying => 1,
                Step::Committing => 2,
            };
            progress.copied = now.contents;
            progress.copied_bytes = now.bytes;
            progress.again = now.again;
        });
    }

    async fn may_go_on(&self) -> bool {
        loop {
            match self.wish.try_get_untracked() {
                Some(Wish::On) => return true,
                Some(Wish::Hold) => TimeoutFuture::new(LOOKS).await,
                // Called off, or the page was left.
                Some(Wish::Off) | None => return false,
            }
        }
    }
}

/// The bar under the tree, and what became of the last application.
pub(super) fn bar(work: Work) -> AnyView {
    let progress = RwSignal::new(Progress::default());
    let wish = RwSignal::new(Wish::On);
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
            wish.set(Wish::On);
            spawn_local(run(work, plan, progress, wish));
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
    let active = Memo::new(move |_| running());
    let may_hold = Memo::new(move |_| running() && progress.with(|progress| progress.step < 2));
    let holds = move || {
        may_hold.get().then(|| {
            let held = Signal::derive(move || Some(wish.get() == Wish::Hold));
            let hold = Callback::new(move |()| {
                wish.update(|wish| {
                    *wish = if *wish == Wish::Hold {
                        Wish::On
                    } else {
                        Wish::Hold
                    }
                });
            });
            let end = Callback::new(move |()| wish.set(Wish::Off));
            view! { <Button pressed=held on_click=hold>"Pause"</Button><Button on_click=end>"Cancel"</Button> }
                .into_any()
        })
    };
    let button = {
        let why = why.clone();
        move || {
            if stale() && !active.get() {
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
        <div class="applybar"><span class="why-not grow" id=why aria-live="polite">{words}</span>{holds}{button}</div>
    }
    .into_any()
}

async fn run(work: Work, plan: Arc<Plan>, progress: RwSignal<Progress>, wish: RwSignal<Wish>) {
    progress.set(Progress {
        plan: Some(Arc::clone(&plan)),
        ..Progress::default()
    });
    let watched = Watched { progress, wish };
    let (from, to) = (|| work.source.client(), || work.target.client());
    let committed = match replication::apply(&from, &to, &plan, "", &watched).await {
        Ok(committed) => committed,
        Err(ApplyError::CalledOff) => {
            let _ = progress.try_set(Progress::default());
            return;
        }
        Err(ApplyError::Client(error)) => {
            let held = matches!(error.code(), Some(Code::ApprovalNeeded));
            let stale = error
                .problem()
                .filter(|problem| problem.code == Code::PlanStale);
            let changed = stale
                .map(|problem| problem.changed.clone())
                .unwrap_or_default();
            // It waits in the history; no file of the target tells so.
            work.held.update(|times| *times += 1);
            if !changed.is_empty() {
                work.changed.set(changed.clone());
            }
            progress.update(|progress| {
                let words = if held {
                    "Held for another admin's approval; nothing was written"
                } else {
                    "Nothing was written"
                };
                progress.fault = Some(trouble(words, &error));
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

/// Reads the plan's files in the target again and compares hash by hash: the verdict does not rest on what the commit said.
async fn check(work: Work, plan: Arc<Plan>, progress: RwSignal<Progress>) {
    let mut places: Vec<_> = plan
        .operations
        .iter()
        .map(|operation| (operation.id.author.clone(), operation.id.directory.clone()))
        .collect();
    places.dedup();
    match work.read(&places, false).await {
        Ok(pair) => {
            let verified = verify_files(&plan, &pair.target);
            progress.update(|progress| {
                progress.verdict =
                    Some((verified, pair.source.root.clone(), pair.target.root.clone()));
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
                bytes(now.copied_bytes.0)
            ) + made_again(now.again).as_str(),
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
        let equal = source == target;
        let word = if equal { "Repositories are equal." } else { "Other files still differ." };
        let mark = if verified.ok() { "Verified" } else { "Not as planned" };
        view! {
            <p class="verdict" role="status"><b>{mark}</b>": root of "{work.source.name.as_str()}" "<span class="mono">{short_hash(source)}</span>", of "{work.target.name.as_str()}" "<span class="mono">{short_hash(target)}</span>". "{word}" "<Button small=true on_click=again>"Verify"</Button></p>
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

/// What is said of requests that were made again.
fn made_again(many: u32) -> String {
    if many == 0 {
        return String::new();
    }
    format!("; {} made again", counted(many as usize, "request"))
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
