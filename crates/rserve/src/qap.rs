//! QAP1 messages: the 16-byte header, commands and parameters (`Rsrv.h`).

/// Bytes of a message header.
pub(crate) const HEADER: usize = 16;

pub(crate) const CMD_LOGIN: u32 = 0x001;
pub(crate) const CMD_EVAL: u32 = 0x003;
pub(crate) const CMD_OPEN_FILE: u32 = 0x010;
pub(crate) const CMD_CREATE_FILE: u32 = 0x011;
pub(crate) const CMD_CLOSE_FILE: u32 = 0x012;
pub(crate) const CMD_READ_FILE: u32 = 0x013;
pub(crate) const CMD_WRITE_FILE: u32 = 0x014;
pub(crate) const CMD_REMOVE_FILE: u32 = 0x015;
pub(crate) const CMD_SET_SEXP: u32 = 0x020;

pub(crate) const DT_INT: u8 = 1;
pub(crate) const DT_STRING: u8 = 4;
pub(crate) const DT_BYTESTREAM: u8 = 5;
pub(crate) const DT_SEXP: u8 = 10;
pub(crate) const DT_LARGE: u8 = 64;

/// `ERR_auth_failed`: also given for any command before the sign-in.
pub(crate) const ERR_AUTH: u8 = 0x41;
/// `ERR_IOerror`: a file command failed.
pub(crate) const ERR_IO: u8 = 0x46;
/// `ERR_data_overflow`: the request exceeds the node's `maxinbuf`.
pub(crate) const ERR_DATA_OVERFLOW: u8 = 0x4b;
/// `ERR_object_too_big`: the result exceeds the node's `maxsendbuf`.
pub(crate) const ERR_OBJECT_TOO_BIG: u8 = 0x4c;

const CMD_RESP: u32 = 0x1_0000;
const CMD_OOB: u32 = 0x2_0000;
const RESP_OK: u32 = 0x1_0001;
const RESP_ERR: u32 = 0x1_0002;
const OOB_SEND: u32 = 0x2_1000;

/// What a message from Rserve is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The answer: the request succeeded.
    Ok,
    /// The answer: the request failed with this status.
    Failed(u8),
    /// Sent by R during an evaluation; the answer is still to come (`OOB_SEND`).
    OutOfBand,
    /// R waits for an answer to this (`OOB_MSG`), or it is no response at all.
    Unexpected(u32),
}

/// A decoded message header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// Length of the body, bytes, as the other side claims.
    pub(crate) length: u64,
}

impl Header {
    pub(crate) fn decode(bytes: &[u8; HEADER]) -> Self {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let command = word(0);
        let length = u64::from(word(4)) | (u64::from(word(12)) << 32);
        // The top byte carries the status, the rest is the command (CMD_STAT in Rsrv.h).
        let status = u8::try_from((command >> 24) & 0x7f).unwrap_or(0x7f);
        let kind = match command & 0x00ff_ffff {
            RESP_OK => Kind::Ok,
            RESP_ERR => Kind::Failed(status),
            other
                if other & CMD_OOB != 0
                    && other & CMD_RESP == 0
                    && other & 0xf_f000 == OOB_SEND =>
            {
                Kind::OutOfBand
            }
            other => Kind::Unexpected(other),
        };
        Self { kind, length }
    }
}

/// A request under construction: room for the header, then its parameters.
pub(crate) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    pub(crate) fn new(command: u32) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[..4].copy_from_slice(&command.to_le_bytes());
        Self { bytes }
    }

    /// A `DT_STRING`, NUL-ended and padded to a multiple of four. The caller made sure that `text`
    /// holds no NUL.
    pub(crate) fn string(mut self, text: &str) -> Self {
        let padded = (text.len() + 1).next_multiple_of(4);
        self.parameter_header(DT_STRING, padded);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.resize(self.bytes.len() + padded - text.len(), 0);
        self
    }

    /// A `DT_INT`.
    pub(crate) fn int(mut self, value: u32) -> Self {
        self.parameter_header(DT_INT, 4);
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A `DT_BYTESTREAM`, unpadded: Rserve writes the padding into the file too.
    pub(crate) fn bytes(mut self, content: &[u8]) -> Self {
        self.parameter_header(DT_BYTESTREAM, content.len());
        self.bytes.extend_from_slice(content);
        self
    }

    /// A `DT_SEXP` that `write` appends. Its header is the long one, so that the length can be
    /// filled in afterwards and the content is made in its place.
    pub(crate) fn sexp<E>(
        mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let start = self.bytes.len();
        self.bytes
            .extend_from_slice(&[DT_SEXP | DT_LARGE, 0, 0, 0, 0, 0, 0, 0]);
        write(&mut self.bytes)?;
        let length = (self.bytes.len() - start - 8) as u64;
        self.bytes[start + 1..start + 8].copy_from_slice(&length.to_le_bytes()[..7]);
        Ok(self)
    }

    fn parameter_header(&mut self, kind: u8, length: usize) {
        let length = (length as u64).to_le_bytes();
        if length[3..].iter().any(|&b| b != 0) {
            self.bytes.push(kind | DT_LARGE);
            self.bytes.extend_from_slice(&length[..7]);
        } else {
            self.bytes.push(kind);
            self.bytes.extend_from_slice(&length[..3]);
        }
    }

    /// The whole message, its length filled in.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let length = ((self.bytes.len() - HEADER) as u64).to_le_bytes();
        self.bytes[4..8].copy_from_slice(&length[..4]);
        self.bytes[12..16].copy_from_slice(&length[4..]);
        self.bytes
    }
}

#[cfg(any(test, feature = "fuzzing"))]
/// The first parameter of a message body: its type and content, or `None` when the body is cut short.
pub(crate) fn first_parameter(body: &[u8]) -> Option<(u8, &[u8])> {
    let (&kind, rest) = body.split_first()?;
    let width = if kind & DT_LARGE == 0 { 3 } else { 7 };
    let mut length = [0_u8; 8];
    length[..width].copy_from_slice(rest.get(..width)?);
    let length = usize::try_from(u64::from_le_bytes(length)).ok()?;
    let content = rest.get(width..)?.get(..length)?;
    Some((kind & !DT_LARGE, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_carries_its_length_and_padded_parameters() {
        let message = Request::new(CMD_EVAL).string("1+1").finish();
        assert_eq!(&message[..8], &[3, 0, 0, 0, 8, 0, 0, 0]);
        assert_eq!(&message[HEADER..], &[4, 4, 0, 0, b'1', b'+', b'1', 0]);
        let message = Request::new(CMD_WRITE_FILE)
            .bytes(&[1, 2, 3, 4, 5])
            .finish();
        assert_eq!(&message[HEADER..], &[5, 5, 0, 0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn large_parameters_use_the_long_header() {
        let content = vec![7_u8; 1 << 24];
        let message = Request::new(CMD_WRITE_FILE).bytes(&content).finish();
        assert_eq!(&message[HEADER..HEADER + 8], &[0x45, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(
            first_parameter(&message[HEADER..]).map(|(k, c)| (k, c.len())),
            Some((5, 1 << 24))
        );
    }

    #[test]
    fn headers_tell_answers_apart() {
        let header = |command: u32| {
            let mut bytes = [0_u8; HEADER];
            bytes[..4].copy_from_slice(&command.to_le_bytes());
            bytes[4] = 9;
            bytes[12] = 1;
            Header::decode(&bytes)
        };
        assert_eq!(
            header(0x1_0001),
            Header {
                kind: Kind::Ok,
                length: (1 << 32) + 9
            }
        );
        assert_eq!(header(0x4101_0002).kind, Kind::Failed(0x41));
        assert_eq!(header(0x7f01_0002).kind, Kind::Failed(127));
        assert_eq!(header(0x2_1000).kind, Kind::OutOfBand);
        assert_eq!(header(0x2_1003).kind, Kind::OutOfBand);
        assert_eq!(header(0x2_2000).kind, Kind::Unexpected(0x2_2000));
        assert_eq!(header(3).kind, Kind::Unexpected(3));
    }

    #[test]
    fn cut_parameters_are_refused() {
        assert_eq!(first_parameter(&[]), None);
        assert_eq!(first_parameter(&[10, 4, 0, 0, 1, 2, 3]), None);
        assert_eq!(
            first_parameter(&[0x4a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            None
        );
        assert_eq!(first_parameter(&[10, 1, 0, 0, 9]), Some((10, &[9_u8][..])));
    }
}
