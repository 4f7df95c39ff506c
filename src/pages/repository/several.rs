//! Something done with several files: chosen in the list, confirmed once, with a result for each and a way back.

use std::cell::Cell;
use std::collections::VecDeque;

use crate::reactive::{Callback, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::repository::{Access, FileMeta};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::about::{ALL, words};
use super::chosen::Chosen;
use super::several_do::{each, one, taken_back};
use super::several_plan::{Act, Step, names, steps};
use super::several_shown::{Outcome, Row, SHOWN, outcomes};
use super::{Files, View};
use crate::deployment::Group;
use crate::ui::format::counted;
use crate::ui::{
    Button, Confirm, Drawer, Empty, SelectField, TextField, Weight, next_id, use_toasts,
};

/// The most files at once.
const MOST: usize = 1_000;

/// What can be done, with its name in the field.
const ACTS: [(&str, &str); 8] = [
    ("move", "Move to another directory"),
    ("copy", "Copy to another directory"),
    ("archive", "Archive"),
    ("unarchive", "Take out of the archive"),
    ("access", "Say who may see them"),
    ("tag", "Add tags"),
    ("untag", "Take tags away"),
    ("delete", "Delete"),
];

/// What is written down and what is asked, in the drawer's fields.
#[derive(Clone, Copy)]
struct Form {
    what: RwSignal<String>,
    directory: RwSignal<String>,
    access: RwSignal<Access>,
    roles: RwSignal<String>,
    tags: RwSignal<String>,
}

impl Form {
    /// Tracks.
    fn act(self) -> Act {
        let directory = || self.directory.with(|text| text.trim().to_owned());
        let tags = || self.tags.with(|text| words(text));
        match self.what.get().as_str() {
            "move" => Act::Move(directory()),
            "copy" => Act::Copy(directory()),
            "archive" => Act::Archive,
            "unarchive" => Act::Unarchive,
            "access" => Act::Access(self.access.get(), self.roles.with(|text| words(text))),
            "tag" => Act::Tag(tags()),
            "untag" => Act::Untag(tags()),
            _ => Act::Delete,
        }
    }

    fn fields(self) -> AnyView {
        let value = Signal::derive(move || self.access.get().name().to_owned());
        let pick = Callback::new(move |name: String| {
            if let Some(picked) = ALL.iter().find(|access| access.name() == name) {
                self.access.set(*picked);
            }
        });
        let roles = move || {
            (self.access.get() == Access::Restricted)
                .then(|| view! { <TextField label="Roles, with commas" value=self.roles/> })
        };
        let fields = move || match self.what.get().as_str() {
            "move" | "copy" => {
                view! { <TextField label="To directory" value=self.directory limit=200/> }
                    .into_any()
            }
            "access" => {
                let choices: Vec<(String, String)> = ALL
                    .iter()
                    .map(|access| (access.name().to_owned(), access.name().to_owned()))
                    .collect();
                view! {
                    <SelectField label="Who may see them" value=value choices=choices on_pick=pick/>
                    {roles}
                }
                .into_any()
            }
            "tag" | "untag" => {
                view! { <TextField label="Tags, with commas" value=self.tags/> }.into_any()
            }
            _ => ().into_any(),
        };
        view! { {fields} }.into_any()
    }
}

/// The drawer.
pub(super) fn drawer(view: View, files: Files, chosen: Chosen) -> AnyView {
    let group = files.group;
    let form = Form {
        what: RwSignal::new("move".to_owned()),
        directory: RwSignal::new(String::new()),
        access: RwSignal::new(Access::Shared),
        roles: RwSignal::new(String::new()),
        tags: RwSignal::new(String::new()),
    };
    let act = Memo::new(move |_| form.act());
    let picked = Memo::new(move |_| {
        files.all.with(|all| {
            let all = all.iter().flat_map(|all| all.iter());
            chosen.ids.with(|ids| {
                all.filter(|file| ids.contains(&file.id))
                    .cloned()
                    .collect::<Vec<FileMeta>>()
            })
        })
    });
    let rows = RwSignal::new(Vec::<Row>::new());
    let busy = RwSignal::new(None::<String>);
    let asking = RwSignal::new(false);
    let off = Signal::derive(move || {
        group
            .refuses_operator()
            .or_else(|| match picked.with(Vec::len) {
                0 => Some("Select files in the list first.".to_owned()),
                n if n > MOST => Some(format!("{n} files: take at most 1,000 at once.")),
                _ => None,
            })
            .or_else(|| act.with(Act::fault))
    });
    let toasts = use_toasts();
    // The drawer tells what became of each; once it is closed, a word in passing does.
    let tell = move |verb: String, looked: usize, total: usize| {
        if busy.try_set(None).is_some() {
            let text = format!(
                "{looked} of {total} were looked at when the drawer was closed; the rest is as it was."
            );
            toasts.good(verb, text);
        }
    };
    let go = Callback::new(move |_: String| {
        asking.set(false);
        let act = act.get_untracked();
        let chosen = picked.get_untracked();
        let steps = files.all.with_untracked(|all| {
            let all = all.as_ref().map_or(&[][..], |all| all.as_slice());
            steps(&act, &group.name, &chosen, all)
        });
        busy.set(Some("Working…".to_owned()));
        rows.set(Vec::new());
        let verb = act.verb(chosen.len());
        let work: VecDeque<_> = chosen.into_iter().zip(steps).collect();
        let total = work.len();
        spawn_local(async move {
            let looked = Cell::new(0);
            each(
                work,
                async |(file, step): (FileMeta, Result<Step, String>)| {
                    let outcome = match step {
                        Ok(step) => one(group, &file, &step).await,
                        Err(why) => Err(why),
                    };
                    let outcome = outcome.map_or_else(Outcome::Refused, Outcome::Done);
                    looked.set(looked.get() + 1);
                    // Without the drawer there is nobody to tell: what is not begun yet is left.
                    rows.try_update(|rows| rows.push(Row { file, outcome }))
                        .is_some()
                },
            )
            .await;
            tell(verb, looked.get(), total);
        });
    });
    let take_back = Callback::new(move |()| {
        let work: VecDeque<(usize, Row)> = rows.with_untracked(|rows| {
            let all = rows.iter().cloned().enumerate();
            all.filter(|(_, row)| matches!(row.outcome, Outcome::Done(_)))
                .collect()
        });
        let total = work.len();
        busy.set(Some("Taking back…".to_owned()));
        spawn_local(async move {
            let looked = Cell::new(0);
            each(work, async |(at, row): (usize, Row)| {
                let Outcome::Done(back) = &row.outcome else {
                    return true;
                };
                let outcome = match taken_back(group, &row.file, back).await {
                    Ok(()) => Outcome::TakenBack,
                    Err(why) => Outcome::Refused(format!("Not taken back: {why}")),
                };
                looked.set(looked.get() + 1);
                rows.try_update(|rows| rows[at].outcome = outcome).is_some()
            })
            .await;
            tell("Taking back".to_owned(), looked.get(), total);
        });
    });
    let close = Callback::new(move |()| view.go(|address| address.panel = None));
    let ask = Callback::new(move |()| asking.set(true));
    let why = next_id("why");
    let footer = {
        let why = why.clone();
        move || {
            let why = why.clone();
            let verb = move || format!("{}…", act.with(|act| act.verb(picked.with(Vec::len))));
            let weight = Weight::Primary;
            view! {
                <span class="why-not grow" id=why.clone() aria-live="polite">{move || off.get()}</span>
                <Button on_click=close>"Close"</Button>
                <Button weight=weight off=off reason_at=why busy=busy on_click=ask>{verb}</Button>
            }
        }
    };
    let question = move || {
        asking.get().then(|| {
            let (act, picked) = (act.get_untracked(), picked.get_untracked());
            confirm(group, &act, &picked, go, asking)
        })
    };
    let choices: Vec<(String, String)> = ACTS
        .iter()
        .map(|(key, words)| ((*key).to_owned(), (*words).to_owned()))
        .collect();
    let pick = Callback::new(move |key: String| form.what.set(key));
    view! {
        <Drawer title="Several files" text="Each is changed on its own and has a result of its own." on_close=close footer=footer>
            {move || picked.with(|picked| listed(picked))}
            <SelectField label="What to do" value=Signal::derive(move || form.what.get()) choices=choices on_pick=pick/>
            {form.fields()}
            {outcomes(rows, busy, take_back)}
            {question}
        </Drawer>
    }
    .into_any()
}

fn confirm(
    group: &'static Group,
    act: &Act,
    picked: &[FileMeta],
    go: Callback<String>,
    asking: RwSignal<bool>,
) -> AnyView {
    let verb = act.verb(picked.len());
    let typed = if *act == Act::Delete {
        format!("delete {}", picked.len())
    } else {
        String::new()
    };
    let close = Callback::new(move |()| asking.set(false));
    let title = format!("{verb} in {}?", group.name);
    let (which, effect, back) = (names(picked), act.effect(), act.way_back());
    view! {
        <Confirm title=title verb=verb keep="Leave them" danger=*act == Act::Delete typed=typed on_confirm=go on_close=close>
            <p class="strong">{which}</p>
            <p>{effect}</p>
            <p>{back}</p>
        </Confirm>
    }
    .into_any()
}

/// The files that are chosen now.
fn listed(picked: &[FileMeta]) -> AnyView {
    if picked.is_empty() {
        return view! { <Empty title="No file is selected" text="Select files by the boxes before them; with the shift key a box takes all files up to it."/> }
            .into_any();
    }
    let line = |file: &FileMeta| view! { <li class="mono">{file.id.path()}</li> };
    let lines = picked.iter().take(SHOWN).map(line).collect_view();
    let title = format!("{} selected", counted(picked.len(), "file"));
    view! {
        <details><summary>{title}</summary>
            <div class="scroll several" tabindex="0" role="region" aria-label="Selected files"><ul class="several-list">{lines}</ul></div>
        </details>
    }
    .into_any()
}
