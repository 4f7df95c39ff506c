//! Small charts without axes: the drawing shows the shape, the name says the figures.

use std::fmt::Write;

use crate::reactive::{Memo, Signal};
use crate::ui::view;
use leptos::prelude::*;

/// The path of a line through values, scaled into a box. `top` is the value at the upper edge.
fn line_path(values: &[f64], width: f64, height: f64, top: f64) -> String {
    let step = width / (values.len().max(2) - 1) as f64;
    let mut path = String::new();
    for (index, value) in values.iter().enumerate() {
        let y = height - (value / top).clamp(0.0, 1.0) * (height - 1.0) - 0.5;
        let _ = write!(
            path,
            "{}{:.1} {y:.1}",
            if index == 0 { "M" } else { " " },
            index as f64 * step
        );
    }
    path
}

/// The last half hour in a few pixels.
#[component]
pub fn Sparkline(
    /// The values, oldest first.
    #[prop(into)]
    values: Signal<Vec<f64>>,
    /// The value at the upper edge; the greatest one when none.
    #[prop(optional)]
    top: Option<f64>,
    /// Width.
    #[prop(default = 86)]
    width: u32,
    /// Height.
    #[prop(default = 22)]
    height: u32,
    /// Whether it is over its limit.
    #[prop(optional, into)]
    hot: Signal<bool>,
    /// What it shows, in words with figures.
    #[prop(into)]
    name: Signal<String>,
) -> AnyView {
    let (w, h) = (f64::from(width), f64::from(height));
    let path = Memo::new(move |_| {
        values.with(|values| {
            if values.len() < 2 {
                return String::new();
            }
            let top = top.unwrap_or_else(|| values.iter().copied().fold(1e-9, f64::max) * 1.15);
            line_path(values, w, h, top)
        })
    });
    let area = move || {
        path.with(|path| {
            if path.is_empty() {
                String::new()
            } else {
                format!("{path} L{width} {height} L0 {height}Z")
            }
        })
    };
    view! {
        <svg class="spark" class=("spark--hot", move || hot.get()) width=width height=height role="img" aria-label=move || name.get()>
            <path class="area" d=area/>
            <path d=move || path.get()/>
        </svg>
    }
    .into_any()
}

/// A step of a [`Lane`]: from then on, so many.
#[derive(Clone, Debug, PartialEq)]
pub struct LanePoint {
    /// When, milliseconds since 1970.
    pub at: f64,
    /// How many from then on.
    pub value: f64,
}

/// Steps over half an hour: what went down is drawn with an arrow down, what came back with an arrow up.
#[component]
pub fn Lane(
    /// The steps, oldest first.
    #[prop(into)]
    points: Signal<Vec<LanePoint>>,
    /// The value at the upper edge.
    #[prop(into)]
    top: Signal<f64>,
    /// The time at the right edge, milliseconds since 1970.
    #[prop(into)]
    until: Signal<f64>,
    /// Words under the left edge.
    #[prop(into)]
    from_label: Signal<String>,
    /// What it shows, in words with figures.
    #[prop(into)]
    name: Signal<String>,
) -> AnyView {
    const WIDTH: f64 = 276.0;
    const SPAN: f64 = 30.0 * 60_000.0;
    let drawing = Memo::new(move |_| {
        let (until, top) = (until.get(), top.get().max(1e-9));
        let x = |at: f64| ((at - until) / SPAN * WIDTH + WIDTH).clamp(0.0, WIDTH);
        let y = |value: f64| 44.0 - (value / top).clamp(0.0, 1.0) * 32.0;
        points.with(|points| {
            let (mut line, mut arrows) = (String::new(), Vec::new());
            let mut before: Option<f64> = None;
            for point in points {
                let (px, py) = (x(point.at), y(point.value));
                match before {
                    None => {
                        let _ = write!(line, "M{px:.1} {py:.1}");
                    }
                    Some(value) => {
                        let _ = write!(line, " H{px:.1} V{py:.1}");
                        if px > 4.0 && (point.value - value).abs() > f64::EPSILON {
                            arrows.push((px, point.value > value));
                        }
                    }
                }
                before = Some(point.value);
            }
            if before.is_some() {
                let _ = write!(line, " H{WIDTH}");
            }
            let lost = before.is_some_and(|value| value <= 0.0);
            let start = points.first().map_or(0.0, |point| x(point.at));
            let area = if line.is_empty() {
                String::new()
            } else {
                format!("{line} V44 H{start:.1} Z")
            };
            (line, area, arrows, lost)
        })
    });
    let arrow = |(x, up): (f64, bool)| {
        let path = if up {
            format!("M{:.1} 9l4-4 4 4", x - 4.0)
        } else {
            format!("M{:.1} 5l4 4 4-4", x - 4.0)
        };
        view! { <path class=if up { "lane-up" } else { "lane-down" } d=path/> }
    };
    view! {
        <svg class="lane" viewBox="0 0 276 61" role="img" aria-label=move || name.get()>
            <path class="lane-rule" d="M0 44.5H276M0 12.5H276"/>
            <path class="lane-area" d=move || drawing.with(|drawing| drawing.1.clone())/>
            <path class="lane-line" class=("lane-line--lost", move || drawing.with(|drawing| drawing.3)) d=move || drawing.with(|drawing| drawing.0.clone())/>
            <g>{move || drawing.with(|drawing| drawing.2.clone()).into_iter().map(arrow).collect_view()}</g>
            <text x="0" y="58">{move || from_label.get()}</text>
            <text x="276" y="58" text-anchor="end">"now"</text>
        </svg>
    }
    .into_any()
}
