//! One target first: a script is run there and in the source, what it gave is compared, and then the rest of the groups follow, one by one,
//! with a stop.

use std::sync::Arc;

use crate::reactive::{Callback, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::repository::FileId;
use gridhelm_client::replication::{self, ApplyError, Watch, read_pair};
use gridhelm_replicate::{compare, plan, verify_files};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::output::{Output, differences, run};
use super::work::Work;
use crate::deployment::{Group, trouble, use_deployment};
use crate::ui::diff::diff_rows;
use crate::ui::format::counted;
use crate::ui::{
    Button, DiffView, ErrorBox, Glyph, SelectField, StepLine, Trouble, Weight, step_line,
};

/// Scripts that are offered, at most.
const OFFERED: usize = 500;

/// What became of one of the other groups.
#[derive(Clone, Debug, PartialEq)]
enum Became {
    Waits,
    Now,
    Done(String),
    Failed(String),
}

/// What the panel knows.
#[derive(Clone, Copy)]
struct Canary {
    work: Work,
    script: RwSignal<Option<FileId>>,
    before: RwSignal<Option<Output>>,
    source: RwSignal<Option<Output>>,
    target: RwSignal<Option<Output>>,
    fault: RwSignal<Option<Trouble>>,
    busy: RwSignal<Option<String>>,
    stop: RwSignal<bool>,
    rest: RwSignal<Vec<(&'static Group, Became)>>,
}

/// Calls an application off when the person stops.
struct Stopped(RwSignal<bool>);

impl Watch for Stopped {
    fn at(&self, _: &replication::Progress) {}

    async fn may_go_on(&self) -> bool {
        self.0.try_get_untracked() == Some(false)
    }
}

/// R scripts of the source, those of the plan first.
fn scripts(work: Work) -> Vec<FileId> {
    let is_script = |id: &FileId| id.name.ends_with(".R") || id.name.ends_with(".r");
    let mut found: Vec<FileId> = Vec::new();
    work.plan.with(|plan| {
        let planned = plan.iter().flat_map(|plan| &plan.operations);
        let planned = planned.filter(|op| op.sha256.is_some() && is_script(&op.id));
        found.extend(planned.take(OFFERED).map(|op| op.id.clone()));
    });
    work.compared.with(|compared| {
        let files = compared
            .iter()
            .flat_map(|(comparison, _)| &comparison.files);
        for file in files.filter(|file| file.in_source() && is_script(&file.id)) {
            if found.len() >= OFFERED {
                break;
            }
            if !found.contains(&file.id) {
                found.push(file.id.clone());
            }
        }
    });
    found
}

/// The panel, closed at first.
pub(super) fn panel(work: Work) -> AnyView {
    let rest: Vec<(&'static Group, Became)> = use_deployment()
        .groups
        .iter()
        .filter(|group| group.name != work.source.name && group.name != work.target.name)
        .map(|group| (group, Became::Waits))
        .collect();
    let canary = Canary {
        work,
        script: RwSignal::new(None),
        before: RwSignal::new(None),
        source: RwSignal::new(None),
        target: RwSignal::new(None),
        fault: RwSignal::new(None),
        busy: RwSignal::new(None),
        stop: RwSignal::new(false),
        rest: RwSignal::new(rest),
    };
    let offered = Memo::new(move |_| scripts(work));
    let choices = Signal::derive(move || {
        let mut choices = vec![(String::new(), "Choose a script".to_owned())];
        offered.with(|ids| choices.extend(ids.iter().map(|id| (id.path(), id.path()))));
        choices
    });
    let value = Signal::derive(move || {
        canary
            .script
            .with(|script| script.as_ref().map(FileId::path).unwrap_or_default())
    });
    let pick = Callback::new(move |path: String| {
        canary.script.set(FileId::from_path(&path));
        for output in [canary.before, canary.source, canary.target] {
            output.set(None);
        }
    });
    let off = Signal::derive(move || {
        [work.source, work.target]
            .iter()
            .find_map(|group| group.refuses_operator())
            .or_else(|| {
                let none = canary.script.with(Option::is_none);
                none.then(|| "Choose a script first.".to_owned())
            })
    });
    let before = Callback::new(move |()| canary.look_before());
    let both = Callback::new(move |()| canary.run_both());
    view! {
        <details class="panel rep-canary">
            <summary>"Try it in one group first"</summary>
            <div class="pad">
                <p class="muted">{format!("Apply the plan to {}, run a script there and in {}, and compare what they give before other groups follow.", work.target.name, work.source.name)}</p>
                <SelectField label="Script" value=value choices=choices on_pick=pick/>
                <Button small=true off=off busy=canary.busy on_click=before>{format!("Keep what {} gives now", work.target.name)}</Button>
                <Button small=true off=off busy=canary.busy on_click=both>"Run it in both"</Button>
            </div>
            {move || canary.fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
            {move || compared(&canary)}
            {rest_of(&canary)}
        </details>
    }
    .into_any()
}

impl Canary {
    /// Does some runs, one after the other.
    fn doing(self, verb: &str, what: impl Future<Output = Result<(), Trouble>> + 'static) {
        self.fault.set(None);
        self.stop.set(false);
        self.busy.set(Some(verb.to_owned()));
        spawn_local(async move {
            if let Err(trouble) = what.await {
                let _ = self.fault.try_set(Some(trouble));
            }
            let _ = self.busy.try_set(None);
        });
    }

    fn on(self) -> bool {
        self.stop.try_get_untracked() == Some(false)
    }

    fn look_before(self) {
        let Some(script) = self.script.get_untracked() else {
            return;
        };
        self.doing("Running…", async move {
            let output = run(self.work.target, &script, || self.on()).await?;
            let _ = self.before.try_set(output);
            Ok(())
        });
    }

    fn run_both(self) {
        let Some(script) = self.script.get_untracked() else {
            return;
        };
        self.source.set(None);
        self.target.set(None);
        self.doing("Running…", async move {
            let on = || self.on();
            let (source, target) = futures_util::future::join(
                run(self.work.source, &script, on),
                run(self.work.target, &script, on),
            )
            .await;
            let _ = self.source.try_set(source?);
            let _ = self.target.try_set(target?);
            Ok(())
        });
    }

    /// Replicates to the other groups, one by one, until one fails or the person stops.
    fn go_on(self) {
        self.doing("Replicating…", async move {
            let groups: Vec<_> = self
                .rest
                .with_untracked(|rest| rest.iter().map(|(group, _)| *group).collect());
            let tell = |at: usize, became: Became| {
                let _ = self.rest.try_update(|rest| rest[at].1 = became);
            };
            for at in 0..groups.len() {
                tell(at, Became::Waits);
            }
            for (at, group) in groups.into_iter().enumerate() {
                if !self.on() {
                    break;
                }
                tell(at, Became::Now);
                match self.to(group).await {
                    Ok(words) => tell(at, Became::Done(words)),
                    Err(words) => {
                        tell(at, Became::Failed(words));
                        break;
                    }
                }
            }
            Ok(())
        });
    }

    /// Makes a plan for a group by the same rules, applies it, and reads the hashes back.
    async fn to(self, group: &'static Group) -> Result<String, String> {
        let words = |error: &gridhelm_client::Error| trouble("", error).detail;
        let (source, target) = (self.work.source.client(), group.client());
        let pair = read_pair(&source, &target, &[], false)
            .await
            .map_err(|error| words(&error))?;
        let comparison = compare(Arc::clone(&pair.source), Arc::clone(&pair.target));
        let made = plan(&comparison, &self.work.selection_of(&comparison));
        if made.is_empty() {
            return Ok("nothing to do".to_owned());
        }
        let (from, to) = (|| self.work.source.client(), || group.client());
        let applied = replication::apply(&from, &to, &made, "", &Stopped(self.stop)).await;
        let done = applied.map_err(|error| match error {
            ApplyError::Client(error) => words(&error),
            ApplyError::CalledOff => error.to_string(),
        })?;
        let mut places: Vec<_> = made
            .operations
            .iter()
            .map(|op| (op.id.author.clone(), op.id.directory.clone()))
            .collect();
        places.dedup();
        let after = read_pair(&source, &group.client(), &places, false)
            .await
            .map_err(|error| words(&error))?;
        let verified = verify_files(&made, &after.target);
        let mut wrote = format!(
            "{} created, {} updated, {} deleted",
            done.created, done.updated, done.deleted
        );
        if made.counts.conflict > 0 {
            let open = counted(made.counts.conflict, "file");
            wrote = format!("{wrote}, {open} in conflict left");
        }
        if verified.ok() {
            Ok(format!("{wrote}; verified"))
        } else {
            let wrong = counted(verified.wrong.len(), "file");
            Err(format!("{wrote}; {wrong} not as planned"))
        }
    }
}

/// What the runs gave, side by side.
fn compared(canary: &Canary) -> Option<AnyView> {
    let target = canary.target.get()?;
    let pairs = [
        (canary.source.get(), canary.work.source.name.clone()),
        (
            canary.before.get(),
            format!("{} before", canary.work.target.name),
        ),
    ];
    let now = canary.work.target.name.clone();
    let shown = pairs.into_iter().filter_map(|(output, name)| {
        let output = output?;
        let differ = differences(&output, &target);
        let words = if differ.is_empty() {
            format!("{now} gives the same as {name}.")
        } else {
            format!("{now} and {name} differ in {}.", differ.join(", "))
        };
        let rows = diff_rows(&output.text(), &target.text(), 3, &[]);
        let state = if differ.is_empty() { Glyph::Pass } else { Glyph::Differs };
        let label = format!("Output of {name} and {now}");
        Some(view! {
            <p class="pad" role="status">{crate::ui::glyph(state)}{words}</p>
            {(!differ.is_empty()).then(|| view! { <div class="scroll" tabindex="0" role="region" aria-label=label.clone()><DiffView rows=Signal::stored(rows) split=Signal::stored(true) r=Signal::stored(false) left=Signal::stored(name) right=Signal::stored(now.clone()) name=Signal::stored(label)/></div> })}
        })
    });
    let shown = shown.collect_view();
    Some(view! { {shown} }.into_any())
}

/// The other groups; nothing where there are none.
fn rest_of(canary: &Canary) -> AnyView {
    let canary = *canary;
    if canary.rest.with_untracked(Vec::is_empty) {
        return ().into_any();
    }
    let off = Signal::derive(move || {
        let refused = canary
            .rest
            .with(|rest| rest.iter().find_map(|(group, _)| group.refuses_operator()));
        refused.or_else(|| {
            let same = canary.target.with(|target| {
                canary.source.with(|source| match (source, target) {
                    (Some(source), Some(target)) => Some(differences(source, target).is_empty()),
                    _ => None,
                })
            });
            match same {
                None => Some("Run a script in both first.".to_owned()),
                Some(false) => Some("The outputs differ.".to_owned()),
                Some(true) => None,
            }
        })
    });
    let stop_off = Signal::derive(move || {
        canary
            .busy
            .with(Option::is_none)
            .then(|| "Nothing runs.".to_owned())
    });
    let go = Callback::new(move |()| canary.go_on());
    let stop = Callback::new(move |()| canary.stop.set(true));
    let lines = move || {
        canary.rest.with(|rest| {
            rest.iter()
                .map(|(group, became)| {
                    let (state, note) = match became {
                        Became::Waits => (Glyph::Todo, "waits".to_owned()),
                        Became::Now => (Glyph::Now, "replicating".to_owned()),
                        Became::Done(words) => (Glyph::Pass, words.clone()),
                        Became::Failed(words) => (Glyph::Fail, words.clone()),
                    };
                    step_line(StepLine {
                        state,
                        title: group.name.clone(),
                        note,
                        time: String::new(),
                    })
                })
                .collect_view()
        })
    };
    view! {
        <div class="pad">
            <ol class="steps" aria-label="The other groups">{lines}</ol>
            <Button weight=Weight::Primary off=off busy=canary.busy on_click=go>"Go on to the other groups"</Button>
            <Button off=stop_off on_click=stop>"Stop"</Button>
        </div>
    }
    .into_any()
}
