//! From JSON to R values.

use serde_json::{Map, Value as Json};

use super::{forms, missing_number};
use crate::value::{Data, Value};

/// The `type` names that mean something: an object with another `type` is a plain named list.
pub(super) const TYPES: [&str; 9] = [
    "data.frame",
    "factor",
    "matrix",
    "difftime",
    "complex",
    "raw",
    "named",
    "language",
    "opaque",
];

/// Deepest nesting that is taken; serde reads at most 128.
const MAX_DEPTH: usize = 90;

/// Why JSON cannot become an R value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FromJsonError {
    /// Nested more than 90 deep.
    #[error("the value is nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// R's texts and names cannot hold a NUL.
    #[error("a text or name contains a NUL character, which R cannot hold")]
    Nul,
    /// An object with a `type` of ours does not have that type's form.
    #[error("an object says it is of type '{0}' but does not have its form")]
    BadForm(&'static str),
}

impl Value {
    /// The R value of a JSON value, by the rules of the JSON module: numbers become doubles, arrays
    /// of one scalar kind vectors, other arrays lists, objects named lists.
    pub fn from_json(json: &Json) -> Result<Self, FromJsonError> {
        from_json(json, 0)
    }
}

pub(super) fn from_json(json: &Json, depth: usize) -> Result<Value, FromJsonError> {
    if depth > MAX_DEPTH {
        return Err(FromJsonError::TooDeep);
    }
    Ok(match json {
        Json::Null => Value::null(),
        Json::Bool(flag) => Value::logical(*flag),
        Json::Number(number) => Value::double(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::text(checked(text)?),
        Json::Array(items) => match vector(items)? {
            Some(data) => data.into(),
            None => Data::List(
                items
                    .iter()
                    .map(|i| from_json(i, depth + 1))
                    .collect::<Result<_, _>>()?,
            )
            .into(),
        },
        Json::Object(object) => match object.get("type").and_then(Json::as_str) {
            Some(kind) if TYPES.contains(&kind) => forms::typed(kind, object, depth)?,
            _ => named_list(object, depth)?,
        },
    })
}

pub(super) fn named_list(object: &Map<String, Json>, depth: usize) -> Result<Value, FromJsonError> {
    let mut items = Vec::with_capacity(object.len());
    for (name, item) in object {
        items.push((checked(name)?.to_owned(), from_json(item, depth + 1)?));
    }
    Ok(Value::named_list(items))
}

pub(super) fn checked(text: &str) -> Result<&str, FromJsonError> {
    if text.contains('\0') {
        Err(FromJsonError::Nul)
    } else {
        Ok(text)
    }
}

/// An atomic vector, if the items are scalars of one kind; `null` fits every kind. An empty array
/// has no kind: it becomes an empty list.
fn vector(items: &[Json]) -> Result<Option<Data>, FromJsonError> {
    if items.is_empty() {
        return Ok(None);
    }
    if items.iter().all(|i| i.is_null() || i.is_boolean()) {
        return Ok(Some(Data::Logical(
            items.iter().map(Json::as_bool).collect(),
        )));
    }
    if items.iter().any(Json::is_number) && items.iter().all(|i| i.is_null() || real(i).is_some()) {
        return Ok(Some(Data::Double(
            items
                .iter()
                .map(|i| real(i).unwrap_or(missing_number()))
                .collect(),
        )));
    }
    if items.iter().all(|i| i.is_null() || i.is_string()) {
        let texts: Result<Vec<_>, _> = items
            .iter()
            .map(|i| {
                i.as_str()
                    .map(|t| checked(t).map(str::to_owned))
                    .transpose()
            })
            .collect();
        return Ok(Some(Data::Text(texts?)));
    }
    Ok(None)
}

pub(super) fn real(json: &Json) -> Option<f64> {
    match json.as_str() {
        Some("Inf") => Some(f64::INFINITY),
        Some("-Inf") => Some(f64::NEG_INFINITY),
        Some("NaN") => Some(f64::NAN),
        Some(_) => None,
        None => json.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    #[test]
    fn what_has_a_form_comes_back_the_same() {
        for json in [
            json!(null),
            json!(true),
            json!(1.5),
            json!("ø"),
            json!([1, null, "Inf"]),
            json!(["a", null]),
            json!([[1, 2], "x", {"a": [true, null]}]),
            json!({"type": "factor", "levels": ["a", "b"], "values": ["b", null]}),
            json!({"type": "matrix", "dim": [2, 2], "dimnames": [null, ["x", "y"]], "values": [1, 2, 3, 4]}),
            json!({"type": "data.frame", "rows": 2, "columns": {"x": [1, 2], "y": ["a", null]}}),
            json!({"type": "data.frame", "rows": 1, "columns": {"x": [1]}, "row_names": ["first"]}),
            json!({"type": "complex", "re": [1], "im": [-2.5]}),
            json!({"type": "raw", "hex": "00ff"}),
            json!({"type": "named", "names": ["a", "a"], "values": [1, 2]}),
            json!({"type": "gearbox", "size": 3}),
            json!({"type": "opaque", "what": "function", "text": "f"}),
        ] {
            assert_eq!(Value::from_json(&json).unwrap().to_json(), json);
        }
    }

    #[test]
    fn forms_that_lie_are_refused() {
        for json in [
            json!({"type": "factor", "levels": ["a"], "values": ["b"]}),
            json!({"type": "matrix", "dim": [2, 2], "values": [1]}),
            json!({"type": "matrix", "dim": [-1], "values": [1]}),
            json!({"type": "data.frame", "columns": {"x": [1, 2], "y": [1]}}),
            json!({"type": "complex", "re": [1], "im": []}),
            json!({"type": "raw", "hex": "0"}),
            json!({"type": "raw", "hex": "zz"}),
            json!({"type": "named", "names": ["a"], "values": []}),
        ] {
            assert!(
                matches!(Value::from_json(&json), Err(FromJsonError::BadForm(_))),
                "{json}"
            );
        }
        assert_eq!(Value::from_json(&json!("a\0b")), Err(FromJsonError::Nul));
        assert_eq!(
            Value::from_json(&json!({"a\0": 1})),
            Err(FromJsonError::Nul)
        );
        let mut deep = json!(1);
        for _ in 0..120 {
            deep = json!({ "a": deep });
        }
        assert_eq!(Value::from_json(&deep), Err(FromJsonError::TooDeep));
    }
}
