//! Paints the heat map: only what is seen, in the colours of the present theme.

use std::cell::RefCell;
use std::rc::Rc;

use gridhelm_api::node::SlotState;
use leptos::prelude::{document, window};
use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d as Brush, HtmlCanvasElement};

use super::heat::{column_numbers, row_label};
use super::heat_plan::{CELL, HEAD, PITCH, Plan, Row, Spot, worst};

/// What is painted with: asking the style sheet costs more than painting a cell.
const TOKENS: [&str; 14] = [
    "--font-ui",
    "--font-mono",
    "--ink",
    "--ink-2",
    "--ink-3",
    "--cell-mark",
    "--idle-f",
    "--busy-f",
    "--stalled-f",
    "--lost-f",
    "--zombie-f",
    "--draining-f",
    "--disabled-f",
    "--disabled-s",
];

/// The colours and fonts of a theme.
#[derive(Default)]
struct Ink {
    theme: String,
    values: Vec<String>,
}

thread_local! {
    static INK: RefCell<Rc<Ink>> = RefCell::default();
}

impl Ink {
    /// Those of the present theme: read when it changes, and again while some are missing.
    fn of(theme: &str) -> Rc<Self> {
        let known = INK.with_borrow(Rc::clone);
        let whole = known.values.iter().all(|value| !value.is_empty());
        if known.theme == theme && !known.values.is_empty() && whole {
            return known;
        }
        let root = document().document_element();
        let style = root.and_then(|root| window().get_computed_style(&root).ok().flatten());
        let value = |token: &str| {
            let value = style.as_ref()?.get_property_value(token).ok()?;
            Some(value.trim().to_owned())
        };
        let read = Rc::new(Self {
            theme: theme.to_owned(),
            values: TOKENS
                .iter()
                .map(|token| value(token).unwrap_or_default())
                .collect(),
        });
        INK.set(Rc::clone(&read));
        read
    }

    fn get(&self, token: &str) -> &str {
        let place = TOKENS.iter().position(|known| *known == token);
        place
            .and_then(|place| self.values.get(place))
            .map_or(
                "#888",
                |value| {
                    if value.is_empty() { "#888" } else { value }
                },
            )
    }
}

/// Paints what is `seen` of the plan: from so far down, so high.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // pixels of a small canvas
pub(crate) fn paint(
    canvas: &HtmlCanvasElement,
    theme: &str,
    plan: &Plan,
    (top, highest): (f64, f64),
    ring: Option<Spot>,
    states: impl Fn(usize, usize) -> Vec<SlotState>,
) {
    let scale = window().device_pixel_ratio().max(1.0);
    let (width, height) = (plan.width + 4.0, plan.height.min(highest));
    let (pixels_wide, pixels_high) = (
        (width * scale).ceil() as u32,
        (height * scale).ceil() as u32,
    );
    if canvas.width() != pixels_wide || canvas.height() != pixels_high {
        canvas.set_width(pixels_wide);
        canvas.set_height(pixels_high);
        let style = canvas.style();
        let _ = style.set_property("width", &format!("{width}px"));
        let _ = style.set_property("height", &format!("{height}px"));
    }
    let Some(brush) = canvas
        .get_context("2d")
        .ok()
        .flatten()
        .and_then(|context| context.dyn_into::<Brush>().ok())
    else {
        return;
    };
    let ink = &*Ink::of(theme);
    let _ = brush.set_transform(scale, 0.0, 0.0, scale, 0.0, 0.0);
    brush.clear_rect(0.0, 0.0, width, height);
    let _ = brush.translate(0.5, -top);
    for (index, block) in plan.blocks.iter().enumerate() {
        if block.y + HEAD < top || block.y > top + height {
            continue;
        }
        brush.set_text_align("left");
        brush.set_font(&format!("600 12px {}", ink.get("--font-ui")));
        brush.set_fill_style_str(ink.get("--ink"));
        let _ = brush.fill_text(&block.set.head(), block.x, block.y + 12.0);
        brush.set_font(&format!("11px {}", ink.get("--font-ui")));
        brush.set_fill_style_str(ink.get("--ink-3"));
        brush.set_text_align("center");
        for (text, x) in column_numbers(plan, index) {
            let _ = brush.fill_text(&text, x, block.y + 12.0);
        }
    }
    brush.set_text_align("left");
    brush.set_font(&format!("11px {}", ink.get("--font-mono")));
    for row in plan
        .rows
        .iter()
        .filter(|row| row.y + PITCH > top && row.y < top + height)
    {
        let block = &plan.blocks[row.block];
        if plan.nodes {
            nodes(&brush, ink, row, block.cells, |item| {
                states(row.block, item)
            });
            continue;
        }
        if row.first == 0 {
            brush.set_fill_style_str(ink.get("--ink-2"));
            let _ = brush.fill_text(&row_label(plan, row.block, row.item), block.x, row.y + 11.5);
        }
        let slots = states(row.block, row.item);
        let mut x = block.cells;
        for state in slots.iter().skip(row.first).take(row.count) {
            cell(&brush, ink, *state, x, row.y);
            x += PITCH;
        }
    }
    if let Some((x, y)) = ring.and_then(|spot| plan.place(spot)) {
        brush.set_stroke_style_str(ink.get("--ink"));
        brush.set_line_width(1.5);
        rounded(&brush, x - 2.0, y - 2.0, CELL + 4.0, 4.0);
        brush.stroke();
    }
}

/// A row of nodes: the worst state of each, and under it which share of its slots is in that.
fn nodes(
    brush: &Brush,
    ink: &Ink,
    row: &Row,
    mut x: f64,
    states: impl Fn(usize) -> Vec<SlotState>,
) {
    for item in row.item..row.item + row.count {
        if let Some((state, share)) = worst(&states(item)) {
            cell(brush, ink, state, x, row.y);
            brush.set_fill_style_str(ink.get("--ink-3"));
            brush.fill_rect(x, row.y + CELL + 1.0, CELL * share, 1.5);
        }
        x += PITCH;
    }
}

fn rounded(brush: &Brush, x: f64, y: f64, side: f64, radius: f64) {
    brush.begin_path();
    let corners = [
        (x + side, y, x + side, y + side),
        (x + side, y + side, x, y + side),
        (x, y + side, x, y),
        (x, y, x + side, y),
    ];
    brush.move_to(x + radius, y);
    for (x1, y1, x2, y2) in corners {
        let _ = brush.arc_to(x1, y1, x2, y2, radius);
    }
    brush.close_path();
}

fn line(brush: &Brush, points: &[(f64, f64)]) {
    brush.begin_path();
    for (index, (x, y)) in points.iter().enumerate() {
        if index % 2 == 0 {
            brush.move_to(*x, *y)
        } else {
            brush.line_to(*x, *y)
        }
    }
    brush.stroke();
}

/// One slot: the same shapes as the glyphs, a size larger.
fn cell(brush: &Brush, ink: &Ink, state: SlotState, x: f64, y: f64) {
    let filled = |token: &str| {
        brush.set_fill_style_str(ink.get(token));
        rounded(brush, x, y, CELL, 3.0);
        brush.fill();
    };
    let framed = |token: &str, width: f64| {
        brush.set_stroke_style_str(ink.get(token));
        brush.set_line_width(width);
        rounded(brush, x + 0.5, y + 0.5, CELL - 1.0, 3.0);
        brush.stroke();
    };
    let (cx, cy) = (x + CELL / 2.0, y + CELL / 2.0);
    match state {
        SlotState::Idle => framed("--idle-f", 1.2),
        SlotState::Busy => filled("--busy-f"),
        SlotState::Stalled => {
            filled("--stalled-f");
            brush.set_stroke_style_str(ink.get("--cell-mark"));
            brush.set_line_width(2.0);
            line(
                brush,
                &[
                    (cx - 2.2, cy - 3.2),
                    (cx - 2.2, cy + 3.2),
                    (cx + 2.2, cy - 3.2),
                    (cx + 2.2, cy + 3.2),
                ],
            );
        }
        SlotState::Lost => {
            brush.set_stroke_style_str(ink.get("--lost-f"));
            brush.set_line_width(2.0);
            brush.set_line_cap("round");
            line(
                brush,
                &[
                    (cx - 4.0, cy - 4.0),
                    (cx + 4.0, cy + 4.0),
                    (cx + 4.0, cy - 4.0),
                    (cx - 4.0, cy + 4.0),
                ],
            );
            brush.set_line_cap("butt");
        }
        SlotState::Zombie => {
            brush.set_fill_style_str(ink.get("--zombie-f"));
            brush.begin_path();
            brush.move_to(cx, cy - 7.5);
            brush.line_to(cx + 7.5, cy);
            brush.line_to(cx, cy + 7.5);
            brush.line_to(cx - 7.5, cy);
            brush.close_path();
            brush.fill();
            brush.set_fill_style_str(ink.get("--cell-mark"));
            brush.begin_path();
            let _ = brush.arc(cx, cy, 2.4, 0.0, std::f64::consts::TAU);
            brush.fill();
        }
        SlotState::Draining => {
            brush.set_fill_style_str(ink.get("--draining-f"));
            brush.fill_rect(x + 1.0, cy, CELL - 2.0, CELL / 2.0 - 1.0);
            framed("--draining-f", 1.3);
        }
        SlotState::Disabled => {
            filled("--disabled-s");
            framed("--disabled-f", 1.0);
            line(
                brush,
                &[(x + 2.5, y + CELL - 2.5), (x + CELL - 2.5, y + 2.5)],
            );
        }
    }
}
