//! `cargo xtask bench base`: what everything else stands on; large values, what axe finds in the console, backup and restore,
//! many readers and many event streams.

use super::{axe, backup, reads, streams, values};
use crate::harness::Result;

/// Measures and prints every figure; the first error, once all parts were tried.
///
/// # Errors
/// As the parts.
pub async fn run() -> Result<()> {
    let done = [
        values::run().await,
        axe::run().await,
        backup::run().await,
        reads::run().await,
        streams::run().await,
    ];
    done.into_iter().collect()
}

/// Measures one part alone, by name: `values`, `axe`, `backup`, `reads` or `streams`; `None` when there is none such.
///
/// # Errors
/// As [`run`].
pub async fn part(name: &str) -> Option<Result<()>> {
    match name {
        "values" => Some(values::run().await),
        "axe" => Some(axe::run().await),
        "backup" => Some(backup::run().await),
        "reads" => Some(reads::run().await),
        "streams" => Some(streams::run().await),
        _ => None,
    }
}
