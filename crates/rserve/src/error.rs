//! What can go wrong between this process and an Rserve.

use std::time::Duration;

use crate::value::DecodeError;

/// Why a request to an Rserve failed. Every message says what happened, where, and what to do.
///
/// `endpoint` is always `host:port`. Text that came from the other side is cleaned of control
/// characters and bounded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The TCP connection was refused or failed.
    #[error(
        "cannot connect to {endpoint}: {source}; check that Rserve runs there and that a firewall lets this host in"
    )]
    Connect {
        /// Where.
        endpoint: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Nothing answered the TCP connection attempt in time.
    #[error("no answer from {endpoint} within {} ms; check the address, the network and the firewall", waited.as_millis())]
    ConnectTimeout {
        /// Where.
        endpoint: String,
        /// How long this side waited.
        waited: Duration,
    },
    /// The port accepted the connection but did not finish the handshake or the sign-in in time: a
    /// stopped or overloaded listener, or a service that waits for the client to speak first.
    #[error("{endpoint} accepts connections but sent no Rserve banner or sign-in answer within {} ms; the listener may be stopped or overloaded, or the port wants TLS or belongs to another service", waited.as_millis())]
    HandshakeTimeout {
        /// Where.
        endpoint: String,
        /// How long this side waited.
        waited: Duration,
    },
    /// TLS could not be agreed on: a certificate does not fit, or the port has no TLS.
    #[error("no TLS with {endpoint}: {reason}")]
    Tls {
        /// Where.
        endpoint: String,
        /// Why, and what to check.
        reason: String,
    },
    /// The node takes only passwords that went through `crypt()`, and this one cannot.
    #[error("cannot sign in at {endpoint}: {reason}")]
    Crypt {
        /// Where.
        endpoint: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Something else than an Rserve speaking QAP1 listens there.
    #[error("{endpoint} is not an Rserve that speaks QAP1: {got}; check the port")]
    NotRserve {
        /// Where.
        endpoint: String,
        /// What was received instead, in words, with the first bytes made printable.
        got: String,
    },
    /// The user or the password was refused.
    #[error(
        "{endpoint} refused the sign-in of user '{user}'; check the node's user name and password, and whether its session limit is reached"
    )]
    SignInRefused {
        /// Where.
        endpoint: String,
        /// The user name that was tried.
        user: String,
    },
    /// R raised an error or could not parse the code. The connection stays usable.
    #[error("R at {endpoint} reported an error (code {code}): {message}")]
    R {
        /// Where.
        endpoint: String,
        /// Rserve's status: 127 for an R error, 2 or 3 for code that does not parse.
        code: u8,
        /// R's own message, at most 8 KiB.
        message: String,
    },
    /// The other side broke the protocol, or refused a command.
    #[error(
        "{endpoint} broke the Rserve protocol: {what}; close this connection, and check that the port is an Rserve 1.8 or later"
    )]
    Protocol {
        /// Where.
        endpoint: String,
        /// What was wrong.
        what: String,
    },
    /// The answer is right, and more than this client takes. The connection stays usable.
    #[error("the answer of R at {endpoint} cannot be taken: {source}; return something simpler")]
    Unreadable {
        /// Where.
        endpoint: String,
        /// Which limit it exceeds.
        source: DecodeError,
    },
    /// Something exceeds a limit of this client or of the node.
    #[error("{what} is too large for {endpoint}: {}", sizes(*bytes, *limit))]
    TooLarge {
        /// Where.
        endpoint: String,
        /// What was too large.
        what: String,
        /// Its size, bytes.
        bytes: u64,
        /// The limit, bytes; 0 when it is the node's own and not known here.
        limit: u64,
        /// Whether it was too much to read past, so that the session had to be given up.
        ended: bool,
    },
    /// The session is gone, or an earlier request on this connection was given up.
    #[error("the session at {endpoint} is closed: {reason}; open a new one")]
    Closed {
        /// Where.
        endpoint: String,
        /// Why, as far as it is known.
        reason: String,
        /// The status that user code gave to `quit()`, when that is what ended the session.
        quit_status: Option<i32>,
    },
    /// A file command failed in the session.
    #[error("cannot {action} the file '{path}' at {endpoint}: {reason}")]
    File {
        /// Where.
        endpoint: String,
        /// What was tried: `open`, `create`, `read`, `write`, `close` or `remove`.
        action: &'static str,
        /// The path on the node.
        path: String,
        /// Why, as far as Rserve tells.
        reason: String,
    },
    /// A value cannot be sent to R.
    #[error("cannot send this to R at {endpoint}: {reason}")]
    Invalid {
        /// Where.
        endpoint: String,
        /// What is wrong with the value.
        reason: String,
    },
    /// The connection broke while in use.
    #[error("the connection to {endpoint} broke: {source}; open a new session")]
    Io {
        /// Where.
        endpoint: String,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the connection can still be used after this error.
    pub fn leaves_session_usable(&self) -> bool {
        matches!(
            self,
            Self::R { .. }
                | Self::File { .. }
                | Self::Invalid { .. }
                | Self::TooLarge { ended: false, .. }
                | Self::Unreadable { .. }
        )
    }

    /// Whether the session ended under the request: it is then unknown how far its work went.
    pub fn session_lost(&self) -> bool {
        matches!(
            self,
            Self::Closed { .. } | Self::Io { .. } | Self::Protocol { .. }
        )
    }

    pub(crate) fn decode(endpoint: &str, source: &DecodeError) -> Self {
        Self::Protocol {
            endpoint: endpoint.to_owned(),
            what: format!("a value could not be read: {source}"),
        }
    }
}

fn sizes(bytes: u64, limit: u64) -> String {
    match limit {
        0 => "it exceeds the node's own limit; raise it there or send less".to_owned(),
        _ => format!(
            "{bytes} bytes where at most {limit} are allowed; raise the limit or ask for less"
        ),
    }
}

/// Makes bytes from an unknown service fit for a message: printable ASCII, at most 60 characters.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text: String = bytes
        .iter()
        .take(60)
        .map(|&b| {
            if b.is_ascii_graphic() || b == b' ' {
                char::from(b)
            } else {
                '.'
            }
        })
        .collect();
    if bytes.len() > 60 {
        text.push('…');
    }
    text
}

/// Cuts `text` to at most `limit` bytes on a character boundary.
pub(crate) fn bounded(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
