//! What names and passwords of accounts must look like.

use gridhelm_api::FieldError;

/// An account's name: 2 to 64 of letters, digits, `.`, `_`, `-`, `@`, starting with a letter or digit. It is
/// also the author in repository paths.
pub(super) fn check_username(name: &str) -> Result<(), FieldError> {
    let ok = (2..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@'))
        && name
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric());
    ok.then_some(()).ok_or_else(|| {
        FieldError::new(
            "username",
            "Use 2 to 64 letters, digits, dots, dashes, underscores or @, starting with a letter or digit.",
        )
    })
}

/// A password: 12 to 256 characters, not the account's name.
pub(super) fn check_password(username: &str, password: &str) -> Result<(), FieldError> {
    let message = match password.chars().count() {
        0..12 => "It is too short; use at least 12 characters.",
        12..=256 if password.eq_ignore_ascii_case(username) => "It must not be the user name.",
        12..=256 => return Ok(()),
        _ => "It is too long; the limit is 256 characters.",
    };
    Err(FieldError::new("password", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_have_bounds() {
        for good in ["mia", "m.b-c_d@x", "0a"] {
            assert!(check_username(good).is_ok(), "{good}");
        }
        let long = "x".repeat(65);
        for bad in [
            "",
            "a",
            "server:east-1",
            "a/b",
            "../x",
            "a b",
            "ä1",
            ".hidden",
            &long,
        ] {
            assert!(check_username(bad).is_err(), "{bad}");
        }
        assert!(check_password("mia", "elevenchars").is_err());
        assert!(check_password("mia", "twelve chars").is_ok());
        assert!(check_password("mia.mia.mia.m", "Mia.mia.mia.m").is_err());
        assert!(check_password("mia", &"x".repeat(257)).is_err());
    }
}
