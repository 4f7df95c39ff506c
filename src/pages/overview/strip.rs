//! The line of six figures.

use crate::reactive::Memo;
use crate::ui::view;
use gridhelm_api::node::SlotState;
use leptos::prelude::*;

use super::Overview;
use super::glance::GroupGlance;
use crate::deployment::{SLOT_STATES, Tally, slot_glyph};
use crate::ui::format::{count, duration};
use crate::ui::{Figure, Shares, Sparkline, SummaryStrip};

fn tally(groups: &[GroupGlance]) -> Tally {
    let mut total = Tally::default();
    for group in groups {
        total.merge(&group.tally);
    }
    total
}

/// How many servers play which part: `1 silent, 1 active, 1 standby`.
pub(crate) fn roles(groups: &[GroupGlance]) -> String {
    let servers = || groups.iter().flat_map(|group| &group.servers);
    let active = servers().filter(|server| server.is_active()).count();
    let standby = servers()
        .filter(|server| server.live && !server.is_active())
        .count();
    let silent = servers().count() - active - standby;
    let rest = format!("{active} active, {standby} standby");
    if silent > 0 {
        // What is wrong comes first, where it is never cut.
        format!("{silent} silent, {rest}")
    } else {
        rest
    }
}

/// Where the slots are that cannot be used: `46 out: 16 lost, 24 on purpose, 3 stalled, 3 zombie`.
pub(crate) fn out(tally: &Tally) -> String {
    let total = tally.slots() - tally.usable();
    if total == 0 {
        return if tally.slots() == 0 {
            "no slots yet".to_owned()
        } else {
            "none is out".to_owned()
        };
    }
    let purpose = tally.slots_in(SlotState::Draining) + tally.slots_in(SlotState::Disabled);
    let parts = [
        (tally.slots_in(SlotState::Lost), "lost"),
        (purpose, "on purpose"),
        (tally.slots_in(SlotState::Stalled), "stalled"),
        (tally.slots_in(SlotState::Zombie), "zombie"),
    ];
    let words: Vec<String> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{} {word}", count(number as u64)))
        .collect();
    format!("{} out: {}", count(total as u64), words.join(", "))
}

/// Tasks ended in each of the last 30 minutes, all groups together, oldest first.
pub(crate) fn per_minute(groups: &[GroupGlance]) -> Vec<u32> {
    let longest = groups
        .iter()
        .map(|group| group.stats.per_minute.len())
        .max()
        .unwrap_or(0);
    let mut sum = vec![0_u32; longest];
    for group in groups {
        let minutes = &group.stats.per_minute;
        for (total, own) in sum[longest - minutes.len()..].iter_mut().zip(minutes) {
            *total = total.saturating_add(*own);
        }
    }
    sum
}

/// The worst of the groups, in words; what is said when there is none.
fn worst(values: impl Iterator<Item = Option<f64>>, word: &str, none: &str) -> String {
    values.flatten().reduce(f64::max).map_or_else(
        || none.to_owned(),
        |millis| format!("{word} {}", duration(millis)),
    )
}

/// The strip.
pub(crate) fn strip(page: Overview) -> AnyView {
    let groups = page.groups;
    let text = move |make: fn(&[GroupGlance]) -> String| {
        Memo::new(move |_| groups.with(|groups| make(groups)))
    };
    let servers = text(|groups| {
        groups
            .iter()
            .flat_map(|group| &group.servers)
            .filter(|server| server.live)
            .count()
            .to_string()
    });
    let servers_of = text(|groups| {
        format!(
            "/ {}",
            groups
                .iter()
                .map(|group| group.servers.len())
                .sum::<usize>()
        )
    });
    let nodes = text(|groups| count(tally(groups).ready as u64));
    let nodes_of = text(|groups| format!("/ {}", count(tally(groups).nodes as u64)));
    let nodes_note = text(|groups| {
        let tally = tally(groups);
        match (tally.trouble, tally.on_purpose) {
            (0, 0) if tally.nodes == 0 => "none registered".to_owned(),
            (0, 0) => "none in trouble".to_owned(),
            (trouble, 0) => format!("{trouble} in trouble"),
            (trouble, purpose) => format!("{trouble} in trouble, {purpose} on purpose"),
        }
    });
    let busy = text(|groups| count(tally(groups).slots_in(SlotState::Busy) as u64));
    let busy_of = text(|groups| format!("busy of {} usable", count(tally(groups).usable() as u64)));
    let slots_note = text(|groups| out(&tally(groups)));
    let shares = Memo::new(move |_| {
        groups.with(|groups| {
            let tally = tally(groups);
            SLOT_STATES
                .map(|state| (slot_glyph(state), tally.slots_in(state)))
                .to_vec()
        })
    });
    let queue = text(|groups| count(groups.iter().map(|group| group.stats.queued).sum()));
    let queue_note = text(|groups| {
        worst(
            groups.iter().map(|group| group.stats.wait_p95_ms),
            "p95 wait",
            "none in 5 min",
        )
    });
    let rate = text(|groups| {
        per_minute(groups)
            .last()
            .map_or_else(|| "0".to_owned(), |last| count(u64::from(*last)))
    });
    let rate_note = text(|groups| {
        worst(
            groups.iter().map(|group| group.stats.run_p95_ms),
            "p95 run",
            "none in 5 min",
        )
    });
    let line = Memo::new(move |_| {
        groups.with(|groups| {
            per_minute(groups)
                .into_iter()
                .map(f64::from)
                .collect::<Vec<_>>()
        })
    });
    let line_name = text(|groups| {
        let minutes = per_minute(groups);
        format!(
            "Tasks per minute, last 30 minutes, between {} and {}",
            minutes.iter().min().unwrap_or(&0),
            minutes.iter().max().unwrap_or(&0)
        )
    });
    let again = text(|groups| count(groups.iter().map(|group| group.stats.re_executed).sum()));
    let again_note = text(|groups| {
        match groups
            .iter()
            .map(|group| group.stats.uncertain)
            .sum::<u64>()
        {
            0 => "in the last hour".to_owned(),
            uncertain => format!("1 h, {} uncertain", count(uncertain)),
        }
    });
    view! {
        <SummaryStrip>
            <Figure label="Servers" value=servers of=servers_of note=text(roles)/>
            <Figure label="Nodes ready" value=nodes of=nodes_of note=nodes_note/>
            <Figure label="Slots" value=busy of=busy_of note=slots_note><Shares counts=shares/></Figure>
            <Figure label="Queue" value=queue note=queue_note/>
            <Figure label="Tasks per minute" value=rate note=rate_note><Sparkline values=line name=line_name/></Figure>
            <Figure label="Re-executed" value=again note=again_note/>
        </SummaryStrip>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::pages::grid::sample::node;
    use crate::pages::overview::sample::{down, group};
    use gridhelm_api::node::{Node, Slot};

    #[test]
    fn servers_are_counted_by_what_they_do() {
        let mut east = group("east");
        assert_eq!(roles(&[east.clone(), group("west")]), "2 active, 2 standby");
        east.servers[0] = down("east-1", 1.0);
        assert_eq!(roles(&[east]), "1 silent, 0 active, 1 standby");
    }

    #[test]
    fn slots_that_are_out_are_counted_by_why() {
        let mut tally = Tally::default();
        assert_eq!(out(&tally), "no slots yet");
        tally.add(&node("a"));
        assert_eq!(out(&tally), "none is out");
        let states = [
            SlotState::Lost,
            SlotState::Disabled,
            SlotState::Draining,
            SlotState::Zombie,
        ];
        tally.add(&Node {
            slots: states
                .map(|state| Slot {
                    state,
                    ..Slot::default()
                })
                .to_vec(),
            ..node("b")
        });
        assert_eq!(out(&tally), "4 out: 1 lost, 2 on purpose, 1 zombie");
    }

    #[test]
    fn minutes_are_added_from_the_newest_backwards() {
        let (mut east, mut west) = (group("east"), group("west"));
        east.stats.per_minute = vec![1, 2, 3];
        west.stats.per_minute = vec![10, u32::MAX];
        assert_eq!(per_minute(&[east, west]), [1, 12, u32::MAX]);
        assert_eq!(per_minute(&[]), [] as [u32; 0]);
    }
}
