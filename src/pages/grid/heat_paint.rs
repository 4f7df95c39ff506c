//! Paints the heat map: only what is seen, in the colours of the present theme.

use gridhelm_api::node::SlotState;
use leptos::prelude::window;
use web_sys::HtmlCanvasElement;

use super::heat::{column_numbers, row_label};
use super::heat_cells::{Cells, Ink, brush_of, rounded};
use super::heat_plan::{CELL, HEAD, PITCH, Plan, Row, Spot, worst};

/// Paints what is `seen` of the plan: from so far down, so high.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // pixels of a small canvas
pub(crate) fn paint(
    canvas: &HtmlCanvasElement,
    theme: &str,
    plan: &Plan,
    (top, highest): (f64, f64),
    ring: Option<Spot>,
    states: impl Fn(usize, usize, &mut Vec<SlotState>),
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
    let Some(brush) = brush_of(canvas) else {
        return;
    };
    let ink = Ink::of(theme);
    let Some(cells) = Cells::of(&ink, scale) else {
        return;
    };
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
    // Names are written in this, or shares drawn.
    brush.set_fill_style_str(ink.get(if plan.nodes { "--ink-3" } else { "--ink-2" }));
    let seen = |row: &&Row| row.y + PITCH > top && row.y < top + height;
    let mut slots = Vec::new();
    for row in plan.rows.iter().filter(seen) {
        let block = &plan.blocks[row.block];
        let mut x = block.cells;
        if plan.nodes {
            for item in row.item..row.item + row.count {
                slots.clear();
                states(row.block, item, &mut slots);
                // The worst state of each, and under it which share of its slots is in that.
                if let Some((state, share)) = worst(&slots) {
                    cells.put(&brush, state, (x, row.y), top);
                    brush.fill_rect(x, row.y + CELL + 1.0, CELL * share, 1.5);
                }
                x += PITCH;
            }
            continue;
        }
        if row.first == 0 {
            let _ = brush.fill_text(&row_label(plan, row.block, row.item), block.x, row.y + 11.5);
        }
        slots.clear();
        states(row.block, row.item, &mut slots);
        for state in slots.iter().skip(row.first).take(row.count) {
            cells.put(&brush, *state, (x, row.y), top);
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
