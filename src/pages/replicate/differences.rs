//! The two contents of the chosen file, side by side: what the target has now, and what it would get.

use std::sync::Arc;

use crate::reactive::{Callback, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::repository::FileId;
use gridhelm_replicate::{Choice as Decision, Comparison, Parity};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::Address;
use super::keys::toggle;
use super::tree::shape;
use super::work::{Line, Work, lines, short};
use crate::deployment::{Group, trouble};
use crate::pages::repository::objects;
use crate::ui::diff::diff_rows;
use crate::ui::format::{bytes, short_hash};
use crate::ui::{
    Button, Choice, DiffView, Empty, ErrorBox, Segment, Skeleton, Tag, Trouble, facts, moment,
};

/// The largest content that is shown, bytes.
const LARGEST: u64 = 2 << 20;

/// Files that are shown below each other at first, and as many more each time.
const MANY: usize = 10;

/// The panel: the chosen file, or many files below each other.
pub(super) fn panel(work: Work, address: Address) -> AnyView {
    let many = RwSignal::new(false);
    let mode = Signal::derive(move || if many.get() { "many" } else { "one" }.to_owned());
    let pick = Callback::new(move |mode: String| many.set(mode == "many"));
    let body = move || {
        if many.get() {
            stacked(work, address)
        } else {
            one(work, address)
        }
    };
    view! {
        <section class="panel" aria-label="Differences">
            <div class="diff-mode"><Segment label="Files" choices=vec![Choice::new("one", "One file"), Choice::new("many", "Many files")] value=mode on_pick=pick/><span class="muted">"j k: next, previous file. x: into the plan, or out."</span></div>
            {body}
        </section>
    }
    .into_any()
}

/// Files that differ, below each other, in the order of the tree.
fn stacked(work: Work, address: Address) -> AnyView {
    let shown = RwSignal::new(MANY);
    let found = Memo::new(move |_| {
        let text = address.get().q.unwrap_or_default();
        work.compared.with(|compared| {
            compared.as_ref().map(|(comparison, at)| {
                let lines = lines(comparison, false, &text);
                let files = lines.into_iter().filter_map(|line| match line {
                    Line::File(index) => Some(comparison.files[index].id.clone()),
                    Line::Directory { .. } => None,
                });
                (at.to_bits(), files.collect::<Vec<_>>())
            })
        })
    });
    let more = Callback::new(move |()| shown.update(|shown| *shown += MANY));
    let body = move || {
        let Some((_, files)) = found.get() else {
            return view! { <Skeleton name="The repositories are being compared"/> }.into_any();
        };
        if files.is_empty() {
            return view! { <Empty title="Nothing differs" text="No file that differs is in this list."/> }.into_any();
        }
        let rest = files.len().saturating_sub(shown.get());
        let comparison = work.compared.with_untracked(|compared| {
            compared
                .as_ref()
                .map(|(comparison, _)| Arc::clone(comparison))
        });
        let shown = files.iter().take(shown.get());
        let all = comparison.map(|comparison| {
            let one = |id: &FileId| view! { <article class="diff-one">{differences(work, address, &comparison, id)}</article> };
            shown.map(one).collect_view()
        });
        view! {
            {all}
            {(rest > 0).then(|| view! { <p class="pad"><Button on_click=more>{format!("Show more, {rest} are left")}</Button></p> })}
        }
        .into_any()
    };
    view! { <div class="diff-many" tabindex="0" role="region" aria-label="Differences of many files">{body}</div> }.into_any()
}

fn one(work: Work, address: Address) -> AnyView {
    let chosen = Memo::new(move |_| address.get().file.as_deref().and_then(FileId::from_path));
    let body = move || {
        let comparison = work.compared.with(|compared| {
            compared
                .as_ref()
                .map(|(comparison, _)| Arc::clone(comparison))
        });
        let found = chosen.get().and_then(|id| {
            comparison
                .clone()
                .filter(|comparison| comparison.file(&id).is_some())
                .map(|comparison| (id, comparison))
        });
        match (found, comparison) {
            (Some((id, comparison)), _) => differences(work, address, &comparison, &id),
            (None, Some(comparison)) if comparison.counts().unequal() == 0 => {
                let text = format!("{0} of {0} files have the same SHA-256.", comparison.files.len());
                view! { <Empty title="Repositories are equal" text=text/> }.into_any()
            }
            (None, Some(_)) => view! { <Empty title="Choose a file" text="Its differences stand here: what the target has now, and what it would get."/> }.into_any(),
            (None, None) => view! { <Skeleton name="The repositories are being compared"/> }.into_any(),
        }
    };
    view! { {body} }.into_any()
}

fn differences(work: Work, address: Address, comparison: &Arc<Comparison>, id: &FileId) -> AnyView {
    let Some(file) = comparison.file(id) else {
        return ().into_any();
    };
    let (parity, source, target) = (
        file.parity,
        comparison.source_of(file).cloned(),
        comparison.target_of(file).cloned(),
    );
    let (glyph, word) = shape(parity);
    let side =
        |group: &Group, entry: &Option<gridhelm_api::changeset::ManifestEntry>, now: &str| {
            entry.as_ref().map_or_else(
                || format!("{}{now}: no such file", group.name),
                |entry| {
                    format!(
                        "{}{now}, v{}, {}, {}",
                        group.name,
                        entry.version,
                        entry.written_by,
                        moment(entry.written_at)
                    )
                },
            )
        };
    let (left, right) = (
        side(work.target, &target, " now"),
        side(work.source, &source, ""),
    );
    let split = Signal::derive(move || address.get().diff.as_deref() != Some("unified"));
    let mode = Signal::derive(move || {
        if split.get() {
            "split".to_owned()
        } else {
            "unified".to_owned()
        }
    });
    let pick = Callback::new(move |mode: String| {
        address.replace(|view| view.diff = Some(mode.clone()).filter(|mode| mode == "unified"))
    });
    let hashes = |entry: &Option<gridhelm_api::changeset::ManifestEntry>| {
        entry
            .as_ref()
            .map_or_else(|| "none".to_owned(), |entry| short_hash(&entry.sha256))
    };
    let sizes = |entry: &Option<gridhelm_api::changeset::ManifestEntry>| {
        entry
            .as_ref()
            .map_or_else(|| "none".to_owned(), |entry| bytes(entry.size))
    };
    let foot = facts(vec![
        (
            "SHA-256",
            view! { <span class="mono">{hashes(&target)}" → "{hashes(&source)}</span> }.into_any(),
        ),
        (
            "Size",
            format!("{} → {}", sizes(&target), sizes(&source)).into_any(),
        ),
    ]);
    let texts = contents(
        work,
        id.clone(),
        source.as_ref().map(|entry| entry.size),
        target.as_ref().map(|entry| entry.size),
    );
    let held = {
        let version = |entry: &Option<gridhelm_api::changeset::ManifestEntry>| {
            entry.as_ref().map(|entry| entry.version)
        };
        let sides = vec![
            (work.target, version(&target)),
            (work.source, version(&source)),
        ];
        objects::panel(id, sides)
    };
    let is_r = id.name.ends_with(".R") || id.name.ends_with(".r");
    let name = format!("Differences of {}", id.name);
    let body = move || {
        match texts.get() {
        None => view! { <Skeleton name="The contents are being fetched"/> }.into_any(),
        Some(Err(trouble)) => view! { <div class="pad"><ErrorBox trouble=trouble/></div> }.into_any(),
        Some(Ok(None)) => view! { <Empty title="Not shown as text" text="It is binary, or larger than 2 MB. The hashes below tell whether it differs."/> }.into_any(),
        Some(Ok(Some((old, new)))) => {
            let opened = RwSignal::new(Vec::<usize>::new());
            let rows = Memo::new(move |_| opened.with(|opened| diff_rows(&old, &new, 3, opened)));
            let open = Callback::new(move |row: usize| opened.update(|opened| opened.push(row)));
            view! { <div class="scroll grow" tabindex="0" role="region" aria-label="Text"><DiffView rows=rows split=split r=is_r left=left.clone() right=right.clone() name=name.clone() on_open=open/></div> }.into_any()
        }
    }
    };
    view! {
        <header class="panel-head"><h2>{short(id)}</h2><Tag shape=true state=glyph>{word}</Tag><div class="end">{take(work, id, parity)}<Segment label="Layout" choices=vec![Choice::new("split", "Split"), Choice::new("unified", "Unified")] value=mode on_pick=pick/></div></header>
        {decide(work, id, parity)}
        {held}
        {body}
        <footer class="diff-foot">{foot}</footer>
    }
    .into_any()
}

/// Takes the file into the plan, or leaves it out; nothing for one that is the same.
fn take(work: Work, id: &FileId, parity: Parity) -> Option<AnyView> {
    if parity == Parity::Same {
        return None;
    }
    let pressed = {
        let id = id.clone();
        Signal::derive(move || Some(work.includes(&id)))
    };
    let id = id.clone();
    let press = Callback::new(move |()| toggle(work, &id));
    Some(
        view! { <Button small=true pressed=pressed on_click=press>"In the plan"</Button> }
            .into_any(),
    )
}

/// Where a person decides: conflicts, and files at which the target moved on.
fn decide(work: Work, id: &FileId, parity: Parity) -> Option<AnyView> {
    let words = match parity {
        Parity::Conflict => {
            "Both sides changed since their last common version. It stays out of the plan until you choose."
        }
        Parity::Newer => {
            "The target moved on from what the source has. It stays as it is unless you choose the source."
        }
        Parity::Extra => {
            "Only the target has it. It stays unless you choose the source, which has none."
        }
        Parity::Deleted => {
            "It was taken away in the target. It comes back only if you choose the source."
        }
        Parity::Dropped => {
            "It was taken away in the source. It stays in the target unless you choose the source."
        }
        _ => return None,
    };
    let pressed = {
        let id = id.clone();
        move |wanted: Decision| {
            let id = id.clone();
            Signal::derive(move || {
                Some(
                    work.choices
                        .with(|choices| choices.get(&id) == Some(&wanted)),
                )
            })
        }
    };
    let choose = {
        let id = id.clone();
        move |decision: Decision| {
            let id = id.clone();
            Callback::new(move |()| {
                work.left_out.update(|left_out| {
                    left_out.remove(&id);
                });
                work.choices.update(|choices| {
                    choices.insert(id.clone(), decision);
                });
            })
        }
    };
    let both = {
        let there = work.compared.with(|compared| {
            let file = compared
                .as_ref()
                .and_then(|(comparison, _)| comparison.file(id));
            file.is_some_and(|file| file.in_source() && file.in_target())
        });
        there.then(|| view! { <Button small=true pressed=pressed(Decision::Both) on_click=choose(Decision::Both)>"Keep both"</Button> })
    };
    Some(
        view! {
            <div class="decide" class=("decide--conflict", parity == Parity::Conflict)>
                <p class="grow">{words}</p>
                <Button small=true pressed=pressed(Decision::Target) on_click=choose(Decision::Target)>{format!("Keep {}", work.target.name)}</Button>
                <Button small=true pressed=pressed(Decision::Source) on_click=choose(Decision::Source)>{format!("Use {}", work.source.name)}</Button>
                {both}
            </div>
        }
        .into_any(),
    )
}

/// Target's and source's text; `None` when either is no text or too large.
type Texts = RwSignal<Option<Result<Option<(String, String)>, Trouble>>>;

fn contents(work: Work, id: FileId, source: Option<u64>, target: Option<u64>) -> Texts {
    let texts = RwSignal::new(None);
    if source.unwrap_or(0).max(target.unwrap_or(0)) > LARGEST {
        texts.set(Some(Ok(None)));
        return texts;
    }
    spawn_local(async move {
        let one = async |group: &'static Group, there: bool| {
            if !there {
                return Ok(Some(String::new()));
            }
            let wanted = &id;
            let content = group
                .act(|client| async move { client.read_file(wanted, None).await })
                .await;
            content.map(text).map_err(|error| {
                trouble(
                    &format!("The content in {} cannot be shown", group.name),
                    &error,
                )
            })
        };
        let both = async {
            let old = one(work.target, target.is_some()).await?;
            let new = one(work.source, source.is_some()).await?;
            Ok(old.zip(new))
        };
        let _ = texts.try_set(Some(both.await));
    });
    texts
}

/// Content as text; none when it is not.
fn text(content: Vec<u8>) -> Option<String> {
    String::from_utf8(content)
        .ok()
        .filter(|text| !text.contains('\0'))
}
