//! The bytes below a connection: TCP, or TLS over it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// An open stream to a node.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Bytes that are there already; what is written is dropped.
    #[cfg(any(test, feature = "fuzzing"))]
    Bytes(io::Cursor<Vec<u8>>),
}

impl Transport {
    /// Whether the other side is known to have ended this idle stream, without waiting.
    pub(crate) fn peer_has_closed(&self) -> bool {
        let tcp = match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
            #[cfg(any(test, feature = "fuzzing"))]
            Self::Bytes(_) => return false,
        };
        let mut byte = [0_u8; 1];
        // An idle session says nothing: EOF, an error and unasked bytes all end its use. (With TLS the
        // byte is missed afterwards, but then the session is not used again.)
        !matches!(tcp.try_read(&mut byte), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }
}

/// The same call on whatever the transport is.
macro_rules! on_stream {
    ($transport:expr, $method:ident $(, $argument:expr)*) => {
        match $transport.get_mut() {
            Self::Plain(stream) => Pin::new(stream).$method($($argument),*),
            Self::Tls(stream) => Pin::new(stream.as_mut()).$method($($argument),*),
            #[cfg(any(test, feature = "fuzzing"))]
            Self::Bytes(stream) => stream_of_bytes::$method(stream $(, $argument)*),
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_stream!(self, poll_read, cx, buf)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        on_stream!(self, poll_write, cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, poll_flush, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, poll_shutdown, cx)
    }
}

#[cfg(any(test, feature = "fuzzing"))]
mod stream_of_bytes {
    use super::{AsyncRead, Context, Pin, Poll, ReadBuf, io};

    type Bytes = io::Cursor<Vec<u8>>;

    pub(super) fn poll_read(
        stream: &mut Bytes,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(stream).poll_read(cx, buf)
    }

    pub(super) fn poll_write(
        _: &mut Bytes,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    pub(super) fn poll_flush(_: &mut Bytes, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_shutdown(_: &mut Bytes, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
