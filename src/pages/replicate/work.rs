//! What the page knows and decides: two manifests, the comparison, what people chose, the plan, and whether it is still true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::reactive::{Effect, Memo, RwSignal};
use gridhelm_api::changeset::Manifest;
use gridhelm_api::repository::FileId;
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
    /// The comparison, and when it was read, milliseconds since 1970.
    pub(super) compared: RwSignal<Option<(Arc<Comparison>, f64)>>,
    /// Files that a person left out.
    pub(super) left_out: RwSignal<BTreeSet<FileId>>,
    /// What people decided about single files.
    pub(super) choices: RwSignal<BTreeMap<FileId, Choice>>,
    /// Whether files that only the target has are taken away.
    pub(super) delete_extra: RwSignal<bool>,
    /// The plan for all that.
    pub(super) plan: Memo<Option<Arc<Plan>>>,
    /// Files that changed on either side since the comparison.
    pub(super) changed: RwSignal<Vec<String>>,
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
        let made = Memo::new(move |_| {
            compared.with(|compared| {
                let (comparison, _) = compared.as_ref()?;
                let selection = left_out.with(|left_out| {
                    choices.with(|choices| {
                        selection(comparison, left_out, choices, delete_extra.get())
                    })
                });
                Some(Arc::new(plan(comparison, &selection)))
            })
        });
        let work = Self {
            source,
            target,
            compared,
            left_out,
            choices,
            delete_extra,
            plan: made,
            changed: RwSignal::new(Vec::new()),
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
            match self.read().await {
                Ok((source, target)) => {
                    let _ = self.changed.try_set(Vec::new());
                    let _ = self.fault.try_set(None);
                    let _ = self.compared.try_set(Some((
                        Arc::new(compare(source, target)),
                        crate::ui::clock::wall(),
                    )));
                }
                Err(trouble) => {
                    let _ = self.fault.try_set(Some(trouble));
                }
            }
            let _ = self.busy.try_set(None);
        });
    }

    /// Both manifests as they are now.
    pub(super) async fn read(self) -> Result<(Arc<Manifest>, Arc<Manifest>), Trouble> {
        let one = async |group: &'static Group| {
            let manifest = group
                .act(|client| async move { client.manifest().await })
                .await;
            manifest.map(Arc::new).map_err(|error| {
                trouble(
                    &format!("The files of {} cannot be read", group.name),
                    &error,
                )
            })
        };
        Ok((one(self.source).await?, one(self.target).await?))
    }

    /// Looks whether the plan is still true.
    fn look(self) {
        spawn_local(async move {
            let Ok((source, target)) = self.read().await else {
                return;
            };
            let Some((comparison, _)) = self.compared.try_get_untracked().flatten() else {
                return;
            };
            let Some(plan) = self.plan.try_get_untracked().flatten() else {
                return;
            };
            let changes = stale(&plan, &comparison, &source, &target);
            let mut paths: Vec<String> = changes.iter().map(|change| short(&change.id)).collect();
            crate::ui::order::sort(&mut paths, Ord::cmp);
            paths.dedup();
            let _ = self.changed.try_set(paths);
        });
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
                let asks = matches!(parity, Parity::Newer | Parity::Extra | Parity::Conflict);
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
    }
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
    use gridhelm_api::changeset::ManifestEntry;

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
            })
            .collect::<Vec<_>>();
        Arc::new(Manifest {
            group: group.into(),
            epoch: 1,
            root: format!("{files:?}"),
            entries,
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
