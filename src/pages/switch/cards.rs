//! Who is active, group by group; a click chooses the group that is switched.

use crate::reactive::Signal;
use crate::ui::view;
use gridhelm_api::group::ServerRole;
use leptos::prelude::*;

use crate::app::route::{Route, SwitchView};
use crate::app::use_router;
use crate::deployment::{Connection, Group, Server, role_word};
use crate::ui::format::{age, counted, duration};
use crate::ui::{Glyph, Tag, ago, live_glyph, moment, use_clock};

/// One group's card, a link that chooses it.
pub(super) fn card(group: &'static Group, chosen: Signal<bool>) -> AnyView {
    let router = use_router();
    let first_standby = move || {
        let active = group.active().map(|server| server.name.as_str());
        group
            .servers
            .iter()
            .find(|server| Some(server.name.as_str()) != active)
            .map(|server| server.name.clone())
    };
    let href = move || {
        let to =
            first_standby().or_else(|| group.servers.first().map(|server| server.name.clone()));
        router.href(Route::Switch(SwitchView {
            to,
            ..SwitchView::default()
        }))
    };
    let since = move || {
        group.info.with(|info| match info {
            None => "not seen yet".to_owned(),
            Some(info) => {
                let since = info
                    .since
                    .map(|since| format!(", since {}", moment(since)))
                    .unwrap_or_default();
                let by = info
                    .by
                    .as_ref()
                    .map(|by| format!(", by {by}"))
                    .unwrap_or_default();
                format!("epoch {}{since}{by}", info.epoch)
            }
        })
    };
    let reason = move || {
        group
            .info
            .with(|info| info.as_ref().and_then(|info| info.reason.clone()))
    };
    view! {
        <a class="panel grpcard" href=href aria-current=move || chosen.get().then_some("true")>
            <div class="panel-head"><h2>{group.name.as_str()}</h2><span class="muted">{since}</span><div class="end">{move || standing(group)}</div></div>
            {group.servers.iter().map(|server| server_line(group, server)).collect_view()}
            {move || reason().map(|reason| view! { <p class="srv-why muted">{reason}</p> })}
        </a>
    }
    .into_any()
}

/// How the group stands: no active server, switched lately, or steady.
fn standing(group: &'static Group) -> AnyView {
    if group.active().is_none_or(|server| !server.is_live()) {
        return view! { <Tag state=Glyph::Fail shape=true>"no active server"</Tag> }.into_any();
    }
    let forced = group.switch.with(|switch| {
        switch
            .as_ref()
            .filter(|record| record.kind == gridhelm_api::switch::SwitchKind::Forced)
            .map(|record| record.ended_at.unwrap_or(record.started_at))
    });
    match forced {
        Some(at) => {
            let ago = ago(at);
            view! { <Tag state=Glyph::Warn shape=true>"forced "{move || ago.get()}</Tag> }
                .into_any()
        }
        None => view! { <Tag state=Glyph::Pass shape=true>"steady"</Tag> }.into_any(),
    }
}

fn server_line(group: &'static Group, server: &'static Server) -> AnyView {
    let clock = use_clock();
    let shape = Signal::derive(move || match server.connection.get() {
        Connection::Live if server.says_active() => Glyph::Active,
        Connection::Live => Glyph::Standby,
        Connection::Connecting => Glyph::Now,
        Connection::SignedOut => Glyph::Todo,
        Connection::Down { .. } => Glyph::Missing,
    });
    let tag = move || match server.connection.get() {
        Connection::Down { .. } => view! { <Tag state=Glyph::Lost>"No answer"</Tag> }.into_any(),
        _ if server.says_active() => {
            view! { <Tag state=Glyph::Active>{role(server)}</Tag> }.into_any()
        }
        _ => view! { <Tag>{role(server)}</Tag> }.into_any(),
    };
    let figure = move || match server.connection.get() {
        Connection::Live => server.round_trip.get().map(duration).unwrap_or_default(),
        Connection::Down { since, .. } => {
            age(clock.seconds() - server.heard.get().unwrap_or(since))
        }
        _ => String::new(),
    };
    view! {
        <div class="srv">{live_glyph(shape)}<b class="strong">{server.name.as_str()}</b>{tag}<span class="ink2">{move || facts(group, server)}</span><span class="muted">{figure}</span></div>
    }
    .into_any()
}

fn role(server: &Server) -> String {
    let word = server.status.with(|status| {
        status
            .as_ref()
            .map_or("unknown", |status| role_word(status.role))
    });
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// What is worth knowing of a server on one line.
fn facts(group: &Group, server: &Server) -> String {
    if let Connection::Down { reason, .. } = server.connection.get() {
        return reason;
    }
    server.status.with(|status| match status {
        None => "not seen yet".to_owned(),
        Some(status) if matches!(status.role, ServerRole::Active | ServerRole::Leaving) => {
            group.stats.with(|stats| {
                let running = usize::try_from(stats.running).unwrap_or(usize::MAX);
                format!(
                    "{} running, {} waiting, build {}",
                    counted(running, "task"),
                    stats.queued,
                    status.version
                )
            })
        }
        Some(status) => match &status.not_ready {
            Some(why) if !status.ready => format!("not ready: {why}"),
            _ => format!("ready, build {}", status.version),
        },
    })
}
