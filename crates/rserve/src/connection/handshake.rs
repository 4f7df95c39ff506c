//! The banner with which an Rserve greets: 32 bytes, or more, in blocks of four.

use tokio::io::AsyncReadExt;

use crate::Error;
use crate::error::printable;

/// What is told of a node that says nothing.
pub(super) const CLOSED: &str =
    "it closed the connection without a word (an overloaded Rserve does this too)";

/// What the node said about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The protocol version of Rserve, four digits: `0103` for Rserve 1.x.
    pub version: String,
    /// The protocol: `QAP1`.
    pub protocol: String,
    /// The attributes that follow, each four characters: `ARpt` (sign-in with a plain password),
    /// `ARuc` (with a crypted one), `TLS`, …
    pub attributes: Vec<String>,
}

impl Handshake {
    /// The salt with which a password must be crypted, if the node takes no plain ones.
    pub(super) fn salt(&self) -> Option<&str> {
        let has = |name: &str| self.attributes.iter().any(|a| a == name);
        if has("ARpt") || !has("ARuc") {
            return None;
        }
        let salt = self.attributes.iter().find_map(|a| a.strip_prefix('K'));
        Some(salt.unwrap_or_default())
    }

    /// Whether the node demands a sign-in.
    pub fn needs_sign_in(&self) -> bool {
        self.attributes.iter().any(|a| a.starts_with("AR"))
    }
}

/// Reads the banner, or says what came instead of it.
pub(super) async fn read(
    stream: &mut (impl AsyncReadExt + Unpin),
    endpoint: &str,
) -> Result<Handshake, Error> {
    let mut banner = [0_u8; 32];
    let mut filled = 0;
    let not = |got: String| Error::NotRserve {
        endpoint: endpoint.to_owned(),
        got,
    };
    while filled < banner.len() {
        // Something that talks otherwise is told by its first bytes; it may never send 32.
        let head = &banner[..filled.min(4)];
        if head != &b"Rsrv"[..head.len()] {
            return Err(not(describe(&banner[..filled])));
        }
        match stream.read(&mut banner[filled..]).await {
            Ok(0) if filled == 0 => {
                return Err(not(CLOSED.to_owned()));
            }
            Ok(0) => return Err(not(describe(&banner[..filled]))),
            Ok(n) => filled += n,
            Err(source) => {
                return Err(Error::Connect {
                    endpoint: endpoint.to_owned(),
                    source,
                });
            }
        }
    }
    parse(&banner).map_err(not)
}

fn parse(banner: &[u8; 32]) -> Result<Handshake, String> {
    if !banner.starts_with(b"Rsrv") {
        return Err(describe(banner));
    }
    let block = |at: usize| printable(&banner[at..at + 4]);
    let protocol = block(8);
    if protocol != "QAP1" {
        return Err(format!(
            "an Rserve that speaks {protocol} (OCAP or text mode)"
        ));
    }
    let attributes = (12..32)
        .step_by(4)
        .map(|at| {
            let text = block(at);
            match text.as_bytes() {
                // A salt, of which dots and strokes are part: `K./ `.
                [b'K', _, _, b' '] => text[..3].to_owned(),
                _ => text.trim_matches(['.', ' ', '-']).to_owned(),
            }
        })
        .filter(|a| !a.is_empty())
        .collect();
    Ok(Handshake {
        version: block(4),
        protocol,
        attributes,
    })
}

/// What a service is that greets with these bytes.
fn describe(bytes: &[u8]) -> String {
    let known: [(&[u8], &str); 6] = [
        (b"HTTP/", "a web server"),
        (b"SSH-", "an SSH server"),
        (b"220", "a mail or FTP server"),
        (b"RsOC", "an Rserve in OCAP mode"),
        (b"\x15\x03", "a TLS server"),
        (b"-ERR", "a Redis or POP3 server"),
    ];
    let what = known
        .iter()
        .find(|(start, _)| bytes.starts_with(start))
        .map_or("another service", |(_, what)| what);
    format!("{what} answered '{}'", printable(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn a_banner_is_taken_apart() {
        let mut bytes: &[u8] = b"Rsrv0103QAP1\r\n\r\nARucARpt--\r\nTLS\0";
        let got = read(&mut bytes, "n:1").await.unwrap();
        assert_eq!(
            (got.version.as_str(), got.protocol.as_str()),
            ("0103", "QAP1")
        );
        assert_eq!(got.attributes, ["ARuc", "ARpt", "TLS"]);
        assert!(got.needs_sign_in());
    }

    #[tokio::test]
    async fn the_salt_counts_only_where_no_plain_password_is_taken() {
        for (banner, salt) in [
            (&b"Rsrv0103QAP1\r\n\r\nARucK./ ARpt----"[..], None),
            (b"Rsrv0103QAP1\r\n\r\nARucK./ --------", Some("./")),
            (b"Rsrv0103QAP1\r\n\r\n----------------", None),
            (b"Rsrv0103QAP1\r\n\r\nARuc------------", Some("")),
        ] {
            let mut bytes = banner;
            assert_eq!(read(&mut bytes, "n:1").await.unwrap().salt(), salt);
        }
    }

    #[tokio::test]
    async fn other_services_are_named() {
        for (bytes, word) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], "web server"),
            (b"SSH-2.0-OpenSSH", "SSH"),
            (b"", "without a word"),
            (b"Rsrv0103", "another service"),
            (b"Rsrv0103QAP2\r\n\r\n................", "QAP2"),
            (b"\x1b[31mred", "'.[31mred'"),
        ] {
            let mut bytes = bytes;
            let error = read(&mut bytes, "n:1").await.unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
