//! Replications that wait for another admin: how they stand, who may say yes, and the group's rules about it.

use crate::reactive::{Callback, Signal};
use crate::ui::view;
use gridhelm_api::account::Role;
use gridhelm_api::changeset::{ChangesetRecord, ChangesetReport};
use gridhelm_api::hold::{Held, RepositoryRules};
use leptos::prelude::*;

use super::history::{Asks, History};
use crate::ui::format::counted;
use crate::ui::{Button, Confirm, moment};

/// How a changeset that is held, or was, stands at that moment (milliseconds since 1970), in words; nothing for others.
fn stands(record: &ChangesetRecord, now: i64) -> Option<String> {
    let hold = record.hold.as_ref()?;
    let Some(verdict) = &hold.verdict else {
        return Some("held, waits for another admin".to_owned());
    };
    let by = &verdict.by;
    let reason = match verdict.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    Some(match hold.stands(&record.by, now) {
        _ if record.committed.is_some() => format!("approved by {by}{reason}"),
        Held::Refused => format!("refused by {by}{reason}"),
        Held::Expired => format!("the approval by {by} ended, {}", moment(verdict.until)),
        Held::Approved => format!("approved by {by} until {}{reason}", moment(verdict.until)),
        Held::Waits => "held, waits for another admin".to_owned(),
    })
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "milliseconds since 1970 fit"
)]
fn now() -> i64 {
    crate::ui::clock::wall() as i64
}

/// How it stands now, in words.
pub(super) fn words(record: &ChangesetRecord) -> Option<String> {
    stands(record, now())
}

/// What can be done with one that is held.
pub(super) fn actions(history: History, record: &ChangesetRecord) -> AnyView {
    let Some(hold) = record.hold.clone().filter(|_| record.committed.is_none()) else {
        return ().into_any();
    };
    let author = record.by.clone();
    let own = {
        let author = author.clone();
        move || {
            let mine = history
                .target
                .session
                .with(|session| session.as_ref().is_some_and(|s| s.username == author));
            mine.then(|| "You opened it: another admin approves it.".to_owned())
        }
    };
    let judge_off = Signal::derive(move || history.target.refuses(Role::Admin).or_else(&own));
    let commit_off = Signal::derive(move || {
        let approved = hold.stands(&author, now()) == Held::Approved;
        history
            .target
            .refuses_operator()
            .or_else(|| (!approved).then(|| "It is not approved.".to_owned()))
    });
    let approve = Callback::new(move |()| history.asks.set(Some(Asks::Approve)));
    let refuse = Callback::new(move |()| history.asks.set(Some(Asks::Refuse)));
    let commit = Callback::new(move |()| history.commit());
    view! {
        <Button small=true off=judge_off on_click=approve>"Approve…"</Button>
        <Button small=true off=judge_off on_click=refuse>"Refuse…"</Button>
        <Button small=true off=commit_off busy=history.busy on_click=commit>"Commit"</Button>
    }
    .into_any()
}

/// Asks for the reason.
pub(super) fn confirm(history: History, report: &ChangesetReport, approve: bool) -> AnyView {
    let plan = &report.record.plan;
    let group = &history.target.name;
    let (title, verb, words) = if approve {
        (
            format!("Approve plan {plan}?"),
            "Approve",
            format!(
                "{} may then be committed to {group}, as long as nothing there changed since {} planned it.",
                counted(report.planned.len(), "operation"),
                report.record.by
            ),
        )
    } else {
        (
            format!("Refuse plan {plan}?"),
            "Refuse",
            format!("It cannot be committed to {group} unless an admin approves it later."),
        )
    };
    let judge = Callback::new(move |reason: String| history.judge(approve, reason));
    let close = Callback::new(move |()| history.asks.set(None));
    view! {
        <Confirm title=title verb=verb keep="Leave it" reason="Reason, goes to the history" busy=history.busy on_confirm=judge on_close=close><p>{words}</p></Confirm>
    }
    .into_any()
}

/// What the group asks of replications and of readers; admins change it.
pub(super) fn rules(history: History) -> AnyView {
    let off = Signal::derive(move || history.target.refuses(Role::Admin));
    let choice = move |label: &'static str,
                       on: fn(&RepositoryRules) -> bool,
                       set: fn(&mut RepositoryRules, bool)| {
        let checked = move || history.rules.with(|rules| rules.as_ref().is_some_and(on));
        let change = move |event: web_sys::Event| {
            if let Some(mut rules) = history.rules.get_untracked() {
                set(&mut rules, event_target_checked(&event));
                history.set_rules(rules);
            }
        };
        view! { <label class="take-away"><input type="checkbox" disabled=move || off.with(Option::is_some) prop:checked=checked on:change=change/>{label}</label> }
    };
    let boxes = move || {
        history.rules.with(Option::is_some).then(|| {
            view! {
                <div class="pad">
                    {choice("Replications wait for another admin's approval", |rules| rules.hold, |rules, on| rules.hold = on)}
                    {choice("A file's access decides who may read and run it", |rules| rules.enforce_access, |rules, on| rules.enforce_access = on)}
                    <p class="muted">{move || off.get()}</p>
                </div>
            }
        })
    };
    view! { {boxes} }.into_any()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gridhelm_api::hold::{Hold, HoldVerdict};

    #[test]
    fn it_says_who_approved_and_until_when() {
        let record = |verdict: Option<(bool, &str)>| ChangesetRecord {
            id: "c-1".to_owned(),
            plan: "p".to_owned(),
            source: "east".to_owned(),
            reason: String::new(),
            by: "ann".to_owned(),
            at: 0,
            committed: None,
            verified: None,
            hold: Some(Hold {
                since: 0,
                verdict: verdict.map(|(approved, by)| HoldVerdict {
                    approved,
                    by: by.to_owned(),
                    at: 1,
                    until: 100,
                    reason: "seen".to_owned(),
                }),
            }),
        };
        let waits = "held, waits for another admin";
        assert_eq!(stands(&record(None), 5).unwrap(), waits);
        assert_eq!(stands(&record(Some((true, "ann"))), 5).unwrap(), waits);
        assert_eq!(
            stands(&record(Some((false, "ben"))), 5).unwrap(),
            "refused by ben: seen"
        );
        let mut free = record(None);
        free.hold = None;
        assert_eq!(stands(&free, 5), None);
    }
}
