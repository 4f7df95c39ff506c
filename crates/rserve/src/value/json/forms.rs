//! Objects with a `type` of ours, back to R values.

use serde_json::{Map, Value as Json};

use super::from::{FromJsonError, checked, from_json, named_list, real};
use super::missing_number;
use crate::value::{Complex, Data, Value};

pub(super) fn typed(
    kind: &str,
    object: &Map<String, Json>,
    depth: usize,
) -> Result<Value, FromJsonError> {
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
        "difftime" => {
            let bad = FromJsonError::BadForm("difftime");
            let units = object.get("units").and_then(Json::as_str);
            let (Some(values), Some(units)) = (reals(object.get("values")), units) else {
                return Err(bad);
            };
            Ok(Value {
                data: Data::Double(values),
                attributes: vec![
                    ("class".to_owned(), Value::text("difftime")),
                    ("units".to_owned(), Value::text(checked(units)?)),
                ],
            })
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
    let items = |name| object.get(name).and_then(Json::as_array).ok_or_else(bad);
    let text = |json: &Json| match json {
        Json::Null => Ok(None),
        other => other
            .as_str()
            .ok_or_else(bad)
            .and_then(checked)
            .map(|t| Some(t.to_owned())),
    };
    let levels: Vec<Option<String>> = items("levels")?
        .iter()
        .map(text)
        .collect::<Result<_, _>>()?;
    let mut positions = std::collections::HashMap::with_capacity(levels.len());
    for (at, level) in levels.iter().enumerate() {
        let at = i32::try_from(at + 1).map_err(|_| bad())?;
        if positions.insert(level.clone(), at).is_some() {
            return Err(bad());
        }
    }
    let mut codes = Vec::new();
    for value in items("values")? {
        let code = positions.get(&text(value)?).copied();
        if code.is_none() && !value.is_null() {
            return Err(bad());
        }
        codes.push(code);
    }
    let class: &[&str] = match object.get("ordered") {
        Some(Json::Bool(true)) => &["ordered", "factor"],
        _ => &["factor"],
    };
    Ok(Value {
        data: Data::Integer(codes),
        attributes: vec![
            ("levels".to_owned(), Data::Text(levels).into()),
            ("class".to_owned(), Value::texts(class.iter().copied())),
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
        let mut sides: Value = Data::List(sides).into();
        if let Some(Json::Array(axes)) = object.get("axes") {
            let axes: Vec<&str> = axes
                .iter()
                .map(Json::as_str)
                .collect::<Option<_>>()
                .ok_or_else(bad)?;
            if axes.len() != sides.len() {
                return Err(bad());
            }
            for axis in &axes {
                checked(axis)?;
            }
            sides
                .attributes
                .push(("names".to_owned(), Value::texts(axes)));
        }
        value.attributes.push(("dimnames".to_owned(), sides));
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
    let names = match object
        .get("names")
        .map(|n| from_json(n, depth + 1))
        .transpose()?
    {
        // What R called the columns, if that cannot name them in an object.
        Some(real) if matches!(real.data, Data::Text(_)) && real.len() == names.len() => real,
        Some(_) => return Err(bad()),
        None => Value::texts(names),
    };
    let rows = i32::try_from(rows.unwrap_or(0)).map_err(|_| bad())?;
    let row_names = match object
        .get("row_names")
        .map(|n| from_json(n, depth + 1))
        .transpose()?
    {
        Some(names) if i32::try_from(names.len()) == Ok(rows) => match names.data {
            Data::Text(_) => names,
            Data::Double(numbers) => {
                let numbers: Option<Vec<_>> =
                    numbers.into_iter().map(|x| whole(x).map(Some)).collect();
                Data::Integer(numbers.ok_or_else(bad)?).into()
            }
            _ => return Err(bad()),
        },
        Some(_) => return Err(bad()),
        // R's compact form of 1..n.
        None => Data::Integer(vec![None, Some(-rows)]).into(),
    };
    Ok(Value {
        data: Data::List(values),
        attributes: vec![
            ("names".to_owned(), names),
            ("row.names".to_owned(), row_names),
            ("class".to_owned(), Value::text("data.frame")),
        ],
    })
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
    // Vectors that have a form of their own count as arrays.
    let form = |j: &Json| {
        let kind = j.get("type").and_then(Json::as_str);
        matches!(kind, Some("complex" | "raw" | "factor" | "difftime"))
    };
    json.filter(|j| j.is_array() || form(j))
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
