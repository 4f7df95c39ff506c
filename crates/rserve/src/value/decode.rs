//! From QAP1 bytes to values. Nothing is believed that the bytes do not show: lengths are checked
//! against what is there, nesting and the number of elements are bounded.

use super::{Attributes, Complex, Data, Value};

/// Deepest nesting that is read. Below serde's limit of 128 for JSON.
const MAX_DEPTH: usize = 100;
/// Most list elements and strings that are read from one message: they take far more memory here
/// than on the wire.
const MAX_CELLS: usize = 1 << 24;

pub(super) mod xt {
    //! Expression types (`Rsrv.h`).
    pub(in crate::value) const NULL: u8 = 0;
    pub(in crate::value) const INT: u8 = 1;
    pub(in crate::value) const DOUBLE: u8 = 2;
    pub(in crate::value) const STR: u8 = 3;
    pub(in crate::value) const SYM: u8 = 5;
    pub(in crate::value) const BOOL: u8 = 6;
    pub(in crate::value) const S4: u8 = 7;
    pub(in crate::value) const VECTOR: u8 = 16;
    pub(in crate::value) const CLOS: u8 = 18;
    pub(in crate::value) const SYMNAME: u8 = 19;
    pub(in crate::value) const LIST_NOTAG: u8 = 20;
    pub(in crate::value) const LIST_TAG: u8 = 21;
    pub(in crate::value) const LANG_NOTAG: u8 = 22;
    pub(in crate::value) const LANG_TAG: u8 = 23;
    pub(in crate::value) const VECTOR_EXP: u8 = 26;
    pub(in crate::value) const VECTOR_STR: u8 = 27;
    pub(in crate::value) const ARRAY_INT: u8 = 32;
    pub(in crate::value) const ARRAY_DOUBLE: u8 = 33;
    pub(in crate::value) const ARRAY_STR: u8 = 34;
    pub(in crate::value) const ARRAY_BOOL_UA: u8 = 35;
    pub(in crate::value) const ARRAY_BOOL: u8 = 36;
    pub(in crate::value) const RAW: u8 = 37;
    pub(in crate::value) const ARRAY_CPLX: u8 = 38;
    pub(in crate::value) const UNKNOWN: u8 = 48;
    pub(in crate::value) const LARGE: u8 = 64;
    pub(in crate::value) const HAS_ATTR: u8 = 128;
}

/// Why bytes are no R value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the value does.
    #[error("it ends before its claimed length")]
    Truncated,
    /// A length does not fit the type.
    #[error("a vector of type {0} has an impossible length")]
    BadLength(u8),
    /// A type that this client does not know.
    #[error("it has the unknown type {0}")]
    UnknownType(u8),
    /// Nested more than 100 deep.
    #[error("it is nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// More list elements and strings than are read at once.
    #[error("it has more than {MAX_CELLS} elements")]
    TooMany,
}

/// Reads one value that fills `bytes`, or their beginning (Rserve pads).
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut decoder = Decoder { cells: 0 };
    decoder.value(bytes, 0).map(|(value, _)| value)
}

struct Decoder {
    cells: usize,
}

impl Decoder {
    fn count(&mut self) -> Result<(), DecodeError> {
        self.cells += 1;
        if self.cells > MAX_CELLS {
            Err(DecodeError::TooMany)
        } else {
            Ok(())
        }
    }

    /// One value at the start of `bytes`, and what follows it.
    fn value<'a>(
        &mut self,
        bytes: &'a [u8],
        depth: usize,
    ) -> Result<(Value, &'a [u8]), DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        self.count()?;
        let (&head, rest) = bytes.split_first().ok_or(DecodeError::Truncated)?;
        let width = if head & xt::LARGE == 0 { 3 } else { 7 };
        let mut length = [0_u8; 8];
        length[..width].copy_from_slice(rest.get(..width).ok_or(DecodeError::Truncated)?);
        let length =
            usize::try_from(u64::from_le_bytes(length)).map_err(|_| DecodeError::Truncated)?;
        let rest = &rest[width..];
        let mut content = rest.get(..length).ok_or(DecodeError::Truncated)?;
        let after = &rest[length..];

        let mut attributes = Attributes::new();
        if head & xt::HAS_ATTR != 0 {
            let (list, behind) = self.value(content, depth + 1)?;
            content = behind;
            if let Data::Pairs(items) = list.data {
                attributes = items
                    .into_iter()
                    .filter_map(|(tag, v)| tag.map(|t| (t, v)))
                    .collect();
            }
        }
        let data = self.content(head & !(xt::LARGE | xt::HAS_ATTR), content, depth)?;
        Ok((Value { data, attributes }, after))
    }

    fn content(&mut self, kind: u8, bytes: &[u8], depth: usize) -> Result<Data, DecodeError> {
        Ok(match kind {
            xt::NULL => Data::Null,
            xt::S4 => Data::Opaque(25),
            xt::CLOS => Data::Opaque(3),
            xt::UNKNOWN => Data::Opaque(bytes.first_chunk().map_or(0, |b| u32::from_le_bytes(*b))),
            xt::INT | xt::ARRAY_INT => Data::Integer(words(kind, bytes)?.map(integer).collect()),
            xt::DOUBLE | xt::ARRAY_DOUBLE => Data::Double(doubles(kind, bytes)?.collect()),
            xt::ARRAY_CPLX => {
                if !bytes.len().is_multiple_of(16) {
                    return Err(DecodeError::BadLength(kind));
                }
                let mut parts = doubles(kind, bytes)?;
                let mut numbers = Vec::with_capacity(bytes.len() / 16);
                while let (Some(re), Some(im)) = (parts.next(), parts.next()) {
                    numbers.push(Complex { re, im });
                }
                Data::Complex(numbers)
            }
            xt::BOOL | xt::ARRAY_BOOL_UA => {
                Data::Logical(bytes.iter().map(|&b| logical(b)).collect())
            }
            xt::ARRAY_BOOL => {
                let flags = counted(kind, bytes)?;
                Data::Logical(flags.iter().map(|&b| logical(b)).collect())
            }
            xt::RAW => Data::Raw(counted(kind, bytes)?.to_vec()),
            xt::STR => Data::Text(vec![string(until_nul(bytes))]),
            xt::ARRAY_STR => Data::Text(self.strings(bytes)?),
            xt::SYMNAME => Data::Symbol(String::from_utf8_lossy(until_nul(bytes)).into_owned()),
            xt::SYM => match self.value(bytes, depth + 1)?.0.data {
                Data::Text(mut names) => Data::Symbol(names.pop().flatten().unwrap_or_default()),
                Data::Symbol(name) => Data::Symbol(name),
                _ => return Err(DecodeError::BadLength(kind)),
            },
            xt::VECTOR | xt::VECTOR_EXP | xt::VECTOR_STR => Data::List(self.values(bytes, depth)?),
            xt::LIST_NOTAG => Data::Pairs(untagged(self.values(bytes, depth)?)),
            xt::LANG_NOTAG => Data::Language(untagged(self.values(bytes, depth)?)),
            xt::LIST_TAG => Data::Pairs(tagged(self.values(bytes, depth)?)),
            xt::LANG_TAG => Data::Language(tagged(self.values(bytes, depth)?)),
            other => return Err(DecodeError::UnknownType(other)),
        })
    }

    fn values(&mut self, mut bytes: &[u8], depth: usize) -> Result<Vec<Value>, DecodeError> {
        let mut values = Vec::new();
        while !bytes.is_empty() {
            let (value, after) = self.value(bytes, depth + 1)?;
            values.push(value);
            bytes = after;
        }
        Ok(values)
    }

    /// NUL-ended strings, then padding of 0x01.
    fn strings(&mut self, mut bytes: &[u8]) -> Result<Vec<Option<String>>, DecodeError> {
        let mut strings = Vec::new();
        while let Some(end) = bytes.iter().position(|&b| b == 0) {
            self.count()?;
            strings.push(string(&bytes[..end]));
            bytes = &bytes[end + 1..];
        }
        Ok(strings)
    }
}

fn words(kind: u8, bytes: &[u8]) -> Result<impl Iterator<Item = [u8; 4]> + '_, DecodeError> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    if rest.is_empty() {
        Ok(chunks.iter().copied())
    } else {
        Err(DecodeError::BadLength(kind))
    }
}

fn doubles(kind: u8, bytes: &[u8]) -> Result<impl Iterator<Item = f64> + '_, DecodeError> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    if rest.is_empty() {
        Ok(chunks.iter().map(|b| f64::from_le_bytes(*b)))
    } else {
        Err(DecodeError::BadLength(kind))
    }
}

fn integer(bytes: [u8; 4]) -> Option<i32> {
    Some(i32::from_le_bytes(bytes)).filter(|&x| x != i32::MIN)
}

fn logical(byte: u8) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// The bytes that a leading count announces; padding follows them.
fn counted(kind: u8, bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let (count, rest) = bytes
        .split_first_chunk::<4>()
        .ok_or(DecodeError::BadLength(kind))?;
    let count =
        usize::try_from(u32::from_le_bytes(*count)).map_err(|_| DecodeError::BadLength(kind))?;
    rest.get(..count).ok_or(DecodeError::BadLength(kind))
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&b| b == 0).next().unwrap_or_default()
}

/// One string: a lone 0xff is NA, a leading 0xff is doubled. Bytes that are not UTF-8 are replaced.
fn string(bytes: &[u8]) -> Option<String> {
    match bytes {
        [0xff] => None,
        [0xff, rest @ ..] => Some(String::from_utf8_lossy(rest).into_owned()),
        _ => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}

fn untagged(values: Vec<Value>) -> Vec<(Option<String>, Value)> {
    values.into_iter().map(|v| (None, v)).collect()
}

/// Values each followed by their tag.
fn tagged(values: Vec<Value>) -> Vec<(Option<String>, Value)> {
    let mut items = Vec::with_capacity(values.len() / 2);
    let mut values = values.into_iter();
    while let Some(value) = values.next() {
        let tag = match values.next().map(|t| t.data) {
            Some(Data::Symbol(name)) => Some(name),
            Some(Data::Text(mut names)) => names.pop().flatten(),
            _ => None,
        };
        items.push((tag, value));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(decode(&[]), Err(DecodeError::Truncated));
        assert_eq!(decode(&[33, 8, 0, 0]), Err(DecodeError::Truncated));
        assert_eq!(
            decode(&[33, 4, 0, 0, 1, 2, 3, 4]),
            Err(DecodeError::BadLength(33))
        );
        assert_eq!(
            decode(&[37, 4, 0, 0, 9, 0, 0, 0]),
            Err(DecodeError::BadLength(37))
        );
        assert_eq!(
            decode(&[0x61, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            Err(DecodeError::Truncated)
        );
    }

    #[test]
    fn nesting_is_bounded() {
        let mut bytes = vec![xt::NULL, 0, 0, 0];
        for _ in 0..MAX_DEPTH + 5 {
            let length = u32::try_from(bytes.len())
                .map(u32::to_le_bytes)
                .unwrap_or_default();
            let mut outer = vec![xt::VECTOR, length[0], length[1], length[2]];
            outer.extend_from_slice(&bytes);
            bytes = outer;
        }
        assert_eq!(decode(&bytes), Err(DecodeError::TooDeep));
    }

    #[test]
    fn na_is_kept_apart() {
        assert_eq!(
            decode(&[34, 8, 0, 0, 0xff, 0, 0xff, 0xff, 0, b'a', 0, 1]).map(|v| v.data),
            Ok(Data::Text(vec![
                None,
                Some("\u{fffd}".into()),
                Some("a".into())
            ]))
        );
        assert_eq!(
            decode(&[32, 4, 0, 0, 0, 0, 0, 0x80]).map(|v| v.data),
            Ok(Data::Integer(vec![None]))
        );
        assert_eq!(
            decode(&[36, 8, 0, 0, 3, 0, 0, 0, 0, 1, 2, 0xff]).map(|v| v.data),
            Ok(Data::Logical(vec![Some(false), Some(true), None]))
        );
    }
}
