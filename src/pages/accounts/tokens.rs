//! Tokens for programs: what there is, new ones, ended ones.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::{Show, view};
use gridhelm_api::account::{ApiToken, ApiTokenDraft, Area, MAX_TOKEN_DAYS, Role};
use leptos::prelude::*;

use super::form::{self, Sending};
use super::{Known, View};
use crate::ui::{
    Button, CheckField, Confirm, Empty, Icon, Panel, SelectField, Skeleton, TextField, moment,
    use_toasts,
};

/// The panel.
pub(super) fn panel(view: View, known: Known) -> AnyView {
    let group = known.group;
    let ending = RwSignal::new(None::<ApiToken>);
    let off = Signal::derive(move || group.write_off(Role::Viewer));
    let head = move || {
        view! { <Button small=true icon=Icon::Plus off=off on_click=Callback::new(move |()| view.open(group, "token", None))>"New token"</Button> }
            .into_any()
    };
    let body = move || {
        known.tokens.with(|tokens| match tokens {
            None => view! { <Skeleton lines=2 name="Reading the tokens"/> }.into_any(),
            Some(tokens) if tokens.is_empty() => view! { <Empty title="No token yet" text="Make one for each program that calls this group: it can do no more than you choose, and ends by itself."/> }.into_any(),
            Some(tokens) => table(tokens, ending),
        })
    };
    let title = format!("Tokens for programs of {}", group.name);
    // Of the first server that said something; each describes the same interface.
    let described = move || {
        let server = group
            .servers
            .iter()
            .find(|s| s.heard.with(Option::is_some))?;
        let address = format!("{}/api/docs", server.url);
        Some(view! {
            <p class="pad rule ink2">"What programs can ask: "<a href=address target="_blank" rel="noopener noreferrer">{format!("the API, described by {}", server.name)}</a></p>
        })
    };
    view! {
        <Panel title=title end=head>{body}{described}</Panel>
        {move || view.shows(group, "token").then(|| create(view, known))}
        {move || ending.get().map(|token| end(known, token, ending))}
    }
    .into_any()
}

fn areas(token: &ApiToken) -> String {
    if token.areas.is_empty() {
        return "everything".to_owned();
    }
    let names: Vec<&str> = token.areas.iter().map(|area| area.name()).collect();
    names.join(", ")
}

fn table(tokens: &[ApiToken], ending: RwSignal<Option<ApiToken>>) -> AnyView {
    let row = move |token: &ApiToken| {
        let label = format!("End {}", token.name);
        let own = token.clone();
        view! {
            <tr>
                <td><b class="strong">{token.name.clone()}</b></td>
                <td>{token.username.clone()}</td>
                <td>{token.role.name()}</td>
                <td class="ink2">{areas(token)}</td>
                <td class="muted">{moment(token.created_at)}</td>
                <td class="muted">{moment(token.expires_at)}</td>
                <td class="num"><Button small=true icon=Icon::Remove name=label on_click=Callback::new(move |()| ending.set(Some(own.clone())))/></td>
            </tr>
        }
        .into_any()
    };
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label="Table of the tokens">
        <table class="tbl">
            <thead><tr><th scope="col">"What for"</th><th scope="col">"Whose"</th><th scope="col">"At most"</th><th scope="col">"Where"</th><th scope="col">"Made"</th><th scope="col">"Ends"</th><th scope="col"><span class="sr">"End it"</span></th></tr></thead>
            <tbody>{tokens.iter().map(row).collect_view()}</tbody>
        </table>
        </div>
    }
    .into_any()
}

fn end(known: Known, token: ApiToken, ending: RwSignal<Option<ApiToken>>) -> AnyView {
    let sending = Sending::new();
    let toasts = use_toasts();
    let group = known.group;
    let (id, name) = (token.id.clone(), token.name.clone());
    let confirm = Callback::new(move |_: String| {
        let (id, name) = (id.clone(), name.clone());
        let work = async move {
            let id = id.as_str();
            group
                .act(|client| async move { client.end_token(id).await })
                .await
        };
        sending.send(format!("{name} did not end"), work, move |()| {
            toasts.good(format!("{name} ended"), "Its program gets 401 from now on.");
            known.load();
            ending.set(None);
        });
    });
    view! {
        <Confirm title=format!("End {}?", token.name) verb="End it" keep="Keep it" on_confirm=confirm on_close=Callback::new(move |()| ending.set(None))>
            <p>"The program that uses it is refused within a second. This cannot be taken back; a new token is another one."</p>
            {move || sending.fault.get().map(|trouble| view! { <crate::ui::ErrorBox trouble=trouble/> })}
        </Confirm>
    }
    .into_any()
}

fn create(view: View, known: Known) -> AnyView {
    let group = known.group;
    let name = RwSignal::new(String::new());
    let days = RwSignal::new("90".to_owned());
    let role = RwSignal::new("viewer".to_owned());
    let chosen = RwSignal::new(Vec::<Area>::new());
    let secret = RwSignal::new(None::<String>);
    let sending = Sending::new();
    let most = group
        .session
        .with_untracked(|session| session.as_ref().map_or(Role::Viewer, |s| s.role));
    let roles = Signal::derive(move || {
        [Role::Viewer, Role::Operator, Role::Admin]
            .into_iter()
            .filter(|role| *role <= most)
            .map(|role| {
                (
                    role.name().to_owned(),
                    format!("At most what {} may", words(role)),
                )
            })
            .collect::<Vec<_>>()
    });
    let number = move || days.with(|days| days.trim().parse::<u32>().ok());
    let off = Signal::derive(move || {
        if secret.with(Option::is_some) {
            return Some("It is made.".to_owned());
        }
        group
            .write_off(Role::Viewer)
            .or_else(|| {
                (name.with(|name| name.trim().chars().count()) < 2)
                    .then(|| "Say what it is for, in at least 2 characters.".to_owned())
            })
            .or_else(|| {
                let good = number().is_some_and(|days| (1..=MAX_TOKEN_DAYS).contains(&days));
                (!good).then(|| "Give 1 to 366 days.".to_owned())
            })
    });
    let send = Callback::new(move |()| {
        let draft = ApiTokenDraft {
            name: name.get_untracked().trim().to_owned(),
            role: role.with_untracked(|name| match name.as_str() {
                "admin" => Role::Admin,
                "operator" => Role::Operator,
                _ => Role::Viewer,
            }),
            areas: chosen.get_untracked(),
            days: number().unwrap_or_default(),
        };
        let work = async move {
            let draft = &draft;
            group
                .act(|client| async move { client.create_token(draft).await })
                .await
        };
        sending.send("The token was not made".to_owned(), work, move |made| {
            let _ = secret.try_set(Some(made.token));
            known.load();
        });
    });
    let area = move |area: Area| {
        let on = Signal::derive(move || chosen.with(|chosen| chosen.contains(&area)));
        let turn = Callback::new(move |on: bool| {
            chosen.update(|chosen| {
                chosen.retain(|other| *other != area);
                if on {
                    chosen.push(area);
                }
            });
        });
        view! { <CheckField label=area.name() on=on on_change=turn/> }.into_any()
    };
    let told = move || {
        secret.get().map(|secret| {
            view! {
                <div role="status">
                    <p class="strong">"Copy it now: it is not shown again."</p>
                    <pre class="secret mono" tabindex="0" aria-label="The token">{secret}</pre>
                </div>
            }
        })
    };
    let fields = view! {
        <TextField label="What for" value=name limit=64 placeholder="nightly forecast" autofocus=true/>
        <SelectField label="Role" value=role choices=roles on_pick=Callback::new(move |key| role.set(key))/>
        <fieldset class="field"><legend>"Where; everywhere when none is chosen"</legend>{Area::ALL.map(area).collect_view()}</fieldset>
        <TextField label="Days until it ends" kind="number" value=days limit=3/>
        {told}
        <Show when=move || secret.with(Option::is_some)><div class="choice-act"><Button on_click=view.close()>"I have it"</Button></div></Show>
    };
    let title = format!("New token for a program in {}", group.name);
    form::drawer(
        form::Words {
            title,
            text: "It acts in your name and never can do more than you.",
            verb: "Make the token",
        },
        sending,
        off,
        send,
        view.close(),
        fields.into_any(),
    )
}

fn words(role: Role) -> &'static str {
    match role {
        Role::Viewer => "a viewer",
        Role::Operator => "an operator",
        Role::Admin => "an admin",
    }
}
