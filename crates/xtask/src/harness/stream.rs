//! A client's event stream, and when each frame came.

use super::api::Api;
use super::{HarnessError, Result};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long something may take to be told.
const PATIENCE: Duration = Duration::from_secs(30);

/// The path of a stream on which nodes travel whole.
pub const WHOLE: &str = "/api/v1/events";
/// The path of a stream on which what changes of nodes comes as patches, as a console's has it.
pub const PATCHES: &str = "/api/v1/events?patches=1";

/// Asks the server at `address` (host and port, no TLS) for its events; all that it answers is still to be read.
///
/// # Errors
/// When it cannot be reached.
pub async fn ask(address: &str, api: &Api) -> Result<TcpStream> {
    ask_at(address, api, WHOLE).await
}

async fn ask_at(address: &str, api: &Api, path: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nAccept: text/event-stream\r\n\r\n",
        api.token()
    );
    stream.write_all(request.as_bytes()).await?;
    Ok(stream)
}

/// An open stream of a server's events.
pub struct EventStream {
    stream: TcpStream,
    text: Vec<u8>,
    /// Bytes that came so far.
    pub bytes: u64,
}

impl EventStream {
    /// Opens one, and reads its first frame: the snapshot.
    ///
    /// # Errors
    /// When the server cannot be reached, or sends none.
    pub async fn open(url: &str, api: &Api) -> Result<Self> {
        Self::open_at(url, api, WHOLE).await
    }

    /// The same, of [`WHOLE`] or [`PATCHES`].
    ///
    /// # Errors
    /// As [`EventStream::open`].
    pub async fn open_at(url: &str, api: &Api, path: &str) -> Result<Self> {
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let mut events = Self {
            stream: ask_at(address, api, path).await?,
            text: Vec::new(),
            bytes: 0,
        };
        events
            .until("the snapshot", |frame| frame.contains("event: snapshot"))
            .await?;
        Ok(events)
    }

    /// Reads for so long, and hands on each frame: all its bytes but the empty line at its end.
    ///
    /// # Errors
    /// When the stream ended.
    pub async fn during(&mut self, time: Duration, mut on_frame: impl FnMut(&str)) -> Result<()> {
        let end = Instant::now() + time;
        let mut buffer = vec![0; 64 << 10];
        loop {
            while let Some(at) = self.text.windows(2).position(|two| two == b"\n\n") {
                on_frame(&String::from_utf8_lossy(&self.text[..at]));
                self.text.drain(..at + 2);
            }
            let left = end.saturating_duration_since(Instant::now());
            let Ok(read) = tokio::time::timeout(left, self.stream.read(&mut buffer)).await else {
                return Ok(());
            };
            let read = read?;
            if read == 0 {
                return Err(HarnessError("the event stream ended".into()));
            }
            self.bytes += read as u64;
            self.text.extend_from_slice(&buffer[..read]);
        }
    }

    /// Reads until a frame fits; when it came.
    ///
    /// # Errors
    /// When none came within 30 s, or the stream ended.
    pub async fn until(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> Result<Instant> {
        let end = Instant::now() + PATIENCE;
        let mut buffer = vec![0; 64 << 10];
        loop {
            while let Some(at) = self.text.windows(2).position(|two| two == b"\n\n") {
                let fit = fits(&String::from_utf8_lossy(&self.text[..at]));
                self.text.drain(..at + 2);
                if fit {
                    return Ok(Instant::now());
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            let read = tokio::time::timeout(left, self.stream.read(&mut buffer)).await;
            let read = read
                .map_err(|_| HarnessError(format!("waited {PATIENCE:?} to be told of {what}")))??;
            if read == 0 {
                return Err(HarnessError(format!(
                    "the event stream ended before it told of {what}"
                )));
            }
            self.bytes += read as u64;
            self.text.extend_from_slice(&buffer[..read]);
        }
    }
}
