//! Rules for names and bounds that both sides check, each with a message for people.

use crate::FieldError;

/// The longest name of a node, a group or a server, in bytes.
pub const MAX_NAME: usize = 64;
/// The longest directory or file name in the repository, in bytes.
pub const MAX_FILE_NAME: usize = 200;
/// The longest reason that a person may give, in characters.
pub const MAX_REASON: usize = 500;
/// The largest slot limit of a node.
pub const MAX_SLOTS: u32 = 1024;

/// A node's, group's or server's name: 1 to 64 of `a-z`, `A-Z`, `0-9`, `.`, `_`, `-`, starting with a
/// letter or a digit.
pub fn check_name(field: &str, name: &str) -> Result<(), FieldError> {
    let ok_chars = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    let ok_start = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    if ok_chars && ok_start && name.len() <= MAX_NAME {
        return Ok(());
    }
    Err(FieldError::new(
        field,
        "Use 1 to 64 letters, digits, dots, dashes or underscores, starting with a letter or digit.",
    ))
}

/// A host name or an IP address: 1 to 253 of letters, digits, `.`, `-`, `:` (IPv6), without scheme or port.
pub fn check_host(field: &str, host: &str) -> Result<(), FieldError> {
    let ok = !host.is_empty()
        && host.len() <= 253
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'_'));
    if ok {
        return Ok(());
    }
    Err(FieldError::new(
        field,
        "Give a host name or an IP address, without scheme and port.",
    ))
}

/// An author, a directory or a file name of the repository: 1 to 200 bytes, no `/`, `\`, NUL or other
/// control character, no `<` or `>`, not `.` or `..`, no white space at either end.
pub fn check_file_name(field: &str, name: &str) -> Result<(), FieldError> {
    let message = if name.is_empty() {
        "It must not be empty."
    } else if name.len() > MAX_FILE_NAME {
        "It is too long; the limit is 200 bytes."
    } else if name == "." || name == ".." || name.contains(['/', '\\']) {
        "It must not contain / or \\ and must not be . or .. ."
    } else if name.chars().any(char::is_control) || name.contains(['<', '>']) {
        "It must not contain control characters, < or >."
    } else if name.trim() != name {
        "It must not start or end with white space."
    } else {
        return Ok(());
    };
    Err(FieldError::new(field, message))
}

/// A reason given by a person: 3 to 500 characters once trimmed.
pub fn check_reason(field: &str, reason: &str) -> Result<(), FieldError> {
    let n = reason.trim().chars().count();
    if (3..=MAX_REASON).contains(&n) {
        return Ok(());
    }
    Err(FieldError::new(
        field,
        "Give a reason of 3 to 500 characters; it is shown to everyone.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_could_harm_are_refused() {
        let long = "x".repeat(300);
        for bad in [
            "",
            "..",
            "../etc/passwd",
            "a\0b",
            &long,
            "<img onerror=alert(1)>",
            "a/b",
            "a\\b",
            " a",
            "a\n",
        ] {
            assert!(check_file_name("filename", bad).is_err(), "{bad:?}");
        }
        for good in ["limits.R", "Größe 2.csv", "a b.R", ".Rprofile", "...R"] {
            assert!(check_file_name("filename", good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn node_names_are_plain() {
        assert!(check_name("name", "east-r01").is_ok());
        for bad in ["", "-x", "a b", "ä", "a/b", "x".repeat(65).as_str()] {
            assert!(check_name("name", bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_file_name_stays_one_path_segment(name in ".{0,220}") {
            if check_file_name("f", &name).is_ok() {
                let path = std::path::Path::new("root").join(&name);
                prop_assert_eq!(path.components().count(), 2);
            }
        }
    }
}
