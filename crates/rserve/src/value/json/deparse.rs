//! Calls, symbols and functions as R code: what R's `deparse` writes for common code on one line. It
//! is made to be read; R need not read it back the same.

use super::to_json;
use crate::value::{Data, Value, is_na};

/// Deepest nesting that is written out.
const MAX_DEPTH: usize = 40;
/// Most bytes that are written.
const MAX_TEXT: usize = 20_000;

/// The code of a call, symbol or function.
pub(super) fn deparse(value: &Value) -> String {
    let mut text = Text { out: String::new() };
    text.put(value, 0);
    text.out
}

struct Text {
    out: String,
}

type Items<'a> = &'a [(Option<String>, Value)];

impl Text {
    fn put(&mut self, value: &Value, depth: usize) {
        if depth > MAX_DEPTH || self.out.len() > MAX_TEXT {
            if !self.out.ends_with('…') {
                self.out.push('…');
            }
            return;
        }
        match &value.data {
            Data::Symbol(name) => self.name(name),
            Data::Language(items) => self.call(items, depth),
            Data::Closure(closure) => {
                self.function(&closure.formals, depth);
                self.put(&closure.body, depth + 1);
            }
            Data::Null => self.out.push_str("NULL"),
            Data::Logical(v) => self.vector(v, "logical", |x| match x {
                Some(true) => "TRUE".to_owned(),
                Some(false) => "FALSE".to_owned(),
                None => "NA".to_owned(),
            }),
            Data::Integer(v) => self.vector(v, "integer", |x| match x {
                Some(x) => format!("{x}L"),
                None => "NA".to_owned(),
            }),
            Data::Double(v) => self.vector(v, "numeric", |&x| real(x)),
            Data::Complex(v) => self.vector(v, "complex", |z| {
                let sign = if z.im.is_sign_negative() { '-' } else { '+' };
                format!("{}{sign}{}i", real(z.re), real(z.im.abs()))
            }),
            Data::Text(v) => self.vector(v, "character", |x| match x {
                Some(text) => quoted(text, '"'),
                None => "NA".to_owned(),
            }),
            Data::Opaque(4) => self.out.push_str("<environment>"),
            Data::Opaque(21) => self.out.push_str("<bytecode>"),
            Data::Opaque(22) => self.out.push_str("<pointer>"),
            _ => self.out.push_str(&to_json(value, false, depth).to_string()),
        }
    }

    fn vector<T>(&mut self, items: &[T], kind: &str, show: impl Fn(&T) -> String) {
        match items {
            [] => self.out.push_str(&format!("{kind}(0)")),
            [one] => match (show(one).as_str(), kind) {
                ("NA", "integer") => self.out.push_str("NA_integer_"),
                ("NA", "numeric") => self.out.push_str("NA_real_"),
                ("NA", "character") => self.out.push_str("NA_character_"),
                (text, _) => self.out.push_str(text),
            },
            _ => {
                let texts: Vec<String> = items.iter().take(1000).map(show).collect();
                let rest = if items.len() > 1000 { ", …" } else { "" };
                self.out.push_str(&format!("c({}{rest})", texts.join(", ")));
            }
        }
    }

    fn name(&mut self, name: &str) {
        if name.is_empty() || syntactic(name) {
            self.out.push_str(name);
        } else {
            self.out.push_str(&quoted(name, '`'));
        }
    }

    fn function(&mut self, formals: &Value, depth: usize) {
        self.out.push_str("function(");
        if let Data::Pairs(items) = &formals.data {
            for (at, (name, default)) in items.iter().enumerate() {
                if at > 0 {
                    self.out.push_str(", ");
                }
                self.name(name.as_deref().unwrap_or_default());
                if !matches!(&default.data, Data::Symbol(s) if s.is_empty()) {
                    self.out.push_str(" = ");
                    self.put(default, depth + 1);
                }
            }
        }
        self.out.push_str(") ");
    }

    fn call(&mut self, items: Items<'_>, depth: usize) {
        let Some(((_, function), arguments)) = items.split_first() else {
            return;
        };
        let Data::Symbol(name) = &function.data else {
            let inner = matches!(function.data, Data::Closure(_))
                || matches!(&function.data, Data::Language(f)
                    if matches!(f.first().map(|(_, f)| &f.data), Some(Data::Symbol(s)) if s == "function"));
            self.out.push_str(if inner { "(" } else { "" });
            self.put(function, depth + 1);
            self.out.push_str(if inner { ")" } else { "" });
            return self.arguments(arguments, depth, "(", ")");
        };
        let plain = arguments.iter().all(|(tag, _)| tag.is_none());
        match (name.as_str(), arguments) {
            ("{", _) if plain => {
                self.out.push_str("{ ");
                for (at, (_, statement)) in arguments.iter().enumerate() {
                    self.out.push_str(if at > 0 { "; " } else { "" });
                    self.put(statement, depth + 1);
                }
                self.out.push_str(" }");
            }
            ("(", [(None, inner)]) => {
                self.out.push('(');
                self.put(inner, depth + 1);
                self.out.push(')');
            }
            ("if", [(None, test), (None, yes), no @ ..]) if plain && no.len() < 2 => {
                self.parts(&["if (", ") ", ""], &[test, yes], depth);
                if let [(_, no)] = no {
                    self.parts(&[" else "], &[no], depth);
                }
            }
            ("while", [(None, test), (None, body)]) => {
                self.parts(&["while (", ") "], &[test, body], depth);
            }
            ("repeat", [(None, body)]) => self.parts(&["repeat "], &[body], depth),
            ("for", [(None, variable), (None, over), (None, body)]) => {
                self.parts(&["for (", " in ", ") "], &[variable, over, body], depth);
            }
            ("break" | "next", []) => self.out.push_str(name),
            ("function", [(_, formals), (_, body), ..]) => {
                self.function(formals, depth);
                self.put(body, depth + 1);
            }
            ("[", [(None, of), index @ ..]) => {
                self.put(of, depth + 1);
                self.arguments(index, depth, "[", "]");
            }
            ("[[", [(None, of), index @ ..]) => {
                self.put(of, depth + 1);
                self.arguments(index, depth, "[[", "]]");
            }
            (_, [(None, a), (None, b)]) if let Some(between) = infix(name) => {
                self.put(a, depth + 1);
                self.out.push_str(&between);
                self.put(b, depth + 1);
            }
            ("-" | "+" | "!" | "~" | "?", [(None, a)]) => {
                self.out.push_str(name);
                self.put(a, depth + 1);
            }
            _ => {
                self.name(name);
                self.arguments(arguments, depth, "(", ")");
            }
        }
    }

    /// Each text, then its value.
    fn parts(&mut self, texts: &[&str], values: &[&Value], depth: usize) {
        for (text, value) in texts.iter().zip(values) {
            self.out.push_str(text);
            self.put(value, depth + 1);
        }
    }

    fn arguments(&mut self, arguments: Items<'_>, depth: usize, open: &str, close: &str) {
        self.out.push_str(open);
        for (at, (tag, value)) in arguments.iter().enumerate() {
            if at > 0 {
                self.out.push_str(", ");
            }
            if let Some(tag) = tag {
                self.name(tag);
                self.out.push_str(" = ");
            }
            self.put(value, depth + 1);
        }
        self.out.push_str(close);
    }
}

/// How an operator stands between its two operands.
fn infix(name: &str) -> Option<String> {
    match name {
        "^" | ":" | "$" | "@" | "::" | ":::" | "/" => Some(name.to_owned()),
        "+" | "-" | "*" | "~" | "<-" | "<<-" | "=" | "==" | "!=" | "<" | ">" | "<=" | ">="
        | "&" | "&&" | "|" | "||" | ":=" => Some(format!(" {name} ")),
        _ if name.len() > 1 && name.starts_with('%') && name.ends_with('%') => {
            Some(format!(" {name} "))
        }
        _ => None,
    }
}

/// Whether R reads `name` as a name without quotes.
fn syntactic(name: &str) -> bool {
    const WORDS: [&str; 20] = [
        "if",
        "else",
        "repeat",
        "while",
        "function",
        "for",
        "next",
        "break",
        "TRUE",
        "FALSE",
        "NULL",
        "Inf",
        "NaN",
        "NA",
        "NA_integer_",
        "NA_real_",
        "NA_character_",
        "NA_complex_",
        "in",
        "",
    ];
    let mut chars = name.chars();
    let starts = match chars.next() {
        Some('.') => !chars.clone().next().is_some_and(|c| c.is_ascii_digit()),
        Some(first) => first.is_alphabetic(),
        None => false,
    };
    starts && chars.all(|c| c.is_alphanumeric() || c == '.' || c == '_') && !WORDS.contains(&name)
}

fn quoted(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// A double as R writes it: at most 15 digits, fixed unless scientific is shorter.
fn real(x: f64) -> String {
    if is_na(x) {
        return "NA".to_owned();
    }
    if x.is_nan() {
        return "NaN".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "Inf" } else { "-Inf" }.to_owned();
    }
    let full = format!("{x:.14e}");
    let (digits, exponent) = full.split_once('e').unwrap_or((&full, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    let sign = if exponent < 0 { '-' } else { '+' };
    let scientific = format!("{digits}e{sign}{:02}", exponent.unsigned_abs());
    let after = digits.split_once('.').map_or(0, |(_, d)| d.len());
    let decimals = i32::try_from(after).unwrap_or(0) - exponent;
    let fixed = match usize::try_from(decimals) {
        Ok(decimals) => format!("{x:.decimals$}"),
        Err(_) => format!("{x:.0}"),
    };
    if fixed.len() <= scientific.len() {
        fixed
    } else {
        scientific
    }
}
