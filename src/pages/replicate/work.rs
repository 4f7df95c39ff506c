//! What the page knows and decides: two manifests, the comparison, what people chose, the plan, and whether it is still true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::reactive::{Effect, Memo, RwSignal};
use gridhelm_api::repository::FileId;
use gridhelm_client::replication::{Pair, Place, read_pair};
use gridhelm_replicate::{Choice, Comparison, Parity, Plan, Selection, compare, plan, stale};
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::deployment::{Group, trouble};
use crate::ui::Trouble;

/// The state of one comparison between two groups.
#[derive(Clone, Copy)]
pub(super) struct Work {
    /// Where it is copied from.
    pub(super) source: &'static Group,
    /// Where it is copied to.
    pub(super) target: &'static Group,
    /// What was read for the comparison.
    pub(super) pair: RwSignal<Option<Pair>>,
    /// The comparison, and when it was read, milliseconds since 1970.
    pub(super) compared: RwSignal<Option<(Arc<Comparison>, f64)>>,
    /// Files that a person left out.
    pub(super) left_out: RwSignal<BTreeSet<FileId>>,
    /// What people decided about single files.
    pub(super) choices: RwSignal<BTreeMap<FileId, Choice>>,
    /// Whether files that only the target has are taken away.
    pub(super) delete_extra: RwSignal<bool>,
    /// Whether files that were taken away in the source are taken away.
    pub(super) delete_dropped: RwSignal<bool>,
    /// Rules for files that are left as they are, one a line.
    pub(super) ignore: RwSignal<String>,
    /// Tags of which a file must have one, with commas between them; all files when empty.
    pub(super) tags: RwSignal<String>,
    /// The plan for all that.
    pub(super) plan: Memo<Option<Arc<Plan>>>,
    /// Files that changed on either side since the comparison.
    pub(super) changed: RwSignal<Vec<String>>,
    /// How often applying a plan ended without a commit: what is held is a line more of the history.
    pub(super) held: RwSignal<u32>,
    /// Why there is no comparison.
    pub(super) fault: RwSignal<Option<Trouble>>,
    /// The verb in progress.
    pub(super) busy: RwSignal<Option<String>>,
}

impl Work {
    /// Nothing read yet; follows both repositories from now on.
    pub(super) fn new(source: &'static Group, target: &'static Group) -> Self {
        let compared = RwSignal::new(None::<(Arc<Comparison>, f64)>);
        let left_out = RwSignal::new(BTreeSet::new());
        let choices = RwSignal::new(BTreeMap::new());
        let delete_extra = RwSignal::new(false);
        let delete_dropped = RwSignal::new(false);
        let ignore = RwSignal::new(String::new());
        let tags = RwSignal::new(String::new());
        let made = Memo::new(move |_| {
            compared.with(|compared| {
                let (comparison, _) = compared.as_ref()?;
                let selection = left_out.with(|left_out| {
                    choices.with(|choices| {
                        let mut chosen =
                            selection(comparison, left_out, choices, delete_extra.get());
                        chosen.delete_dropped = delete_dropped.get();
                        chosen.ignore = ignore.with(|rules| rules_of(rules));
                        chosen.tags = tags.with(|tags| tags_of(tags));
                        chosen
                    })
                });
                Some(Arc::new(plan(comparison, &selection)))
            })
        });
        let work = Self {
            source,
            target,
            pair: RwSignal::new(None),
            compared,
            left_out,
            choices,
            delete_extra,
            delete_dropped,
            ignore,
            tags,
            plan: made,
            changed: RwSignal::new(Vec::new()),
            held: RwSignal::new(0),
            fault: RwSignal::new(None),
            busy: RwSignal::new(None),
        };
        Effect::new(move |_| {
            // Both sides are watched: a change makes the plan stale, never silently another one.
            source.repository.track();
            target.repository.track();
            if source.signed_in()
                && target.signed_in()
                && untrack(|| compared.with(Option::is_some))
            {
                work.look();
            }
        });
        work
    }

    /// Reads both sides anew and compares them.
    pub(super) fn compare(self) {
        if self.busy.with_untracked(Option::is_some) {
            return;
        }
        self.busy.set(Some("Comparing…".to_owned()));
        spawn_local(async move {
            match self.read(&[], false).await {
                Ok(pair) => {
                    let _ = self.changed.try_set(Vec::new());
                    let _ = self.fault.try_set(None);
                    let comparison = compare(Arc::clone(&pair.source), Arc::clone(&pair.target));
                    let _ = self.pair.try_set(Some(pair));
                    let _ = self
                        .compared
                        .try_set(Some((Arc::new(comparison), crate::ui::clock::wall())));
                }
                Err(trouble) => {
                    let _ = self.fault.try_set(Some(trouble));
                }
            }
            let _ = self.busy.try_set(None);
        });
    }

    /// What differs between both sides now, and these directories in any case; all of both where `whole` says so.
    pub(super) async fn read(self, also: &[Place], whole: bool) -> Result<Pair, Trouble> {
        let (source, target) = (self.source.client(), self.target.client());
        let error = match read_pair(&source, &target, also, whole).await {
            Ok(pair) => return Ok(pair),
            Err(error) => error,
        };
        // Which side it was is asked of each: one that ended its token, or changed its active server, is known then, too.
        for group in [self.source, self.target] {
            let asked = group
                .act(|client| async move { client.tree(None).await })
                .await;
            if let Err(error) = asked {
                let words = format!("The files of {} cannot be read", group.name);
                return Err(trouble(&words, &error));
            }
        }
        Err(trouble("The files cannot be compared", &error))
    }

    /// Looks whether the plan is still true.
    fn look(self) {
        let Some(before) = self.pair.try_get_untracked().flatten() else {
            return;
        };
        spawn_local(async move {
            let Ok(now) = self.read(&before.directories, before.whole).await else {
                return;
            };
            let now = now.since(&before);
            let Some((comparison, _)) = self.compared.try_get_untracked().flatten() else {
                return;
            };
            let Some(plan) = self.plan.try_get_untracked().flatten() else {
                return;
            };
            let changes = stale(&plan, &comparison, &now.source, &now.target);
            let mut paths: Vec<String> = changes.iter().map(|change| short(&change.id)).collect();
            crate::ui::order::sort(&mut paths, Ord::cmp);
            paths.dedup();
            let _ = self.changed.try_set(paths);
        });
    }

    /// What people chose, for another target of the same source. Decisions about single files are not for it: its files may stand
    /// otherwise, and what is in conflict there is left as it is.
    pub(super) fn selection_of(self, comparison: &Comparison) -> Selection {
        let delete_extra = self.delete_extra.get_untracked();
        let mut chosen = self.left_out.with_untracked(|left_out| {
            selection(comparison, left_out, &BTreeMap::new(), delete_extra)
        });
        chosen.delete_dropped = self.delete_dropped.get_untracked();
        chosen.ignore = self.ignore.with_untracked(|rules| rules_of(rules));
        chosen.tags = self.tags.with_untracked(|tags| tags_of(tags));
        chosen
    }

    /// Whether a file is part of the plan as it stands. Tracks.
    pub(super) fn includes(self, id: &FileId) -> bool {
        self.plan.with(|plan| {
            plan.as_ref().is_some_and(|plan| {
                plan.operations
                    .binary_search_by(|operation| operation.id.cmp(id))
                    .is_ok()
            })
        })
    }

    /// Takes files in or leaves them out. What is kept by default is taken in by choosing the source for it.
    pub(super) fn include(self, files: &[(FileId, Parity)], on: bool) {
        self.left_out.update(|left_out| {
            for (id, _) in files {
                if on {
                    left_out.remove(id);
                } else {
                    left_out.insert(id.clone());
                }
            }
        });
        self.choices.update(|choices| {
            for (id, parity) in files {
                let asks = matches!(
                    parity,
                    Parity::Newer
                        | Parity::Extra
                        | Parity::Conflict
                        | Parity::Deleted
                        | Parity::Dropped
                );
                match (on, asks) {
                    (true, true) => {
                        choices.insert(id.clone(), Choice::Source);
                    }
                    (false, _) => {
                        choices.remove(id);
                    }
                    _ => {}
                }
            }
        });
    }
}

/// The selection that people made, for the planner.
fn selection(
    comparison: &Comparison,
    left_out: &BTreeSet<FileId>,
    choices: &BTreeMap<FileId, Choice>,
    delete_extra: bool,
) -> Selection {
    let files = (!left_out.is_empty()).then(|| {
        comparison
            .files
            .iter()
            .filter(|file| !left_out.contains(&file.id))
            .map(|file| file.id.clone())
            .collect()
    });
    Selection {
        files,
        choices: choices.clone(),
        delete_extra,
        ..Selection::default()
    }
}

/// Rules as a person wrote them, one a line.
fn rules_of(text: &str) -> Vec<String> {
    let rules = text.lines().map(str::trim);
    rules
        .filter(|rule| !rule.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Tags as a person wrote them, with commas between them.
fn tags_of(text: &str) -> Vec<String> {
    let tags = text.split(',').map(str::trim);
    tags.filter(|tag| !tag.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A file's path as people read it: directory and name.
pub(super) fn short(id: &FileId) -> String {
    format!("{}/{}", id.directory, id.name)
}

/// A line of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A directory: its name, files in the source, files to do in the target, and the range of its files.
    Directory {
        /// Its name.
        name: String,
        /// Its files, as indices into the comparison.
        files: Vec<usize>,
        /// How many of them are not equal.
        todo: usize,
    },
    /// A file: its index in the comparison.
    File(usize),
}

/// The tree: directories with their files, narrowed to what differs unless `all`, and to what contains the text.
pub(super) fn lines(comparison: &Comparison, all: bool, text: &str) -> Vec<Line> {
    let text = text.trim().to_lowercase();
    let mut directories: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, file) in comparison.files.iter().enumerate() {
        let shown = (all || file.parity != Parity::Same)
            && (text.is_empty() || short(&file.id).to_lowercase().contains(&text));
        if shown {
            directories
                .entry(&file.id.directory)
                .or_default()
                .push(index);
        }
    }
    let mut lines = Vec::new();
    for (name, mut files) in directories {
        crate::ui::order::sort(&mut files, |a, b| {
            comparison.files[*a]
                .id
                .name
                .cmp(&comparison.files[*b].id.name)
        });
        let todo = files
            .iter()
            .filter(|index| comparison.files[**index].parity != Parity::Same)
            .count();
        lines.push(Line::Directory {
            name: name.to_owned(),
            files: files.clone(),
            todo,
        });
        lines.extend(files.into_iter().map(Line::File));
    }
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gridhelm_api::changeset::{Manifest, ManifestEntry};

    fn manifest(group: &str, files: &[(&str, &str, &str)]) -> Arc<Manifest> {
        let entries = files
            .iter()
            .map(|(directory, name, hash)| ManifestEntry {
                id: FileId::new("admin", *directory, *name),
                sha256: (*hash).to_owned(),
                size: 3,
                version: 1,
                written_at: 0,
                written_by: "admin".into(),
                earlier: Vec::new(),
                info: None,
                base: None,
            })
            .collect::<Vec<_>>();
        Arc::new(Manifest {
            group: group.into(),
            epoch: 1,
            root: format!("{files:?}"),
            entries,
            gone: Vec::new(),
        })
    }

    fn compared() -> Comparison {
        compare(
            manifest(
                "east",
                &[
                    ("a", "same.R", "1"),
                    ("a", "new.R", "2"),
                    ("b", "other.R", "3"),
                ],
            ),
            manifest(
                "west",
                &[
                    ("a", "same.R", "1"),
                    ("b", "other.R", "4"),
                    ("b", "own.R", "5"),
                ],
            ),
        )
    }

    #[test]
    fn the_tree_shows_what_differs_and_on_request_all() {
        let comparison = compared();
        let names = |lines: &[Line]| {
            lines
                .iter()
                .map(|line| match line {
                    Line::Directory { name, todo, .. } => format!("{name} {todo}"),
                    Line::File(index) => comparison.files[*index].id.name.clone(),
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(&lines(&comparison, false, "")),
            ["a 1", "new.R", "b 2", "other.R", "own.R"]
        );
        assert_eq!(
            names(&lines(&comparison, true, "")),
            ["a 1", "new.R", "same.R", "b 2", "other.R", "own.R"]
        );
        assert_eq!(names(&lines(&comparison, true, "OWN")), ["b 1", "own.R"]);
    }

    #[test]
    fn files_left_out_are_not_in_the_plan() {
        let comparison = compared();
        let all = plan(
            &comparison,
            &selection(&comparison, &BTreeSet::new(), &BTreeMap::new(), false),
        );
        assert_eq!(
            all.operations.len(),
            2,
            "the file that only the target has stays"
        );
        let left_out = BTreeSet::from([FileId::new("admin", "a", "new.R")]);
        let one = plan(
            &comparison,
            &selection(&comparison, &left_out, &BTreeMap::new(), false),
        );
        assert_eq!(one.operations.len(), 1);
        assert_ne!(all.id, one.id);
    }
}
