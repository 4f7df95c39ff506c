//! Bodies must come at some pace: one that stands still, or trickles, holds a place that others need.

use super::refusal::Refusal;
use axum::body::{Body, Bytes, HttpBody as _};
use futures_util::StreamExt as _;
use gridhelm_api::Code;
use std::time::Duration;
use tokio::time::Instant;

/// How long the next piece of a body may take to come.
const STILL: Duration = Duration::from_secs(20);
/// From then on the average is looked at.
const GRACE: Duration = Duration::from_secs(20);
/// The least average, bytes a second: less than the slowest line that anybody would upload by.
const LEAST: u64 = 1024;

/// The body came too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the body came too slowly")]
pub(super) struct TooSlow;

impl TooSlow {
    /// Whether that is why a body broke off.
    pub(super) fn is(error: &(dyn core::error::Error + 'static)) -> bool {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.is::<Self>() {
                return true;
            }
            cause = error.source();
        }
        false
    }

    pub(super) fn refusal() -> Refusal {
        Refusal::new(
            Code::TooSlow,
            format!(
                "The body stood still for {} s, or came with less than {LEAST} bytes a second. Nothing was written; send it again by a better line.",
                STILL.as_secs()
            ),
        )
    }
}

/// Whether so many bytes in so long a time are too few.
fn too_few(bytes: u64, since: Duration) -> bool {
    since >= GRACE && bytes < LEAST.saturating_mul(since.as_secs())
}

/// The same body, broken off by [`TooSlow`] when it does not keep the pace. Time that the reader itself takes counts
/// only for the average.
pub(super) fn paced(body: Body) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let state = (body.into_data_stream(), None::<Instant>, 0_u64, false);
    let stream = futures_util::stream::unfold(state, |(mut body, began, bytes, over)| async move {
        if over {
            return None;
        }
        let since = began.unwrap_or_else(Instant::now);
        let piece = match tokio::time::timeout(STILL, body.next()).await {
            Err(_) => Err(axum::Error::new(TooSlow)),
            Ok(None) => return None,
            Ok(Some(piece)) => piece,
        };
        let bytes = bytes
            + piece
                .as_ref()
                .map_or(0, |p| u64::try_from(p.len()).unwrap_or(0));
        let piece: Result<Bytes, axum::Error> = match piece {
            Ok(_) if too_few(bytes, since.elapsed()) => Err(axum::Error::new(TooSlow)),
            other => other,
        };
        let over = piece.is_err();
        Some((piece, (body, Some(since), bytes, over)))
    });
    Body::from_stream(stream)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::http::extract::read;
    use proptest::prelude::*;

    fn body(pieces: &'static [(u64, usize)]) -> Body {
        let stream = futures_util::stream::iter(pieces).then(|(wait, size)| async {
            tokio::time::sleep(Duration::from_secs(*wait)).await;
            Ok::<_, std::io::Error>(vec![7_u8; *size])
        });
        Body::from_stream(stream)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_in_pace_comes_whole() {
        let pieces = &[(0, 10), (19, 30_000), (19, 30_000)];
        assert_eq!(
            read(paced(body(pieces)), 100_000).await.unwrap().len(),
            60_010
        );
        assert!(paced(Body::empty()).is_end_stream());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_stands_still_or_trickles_is_refused() {
        let still = &[(0, 10), (21, 10)];
        let trickle = &[(0, 10), (5, 1), (5, 1), (5, 1), (6, 1), (5, 1)];
        for pieces in [still.as_slice(), trickle] {
            let refused = read(paced(body(pieces)), 100).await.unwrap_err();
            assert_eq!(refused.code(), Code::TooSlow);
        }
    }

    proptest! {
        #[test]
        fn more_bytes_are_never_worse(bytes: u64, more: u64, ms in 0_u64..10_000_000) {
            let since = Duration::from_millis(ms);
            prop_assert!(!too_few(bytes.saturating_add(more), since) || too_few(bytes, since));
        }

        #[test]
        fn a_modem_is_fast_enough(ms in 0_u64..600_000) {
            // 33.6 kbit/s.
            prop_assert!(!too_few(ms * 4200 / 1000, Duration::from_millis(ms)));
        }
    }
}
