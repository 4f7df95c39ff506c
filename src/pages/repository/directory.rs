//! A directory as a whole: renamed, archived, taken out of the archive, in one step for all its files or not at all.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::changeset::{ChangesetRequest, MAX_OPERATIONS, Operation};
use gridhelm_api::names::check_file_name;
use gridhelm_api::repository::{FileId, FileMeta};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::about::place;
use super::{Files, View};
use crate::deployment::trouble;
use crate::ui::format::counted;
use crate::ui::{Button, Drawer, TextField, Weight, next_id, use_toasts};

/// What the name of an archived directory ends in, as in the programs' API.
pub(super) const ARCHIVE: &str = ".archive";

/// The name of a directory in the archive, or, for one that is in it, outside.
pub(super) fn other_name(name: &str) -> String {
    name.strip_suffix(ARCHIVE)
        .filter(|rest| !rest.is_empty())
        .map_or_else(|| format!("{name}{ARCHIVE}"), str::to_owned)
}

/// Why a directory cannot be given that name, if so.
fn refused(files: &[FileMeta], from: &str, to: &str) -> Option<String> {
    if let Err(error) = check_file_name("directory", to) {
        return Some(error.message);
    }
    if from == to {
        return Some("Give another name.".to_owned());
    }
    let of = |directory: &str| {
        files
            .iter()
            .filter(|file| file.id.directory == directory)
            .map(|file| (file.id.author.clone(), file.id.name.clone()))
            .collect::<std::collections::BTreeSet<_>>()
    };
    let (here, there) = (of(from), of(to));
    if here.len() > MAX_OPERATIONS / 2 {
        return Some("More than 50,000 files: move some of them by themselves.".to_owned());
    }
    let both = here.intersection(&there).next();
    both.map(|(_, name)| format!("{to} has a file {name} already."))
}

/// The changeset that gives all files of a directory another one.
fn moving(group: &str, files: &[FileMeta], from: &str, to: &str) -> ChangesetRequest {
    let mut operations = Vec::new();
    for file in files.iter().filter(|file| file.id.directory == from) {
        operations.push(Operation {
            id: FileId::new(&file.id.author, to, &file.id.name),
            sha256: Some(file.sha256.clone()),
            size: file.size,
            info: file.info.clone(),
            ..Operation::default()
        });
        operations.push(Operation {
            id: file.id.clone(),
            expect: Some(file.sha256.clone()),
            version: Some(file.version),
            ..Operation::default()
        });
    }
    ChangesetRequest {
        plan: "directory".to_owned(),
        source: group.to_owned(),
        operations,
        reason: format!("File moved from {from} directory to {to}."),
    }
}

/// The drawer.
pub(super) fn drawer(view: View, files: Files, name: String) -> AnyView {
    let group = files.group;
    let to = RwSignal::new(name.clone());
    let busy = RwSignal::new(None::<String>);
    let toasts = use_toasts();
    let count = {
        let name = name.clone();
        move || {
            files.all.with(|all| {
                all.as_ref().map_or(0, |all| {
                    all.iter().filter(|file| file.id.directory == name).count()
                })
            })
        }
    };
    let off_for = {
        let name = name.clone();
        move |wanted: Signal<String>| {
            let (name, count) = (name.clone(), count.clone());
            Signal::derive(move || {
                group
                    .refuses_operator()
                    .or_else(|| (count() == 0).then(|| "It has no files.".to_owned()))
                    .or_else(|| {
                        let wanted = wanted.get();
                        files
                            .all
                            .with(|all| refused(all.as_ref()?, &name, wanted.trim()))
                    })
            })
        }
    };
    let close = Callback::new(move |()| view.go(|address| address.panel = None));
    let press = {
        let name = name.clone();
        move |wanted: Signal<String>| {
            let name = name.clone();
            Callback::new(move |()| {
                let (from, to) = (name.clone(), wanted.get_untracked().trim().to_owned());
                let request = files.all.with_untracked(|all| {
                    all.as_ref().map(|all| moving(&group.name, all, &from, &to))
                });
                let Some(request) = request else { return };
                busy.set(Some("Moving…".to_owned()));
                spawn_local(async move {
                    match place(group, &request).await {
                        Ok(()) => {
                            let many = counted(request.operations.len() / 2, "file");
                            toasts.good(format!("{from} is {to} now"), format!("{many} moved."));
                            view.go(|address| {
                                address.panel = None;
                                address.directory = None;
                                address.file = None;
                            });
                        }
                        Err(error) => {
                            toasts.trouble(&trouble(&format!("{from} stays as it is"), &error));
                        }
                    }
                    let _ = busy.try_set(None);
                });
            })
        }
    };
    let typed = Signal::derive(move || to.get());
    let archived = name.ends_with(ARCHIVE);
    let other = Signal::stored(other_name(&name));
    let (rename_off, archive_off) = (off_for(typed), off_for(other));
    let (rename, archive) = (press(typed), press(other));
    let why = next_id("why");
    let footer = {
        let why = why.clone();
        move || {
            let why = why.clone();
            view! {
                <span class="why-not grow" id=why.clone() aria-live="polite">{move || rename_off.get()}</span>
                <Button on_click=close>"Close"</Button>
                <Button weight=Weight::Primary off=rename_off reason_at=why busy=busy on_click=rename>"Rename directory"</Button>
            }
        }
    };
    let words = if archived {
        "Take it out of the archive"
    } else {
        "Archive it"
    };
    view! {
        <Drawer title=format!("Directory {name}") text="All its files move in one step, or none. Their earlier versions stay under the old name, and a directory without files is gone." on_close=close footer=footer>
            <TextField label="Name" value=to limit=200/>
            <Button off=archive_off busy=busy on_click=archive>{words}</Button>
        </Drawer>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(directory: &str, name: &str) -> FileMeta {
        FileMeta {
            id: FileId::new("ann", directory, name),
            version: 4,
            size: 3,
            sha256: "1".repeat(64),
            written_by: "ann".to_owned(),
            written_at: 0,
            info: None,
        }
    }

    #[test]
    fn a_directory_moves_whole_and_nothing_is_overwritten() {
        let files = [
            file("risk", "a.R"),
            file("risk", "b.R"),
            file("other", "a.R"),
        ];
        let made = moving("east", &files, "risk", "risk.archive");
        assert!(made.check().is_empty());
        assert_eq!(made.operations.len(), 4);
        let new: Vec<_> = made
            .operations
            .iter()
            .filter(|op| op.sha256.is_some())
            .collect();
        assert!(
            new.iter()
                .all(|op| op.expect.is_none() && op.id.directory == "risk.archive")
        );
        assert!(made.operations.iter().all(|op| op.id.directory != "other"));
        assert_eq!(refused(&files, "risk", "new"), None);
        assert!(refused(&files, "risk", "other").unwrap().contains("a.R"));
        for bad in ["risk", "", "a/b", " "] {
            assert!(refused(&files, "risk", bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn the_archive_is_a_name_and_back() {
        assert_eq!(other_name("risk"), "risk.archive");
        assert_eq!(other_name("risk.archive"), "risk");
        assert_eq!(other_name(".archive"), ".archive.archive");
    }
}
