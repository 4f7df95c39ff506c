//! The accounts of a group, for its admins: new ones, roles, who is shut out, sign-ins ended.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::account::{Account, AccountDraft, AccountPatch, Role};
use leptos::prelude::*;

use super::form::{self, Sending, bad_password};
use super::{Known, View};
use crate::ui::format::counted;
use crate::ui::{
    Button, CheckField, Empty, ErrorBox, Glyph, Icon, Panel, SelectField, Skeleton, Tag, TextField,
    moment, use_toasts,
};

/// The roles and what they may do.
fn roles() -> Vec<(String, String)> {
    [
        (Role::Viewer, "Viewer: sees everything, changes nothing"),
        (Role::Operator, "Operator: tasks, files, nodes, switches"),
        (Role::Admin, "Admin: accounts, too"),
    ]
    .map(|(role, words)| (role.name().to_owned(), words.to_owned()))
    .to_vec()
}

/// The role of that name; the least one for another.
fn role(name: &str) -> Role {
    match name {
        "admin" => Role::Admin,
        "operator" => Role::Operator,
        _ => Role::Viewer,
    }
}

/// The panel.
pub(super) fn panel(view: View, known: Known) -> AnyView {
    let group = known.group;
    let title = format!("Accounts of {}", group.name);
    let off = Signal::derive(move || group.write_off(Role::Admin));
    let end = move || {
        view! { <Button small=true icon=Icon::Plus off=off on_click=Callback::new(move |()| view.open(group, "new", None))>"New account"</Button> }
            .into_any()
    };
    let body = move || {
        if let Some(fault) = known.fault.get() {
            return view! { <div class="pad"><ErrorBox trouble=fault/></div> }.into_any();
        }
        if !known.group.is_admin() {
            return view! { <Empty picture=Icon::Lock title="Accounts are managed by admins" text="Your own password and tokens are below."/> }.into_any();
        }
        known.accounts.with(|accounts| match accounts {
            None => view! { <Skeleton lines=3 name="Reading the accounts"/> }.into_any(),
            Some(accounts) => table(view, known, accounts),
        })
    };
    view! {
        <Panel title=title end=end>{body}</Panel>
        {move || view.shows(group, "new").then(|| create(view, known))}
        {move || view.shows(group, "edit").then(|| edit(view, known))}
    }
    .into_any()
}

fn table(view: View, known: Known, accounts: &[Account]) -> AnyView {
    let row = move |account: &Account| {
        let name = account.username.clone();
        let me = known.me().as_ref() == Some(&name);
        let state = if account.disabled {
            view! { <Tag state=Glyph::Lost>"Shut out"</Tag> }.into_any()
        } else {
            let kept = known.lockouts.with(|lockouts| {
                let own = |l: &&gridhelm_api::account::Lockout| {
                    l.username.as_deref() == Some(name.to_lowercase().as_str())
                };
                lockouts.iter().find(own).map(|l| l.left_s)
            });
            match kept {
                Some(left) => {
                    view! { <Tag state=Glyph::Warn>{format!("Kept out for {left} s")}</Tag> }
                        .into_any()
                }
                None => view! { <Tag state=Glyph::Pass>"May sign in"</Tag> }.into_any(),
            }
        };
        let seen = account
            .signed_in_at
            .map_or_else(|| "never".to_owned(), moment);
        let label = format!("Edit {name}");
        let press = {
            let name = name.clone();
            Callback::new(move |()| view.open(known.group, "edit", Some(name.clone())))
        };
        view! {
            <tr>
                <td><b class="strong">{name}</b>{me.then_some(" (you)")}</td>
                <td>{account.role.name()}</td>
                <td>{state}</td>
                <td class="muted">{seen}</td>
                <td class="muted">{moment(account.created_at)}</td>
                <td class="num"><Button small=true icon=Icon::Edit name=label on_click=press/></td>
            </tr>
        }
        .into_any()
    };
    let addresses = known.lockouts.with(|lockouts| {
        let kept: Vec<_> = lockouts.iter().filter_map(|l| l.address.clone()).collect();
        (!kept.is_empty()).then(|| {
            let text = format!(
                "{} kept out by too many failed sign-ins: {}.",
                counted(kept.len(), "address").replace("addresss", "addresses"),
                kept.join(", ")
            );
            view! { <p class="pad muted">{text}</p> }
        })
    });
    let label = format!("Table of the accounts of {}", known.group.name);
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label=label>
        <table class="tbl">
            <thead><tr><th scope="col">"Name"</th><th scope="col">"Role"</th><th scope="col">"State"</th><th scope="col">"Last sign-in"</th><th scope="col">"Made"</th><th scope="col"><span class="sr">"Edit"</span></th></tr></thead>
            <tbody>{accounts.iter().map(row).collect_view()}</tbody>
        </table>
        </div>
        {addresses}
    }
    .into_any()
}

fn create(view: View, known: Known) -> AnyView {
    let group = known.group;
    let (name, chosen) = (
        RwSignal::new(String::new()),
        RwSignal::new("viewer".to_owned()),
    );
    let (new, again) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let sending = Sending::new();
    let toasts = use_toasts();
    let off = Signal::derive(move || {
        group
            .write_off(Role::Admin)
            .or_else(|| {
                (name.with(|name| name.trim().chars().count()) < 2)
                    .then(|| "Give a name of at least 2 characters.".to_owned())
            })
            .or_else(|| bad_password(&new.get(), &again.get()).map(str::to_owned))
    });
    let send = Callback::new(move |()| {
        let draft = AccountDraft {
            username: name.get_untracked().trim().to_owned(),
            password: new.get_untracked(),
            role: chosen.with_untracked(|name| role(name)),
        };
        let failed = format!("{} was not made", draft.username);
        let work = async move {
            let draft = &draft;
            group
                .act(|client| async move { client.create_user(draft).await })
                .await
        };
        sending.send(failed, work, move |account| {
            toasts.good(
                format!("{} made", account.username),
                "Tell the person the password by another way than the console's address.",
            );
            known.load();
            view.close().run(());
        });
    });
    let fields = view! {
        <TextField label="Name" value=name limit=64 autofocus=true/>
        <SelectField label="Role" value=chosen choices=Signal::derive(roles) on_pick=Callback::new(move |key| chosen.set(key))/>
        <TextField label="First password" kind="password" value=new autocomplete="new-password" limit=256/>
        <TextField label="First password again" kind="password" value=again autocomplete="new-password" limit=256/>
    };
    let title = format!("New account in {}", group.name);
    form::drawer(
        form::Words {
            title,
            text: "",
            verb: "Make the account",
        },
        sending,
        off,
        send,
        view.close(),
        fields.into_any(),
    )
}

fn edit(view: View, known: Known) -> AnyView {
    let group = known.group;
    let wanted = view.address.with(|address| address.user.clone());
    let found = known.accounts.with(|accounts| {
        let accounts = accounts.as_ref()?;
        accounts
            .iter()
            .find(|account| Some(&account.username) == wanted.as_ref())
            .cloned()
    });
    let Some(account) = found else {
        return ().into_any();
    };
    let name = StoredValue::new(account.username.clone());
    let chosen = RwSignal::new(account.role.name().to_owned());
    let out = RwSignal::new(account.disabled);
    let (new, again) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let sending = Sending::new();
    let toasts = use_toasts();
    let (old_role, old_out) = (account.role, account.disabled);
    let patch = move || AccountPatch {
        role: Some(chosen.with(|name| role(name))).filter(|role| *role != old_role),
        disabled: Some(out.get()).filter(|out| *out != old_out),
        password: Some(new.get()).filter(|new| !new.is_empty()),
    };
    let off = Signal::derive(move || {
        let patch = patch();
        let unchanged =
            patch.role.is_none() && patch.disabled.is_none() && patch.password.is_none();
        group
            .write_off(Role::Admin)
            .or_else(|| unchanged.then(|| "Nothing is changed yet.".to_owned()))
            .or_else(|| {
                let new = patch.password.as_deref()?;
                bad_password(new, &again.get()).map(str::to_owned)
            })
    });
    let send = Callback::new(move |()| {
        let patch = patch();
        let work = async move {
            let (name, patch) = (name.get_value(), &patch);
            let name = name.as_str();
            group
                .act(|client| async move { client.patch_user(name, patch).await })
                .await
        };
        let failed = format!("{} was not changed", name.get_value());
        sending.send(failed, work, move |_| {
            toasts.good(
                format!("{} changed", name.get_value()),
                "Its sign-ins have ended.",
            );
            known.load();
            view.close().run(());
        });
    });
    let end = Callback::new(move |()| {
        let work = async move {
            let name = name.get_value();
            let name = name.as_str();
            group
                .act(|client| async move { client.end_sessions(name).await })
                .await
        };
        let failed = format!("The sign-ins of {} did not end", name.get_value());
        sending.send(failed, work, move |()| {
            toasts.good(
                format!("Sign-ins of {} ended", name.get_value()),
                "Tokens for programs go on.",
            );
            view.close().run(());
        });
    });
    let fields = view! {
        <SelectField label="Role" value=chosen choices=Signal::derive(roles) on_pick=Callback::new(move |key| chosen.set(key))/>
        <CheckField label="Shut out" text="Ends its sign-ins; its tokens for programs stop, too. Nothing else is lost." on=out on_change=Callback::new(move |on| out.set(on))/>
        <TextField label="New password, if it is to change" kind="password" value=new autocomplete="new-password" limit=256/>
        <TextField label="New password again" kind="password" value=again autocomplete="new-password" limit=256/>
        <div class="choice-act"><Button on_click=end>"End all sign-ins"</Button></div>
    };
    let title = format!("{} of {}", account.username, group.name);
    form::drawer(
        form::Words {
            title,
            text: "A change ends the account's sign-ins.",
            verb: "Save",
        },
        sending,
        off,
        send,
        view.close(),
        fields.into_any(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_offered_by_its_name() {
        for (key, _) in roles() {
            assert_eq!(role(&key).name(), key);
        }
        assert_eq!(role("x"), Role::Viewer);
    }
}
