//! One request and its answer on the wire.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::receive::{Failure, Receiver};
use super::{Answer, Connection, FIRST_ROOM, Reply, State};
use crate::Error;
use crate::error::bounded;
use crate::qap::{self, HEADER, Header, Kind};
use crate::value::Value;

impl Connection {
    /// Sends one message and reads up to its answer; what R sends out of band goes to `on_oob`.
    pub(super) async fn request(
        &mut self,
        message: Vec<u8>,
        answer: Answer,
        mut on_oob: impl FnMut(Value) + Send,
    ) -> Result<Reply, Error> {
        match &self.state {
            State::Ready | State::Ended(_) => {}
            State::Busy => self.end("an earlier request on it was given up before its answer came"),
        }
        if let State::Ended(reason) = &self.state {
            return Err(Error::Closed {
                endpoint: self.endpoint.clone(),
                reason: reason.clone(),
                quit_status: None,
            });
        }
        self.state = State::Busy;
        let result = self.exchange(message, answer, &mut on_oob).await;
        match result {
            Ok(reply) => {
                self.state = State::Ready;
                Ok(reply)
            }
            Err(error) => {
                if matches!(self.state, State::Ended(_)) {
                    // The reason is already known.
                } else if error.leaves_session_usable() {
                    self.state = State::Ready;
                } else {
                    self.end(&match &error {
                        Error::Closed { reason, .. } => reason.clone(),
                        other => bounded(&other.to_string(), 300).to_owned(),
                    });
                }
                Err(error)
            }
        }
    }

    async fn exchange(
        &mut self,
        message: Vec<u8>,
        answer: Answer,
        on_oob: &mut (impl FnMut(Value) + Send),
    ) -> Result<Reply, Error> {
        let stream = self.stream.get_mut();
        let sent = match stream.write_all(&message).await {
            Ok(()) => stream.flush().await,
            failed => failed,
        };
        if let Err(source) = sent {
            return Err(self.lost(source));
        }
        // A large request need not be kept while its answer is awaited.
        drop(message);
        loop {
            let mut head = [0_u8; HEADER];
            if let Err(source) = self.stream.read_exact(&mut head).await {
                return Err(self.lost(source));
            }
            let header = Header::decode(&head);
            if header.length > self.max_reply {
                return self.skip(header).await;
            }
            match header.kind {
                Kind::Ok => {
                    return Ok(match answer {
                        Answer::Value => Reply::Value(self.value(header.length).await?),
                        Answer::Bytes => Reply::Bytes(self.body(header.length).await?),
                    });
                }
                Kind::Failed(status) => {
                    self.body(header.length).await?;
                    return Ok(Reply::Failed(status));
                }
                Kind::OutOfBand => {
                    let value = self.value(header.length).await?;
                    on_oob(value);
                }
                Kind::Unexpected(command) => {
                    return Err(
                        self.broken(&format!("it sent the unexpected message {command:#x}"))
                    );
                }
            }
        }
    }

    /// Reads a body that is a value.
    async fn value(&mut self, length: u64) -> Result<Value, Error> {
        let mut receiver = Receiver::new(&mut self.stream, length);
        let result = receiver.parameter().await;
        match result {
            Ok(value) => match receiver.drain().await {
                Ok(()) => Ok(value),
                Err(source) => Err(self.lost(source)),
            },
            Err(Failure::Stream(source)) => Err(self.lost(source)),
            Err(Failure::Value(source)) if source.is_limit() => match receiver.drain().await {
                Ok(()) => Err(Error::Unreadable {
                    endpoint: self.endpoint.clone(),
                    source,
                }),
                Err(source) => Err(self.lost(source)),
            },
            Err(Failure::Value(source)) => {
                let error = Error::decode(&self.endpoint, &source);
                self.end("a value could not be read");
                Err(error)
            }
            Err(Failure::Parameter(None)) => Err(self.broken("an answer is cut short")),
            Err(Failure::Parameter(Some(kind))) => Err(self.broken(&format!(
                "an answer has parameter type {kind} instead of a value"
            ))),
        }
    }

    /// Reads a body. Memory grows with the bytes that arrive, not with the length that is claimed.
    async fn body(&mut self, length: u64) -> Result<Vec<u8>, Error> {
        let mut body = Vec::with_capacity(usize::try_from(length.min(FIRST_ROOM)).unwrap_or(0));
        match (&mut self.stream).take(length).read_to_end(&mut body).await {
            Ok(_) if body.len() as u64 == length => Ok(body),
            Ok(_) => Err(self.lost(std::io::ErrorKind::UnexpectedEof.into())),
            Err(source) => Err(self.lost(source)),
        }
    }

    /// Reads past an answer that is too large, so that the session stays usable.
    async fn skip(&mut self, header: Header) -> Result<Reply, Error> {
        let ended = header.kind != Kind::Ok || header.length > self.max_reply.saturating_mul(16);
        let too_large = Error::TooLarge {
            endpoint: self.endpoint.clone(),
            what: "the answer of R".to_owned(),
            bytes: header.length,
            limit: self.max_reply,
            ended,
        };
        if ended {
            self.end("an answer was too large to be skipped");
            return Err(too_large);
        }
        match tokio::io::copy(
            &mut (&mut self.stream).take(header.length),
            &mut tokio::io::sink(),
        )
        .await
        {
            Ok(read) if read == header.length => Err(too_large),
            Ok(_) => Err(self.lost(std::io::ErrorKind::UnexpectedEof.into())),
            Err(source) => Err(self.lost(source)),
        }
    }

    /// A status that no request of this client should meet.
    pub(super) fn refused(&mut self, what: &str, status: u8) -> Error {
        let endpoint = self.endpoint.clone();
        let (reason, bytes) = match status {
            qap::ERR_AUTH => {
                self.end("it needs a sign-in");
                return Error::SignInRefused {
                    endpoint,
                    user: "(nobody)".to_owned(),
                };
            }
            qap::ERR_DATA_OVERFLOW => ("the request (the node's `maxinbuf`)", 0),
            qap::ERR_OBJECT_TOO_BIG => ("the answer of R (the node's `maxsendbuf`)", 0),
            _ => return self.broken(&format!("it refused to {what} with status {status:#x}")),
        };
        Error::TooLarge {
            endpoint,
            what: reason.to_owned(),
            bytes,
            limit: 0,
            ended: false,
        }
    }

    pub(super) fn lost(&self, source: std::io::Error) -> Error {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        let endpoint = self.endpoint.clone();
        match source.kind() {
            UnexpectedEof | ConnectionReset | BrokenPipe | ConnectionAborted => Error::Closed {
                endpoint,
                reason: "R ended during the request".to_owned(),
                quit_status: None,
            },
            _ => Error::Io { endpoint, source },
        }
    }
}
