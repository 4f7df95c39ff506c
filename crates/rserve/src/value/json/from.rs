//! From JSON to R values.

use serde_json::{Map, Value as Json};

use super::missing_number;
use crate::value::{Complex, Data, Value};

/// The `type` names that mean something: an object with another `type` is a plain named list.
pub(super) const TYPES: [&str; 8] = [
    "data.frame",
    "factor",
    "matrix",
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

fn from_json(json: &Json, depth: usize) -> Result<Value, FromJsonError> {
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
            Some(kind) if TYPES.contains(&kind) => typed(kind, object, depth)?,
            _ => named_list(object, depth)?,
        },
    })
}

fn named_list(object: &Map<String, Json>, depth: usize) -> Result<Value, FromJsonError> {
    let mut items = Vec::with_capacity(object.len());
    for (name, item) in object {
        items.push((checked(name)?.to_owned(), from_json(item, depth + 1)?));
    }
    Ok(Value::named_list(items))
}

fn checked(text: &str) -> Result<&str, FromJsonError> {
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

fn real(json: &Json) -> Option<f64> {
    match json.as_str() {
        Some("Inf") => Some(f64::INFINITY),
        Some("-Inf") => Some(f64::NEG_INFINITY),
        Some("NaN") => Some(f64::NAN),
        Some(_) => None,
        None => json.as_f64(),
    }
}

/// An array of numbers, `null` for NA.
fn reals(json: Option<&Json>) -> Option<Vec<f64>> {
    json?
        .as_array()?
        .iter()
        .map(|i| {
            if i.is_null() {
                Some(missing_number())
            } else {
                real(i)
            }
        })
        .collect()
}

fn array(json: Option<&Json>, depth: usize) -> Result<Option<Value>, FromJsonError> {
    json.filter(|j| j.is_array())
        .map(|j| from_json(j, depth + 1))
        .transpose()
}

fn whole(x: f64) -> Option<i32> {
    if x.fract() == 0.0 && x >= 0.0 && x <= f64::from(i32::MAX) {
        #[allow(clippy::cast_possible_truncation)] // whole and in range
        return Some(x as i32);
    }
    None
}

fn typed(kind: &str, object: &Map<String, Json>, depth: usize) -> Result<Value, FromJsonError> {
    match kind {
        "data.frame" => data_frame(object, depth),
        "factor" => factor(object),
        "matrix" => matrix(object, depth),
        "complex" => {
            let bad = FromJsonError::BadForm("complex");
            let (Some(re), Some(im)) = (reals(object.get("re")), reals(object.get("im"))) else {
                return Err(bad);
            };
            if re.len() != im.len() {
                return Err(bad);
            }
            Ok(Data::Complex(
                re.into_iter()
                    .zip(im)
                    .map(|(re, im)| Complex { re, im })
                    .collect(),
            )
            .into())
        }
        "raw" => {
            let text = object
                .get("hex")
                .and_then(Json::as_str)
                .unwrap_or("?")
                .as_bytes();
            let (pairs, rest) = text.as_chunks::<2>();
            let digit = |b: u8| {
                char::from(b)
                    .to_digit(16)
                    .and_then(|d| u8::try_from(d).ok())
            };
            let bytes: Option<Vec<u8>> = pairs
                .iter()
                .map(|[a, b]| Some(digit(*a)? << 4 | digit(*b)?))
                .collect();
            match bytes {
                Some(bytes) if rest.is_empty() => Ok(Data::Raw(bytes).into()),
                _ => Err(FromJsonError::BadForm("raw")),
            }
        }
        "named" => named(object, depth),
        // What has only a text form stays what it is: a list that says so.
        _ => {
            let mut form = named_list(object, depth)?;
            form.attributes
                .push(("class".to_owned(), Value::text(super::FORM)));
            Ok(form)
        }
    }
}

fn named(object: &Map<String, Json>, depth: usize) -> Result<Value, FromJsonError> {
    let bad = FromJsonError::BadForm("named");
    let names: Option<Vec<Option<String>>> =
        object.get("names").and_then(Json::as_array).and_then(|a| {
            a.iter()
                .map(|n| {
                    if n.is_null() {
                        Some(None)
                    } else {
                        n.as_str().map(|t| Some(t.to_owned()))
                    }
                })
                .collect()
        });
    let (Some(names), Some(mut value)) = (names, array(object.get("values"), depth)?) else {
        return Err(bad);
    };
    for name in names.iter().flatten() {
        checked(name)?;
    }
    if names.len() != value.len() {
        return Err(bad);
    }
    value
        .attributes
        .push(("names".to_owned(), Data::Text(names).into()));
    Ok(value)
}

fn factor(object: &Map<String, Json>) -> Result<Value, FromJsonError> {
    let bad = || FromJsonError::BadForm("factor");
    let levels = object
        .get("levels")
        .and_then(Json::as_array)
        .ok_or_else(bad)?;
    let levels: Vec<&str> = levels
        .iter()
        .map(Json::as_str)
        .collect::<Option<_>>()
        .ok_or_else(bad)?;
    let mut positions = std::collections::HashMap::with_capacity(levels.len());
    for (at, level) in levels.iter().enumerate() {
        let at = i32::try_from(at + 1).map_err(|_| bad())?;
        if positions.insert(checked(level)?, at).is_some() {
            return Err(bad());
        }
    }
    let mut codes = Vec::new();
    for value in object
        .get("values")
        .and_then(Json::as_array)
        .ok_or_else(bad)?
    {
        codes.push(match value {
            Json::Null => None,
            other => Some(
                *other
                    .as_str()
                    .and_then(|t| positions.get(t))
                    .ok_or_else(bad)?,
            ),
        });
    }
    Ok(Value {
        data: Data::Integer(codes),
        attributes: vec![
            ("levels".to_owned(), Value::texts(levels)),
            ("class".to_owned(), Value::text("factor")),
        ],
    })
}

fn matrix(object: &Map<String, Json>, depth: usize) -> Result<Value, FromJsonError> {
    let bad = || FromJsonError::BadForm("matrix");
    let dim = reals(object.get("dim")).ok_or_else(bad)?;
    let dim: Vec<i32> = dim
        .into_iter()
        .map(whole)
        .collect::<Option<_>>()
        .ok_or_else(bad)?;
    let mut value = array(object.get("values"), depth)?.ok_or_else(bad)?;
    let cells = dim
        .iter()
        .try_fold(1_usize, |n, &d| n.checked_mul(usize::try_from(d).ok()?))
        .ok_or_else(bad)?;
    if dim.is_empty() || cells != value.len() {
        return Err(bad());
    }
    if value.is_empty() {
        value = Data::Logical(Vec::new()).into();
    }
    if let Some(Json::Array(names)) = object.get("dimnames") {
        if names.len() != dim.len() {
            return Err(bad());
        }
        let mut sides = Vec::with_capacity(names.len());
        for (side, &extent) in names.iter().zip(&dim) {
            let side = from_json(side, depth + 1)?;
            let fits = usize::try_from(extent).is_ok_and(|n| side.len() == n);
            match side.data {
                Data::Null => sides.push(Value::null()),
                Data::Text(_) if fits => sides.push(side),
                _ => return Err(bad()),
            }
        }
        value
            .attributes
            .push(("dimnames".to_owned(), Data::List(sides).into()));
    }
    // R checks dimnames against dim when it sets them, so dim goes first.
    value.attributes.insert(
        0,
        (
            "dim".to_owned(),
            Data::Integer(dim.into_iter().map(Some).collect()).into(),
        ),
    );
    Ok(value)
}

fn data_frame(object: &Map<String, Json>, depth: usize) -> Result<Value, FromJsonError> {
    let bad = || FromJsonError::BadForm("data.frame");
    let columns = object
        .get("columns")
        .and_then(Json::as_object)
        .ok_or_else(bad)?;
    let mut rows = object.get("rows").and_then(Json::as_u64);
    let mut names = Vec::with_capacity(columns.len());
    let mut values = Vec::with_capacity(columns.len());
    for (name, column) in columns {
        let mut value = from_json(column, depth + 1)?;
        if column.as_array().is_some_and(Vec::is_empty) {
            value = Data::Logical(Vec::new()).into();
        }
        if *rows.get_or_insert(value.len() as u64) != value.len() as u64 {
            return Err(bad());
        }
        names.push(checked(name)?.to_owned());
        values.push(value);
    }
    let rows = i32::try_from(rows.unwrap_or(0)).map_err(|_| bad())?;
    let row_names = match object
        .get("row_names")
        .map(|n| from_json(n, depth + 1))
        .transpose()?
    {
        Some(texts)
            if matches!(texts.data, Data::Text(_)) && i32::try_from(texts.len()) == Ok(rows) =>
        {
            texts
        }
        Some(_) => return Err(bad()),
        // R's compact form of 1..n.
        None => Data::Integer(vec![None, Some(-rows)]).into(),
    };
    Ok(Value {
        data: Data::List(values),
        attributes: vec![
            ("names".to_owned(), Value::texts(names)),
            ("row.names".to_owned(), row_names),
            ("class".to_owned(), Value::text("data.frame")),
        ],
    })
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
