//! Uploading files: chosen or dropped, each with its own outcome.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::repository::FileId;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;

use super::{Files, View, large};
use crate::deployment::trouble;
use crate::ui::format::bytes;
use crate::ui::{Button, Drawer, Glyph, Hint, TextField, Weight, glyph, next_id};

/// One file of the upload.
#[derive(Clone)]
struct Item {
    file: StoredValue<web_sys::File, LocalStorage>,
    name: String,
    size: f64,
    outcome: RwSignal<Option<Result<String, String>>>,
    /// How far a large one has come.
    at: RwSignal<String>,
}

/// The drawer.
pub(super) fn drawer(view: View, files: Files) -> AnyView {
    let group = files.group;
    let directory = RwSignal::new(
        view.address
            .with_untracked(|address| address.directory.clone().unwrap_or_default()),
    );
    let items = RwSignal::new(Vec::<Item>::new());
    let busy = RwSignal::new(None::<String>);
    let take = move |list: Option<web_sys::FileList>| {
        let Some(list) = list else { return };
        items.update(|items| {
            for file in (0..list.length()).filter_map(|index| list.get(index)) {
                items.push(Item {
                    name: file.name(),
                    size: file.size(),
                    outcome: RwSignal::new(None),
                    at: RwSignal::new("waits".to_owned()),
                    file: StoredValue::new_local(file),
                });
            }
        });
    };
    let picked = move |event: web_sys::Event| {
        let input = event
            .target()
            .and_then(|target| target.dyn_into::<web_sys::HtmlInputElement>().ok());
        take(input.and_then(|input| input.files()));
    };
    let dropped = move |event: web_sys::DragEvent| {
        event.prevent_default();
        take(event.data_transfer().and_then(|transfer| transfer.files()));
    };
    let author = group.session.with_untracked(|session| {
        session
            .as_ref()
            .map(|session| session.username.clone())
            .unwrap_or_default()
    });
    let off = {
        let author = author.clone();
        Signal::derive(move || {
            let waiting = items.with(|items| {
                items
                    .iter()
                    .filter(|item| item.outcome.with(Option::is_none))
                    .count()
            });
            group
                .refuses_operator()
                .or_else(|| {
                    let wrong = items.with(|items| {
                        items.iter().find_map(|item| {
                            FileId::new(
                                author.clone(),
                                directory.with(|text| text.trim().to_owned()),
                                item.name.clone(),
                            )
                            .check()
                            .into_iter()
                            .next()
                        })
                    });
                    wrong.map(|error| {
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
                .or_else(|| (waiting == 0).then(|| "Choose files first.".to_owned()))
        })
    };
    let close = Callback::new(move |()| view.go(|address| address.panel = None));
    let send = Callback::new(move |()| {
        let (author, directory, items) = (
            author.clone(),
            directory.get_untracked().trim().to_owned(),
            items.get_untracked(),
        );
        busy.set(Some("Uploading…".to_owned()));
        spawn_local(async move {
            for item in items
                .into_iter()
                .filter(|item| item.outcome.with_untracked(Option::is_none))
            {
                let outcome = upload(
                    files,
                    FileId::new(author.clone(), directory.clone(), item.name.clone()),
                    &item,
                )
                .await;
                let _ = item.outcome.try_set(Some(outcome));
            }
            let _ = busy.try_set(None);
        });
    });
    let row = |item: Item| {
        let (outcome, at) = (item.outcome, item.at);
        let words = move || match outcome.get() {
            None => view! { <span class="muted">{at.get()}</span> }.into_any(),
            Some(Ok(words)) => view! { {glyph(Glyph::Pass)}<span>{words}</span> }.into_any(),
            Some(Err(words)) => {
                view! { {glyph(Glyph::Fail)}<span class="t-lost">{words}</span> }.into_any()
            }
        };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a file's size is a whole number from 0"
        )]
        let size = bytes(item.size as u64);
        view! { <li><span class="mono grow">{item.name.clone()}</span><span class="muted">{size}</span><span class="st">{words}</span></li> }
    };
    let why = next_id("why");
    let footer = {
        let why = why.clone();
        move || {
            let why = why.clone();
            view! {
                <span class="why-not grow" id=why.clone() aria-live="polite">{move || off.get()}</span>
                <Button on_click=close>"Close"</Button>
                <Button weight=Weight::Primary off=off reason_at=why busy=busy on_click=send>"Upload files"</Button>
            }
        }
    };
    view! {
        <Drawer title=format!("Upload to {}", group.name) text="A file that is there already gets a new version." on_close=close footer=footer>
            <TextField label="Directory" value=directory placeholder="forecast" limit=200 hint=Hint::Plain("Made with its first file; gone with its last".to_owned())/>
            <div class="drop" on:dragover=|event: web_sys::DragEvent| event.prevent_default() on:drop=dropped>
                <label class="lbl" for="upload-files">"Files"</label>
                <input id="upload-files" type="file" multiple=true on:change=picked/>
                <p class="hint">"Or drop them here. Large ones come in parts: after a break, choose the same file again, and it goes on."</p>
            </div>
            <ul class="files">{move || items.get().into_iter().map(row).collect_view()}</ul>
        </Drawer>
    }
    .into_any()
}

/// Writes one file; the version that is there now is the one that is replaced.
async fn upload(files: Files, id: FileId, item: &Item) -> Result<String, String> {
    if item.size > large::LARGE {
        let present = untrack(|| files.find(&id.path()));
        let file = item.file.with_value(Clone::clone);
        let at = |words: String| drop(item.at.try_set(words));
        let sent = large::upload(files.group, &id, &file, present, at).await;
        return match sent {
            Ok(()) => Ok("written".to_owned()),
            Err(large::Fault::Words(words)) => Err(words.to_owned()),
            Err(large::Fault::Client(error)) => Err(trouble("", &error).detail),
        };
    }
    let buffer = JsFuture::from(item.file.with_value(|file| file.array_buffer()))
        .await
        .map_err(|_| "the browser cannot read it".to_owned())?;
    let content = js_sys::Uint8Array::new(&buffer).to_vec();
    let present = untrack(|| files.find(&id.path())).map(|file| file.version);
    let (wanted, content) = (&id, &content);
    let written = files
        .group
        .act(|client| async move {
            client
                .write_file(wanted, present, "uploaded", content.clone())
                .await
        })
        .await;
    written
        .map(|file| format!("version {}", file.version))
        .map_err(|error| {
            let trouble = trouble("", &error);
            if trouble.request_id.is_empty() {
                trouble.detail
            } else {
                format!("{} (request {})", trouble.detail, trouble.request_id)
            }
        })
}
