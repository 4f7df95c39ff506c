//! The forms with a `type` that R values become.

use serde_json::{Map, Value as Json, json};

use super::{Elements, names_of, number, texts, time, to_json};
use crate::value::{Data, Value};

/// The name of an R type (`SEXPTYPE`) that QAP1 does not carry.
pub(super) fn type_name(kind: u32) -> &'static str {
    match kind {
        3 => "function",
        4 => "environment",
        5 => "promise",
        7 | 8 => "builtin function",
        9 => "internal string",
        17 => "dots",
        21 => "bytecode",
        22 => "external pointer",
        23 => "weak reference",
        25 => "S4 object",
        _ => "object",
    }
}

/// Numbers that their class makes something else of: factors, dates, time differences, long integers.
pub(super) fn classed(value: &Value) -> Option<Elements> {
    if value.inherits("factor")
        && let Data::Integer(codes) = &value.data
    {
        return Some(factor(value, codes, value.attribute("levels")?));
    }
    if value.inherits("integer64")
        && let Data::Double(bits) = &value.data
    {
        return Some(Elements::Each(bits.iter().map(|&x| long(x)).collect()));
    }
    let seconds = value.inherits("POSIXct");
    let text = |x: f64| {
        if seconds {
            time::date_time(x)
        } else {
            time::date(x)
        }
    };
    if seconds || value.inherits("Date") {
        return Some(Elements::Each(numbers(value, text)));
    }
    if value.inherits("difftime") {
        let units = value.attribute("units").and_then(Value::as_str);
        let values = numbers(value, number);
        return Some(Elements::Whole(
            json!({"type": "difftime", "units": units, "values": values}),
        ));
    }
    None
}

/// Each number of a double or integer vector.
fn numbers(value: &Value, show: impl Fn(f64) -> Json) -> Vec<Json> {
    match &value.data {
        Data::Double(v) => v.iter().map(|&x| show(x)).collect(),
        Data::Integer(v) => v
            .iter()
            .map(|x| x.map_or(Json::Null, |x| show(f64::from(x))))
            .collect(),
        _ => Vec::new(),
    }
}

/// The 64-bit integer (package bit64) whose bits are kept in a double: a number as far as JSON's
/// readers keep it whole, else a text.
fn long(x: f64) -> Json {
    let number = x.to_bits().cast_signed();
    match number {
        i64::MIN => Json::Null,
        _ if number.unsigned_abs() < 1 << 53 => Json::from(number),
        _ => Json::from(number.to_string()),
    }
}

fn factor(value: &Value, codes: &[Option<i32>], levels: &Value) -> Elements {
    let levels = match &levels.data {
        Data::Text(levels) => texts(levels),
        _ => Vec::new(),
    };
    let label = |code: &Option<i32>| {
        let at = code
            .and_then(|c| usize::try_from(c).ok())
            .and_then(|c| c.checked_sub(1));
        at.and_then(|at| levels.get(at))
            .cloned()
            .unwrap_or(Json::Null)
    };
    let values: Vec<Json> = codes.iter().map(label).collect();
    let mut form = json!({"type": "factor", "levels": levels, "values": values});
    if value.inherits("ordered")
        && let Some(form) = form.as_object_mut()
    {
        form.insert("ordered".to_owned(), Json::Bool(true));
    }
    Elements::Whole(form)
}

pub(super) fn data_frame(value: &Value, columns: &[Value], levels: usize) -> Json {
    let names = names_of(value, columns.len());
    let mut object = Map::new();
    let mut renamed = false;
    for (at, (name, column)) in names.iter().zip(columns).enumerate() {
        let usable = name
            .as_ref()
            .filter(|n| !n.is_empty() && !object.contains_key(n.as_str()));
        let key = usable.cloned().unwrap_or_else(|| {
            renamed = true;
            let free = |n: &String| !object.contains_key(n) && !names.contains(&Some(n.clone()));
            let mut number = at + 1;
            loop {
                let key = format!("column {number}");
                if free(&key) {
                    return key;
                }
                number += columns.len();
            }
        });
        object.insert(key, to_json(column, true, levels + 2));
    }
    let row_names = value.attribute("row.names").map(|r| &r.data);
    let rows = match row_names {
        // The compact form c(NA, -n), or c(NA, n).
        Some(Data::Integer(v)) => match v[..] {
            [None, Some(n)] => n.unsigned_abs() as usize,
            _ => v.len(),
        },
        Some(Data::Text(v)) => v.len(),
        _ => columns.first().map_or(0, Value::len),
    };
    let shown = match row_names {
        Some(Data::Text(names)) => Some(json!(names)),
        Some(Data::Integer(v)) if !matches!(v[..], [None, Some(_)]) => {
            let counted = v.iter().zip(1..).all(|(name, at)| *name == Some(at));
            (!counted).then(|| json!(v))
        }
        _ => None,
    };
    let mut frame = Map::new();
    frame.insert("type".to_owned(), Json::from("data.frame"));
    frame.insert("rows".to_owned(), Json::from(rows));
    frame.insert("columns".to_owned(), Json::Object(object));
    if let Some(shown) = shown {
        frame.insert("row_names".to_owned(), shown);
    }
    if renamed {
        frame.insert("names".to_owned(), json!(names));
    }
    Json::Object(frame)
}

pub(super) fn matrix(
    value: &Value,
    dim: &[Option<i32>],
    elements: Elements,
    levels: usize,
) -> Json {
    let mut object = Map::new();
    object.insert("type".to_owned(), Json::from("matrix"));
    object.insert("dim".to_owned(), json!(dim));
    if let Some(names) = value.attribute("dimnames") {
        let sides: Vec<Json> = names
            .as_list()
            .iter()
            .map(|n| to_json(n, !matches!(n.data, Data::Null), levels + 2))
            .collect();
        object.insert("dimnames".to_owned(), Json::Array(sides));
        if let Some(Data::Text(axes)) = names.attribute("names").map(|n| &n.data) {
            object.insert("axes".to_owned(), Json::Array(texts(axes)));
        }
    }
    let values = match elements {
        Elements::Each(items) => Json::Array(items),
        Elements::Whole(json) => json,
    };
    object.insert("values".to_owned(), values);
    Json::Object(object)
}
