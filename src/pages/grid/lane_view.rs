//! Draws the last 30 minutes, or 24 hours, of a node.

use crate::ui::view;
use gridhelm_api::Millis;
use leptos::prelude::*;

use super::lane::{Lane, Mark, WIDTH, area, spoken};
use crate::ui::format::counted;
use crate::ui::time_of_day;

/// Hours and minutes.
fn minute(at: Millis) -> String {
    time_of_day(at).chars().take(5).collect()
}

/// The drawing. `now` is the time at the right edge, `window` how far back the left one is.
pub(crate) fn draw(name: &str, lane: &Lane, now: Millis, window: Millis) -> AnyView {
    if lane.line.is_empty() {
        return view! { <p class="ink2">"Nothing is recorded of it yet."</p> }.into_any();
    }
    let lost = |(x, width): &(f64, f64)| {
        view! { <rect class="lane-lost" x=x.to_string() y="12" width=width.to_string() height="32"/> }.into_any()
    };
    let arrow = |mark: &Mark| {
        let (class, path) = if mark.up {
            ("lane-up", format!("M{:.1} 9l4-4 4 4", mark.x - 4.0))
        } else {
            ("lane-down", format!("M{:.1} 5l4 4 4-4", mark.x - 4.0))
        };
        let class = if mark.usable == 0 {
            "lane-down lane-down--lost"
        } else {
            class
        };
        view! { <path class=class d=path><title>{[mark.reason.as_str(), ", ", &minute(mark.at)].concat()}</title></path> }.into_any()
    };
    // Labels of changes are written where they have room: not over each other, nor over the ends.
    let mut free = 40.0;
    let mut times = Vec::new();
    for mark in &lane.marks {
        if mark.x > free && mark.x < WIDTH - 46.0 {
            times.push(view! { <text x=format!("{:.1}", mark.x) y="58" text-anchor="middle">{minute(mark.at)}</text> }.into_any());
            free = mark.x + 40.0;
        }
    }
    let end = lane
        .lost
        .last()
        .filter(|(x, width)| lane.usable == 0 && x + width >= WIDTH - 0.1 && *width > 96.0);
    let words = match end {
        Some((x, _)) => view! { <text class="lane-word" x=format!("{:.1}", x + 6.0) y="32">{format!("0 of {}", counted(lane.total as usize, "slot"))}</text> }.into_any(),
        None => view! { <text x="2" y="40">{format!("{} of {} usable", lane.usable, counted(lane.total as usize, "slot"))}</text> }.into_any(),
    };
    view! {
        <svg class="lane" viewBox="0 0 276 61" role="img" aria-label=spoken(name, lane, window, minute)>
            <path class="lane-rule" d="M0 44.5H276M0 12.5H276"/>
            <path class="lane-area" d=area(lane)/>
            {lane.lost.iter().map(lost).collect_view()}
            <path class="lane-line" d=lane.line.clone()/>
            {lane.marks.iter().map(arrow).collect_view()}
            {words}
            {times}
            <text x="0" y="58">{minute(now - window)}</text>
            <text x="276" y="58" text-anchor="end">"now"</text>
        </svg>
    }
    .into_any()
}
