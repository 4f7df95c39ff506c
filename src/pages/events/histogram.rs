//! Draws events over time.

use crate::ui::view;
use leptos::prelude::*;

use super::filter::{BARS, Histogram};
use crate::ui::{moment, time_of_day};

/// Width of the drawing, in its own units.
const WIDTH: f64 = 924.0;
/// Height of the bars.
const HIGH: f64 = 34.0;

/// The drawing.
#[allow(clippy::cast_precision_loss)] // pixels
pub(crate) fn draw(histogram: &Histogram) -> AnyView {
    let most = histogram
        .bars
        .iter()
        .map(|bar| bar.iter().sum::<u32>())
        .max()
        .unwrap_or(0)
        .max(4);
    let pitch = WIDTH / BARS as f64;
    let scale = HIGH / f64::from(most);
    let mut parts = Vec::new();
    for (index, bar) in histogram.bars.iter().enumerate() {
        let mut y = HIGH;
        // The gravest stands on top.
        for (severity, number) in bar
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, number)| **number > 0)
        {
            let high = f64::from(*number) * scale;
            y -= high;
            let class = ["bar-fail", "bar-warn", "bar-good", "bar-info"][severity];
            parts.push(view! { <rect class=class x=format!("{:.1}", index as f64 * pitch) y=format!("{y:.1}") width=format!("{:.1}", pitch - 2.0) height=format!("{:.1}", (high - 0.4).max(0.8))/> }.into_any());
        }
    }
    let grave: u32 = histogram.bars.iter().map(|bar| bar[0] + bar[1]).sum();
    let all: u32 = histogram.bars.iter().flatten().sum();
    let name = format!(
        "{all} events since {}, {grave} of them warnings or errors",
        moment(histogram.from)
    );
    let middle = histogram.from + (histogram.to - histogram.from) / 2;
    let label = |at: i64| {
        if histogram.to - histogram.from > 20 * 3_600_000 {
            moment(at)
        } else {
            time_of_day(at).chars().take(5).collect()
        }
    };
    view! {
        <svg class="lane hist" viewBox="0 0 924 50" role="img" aria-label=name>
            <path class="lane-rule" d="M0 34.5H924"/>
            {parts}
            <text x="0" y="47">{label(histogram.from)}</text>
            <text x="462" y="47" text-anchor="middle">{label(middle)}</text>
            <text x="924" y="47" text-anchor="end">"now"</text>
        </svg>
    }
    .into_any()
}
