//! Which files are chosen to do something with them together: by boxes, by ranges with the shift key, or all that are shown.

use std::collections::BTreeSet;

use crate::reactive::{Callback, Effect, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::repository::{FileId, FileMeta};
use leptos::prelude::*;

use super::list::{Line, Shown};
use super::{Files, View};
use crate::ui::format::counted;
use crate::ui::{Button, CheckField};

/// The files that are chosen.
#[derive(Clone, Copy)]
pub(super) struct Chosen {
    pub(super) ids: RwSignal<BTreeSet<FileId>>,
    /// Where a range begins: the file whose box was used last.
    from: RwSignal<Option<FileId>>,
}

/// The files of these lines, in their order.
fn files(lines: &[Line]) -> impl Iterator<Item = &FileId> {
    lines.iter().filter_map(|line| match line {
        Line::File(file) => Some(&file.id),
        Line::Directory(..) => None,
    })
}

/// The files from one to another as they are shown, both included; the other alone where the one is not shown.
fn range(lines: &[Line], from: &FileId, to: &FileId) -> Vec<FileId> {
    let at = |wanted: &FileId| files(lines).position(|id| id == wanted);
    let (Some(from), Some(last)) = (at(from), at(to)) else {
        return vec![to.clone()];
    };
    let (first, last) = (from.min(last), from.max(last));
    let within = files(lines).skip(first).take(last - first + 1);
    within.cloned().collect()
}

impl Chosen {
    /// None at first. A file that goes is not chosen any more.
    pub(super) fn of(all: Files) -> Self {
        let chosen = Self {
            ids: RwSignal::new(BTreeSet::new()),
            from: RwSignal::new(None),
        };
        Effect::new(move |_| {
            all.all.with(|all| {
                let Some(all) = all else { return };
                let there: BTreeSet<&FileId> = all.iter().map(|file| &file.id).collect();
                let gone = |ids: &BTreeSet<FileId>| ids.iter().any(|id| !there.contains(id));
                if chosen.ids.with_untracked(gone) {
                    chosen.ids.update(|ids| ids.retain(|id| there.contains(id)));
                }
            });
        });
        chosen
    }

    /// The box before a file.
    pub(super) fn check(self, file: &FileMeta, shown: Shown) -> AnyView {
        let label = format!("Select {}", file.id.path());
        let id = file.id.clone();
        let own = id.clone();
        let on = Signal::derive(move || self.ids.with(|ids| ids.contains(&own)));
        let press = move |event: web_sys::MouseEvent| {
            let ticked = event_target_checked(&event);
            let from = self.from.get_untracked().filter(|_| event.shift_key());
            let meant = match &from {
                Some(from) => shown.with_untracked(|lines| {
                    let lines = lines.as_ref()?;
                    Some(range(lines, from, &id))
                }),
                None => None,
            };
            let meant = meant.unwrap_or_else(|| vec![id.clone()]);
            self.from.set(Some(id.clone()));
            self.ids.update(|ids| {
                for id in meant {
                    if ticked {
                        ids.insert(id);
                    } else {
                        ids.remove(&id);
                    }
                }
            });
        };
        view! { <label class="pick"><input type="checkbox" aria-label=label prop:checked=move || on.get() on:click=press/></label> }
            .into_any()
    }

    /// The line above the list: all that are shown, how many are chosen, and what can be done with them.
    pub(super) fn head(self, view: View, shown: Shown) -> AnyView {
        let many = Signal::derive(move || {
            shown.with(|lines| lines.as_ref().map_or(0, |lines| files(lines).count()))
        });
        let all = Signal::derive(move || {
            let has =
                |ids: &BTreeSet<FileId>, lines: &[Line]| files(lines).all(|id| ids.contains(id));
            many.get() > 0
                && shown.with(|lines| {
                    lines
                        .as_ref()
                        .is_some_and(|lines| self.ids.with(|ids| has(ids, lines)))
                })
        });
        let pick_all = Callback::new(move |on: bool| {
            shown.with_untracked(|lines| {
                let Some(lines) = lines else { return };
                self.ids.update(|ids| {
                    for id in files(lines) {
                        if on {
                            ids.insert(id.clone());
                        } else {
                            ids.remove(id);
                        }
                    }
                });
            });
        });
        let count = Signal::derive(move || self.ids.with(BTreeSet::len));
        let words = move || match count.get() {
            0 => String::new(),
            n => format!("{} selected", counted(n, "file")),
        };
        let off = Signal::derive(move || {
            (count.get() == 0).then(|| "Select files by the boxes before them.".to_owned())
        });
        let open =
            Callback::new(move |()| view.go(|address| address.panel = Some("several".to_owned())));
        let clear = Callback::new(move |()| self.ids.set(BTreeSet::new()));
        let clear = move || {
            (count.get() > 0)
                .then(|| view! { <Button small=true on_click=clear>"Select none"</Button> })
        };
        view! {
            <div class="repo-pick">
                <CheckField label="All shown" on=all on_change=pick_all/>
                <span class="grow muted" role="status">{words}</span>
                <span class="sr" id="pick-why">{move || off.get()}</span>
                {clear}
                <Button small=true off=off reason_at="pick-why" on_click=open>"With selected…"</Button>
            </div>
        }
        .into_any()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(directory: &str, name: &str) -> Line {
        Line::File(FileMeta {
            info: None,
            id: FileId::new("ann", directory, name),
            version: 1,
            size: 1,
            sha256: String::new(),
            written_by: "ann".into(),
            written_at: 0,
        })
    }

    #[test]
    fn a_range_goes_over_directories_in_either_direction() {
        let lines = [
            Line::Directory("a".into(), 2),
            file("a", "one.R"),
            file("a", "two.R"),
            Line::Directory("b".into(), 2),
            file("b", "one.R"),
            file("b", "two.R"),
        ];
        let id = |directory: &str, name: &str| FileId::new("ann", directory, name);
        let (from, to) = (id("a", "two.R"), id("b", "one.R"));
        assert_eq!(range(&lines, &from, &to), [from.clone(), to.clone()]);
        assert_eq!(range(&lines, &to, &from), [from.clone(), to.clone()]);
        assert_eq!(range(&lines, &from, &from), std::slice::from_ref(&from));
        let hidden = id("c", "one.R");
        assert_eq!(range(&lines, &hidden, &to), [to]);
    }
}
