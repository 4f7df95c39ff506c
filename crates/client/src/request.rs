//! A request and its answer, as both platforms see them.

use core::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result, bare};
use crate::json;

/// A bearer token. Never shown: not by `Debug`, not in an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token as the server gave it.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The token itself, to be stored or sent, never to be shown.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes or starts.
    Post,
    /// Writes whole.
    Put,
    /// Changes a part.
    Patch,
    /// Takes away.
    Delete,
}

impl Method {
    /// As it stands in the request line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What a request carries.
#[derive(Default)]
pub enum Body {
    /// Nothing.
    #[default]
    None,
    /// A JSON text.
    Json(String),
    /// Bytes as they are.
    Bytes(Vec<u8>),
}

impl Body {
    /// A value as JSON.
    pub fn json(value: &impl Serialize) -> Self {
        // The API's own types always serialise; a value that cannot becomes `null`, which every server refuses by name.
        Self::Json(serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()))
    }
}

/// A request, ready to be sent.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) token: Option<&'a Token>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
    pub(crate) timeout_s: u32,
}

/// An answer of 200 to 299.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its `ETag`, quotes included, if it has one.
    pub etag: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
    pub(crate) url: String,
}

impl Answer {
    /// The body as a value; an empty body reads as JSON `null`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        let body: &[u8] = if self.body.is_empty() {
            b"null"
        } else {
            &self.body
        };
        read(body).map_err(|detail| Error::Decode {
            url: bare(&self.url),
            status: self.status,
            detail,
        })
    }

    /// The body as text; what is not UTF-8 becomes U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// JSON as a value, or what is wrong with it.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> core::result::Result<T, String> {
    let text = core::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    json::read(text).map_err(|error| error.to_string())
}

/// Adds `name=value` to a query, percent-encoded. `url` may have a query already.
pub(crate) fn add_query(url: &mut String, name: &str, value: &str) {
    url.push(if url.contains('?') { '&' } else { '?' });
    url.push_str(name);
    url.push('=');
    encode(url, value);
}

/// Percent-encodes all but RFC 3986's unreserved characters: good for a path segment and for a query's value.
pub(crate) fn encode(url: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            url.push(char::from(byte));
        } else {
            url.push('%');
            url.push(char::from(HEX[usize::from(byte >> 4)]));
            url.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_token_is_never_shown() {
        assert_eq!(
            format!("{:?}", Some(Token::new("s3cret"))),
            "Some(Token(…))"
        );
    }

    #[test]
    fn queries_carry_any_text() {
        let mut url = "/a".to_owned();
        add_query(&mut url, "q", "a&b=ä /");
        add_query(&mut url, "n", "1");
        assert_eq!(url, "/a?q=a%26b%3D%C3%A4%20%2F&n=1");
    }
}
