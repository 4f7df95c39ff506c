//! From QAP1 bytes to values. Nothing is believed that the bytes do not show: lengths are checked
//! against what is there, nesting and the number of elements are bounded.

use super::{Attributes, Closure, Complex, Data, Value};

/// Deepest nesting that is read. Below serde's limit of 128 for JSON.
pub(crate) const MAX_DEPTH: usize = 100;
/// Most strings that are read from one message: they take far more memory here than on the wire.
const MAX_CELLS: usize = 1 << 24;
/// What another value counts, in strings.
const CELLS_OF_VALUE: usize = 4;
/// Most bytes that follow counted ones: up to a multiple of four, with room for other encoders.
pub(crate) const MAX_PADDING: usize = 7;

pub(crate) mod xt {
    //! Expression types (`Rsrv.h`).
    pub(crate) const NULL: u8 = 0;
    pub(crate) const INT: u8 = 1;
    pub(crate) const DOUBLE: u8 = 2;
    pub(crate) const STR: u8 = 3;
    pub(crate) const SYM: u8 = 5;
    pub(crate) const BOOL: u8 = 6;
    pub(crate) const S4: u8 = 7;
    pub(crate) const VECTOR: u8 = 16;
    pub(crate) const CLOS: u8 = 18;
    pub(crate) const SYMNAME: u8 = 19;
    pub(crate) const LIST_NOTAG: u8 = 20;
    pub(crate) const LIST_TAG: u8 = 21;
    pub(crate) const LANG_NOTAG: u8 = 22;
    pub(crate) const LANG_TAG: u8 = 23;
    pub(crate) const VECTOR_EXP: u8 = 26;
    pub(crate) const VECTOR_STR: u8 = 27;
    pub(crate) const ARRAY_INT: u8 = 32;
    pub(crate) const ARRAY_DOUBLE: u8 = 33;
    pub(crate) const ARRAY_STR: u8 = 34;
    pub(crate) const ARRAY_BOOL_UA: u8 = 35;
    pub(crate) const ARRAY_BOOL: u8 = 36;
    pub(crate) const RAW: u8 = 37;
    pub(crate) const ARRAY_CPLX: u8 = 38;
    pub(crate) const UNKNOWN: u8 = 48;
    pub(crate) const LARGE: u8 = 64;
    pub(crate) const HAS_ATTR: u8 = 128;
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
    #[error("it has more than {MAX_CELLS} strings, or a quarter as many other elements of lists")]
    TooMany,
}

impl DecodeError {
    /// Whether the value is right in itself, and only more than this client takes.
    pub(crate) fn is_limit(&self) -> bool {
        matches!(self, Self::TooDeep | Self::TooMany)
    }
}

/// Reads one value that fills `bytes`, or their beginning (Rserve pads).
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, DecodeError> {
    Decoder::default().value(bytes, 0).map(|(value, _)| value)
}

/// Keeps count over all values of one message.
#[derive(Default)]
pub(crate) struct Decoder {
    cells: usize,
}

impl Decoder {
    pub(crate) fn count(&mut self, cells: usize) -> Result<(), DecodeError> {
        self.cells += cells;
        if self.cells > MAX_CELLS {
            Err(DecodeError::TooMany)
        } else {
            Ok(())
        }
    }

    /// Counts one value at this depth.
    pub(crate) fn enter(&mut self, depth: usize) -> Result<(), DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        self.count(CELLS_OF_VALUE)
    }

    /// One value at the start of `bytes`, and what follows it.
    pub(crate) fn value<'a>(
        &mut self,
        bytes: &'a [u8],
        depth: usize,
    ) -> Result<(Value, &'a [u8]), DecodeError> {
        let (&head, rest) = bytes.split_first().ok_or(DecodeError::Truncated)?;
        let width = if head & xt::LARGE == 0 { 3 } else { 7 };
        let mut length = [0_u8; 8];
        length[..width].copy_from_slice(rest.get(..width).ok_or(DecodeError::Truncated)?);
        let length =
            usize::try_from(u64::from_le_bytes(length)).map_err(|_| DecodeError::Truncated)?;
        let rest = &rest[width..];
        let content = rest.get(..length).ok_or(DecodeError::Truncated)?;
        Ok((
            self.headed(head & !xt::LARGE, content, depth)?,
            &rest[length..],
        ))
    }

    /// The value whose header says `head`, and which has this content.
    pub(crate) fn headed(
        &mut self,
        head: u8,
        mut content: &[u8],
        depth: usize,
    ) -> Result<Value, DecodeError> {
        self.enter(depth)?;
        let mut attributes = Attributes::new();
        if head & xt::HAS_ATTR != 0 {
            let (list, behind) = self.value(content, depth + 1)?;
            content = behind;
            attributes = named(list);
        }
        let data = self.content(head & !xt::HAS_ATTR, content, depth)?;
        Ok(Value { data, attributes })
    }

    /// Content without attributes.
    pub(crate) fn content(
        &mut self,
        kind: u8,
        bytes: &[u8],
        depth: usize,
    ) -> Result<Data, DecodeError> {
        Ok(match kind {
            xt::NULL => Data::Null,
            xt::S4 => Data::S4,
            xt::UNKNOWN => Data::Opaque(bytes.first_chunk().map_or(0, |b| u32::from_le_bytes(*b))),
            xt::INT | xt::ARRAY_INT => Data::Integer(words(kind, bytes)?.map(integer).collect()),
            xt::DOUBLE | xt::ARRAY_DOUBLE => Data::Double(doubles(kind, bytes)?.collect()),
            xt::ARRAY_CPLX => {
                let (numbers, rest) = bytes.as_chunks::<16>();
                if !rest.is_empty() {
                    return Err(DecodeError::BadLength(kind));
                }
                Data::Complex(numbers.iter().map(complex).collect())
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
            kind if is_made_of_values(kind) => assembled(kind, self.values(bytes, depth)?)?,
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
            self.count(1)?;
            strings.push(string(&bytes[..end]));
            bytes = &bytes[end + 1..];
        }
        Ok(strings)
    }
}

/// The attributes that a decoded pairlist stands for.
pub(crate) fn named(list: Value) -> Attributes {
    match list.data {
        Data::Pairs(items) => items
            .into_iter()
            .filter_map(|(tag, value)| tag.map(|tag| (tag, value)))
            .collect(),
        _ => Attributes::new(),
    }
}

/// Whether the content of this type is values, one after the other.
pub(crate) fn is_made_of_values(kind: u8) -> bool {
    matches!(
        kind,
        xt::VECTOR
            | xt::VECTOR_EXP
            | xt::VECTOR_STR
            | xt::CLOS
            | xt::LIST_NOTAG
            | xt::LIST_TAG
            | xt::LANG_NOTAG
            | xt::LANG_TAG
    )
}

/// The content of this type, of which [`is_made_of_values`] holds.
pub(crate) fn assembled(kind: u8, values: Vec<Value>) -> Result<Data, DecodeError> {
    Ok(match kind {
        xt::VECTOR_EXP => Data::Expression(values),
        // Old Rserves: a character vector as strings of their own.
        xt::VECTOR_STR => {
            let one = |value: Value| match value.data {
                Data::Text(mut texts) if texts.len() == 1 => Ok(texts.pop().flatten()),
                _ => Err(DecodeError::BadLength(kind)),
            };
            Data::Text(values.into_iter().map(one).collect::<Result<_, _>>()?)
        }
        xt::LIST_NOTAG => Data::Pairs(untagged(values)),
        xt::LANG_NOTAG => Data::Language(untagged(values)),
        xt::LIST_TAG => Data::Pairs(tagged(values)),
        xt::LANG_TAG => Data::Language(tagged(values)),
        xt::CLOS => {
            let [formals, body] =
                <[Value; 2]>::try_from(values).map_err(|_| DecodeError::BadLength(kind))?;
            Data::Closure(Box::new(Closure { formals, body }))
        }
        _ => Data::List(values),
    })
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

pub(crate) fn integer(bytes: [u8; 4]) -> Option<i32> {
    Some(i32::from_le_bytes(bytes)).filter(|&x| x != i32::MIN)
}

pub(crate) fn logical(byte: u8) -> Option<bool> {
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
    // The count has 32 bits only: of a longer vector Rserve sends its lower half.
    if rest.len().saturating_sub(count) > MAX_PADDING {
        return Err(DecodeError::BadLength(kind));
    }
    rest.get(..count).ok_or(DecodeError::BadLength(kind))
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&b| b == 0).next().unwrap_or_default()
}

pub(crate) fn complex(bytes: &[u8; 16]) -> Complex {
    let (parts, _) = bytes.as_chunks::<8>();
    Complex {
        re: f64::from_le_bytes(parts[0]),
        im: f64::from_le_bytes(parts[1]),
    }
}

/// One string: a lone 0xff is NA, a leading 0xff is doubled. Bytes that are not UTF-8 become U+FFFD.
pub(crate) fn string(bytes: &[u8]) -> Option<String> {
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
            Some(Data::Symbol(name)) => Some(name).filter(|name| !name.is_empty()),
            Some(Data::Text(mut names)) => names.pop().flatten().filter(|name| !name.is_empty()),
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
