//! The audit log: who tried to write what, from where, and what it changed. For admins.

use std::sync::Arc;

use crate::reactive::{Callback, Effect, Memo, RwSignal, Signal};
use crate::ui::{For, Show, view};
use gridhelm_api::account::AuditRow;
use leptos::prelude::*;

use super::View;
use super::changes::{Side, sides};
use super::kept;
use super::older::Older;
use crate::ui::format::counted;
use crate::ui::page::facts;
use crate::ui::{Button, Empty, ErrorBox, Icon, SearchField, Skeleton, icon, moment};

/// How many rows are fetched at a time.
const PAGE: u32 = 100;

/// The tab.
pub(crate) fn audit(view: View, answer: RwSignal<String>) -> AnyView {
    let rows = Older::<AuditRow>::new();
    let more = move || {
        rows.fetch(
            view,
            "The audit log",
            |_| None,
            |client, before| async move { client.audit(before.as_deref(), PAGE).await },
        )
    };
    let admin = Memo::new(move |_| {
        view.scope
            .get()
            .iter()
            .any(|group| view.deployment.groups[*group].is_admin())
    });
    Effect::new(move |_| {
        view.scope.track();
        if admin.get() {
            rows.clear();
            more();
        }
    });
    let q = Signal::derive(move || {
        view.address
            .with(|address| address.q.clone().unwrap_or_default())
    });
    let search = Callback::new(move |text: String| {
        view.replace(|address| address.q = Some(text).filter(|text| !text.is_empty()))
    });
    let shown = Memo::new(move |_| {
        let words: Vec<String> = q
            .get()
            .to_lowercase()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let mut list: Vec<(usize, AuditRow)> = rows.items.with(|items| {
            items
                .iter()
                .filter(|(_, row)| finds(row, &words))
                .cloned()
                .collect()
        });
        crate::ui::order::sort(&mut list, |a, b| (b.1.at, b.1.id).cmp(&(a.1.at, a.1.id)));
        Arc::new(list)
    });
    Effect::new(move |_| {
        answer.set(if admin.get() {
            format!(
                "Every write that was tried, also the refused ones. {} shown.",
                counted(shown.with(|shown| shown.len()), "entry").replace("entrys", "entries")
            )
        } else {
            "Every write that was tried, also the refused ones.".to_owned()
        });
    });
    let verdicts = RwSignal::new(Vec::new());
    let busy = Signal::derive(move || rows.busy.get().then(|| "Loading…".to_owned()));
    let again = Callback::new(move |()| {
        rows.clear();
        more();
    });
    let body = move || {
        if !admin.get() {
            return view! { <Empty picture=Icon::Lock title="The audit log is for admins" text="Your role here is another. The events tell what happened, to everyone."/> }.into_any();
        }
        view! {
            <table class="tbl tbl--events tbl--audit">
                <thead><tr><th scope="col"><span class="sr">"Open"</span></th><th scope="col">"Time"</th><th scope="col">"Actor"</th><th scope="col">"Action"</th><th scope="col">"Subject"</th><th scope="col">"Reason"</th><th scope="col">"From"</th><th scope="col">"Group"</th></tr></thead>
                <tbody><For each=move || shown.get().to_vec() key=|(group, row)| (*group, row.id) children=move |(group, row)| line(view, group, row)/></tbody>
            </table>
            {move || (rows.busy.get() && shown.with(|shown| shown.is_empty())).then(|| view! { <Skeleton lines=3 name="Reading the audit log"/> })}
            {move || rows.failed.get().map(|trouble| view! { <div class="pad"><ErrorBox trouble=trouble/></div> })}
            <Show when=move || rows.has_more(view)><div class="pad ev-more"><Button small=true busy=busy on_click=Callback::new(move |()| more())>"Load older"</Button></div></Show>
        }
        .into_any()
    };
    view! {
        <div class="toolbar" role="group" aria-label="Filter the audit log">
            <SearchField name="Search the audit log" placeholder="Actor, action, subject, request id" value=q on_input=search main=true/>
            <span class="grow"></span>
            {kept::buttons(view, admin, verdicts)}
            <Button icon=Icon::Refresh on_click=again busy=busy>"Read again"</Button>
        </div>
        {kept::shown(verdicts)}
        <section class="panel ev-panel grow" aria-label="Audit log"><div class="scroll grow" role="region" aria-label="Audit entries" tabindex="0">{body}</div></section>
    }
    .into_any()
}

fn finds(row: &AuditRow, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let text = [
        row.actor.as_str(),
        &row.action,
        &row.subject,
        row.reason.as_deref().unwrap_or_default(),
        &row.address,
        &row.request_id,
    ]
    .join(" ")
    .to_lowercase();
    words.iter().all(|word| text.contains(word.as_str()))
}

fn line(view: View, group: usize, row: AuditRow) -> AnyView {
    let group = view.deployment.groups[group].name.as_str();
    let own = format!("{group}/a{}", row.id);
    let open = {
        let own = own.clone();
        Memo::new(move |_| {
            view.address
                .with(|address| address.event.as_deref() == Some(own.as_str()))
        })
    };
    let turn = move |_| {
        view.replace(|address| {
            address.event = if address.event.as_deref() == Some(own.as_str()) {
                None
            } else {
                Some(own.clone())
            }
        })
    };
    let name = format!("{} {} by {}", row.action, row.subject, row.actor);
    let (time, actor, action, subject, reason, from) = (
        moment(row.at),
        row.actor.clone(),
        row.action.clone(),
        row.subject.clone(),
        row.reason.clone().unwrap_or_default(),
        row.address.clone(),
    );
    let details = move || open.get().then(|| details(&row));
    view! {
        <tr aria-selected=move || if open.get() { "true" } else { "false" } on:click=turn>
            <td><button type="button" class="btn btn--ghost btn--sm btn--icon" aria-label=name aria-expanded=move || if open.get() { "true" } else { "false" }>{move || icon(if open.get() { Icon::Down } else { Icon::Right })}</button></td>
            <td class="muted">{time}</td><td><b class="strong">{actor}</b></td><td class="mono">{action}</td><td>{subject}</td><td class="ink2">{reason}</td><td class="mono muted">{from}</td><td class="ink2">{group}</td>
        </tr>
        {details}
    }
    .into_any()
}

fn details(row: &AuditRow) -> AnyView {
    let (before, after) = sides(row.before.as_ref(), row.after.as_ref());
    let side = |title: &'static str, lines: Vec<Side>, class: &'static str| {
        let line = move |line: Side| view! { <span class=if line.differs { class } else { "" }>{line.text}</span> };
        let empty = lines
            .is_empty()
            .then(|| view! { <span class="muted">"nothing"</span> });
        view! { <div><p class="beaf-head">{title}</p><pre>{lines.into_iter().map(line).collect_view()}{empty}</pre></div> }.into_any()
    };
    let rows: Vec<(&'static str, AnyView)> = vec![
        (
            "Reason",
            row.reason
                .clone()
                .filter(|reason| !reason.is_empty())
                .unwrap_or_else(|| "none given".to_owned())
                .into_any(),
        ),
        (
            "From",
            view! { <span class="mono">{row.address.clone()}</span> }.into_any(),
        ),
        (
            "Program",
            if row.agent.is_empty() {
                "not told".to_owned()
            } else {
                row.agent.clone()
            }
            .into_any(),
        ),
        (
            "Request",
            view! { <span class="mono">{row.request_id.clone()}</span> }.into_any(),
        ),
        ("Entry", row.id.to_string().into_any()),
    ];
    view! { <tr class="ev-open"><td colspan="8"><div class="beaf">{side("Before", before, "d")}{side("After", after, "a")}{facts(rows)}</div></td></tr> }.into_any()
}
