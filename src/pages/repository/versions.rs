//! The versions of a file: to look at, to compare with the latest, to restore.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::repository::{FileMeta, FileVersion};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Files, View};
use crate::deployment::{Group, trouble};
use crate::ui::format::bytes;
use crate::ui::{Button, ErrorBox, Trouble, moment, use_toasts};

/// The table, newest first.
pub(super) fn panel(view: View, files: Files, meta: &FileMeta, shown: i64) -> AnyView {
    let group = files.group;
    let found = RwSignal::new(Vec::<FileVersion>::new());
    let fault = RwSignal::new(None::<Trouble>);
    let id = meta.id.clone();
    spawn_local(async move {
        let wanted = &id;
        match group
            .act(|client| async move { client.versions(wanted).await })
            .await
        {
            Ok(versions) => drop(found.try_set(versions)),
            Err(error) => {
                drop(fault.try_set(Some(trouble("The versions cannot be listed", &error))))
            }
        }
    });
    let meta = meta.clone();
    let rows = move || {
        let rows = found.get();
        rows.iter()
            .map(|version| row(view, group, &meta, version, shown))
            .collect_view()
    };
    view! {
        {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
        <div class="scroll versions" tabindex="0" role="region" aria-label="Versions">
            <table class="tbl">
                <thead><tr><th scope="col">"Version"</th><th scope="col">"Written"</th><th scope="col">"By"</th><th scope="col" class="num">"Size"</th><th scope="col">"What for"</th><th scope="col"><span class="sr">"Actions"</span></th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(
    view: View,
    group: &'static Group,
    meta: &FileMeta,
    version: &FileVersion,
    shown: i64,
) -> AnyView {
    let number = version.version;
    let latest = number == meta.version;
    let look = Callback::new(move |()| {
        view.go(|address| address.version = (!latest).then(|| number.to_string()))
    });
    let actions = if version.deleted {
        view! { <span class="muted">"deletion"</span> }.into_any()
    } else {
        let restore = (!latest).then(|| restore(view, group, meta, number));
        let look = (number != shown).then(|| view! { <Button small=true on_click=look>{format!("View version {number}")}</Button> });
        view! { {look}" "{restore} }.into_any()
    };
    let size = if version.deleted {
        String::new()
    } else {
        bytes(version.size)
    };
    view! {
        <tr aria-selected=(number == shown).then_some("true")>
            <td>{format!("v{number}")}{latest.then_some(", latest")}</td><td class="ink2">{moment(version.written_at)}</td><td class="ink2">{version.written_by.clone()}</td>
            <td class="num ink2">{size}</td><td class="ink2">{version.message.clone()}</td><td class="right">{actions}</td>
        </tr>
    }
    .into_any()
}

fn restore(view: View, group: &'static Group, meta: &FileMeta, number: i64) -> AnyView {
    let toasts = use_toasts();
    let busy = RwSignal::new(None::<String>);
    let off = Signal::derive(move || group.refuses_operator());
    let (id, present) = (meta.id.clone(), meta.version);
    let press = Callback::new(move |()| {
        let id = id.clone();
        busy.set(Some("Restoring…".to_owned()));
        spawn_local(async move {
            let wanted = &id;
            match group
                .act(|client| async move { client.restore(wanted, number, Some(present)).await })
                .await
            {
                Ok(written) => {
                    toasts.good(
                        format!("{} restored", id.name),
                        format!(
                            "Version {} has the content of version {number}.",
                            written.version
                        ),
                    );
                    view.go(|address| address.version = None);
                }
                Err(error) => {
                    toasts.trouble(&trouble(&format!("{} was not restored", id.name), &error))
                }
            }
            let _ = busy.try_set(None);
        });
    });
    view! { <Button small=true off=off busy=busy on_click=press>{format!("Restore version {number}")}</Button> }.into_any()
}
