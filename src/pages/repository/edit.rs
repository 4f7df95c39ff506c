//! Writing a file: a new one, or a new version of one. If someone else wrote meanwhile, both texts are shown and nothing is lost.

use crate::reactive::{Callback, Effect, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::Code;
use gridhelm_api::repository::{FileId, FileMeta};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::file::content;
use super::{Files, View, is_r};
use crate::deployment::trouble;
use crate::ui::diff::diff_rows;
use crate::ui::{
    Button, CodeEdit, DiffView, Drawer, ErrorBox, Hint, Skeleton, TextField, Trouble, Weight,
    next_id, use_toasts,
};

/// The drawer; for a new file when none is given.
pub(super) fn drawer(view: View, files: Files, file: Option<FileMeta>) -> AnyView {
    let group = files.group;
    let is_new = file.is_none();
    let author = group.session.with_untracked(|session| {
        session
            .as_ref()
            .map(|session| session.username.clone())
            .unwrap_or_default()
    });
    let id = file.as_ref().map(|file| file.id.clone());
    let directory = RwSignal::new(
        id.as_ref()
            .map(|id| id.directory.clone())
            .unwrap_or_default(),
    );
    let name = RwSignal::new(id.as_ref().map(|id| id.name.clone()).unwrap_or_default());
    let message = RwSignal::new(String::new());
    let text = RwSignal::new(String::new());
    let version = RwSignal::new(file.as_ref().map(|file| file.version));
    let loaded = RwSignal::new(is_new);
    let fault = RwSignal::new(None::<Trouble>);
    let theirs = RwSignal::new(None::<(i64, String)>);
    let busy = RwSignal::new(None::<String>);
    let toasts = use_toasts();
    if let Some(file) = &file {
        let found = content(group, file.id.clone(), Some(file.version));
        Effect::new(move |_| match found.get() {
            Some(Ok(Some(content))) => {
                text.set(content);
                loaded.set(true);
            }
            Some(Ok(None)) => fault.set(Some(Trouble {
                title: "Not a text".to_owned(),
                detail: "Upload a new version instead.".to_owned(),
                ..Trouble::default()
            })),
            Some(Err(trouble)) => fault.set(Some(trouble)),
            None => {}
        });
    }
    let target = move || {
        id.clone().unwrap_or_else(|| {
            FileId::new(
                author.clone(),
                directory.with(|text| text.trim().to_owned()),
                name.with(|text| text.trim().to_owned()),
            )
        })
    };
    let off = {
        let target = target.clone();
        Signal::derive(move || {
            group
                .refuses_operator()
                .or_else(|| (!loaded.get()).then(|| "The content is not here yet.".to_owned()))
                .or_else(|| {
                    target().check().into_iter().next().map(|error| {
                        format!(
                            "{}: {}",
                            if error.field == "name" {
                                "File name"
                            } else {
                                "Directory"
                            },
                            error.message
                        )
                    })
                })
        })
    };
    let close = Callback::new(move |()| view.go(|address| address.panel = None));
    let save = {
        let target = target.clone();
        Callback::new(move |()| {
            let id = untrack(&target);
            let (note, content, seen) = (
                message.get_untracked(),
                text.get_untracked(),
                version.get_untracked(),
            );
            busy.set(Some("Saving…".to_owned()));
            fault.set(None);
            spawn_local(async move {
                let (wanted, note, content) = (&id, note.trim(), &content);
                match group
                    .act(|client| async move {
                        client
                            .write_file(wanted, seen, note, content.clone().into_bytes())
                            .await
                    })
                    .await
                {
                    Ok(written) => {
                        toasts.good(
                            format!("{} saved", written.id.name),
                            format!("Version {} of {}.", written.version, group.name),
                        );
                        let path = written.id.path();
                        view.go(|address| {
                            address.panel = None;
                            address.version = None;
                            address.file = Some(path.clone());
                        });
                    }
                    Err(error) => {
                        if error.problem().is_some_and(|problem| {
                            matches!(problem.code, Code::VersionMismatch | Code::AlreadyExists)
                        }) {
                            compare(files, id.clone(), theirs).await;
                        }
                        let _ = fault.try_set(Some(trouble(
                            &format!("{} was not saved; your text is still here", id.name),
                            &error,
                        )));
                    }
                }
                let _ = busy.try_set(None);
            });
        })
    };
    let why = next_id("why");
    let footer = {
        let why = why.clone();
        move || {
            let why = why.clone();
            view! {
                <span class="why-not grow" id=why.clone() aria-live="polite">{move || off.get()}</span>
                <Button on_click=close>"Cancel"</Button>
                <Button weight=Weight::Primary off=off reason_at=why busy=busy on_click=save>"Save"</Button>
            }
        }
    };
    let r = Signal::derive(move || is_r(&target()));
    let place = is_new.then(|| {
        view! {
            <div class="form-row">
                <TextField label="Directory" value=directory placeholder="regression" limit=200 hint=Hint::Plain("Made with its first file; gone with its last".to_owned())/>
                <TextField label="File name" value=name placeholder="model.R" limit=200/>
            </div>
        }
    });
    let editor = move || {
        if loaded.get() {
            view! { <CodeEdit value=text r=r name="Content"/> }.into_any()
        } else {
            view! { <Skeleton name="The content is being fetched"/> }.into_any()
        }
    };
    let both = move || {
        theirs.get().map(|(number, content)| {
            let rows = Memo::new(move |_| diff_rows(&content, &text.get(), 3, &[]));
            let take = Callback::new(move |()| { version.set(Some(number)); theirs.set(None); fault.set(None); });
            view! {
                <div class="field"><span class="lbl">"What changed meanwhile"</span>
                    <div class="scroll both" tabindex="0" role="region" aria-label="What changed meanwhile"><DiffView rows=rows split=false r=r left=format!("saved, version {number}") right="yours" name="Both texts"/></div>
                    <div><Button small=true on_click=take>"Save mine over it"</Button></div>
                </div>
            }
        })
    };
    let title = file.map_or_else(
        || format!("New file in {}", group.name),
        |file| format!("Edit {}", file.id.name),
    );
    view! {
        <Drawer title=title text="A save makes a new version; the old ones stay." on_close=close footer=footer>
            {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
            {both}
            {place}
            <div class="field editor"><span class="lbl" aria-hidden="true">"Content"</span>{editor}</div>
            <TextField label="What for" value=message placeholder="Shown with the version" limit=200/>
        </Drawer>
    }
    .into_any()
}

/// Fetches what is saved now, so that both can be seen.
async fn compare(files: Files, id: FileId, theirs: RwSignal<Option<(i64, String)>>) {
    let wanted = &id;
    let group = files.group;
    let Ok(meta) = group
        .act(|client| async move { client.file(wanted).await })
        .await
    else {
        return;
    };
    let Ok(content) = group
        .act(|client| async move { client.read_file(wanted, Some(meta.version)).await })
        .await
    else {
        return;
    };
    if let Ok(text) = String::from_utf8(content) {
        let _ = theirs.try_set(Some((meta.version, text)));
    }
}
