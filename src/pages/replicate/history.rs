//! What replications did to the target: each with its files, a check that reads their contents again, and a way back.

use std::sync::Arc;

use crate::reactive::{Callback, Effect, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::changeset::{ChangesetRecord, ChangesetReport, VerifyRequest};
use gridhelm_api::hold::{RepositoryRules, VerdictRequest};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::back::{back, no_way_back};
use super::held;
use super::work::{Work, short};
use crate::deployment::{Group, trouble};
use crate::ui::format::{bytes, counted, short_hash};
use crate::ui::{Button, Confirm, ErrorBox, Trouble, moment, save_text};

/// Files that are shown of one replication.
const SHOWN: usize = 200;

/// What the panel knows.
#[derive(Clone, Copy)]
pub(super) struct History {
    pub(super) target: &'static Group,
    /// Compares again.
    again: Callback<()>,
    open: RwSignal<bool>,
    found: RwSignal<Vec<ChangesetRecord>>,
    pub(super) chosen: RwSignal<Option<Arc<ChangesetReport>>>,
    fault: RwSignal<Option<Trouble>>,
    pub(super) busy: RwSignal<Option<String>>,
    /// What the dialog asks, if one is open.
    pub(super) asks: RwSignal<Option<Asks>>,
    /// What the group asks of replications.
    pub(super) rules: RwSignal<Option<RepositoryRules>>,
}

/// What a dialog asks about the chosen replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// Whether it shall be taken back.
    Back,
    /// Whether it may be committed.
    Approve,
    /// Whether it may not.
    Refuse,
}

/// The panel, closed at first.
pub(super) fn panel(work: Work) -> AnyView {
    let history = History {
        target: work.target,
        again: Callback::new(move |()| work.compare()),
        open: RwSignal::new(false),
        found: RwSignal::new(Vec::new()),
        chosen: RwSignal::new(None),
        fault: RwSignal::new(None),
        busy: RwSignal::new(None),
        asks: RwSignal::new(None),
        rules: RwSignal::new(None),
    };
    Effect::new(move |_| {
        work.target.repository.track();
        work.held.track();
        if history.open.get() && work.target.signed_in() {
            history.read();
        }
    });
    let toggled = move |event: web_sys::Event| {
        let target = event
            .target()
            .map(wasm_bindgen::JsCast::unchecked_into::<web_sys::Element>);
        history
            .open
            .set(target.is_some_and(|details| details.has_attribute("open")));
    };
    let rows = move || {
        let found = history.found.get();
        found
            .iter()
            .map(|record| row(history, record))
            .collect_view()
    };
    let table = move || {
        if history.found.with(Vec::is_empty) {
            return view! { <p class="pad muted">"Nothing was replicated to this group yet."</p> }
                .into_any();
        }
        view! {
            <div class="scroll" tabindex="0" role="region" aria-label="Replications">
                <table class="tbl">
                    <thead><tr><th scope="col">"When"</th><th scope="col">"From"</th><th scope="col">"By"</th><th scope="col">"What"</th><th scope="col">"Checked"</th><th scope="col"><span class="sr">"Actions"</span></th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <details class="panel rep-history" on:toggle=toggled>
            <summary>{format!("Replications to {}", work.target.name)}</summary>
            {move || history.fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
            {held::rules(history)}
            {table}
            {move || history.chosen.get().map(|report| shown(history, &report))}
        </details>
        {move || history.asks.get().map(|asks| confirm(history, asks))}
    }
    .into_any()
}

impl History {
    fn read(self) {
        spawn_local(async move {
            let answer = self
                .target
                .act(|client| async move { client.changesets(None).await })
                .await;
            match answer {
                Ok(page) => {
                    let _ = self.found.try_set(page.items);
                }
                Err(error) => self.failed("The replications cannot be listed", &error),
            }
            let rules = self
                .target
                .act(|client| async move { client.repository_rules().await })
                .await;
            // An older server has none.
            if let Ok(rules) = rules {
                let _ = self.rules.try_set(Some(rules));
            }
        });
    }

    /// Sets what the group asks of replications.
    pub(super) fn set_rules(self, rules: RepositoryRules) {
        let _ = self.fault.try_set(None);
        spawn_local(async move {
            let wanted = &rules;
            let set = self
                .target
                .act(|client| async move { client.set_repository_rules(wanted).await })
                .await;
            match set {
                Ok(rules) => drop(self.rules.try_set(Some(rules))),
                Err(error) => {
                    self.failed("The group's rules were not changed", &error);
                    // The boxes show what holds.
                    self.read();
                }
            }
        });
    }

    /// Approves or refuses the chosen replication.
    pub(super) fn judge(self, approve: bool, reason: String) {
        let Some(report) = self.chosen.get_untracked() else {
            return;
        };
        let _ = self.fault.try_set(None);
        let _ = self.busy.try_set(Some("Saying so…".to_owned()));
        spawn_local(async move {
            let id = report.record.id.clone();
            let (wanted, verdict) = (&id, &VerdictRequest { approve, reason });
            let said = self
                .target
                .act(|client| async move { client.judge_changeset(wanted, verdict).await })
                .await;
            if let Err(error) = said {
                self.failed("It stays as it was", &error);
            }
            let _ = self.busy.try_set(None);
            let _ = self.asks.try_set(None);
            self.look(id);
            self.read();
        });
    }

    /// Commits the chosen replication: what was held, and is approved.
    pub(super) fn commit(self) {
        let Some(report) = self.chosen.get_untracked() else {
            return;
        };
        let _ = self.fault.try_set(None);
        let _ = self.busy.try_set(Some("Committing…".to_owned()));
        spawn_local(async move {
            let id = report.record.id.clone();
            let wanted = &id;
            let done = self
                .target
                .act(|client| async move { client.commit_changeset(wanted).await })
                .await;
            if let Err(error) = done {
                self.failed("Nothing was written", &error);
            }
            let _ = self.busy.try_set(None);
            self.look(id);
            self.read();
            self.again.run(());
        });
    }

    fn failed(self, what: &str, error: &gridhelm_client::Error) {
        let _ = self.fault.try_set(Some(trouble(what, error)));
    }

    fn look(self, id: String) {
        spawn_local(async move {
            let wanted = &id;
            let answer = self
                .target
                .act(|client| async move { client.changeset(wanted).await })
                .await;
            match answer {
                Ok(report) => {
                    let _ = self.chosen.try_set(Some(Arc::new(report)));
                }
                Err(error) => self.failed("The replication cannot be shown", &error),
            }
        });
    }

    /// Has the target read the contents again. A long check says where it goes on.
    fn verify(self, id: String) {
        let _ = self.fault.try_set(None);
        let _ = self.busy.try_set(Some("Reading again…".to_owned()));
        spawn_local(async move {
            let mut after = None;
            loop {
                let request = &VerifyRequest {
                    changeset: Some(id.clone()),
                    after: after.clone(),
                };
                let answer = self
                    .target
                    .act(|client| async move { client.verify_contents(request).await })
                    .await;
                match answer {
                    Ok(found) if found.next.is_some() => after = found.next,
                    Ok(_) => break,
                    Err(error) => {
                        self.failed("The contents cannot be read again", &error);
                        break;
                    }
                }
            }
            let _ = self.busy.try_set(None);
            self.look(id);
            self.read();
        });
    }

    fn take_back(self, reason: String) {
        let Some(report) = self.chosen.get_untracked() else {
            return;
        };
        let _ = self.busy.try_set(Some("Taking back…".to_owned()));
        spawn_local(async move {
            let request = &back(&report, &reason);
            let target = self.target;
            let done = async {
                let set = target
                    .act(|client| async move { client.open_changeset(request).await })
                    .await?;
                let id = set.id.as_str();
                target
                    .act(|client| async move { client.commit_changeset(id).await })
                    .await
            };
            if let Err(error) = done.await {
                self.failed("Nothing was taken back", &error);
            }
            let _ = self.busy.try_set(None);
            let _ = self.asks.try_set(None);
            self.read();
            self.again.run(());
        });
    }
}

fn what(record: &ChangesetRecord) -> String {
    record.committed.as_ref().map_or_else(
        || held::words(record).unwrap_or_else(|| "not committed".to_owned()),
        |done| {
            format!(
                "{} created, {} updated, {} deleted",
                done.created, done.updated, done.deleted
            )
        },
    )
}

fn checked(record: &ChangesetRecord) -> String {
    record.verified.as_ref().map_or_else(
        || "not read again".to_owned(),
        |found| {
            let state = match found.damaged.len() {
                0 => "as written".to_owned(),
                n => format!("{} damaged", counted(n, "file")),
            };
            format!("{state}, {}", moment(found.at))
        },
    )
}

fn row(history: History, record: &ChangesetRecord) -> AnyView {
    let id = record.id.clone();
    let look = Callback::new(move |()| history.look(id.clone()));
    view! {
        <tr>
            <td class="ink2">{moment(record.at)}</td><td>{record.source.clone()}</td><td class="ink2">{record.by.clone()}</td>
            <td class="ink2">{what(record)}</td><td class="ink2">{checked(record)}</td>
            <td class="right"><Button small=true on_click=look>{format!("Show plan {}", record.plan)}</Button></td>
        </tr>
    }
    .into_any()
}

fn shown(history: History, report: &Arc<ChangesetReport>) -> AnyView {
    let record = &report.record;
    let lines = report.files.iter().take(SHOWN).map(|file| {
        let hash = |hash: &Option<String>| hash.as_deref().filter(|h| !h.is_empty()).map_or_else(|| "none".to_owned(), short_hash);
        view! { <tr><td>{short(&file.id)}</td><td class="mono ink2">{hash(&file.before)}" → "{hash(&file.after)}</td><td class="num ink2">{bytes(file.size_after)}</td></tr> }
    });
    let planned = report.planned.iter().take(SHOWN).map(|operation| {
        let hash = |hash: &Option<String>| hash.as_deref().map_or_else(|| "none".to_owned(), short_hash);
        view! { <tr><td>{short(&operation.id)}</td><td class="mono ink2">{hash(&operation.expect)}" → "{hash(&operation.sha256)}</td><td class="num ink2">{bytes(operation.size)}</td></tr> }
    });
    let more = (report.files.len() + report.planned.len()).saturating_sub(SHOWN);
    let damaged = record.verified.as_ref().map(|found| {
        let lines = found.damaged.iter().map(|damaged| {
            let expected = damaged.expected.as_deref().map_or_else(|| "none".to_owned(), short_hash);
            view! { <li class="mono">{format!("{}: {expected} expected, found {}", short(&damaged.id), damaged.found)}</li> }
        });
        view! { <ul class="changed">{lines.collect_view()}</ul> }
    });
    let id = record.id.clone();
    let verify = Callback::new(move |()| history.verify(id.clone()));
    let off = {
        let why = no_way_back(report);
        Signal::derive(move || history.target.refuses_operator().or_else(|| why.clone()))
    };
    let ask = Callback::new(move |()| history.asks.set(Some(Asks::Back)));
    let save = {
        let report = Arc::clone(report);
        Callback::new(move |()| {
            let text = serde_json::to_string_pretty(&*report).unwrap_or_default();
            save_text(
                &format!("replication-{}.json", report.record.id),
                "application/json",
                &text,
            );
        })
    };
    view! {
        <div class="pad">
            <p><b>{format!("Plan {}", record.plan)}</b>{format!(" from {}, {}. ", record.source, what(record))}{record.reason.clone()}</p>
            {damaged}
            <div class="scroll" tabindex="0" role="region" aria-label="Files of the replication"><table class="tbl"><thead><tr><th scope="col">"File"</th><th scope="col">"SHA-256"</th><th scope="col" class="num">"Size"</th></tr></thead><tbody>{lines.collect_view()}{planned.collect_view()}</tbody></table></div>
            {(more > 0).then(|| view! { <p class="muted">{format!("{} more; the report has all.", counted(more, "file"))}</p> })}
            {held::actions(history, record)}
            <Button small=true busy=history.busy on_click=verify>"Deep verify"</Button>
            <Button small=true on_click=save>"Save the report"</Button>
            <Button small=true off=off on_click=ask>"Roll back…"</Button>
        </div>
    }
    .into_any()
}

fn confirm(history: History, asks: Asks) -> AnyView {
    let Some(report) = history.chosen.get_untracked() else {
        return ().into_any();
    };
    if asks != Asks::Back {
        return held::confirm(history, &report, asks == Asks::Approve);
    }
    let group = history.target.name.clone();
    let words = format!(
        "{} of {group} become what they were before plan {}, in one transaction. If one of them was changed since, nothing happens.",
        counted(report.files.len(), "file"),
        report.record.plan
    );
    let back = Callback::new(move |reason: String| history.take_back(reason));
    let close = Callback::new(move |()| history.asks.set(None));
    view! {
        <Confirm title=format!("Roll back plan {}?", report.record.plan) verb="Roll back" keep="Keep it" danger=true reason="Reason, goes to the history" busy=history.busy on_confirm=back on_close=close><p>{words}</p></Confirm>
    }
    .into_any()
}
