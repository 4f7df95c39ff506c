//! What packages a piece of R code names, read without running it: a static scan that knows comments, strings and brackets.
//!
//! It errs on the side of letting code run: what is looked for first (`if (requireNamespace("x"))`), or installed by the code
//! itself, is a wish and not a need; what is named by a variable is not seen.

use super::{MAX_NAMES, is_package_name};
use std::collections::BTreeSet;

/// The packages that are parts of R: always there.
const BASE: [&str; 14] = [
    "base",
    "compiler",
    "datasets",
    "grDevices",
    "graphics",
    "grid",
    "methods",
    "parallel",
    "splines",
    "stats",
    "stats4",
    "tcltk",
    "tools",
    "utils",
];

/// Packages whose functions install others.
const INSTALLERS: [&str; 5] = ["BiocManager", "devtools", "pak", "remotes", "renv"];

/// The packages that code names, R's own left out; at most 100 of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needs {
    /// Without these it fails: `library(x)`, `loadNamespace("x")`, `x::f`, and `require(x)` as a statement.
    pub needed: BTreeSet<String>,
    /// It asks whether these are there: `if (requireNamespace("x"))`. What is wished somewhere is nowhere needed.
    pub wished: BTreeSet<String>,
    /// Whether it installs or removes packages itself: then all that it names is wished.
    pub installs: bool,
}

impl Needs {
    /// Whether it names no package.
    pub fn is_empty(&self) -> bool {
        self.needed.is_empty() && self.wished.is_empty()
    }
}

/// Scans R code. Any text will do: what does not parse gives what was seen of it.
pub fn needs(code: &str) -> Needs {
    let tokens = tokens(code);
    let mut found = Needs::default();
    for at in 0..tokens.len() {
        match tokens[at] {
            Token::Namespace => namespace(&tokens, at, &mut found),
            Token::Name(name) if is_call(&tokens, at) => call(&tokens, at, name, &mut found),
            _ => {}
        }
    }
    if found.installs {
        let needed = std::mem::take(&mut found.needed);
        found.wished.extend(needed);
    }
    let wished = &found.wished;
    found.needed.retain(|name| !wished.contains(name));
    found
}

/// `x::f`, at the colons.
fn namespace(tokens: &[Token<'_>], at: usize, found: &mut Needs) {
    let before = at.checked_sub(1).map(|i| tokens[i]);
    if let Some(Token::Name(name) | Token::Text(name)) = before
        && let Some(Token::Name(_) | Token::Text(_)) = tokens.get(at + 1)
    {
        if INSTALLERS.contains(&name) {
            found.installs = true;
        }
        add(&mut found.needed, name);
    }
}

/// Whether a name is called: a bracket follows, and it is no member of something.
fn is_call(tokens: &[Token<'_>], at: usize) -> bool {
    let member = at
        .checked_sub(1)
        .is_some_and(|i| matches!(tokens[i], Token::Sign(b'$' | b'@')));
    !member && tokens.get(at + 1) == Some(&Token::Sign(b'('))
}

fn call(tokens: &[Token<'_>], at: usize, name: &str, found: &mut Needs) {
    let quoted = match name {
        "library" | "require" => false,
        "loadNamespace" | "attachNamespace" | "requireNamespace" => true,
        "install.packages" | "remove.packages" => {
            found.installs = true;
            return;
        }
        _ => return,
    };
    let Some(package) = argument(&tokens[at + 2..], quoted) else {
        return;
    };
    let asks = name.starts_with("require") && !begins_statement(tokens, at);
    add(
        if asks {
            &mut found.wished
        } else {
            &mut found.needed
        },
        package,
    );
}

/// Whether a call's value is nobody's: nothing stands before it in its statement but `base::`.
fn begins_statement(tokens: &[Token<'_>], at: usize) -> bool {
    let first = if at >= 2 && tokens[at - 1] == Token::Namespace {
        at - 2
    } else {
        at
    };
    first
        .checked_sub(1)
        .is_none_or(|i| matches!(tokens[i], Token::Line | Token::Sign(b';' | b'{')))
}

/// The package that a call names, from the tokens behind its bracket on: the argument `package`, or the first without a name.
/// `quoted`: only a text names it, a name is a variable.
fn argument<'a>(tokens: &[Token<'a>], quoted: bool) -> Option<&'a str> {
    let mut depth = 0_usize;
    let mut arguments: Vec<&[Token<'a>]> = Vec::new();
    let mut from = 0;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign(b')' | b']' | b'}') if depth == 0 => {
                arguments.push(&tokens[from..index]);
                break;
            }
            Token::Sign(b',') if depth == 0 => {
                arguments.push(&tokens[from..index]);
                from = index + 1;
            }
            Token::Sign(b'(' | b'[' | b'{') => depth += 1,
            Token::Sign(b')' | b']' | b'}') => depth -= 1,
            _ => {}
        }
        // Nobody writes more of them; the scan stays linear.
        if arguments.len() == 8 || index == 64 {
            break;
        }
    }
    let (mut named, mut first, mut variable) = (None, None, quoted);
    for argument in arguments {
        match argument {
            [Token::Name("help"), Token::Sign(b'='), ..] => return None,
            [Token::Name("character.only"), Token::Sign(b'='), rest @ ..] => {
                variable = quoted || !matches!(rest, [Token::Name("FALSE" | "F")]);
            }
            [Token::Name("package"), Token::Sign(b'='), value] => named = Some(*value),
            [] | [_, Token::Sign(b'='), ..] => {}
            [value] => first = first.or(Some(*value)),
            // A first argument that is an expression names what nobody can read here.
            [_, ..] => first = first.or(Some(Token::Line)),
        }
    }
    match named.or(first)? {
        Token::Text(name) => Some(name),
        Token::Name(name) if !variable => Some(name),
        _ => None,
    }
}

fn add(set: &mut BTreeSet<String>, name: &str) {
    if set.len() < MAX_NAMES && is_package_name(name) && !BASE.contains(&name) {
        set.insert(name.to_owned());
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A name, backticks taken off.
    Name(&'a str),
    /// A string, as it is written between its quotes.
    Text(&'a str),
    /// `::` or `:::`.
    Namespace,
    /// The end of a line where it ends a statement: not within `(` or `[`.
    Line,
    /// Anything else, by its first byte; `0` for numbers, `%` for operators between those.
    Sign(u8),
}

/// The tokens of R code, comments and white space left out.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let bytes = code.as_bytes();
    let mut tokens = Vec::new();
    let mut open: Vec<u8> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let (token, next) = match byte {
            b'#' => (None, end_of_line(bytes, at)),
            b'\n' => {
                let ends = !matches!(open.last(), Some(b'(' | b'['));
                (ends.then_some(Token::Line), at + 1)
            }
            b'"' | b'\'' | b'`' => {
                let end = end_of_quoted(bytes, at);
                let inner = &code[at + 1..end.min(bytes.len())];
                let token = if byte == b'`' {
                    Token::Name(inner)
                } else {
                    Token::Text(inner)
                };
                (Some(token), end + 1)
            }
            b'r' | b'R' if raw_string(bytes, at).is_some() => {
                let (from, to, next) = raw_string(bytes, at).unwrap_or((at, at, at + 1));
                (Some(Token::Text(&code[from..to])), next)
            }
            b':' if bytes.get(at + 1) == Some(&b':') => {
                let third = bytes.get(at + 2) == Some(&b':');
                (Some(Token::Namespace), at + 2 + usize::from(third))
            }
            b'%' => {
                let rest = bytes[at + 1..].iter();
                let length = rest.take_while(|b| !matches!(b, b'%' | b'\n')).count();
                let closed = bytes.get(at + 1 + length) == Some(&b'%');
                let next = if closed { at + length + 2 } else { at + 1 };
                (Some(Token::Sign(b'%')), next)
            }
            b'0'..=b'9' => (Some(Token::Sign(b'0')), end_of_word(bytes, at)),
            _ if is_word(byte) && byte != b'_' => {
                let end = end_of_word(bytes, at);
                (Some(Token::Name(&code[at..end])), end)
            }
            _ if byte.is_ascii_whitespace() => (None, at + 1),
            _ => {
                match byte {
                    b'(' | b'[' | b'{' => open.push(byte),
                    b')' | b']' | b'}' => {
                        open.pop();
                    }
                    _ => {}
                }
                (Some(Token::Sign(byte)), at + 1)
            }
        };
        tokens.extend(token);
        at = next;
    }
    tokens
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || byte >= 0x80
}

fn end_of_word(bytes: &[u8], at: usize) -> usize {
    let rest = bytes[at..].iter();
    at + rest.take_while(|b| is_word(**b)).count()
}

fn end_of_line(bytes: &[u8], at: usize) -> usize {
    let rest = bytes[at..].iter();
    at + rest.take_while(|b| **b != b'\n').count()
}

/// Where the quote that begins here ends: the index of its other end, or the length of the text.
fn end_of_quoted(bytes: &[u8], at: usize) -> usize {
    let quote = bytes[at];
    let mut index = at + 1;
    while index < bytes.len() && bytes[index] != quote {
        index += if bytes[index] == b'\\' { 2 } else { 1 };
    }
    index.min(bytes.len())
}

/// `r"(…)"`, with dashes and any bracket: where its text begins and ends, and what comes behind it.
fn raw_string(bytes: &[u8], at: usize) -> Option<(usize, usize, usize)> {
    let quote = *bytes.get(at + 1).filter(|b| matches!(b, b'"' | b'\''))?;
    let rest = bytes.get(at + 2..)?;
    let dashes = rest.iter().take_while(|b| **b == b'-').count();
    let close = match rest.get(dashes)? {
        b'(' => b')',
        b'[' => b']',
        b'{' => b'}',
        _ => return None,
    };
    let from = at + 2 + dashes + 1;
    let mut end = vec![close];
    end.resize(1 + dashes, b'-');
    end.push(quote);
    let length = bytes[from..]
        .windows(end.len())
        .position(|window| window == end);
    Some(match length {
        Some(length) => (from, from + length, from + length + end.len()),
        None => (from, bytes.len(), bytes.len()),
    })
}

#[cfg(test)]
#[path = "needs_tests.rs"]
mod tests;
