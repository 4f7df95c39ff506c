//! Between R values and JSON.
//!
//! R to JSON: a vector of length one without names becomes a scalar, other vectors arrays; NA
//! becomes `null`, infinite numbers and NaN the texts `"Inf"`, `"-Inf"`, `"NaN"`; whole doubles lose
//! their `.0`; vectors and lists whose names are unique and not empty become objects. What plain
//! JSON has no form for carries a `type`:
//!
//! | R | JSON |
//! |---|---|
//! | data frame | `{"type":"data.frame","rows":2,"columns":{"x":[1,2]}}`, with `row_names` if they are not 1 to n, and `names` if those of the columns repeat or lack |
//! | factor | `{"type":"factor","levels":["a","b"],"values":["a",null]}`, with `"ordered":true` |
//! | matrix, array | `{"type":"matrix","dim":[2,2],"values":[1,2,3,4]}`, column by column, with `dimnames`, and their names as `axes` |
//! | Date | `"2026-11-22"`; date-times `"2026-11-22T20:00:00.000Z"` (UTC), without `Z` if R does not tell the zone |
//! | difftime | `{"type":"difftime","units":"mins","values":[1,null]}` |
//! | complex | `{"type":"complex","re":[…],"im":[…]}` |
//! | raw | `{"type":"raw","hex":"00ff"}` |
//! | names that repeat or lack, or of the vectors above | `{"type":"named","names":[…],"values":…}` |
//! | call, symbol | `{"type":"language","text":"f(x)"}` |
//! | function, environment, external pointer, bytecode, … | `{"type":"opaque","what":"environment"}`, with `text` where there is one |
//! | S4 object | `{"type":"opaque","what":"S4 object","class":"P","slots":{…}}` |
//!
//! JSON to R: every number becomes a double (R then never overflows an integer); an array of
//! scalars of one kind an atomic vector, in which `null` is NA; any other array a list; an object a
//! named list, unless its `type` is one of the above. Dates come back as texts.

use serde_json::{Map, Number, Value as Json, json};

use super::{Complex, Data, NA_REAL, Value, is_na};

mod deparse;
mod forms;
mod from;
mod shapes;
mod time;

pub use from::FromJsonError;

impl Value {
    /// The value as JSON, by the rules of this module.
    pub fn to_json(&self) -> Json {
        to_json(self, false, 0)
    }
}

/// The class of lists that stand for one of the forms with a `type`: the runner makes them of what
/// only R can describe.
const FORM: &str = "gridhelm_form";

/// Deepest nesting of JSON that is made: below serde's limit of 128 for reading it.
const MAX_LEVELS: usize = 110;

/// What a vector becomes: JSON of its elements, or one object for all of them.
enum Elements {
    Each(Vec<Json>),
    Whole(Json),
}

/// `boxed`: keep a vector of length one an array (columns of a data frame). `levels`: how deep in
/// JSON this is.
fn to_json(value: &Value, boxed: bool, levels: usize) -> Json {
    if levels > MAX_LEVELS {
        return json!({"type": "opaque", "what": "deeply nested list"});
    }
    if let Data::List(parts) = &value.data
        && value.inherits(FORM)
    {
        let names = names_of(value, parts.len());
        let parts = parts.iter().map(|p| to_json(p, false, levels + 1));
        return Json::Object(names.into_iter().flatten().zip(parts).collect());
    }
    if let Data::List(columns) = &value.data
        && value.inherits("data.frame")
    {
        return shapes::data_frame(value, columns, levels);
    }
    let Some(elements) = elements(value, levels) else {
        return single(value, levels);
    };
    let attribute = |name| value.attribute(name).map(|a| &a.data);
    if let Some(Data::Integer(dim)) = attribute("dim") {
        return shapes::matrix(value, dim, elements, levels);
    }
    if let Some(Data::Text(names)) = attribute("names")
        && !boxed
        && !value.inherits("POSIXlt")
    {
        return named(names, elements);
    }
    match elements {
        Elements::Whole(json) => json,
        Elements::Each(items) => {
            let list = matches!(
                value.data,
                Data::List(_) | Data::Expression(_) | Data::Pairs(_)
            ) && !value.inherits("POSIXlt");
            unboxed(items, list || boxed)
        }
    }
}

fn unboxed(mut items: Vec<Json>, boxed: bool) -> Json {
    if items.len() == 1 && !boxed {
        items.pop().unwrap_or(Json::Null)
    } else {
        Json::Array(items)
    }
}

/// The elements of a vector or list; `None` for what is not made of elements.
fn elements(value: &Value, levels: usize) -> Option<Elements> {
    // Names and the like may need an object around the elements.
    let inner = levels + if value.attributes.is_empty() { 1 } else { 2 };
    let list =
        |items: &[Value]| Elements::Each(items.iter().map(|x| to_json(x, false, inner)).collect());
    if matches!(value.data, Data::Integer(_) | Data::Double(_))
        && let Some(form) = shapes::classed(value)
    {
        return Some(form);
    }
    Some(match &value.data {
        Data::Logical(v) => {
            Elements::Each(v.iter().map(|x| x.map_or(Json::Null, Json::Bool)).collect())
        }
        Data::Integer(v) => {
            Elements::Each(v.iter().map(|x| x.map_or(Json::Null, Json::from)).collect())
        }
        Data::Double(v) => Elements::Each(v.iter().map(|&x| number(x)).collect()),
        Data::Text(v) => Elements::Each(texts(v)),
        Data::Complex(v) => Elements::Whole(complex(v)),
        Data::Raw(bytes) => Elements::Whole(json!({"type": "raw", "hex": hex(bytes)})),
        Data::List(v) if value.inherits("POSIXlt") => Elements::Each(
            time::broken_down(value)
                .unwrap_or_else(|| v.iter().map(|x| to_json(x, false, inner)).collect()),
        ),
        Data::List(v) | Data::Expression(v) => list(v),
        Data::Pairs(v) if v.iter().all(|(tag, _)| tag.is_none()) => {
            Elements::Each(v.iter().map(|(_, x)| to_json(x, false, inner)).collect())
        }
        _ => return None,
    })
}

fn texts(texts: &[Option<String>]) -> Vec<Json> {
    let text = |x: &Option<String>| x.as_ref().map_or(Json::Null, |t| Json::String(t.clone()));
    texts.iter().map(text).collect()
}

fn single(value: &Value, levels: usize) -> Json {
    match &value.data {
        Data::Symbol(_) | Data::Language(_) => {
            json!({"type": "language", "text": deparse::deparse(value)})
        }
        Data::Closure(_) => {
            json!({"type": "opaque", "what": "function", "text": deparse::deparse(value)})
        }
        Data::S4 => {
            let class = value
                .attribute("class")
                .and_then(|c| c.as_texts().into_iter().next());
            let slots = value.attributes.iter().filter(|(name, _)| name != "class");
            let slots: Map<String, Json> = slots
                .map(|(name, slot)| (name.clone(), to_json(slot, false, levels + 2)))
                .collect();
            json!({"type": "opaque", "what": "S4 object", "class": class, "slots": slots})
        }
        Data::Pairs(items) => {
            let names: Vec<_> = items
                .iter()
                .map(|(tag, _)| Some(tag.clone().unwrap_or_default()))
                .collect();
            let items = items.iter().map(|(_, v)| to_json(v, false, levels + 2));
            named(&names, Elements::Each(items.collect()))
        }
        Data::Opaque(kind) => json!({"type": "opaque", "what": shapes::type_name(*kind)}),
        _ => Json::Null,
    }
}

/// The names of a value with so many elements; `None` where one lacks.
fn names_of(value: &Value, length: usize) -> Vec<Option<String>> {
    let mut names = match value.attribute("names").map(|n| &n.data) {
        Some(Data::Text(names)) => names.clone(),
        _ => Vec::new(),
    };
    names.resize(length, None);
    names
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

fn named(names: &[Option<String>], elements: Elements) -> Json {
    let items = match elements {
        Elements::Each(items) if items.len() == names.len() => items,
        Elements::Each(items) => return json!({"type": "named", "names": names, "values": items}),
        Elements::Whole(json) => return json!({"type": "named", "names": names, "values": json}),
    };
    let mut object = Map::with_capacity(names.len());
    let unique = names.iter().all(|n| {
        n.as_ref()
            .is_some_and(|n| !n.is_empty() && object.insert(n.clone(), Json::Null).is_none())
    });
    if !unique {
        return json!({"type": "named", "names": names, "values": items});
    }
    // An object that happens to have a `type` of ours would be read back as something else.
    let kind = names.iter().position(|n| n.as_deref() == Some("type"));
    let ours = kind
        .and_then(|at| items.get(at)?.as_str())
        .is_some_and(|kind| from::TYPES.contains(&kind));
    if ours {
        return json!({"type": "named", "names": names, "values": items});
    }
    Json::Object(names.iter().flatten().cloned().zip(items).collect())
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
