//! Slots side by side: a cell for each, or, where there are too many, a bar of shares.

use crate::reactive::Signal;
use crate::ui::view;
use leptos::prelude::*;

use super::format::count;
use super::icon::Glyph;

/// The most slots drawn one by one.
const CELLS: usize = 32;

/// Counts by state, in the order of first appearance: "3 idle, 9 busy".
pub fn spoken(slots: &[Glyph]) -> String {
    let mut counts: Vec<(Glyph, usize)> = Vec::new();
    for slot in slots {
        match counts.iter_mut().find(|(state, _)| state == slot) {
            Some((_, number)) => *number += 1,
            None => counts.push((*slot, 1)),
        }
    }
    let words: Vec<String> = counts
        .iter()
        .map(|(state, number)| [count(*number as u64).as_str(), state.word()].join(" "))
        .collect();
    if words.is_empty() {
        "no slots".to_owned()
    } else {
        words.join(", ")
    }
}

/// One cell a slot; over 32 slots a bar of shares.
#[component]
pub fn SlotStrip(
    /// The states, in order.
    #[prop(into)]
    slots: Signal<Vec<Glyph>>,
    /// Width of a cell, 7 to 11.
    #[prop(default = 9)]
    cell: u32,
) -> AnyView {
    let draw = move || {
        let slots = slots.get();
        if slots.len() > CELLS {
            return shares_of(&slots);
        }
        let pitch = cell + 1;
        let width = (u32::try_from(slots.len()).unwrap_or(0) * pitch).saturating_sub(1);
        let name = spoken(&slots);
        let each = |(index, slot): (usize, Glyph)| view! { <use_ href=slot.href() x=u32::try_from(index).unwrap_or(0) * pitch y="0" width=cell height=cell/> };
        view! { <svg class="strip" width=width height=cell role="img" aria-label=name>{slots.into_iter().enumerate().map(each).collect_view()}</svg> }.into_any()
    };
    view! { {draw} }.into_any()
}

fn shares_of(slots: &[Glyph]) -> AnyView {
    let mut counts: Vec<(Glyph, usize)> = Vec::new();
    for slot in slots {
        match counts.iter_mut().find(|(state, _)| state == slot) {
            Some((_, number)) => *number += 1,
            None => counts.push((*slot, 1)),
        }
    }
    shares(counts, spoken(slots))
}

/// A bar of shares by state, with its words for screen readers.
#[component]
pub fn Shares(
    /// How many of each; none are left out.
    #[prop(into)]
    counts: Signal<Vec<(Glyph, usize)>>,
) -> AnyView {
    let draw = move || {
        let counts: Vec<(Glyph, usize)> = counts
            .get()
            .into_iter()
            .filter(|(_, number)| *number > 0)
            .collect();
        let words: Vec<String> = counts
            .iter()
            .map(|(state, number)| [count(*number as u64).as_str(), state.word()].join(" "))
            .collect();
        shares(counts, words.join(", "))
    };
    view! { {draw} }.into_any()
}

fn shares(counts: Vec<(Glyph, usize)>, name: String) -> AnyView {
    let part = |(state, number): (Glyph, usize)| view! { <span class=["dist-", state.word()].concat() style:flex-grow=number.to_string()></span> };
    view! { <span class="dist" role="img" aria-label=name>{counts.into_iter().map(part).collect_view()}</span> }.into_any()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn slots_are_counted_in_words() {
        assert_eq!(
            spoken(&[Glyph::Busy, Glyph::Idle, Glyph::Busy]),
            "2 busy, 1 idle"
        );
        assert_eq!(spoken(&[]), "no slots");
    }
}
