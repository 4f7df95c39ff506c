//! The backups of a group's active server: made, downloaded, removed.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::account::Role;
use gridhelm_api::upkeep::{BackupFile, Backups};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::Known;
use super::words;
use crate::deployment::trouble;
use crate::ui::{
    Button, Confirm, Empty, ErrorBox, Glyph, Icon, Panel, Skeleton, Tag, Trouble, Weight, format,
    moment, use_toasts,
};

/// The panel.
pub(super) fn panel(known: Known) -> AnyView {
    let group = known.group;
    let removing = RwSignal::new(None::<BackupFile>);
    let busy = RwSignal::new(None::<String>);
    let toasts = use_toasts();
    let off = Signal::derive(move || {
        let running = known
            .backups
            .with(|said| said.as_ref().is_some_and(|said| said.running.is_some()));
        let nowhere = known
            .backups
            .with(|said| said.as_ref().is_some_and(|said| said.folder.is_none()));
        group
            .write_off(Role::Admin)
            .or_else(|| running.then(|| "One is being made.".to_owned()))
            .or_else(|| nowhere.then(|| "No folder is configured.".to_owned()))
    });
    let make = Callback::new(move |()| {
        busy.set(Some("Beginning…".to_owned()));
        known.fault.set(None);
        spawn_local(async move {
            let begun = group
                .act(|client| async move { client.make_backup().await })
                .await;
            let _ = busy.try_set(None);
            match begun {
                Ok(_) => known.look(),
                Err(error) => toasts.trouble(&trouble("No backup was begun", &error)),
            }
        });
    });
    let head = move || {
        view! { <Button small=true weight=Weight::Primary off=off busy=busy on_click=make>"Back up now"</Button> }.into_any()
    };
    let body = move || {
        if !known.group.is_admin() {
            return view! { <Empty picture=Icon::Lock title="For admins" text="A backup holds the nodes' passwords and the key that signs tokens."/> }.into_any();
        }
        known.backups.with(|said| match said {
            None => view! { <Skeleton lines=3 name="Reading the backups"/> }.into_any(),
            Some(said) => content(said, removing, known),
        })
    };
    let title = format!("Backups of {}", group.name);
    view! {
        <Panel title=title end=head>{body}</Panel>
        {move || removing.get().map(|file| remove(known, file, removing))}
    }
    .into_any()
}

fn content(said: &Backups, removing: RwSignal<Option<BackupFile>>, known: Known) -> AnyView {
    let failed = said.failed.as_ref().map(|failed| {
        let trouble = Trouble {
            title: "The last backup was not made".to_owned(),
            detail: failed.why.clone(),
            advice: format!(
                "Asked for by {}, {}. Mend that, then make one now.",
                failed.by,
                moment(failed.at)
            ),
            ..Trouble::default()
        };
        view! { <ErrorBox trouble=trouble/> }
    });
    let running = said.running.as_ref().map(|run| {
        let (stage, progress) = (words::stage(run), words::progress(run));
        view! { <p class="pad" role="status"><Tag state=Glyph::Now shape=true>{stage}</Tag>" "{progress}</p> }
    });
    let list = if said.items.is_empty() {
        view! { <Empty title="No backup yet" text="Make one now; [backup] in the server's configuration has one made every day."/> }.into_any()
    } else {
        table(&said.items, removing, known)
    };
    view! {
        {failed}
        {running}
        {list}
        <p class="pad muted">{words::place(said)}</p>
    }
    .into_any()
}

fn table(items: &[BackupFile], removing: RwSignal<Option<BackupFile>>, known: Known) -> AnyView {
    let row = move |file: &BackupFile| {
        let own = file.clone();
        let label = format!("Remove {}", file.name);
        let verified = match &file.fault {
            None => view! { <Tag state=Glyph::Pass shape=true>"read back"</Tag> }.into_any(),
            Some(fault) => {
                let fault = fault.clone();
                view! { <span title=fault><Tag state=Glyph::Fail shape=true>"cannot be used"</Tag></span> }.into_any()
            }
        };
        view! {
            <tr>
                <td class="mono">{file.name.clone()}</td>
                <td>{file.made_at.map(moment)}</td>
                <td>{file.made_by.clone()}</td>
                <td class="num">{format::bytes(file.size)}</td>
                <td>{verified}</td>
                <td class="num">{download(known, file)}<Button small=true icon=Icon::Remove name=label on_click=Callback::new(move |()| removing.set(Some(own.clone())))/></td>
            </tr>
        }
        .into_any()
    };
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label="Table of the backups">
        <table class="tbl">
            <thead><tr><th scope="col">"File"</th><th scope="col">"Made"</th><th scope="col">"By"</th><th scope="col" class="num">"Size"</th><th scope="col">"Verified"</th><th scope="col"><span class="sr">"Download or remove it"</span></th></tr></thead>
            <tbody>{items.iter().map(row).collect_view()}</tbody>
        </table>
        </div>
    }
    .into_any()
}

fn download(known: Known, file: &BackupFile) -> AnyView {
    let toasts = use_toasts();
    let group = known.group;
    let name = file.name.clone();
    let label = format!("Download {name}");
    let press = Callback::new(move |()| {
        let name = name.clone();
        spawn_local(async move {
            let wanted = name.as_str();
            let link = group.act(|client| async move {
                let link = client.backup_link(wanted).await?;
                Ok([client.base(), &link.path].concat())
            });
            match link.await {
                // The server answers with an attachment: the page stays.
                Ok(url) => drop(window().location().set_href(&url)),
                Err(error) => toasts.trouble(&trouble("The backup cannot be fetched", &error)),
            }
        });
    });
    view! { <Button small=true icon=Icon::Download name=label on_click=press/> }.into_any()
}

fn remove(known: Known, file: BackupFile, removing: RwSignal<Option<BackupFile>>) -> AnyView {
    let busy = RwSignal::new(None::<String>);
    let fault = RwSignal::new(None::<Trouble>);
    let toasts = use_toasts();
    let group = known.group;
    let close = Callback::new(move |()| removing.set(None));
    let name = file.name.clone();
    let confirm = Callback::new(move |_: String| {
        let name = name.clone();
        busy.set(Some("Removing…".to_owned()));
        spawn_local(async move {
            let wanted = name.as_str();
            let done = group
                .act(|client| async move { client.remove_backup(wanted).await })
                .await;
            let _ = busy.try_set(None);
            match done {
                Ok(()) => {
                    toasts.good(format!("{name} was removed"), "It cannot be brought back.");
                    known.look();
                    let _ = removing.try_set(None);
                }
                Err(error) => {
                    let told = trouble(&format!("{name} was not removed"), &error);
                    let _ = fault.try_set(Some(told));
                }
            }
        });
    });
    view! {
        <Confirm title=format!("Remove {}?", file.name) verb="Remove it" keep="Keep it" danger=true typed=group.name.clone() busy=busy on_confirm=confirm on_close=close>
            <p>{format!("The file of {} goes from the server's host. This cannot be taken back.", format::bytes(file.size))}</p>
            {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
        </Confirm>
    }
    .into_any()
}
