//! One session on an Rserve: a TCP connection, and the R process that was forked for it.

use std::fmt;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::error::bounded;
use crate::qap::{self, Request};
use crate::value::{self, Value};
use crate::{Error, Secret, Tls, tls};

mod exchange;
mod files;
mod handshake;
mod receive;
mod transport;

pub use handshake::Handshake;
use transport::Transport;

/// Longest R error message that is kept, bytes.
const MAX_MESSAGE: usize = 8 * 1024;
/// Bytes that are read from the network at once.
const BUFFER: usize = 16 * 1024;
/// How much of a body is made room for before its bytes arrive.
const FIRST_ROOM: u64 = 64 * 1024;

/// Where an Rserve listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A host name or an address; IPv6 without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Who signs in. `Debug` hides the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name in the node's password file.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// Time and size limits of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// For the name look-up and the TCP connection.
    pub connect_timeout: Duration,
    /// From the TCP connection to the answer to the sign-in: a stopped listener accepts and says
    /// nothing.
    pub handshake_timeout: Duration,
    /// Largest answer that is read, bytes; a larger one is skipped and reported.
    pub max_reply: u64,
    /// Whether and how the connection is protected.
    pub tls: Option<Tls>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            handshake_timeout: Duration::from_secs(2),
            max_reply: 256 << 20,
            tls: None,
        }
    }
}

/// Whether the connection can take a request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Ready,
    /// A request is under way. Found at the start of another one, it tells that the first was
    /// dropped half way: its answer would be taken for the next one's.
    Busy,
    Ended(String),
}

/// A signed-in session. One request at a time; a request that is dropped before its answer closes
/// the connection for good.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<Transport>,
    endpoint: String,
    handshake: Handshake,
    max_reply: u64,
    state: State,
}

/// What the answer to a request holds.
#[derive(Clone, Copy)]
enum Answer {
    /// A value.
    Value,
    /// Bytes, or nothing.
    Bytes,
}

/// The answer to a request.
enum Reply {
    Value(Value),
    Bytes(Vec<u8>),
    Failed(u8),
}

impl Connection {
    /// Connects, reads the banner and signs in, each within the limits of `options`.
    ///
    /// Without `credentials` nobody is signed in: a node that demands it then refuses the first
    /// request with [`Error::SignInRefused`].
    pub async fn open(
        endpoint: &Endpoint,
        credentials: Option<&Credentials>,
        options: &Options,
    ) -> Result<Self, Error> {
        let place = endpoint.to_string();
        let connect = TcpStream::connect((endpoint.host.as_str(), endpoint.port));
        let stream = match tokio::time::timeout(options.connect_timeout, connect).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(source)) => {
                return Err(Error::Connect {
                    endpoint: place,
                    source,
                });
            }
            Err(_) => {
                return Err(Error::ConnectTimeout {
                    endpoint: place,
                    waited: options.connect_timeout,
                });
            }
        };
        let sign_in = async {
            stream.set_nodelay(true).map_err(|source| Error::Connect {
                endpoint: place.clone(),
                source,
            })?;
            let stream = match &options.tls {
                None => Transport::Plain(stream),
                Some(tls) => {
                    let stream = tls.connect(&endpoint.host, stream, &place).await?;
                    Transport::Tls(Box::new(stream))
                }
            };
            let protected = options.tls.is_some();
            let mut stream = BufReader::with_capacity(BUFFER, stream);
            let handshake = match handshake::read(&mut stream, &place).await {
                // A node that refuses this side's certificate says so after the handshake only.
                Err(Error::Connect { source, .. }) if protected => {
                    return Err(tls::failed(&place, &source));
                }
                Err(Error::NotRserve { got, .. }) if protected && got == handshake::CLOSED => {
                    let source = std::io::ErrorKind::UnexpectedEof.into();
                    return Err(tls::failed(&place, &source));
                }
                other => other?,
            };
            let mut connection = Self {
                stream,
                endpoint: place.clone(),
                handshake,
                max_reply: options.max_reply,
                state: State::Ready,
            };
            if let Some(credentials) = credentials {
                connection.sign_in(credentials).await?;
            }
            Ok(connection)
        };
        match tokio::time::timeout(options.handshake_timeout, sign_in).await {
            Ok(result) => result,
            Err(_) => Err(Error::HandshakeTimeout {
                endpoint: place,
                waited: options.handshake_timeout,
            }),
        }
    }

    /// A connection whose other side has said all of `bytes` already, the banner included.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) async fn over_bytes(bytes: Vec<u8>, max_reply: u64) -> Result<Self, Error> {
        let endpoint = "bytes:0".to_owned();
        let stream = Transport::Bytes(std::io::Cursor::new(bytes));
        // A small buffer, so that elements lie across its end.
        let mut stream = BufReader::with_capacity(61, stream);
        let handshake = handshake::read(&mut stream, &endpoint).await?;
        Ok(Self {
            stream,
            endpoint,
            handshake,
            max_reply,
            state: State::Ready,
        })
    }

    /// What the node said about itself when the connection opened.
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// Where this connection leads, `host:port`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Whether a request may still be sent. It does not ask the node.
    pub fn is_usable(&self) -> bool {
        self.state == State::Ready
    }

    /// Whether the other side is known to have ended this idle connection: R died, or the node. It
    /// waits for nothing.
    pub fn peer_has_closed(&self) -> bool {
        if self.state != State::Ready {
            return true;
        }
        self.stream.get_ref().peer_has_closed()
    }

    /// Evaluates R code in the session's global environment and returns its value. Output sent out
    /// of band is dropped. It waits as long as R takes: time-outs are the caller's.
    pub async fn eval(&mut self, code: &str) -> Result<Value, Error> {
        self.eval_streaming(code, |_| {}).await
    }

    /// As [`Connection::eval`], and hands each value that R sends out of band (`self.oobSend`) to
    /// `on_oob` when it arrives.
    pub async fn eval_streaming(
        &mut self,
        code: &str,
        on_oob: impl FnMut(Value) + Send,
    ) -> Result<Value, Error> {
        self.check_text("the code", code)?;
        let request = Request::new(qap::CMD_EVAL).string(code).finish();
        self.evaluate(request, on_oob).await
    }

    /// Evaluates a call that is sent as a value, so that no text has to be quoted. `call` is a
    /// [`crate::Data::Language`].
    pub async fn eval_call(
        &mut self,
        call: &Value,
        on_oob: impl FnMut(Value) + Send,
    ) -> Result<Value, Error> {
        let request = self.with_value(Request::new(qap::CMD_EVAL), call)?.finish();
        self.evaluate(request, on_oob).await
    }

    /// Sets the variable `name` in the session's global environment.
    pub async fn assign(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        self.check_text("the name", name)?;
        if name.is_empty() {
            return Err(Error::Invalid {
                endpoint: self.endpoint.clone(),
                reason: "the variable name is empty".to_owned(),
            });
        }
        let request = Request::new(qap::CMD_SET_SEXP).string(name);
        let request = self.with_value(request, value)?.finish();
        match self.request(request, Answer::Bytes, |_| {}).await? {
            Reply::Failed(status) => Err(self.refused("assign a variable", status)),
            Reply::Bytes(_) | Reply::Value(_) => Ok(()),
        }
    }

    /// Closes the connection: its R process ends by itself.
    pub async fn close(mut self) {
        // Nothing is lost when the other side is gone already.
        let _ = self.stream.get_mut().shutdown().await;
    }

    async fn sign_in(&mut self, credentials: &Credentials) -> Result<(), Error> {
        let refused = |endpoint: &str| Error::SignInRefused {
            endpoint: endpoint.to_owned(),
            user: bounded(&credentials.user, 80).to_owned(),
        };
        let password = credentials.password.reveal();
        if credentials.user.contains(['\n', '\0']) || password.contains(['\n', '\0']) {
            // These end the user or the password on the wire: no such user can exist.
            return Err(refused(&self.endpoint));
        }
        let crypted = match self.handshake.salt() {
            Some(salt) => Some(crypted(password, salt).ok_or_else(|| {
                self.end("its sign-in needs another way");
                Error::Crypt {
                    endpoint: self.endpoint.clone(),
                    reason: "it takes only passwords that went through crypt(), and sent no usable salt; set `plaintext enable` there and protect the connection by TLS".to_owned(),
                }
            })?),
            None => None,
        };
        let password = crypted.as_deref().unwrap_or(password);
        let text = format!("{}\n{password}", credentials.user);
        match self
            .request(
                Request::new(qap::CMD_LOGIN).string(&text).finish(),
                Answer::Bytes,
                |_| {},
            )
            .await?
        {
            Reply::Failed(_) => {
                self.end("the sign-in was refused");
                Err(refused(&self.endpoint))
            }
            Reply::Bytes(_) | Reply::Value(_) => Ok(()),
        }
    }

    async fn evaluate(
        &mut self,
        request: Vec<u8>,
        on_oob: impl FnMut(Value) + Send,
    ) -> Result<Value, Error> {
        match self.request(request, Answer::Value, on_oob).await? {
            Reply::Value(value) => Ok(value),
            Reply::Bytes(_) => Ok(Value::null()),
            Reply::Failed(qap::ERR_AUTH) => {
                self.end("it needs a sign-in");
                Err(Error::SignInRefused {
                    endpoint: self.endpoint.clone(),
                    user: "(nobody)".to_owned(),
                })
            }
            Reply::Failed(code @ 127) => {
                // Rserve gives the status only; R keeps the text.
                let message = match self
                    .request(
                        Request::new(qap::CMD_EVAL)
                            .string("geterrmessage()")
                            .finish(),
                        Answer::Value,
                        |_| {},
                    )
                    .await?
                {
                    Reply::Value(text) => text.as_str().unwrap_or_default().trim().to_owned(),
                    Reply::Bytes(_) | Reply::Failed(_) => String::new(),
                };
                Err(Error::R {
                    endpoint: self.endpoint.clone(),
                    code,
                    message: bounded(&message, MAX_MESSAGE).to_owned(),
                })
            }
            Reply::Failed(code @ (2 | 3)) => {
                let message = if code == 2 {
                    "the code is incomplete"
                } else {
                    "the code has a syntax error"
                };
                Err(Error::R {
                    endpoint: self.endpoint.clone(),
                    code,
                    message: message.to_owned(),
                })
            }
            Reply::Failed(status) => Err(self.refused("evaluate", status)),
        }
    }

    fn with_value(&self, request: Request, value: &Value) -> Result<Request, Error> {
        request
            .sexp(|out| value::encode_into(value, out))
            .map_err(|reason| Error::Invalid {
                endpoint: self.endpoint.clone(),
                reason: reason.to_owned(),
            })
    }

    fn check_text(&self, what: &str, text: &str) -> Result<(), Error> {
        if text.contains('\0') {
            return Err(Error::Invalid {
                endpoint: self.endpoint.clone(),
                reason: format!("{what} contains a NUL character"),
            });
        }
        Ok(())
    }

    /// Marks the connection as ended, for this reason.
    fn end(&mut self, reason: &str) {
        self.state = State::Ended(reason.to_owned());
    }

    fn broken(&mut self, what: &str) -> Error {
        self.end(what);
        Error::Protocol {
            endpoint: self.endpoint.clone(),
            what: what.to_owned(),
        }
    }
}

/// What Rserve compares where it takes no plain passwords: `crypt()` as Unix had it first, two
/// characters of salt, the password's first eight bytes. `None` if the salt is none.
fn crypted(password: &str, salt: &str) -> Option<String> {
    // The hash says which algorithm it is of; deprecated is what Rserve asks for.
    #[allow(deprecated)]
    pwhash::unix_crypt::hash_with(salt, password).ok()
}
