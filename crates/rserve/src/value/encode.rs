//! From values to QAP1 bytes.

use super::decode::xt;
use super::{Data, Value};

/// Deepest nesting that is sent: what [`super::decode`] reads back.
const MAX_DEPTH: usize = 100;

/// Encodes `value`, or says why R could not take it.
pub(crate) fn encode(value: &Value) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::with_capacity(256);
    put(value, &mut out, 0)?;
    Ok(out)
}

fn put(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<(), &'static str> {
    if depth > MAX_DEPTH {
        return Err("the value is nested too deep");
    }
    let start = out.len();
    // The long header always: the length is then known after the fact without moving bytes. Short
    // content gets the short header below, which is what R's own encoder would send.
    out.extend_from_slice(&[0; 8]);
    let mut kind = kind_of(&value.data);
    if !value.attributes.is_empty() {
        kind |= xt::HAS_ATTR;
        put_attributes(&value.attributes, out, depth + 1)?;
    }
    put_content(&value.data, out, depth)?;
    close(kind, start, out);
    Ok(())
}

/// Writes the header of the value that began at `start`.
fn close(kind: u8, start: usize, out: &mut Vec<u8>) {
    let length = (out.len() - start - 8) as u64;
    let bytes = length.to_le_bytes();
    if length < 0xff_fff0 {
        out.copy_within(start + 8.., start + 4);
        out.truncate(out.len() - 4);
        out[start] = kind;
        out[start + 1..start + 4].copy_from_slice(&bytes[..3]);
    } else {
        out[start] = kind | xt::LARGE;
        out[start + 1..start + 8].copy_from_slice(&bytes[..7]);
    }
}

fn kind_of(data: &Data) -> u8 {
    match data {
        Data::Null | Data::Opaque(_) => xt::NULL,
        Data::Logical(_) => xt::ARRAY_BOOL,
        Data::Integer(_) => xt::ARRAY_INT,
        Data::Double(_) => xt::ARRAY_DOUBLE,
        Data::Complex(_) => xt::ARRAY_CPLX,
        Data::Text(_) => xt::ARRAY_STR,
        Data::Raw(_) => xt::RAW,
        Data::List(_) => xt::VECTOR,
        Data::Pairs(items) if items.iter().all(|(tag, _)| tag.is_none()) => xt::LIST_NOTAG,
        Data::Pairs(_) => xt::LIST_TAG,
        Data::Language(items) if items.iter().all(|(tag, _)| tag.is_none()) => xt::LANG_NOTAG,
        Data::Language(_) => xt::LANG_TAG,
        Data::Symbol(_) => xt::SYMNAME,
    }
}

fn put_attributes(
    attributes: &[(String, Value)],
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), &'static str> {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    for (name, value) in attributes {
        put(value, out, depth + 1)?;
        put_symbol(name, out)?;
    }
    close(xt::LIST_TAG, start, out);
    Ok(())
}

fn put_symbol(name: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    put_symbol_text(name, out)?;
    close(xt::SYMNAME, start, out);
    Ok(())
}

fn put_symbol_text(name: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    if name.is_empty() || name.contains('\0') {
        return Err("a name is empty or contains a NUL character");
    }
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    out.resize(out.len() + (4 - (name.len() + 1) % 4) % 4, 0);
    Ok(())
}

fn put_content(data: &Data, out: &mut Vec<u8>, depth: usize) -> Result<(), &'static str> {
    match data {
        Data::Null => {}
        Data::Opaque(_) => return Err("functions, environments and S4 objects cannot be sent"),
        Data::Logical(flags) => {
            put_counted(flags.len(), out)?;
            out.extend(flags.iter().map(|f| f.map_or(2, u8::from)));
            out.resize(out.len() + (4 - flags.len() % 4) % 4, 0xff);
        }
        Data::Integer(numbers) => {
            for number in numbers {
                out.extend_from_slice(&number.unwrap_or(i32::MIN).to_le_bytes());
            }
        }
        Data::Double(numbers) => {
            for number in numbers {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        Data::Complex(numbers) => {
            for number in numbers {
                out.extend_from_slice(&number.re.to_le_bytes());
                out.extend_from_slice(&number.im.to_le_bytes());
            }
        }
        Data::Text(texts) => put_texts(texts, out)?,
        Data::Raw(bytes) => {
            put_counted(bytes.len(), out)?;
            out.extend_from_slice(bytes);
            out.resize(out.len() + (4 - bytes.len() % 4) % 4, 0);
        }
        Data::List(values) => {
            for value in values {
                put(value, out, depth + 1)?;
            }
        }
        Data::Pairs(items) | Data::Language(items) => {
            let tags = items.iter().any(|(tag, _)| tag.is_some());
            for (tag, value) in items {
                put(value, out, depth + 1)?;
                match tag {
                    Some(name) => put_symbol(name, out)?,
                    None if tags => out.extend_from_slice(&[xt::NULL, 0, 0, 0]),
                    None => {}
                }
            }
        }
        Data::Symbol(name) => put_symbol_text(name, out)?,
    }
    Ok(())
}

fn put_counted(count: usize, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let count =
        u32::try_from(count).map_err(|_| "a vector has more than 4,294,967,295 elements")?;
    out.extend_from_slice(&count.to_le_bytes());
    Ok(())
}

fn put_texts(texts: &[Option<String>], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let start = out.len();
    for text in texts {
        match text {
            // NA is a lone 0xff. UTF-8 text never begins with that byte, so nothing needs doubling.
            None => out.push(0xff),
            Some(text) if text.contains('\0') => return Err("a text contains a NUL character"),
            Some(text) => out.extend_from_slice(text.as_bytes()),
        }
        out.push(0);
    }
    while !(out.len() - start).is_multiple_of(4) {
        out.push(1);
    }
    Ok(())
}
