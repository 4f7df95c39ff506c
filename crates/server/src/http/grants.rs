//! Large contents from server to server: the source grants, the target pulls.

use super::Http;
use super::changesets::{RangeQuery, must_be_hash, ranged};
use super::extract::{Json, Params, Segments};
use super::refusal::{Answer, Refusal};
use crate::accounts::Actor;
use crate::clock;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::{Extension, Json as Answered};
use gridhelm_api::changeset::{PART_STEP, PartState};
use gridhelm_api::grant::{GRANT_HEADER, Grant, GrantRequest, MAX_GRANTED, PullRequest};
use gridhelm_api::{Code, Millis};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a grant is good: longer than the largest content takes on a line of 150 Mbit/s.
const GOOD_FOR: Duration = Duration::from_mins(15);
/// Grants at the same time; beyond them the oldest goes.
const AT_ONCE: usize = 1_000;
/// Fetched at once at the beginning, and at most, bytes; multiples of the step of parts.
const FIRST: u64 = PART_STEP;
const PIECE: u64 = 8 << 20;
/// The next piece is larger after one that took less, and smaller after one that took more.
const SHORT: Duration = Duration::from_secs(2);
const LENGTHY: Duration = Duration::from_secs(8);
/// After so long the answer says how much has come, and the caller asks again.
const LONG: Duration = Duration::from_secs(15);
/// How long one piece may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The grants that hold.
#[derive(Default)]
pub(crate) struct Grants(Mutex<HashMap<String, (Instant, BTreeSet<String>)>>);

impl Grants {
    fn make(&self, contents: BTreeSet<String>, now: Instant) -> Result<String, getrandom::Error> {
        let secret = crate::random::hex(16)?;
        let mut grants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        grants.retain(|_, (made, _)| now.saturating_duration_since(*made) < GOOD_FOR);
        if grants.len() >= AT_ONCE {
            let oldest = grants.iter().min_by_key(|(_, (made, _))| *made);
            if let Some(oldest) = oldest.map(|(secret, _)| secret.clone()) {
                grants.remove(&oldest);
            }
        }
        grants.insert(secret.clone(), (now, contents));
        Ok(secret)
    }

    fn allows(&self, secret: &str, sha256: &str, now: Instant) -> bool {
        let grants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        grants.get(secret).is_some_and(|(made, contents)| {
            now.saturating_duration_since(*made) < GOOD_FOR && contents.contains(sha256)
        })
    }
}

/// Gives leave to read some contents.
pub(crate) async fn grant(
    State(http): State<Arc<Http>>,
    Extension(actor): Extension<Actor>,
    Json(request): Json<GrantRequest>,
) -> Answer<(StatusCode, Answered<Grant>)> {
    http.repository.must_see_all(&actor).await?;
    if request.sha256.is_empty() || request.sha256.len() > MAX_GRANTED {
        return Err(Refusal::invalid("sha256", "Name 1 to 1000 contents."));
    }
    for sha256 in &request.sha256 {
        must_be_hash(sha256)?;
    }
    let wanted: BTreeSet<String> = request.sha256.iter().cloned().collect();
    let there = http.repository.present(&request.sha256).await?;
    let there: BTreeSet<String> = there.into_iter().map(|(sha256, _)| sha256).collect();
    if let Some(absent) = wanted.difference(&there).next() {
        return Err(Refusal::not_found(format_args!("Content {absent}")));
    }
    let secret = http.grants.make(wanted, Instant::now()).map_err(|error| {
        tracing::error!(%error, "no random numbers for a grant");
        Refusal::new(Code::Internal, "The server's random source failed.")
    })?;
    let good_for = Millis::try_from(GOOD_FOR.as_millis()).unwrap_or_default();
    let grant = Grant {
        url: http.app.config.public_url.clone(),
        secret,
        expires_at: clock::now() + good_for,
    };
    Ok((StatusCode::CREATED, Answered(grant)))
}

/// A content to whoever has leave to read it.
pub(crate) async fn granted(
    State(http): State<Arc<Http>>,
    Segments(sha256): Segments<String>,
    Params(query): Params<RangeQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    let secret = headers.get(GRANT_HEADER).and_then(|v| v.to_str().ok());
    if !secret.is_some_and(|secret| http.grants.allows(secret, &sha256, Instant::now())) {
        return Err(Refusal::new(
            Code::InvalidToken,
            "This content needs a grant that names it and has not ended (15 minutes).",
        ));
    }
    ranged(&http, sha256, &query).await
}

/// Fetches a content that a changeset lacks from the source's server, as far as it comes in a while.
pub(crate) async fn pull(
    State(http): State<Arc<Http>>,
    Segments(id): Segments<String>,
    Json(request): Json<PullRequest>,
) -> Answer<Answered<PartState>> {
    must_be_hash(&request.sha256)?;
    if !http.app.config.replication.allows(&request.url) {
        let text = format!(
            "{} is not one of the sources in [replication] of this server's configuration. The contents can come through the browser.",
            request.url.chars().take(200).collect::<String>()
        );
        return Err(Refusal::new(Code::Forbidden, text));
    }
    let begun = Instant::now();
    let mut state = http
        .repository
        .put_part(&id, &request.sha256, 0, &[])
        .await?;
    let mut most = FIRST;
    while !state.whole && begun.elapsed() < LONG {
        let length = most.min(state.size - state.have);
        let asked = Instant::now();
        let piece = fetch(&http, &request, state.have, length).await?;
        most = next_piece(most, asked.elapsed());
        let next = http
            .repository
            .put_part(&id, &request.sha256, state.have, piece.bytes())
            .await?;
        if !next.whole && next.have <= state.have {
            break;
        }
        state = next;
    }
    Ok(Answered(state))
}

/// The size of the next piece, when one of this size took so long: no line that is merely slow shall run out of [`PATIENCE`].
fn next_piece(now: u64, took: Duration) -> u64 {
    if took < SHORT {
        (now * 2).min(PIECE)
    } else if took > LENGTHY {
        (now / 2).max(PART_STEP)
    } else {
        now
    }
}

async fn fetch(
    http: &Http,
    request: &PullRequest,
    offset: u64,
    length: u64,
) -> Answer<crate::repository::Upload> {
    let url = format!(
        "{}/api/v1/repository/granted/{}?offset={offset}&length={length}",
        request.url.trim_end_matches('/'),
        request.sha256
    );
    let failed = |why: String| {
        let text = format!(
            "The source at {} did not give the content: {why}. What came before is kept; the rest can come through the browser.",
            request.url
        );
        Refusal::new(Code::Conflict, text)
    };
    let answer = http
        .relay
        .client()
        .get(url)
        .header(GRANT_HEADER, &request.secret)
        .timeout(PATIENCE)
        .send()
        .await
        .map_err(|error| failed(error.without_url().to_string()))?;
    if !answer.status().is_success() {
        return Err(failed(format!("it answered {}", answer.status())));
    }
    // Bounded and accounted for as what a client sends.
    let came = http
        .uploads
        .take(Box::pin(answer.bytes_stream()), Some(length), length)
        .await?;
    if came.bytes().len() as u64 == length {
        return Ok(came);
    }
    Err(failed("it broke off".to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_slow_line_gets_small_pieces_and_a_fast_one_large_ones() {
        for (rate, settles) in [
            (20_000_u64, 256 << 10),
            (1_000_000, 2 << 20),
            (100 << 20, PIECE),
        ] {
            let mut piece = FIRST;
            for _ in 0..10 {
                let took = Duration::from_millis(piece * 1000 / rate);
                assert!(took < PATIENCE, "{rate}: {piece}");
                piece = next_piece(piece, took);
                assert!(piece.is_multiple_of(PART_STEP));
            }
            assert_eq!(piece, settles, "{rate}");
        }
    }

    #[test]
    fn a_grant_is_for_its_contents_and_its_time() {
        let grants = Grants::default();
        let now = Instant::now();
        let secret = grants.make(BTreeSet::from(["a".to_owned()]), now).unwrap();
        assert!(grants.allows(&secret, "a", now));
        assert!(!grants.allows(&secret, "b", now));
        assert!(!grants.allows("other", "a", now));
        assert!(!grants.allows(&secret, "a", now + GOOD_FOR));
        for _ in 0..AT_ONCE {
            let later = now + Duration::from_millis(1);
            grants.make(BTreeSet::new(), later).unwrap();
        }
        assert!(!grants.allows(&secret, "a", now), "the oldest goes");
        assert_eq!(grants.0.lock().unwrap().len(), AT_ONCE);
    }
}
