//! Where the time of tasks goes, phase by phase, for `/metrics`.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use std::time::Instant;

/// A part of a task's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// Opening a session; almost nothing when one was opened ahead.
    Session,
    /// The commit of its start.
    Start,
    /// R: from the request to its answer.
    Evaluate,
    /// Fetching plots and files.
    Files,
    /// The commit of its end.
    Finish,
}

impl EncodeLabelValue for Phase {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let word = match self {
            Self::Session => "session",
            Self::Start => "start",
            Self::Evaluate => "evaluate",
            Self::Files => "files",
            Self::Finish => "finish",
        };
        EncodeLabelValue::encode(&word, encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfPhase {
    phase: Phase,
}

/// A family of histograms, seconds.
pub(crate) type Histograms = Family<OfPhase, Histogram, fn() -> Histogram>;

/// How long the phases of tasks took in this process.
#[derive(Debug, Clone)]
pub(crate) struct Phases(Histograms);

impl Default for Phases {
    fn default() -> Self {
        Self(Family::new_with_constructor(seconds))
    }
}

fn seconds() -> Histogram {
    // 0.1 ms to 1.7 min.
    Histogram::new(exponential_buckets(0.0001, 2.0, 21))
}

impl Phases {
    /// Does something that is this phase, and keeps how long it took.
    pub(crate) async fn time<T>(&self, phase: Phase, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = work.await;
        self.0
            .get_or_create(&OfPhase { phase })
            .observe(began.elapsed().as_secs_f64());
        done
    }

    /// The family, to be registered.
    pub(crate) fn histograms(&self) -> Histograms {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use prometheus_client::registry::Registry;

    #[tokio::test]
    async fn a_phase_is_told_by_its_name() {
        let phases = Phases::default();
        assert_eq!(phases.time(Phase::Evaluate, async { 7 }).await, 7);
        let mut registry = Registry::default();
        registry.register("task_phase", "Phases", phases.histograms());
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(
            text.contains("task_phase_count{phase=\"evaluate\"} 1"),
            "{text}"
        );
    }
}
