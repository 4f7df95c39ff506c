//! R values as QAP1 carries them (`Rsrv.h`, `QAPencode.c` of Rserve 1.8).

const XT_NULL: u8 = 0;
const XT_VECTOR: u8 = 16;
const XT_SYMNAME: u8 = 19;
const XT_LIST_TAG: u8 = 21;
const XT_ARRAY_INT: u8 = 32;
const XT_ARRAY_DOUBLE: u8 = 33;
const XT_ARRAY_STR: u8 = 34;
const XT_ARRAY_BOOL: u8 = 36;
const XT_HAS_ATTR: u8 = 128;

fn item(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes();
    let mut item = vec![kind, length[0], length[1], length[2]];
    item.extend_from_slice(content);
    item
}

fn padded(mut content: Vec<u8>, with: u8) -> Vec<u8> {
    content.resize(content.len().next_multiple_of(4), with);
    content
}

/// `NULL`.
pub(super) fn null() -> Vec<u8> {
    item(XT_NULL, &[])
}

/// A character vector.
pub(super) fn texts<T: AsRef<str>>(texts: &[T]) -> Vec<u8> {
    let mut content = Vec::new();
    for text in texts {
        content.extend_from_slice(text.as_ref().as_bytes());
        content.push(0);
    }
    item(XT_ARRAY_STR, &padded(content, 1))
}

/// One text.
pub(super) fn text(one: &str) -> Vec<u8> {
    texts(&[one])
}

/// One integer.
pub(super) fn integer(n: u32) -> Vec<u8> {
    item(XT_ARRAY_INT, &n.to_le_bytes())
}

/// One number.
pub(super) fn double(x: f64) -> Vec<u8> {
    item(XT_ARRAY_DOUBLE, &x.to_le_bytes())
}

/// `TRUE` or `FALSE`.
pub(super) fn logical(on: bool) -> Vec<u8> {
    item(XT_ARRAY_BOOL, &[1, 0, 0, 0, u8::from(on), 0xff, 0xff, 0xff])
}

/// A list without names.
pub(super) fn list(items: &[Vec<u8>]) -> Vec<u8> {
    item(XT_VECTOR, &items.concat())
}

/// A list with names.
pub(super) fn named(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let names: Vec<&str> = items.iter().map(|(name, _)| *name).collect();
    let tag = item(XT_SYMNAME, b"names\0\0\0");
    let attributes = item(XT_LIST_TAG, &[texts(&names), tag].concat());
    let content = items.iter().flat_map(|(_, value)| value.iter().copied());
    let content: Vec<u8> = attributes.iter().copied().chain(content).collect();
    item(XT_VECTOR | XT_HAS_ATTR, &content)
}
