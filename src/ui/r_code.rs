//! A tokeniser of R, for colours: pure, total, and fast enough for every key pressed. It follows R's lexer where colours depend on it
//! (raw strings, back-quoted names, `%op%`, hexadecimal and suffixed numbers), and never fails: what it does not know is plain.

/// What a piece of code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// White space, operators, names.
    Plain,
    /// `function`, `if`, `TRUE`, `NULL` and their like.
    Keyword,
    /// From `#` to the end of the line.
    Comment,
    /// A string, raw strings included.
    Text,
    /// A name that is called.
    Function,
    /// A number.
    Number,
}

impl Token {
    /// Its class in the style sheet; none for what is plain.
    pub const fn class(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Keyword => Some("k"),
            Self::Comment => Some("c"),
            Self::Text => Some("str"),
            Self::Function => Some("fn"),
            Self::Number => Some("nm"),
        }
    }
}

const KEYWORDS: [&str; 20] = [
    "function",
    "if",
    "else",
    "for",
    "while",
    "repeat",
    "in",
    "next",
    "break",
    "return",
    "TRUE",
    "FALSE",
    "NULL",
    "NA",
    "NA_integer_",
    "NA_real_",
    "NA_character_",
    "NaN",
    "Inf",
    "NA_complex_",
];

/// Cuts code into pieces. The pieces, put together, are the code.
pub fn tokens(code: &str) -> Vec<(Token, &str)> {
    let mut out: Vec<(Token, &str)> = Vec::new();
    let (mut at, mut plain) = (0, 0);
    while let Some(first) = code[at..].chars().next() {
        let (token, length) = token_at(&code[at..], first);
        if token != Token::Plain {
            if plain < at {
                out.push((Token::Plain, &code[plain..at]));
            }
            out.push((token, &code[at..at + length]));
            plain = at + length;
        }
        at += length;
    }
    if plain < at {
        out.push((Token::Plain, &code[plain..at]));
    }
    out
}

/// The token at the start of `rest`, and its length in bytes, at least that of its first letter.
fn token_at(rest: &str, first: char) -> (Token, usize) {
    match first {
        '#' => (Token::Comment, rest.find('\n').unwrap_or(rest.len())),
        '"' | '\'' => (Token::Text, quoted(rest, first)),
        '`' => (Token::Plain, quoted(rest, first)),
        'r' | 'R' => match raw_string(rest) {
            Some(length) => (Token::Text, length),
            None => word(rest),
        },
        '0'..='9' => (Token::Number, number(rest)),
        '.' if rest[1..].starts_with(|next: char| next.is_ascii_digit()) => {
            (Token::Number, number(rest))
        }
        '%' => (Token::Plain, operator(rest)),
        _ if first == '.' || first.is_alphabetic() => word(rest),
        _ => (Token::Plain, first.len_utf8()),
    }
}

/// The length of a string or a quoted name: up to its closing quote, or to the end of the code.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, letter) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if letter == quote {
            return index + 1;
        }
    }
    rest.len()
}

/// The length of `r"---(…)---"`, if it is one.
fn raw_string(rest: &str) -> Option<usize> {
    let mut letters = rest.bytes();
    letters.next();
    let quote = letters
        .next()
        .filter(|quote| matches!(quote, b'"' | b'\''))?;
    let dashes = rest[2..]
        .bytes()
        .take_while(|letter| *letter == b'-')
        .count();
    let close = match rest.as_bytes().get(2 + dashes)? {
        b'(' => ')',
        b'[' => ']',
        b'{' => '}',
        _ => return None,
    };
    let mut end = String::from(close);
    end.extend(std::iter::repeat_n('-', dashes));
    end.push(char::from(quote));
    let from = 3 + dashes;
    Some(
        rest[from..]
            .find(&end)
            .map_or(rest.len(), |at| from + at + end.len()),
    )
}

/// `%in%` and its like end on the same line; a lone `%` is one letter.
fn operator(rest: &str) -> usize {
    rest[1..]
        .find(['%', '\n'])
        .filter(|at| rest.as_bytes()[at + 1] == b'%')
        .map_or(1, |at| at + 2)
}

fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let hex = rest.starts_with("0x") || rest.starts_with("0X");
    let mut at = if hex { 2 } else { 0 };
    while let Some(byte) = bytes.get(at) {
        let exponent = if hex {
            matches!(byte, b'p' | b'P')
        } else {
            matches!(byte, b'e' | b'E')
        };
        if exponent
            && bytes
                .get(at + 1)
                .is_some_and(|sign| matches!(sign, b'+' | b'-'))
        {
            at += 2;
        } else if byte.is_ascii_digit()
            || *byte == b'.'
            || exponent
            || hex && byte.is_ascii_hexdigit()
        {
            at += 1;
        } else {
            break;
        }
    }
    if bytes
        .get(at)
        .is_some_and(|suffix| matches!(suffix, b'L' | b'i'))
    {
        at + 1
    } else {
        at
    }
}

fn word(rest: &str) -> (Token, usize) {
    let length = rest
        .find(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '.' | '_')))
        .unwrap_or(rest.len())
        .max(1);
    let name = &rest[..length];
    let token = if KEYWORDS.contains(&name) {
        Token::Keyword
    } else if rest[length..]
        .trim_start_matches([' ', '\t'])
        .starts_with('(')
    {
        Token::Function
    } else {
        Token::Plain
    };
    (token, length)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn coloured(code: &str) -> Vec<(Token, &str)> {
        tokens(code)
            .into_iter()
            .filter(|(token, _)| *token != Token::Plain)
            .collect()
    }

    #[test]
    fn every_kind_is_known() {
        use Token::{Comment, Function, Keyword, Number, Text};
        let cases: [(&str, &[(Token, &str)]); 12] = [
            (
                "fit <- function(x, n = 10L) {",
                &[(Keyword, "function"), (Number, "10L")],
            ),
            ("# note \"x\"\ny", &[(Comment, "# note \"x\"")]),
            (
                "print('it\\'s')",
                &[(Function, "print"), (Text, "'it\\'s'")],
            ),
            (
                "r\"(a \" b)\" + R'--[x]-]--'",
                &[(Text, "r\"(a \" b)\""), (Text, "R'--[x]-]--'")],
            ),
            (
                "x %in% c(1e-3, .5, 0xFFp+2, 2i)",
                &[
                    (Function, "c"),
                    (Number, "1e-3"),
                    (Number, ".5"),
                    (Number, "0xFFp+2"),
                    (Number, "2i"),
                ],
            ),
            ("`my \"odd\" name` <- NULL", &[(Keyword, "NULL")]),
            ("x2 <- y.1; ..1", &[]),
            (
                "if (is.na (x)) NA_real_ else TRUE",
                &[
                    (Keyword, "if"),
                    (Function, "is.na"),
                    (Keyword, "NA_real_"),
                    (Keyword, "else"),
                    (Keyword, "TRUE"),
                ],
            ),
            ("a % b\n% \"s\"", &[(Text, "\"s\"")]),
            ("\"open", &[(Text, "\"open")]),
            ("stats::lm(y ~ x)", &[(Function, "lm")]),
            ("größe(1)", &[(Function, "größe"), (Number, "1")]),
        ];
        for (code, expected) in cases {
            assert_eq!(coloured(code), expected, "{code}");
        }
    }

    proptest! {
        /// Whatever the code, no letter is lost, added or moved.
        #[test]
        fn the_pieces_are_the_code(code in "([rR]?[\"'`]?[-(\\[{)\\]}]*[\\\\#%\n.0-9eExXpPLi_a-zäΩ ]{0,4}){0,30}|\\PC{0,60}") {
            let joined: String = tokens(&code).into_iter().map(|(_, piece)| piece).collect();
            prop_assert_eq!(joined, code);
        }
    }
}
