//! One file: its content as text, its facts, its versions, and what can be done with it.

use crate::reactive::{Callback, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::repository::{FileId, FileMeta};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Files, View, is_r, objects, versions};
use crate::app::Route;
use crate::app::route::TasksView;
use crate::deployment::{Group, trouble};
use crate::ui::diff::diff_rows;
use crate::ui::format::{bytes, short_hash};
use crate::ui::{
    Button, ButtonLink, CodeView, Confirm, DiffView, Empty, ErrorBox, Icon, Skeleton, Trouble,
    Weight, facts, moment, use_toasts,
};

/// The largest content that is shown, bytes.
const LARGEST: u64 = 2 << 20;

/// Text, or why it is not shown as text.
pub(super) type Content = RwSignal<Option<Result<Option<String>, Trouble>>>;

/// Fetches a content as text.
pub(super) fn content(group: &'static Group, id: FileId, version: Option<i64>) -> Content {
    let content = RwSignal::new(None);
    spawn_local(async move {
        let wanted = &id;
        let found = group
            .act(|client| async move { client.read_file(wanted, version).await })
            .await;
        let found = found
            .map(|bytes| {
                String::from_utf8(bytes)
                    .ok()
                    .filter(|text| !text.contains('\0'))
            })
            .map_err(|error| trouble("The content cannot be shown", &error));
        let _ = content.try_set(Some(found));
    });
    content
}

/// The panel of the file in the address.
pub(super) fn panel(view: View, files: Files, path: String) -> AnyView {
    let meta = Memo::new(move |_| (files.all.with(Option::is_some), files.find(&path)));
    let version = Memo::new(move |_| {
        view.address.with(|address| {
            address
                .version
                .as_deref()
                .and_then(|version| version.parse::<i64>().ok())
        })
    });
    let body = move || {
        match meta.get() {
        (false, _) => view! { <Skeleton name="The file is being looked up"/> }.into_any(),
        (true, None) => view! { <Empty title="No such file" text="It was deleted, or it is in another group."/> }.into_any(),
        (true, Some(meta)) => whole(view, files, &meta, version.get()),
    }
    };
    view! { <section class="panel repo-file" aria-label="File">{body}</section> }.into_any()
}

fn whole(view: View, files: Files, meta: &FileMeta, version: Option<i64>) -> AnyView {
    let group = files.group;
    let shown = version.unwrap_or(meta.version);
    let old = shown != meta.version;
    let text = if meta.size > LARGEST && !old {
        RwSignal::new(Some(Ok(None)))
    } else {
        content(group, meta.id.clone(), Some(shown))
    };
    let (name, r) = (format!("{}, version {shown}", meta.id.name), is_r(&meta.id));
    let latest = old.then(|| content(group, meta.id.clone(), None));
    let differ = RwSignal::new(false);
    let compared = {
        let (name, present) = (name.clone(), meta.version);
        move || {
            let both = (text.get(), latest.and_then(|latest| latest.get()));
            let (Some(Ok(Some(before))), Some(Ok(Some(after)))) = both else {
                return view! { <Skeleton lines=6 name="The contents are being fetched"/> }
                    .into_any();
            };
            let opened = RwSignal::new(Vec::<usize>::new());
            let rows =
                Memo::new(move |_| opened.with(|opened| diff_rows(&before, &after, 3, opened)));
            let open = Callback::new(move |row: usize| opened.update(|opened| opened.push(row)));
            let (left, right) = (
                format!("Version {shown}"),
                format!("Version {present}, latest"),
            );
            view! { <DiffView rows=rows split=Signal::stored(true) r=r left=left right=right name=name.clone() on_open=open/> }.into_any()
        }
    };
    let held = objects::panel(&meta.id, vec![(group, Some(shown))]);
    let code = move || {
        if differ.get() {
            return compared();
        }
        match text.get() {
        None => view! { <Skeleton lines=6 name="The content is being fetched"/> }.into_any(),
        Some(Err(trouble)) => view! { <div class="pad"><ErrorBox trouble=trouble/></div> }.into_any(),
        Some(Ok(None)) => view! { <Empty title="Not shown as text" text="It is binary, or larger than 2 MB. Download it to look at it."/> }.into_any(),
        Some(Ok(Some(text))) => view! { <CodeView code=text r=r name=name.clone()/> }.into_any(),
    }
    };
    let off = Signal::derive(move || {
        group
            .refuses_operator()
            .or_else(|| old.then(|| "An old version is shown. Restore it first.".to_owned()))
    });
    let edit = Callback::new(move |()| view.go(|address| address.panel = Some("edit".to_owned())));
    let run = {
        let path = meta.id.path();
        move || {
            view.router.href(Route::Tasks(TasksView {
                panel: Some("run".to_owned()),
                script: Some(path.clone()),
                ..TasksView::default()
            }))
        }
    };
    let asking = RwSignal::new(false);
    let ask = Callback::new(move |()| asking.set(true));
    let question = {
        let meta = meta.clone();
        move || asking.get().then(|| delete(view, group, &meta, asking))
    };
    view! {
        <header class="panel-head"><h2>{meta.id.name.clone()}</h2><span class="muted">{format!("{} · version {shown}{}", meta.id.directory, if old { ", not the latest" } else { "" })}</span>
            <div class="end">
                {r.then(|| view! { <ButtonLink small=true icon=Icon::Tasks href=Signal::derive(run)>"Run"</ButtonLink> })}
                {old.then(|| view! { <Button small=true pressed=Signal::derive(move || Some(differ.get())) on_click=Callback::new(move |()| differ.update(|differ| *differ = !*differ))>"Compare with the latest"</Button> })}
                <Button small=true off=off reason_at="file-why" on_click=edit>"Edit"</Button>
                {download(group, meta.id.clone(), shown)}
                <Button small=true weight=Weight::Danger off=off reason_at="file-why" on_click=ask>"Delete"</Button>
            </div>
        </header>
        <span class="why-not file-why" id="file-why">{move || off.get()}</span>
        <div class="repo-code">{held}{code}</div>
        <div class="repo-foot">
            {facts(vec![
                ("Author", meta.id.author.clone().into_any()),
                ("Written", format!("{} by {}", moment(meta.written_at), meta.written_by).into_any()),
                ("Size", bytes(meta.size).into_any()),
                ("Seen by", super::about::told(meta).into_any()),
                ("SHA-256", view! { <span class="mono" title=meta.sha256.clone()>{short_hash(&meta.sha256)}</span> }.into_any()),
            ])}
            {versions::panel(view, files, meta, shown)}
            {(!old).then(|| super::about::panel(view, group, meta))}
        </div>
        {question}
    }
    .into_any()
}

fn download(group: &'static Group, id: FileId, version: i64) -> AnyView {
    let toasts = use_toasts();
    let press = Callback::new(move |()| {
        let id = id.clone();
        spawn_local(async move {
            let wanted = &id;
            let link = group.act(|client| async move {
                let link = client.file_link(wanted, Some(version)).await?;
                Ok([client.base(), &link.path].concat())
            });
            match link.await {
                // The server answers with an attachment: the page stays.
                Ok(url) => drop(window().location().set_href(&url)),
                Err(error) => toasts.trouble(&trouble("The file cannot be fetched", &error)),
            }
        });
    });
    view! { <Button small=true icon=Icon::Download name="Download" on_click=press/> }.into_any()
}

fn delete(view: View, group: &'static Group, meta: &FileMeta, asking: RwSignal<bool>) -> AnyView {
    let toasts = use_toasts();
    let (id, version) = (meta.id.clone(), meta.version);
    let busy = RwSignal::new(None::<String>);
    let close = Callback::new(move |()| asking.set(false));
    let confirm = Callback::new(move |_: String| {
        let id = id.clone();
        busy.set(Some("Deleting…".to_owned()));
        spawn_local(async move {
            let wanted = &id;
            match group
                .act(|client| async move { client.delete_file(wanted, version).await })
                .await
            {
                Ok(()) => {
                    toasts.good(
                        format!("{} deleted", id.name),
                        "Its versions stay; write it anew to have it back.",
                    );
                    view.go(|address| {
                        address.file = None;
                        address.version = None;
                    });
                }
                Err(error) => {
                    toasts.trouble(&trouble(&format!("{} was not deleted", id.name), &error))
                }
            }
            let _ = busy.try_set(None);
            let _ = asking.try_set(false);
        });
    });
    let name = meta.id.name.clone();
    view! {
        <Confirm title=format!("Delete {name} from {}?", group.name) verb="Delete" keep="Keep it" danger=true typed=name busy=busy on_confirm=confirm on_close=close>
            <p>"Scripts that source it, and programs that call it, will fail. Other groups keep their copies."</p>
        </Confirm>
    }
    .into_any()
}
