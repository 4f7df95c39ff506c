//! Content that people or R made, on its way out. It always leaves as an attachment, without a type that a
//! browser would run, in a sandbox: so that it can never read a token.

use super::Http;
use super::refusal::{Answer, Refusal};
use crate::store::Store;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::io::AsyncReadExt as _;

/// Read from the store at a time.
const PIECE: u64 = 512 << 10;
const SANDBOX: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");

/// Which content, and how it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) sha256: String,
    pub(crate) size: u64,
    pub(crate) name: String,
}

/// Streams the content. The first piece is read before the answer begins: an absent content is a problem.
pub(crate) async fn give(http: &Http, given: Given) -> Answer<Response> {
    let store = Arc::clone(&http.app.store);
    let first = store
        .read_blob(&given.sha256, 0, PIECE.min(given.size))
        .await?
        .ok_or_else(|| Refusal::not_found(format_args!("The content of {}", given.name)))?;
    let body = if first.len() as u64 >= given.size {
        Body::from(first)
    } else {
        Body::from_stream(pieces(store, given.sha256.clone(), given.size, first))
    };
    let mut response = Response::new(body);
    headers(response.headers_mut(), &given);
    Ok(response)
}

fn pieces(
    store: Arc<dyn Store>,
    sha256: String,
    size: u64,
    first: Vec<u8>,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    let start = (store, sha256, 0_u64, Some(first));
    futures_util::stream::try_unfold(start, move |(store, sha256, at, first)| async move {
        if at >= size {
            return Ok(None);
        }
        let piece = match first {
            Some(first) => first,
            None => store
                .read_blob(&sha256, at, PIECE.min(size - at))
                .await
                .map_err(io::Error::other)?
                .unwrap_or_default(),
        };
        if piece.is_empty() {
            // Breaking the connection off tells the client that this is not the whole content.
            return Err(io::Error::other("content ended early"));
        }
        let at = at + piece.len() as u64;
        Ok(Some((Bytes::from(piece), (store, sha256, at, None))))
    })
}

/// Streams a file of this host that has that size.
pub(crate) async fn give_file(path: &Path, name: &str, size: u64) -> Answer<Response> {
    let file = tokio::fs::File::open(path)
        .await
        .map_err(|_| Refusal::not_found(format_args!("{name}")))?;
    let body = futures_util::stream::try_unfold((file, size), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut piece = vec![0; usize::try_from(left.min(PIECE)).unwrap_or_default()];
        file.read_exact(&mut piece).await?;
        let left = left - piece.len() as u64;
        Ok::<_, io::Error>(Some((Bytes::from(piece), (file, left))))
    });
    let mut response = Response::new(Body::from_stream(body));
    harmless(response.headers_mut(), name, size);
    Ok(response)
}

/// Gives out what was made for it.
pub(crate) fn give_bytes(bytes: Bytes, name: &str) -> Response {
    let size = bytes.len() as u64;
    let mut response = Response::new(Body::from(bytes));
    harmless(response.headers_mut(), name, size);
    response
}

fn headers(headers: &mut HeaderMap, given: &Given) {
    harmless(headers, &given.name, given.size);
    put(
        headers,
        header::HeaderName::from_static("x-content-sha256"),
        &given.sha256,
    );
}

fn put(headers: &mut HeaderMap, name: header::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

fn harmless(headers: &mut HeaderMap, name: &str, size: u64) {
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(harmless_type(name)),
    );
    headers.insert(header::CONTENT_SECURITY_POLICY, SANDBOX);
    put(headers, header::CONTENT_LENGTH, &size.to_string());
    put(headers, header::CONTENT_DISPOSITION, &disposition(name));
}

/// Raster images keep their type, so that a page that fetched one with its token can show it; all else is
/// bytes.
fn harmless_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase());
    match ending.as_deref() {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        _ => "application/octet-stream",
    }
}

/// RFC 6266: a plain name for old clients, and the whole one in UTF-8.
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | ' ' => c,
            _ => '_',
        })
        .collect();
    let mut whole = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            whole.push(char::from(byte));
        } else {
            whole.push('%');
            whole.push_str(&crate::random::to_hex(&[byte]).to_ascii_uppercase());
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_browser_could_run_leaves_as_bytes() {
        for name in [
            "x.html",
            "x.svg",
            "x.R",
            "x",
            "x.png.html",
            "x.xml",
            "x.pdf",
        ] {
            assert_eq!(harmless_type(name), "application/octet-stream", "{name}");
        }
        assert_eq!(harmless_type("plot001.PNG"), "image/png");
    }

    #[test]
    fn names_are_told_in_two_ways() {
        assert_eq!(
            disposition("Größe \"1\".csv"),
            "attachment; filename=\"Gr__e _1_.csv\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%221%22.csv"
        );
    }

    proptest! {
        #[test]
        fn no_name_breaks_out_of_the_header(name in ".{0,80}") {
            let text = disposition(&name);
            prop_assert!(HeaderValue::from_str(&text).is_ok());
            prop_assert_eq!(text.matches('"').count(), 2);
        }
    }
}
