//! One banner at a time, the worst: two active servers, a silent one, nobody signed in to a group.

use crate::reactive::{Callback, Memo};
use crate::ui::view;
use leptos::prelude::*;

use super::tools::{Tool, tool};
use crate::deployment::{Connection, Deployment, Group};
use crate::ui::format::age;
use crate::ui::{Button, Glyph, glyph, use_clock};

/// From this age on, the banner names what is old. Milliseconds.
const OLD: f64 = 10_000.0;

/// What the banner says.
#[derive(Clone, PartialEq)]
enum Word {
    /// More than one server of a group says it is active, at different epochs.
    TwoActive { group: String, servers: String },
    /// The active server does not answer.
    Silent {
        group: usize,
        server: usize,
        name: String,
        age: String,
        retry: String,
        standby: Option<String>,
    },
    /// No server of the group says it is active.
    NoneActive { group: String },
}

fn worst(deployment: &'static Deployment, now: f64) -> Option<Word> {
    let groups = || {
        deployment
            .groups
            .iter()
            .enumerate()
            .filter(|(_, group)| group.signed_in())
    };
    groups()
        .find_map(|(_, group)| two_active(group))
        .or_else(|| groups().find_map(|(index, group)| silent(index, group, now)))
        .or_else(|| groups().find_map(|(_, group)| none_active(group)))
}

fn two_active(group: &'static Group) -> Option<Word> {
    let claims = group
        .servers
        .iter()
        .filter(|server| server.is_live() && server.says_active());
    let servers: Vec<String> = claims
        .map(|server| {
            format!(
                "{} ({})",
                server.name,
                server
                    .status
                    .with(|status| status.as_ref().map_or(0, |status| status.epoch))
            )
        })
        .collect();
    (servers.len() > 1).then(|| Word::TwoActive {
        group: group.name.clone(),
        servers: servers.join(", "),
    })
}

fn silent(index: usize, group: &'static Group, now: f64) -> Option<Word> {
    let server = group.source.get()?;
    let active = group.servers.get(server)?;
    let Connection::Down {
        since, retry_at, ..
    } = active.connection.get()
    else {
        return None;
    };
    let silent = active.silent_ms(now).unwrap_or(now - since);
    if silent < OLD && now - since < 1_500.0 {
        return None;
    }
    let standby = group
        .servers
        .iter()
        .find(|other| other.is_live())
        .map(|other| other.name.clone());
    let retry = ((retry_at - now) / 1000.0).max(0.0).ceil();
    Some(Word::Silent {
        group: index,
        server,
        name: active.name.clone(),
        age: age((silent / 1000.0).floor() * 1000.0),
        retry: format!("next try in {retry} s"),
        standby,
    })
}

fn none_active(group: &'static Group) -> Option<Word> {
    let live = group.servers.iter().any(crate::deployment::Server::is_live);
    let active = group.servers.iter().any(|server| server.says_active());
    (live && !active).then(|| Word::NoneActive {
        group: group.name.clone(),
    })
}

pub(super) fn banner(deployment: &'static Deployment) -> AnyView {
    let clock = use_clock();
    let word = Memo::new(move |_| worst(deployment, clock.seconds()));
    // What the banner is about changes rarely; the age in it, every second. Only the first is spoken.
    let spoken =
        Memo::new(move |_| word.with(|word| word.as_ref().map(headline).unwrap_or_default()));
    let content = move || word.get().map(|word| show(deployment, word));
    let skewed = Memo::new(move |_| {
        let mut servers = deployment.groups.iter().flat_map(|group| &group.servers);
        servers.any(|server| {
            server.status.with(|status| {
                status
                    .as_ref()
                    .is_some_and(|status| status.version != env!("CARGO_PKG_VERSION"))
            })
        })
    });
    let versions = move || {
        skewed
            .get()
            .then(|| tool(Tool::Versions, |_, _| ().into_any()))
    };
    view! { <div class="sr" role="status">{move || spoken.get()}</div>{content}{versions} }
        .into_any()
}

fn headline(word: &Word) -> String {
    match word {
        Word::TwoActive { group, .. } => format!("Two servers of {group} claim to be active"),
        Word::Silent { name, .. } => format!("{name} unreachable"),
        Word::NoneActive { group } => format!("No server of {group} is active"),
    }
}

fn show(deployment: &'static Deployment, word: Word) -> AnyView {
    let head = headline(&word);
    match word {
        Word::TwoActive { servers, .. } => view! {
            <div class="banner banner--lost">{glyph(Glyph::Fail)}<span><b>{head}": "</b>{servers}". Only the highest epoch can write."</span></div>
        }
        .into_any(),
        Word::Silent { group, server, age, retry, standby, .. } => {
            let name = deployment.groups[group].name.as_str();
            let again = Callback::new(move |()| deployment.groups[group].try_now(server));
            let effect = match standby {
                Some(standby) => format!("showing data from {age} ago. {standby} answers: switch {name} to it, or wait."),
                None => format!("showing data from {age} ago. No other server of {name} answers."),
            };
            view! {
                <div class="banner">{glyph(Glyph::Warn)}<span><b>{head}": "</b>{effect}</span><div class="end"><span class="muted">{retry}</span><Button small=true on_click=again>"Try now"</Button></div></div>
            }
            .into_any()
        }
        Word::NoneActive { group } => view! {
            <div class="banner banner--lost">{glyph(Glyph::Fail)}<span><b>{head}": "</b>"tasks wait, and clients of "{group}" get an error until one takes over."</span></div>
        }
        .into_any(),
    }
}
