//! What is said about a file, and where it is: access, description, tags; moved or copied under another name.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::changeset::{ChangesetRequest, Operation};
use gridhelm_api::repository::{Access, FileId, FileInfo, FileMeta};
use gridhelm_client::Error;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::View;
use crate::deployment::{Group, trouble};
use crate::ui::{Button, SelectField, TextArea, TextField, use_toasts};

pub(super) const ALL: [Access; 4] = [
    Access::Private,
    Access::Restricted,
    Access::Shared,
    Access::Public,
];

/// What is said in a few words, for the facts.
pub(super) fn told(meta: &FileMeta) -> String {
    let info = meta.info.as_deref().cloned().unwrap_or_default();
    let mut words = vec![info.access.name().to_owned()];
    words.extend(info.tags);
    let mut text = words.join(", ");
    if !info.description.is_empty() {
        text.push_str(": ");
        text.push_str(&info.description);
    }
    text
}

/// The parts that are opened to change it.
pub(super) fn panel(view: View, group: &'static Group, meta: &FileMeta) -> AnyView {
    view! {
        <details class="repo-about"><summary>"Access and description"</summary>{said(group, meta)}</details>
        <details class="repo-about"><summary>"Move or copy"</summary>{placed(view, group, meta)}</details>
    }
    .into_any()
}

/// Words of a list as a person wrote them.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    words.dedup();
    words
}

fn said(group: &'static Group, meta: &FileMeta) -> AnyView {
    let info = meta.info.as_deref().cloned().unwrap_or_default();
    let access = RwSignal::new(info.access);
    let tags = RwSignal::new(info.tags.join(", "));
    let roles = RwSignal::new(info.roles.join(", "));
    let description = RwSignal::new(info.description);
    let inputs = RwSignal::new(info.inputs);
    let outputs = RwSignal::new(info.outputs);
    let now = move || FileInfo {
        access: access.get(),
        roles: if access.get() == Access::Restricted {
            words(&roles.get())
        } else {
            Vec::new()
        },
        description: description.get().trim().to_owned(),
        tags: words(&tags.get()),
        inputs: inputs.get().trim().to_owned(),
        outputs: outputs.get().trim().to_owned(),
    };
    let before = meta.info.as_deref().cloned().unwrap_or_default();
    let off = Signal::derive(move || {
        let now = now();
        group
            .refuses_operator()
            .or_else(|| {
                let error = now.check().into_iter().next()?;
                Some(format!("{}: {}", error.field, error.message))
            })
            .or_else(|| (now == before).then(|| "Nothing is changed.".to_owned()))
    });
    let toasts = use_toasts();
    let busy = RwSignal::new(None::<String>);
    let (id, version) = (meta.id.clone(), meta.version);
    let save = Callback::new(move |()| {
        let (id, info) = (id.clone(), untrack(now));
        busy.set(Some("Saving…".to_owned()));
        spawn_local(async move {
            let (wanted, info) = (&id, &info);
            let answer = group
                .act(|client| async move { client.describe_file(wanted, version, info).await })
                .await;
            match answer {
                Ok(written) => toasts.good(
                    format!("{} described", id.name),
                    format!("It is version {}.", written.version),
                ),
                Err(error) => {
                    toasts.trouble(&trouble(&format!("{} was not described", id.name), &error))
                }
            }
            let _ = busy.try_set(None);
        });
    });
    let choices: Vec<(String, String)> = ALL
        .iter()
        .map(|access| (access.name().to_owned(), access.name().to_owned()))
        .collect();
    let value = Signal::derive(move || access.get().name().to_owned());
    let pick = Callback::new(move |name: String| {
        if let Some(picked) = ALL.iter().find(|access| access.name() == name) {
            access.set(*picked);
        }
    });
    let of_roles = move || {
        (access.get() == Access::Restricted)
            .then(|| view! { <TextField label="Roles, with commas" value=roles/> })
    };
    view! {
        <div class="pad">
            <SelectField label="Who may see it" value=value choices=choices on_pick=pick/>
            {of_roles}
            <TextField label="Tags, with commas" value=tags/>
            <TextArea label="Description" value=description rows=2/>
            <TextArea label="Inputs" value=inputs rows=2/>
            <TextArea label="Outputs" value=outputs rows=2/>
            <Button small=true off=off busy=busy on_click=save>"Save what is said"</Button>
        </div>
    }
    .into_any()
}

/// The changeset that copies a file, or moves it, in one step.
pub(super) fn placing(group: &str, meta: &FileMeta, to: &FileId, moves: bool) -> ChangesetRequest {
    let mut operations = vec![Operation {
        id: to.clone(),
        sha256: Some(meta.sha256.clone()),
        size: meta.size,
        info: meta.info.clone(),
        ..Operation::default()
    }];
    if moves {
        operations.push(Operation {
            id: meta.id.clone(),
            expect: Some(meta.sha256.clone()),
            version: Some(meta.version),
            ..Operation::default()
        });
    }
    let verb = if moves { "moved" } else { "copied" };
    ChangesetRequest {
        plan: verb.to_owned(),
        source: group.to_owned(),
        operations,
        reason: format!("{verb} from {} to {}", meta.id.path(), to.path()),
    }
}

/// Commits a changeset that needs no contents, all of it or nothing.
pub(super) async fn place(group: &'static Group, request: &ChangesetRequest) -> Result<(), Error> {
    let set = group
        .act(|client| async move { client.open_changeset(request).await })
        .await?;
    let id = set.id.as_str();
    let done = group
        .act(|client| async move { client.commit_changeset(id).await })
        .await;
    if done.is_err() {
        // Nothing of it shall stay open; that it goes by itself in a day is enough where this fails.
        let _ = group
            .act(|client| async move { client.discard_changeset(id).await })
            .await;
    }
    done.map(|_| ())
}

fn placed(view: View, group: &'static Group, meta: &FileMeta) -> AnyView {
    let directory = RwSignal::new(meta.id.directory.clone());
    let name = RwSignal::new(meta.id.name.clone());
    let author = meta.id.author.clone();
    let to = move || {
        FileId::new(
            author.clone(),
            directory.with(|text| text.trim().to_owned()),
            name.with(|text| text.trim().to_owned()),
        )
    };
    let off = {
        let (to, here) = (to.clone(), meta.id.clone());
        Signal::derive(move || {
            let to = to();
            group
                .refuses_operator()
                .or_else(|| {
                    let error = to.check().into_iter().next()?;
                    Some(format!("{}: {}", error.field, error.message))
                })
                .or_else(|| (to == here).then(|| "Name another directory or file.".to_owned()))
        })
    };
    let toasts = use_toasts();
    let busy = RwSignal::new(None::<String>);
    let meta = meta.clone();
    let press = move |moves: bool| {
        let (to, meta) = (to.clone(), meta.clone());
        Callback::new(move |()| {
            let to = untrack(&to);
            let request = placing(&group.name, &meta, &to, moves);
            busy.set(Some(if moves { "Moving…" } else { "Copying…" }.to_owned()));
            let from = meta.id.name.clone();
            spawn_local(async move {
                match place(group, &request).await {
                    Ok(()) => {
                        toasts.good(
                            format!("{from} {}", request.plan),
                            format!("It is {}/{}.", to.directory, to.name),
                        );
                        view.go(|address| {
                            address.file = Some(to.path());
                            address.version = None;
                        });
                    }
                    Err(error) => toasts.trouble(&trouble(
                        &format!("{from} was not {}", request.plan),
                        &error,
                    )),
                }
                let _ = busy.try_set(None);
            });
        })
    };
    let (copy, moves) = (press(false), press(true));
    view! {
        <div class="pad">
            <TextField label="Directory" value=directory/>
            <TextField label="File name" value=name/>
            <Button small=true off=off busy=busy on_click=copy>"Copy"</Button>
            <Button small=true off=off busy=busy on_click=moves>"Move"</Button>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> FileMeta {
        FileMeta {
            id: FileId::new("ann", "risk", "limits.R"),
            version: 4,
            size: 3,
            sha256: "1".repeat(64),
            written_by: "ann".to_owned(),
            written_at: 0,
            info: Some(Box::new(FileInfo {
                access: Access::Shared,
                tags: vec!["risk".to_owned()],
                ..FileInfo::default()
            })),
        }
    }

    #[test]
    fn a_move_is_one_step_and_keeps_what_is_said() {
        let to = FileId::new("ann", "archive", "limits.R");
        let made = placing("east", &meta(), &to, true);
        assert!(made.check().is_empty());
        assert_eq!(made.operations.len(), 2);
        assert_eq!(made.operations[0].info, meta().info);
        assert_eq!(made.operations[0].expect, None, "nothing is overwritten");
        assert_eq!(made.operations[1].sha256, None);
        assert_eq!(made.operations[1].version, Some(4));
        assert_eq!(placing("east", &meta(), &to, false).operations.len(), 1);
    }

    #[test]
    fn what_is_said_is_told_in_a_line() {
        assert_eq!(told(&meta()), "shared, risk");
        assert_eq!(words(" a, ,b,  b"), ["a", "b"]);
    }
}
