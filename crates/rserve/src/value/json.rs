//! Between R values and JSON.
//!
//! R to JSON: a vector of length one without names becomes a scalar, other vectors arrays; NA
//! becomes `null`, infinite numbers and NaN the texts `"Inf"`, `"-Inf"`, `"NaN"`; whole doubles lose
//! their `.0`; vectors and lists whose names are unique and not empty become objects. What plain
//! JSON has no form for carries a `type`:
//!
//! | R | JSON |
//! |---|---|
//! | data frame | `{"type":"data.frame","rows":2,"columns":{"x":[1,2]}}`, with `row_names` if they are texts |
//! | factor | `{"type":"factor","levels":["a","b"],"values":["a",null]}` |
//! | matrix, array | `{"type":"matrix","dim":[2,2],"values":[1,2,3,4]}`, column by column, with `dimnames` |
//! | Date | `"2026-11-22"`; date-times `"2026-11-22T20:00:00.000Z"` (UTC) |
//! | complex | `{"type":"complex","re":[…],"im":[…]}` |
//! | raw | `{"type":"raw","hex":"00ff"}` |
//! | names that repeat or lack | `{"type":"named","names":[…],"values":[…]}` |
//! | call, symbol | `{"type":"language","text":"f(x)"}` |
//! | function, environment, S4 | `{"type":"opaque","what":"environment"}`, with `text` where R can print it |
//!
//! JSON to R: every number becomes a double (R then never overflows an integer); an array of
//! scalars of one kind an atomic vector, in which `null` is NA; any other array a list; an object a
//! named list, unless its `type` is one of the above.

use serde_json::{Map, Number, Value as Json, json};

use super::{Complex, Data, NA_REAL, Value, is_na};

mod forms;
mod from;
mod time;

pub use from::FromJsonError;

impl Value {
    /// The value as JSON, by the rules of this module.
    pub fn to_json(&self) -> Json {
        to_json(self, false)
    }
}

/// The class of lists that stand for one of the forms with a `type`: the runner makes them of what
/// only R can describe.
const FORM: &str = "gridhelm_form";

/// `boxed`: keep a vector of length one an array (columns of a data frame).
fn to_json(value: &Value, boxed: bool) -> Json {
    if let Data::List(parts) = &value.data
        && value.inherits(FORM)
    {
        let names = value
            .attribute("names")
            .map(Value::as_texts)
            .unwrap_or_default();
        return Json::Object(
            names
                .into_iter()
                .zip(parts.iter().map(|p| to_json(p, false)))
                .collect(),
        );
    }
    if let Data::Integer(codes) = &value.data
        && value.inherits("factor")
        && let Some(levels) = value.attribute("levels")
    {
        return factor(codes, levels);
    }
    if let Data::List(columns) = &value.data
        && value.inherits("data.frame")
    {
        return data_frame(value, columns);
    }
    let Some(items) = items(value) else {
        return single(value);
    };
    if let Some(Data::Integer(dim)) = value.attribute("dim").map(|d| &d.data) {
        return matrix(value, dim, items);
    }
    if let Some(Data::Text(names)) = value.attribute("names").map(|n| &n.data)
        && names.len() == items.len()
        && !boxed
    {
        return named(names, items);
    }
    let list = matches!(value.data, Data::List(_) | Data::Pairs(_));
    unboxed(items, list || boxed)
}

fn unboxed(mut items: Vec<Json>, boxed: bool) -> Json {
    if items.len() == 1 && !boxed {
        items.pop().unwrap_or(Json::Null)
    } else {
        Json::Array(items)
    }
}

/// The elements of a vector or list; `None` for what is not made of elements.
fn items(value: &Value) -> Option<Vec<Json>> {
    Some(match &value.data {
        Data::Logical(v) => v.iter().map(|x| x.map_or(Json::Null, Json::Bool)).collect(),
        Data::Integer(v) if value.inherits("Date") => v
            .iter()
            .map(|x| x.map_or(Json::Null, |d| time::date(f64::from(d))))
            .collect(),
        Data::Integer(v) => v.iter().map(|x| x.map_or(Json::Null, Json::from)).collect(),
        Data::Double(v) if value.inherits("Date") => v.iter().map(|&x| time::date(x)).collect(),
        Data::Double(v) if value.inherits("POSIXct") => {
            v.iter().map(|&x| time::date_time(x)).collect()
        }
        Data::Double(v) => v.iter().map(|&x| number(x)).collect(),
        Data::Text(v) => v
            .iter()
            .map(|x| x.as_ref().map_or(Json::Null, |t| Json::String(t.clone())))
            .collect(),
        Data::List(v) => v.iter().map(|x| to_json(x, false)).collect(),
        Data::Pairs(v) if v.iter().all(|(tag, _)| tag.is_none()) => {
            v.iter().map(|(_, x)| to_json(x, false)).collect()
        }
        _ => return None,
    })
}

fn single(value: &Value) -> Json {
    match &value.data {
        Data::Complex(v) => complex(v),
        Data::Raw(bytes) => json!({"type": "raw", "hex": hex(bytes)}),
        Data::Symbol(_) | Data::Language(_) => {
            json!({"type": "language", "text": deparse(value, 0)})
        }
        Data::Pairs(items) => {
            let names: Vec<_> = items
                .iter()
                .map(|(tag, _)| Some(tag.clone().unwrap_or_default()))
                .collect();
            named(
                &names,
                items.iter().map(|(_, v)| to_json(v, false)).collect(),
            )
        }
        Data::Opaque(kind) => json!({"type": "opaque", "what": match kind {
            3 => "function",
            4 => "environment",
            8 => "builtin function",
            25 => "S4 object",
            _ => "object",
        }}),
        _ => Json::Null,
    }
}

pub(super) fn number(x: f64) -> Json {
    if is_na(x) {
        return Json::Null;
    }
    if x.fract() == 0.0 && x.abs() < 9_007_199_254_740_992.0 && !(x == 0.0 && x.is_sign_negative())
    {
        #[allow(clippy::cast_possible_truncation)] // whole and below 2^53
        return Json::from(x as i64);
    }
    match Number::from_f64(x) {
        Some(number) => Json::Number(number),
        None if x.is_nan() => Json::from("NaN"),
        None => Json::from(if x > 0.0 { "Inf" } else { "-Inf" }),
    }
}

fn complex(numbers: &[Complex]) -> Json {
    let parts =
        |part: fn(&Complex) -> f64| numbers.iter().map(|z| number(part(z))).collect::<Vec<_>>();
    json!({"type": "complex", "re": parts(|z| z.re), "im": parts(|z| z.im)})
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .map(|n| char::from(DIGITS[usize::from(n)]))
        .collect()
}

fn factor(codes: &[Option<i32>], levels: &Value) -> Json {
    let levels = levels.as_texts();
    let label = |code: &Option<i32>| {
        let at = code
            .and_then(|c| usize::try_from(c).ok())
            .and_then(|c| c.checked_sub(1));
        at.and_then(|at| levels.get(at))
            .map_or(Json::Null, |l| Json::String(l.clone()))
    };
    let values: Vec<Json> = codes.iter().map(label).collect();
    json!({"type": "factor", "levels": levels, "values": values})
}

fn data_frame(value: &Value, columns: &[Value]) -> Json {
    let names = value
        .attribute("names")
        .map(Value::as_texts)
        .unwrap_or_default();
    let mut object = Map::new();
    for (at, column) in columns.iter().enumerate() {
        let name = names
            .get(at)
            .filter(|n| !n.is_empty() && !object.contains_key(n.as_str()));
        let name = name
            .cloned()
            .unwrap_or_else(|| format!("column {}", at + 1));
        object.insert(name, to_json(column, true));
    }
    let row_names = value.attribute("row.names");
    let rows = match row_names.map(|r| &r.data) {
        // The compact form c(NA, -n), or c(NA, n).
        Some(Data::Integer(v)) => match v[..] {
            [None, Some(n)] => n.unsigned_abs() as usize,
            _ => v.len(),
        },
        Some(Data::Text(v)) => v.len(),
        _ => columns.first().map_or(0, Value::len),
    };
    let mut frame = json!({"type": "data.frame", "rows": rows, "columns": object});
    if let (Some(Data::Text(names)), Some(frame)) =
        (row_names.map(|r| &r.data), frame.as_object_mut())
    {
        frame.insert("row_names".to_owned(), json!(names));
    }
    frame
}

fn matrix(value: &Value, dim: &[Option<i32>], items: Vec<Json>) -> Json {
    let mut object = Map::new();
    object.insert("type".to_owned(), Json::from("matrix"));
    object.insert("dim".to_owned(), json!(dim));
    if let Some(names) = value.attribute("dimnames") {
        let names: Vec<Json> = names
            .as_list()
            .iter()
            .map(|n| to_json(n, !matches!(n.data, Data::Null)))
            .collect();
        object.insert("dimnames".to_owned(), Json::Array(names));
    }
    object.insert("values".to_owned(), Json::Array(items));
    Json::Object(object)
}

fn named(names: &[Option<String>], items: Vec<Json>) -> Json {
    let mut object = Map::with_capacity(names.len());
    let unique = names.iter().all(|n| {
        n.as_ref()
            .is_some_and(|n| !n.is_empty() && object.insert(n.clone(), Json::Null).is_none())
    });
    // An object that happens to have a `type` of ours would be read back as something else.
    let ours = object.contains_key("type");
    if unique && !ours {
        return Json::Object(names.iter().flatten().cloned().zip(items).collect());
    }
    if unique && ours {
        let plain: Map<String, Json> = names
            .iter()
            .flatten()
            .cloned()
            .zip(items.iter().cloned())
            .collect();
        if plain
            .get("type")
            .and_then(Json::as_str)
            .is_none_or(|t| !from::TYPES.contains(&t))
        {
            return Json::Object(plain);
        }
    }
    json!({"type": "named", "names": names, "values": items})
}

/// A call or symbol as text: enough to recognise it, not R's own formatting.
fn deparse(value: &Value, depth: usize) -> String {
    if depth > 20 {
        return "…".to_owned();
    }
    match &value.data {
        Data::Symbol(name) => name.clone(),
        Data::Language(items) => {
            let mut parts = items.iter().map(|(tag, v)| match tag {
                Some(tag) => format!("{tag} = {}", deparse(v, depth + 1)),
                None => deparse(v, depth + 1),
            });
            let function = parts.next().unwrap_or_default();
            let arguments: Vec<String> = parts.collect();
            match (&arguments[..], function.as_str()) {
                (
                    [a, b],
                    "+" | "-" | "*" | "/" | "^" | "~" | "<-" | "=" | "==" | "<" | ">" | "<=" | ">="
                    | "!=" | "$" | "&&" | "||",
                ) => {
                    format!("{a} {function} {b}")
                }
                ([a], "-" | "~" | "!") => format!("{function}{a}"),
                _ => format!("{function}({})", arguments.join(", ")),
            }
        }
        _ => to_json(value, false).to_string(),
    }
}

fn missing_number() -> f64 {
    NA_REAL
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(data: Data, attributes: &[(&str, Value)]) -> Value {
        Value {
            data,
            attributes: attributes
                .iter()
                .map(|(n, v)| ((*n).to_owned(), v.clone()))
                .collect(),
        }
    }

    #[test]
    fn numbers_that_json_lacks_become_text() {
        let v: Value = Data::Double(vec![
            1.0,
            2.5,
            NA_REAL,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ])
        .into();
        assert_eq!(v.to_json(), json!([1, 2.5, null, "NaN", "Inf", "-Inf"]));
        assert_eq!(Value::double(1e300).to_json(), json!(1e300));
    }

    #[test]
    fn frames_factors_and_matrices_keep_their_shape() {
        let f = with(
            Data::Integer(vec![Some(2), None, Some(1), Some(9)]),
            &[
                ("levels", Value::texts(["a", "b"])),
                ("class", Value::text("factor")),
            ],
        );
        assert_eq!(
            f.to_json(),
            json!({"type": "factor", "levels": ["a", "b"], "values": ["b", null, "a", null]})
        );
        let m = with(
            Data::Double(vec![1.0, 2.0]),
            &[("dim", Data::Integer(vec![Some(1), Some(2)]).into())],
        );
        assert_eq!(
            m.to_json(),
            json!({"type": "matrix", "dim": [1, 2], "values": [1, 2]})
        );
        let d = with(
            Data::List(vec![Value::double(1.0)]),
            &[
                ("names", Value::text("x")),
                ("row.names", Data::Integer(vec![None, Some(-1)]).into()),
                ("class", Value::text("data.frame")),
            ],
        );
        assert_eq!(
            d.to_json(),
            json!({"type": "data.frame", "rows": 1, "columns": {"x": [1]}})
        );
    }

    #[test]
    fn names_that_repeat_are_not_lost() {
        let v = with(
            Data::Double(vec![1.0, 2.0]),
            &[("names", Value::texts(["a", "a"]))],
        );
        assert_eq!(
            v.to_json(),
            json!({"type": "named", "names": ["a", "a"], "values": [1, 2]})
        );
        let v = with(
            Data::Double(vec![1.0, 2.0]),
            &[("names", Value::texts(["a", "b"]))],
        );
        assert_eq!(v.to_json(), json!({"a": 1, "b": 2}));
    }
}
