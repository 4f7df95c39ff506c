//! What handlers take out of a request, each with its own refusal.

use super::pace::TooSlow;
use super::refusal::Refusal;
use super::routes::Rule;
use crate::store::Expect;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use gridhelm_api::Code;
use serde::de::DeserializeOwned;

/// Bodies of JSON: at most 2 MiB.
pub(crate) const JSON_LIMIT: u64 = 2 << 20;

/// Reads a body whole, at most `limit` bytes.
pub(crate) async fn read(body: Body, limit: u64) -> Result<Bytes, Refusal> {
    let limit_here = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut stream = body.into_data_stream();
    let mut first: Option<Bytes> = None;
    let mut all: Vec<u8> = Vec::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| {
            if TooSlow::is(&error) {
                TooSlow::refusal()
            } else {
                broken_off()
            }
        })?;
        if all.len() + first.as_ref().map_or(0, Bytes::len) + piece.len() > limit_here {
            return Err(Refusal::too_large(limit));
        }
        if first.is_none() && all.is_empty() {
            // The usual body is one piece: nothing is copied.
            first = Some(piece);
            continue;
        }
        if let Some(first) = first.take() {
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&piece);
    }
    Ok(first.unwrap_or_else(|| all.into()))
}

pub(crate) fn broken_off() -> Refusal {
    Refusal::new(
        Code::MalformedBody,
        "The connection broke before the body's end. Nothing was written; send it again.",
    )
}

/// A JSON body. Refusals say where it is wrong and never quote what was sent: it may be a password.
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.split(';').next())
            .is_some_and(|v| v.trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            return Err(Refusal::new(
                Code::MalformedBody,
                "Send a JSON body with Content-Type: application/json.",
            ));
        }
        let limit = request
            .extensions()
            .get::<Rule>()
            .map_or(JSON_LIMIT, |r| r.body);
        let bytes = read(request.into_body(), limit).await?;
        parse(&bytes).map(Self)
    }
}

pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        malformed(&path, error.inner())
    })?;
    json.end().map_err(|error| malformed(".", &error))?;
    Ok(value)
}

fn malformed(path: &str, error: &serde_json::Error) -> Refusal {
    let place = format!("line {}, column {}", error.line(), error.column());
    let detail = if error.is_data() {
        let field = if path == "." { "the body" } else { path };
        format!(
            "{field} (at {place}): {}.",
            what_is_wrong(&error.to_string())
        )
    } else if error.to_string().starts_with("recursion limit") {
        format!("The JSON is nested deeper than 128 levels, at {place}.")
    } else if error.is_eof() {
        format!("The JSON ends too early, at {place}.")
    } else {
        format!("This is not JSON, at {place}.")
    };
    Refusal::new(Code::MalformedBody, detail)
}

/// Serde's words without the value that was sent.
fn what_is_wrong(message: &str) -> String {
    let message = message
        .rsplit_once(" at line ")
        .map_or(message, |(head, _)| head);
    if message.starts_with("missing field ") || message.starts_with("duplicate field ") {
        return message.to_owned();
    }
    match message.rsplit_once("expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None => "it has another form than this address takes".to_owned(),
    }
}

/// The query, typed.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Query(value) = Query::from_request_parts(parts, state)
            .await
            .map_err(|error| {
                let text = error.body_text();
                let text = text
                    .strip_prefix("Failed to deserialize query string: ")
                    .unwrap_or(&text);
                Refusal::invalid("query", format!("{text}."))
            })?;
        Ok(Self(value))
    }
}

/// One or more segments of the path.
pub(crate) struct Segments<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(value) = Path::from_request_parts(parts, state)
            .await
            .map_err(|_| Refusal::not_found("What this address names"))?;
        Ok(Self(value))
    }
}

/// `If-Match` with the version that the caller saw; 428 without it.
pub(crate) struct IfMatch(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        if_match(&parts.headers)?.map(Self).ok_or_else(|| {
            Refusal::new(
                Code::VersionRequired,
                "Send If-Match with the version that you saw (its ETag), so that nobody's change is overwritten.",
            )
        })
    }
}

/// `If-Match`, or `If-None-Match: *` for what must not exist yet; 428 without either.
pub(crate) struct Precondition(pub(crate) Expect);

impl<S: Send + Sync> FromRequestParts<S> for Precondition {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let headers = &parts.headers;
        let absent = headers
            .get(header::IF_NONE_MATCH)
            .map(|v| v.as_bytes() == b"*");
        match (if_match(headers)?, absent) {
            (Some(version), None) => Ok(Self(Expect::Version(version))),
            (None, Some(true)) => Ok(Self(Expect::Absent)),
            (None, None) => Err(Refusal::new(
                Code::VersionRequired,
                "Send If-Match with the version that you saw, or If-None-Match: * for a new file.",
            )),
            _ => Err(Refusal::invalid(
                "If-None-Match",
                "Send either If-Match with a version, or If-None-Match: *.",
            )),
        }
    }
}

fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Refusal> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let version = value.to_str().ok().and_then(version_of_tag);
    version.map(Some).ok_or_else(|| {
        Refusal::invalid(
            "If-Match",
            "Give one version as a quoted number, as in its ETag: \"3\".",
        )
    })
}

/// The version in an ETag: `"3"`; also `W/"3"`, which a compressing proxy makes of it.
fn version_of_tag(tag: &str) -> Option<i64> {
    let tag = tag.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    let number = tag.strip_prefix('"')?.strip_suffix('"')?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::http::refusal::Refused;
    use axum::response::IntoResponse;
    use gridhelm_api::account::SignIn;
    use gridhelm_api::node::NodeDraft;
    use proptest::prelude::*;

    fn detail(refusal: Refusal) -> String {
        let response = refusal.into_response();
        assert_eq!(response.status(), 400);
        response
            .extensions()
            .get::<Refused>()
            .unwrap()
            .0
            .detail
            .clone()
    }

    #[test]
    fn a_refused_body_says_where_and_never_what() {
        let secret = "hunter2, expected more";
        for body in [
            format!("{{\"username\": \"m\", \"password\": [\"{secret}\"]}}"),
            format!("{{\"username\": 5, \"password\": \"{secret}\"}}"),
            format!("{{\"username\": \"m\", \"password\": \"{secret}\""),
            format!("{{\"username\": \"m\", \"password\": \"{secret}\"}} x"),
            format!("\"{secret}\""),
        ] {
            let text = detail(parse::<SignIn>(body.as_bytes()).err().unwrap());
            assert!(
                !text.contains("hunter2") && text.contains("line 1"),
                "{text}"
            );
        }
        let text = detail(
            parse::<NodeDraft>(br#"{"name":"a","host":"h","port":"x","slot_limit":1}"#)
                .err()
                .unwrap(),
        );
        assert_eq!(text, "port (at line 1, column 33): expected u16.");
        let text = detail(parse::<NodeDraft>(b"{}").err().unwrap());
        assert!(text.contains("missing field `name`"), "{text}");
    }

    #[test]
    fn tags_are_quoted_numbers() {
        assert_eq!(version_of_tag("\"3\""), Some(3));
        assert_eq!(version_of_tag(" W/\"12\" "), Some(12));
        for bad in [
            "3",
            "\"\"",
            "\"-1\"",
            "\"x\"",
            "*",
            "\"1\", \"2\"",
            "\"99999999999999999999\"",
        ] {
            assert_eq!(version_of_tag(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_limit() {
        let pieces = |sizes: &[usize]| {
            let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
                sizes.iter().map(|n| Ok(vec![7; *n])).collect();
            Body::from_stream(futures_util::stream::iter(pieces))
        };
        assert_eq!(read(pieces(&[4, 0, 6]), 10).await.unwrap().len(), 10);
        assert_eq!(read(pieces(&[]), 10).await.unwrap().len(), 0);
        assert_eq!(
            read(pieces(&[10, 1]), 10).await.unwrap_err().code(),
            Code::TooLarge
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse::<NodeDraft>(&bytes);
        }
    }
}
