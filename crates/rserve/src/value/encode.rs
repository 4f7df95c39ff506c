//! From values to QAP1 bytes.

use super::decode::xt;
use super::{Data, Value};

/// Deepest nesting that is sent: what [`super::decode`] reads back.
const MAX_DEPTH: usize = 100;

/// Encodes `value`, or says why R could not take it.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn encode(value: &Value) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::with_capacity(256);
    put(value, &mut out, 0)?;
    Ok(out)
}

/// As [`encode`], behind what `out` already holds.
pub(crate) fn encode_into(value: &Value, out: &mut Vec<u8>) -> Result<(), &'static str> {
    put(value, out, 0)
}

fn put(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<(), &'static str> {
    if depth > MAX_DEPTH {
        return Err("the value is nested too deep");
    }
    check(value)?;
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

/// Whether R can take the value without harm: Rserve sets attributes unseen, so those that R itself
/// would refuse would make an object that brings the session down later.
fn check(value: &Value) -> Result<(), &'static str> {
    let bare = value.attributes.is_empty();
    match &value.data {
        // One object in R for all uses of it.
        Data::Null | Data::Symbol(_) if !bare => {
            return Err("NULL and symbols cannot have attributes");
        }
        Data::Pairs(items) if items.is_empty() && !bare => {
            return Err("an empty pairlist is NULL in R and cannot have attributes");
        }
        Data::Language(items) if items.is_empty() => return Err("a call names no function"),
        Data::S4 if value.attribute("class").is_none() => {
            return Err("an S4 object has no class");
        }
        _ => {}
    }
    let vector = !matches!(value.data, Data::S4 | Data::Pairs(_) | Data::Language(_));
    for (name, attribute) in &value.attributes {
        let fits = match (name.as_str(), &attribute.data) {
            ("class", Data::Text(classes)) => !classes.is_empty() && !classes.contains(&None),
            ("class", _) => false,
            ("names", Data::Text(names)) if vector => names.len() == value.len(),
            ("dim", Data::Integer(dim)) if vector => {
                let cells = dim.iter().try_fold(1_usize, |cells, extent| {
                    cells.checked_mul(usize::try_from((*extent)?).ok()?)
                });
                !dim.is_empty() && cells == Some(value.len())
            }
            ("dimnames", Data::List(_)) if vector => value.attribute("dim").is_some(),
            ("names" | "dim" | "dimnames", _) => !vector,
            _ => true,
        };
        if !fits {
            return Err("an attribute (class, names, dim or dimnames) does not fit its value");
        }
    }
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
        Data::Null | Data::Closure(_) | Data::Opaque(_) => xt::NULL,
        Data::S4 => xt::S4,
        Data::Logical(_) => xt::ARRAY_BOOL,
        Data::Integer(_) => xt::ARRAY_INT,
        Data::Double(_) => xt::ARRAY_DOUBLE,
        Data::Complex(_) => xt::ARRAY_CPLX,
        Data::Text(_) => xt::ARRAY_STR,
        Data::Raw(_) => xt::RAW,
        Data::List(_) => xt::VECTOR,
        Data::Expression(_) => xt::VECTOR_EXP,
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
        Data::Null | Data::S4 => {}
        Data::Closure(_) => {
            return Err("functions cannot be sent as values; send their code and evaluate it");
        }
        Data::Opaque(_) => {
            return Err("environments, external pointers and bytecode cannot be sent");
        }
        Data::Logical(flags) => {
            put_counted(flags.len(), out)?;
            out.extend(flags.iter().map(|f| f.map_or(2, u8::from)));
            out.resize(out.len() + (4 - flags.len() % 4) % 4, 0xff);
        }
        Data::Integer(numbers) => {
            out.reserve(numbers.len() * 4);
            for number in numbers {
                out.extend_from_slice(&number.unwrap_or(i32::MIN).to_le_bytes());
            }
        }
        Data::Double(numbers) => {
            out.reserve(numbers.len() * 8);
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
        Data::List(values) | Data::Expression(values) => {
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
