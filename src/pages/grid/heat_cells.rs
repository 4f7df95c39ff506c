//! The colours of a theme, and a cell of each state in them, drawn once.

use std::cell::RefCell;
use std::rc::Rc;

use gridhelm_api::node::SlotState;
use leptos::prelude::{document, window};
use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d as Brush, HtmlCanvasElement};

use super::heat_plan::CELL;
use crate::deployment::SLOT_STATES;

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
pub(super) struct Ink {
    theme: String,
    values: Vec<String>,
}

thread_local! {
    static INK: RefCell<Rc<Ink>> = RefCell::default();
}

impl Ink {
    /// Those of the present theme: read when it changes, and again while some are missing.
    pub(super) fn of(theme: &str) -> Rc<Self> {
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

    pub(super) fn get(&self, token: &str) -> &str {
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

/// What draws on a canvas.
pub(super) fn brush_of(canvas: &HtmlCanvasElement) -> Option<Brush> {
    canvas.get_context("2d").ok()??.dyn_into().ok()
}

/// A cell of each state, drawn once: to copy one takes a tenth of what drawing it does.
pub(super) struct Cells {
    ink: Rc<Ink>,
    /// Pixels of the screen in one of the page.
    scale: f64,
    drawn: HtmlCanvasElement,
    /// What is left free around a cell, and a cell's side with that, in pixels of the screen.
    margin: f64,
    side: f64,
}

impl Cells {
    /// Those in these colours, for this screen; none where nothing can be drawn.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // pixels of a small canvas
    pub(super) fn of(ink: &Rc<Ink>, scale: f64) -> Option<Rc<Self>> {
        thread_local! {
            static CELLS: RefCell<Option<Rc<Cells>>> = RefCell::default();
        }
        let known = CELLS.with_borrow(Clone::clone);
        if let Some(known) = known
            .filter(|cells| Rc::ptr_eq(&cells.ink, ink) && cells.scale.total_cmp(&scale).is_eq())
        {
            return Some(known);
        }
        let margin = (2.0 * scale).ceil();
        let side = (CELL * scale).ceil() + 2.0 * margin;
        let canvas = document().create_element("canvas").ok()?;
        let drawn: HtmlCanvasElement = canvas.dyn_into().ok()?;
        drawn.set_width(side as u32 * SLOT_STATES.len() as u32);
        drawn.set_height(side as u32);
        let brush = brush_of(&drawn)?;
        let mut left = margin;
        for state in SLOT_STATES {
            let _ = brush.set_transform(scale, 0.0, 0.0, scale, left, margin);
            cell(&brush, ink, state, 0.5, 0.0);
            left += side;
        }
        let cells = Rc::new(Self {
            ink: Rc::clone(ink),
            scale,
            drawn,
            margin,
            side,
        });
        CELLS.set(Some(Rc::clone(&cells)));
        Some(cells)
    }

    /// Puts one at a place of a page that begins at `top`: on whole pixels of the screen.
    pub(super) fn put(&self, brush: &Brush, state: SlotState, (x, y): (f64, f64), top: f64) {
        let Some(index) = SLOT_STATES.iter().position(|known| *known == state) else {
            return;
        };
        let on_screen = |at: f64| ((at * self.scale).round() - self.margin) / self.scale;
        let side = self.side / self.scale;
        // It fails only where there is nothing to copy.
        let _ = brush
            .draw_image_with_html_canvas_element_and_sw_and_sh_and_dx_and_dy_and_dw_and_dh(
                &self.drawn,
                self.side * index as f64,
                0.0,
                self.side,
                self.side,
                on_screen(x) - 0.5,
                on_screen(y - top) + top,
                side,
                side,
            );
    }
}

/// A path around a square with round corners.
pub(super) fn rounded(brush: &Brush, x: f64, y: f64, side: f64, radius: f64) {
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
