//! `cargo xtask bench`: measures a running local deployment and prints one JSON object a line.

pub mod axe;
pub mod backup;
pub mod base;
pub mod console;
pub mod first;
pub mod grid;
pub mod groups;
pub mod ha;
mod heap;
pub mod lone;
pub mod model;
mod printed;
pub mod reads;
pub mod replicate;
pub mod stats;
pub mod streams;
pub mod switch;
mod syncthing;
pub mod tasks;
pub mod values;

use serde::Serialize;

/// One measured figure, as it is printed.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// Its exact name.
    pub figure: &'static str,
    /// The value; for several runs the median.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What the same thing costs without us, measured in the same run, or a peer's figure seen before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// How many runs.
    pub n: usize,
    /// The bar that the figure should meet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bar: Option<f64>,
}

impl Figure {
    /// A figure of so many runs.
    pub fn new(figure: &'static str, value: f64, unit: &'static str, n: usize) -> Self {
        Self {
            figure,
            value: (value * 1000.0).round() / 1000.0,
            unit,
            peer: None,
            n,
            bar: None,
        }
    }

    /// Names the bar.
    #[must_use]
    pub fn bar(self, bar: f64) -> Self {
        Self {
            bar: Some(bar),
            ..self
        }
    }

    /// Names a peer.
    #[must_use]
    pub fn peer(self, peer: impl Into<String>) -> Self {
        Self {
            peer: Some(peer.into()),
            ..self
        }
    }

    /// Prints it as one JSON line.
    #[allow(
        clippy::print_stdout,
        reason = "the command's answer is its standard output"
    )]
    pub fn print(&self) {
        println!("{}", serde_json::to_string(self).unwrap_or_default());
    }
}
