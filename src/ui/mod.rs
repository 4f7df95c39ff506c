//! Widgets that know no resource: what the pages are made of.

pub mod button;
pub mod chart;
pub mod clock;
pub mod code;
mod common;
pub mod copy;
pub mod diff;
pub mod el;
pub mod field;
pub mod flow;
mod following;
pub mod format;
pub mod icon;
pub mod order;
pub mod overlay;
pub mod page;
pub mod r_code;
pub mod save;
pub mod slots;
pub mod steps;
pub mod toast;
pub mod trouble;
pub mod virtual_list;

use std::cell::Cell;

pub use button::{Button, ButtonLink, Chip, Choice, Segment, Tag, Weight};
pub use chart::{Lane, LanePoint, Sparkline};
pub use clock::{ago, moment, time_of_day, use_clock};
pub use code::{CodeEdit, CodeView, DiffPiece, DiffRow, DiffView};
pub use copy::copy_as_curl;
pub use diff::diff_rows;
pub use field::{CheckField, Hint, RadioCard, SearchField, SelectField, TextArea, TextField};
pub use flow::{For, Show};
pub use gridhelm_view::view;
pub use icon::{Glyph, Icon, glyph, icon, live_glyph, logo, state};
pub use overlay::{Confirm, Dialog, Drawer, layer};
pub use page::{Empty, Figure, PageHead, Panel, Skeleton, SortHead, SummaryStrip, facts};
pub use save::{csv_line, save_text};
pub use slots::{Shares, SlotStrip};
pub use steps::{CheckLine, StepLine, check_line, step_line};
pub use toast::{Toasts, use_toasts};
pub use trouble::{ErrorBox, Trouble};
pub use virtual_list::VirtualList;

/// A fresh id for an element: `prefix-1`, `prefix-2`.
pub fn next_id(prefix: &str) -> String {
    thread_local! {
        static LAST: Cell<u32> = const { Cell::new(0) };
    }
    LAST.set(LAST.get() + 1);
    format!("{prefix}-{}", LAST.get())
}
