//! Who decides that an active server that is gone is replaced: a person, or a standby by itself; and the rest for maintenance.

use crate::reactive::{Callback, Memo, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::Code;
use gridhelm_api::account::Role;
use gridhelm_api::group::{Failover, FailoverChange, FailoverMode};
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::deployment::{Group, trouble};
use crate::ui::{
    Button, Confirm, ErrorBox, Glyph, Tag, Trouble, glyph, moment, next_id, use_toasts,
};

/// How long automatic failover rests at a time, seconds.
const PAUSE_S: u32 = 3_600;

/// What can be asked for from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    On,
    Off,
    Pause,
}

impl Wish {
    fn change(self, reason: &str) -> FailoverChange {
        FailoverChange {
            mode: match self {
                Self::Off => FailoverMode::Manual,
                Self::On | Self::Pause => FailoverMode::Automatic,
            },
            pause_s: (self == Self::Pause).then_some(PAUSE_S),
            reason: reason.trim().to_owned(),
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::On => "Turn on",
            Self::Off => "Turn off",
            Self::Pause => "Pause for an hour",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::On => "Turn on automatic failover…",
            Self::Off => "Turn off…",
            Self::Pause => "Pause for an hour…",
        }
    }

    fn question(self, group: &str) -> String {
        match self {
            Self::On => format!("Turn on automatic failover of {group}?"),
            Self::Off => format!("Turn off automatic failover of {group}?"),
            Self::Pause => format!("Pause automatic failover of {group} for an hour?"),
        }
    }

    fn effects(self) -> [&'static str; 2] {
        match self {
            Self::On => [
                "A standby takes over when the active server's process is dead (at once) or has not renewed its lease for 2.5 s.",
                "The active server takes no work when it cannot renew its lease for 2 s.",
            ],
            Self::Off => [
                "When the active server is gone, its group does no work until a person forces a failover.",
                "The active server steps down only for a higher epoch.",
            ],
            Self::Pause => [
                "Nobody takes over by itself meanwhile; a forced failover is possible.",
                "The active server ends the pause. Should it be gone by then, the pause stays.",
            ],
        }
    }
}

/// In words, and with its shape.
fn standing(failover: &Failover) -> (Glyph, String) {
    match (failover.mode, failover.pause) {
        (FailoverMode::Manual, _) => (Glyph::Standby, "A person decides".to_owned()),
        (FailoverMode::Automatic, None) => (Glyph::Active, "Automatic".to_owned()),
        (FailoverMode::Automatic, Some(pause)) => {
            (Glyph::Warn, format!("Rests until {}", moment(pause.until)))
        }
    }
}

/// What may be asked for now.
fn wishes(failover: &Failover) -> Vec<Wish> {
    match (failover.mode, failover.pause) {
        (FailoverMode::Manual, _) => vec![Wish::On],
        (FailoverMode::Automatic, None) => vec![Wish::Pause, Wish::Off],
        (FailoverMode::Automatic, Some(_)) => vec![Wish::On, Wish::Off],
    }
}

/// The card, and its question.
pub(super) fn card(group: &'static Group) -> AnyView {
    let failover = Memo::new(move |_| {
        group.info.with(|info| {
            info.as_ref()
                .map(|info| info.failover.clone())
                .unwrap_or_default()
        })
    });
    let asking = RwSignal::new(None::<Wish>);
    let fault = RwSignal::new(None::<Trouble>);
    let busy = RwSignal::new(None::<String>);
    let toasts = use_toasts();
    let off = Signal::derive(move || group.write_off(Role::Admin));
    let set = move |wish: Wish| {
        Callback::new(move |reason: String| {
            let change = wish.change(&reason);
            let version = failover.with_untracked(|failover| failover.version);
            busy.set(Some("Setting…".to_owned()));
            fault.set(None);
            spawn_local(async move {
                let answer = group
                    .act(|client| {
                        let change = change.clone();
                        async move { client.set_failover(&change, version).await }
                    })
                    .await;
                let _ = busy.try_set(None);
                let _ = asking.try_set(None);
                match answer {
                    Ok(set) => toasts.good(format!("Failover of {}", group.name), standing(&set).1),
                    Err(error) => {
                        let mut told = trouble("The mode of failover was not changed", &error);
                        if error.code() == Some(Code::VersionMismatch) {
                            "Someone changed it meanwhile. What you see now is the present state."
                                .clone_into(&mut told.detail);
                        }
                        let _ = fault.try_set(Some(told));
                    }
                }
            });
        })
    };
    let question = move || {
        asking.get().map(|wish| {
            let [first, second] = wish.effects();
            view! {
                <Confirm
                    title=wish.question(&group.name)
                    verb=wish.verb()
                    keep="Leave it as it is"
                    reason="Reason, goes to the history"
                    busy=busy
                    on_confirm=set(wish)
                    on_close=Callback::new(move |()| asking.set(None))
                >
                    <ul class="effects">
                        <li>{glyph(Glyph::Pass)}<span>{first}</span></li>
                        <li>{glyph(Glyph::Warn)}<span>{second}</span></li>
                    </ul>
                </Confirm>
            }
        })
    };
    let tag = move || {
        let (shape, words) = failover.with(standing);
        view! { <Tag state=shape shape=true>{words}</Tag> }
    };
    let why = move || {
        failover.with(|failover| match (&failover.by, &failover.reason) {
            (Some(by), Some(reason)) => format!("Set by {by}: {reason}"),
            _ => "The group does no work until somebody forces a failover.".to_owned(),
        })
    };
    let why_not = next_id("why");
    let why_not_at = why_not.clone();
    let buttons = move || {
        let button = |wish: Wish| {
            let ask = Callback::new(move |()| asking.set(Some(wish)));
            view! { <Button small=true off=off reason_at=why_not_at.clone() on_click=ask>{wish.label()}</Button> }
        };
        failover.with(wishes).into_iter().map(button).collect_view()
    };
    view! {
        <section class="panel choice" aria-labelledby="h-mode">
            <h3 id="h-mode">"When the active server is gone"{tag}</h3>
            <p class="muted">{why}</p>
            {move || fault.get().map(|trouble| view! { <ErrorBox trouble=trouble/> })}
            <div class="choice-act">{buttons}<span class="why-not" id=why_not>{move || off.get()}</span></div>
        </section>
        {question}
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridhelm_api::group::Pause;

    fn failover(mode: FailoverMode, pause: Option<Pause>) -> Failover {
        Failover {
            mode,
            pause,
            ..Failover::default()
        }
    }

    #[test]
    fn only_what_changes_something_is_offered() {
        let pause = Some(Pause { until: 1 });
        let manual = failover(FailoverMode::Manual, None);
        assert_eq!(wishes(&manual), [Wish::On]);
        let automatic = failover(FailoverMode::Automatic, None);
        assert_eq!(wishes(&automatic), [Wish::Pause, Wish::Off]);
        let resting = failover(FailoverMode::Automatic, pause);
        assert_eq!(wishes(&resting), [Wish::On, Wish::Off]);
        assert_eq!(standing(&manual).1, "A person decides");
    }

    #[test]
    fn a_wish_is_a_change() {
        let change = Wish::Pause.change("  new switch ");
        assert_eq!(
            (change.mode, change.pause_s),
            (FailoverMode::Automatic, Some(3_600))
        );
        assert_eq!(change.reason, "new switch");
        assert_eq!(Wish::Off.change("x").mode, FailoverMode::Manual);
    }
}
