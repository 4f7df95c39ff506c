//! What a task says and leaves: console output, plots and files, values. All of it is text or bytes of users: never HTML.

use std::sync::Arc;

use crate::reactive::{Callback, Effect, RwSignal};
use crate::ui::view;
use gridhelm_api::task::{Artifact, Task};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsValue;

use super::words;
use crate::deployment::{Group, trouble};
use crate::ui::format::bytes;
use crate::ui::{Button, ErrorBox, Icon, Trouble, use_toasts};

/// The console, live: follows the end unless someone scrolled up.
pub(super) fn console(group: &'static Group, task: &Task) -> AnyView {
    let id = task.id.clone();
    let kept = group.watch_console(&id);
    let fault = RwSignal::new(None::<Trouble>);
    {
        let id = id.clone();
        spawn_local(async move {
            let wanted = id.as_str();
            match group
                .act(|client| async move { client.console(wanted, 0).await })
                .await
            {
                Ok(chunks) => group.append_console(&id, chunks),
                Err(error) => {
                    let _ = fault.try_set(Some(trouble("The output cannot be shown", &error)));
                }
            }
        });
    }
    {
        let id = id.clone();
        on_cleanup(move || group.unwatch_console(&id));
    }
    let root = NodeRef::<leptos::html::Div>::new();
    let (follows, drawn) = (StoredValue::new(true), kept.clone());
    Effect::new(move |_| {
        drawn.track();
        // After the new text is laid out.
        request_animation_frame(move || {
            // The task may have been shown anew, or left, by then.
            let here = follows.try_get_value().unwrap_or(false);
            if let Some(root) = root.try_get_untracked().flatten().filter(|_| here) {
                root.set_scroll_top(root.scroll_height());
            }
        });
    });
    let scrolled = move |_| {
        if let Some(root) = root.get_untracked() {
            follows
                .set_value(root.scroll_top() + root.client_height() + 24 >= root.scroll_height());
        }
    };
    let is_final = task.state.is_final();
    let text = move || {
        let runs = kept.with(|chunks| words::runs(chunks));
        if runs.is_empty() {
            let word = if is_final {
                "It printed nothing."
            } else {
                "No output yet."
            };
            return view! { <span class="con-system">{word}</span> }.into_any();
        }
        runs.into_iter()
            .map(|(kind, text)| view! { <span class=words::console_class(kind)>{text}</span> })
            .collect_view()
            .into_any()
    };
    view! {
        {move || fault.get().map(|trouble| view! { <section><ErrorBox trouble=trouble/></section> })}
        <div class="con" role="log" aria-label="Console output" tabindex="0" node_ref=root on:scroll=scrolled><pre>{text}</pre></div>
    }
    .into_any()
}

/// Plots as pictures, files as downloads.
pub(super) fn artifacts(group: &'static Group, task: &Task) -> AnyView {
    let (plots, files): (Vec<&Artifact>, Vec<&Artifact>) =
        task.artifacts.iter().partition(|artifact| artifact.plot);
    if task.artifacts.is_empty() {
        let text = if task.state.is_final() {
            "It left no plots and no files."
        } else {
            "Plots and files are fetched when it ends."
        };
        return view! { <section><p class="muted">{text}</p></section> }.into_any();
    }
    let id: Arc<str> = task.id.as_str().into();
    let pictures = plots
        .iter()
        .enumerate()
        .map(|(index, artifact)| plot(group, &id, artifact, index + 1))
        .collect_view();
    let files = (!files.is_empty()).then(|| {
        let row = |artifact: &&Artifact| {
            view! { <li><span class="mono grow">{artifact.name.clone()}</span><span class="muted">{bytes(artifact.size)}</span>{download(group, Arc::clone(&id), artifact.name.clone())}</li> }
        };
        view! { <section><h3>"Files"</h3><ul class="files">{files.iter().map(row).collect_view()}</ul></section> }
    });
    view! { {pictures}{files} }.into_any()
}

/// One plot: fetched with the token, shown from memory.
fn plot(group: &'static Group, task: &Arc<str>, artifact: &Artifact, number: usize) -> AnyView {
    let source = RwSignal::new(None::<String>);
    let fault = RwSignal::new(None::<Trouble>);
    let (id, name) = (Arc::clone(task), artifact.name.clone());
    spawn_local(async move {
        let (id, name) = (&*id, name.as_str());
        match group
            .act(|client| async move { client.artifact(id, name).await })
            .await
        {
            Ok(content) => {
                // Gone meanwhile? Then the address is given back at once.
                if let Some(url) = object_url(&content, "image/png")
                    && source.try_set(Some(url.clone())).is_some()
                {
                    let _ = web_sys::Url::revoke_object_url(&url);
                }
            }
            Err(error) => {
                let _ = fault.try_set(Some(trouble("The plot cannot be shown", &error)));
            }
        }
    });
    on_cleanup(move || {
        if let Some(url) = source.try_get_untracked().flatten() {
            let _ = web_sys::Url::revoke_object_url(&url);
        }
    });
    let picture = move || match (source.get(), fault.get()) {
        (Some(url), _) => view! { <img src=url alt=format!("Plot {number}")/> }.into_any(),
        (None, Some(trouble)) => view! { <ErrorBox trouble=trouble/> }.into_any(),
        (None, None) => {
            view! { <p class="muted" role="status">"Fetching the plot…"</p> }.into_any()
        }
    };
    view! {
        <section><figure class="plot">{picture}<figcaption><span class="mono grow">{artifact.name.clone()}</span><span class="muted">{bytes(artifact.size)}</span>{download(group, Arc::clone(task), artifact.name.clone())}</figcaption></figure></section>
    }
    .into_any()
}

/// An address of bytes in memory; PNG is fixed by us, whatever the bytes are: an image element runs nothing.
fn object_url(content: &[u8], kind: &str) -> Option<String> {
    let parts = js_sys::Array::of1(&JsValue::from(js_sys::Uint8Array::from(content)));
    let options = web_sys::BlobPropertyBag::new();
    options.set_type(kind);
    let blob = web_sys::Blob::new_with_u8_array_sequence_and_options(&parts, &options).ok()?;
    web_sys::Url::create_object_url_with_blob(&blob).ok()
}

fn download(group: &'static Group, task: Arc<str>, name: String) -> AnyView {
    let toasts = use_toasts();
    let label = format!("Download {name}");
    let press = Callback::new(move |()| {
        let (task, name) = (Arc::clone(&task), name.clone());
        spawn_local(async move {
            let (id, file) = (&*task, name.as_str());
            let link = group.act(|client| async move {
                let link = client.artifact_link(id, file).await?;
                Ok([client.base(), &link.path].concat())
            });
            match link.await {
                // The server answers with an attachment: the page stays.
                Ok(url) => drop(window().location().set_href(&url)),
                Err(error) => toasts.trouble(&trouble("The file cannot be fetched", &error)),
            }
        });
    });
    view! { <Button small=true icon=Icon::Download name=label on_click=press/> }.into_any()
}

/// The values: the last visible one, and the outputs that were asked for.
pub(super) fn results(task: &Task) -> AnyView {
    let value = |name: String, value: &serde_json::Value| {
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        view! { <section><h3>{name}</h3><div class="con con--value" tabindex="0" role="region" aria-label="Value"><pre>{text}</pre></div></section> }
    };
    let last = task
        .value
        .as_ref()
        .map(|last| value("Value".to_owned(), last));
    let outputs = task
        .outputs
        .iter()
        .map(|(name, output)| value(name.clone(), output))
        .collect_view();
    let none = (task.value.is_none() && task.outputs.is_empty()).then(|| view! { <section><p class="muted">"No value was kept. Name outputs when you run it."</p></section> });
    view! { {none}{last}{outputs} }.into_any()
}
