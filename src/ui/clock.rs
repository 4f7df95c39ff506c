//! One clock for all ages on the screen: a signal that ticks ten times a second, and one that ticks once.

use std::time::Duration;

use crate::reactive::{RwSignal, Signal};
use leptos::prelude::*;

/// The page's clock. Ticks only while the page is seen.
#[derive(Clone, Copy)]
pub struct Clock {
    tenth: RwSignal<f64>,
    second: RwSignal<f64>,
}

/// Milliseconds since the page was opened, which no change of the system's clock disturbs.
pub fn now() -> f64 {
    if cfg!(target_arch = "wasm32") {
        window()
            .performance()
            .map_or_else(wall, |clock| clock.now())
    } else {
        0.0
    }
}

/// Milliseconds since 1970 by this browser's clock: only to compare with times that servers wrote.
pub fn wall() -> f64 {
    if cfg!(target_arch = "wasm32") {
        js_sys::Date::now()
    } else {
        0.0
    }
}

impl Clock {
    /// Starts the clock.
    pub fn start() -> Self {
        let clock = Self {
            tenth: RwSignal::new(now()),
            second: RwSignal::new(now()),
        };
        let tick = move || {
            if document().hidden() {
                return;
            }
            let now = now();
            clock.tenth.set(now);
            if now - clock.second.get_untracked() >= 950.0 {
                clock.second.set(now);
            }
        };
        if let Ok(handle) = set_interval_with_handle(tick, Duration::from_millis(100)) {
            on_cleanup(move || handle.clear());
        }
        clock
    }

    /// The time by [`now`], to a tenth of a second. Tracks every tick: for the one place that shows tenths.
    pub fn tenths(self) -> f64 {
        self.tenth.get()
    }

    /// The time by [`now`], to a second. Tracks every second.
    pub fn seconds(self) -> f64 {
        self.second.get()
    }

    /// The time by [`wall`], renewed every second.
    pub fn wall_seconds(self) -> f64 {
        self.second.track();
        wall()
    }
}

/// The page's clock.
pub fn use_clock() -> Clock {
    expect_context::<Clock>()
}

/// How long ago a server wrote that time, renewed every second. Shown by the browser's clock, which may differ from the server's by a little.
pub fn ago(at: i64) -> Signal<String> {
    let clock = use_clock();
    #[allow(clippy::cast_precision_loss)] // exact until the year 287396
    Signal::derive(move || super::format::age(clock.wall_seconds() - at as f64))
}

#[allow(clippy::cast_precision_loss)]
fn date(at: i64) -> js_sys::Date {
    js_sys::Date::new(&wasm_bindgen::JsValue::from_f64(at as f64))
}

fn two(number: u32) -> String {
    format!("{number:02}")
}

/// A server's time as a clock shows it here: `14:31:08`.
pub fn time_of_day(at: i64) -> String {
    let date = date(at);
    [
        two(date.get_hours()),
        two(date.get_minutes()),
        two(date.get_seconds()),
    ]
    .join(":")
}

/// A server's time with its day, when that is not today: `14:31:08`, `21 Nov 09:41`, `21 Nov 2025`.
pub fn moment(at: i64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (then, today) = (date(at), js_sys::Date::new_0());
    let month = MONTHS[usize::try_from(then.get_month() % 12).unwrap_or(0)];
    if then.get_full_year() != today.get_full_year() {
        return format!("{} {month} {}", then.get_date(), then.get_full_year());
    }
    if then.get_month() == today.get_month() && then.get_date() == today.get_date() {
        return time_of_day(at);
    }
    format!(
        "{} {month} {}:{}",
        then.get_date(),
        two(then.get_hours()),
        two(then.get_minutes())
    )
}
