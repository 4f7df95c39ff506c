//! A request as a command for a shell, to be tried again or put into a script. The token is never in it, nor is any other secret.

use std::cell::RefCell;
use std::collections::VecDeque;

use serde_json::Value;

use crate::error::Error;
use crate::request::{Body, Method, Request};

/// How many refused requests are remembered.
const KEPT: usize = 20;
/// A longer body is named as a file, characters.
const LONGEST: usize = 2_000;
/// What stands for a secret.
const HIDDEN: &str = "…";

thread_local! {
    /// Refused requests: the request's id, and the command.
    static REFUSED: RefCell<VecDeque<(String, String)>> = const { RefCell::new(VecDeque::new()) };
}

/// The command for a request that a server refused, if it was one of the last 20 and was no sign-in.
pub fn refused(request_id: &str) -> Option<String> {
    REFUSED.with_borrow(|all| {
        let found = all.iter().find(|(id, _)| id == request_id)?;
        Some(found.1.clone())
    })
}

/// Remembers a request that was refused, by the id that the server gave it.
pub(crate) fn remember(error: &Error, request: &Request<'_>) {
    let id = error.request_id().filter(|_| request.token.is_some());
    let Some(id) = id else { return };
    let refused = (id.to_owned(), command(request));
    REFUSED.with_borrow_mut(|all| {
        if all.len() == KEPT {
            all.pop_front();
        }
        all.push_back(refused);
    });
}

/// The command for reading an address.
pub(crate) fn reading(url: &str) -> String {
    let mut text = "curl -sS".to_owned();
    finish(&mut text, url);
    text
}

fn finish(text: &mut String, url: &str) {
    text.push_str(" -H \"Authorization: Bearer $GRIDHELM_TOKEN\" ");
    text.push_str(&quoted(url));
}

fn command(request: &Request<'_>) -> String {
    let mut text = "curl -sS".to_owned();
    if request.method != Method::Get {
        text.push_str(" -X ");
        text.push_str(request.method.name());
    }
    for (name, value) in &request.headers {
        text.push_str(" -H ");
        text.push_str(&quoted(&[name, ": ", value].concat()));
    }
    match &request.body {
        Body::None => {}
        Body::Json(json) => {
            text.push_str(" -H 'content-type: application/json' --data ");
            match shown(json) {
                Some(json) => text.push_str(&quoted(&json)),
                None => text.push_str("@body.json"),
            }
        }
        Body::Bytes(_) => {
            text.push_str(" -H 'content-type: application/octet-stream' --data-binary @FILE")
        }
    }
    finish(&mut text, &request.url);
    text
}

/// A body without what is secret in it; none when it is too long.
fn shown(json: &str) -> Option<String> {
    if json.len() > LONGEST {
        return None;
    }
    let mut value: Value = serde_json::from_str(json).ok()?;
    hide(&mut value);
    Some(value.to_string())
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let secret = ["password", "token", "secret", "key"];
                if field.is_string() && secret.iter().any(|word| name.contains(word)) {
                    *field = HIDDEN.into();
                } else {
                    hide(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

/// One word of a POSIX shell.
fn quoted(text: &str) -> String {
    ["'", &text.replace('\'', "'\\''"), "'"].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::request::Token;
    use std::process::Command;

    fn request(token: Option<&Token>, body: Body) -> Request<'_> {
        Request {
            method: Method::Put,
            url: "http://h:1/api/v1/nodes/it's?a=$HOME&b=`id`".to_owned(),
            token,
            headers: vec![("if-match", "\"4\"".to_owned())],
            body,
            timeout_s: 1,
        }
    }

    fn problem(id: &str) -> Error {
        Error::Problem(Box::new(gridhelm_api::Problem {
            request_id: id.to_owned(),
            ..gridhelm_api::Problem::new(gridhelm_api::Code::InvalidInput, "no")
        }))
    }

    #[test]
    fn a_shell_reads_the_words_as_they_were() {
        let token = Token::new("sesame");
        let json = r#"{"password":"p'w","slot_limit":3,"list":[{"api_token":"t"}],"note":"it's"}"#;
        let text = command(&request(Some(&token), Body::Json(json.to_owned())));
        assert!(!text.contains("sesame") && !text.contains("p'w"), "{text}");
        let script = text.replacen("curl", "printf '%s\\n'", 1);
        let output = Command::new("sh")
            .args(["-c", &script])
            .env("GRIDHELM_TOKEN", "T")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let words: Vec<_> = said.lines().collect();
        assert_eq!(words[..5], ["-sS", "-X", "PUT", "-H", "if-match: \"4\""]);
        let body: Value = serde_json::from_str(words[8]).unwrap();
        assert_eq!(body["note"], "it's");
        assert_eq!(body["password"], HIDDEN);
        assert_eq!(body["list"][0]["api_token"], HIDDEN);
        assert_eq!(
            words[9..],
            [
                "-H",
                "Authorization: Bearer T",
                "http://h:1/api/v1/nodes/it's?a=$HOME&b=`id`"
            ]
        );
    }

    #[test]
    fn what_is_long_or_no_json_is_a_file() {
        let token = Token::new("sesame");
        let long = Body::Json(format!("\"{}\"", "x".repeat(LONGEST)));
        assert!(command(&request(Some(&token), long)).contains("--data @body.json"));
        let bytes = Body::Bytes(vec![0]);
        assert!(command(&request(Some(&token), bytes)).contains("--data-binary @FILE"));
    }

    #[test]
    fn the_last_refused_ones_are_found_and_no_sign_in() {
        let token = Token::new("sesame");
        for n in 0..=KEPT {
            remember(
                &problem(&format!("r-{n}")),
                &request(Some(&token), Body::None),
            );
        }
        assert_eq!(refused("r-0"), None);
        assert!(refused("r-1").unwrap().contains("-X PUT"));
        remember(&problem("sign-in"), &request(None, Body::None));
        assert_eq!(refused("sign-in"), None);
        assert_eq!(
            reading("http://h/x"),
            "curl -sS -H \"Authorization: Bearer $GRIDHELM_TOKEN\" 'http://h/x'"
        );
    }
}
