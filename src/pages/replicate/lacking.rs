//! What the target's nodes lack of the packages that the plan's scripts name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::reactive::{Effect, RwSignal};
use crate::ui::view;
use gridhelm_api::packages::{MAX_NAMES, PackagesAnswer, PackagesQuestion, needs};
use gridhelm_replicate::Plan;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::work::{Work, short};
use crate::ui::format::{counted, listed_some};
use crate::ui::{Glyph, glyph};

/// Scripts whose contents are looked at; a plan with more says so.
const MOST: usize = 50;
/// The largest script that can be run, bytes.
const LARGEST: u64 = 1 << 20;
/// How long nobody changes the plan before it is looked at.
const STILL: Duration = Duration::from_millis(400);

/// A script that the plan writes: its name for people, and its content's hash.
type Script = (String, String);

/// What contents need, by their hashes.
type Needed = BTreeMap<String, BTreeSet<String>>;

/// What was found about one plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    /// A sentence for each script that lacks something.
    lines: Vec<String>,
    /// Scripts that were not looked at.
    more: usize,
}

/// The notice; nothing while nothing is missing.
pub(super) fn notice(work: Work) -> AnyView {
    let found = RwSignal::new(Found::default());
    let known = RwSignal::new(Needed::new());
    let asked = RwSignal::new(0_u32);
    Effect::new(move |_| {
        let plan = work.plan.get();
        found.set(Found::default());
        asked.update(|n| *n += 1);
        let question = asked.get_untracked();
        let Some(plan) = plan else { return };
        let all = scripts(&plan);
        if all.is_empty() {
            return;
        }
        set_timeout(
            move || {
                if asked.try_get_untracked() != Some(question) {
                    return;
                }
                spawn_local(async move {
                    let seen = look(work, &all, known).await;
                    if let (Some(seen), Some(last)) = (seen, asked.try_get_untracked())
                        && last == question
                    {
                        let _ = found.try_set(seen);
                    }
                });
            },
            STILL,
        );
    });
    let body = move || {
        let Found { lines, more } = found.get();
        if lines.is_empty() {
            return ().into_any();
        }
        let line = |text: String| view! { <li>{text}</li> }.into_any();
        let rest = (more > 0).then(|| {
            let text = format!("{} more not looked at.", counted(more, "script"));
            view! { <p class="muted">{text}</p> }
        });
        let head = format!("Packages are missing at {}", work.target.name);
        view! {
            <div class="panel pad" role="status">
                <p>{glyph(Glyph::Warn)}<b>{head}</b>" The scripts are copied all the same; there they will not run everywhere."</p>
                <ul class="changed">{lines.into_iter().map(line).collect_view()}</ul>
                {rest}
            </div>
        }
        .into_any()
    };
    view! { {body} }.into_any()
}

/// The scripts that a plan writes.
fn scripts(plan: &Plan) -> Vec<Script> {
    let written = plan.operations.iter().filter(|operation| {
        let name = &operation.id.name;
        operation.size <= LARGEST && (name.ends_with(".R") || name.ends_with(".r"))
    });
    written
        .filter_map(|operation| Some((short(&operation.id), operation.sha256.clone()?)))
        .collect()
}

/// Reads what was not read yet, and asks the target.
async fn look(work: Work, all: &[Script], known: RwSignal<Needed>) -> Option<Found> {
    let some = &all[..all.len().min(MOST)];
    for (_, hash) in some {
        if known.try_get_untracked()?.contains_key(hash) {
            continue;
        }
        let hash = hash.as_str();
        let content = work
            .source
            .act(|client| async move { client.blob(hash).await })
            .await
            .ok()?;
        let needed = needs(&String::from_utf8_lossy(&content)).needed;
        known.try_update(|known| known.insert(hash.to_owned(), needed))?;
    }
    let known = known.try_get_untracked()?;
    let names: BTreeSet<String> = some
        .iter()
        .filter_map(|(_, hash)| known.get(hash))
        .flatten()
        .cloned()
        .collect();
    if names.is_empty() {
        return None;
    }
    let wanted = &PackagesQuestion {
        names: names.into_iter().take(MAX_NAMES).collect(),
    };
    let answer = work
        .target
        .act(|client| async move { client.check_packages(wanted).await })
        .await
        .ok()?;
    Some(Found {
        lines: lines(some, &known, &answer),
        more: all.len() - some.len(),
    })
}

/// What each script lacks, in a sentence.
fn lines(scripts: &[Script], known: &Needed, answer: &PackagesAnswer) -> Vec<String> {
    let line = |(path, hash): &Script| {
        let needed = known.get(hash)?;
        let lacked: Vec<String> = answer
            .lacked
            .iter()
            .filter(|package| needed.contains(&package.name))
            .map(|package| {
                let nodes = listed_some(&package.nodes, 3);
                format!("{} (missing on {nodes})", package.name)
            })
            .collect();
        (!lacked.is_empty()).then(|| format!("{path}: {}", lacked.join(", ")))
    };
    scripts.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridhelm_api::packages::LackedPackage;

    #[test]
    fn each_script_is_told_with_what_it_lacks() {
        let scripts = [("risk/a.R", "1"), ("risk/b.R", "2")]
            .map(|(path, hash)| (path.to_owned(), hash.to_owned()));
        let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        let known = Needed::from([
            ("1".to_owned(), set(&["zoo", "R6"])),
            ("2".to_owned(), set(&["R6"])),
        ]);
        let answer = PackagesAnswer {
            lacked: vec![LackedPackage {
                name: "zoo".into(),
                nodes: vec!["n1".into(), "n2".into()],
            }],
            ..PackagesAnswer::default()
        };
        assert_eq!(
            lines(&scripts, &known, &answer),
            ["risk/a.R: zoo (missing on n1 and n2)"]
        );
    }
}
