//! Values read while they arrive. A large vector goes straight into the memory that it keeps, so it is
//! never held twice; what is small is read whole and decoded at once.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::qap::{DT_LARGE, DT_SEXP};
use crate::value::{
    self, Attributes, Data, DecodeError, Decoder, MAX_PADDING, Value, assembled, complex, integer,
    is_made_of_values, logical, string, xt,
};

/// Longest value that is read whole before it is decoded, bytes.
const WHOLE: u64 = if cfg!(feature = "fuzzing") {
    16
} else {
    64 * 1024
};
/// How much of a vector is made room for before its first bytes arrive, elements.
const FIRST_ROOM: usize = if cfg!(feature = "fuzzing") {
    2
} else {
    64 * 1024
};
/// Longest single text or odd value, bytes.
const MAX_TEXT: u64 = 256 << 20;

/// Why a value could not be read.
pub(super) enum Failure {
    /// The stream ended or broke.
    Stream(io::Error),
    /// The bytes are no value, or more than is taken.
    Value(DecodeError),
    /// The parameter is none that an answer has.
    Parameter(Option<u8>),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Stream(error)
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Value(error)
    }
}

/// A value under way: the stream, and how much of the message is left.
pub(super) struct Receiver<'a, S> {
    stream: &'a mut S,
    /// Bytes of the message that were not read yet.
    pub(super) left: u64,
    decoder: Decoder,
    scratch: Vec<u8>,
}

impl<'a, S: AsyncBufRead + Unpin + Send> Receiver<'a, S> {
    pub(super) fn new(stream: &'a mut S, length: u64) -> Self {
        Self {
            stream,
            left: length,
            decoder: Decoder::default(),
            scratch: Vec::new(),
        }
    }

    /// The value that is the message's first parameter, and its whole use.
    pub(super) async fn parameter(&mut self) -> Result<Value, Failure> {
        if self.left < 4 {
            return Err(Failure::Parameter(None));
        }
        let (kind, length) = self.header().await?;
        if kind != DT_SEXP {
            return Err(Failure::Parameter(Some(kind)));
        }
        if length > self.left {
            return Err(Failure::Parameter(None));
        }
        if length <= WHOLE {
            let bytes = self.whole(length).await?;
            return Ok(self.decoder.value(&bytes, 0)?.0);
        }
        let end = self.left - length;
        let (kind, length) = self.header().await?;
        if self.left < end || length > self.left - end {
            return Err(DecodeError::Truncated.into());
        }
        self.large(kind, length, 0).await
    }

    /// Reads past what is left of the message.
    pub(super) async fn drain(self) -> io::Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        let mut rest = self.stream.take(self.left);
        match tokio::io::copy(&mut rest, &mut tokio::io::sink()).await? {
            read if read == self.left => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// A header of four or eight bytes: type without the bit for the long form, and length.
    async fn header(&mut self) -> Result<(u8, u64), Failure> {
        let mut bytes = [0_u8; 8];
        self.exact(&mut bytes[..4]).await?;
        let kind = bytes[0];
        if kind & DT_LARGE != 0 {
            self.exact(&mut bytes[4..]).await?;
        }
        bytes[0] = 0;
        Ok((kind & !DT_LARGE, u64::from_le_bytes(bytes) >> 8))
    }

    async fn exact(&mut self, bytes: &mut [u8]) -> Result<(), Failure> {
        let length = bytes.len() as u64;
        if length > self.left {
            return Err(DecodeError::Truncated.into());
        }
        self.stream.read_exact(bytes).await?;
        self.left -= length;
        Ok(())
    }

    /// The next `length` bytes, all at once.
    async fn whole(&mut self, length: u64) -> Result<Vec<u8>, Failure> {
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        if length > self.left || length > MAX_TEXT {
            return Err(DecodeError::Truncated.into());
        }
        let read = (&mut self.stream)
            .take(length)
            .read_to_end(&mut bytes)
            .await?;
        if read as u64 != length {
            return Err(Failure::Stream(io::ErrorKind::UnexpectedEof.into()));
        }
        self.left -= length;
        Ok(bytes)
    }

    /// The content of a value whose header was read.
    async fn large(&mut self, kind: u8, length: u64, depth: usize) -> Result<Value, Failure> {
        self.decoder.enter(depth)?;
        let end = self.left - length;
        let mut attributes = Attributes::new();
        if kind & xt::HAS_ATTR != 0 {
            if self.left == end {
                return Err(DecodeError::Truncated.into());
            }
            attributes = value::named(self.nested(end, depth).await?);
        }
        let kind = kind & !xt::HAS_ATTR;
        let length = self.left - end;
        let data = match kind {
            _ if is_made_of_values(kind) => {
                let mut values = Vec::new();
                while self.left > end {
                    values.push(self.nested(end, depth).await?);
                }
                assembled(kind, values)?
            }
            xt::INT | xt::ARRAY_INT => {
                Data::Integer(self.vector(kind, length, |bytes| integer(*bytes)).await?)
            }
            xt::DOUBLE | xt::ARRAY_DOUBLE => Data::Double(
                self.vector(kind, length, |b| f64::from_le_bytes(*b))
                    .await?,
            ),
            xt::ARRAY_CPLX => Data::Complex(self.vector(kind, length, complex).await?),
            xt::ARRAY_BOOL_UA | xt::BOOL => {
                Data::Logical(self.vector(kind, length, |&[byte]| logical(byte)).await?)
            }
            xt::ARRAY_BOOL => {
                let count = self.counted(kind, length).await?;
                let flags = self.vector(kind, count, |&[byte]| logical(byte)).await?;
                Data::Logical(flags)
            }
            xt::RAW => {
                let count = self.counted(kind, length).await?;
                Data::Raw(self.vector(kind, count, |&[byte]| byte).await?)
            }
            xt::ARRAY_STR => Data::Text(self.texts(end).await?),
            _ => {
                let bytes = self.whole(length).await?;
                self.decoder.content(kind, &bytes, depth)?
            }
        };
        // Padding, or what an empty value carries along.
        while self.left > end {
            let rest = (self.left - end).min(WHOLE);
            self.scratch = self.whole(rest).await?;
        }
        Ok(Value { data, attributes })
    }

    /// One value inside another that ends when `end` bytes of the message are left.
    async fn nested(&mut self, end: u64, depth: usize) -> Result<Value, Failure> {
        // Of a value among others only its header tells where it ends.
        let (kind, length) = self.header().await?;
        if self.left < end || length > self.left - end {
            return Err(DecodeError::Truncated.into());
        }
        if length > WHOLE {
            return Box::pin(self.large(kind, length, depth + 1)).await;
        }
        let bytes = self.whole(length).await?;
        let value = self.decoder.headed(kind, &bytes, depth + 1)?;
        self.scratch = bytes;
        Ok(value)
    }

    /// The count before the bytes of a raw or logical vector.
    async fn counted(&mut self, kind: u8, length: u64) -> Result<u64, Failure> {
        if length < 4 {
            return Err(DecodeError::BadLength(kind).into());
        }
        let mut count = [0_u8; 4];
        self.exact(&mut count).await?;
        let count = u64::from(u32::from_le_bytes(count));
        let room = length - 4;
        // The count has 32 bits only: of a longer vector Rserve sends its lower half.
        if count > room || room - count > MAX_PADDING as u64 {
            return Err(DecodeError::BadLength(kind).into());
        }
        Ok(count)
    }

    /// `length` bytes as elements of `N` bytes each. Room for all is made once the first have come.
    async fn vector<T, const N: usize>(
        &mut self,
        kind: u8,
        length: u64,
        element: impl Fn(&[u8; N]) -> T,
    ) -> Result<Vec<T>, Failure> {
        let bad = DecodeError::BadLength(kind);
        let count = usize::try_from(length).map_err(|_| bad.clone())? / N;
        if !length.is_multiple_of(N as u64) {
            return Err(bad.into());
        }
        let mut elements: Vec<T> = Vec::with_capacity(count.min(FIRST_ROOM));
        let mut split = [0_u8; N];
        while elements.len() < count {
            let buffer = self.stream.fill_buf().await?;
            if buffer.is_empty() {
                return Err(Failure::Stream(io::ErrorKind::UnexpectedEof.into()));
            }
            let (chunks, _) = buffer.as_chunks::<N>();
            let chunks = &chunks[..chunks.len().min(count - elements.len())];
            if elements.capacity() < elements.len() + chunks.len() {
                elements.reserve_exact(count - elements.len());
            }
            elements.extend(chunks.iter().map(&element));
            let used = chunks.len() * N;
            self.stream.consume(used);
            self.left -= used as u64;
            if used == 0 {
                // An element that lies across the buffer's end.
                self.exact(&mut split).await?;
                elements.push(element(&split));
            }
        }
        Ok(elements)
    }

    /// NUL-ended strings up to `end`, then padding of 0x01.
    async fn texts(&mut self, end: u64) -> Result<Vec<Option<String>>, Failure> {
        let mut texts = Vec::new();
        let mut text = std::mem::take(&mut self.scratch);
        while self.left > end {
            text.clear();
            let room = (self.left - end).min(MAX_TEXT);
            let read = (&mut self.stream)
                .take(room)
                .read_until(0, &mut text)
                .await?;
            if read == 0 {
                return Err(Failure::Stream(io::ErrorKind::UnexpectedEof.into()));
            }
            self.left -= read as u64;
            match text.split_last() {
                Some((0, text)) => {
                    self.decoder.count(1)?;
                    texts.push(string(text));
                }
                _ if read as u64 == room && self.left == end => {}
                _ => return Err(Failure::Stream(io::ErrorKind::UnexpectedEof.into())),
            }
        }
        self.scratch = text;
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::value::{Complex, encode};
    use crate::{Connection, Error};

    /// An answer with this value, as Rserve sends it.
    fn answer(sexp: &[u8]) -> Vec<u8> {
        let mut bytes = b"Rsrv0103QAP1\r\n\r\n----------------".to_vec();
        let length = |n: usize| (n as u64).to_le_bytes();
        bytes.extend_from_slice(&[1, 0, 1, 0]);
        bytes.extend_from_slice(&length(sexp.len() + 8)[..4]);
        bytes.extend_from_slice(&[0; 8]);
        bytes.push(DT_SEXP | DT_LARGE);
        bytes.extend_from_slice(&length(sexp.len())[..7]);
        bytes.extend_from_slice(sexp);
        bytes
    }

    fn large() -> Value {
        let many = 30_000;
        let texts: Vec<Option<String>> = (0..many)
            .map(|n| (n % 7 > 0).then(|| format!("text {n}")))
            .collect();
        let integers: Value = Data::Integer((0..many).map(Some).collect()).into();
        let doubles = Value {
            data: Data::Double((0..many).map(|x| f64::from(x) / 3.0).collect()),
            attributes: vec![("note".to_owned(), Data::Text(texts.clone()).into())],
        };
        let complex = |x| Complex { re: x, im: -x };
        let parts = vec![
            integers,
            doubles,
            Data::Complex((0..many).map(|x| complex(f64::from(x))).collect()).into(),
            Data::Raw(vec![7; 100_001]).into(),
            Data::Logical(
                (0..many * 3)
                    .map(|n| Some(n % 2 > 0).filter(|_| n % 5 > 0))
                    .collect(),
            )
            .into(),
            Data::Text(texts).into(),
            Value::null(),
            Data::Expression(vec![Value::symbol("x"); 10_000]).into(),
            Data::Pairs(vec![(Some("tag".into()), Value::double(1.0)); 5_000]).into(),
        ];
        Value {
            data: Data::List(parts),
            attributes: vec![("note".to_owned(), Value::text("kept"))],
        }
    }

    #[tokio::test]
    async fn large_values_are_the_same_however_they_are_read() {
        let value = large();
        let sexp = encode(&value).unwrap();
        let mut c = Connection::over_bytes(answer(&sexp), 1 << 30)
            .await
            .unwrap();
        assert!(c.eval("x").await.unwrap() == value);
        assert!(matches!(c.eval("x").await, Err(Error::Closed { .. })));
    }

    #[tokio::test]
    async fn an_end_or_a_lie_anywhere_is_told() {
        let sexp = encode(&large()).unwrap();
        let whole = answer(&sexp);
        for end in (60..whole.len()).step_by(whole.len() / 40) {
            let mut c = Connection::over_bytes(whole[..end].to_vec(), 1 << 30)
                .await
                .unwrap();
            assert!(
                matches!(c.eval("x").await, Err(Error::Closed { .. })),
                "{end}"
            );
            assert!(!c.is_usable());
        }
        // Every length that a header of the first levels claims, made too long.
        for at in [49, 57, 61] {
            let mut bytes = whole.clone();
            bytes[at + 3] = 0x7f;
            let mut c = Connection::over_bytes(bytes, 1 << 30).await.unwrap();
            let told = c.eval("x").await;
            assert!(
                matches!(told, Err(Error::Protocol { .. } | Error::Closed { .. })),
                "{at}"
            );
        }
    }
}
