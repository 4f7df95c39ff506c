//! What somebody wants of one node or of several: for how long, by force or not, and why.

use crate::reactive::{Callback, RwSignal, Signal};
use crate::ui::view;
use gridhelm_api::names::check_reason;
use gridhelm_api::node::{INTENT_FOR_S, Intent, IntentChange, NodeDrain};
use leptos::prelude::*;

use crate::ui::format::counted;
use crate::ui::{CheckField, Hint, SelectField, TextField, time_of_day};

/// How long an intent lasts, as one chooses: key, words, seconds.
const TIMES: [(&str, &str, Option<u32>); 6] = [
    ("none", "No end", None),
    ("15m", "15 minutes", Some(900)),
    ("1h", "1 hour", Some(3_600)),
    ("4h", "4 hours", Some(14_400)),
    ("24h", "24 hours", Some(86_400)),
    ("own", "Minutes…", None),
];

/// The seconds of a choice; `None` without an end.
pub(super) fn seconds(choice: &str, minutes: &str) -> Result<Option<u32>, String> {
    if choice != "own" {
        return Ok(TIMES
            .iter()
            .find(|(key, ..)| *key == choice)
            .and_then(|(.., seconds)| *seconds));
    }
    let most = INTENT_FOR_S.end() / 60;
    let given = minutes.trim().parse::<u32>().ok();
    given
        .filter(|minutes| (1..=most).contains(minutes))
        .map(|minutes| Some(minutes * 60))
        .ok_or_else(|| format!("Give 1 to {most} minutes."))
}

/// How a drain stands, in words: `2 done, 1 task waited for, until 14:32:10 at the latest`.
pub(super) fn drain_words(drain: &NodeDrain) -> String {
    if drain.waiting == 0 {
        return format!("{} done, none waited for", drain.done);
    }
    let latest = drain
        .latest
        .map(|at| format!(", until {} at the latest", time_of_day(at)))
        .unwrap_or_default();
    format!(
        "{} done, {} waited for{latest}",
        drain.done,
        counted(drain.waiting as usize, "task")
    )
}

/// What is chosen.
#[derive(Clone, Copy)]
pub(super) struct Wish {
    pub(super) reason: RwSignal<String>,
    time: RwSignal<String>,
    minutes: RwSignal<String>,
    force: RwSignal<bool>,
}

impl Wish {
    pub(super) fn new() -> Self {
        Self {
            reason: RwSignal::new(String::new()),
            time: RwSignal::new("none".to_owned()),
            minutes: RwSignal::new("30".to_owned()),
            force: RwSignal::new(false),
        }
    }

    /// What is wrong with it; enabling takes no time. Tracks.
    pub(super) fn fault(self, to: Intent) -> Option<String> {
        let reason = self.reason.with(|reason| check_reason("reason", reason));
        if reason.is_err() {
            return Some("Give a reason of at least 3 characters.".to_owned());
        }
        if to == Intent::Enabled {
            return None;
        }
        self.time
            .with(|time| self.minutes.with(|minutes| seconds(time, minutes)))
            .err()
    }

    /// As the server takes it.
    pub(super) fn change(self, to: Intent, override_guard: bool) -> IntentChange {
        let reason = self.reason.get_untracked().trim().to_owned();
        let mut change = IntentChange::new(to, reason);
        if to != Intent::Enabled {
            let (time, minutes) = (self.time.get_untracked(), self.minutes.get_untracked());
            change.for_s = seconds(&time, &minutes).unwrap_or_default();
            change.force = self.force.get_untracked();
            change.override_guard = override_guard;
        }
        change
    }

    /// As it was at first.
    pub(super) fn clear(self) {
        let _ = self.reason.try_set(String::new());
        let _ = self.time.try_set("none".to_owned());
        let _ = self.force.try_set(false);
    }

    /// The fields for how long, and by force.
    pub(super) fn fields(self) -> AnyView {
        let choices: Vec<(String, String)> = TIMES
            .iter()
            .map(|(key, words, _)| ((*key).to_owned(), (*words).to_owned()))
            .collect();
        let hint = Signal::derive(move || {
            let fault = self
                .time
                .with(|time| self.minutes.with(|minutes| seconds(time, minutes)))
                .err();
            Hint::fault(fault, "")
        });
        let own = move || {
            self.time.with(|time| time == "own").then(
                || view! { <TextField label="Minutes" value=self.minutes limit=6 hint=hint/> },
            )
        };
        let pick = Callback::new(move |key: String| self.time.set(key));
        let time = Signal::derive(move || self.time.get());
        let change = Callback::new(move |on: bool| self.force.set(on));
        let force = Signal::derive(move || self.force.get());
        view! {
            <SelectField label="Until when: the deadline of a drain, the end of maintenance" value=time choices=Signal::stored(choices) on_pick=pick/>
            {own}
            <CheckField label="Interrupt what runs" text="At the deadline of a drain, else at once. What may run again is queued; the rest fails." on=force on_change=change/>
        }
        .into_any()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_chosen_or_typed_within_bounds() {
        assert_eq!(seconds("none", "x"), Ok(None));
        assert_eq!(seconds("4h", ""), Ok(Some(14_400)));
        assert_eq!(seconds("own", " 30 "), Ok(Some(1_800)));
        for bad in ["", "0", "-1", "43201", "1.5"] {
            assert!(seconds("own", bad).is_err(), "{bad}");
        }
        assert_eq!(seconds("own", "43200"), Ok(Some(2_592_000)));
        for (key, _, time) in TIMES {
            assert!(time.is_none_or(|s| INTENT_FOR_S.contains(&s)), "{key}");
        }
    }

    #[test]
    fn a_drain_is_told_in_numbers() {
        let drain = NodeDrain {
            done: 2,
            waiting: 0,
            latest: None,
        };
        assert_eq!(drain_words(&drain), "2 done, none waited for");
        let waits = NodeDrain {
            waiting: 1,
            ..drain
        };
        assert_eq!(drain_words(&waits), "2 done, 1 task waited for");
    }
}
