//! Bearer tokens: `gh1.<claims>.<signature>`, both base64url without padding; the claims are JSON, the
//! signature is HMAC-SHA256 over `gh1.<claims>` with the group's key. Pure: no clock, no database.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridhelm_api::Millis;
use gridhelm_api::account::{Area, Role};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// The longest token that is looked at, bytes.
const MAX_TOKEN: usize = 1024;
const PREFIX: &str = "gh1";
/// What the subject of a server's token begins with; account names cannot contain a colon.
const SERVER: &str = "server:";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Its random id, by which it is revoked.
    pub id: String,
    /// The account's name, or `server:NAME`.
    pub sub: String,
    /// The role at the time of signing; the present one is looked up.
    pub role: Role,
    /// The group whose token it is.
    pub group: String,
    /// The account's generation; an older one than the account's has ended.
    #[serde(rename = "gen")]
    pub generation: i64,
    /// When it ends.
    pub exp: Millis,
    /// Whether it was made for a program: then it lives until its end or until it is ended, whatever becomes of the
    /// account's password, and can do neither what only people do nor more than `role`.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub program: bool,
    /// Where a program's token may be used; everywhere when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<Area>,
}

impl Claims {
    /// The server's name, when this is a token of a server and not of a person.
    pub fn server(&self) -> Option<&str> {
        self.sub.strip_prefix(SERVER)
    }

    /// Claims for a server of the group that calls another.
    pub fn of_server(id: String, server: &str, group: &str, exp: Millis) -> Self {
        Self {
            id,
            sub: format!("{SERVER}{server}"),
            role: Role::Operator,
            group: group.to_owned(),
            generation: 0,
            exp,
            program: false,
            areas: Vec::new(),
        }
    }

    /// Whether the token may be used for a path below `/api/v1`.
    pub fn may_use(&self, path: &str) -> bool {
        self.areas.is_empty() || Area::of_path(path).is_some_and(|area| self.areas.contains(&area))
    }
}

/// Why a token does not let anyone in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not one of this group's, or changed.
    #[error("the token was not made by this group, or it was changed")]
    Invalid,
    /// Its time is over.
    #[error("the sign-in has expired; sign in again")]
    Expired,
    /// Ended by a sign-out or by an admin.
    #[error("the sign-in was ended; sign in again")]
    Revoked,
}

/// Signs claims.
pub(super) fn sign(key: &[u8], claims: &Claims) -> Result<String, serde_json::Error> {
    let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?);
    let signed = format!("{PREFIX}.{body}");
    let signature = mac(key, &signed).map_or_else(Vec::new, |m| m.finalize().into_bytes().to_vec());
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Checks signature, group and time. Revocation and roles are the caller's affair.
pub(super) fn verify(
    key: &[u8],
    token: &str,
    group: &str,
    now: Millis,
) -> Result<Claims, TokenError> {
    if token.len() > MAX_TOKEN {
        return Err(TokenError::Invalid);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Invalid)?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| TokenError::Invalid)?;
    // `verify_slice` compares in constant time.
    mac(key, signed)
        .and_then(|m| m.verify_slice(&signature).ok())
        .ok_or(TokenError::Invalid)?;
    let body = signed
        .strip_prefix(PREFIX)
        .and_then(|s| s.strip_prefix('.'))
        .ok_or(TokenError::Invalid)?;
    let claims: Claims = URL_SAFE_NO_PAD
        .decode(body)
        .ok()
        .and_then(|b| serde_json::from_slice(&b).ok())
        .ok_or(TokenError::Invalid)?;
    if claims.group != group {
        return Err(TokenError::Invalid);
    }
    if claims.exp <= now {
        return Err(TokenError::Expired);
    }
    Ok(claims)
}

fn mac(key: &[u8], signed: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(signed.as_bytes());
    Some(mac)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn claims() -> Claims {
        Claims {
            id: "a1".into(),
            sub: "mia".into(),
            role: Role::Operator,
            group: "east".into(),
            generation: 3,
            exp: 1000,
            program: false,
            areas: Vec::new(),
        }
    }

    #[test]
    fn a_token_is_valid_in_its_group_and_time_only() {
        let token = sign(KEY, &claims()).unwrap();
        assert_eq!(verify(KEY, &token, "east", 999), Ok(claims()));
        assert_eq!(verify(KEY, &token, "east", 1000), Err(TokenError::Expired));
        assert_eq!(verify(KEY, &token, "west", 999), Err(TokenError::Invalid));
        assert_eq!(
            verify(b"other", &token, "east", 999),
            Err(TokenError::Invalid)
        );
    }

    #[test]
    fn a_signature_does_not_fit_other_claims() {
        let token = sign(KEY, &claims()).unwrap();
        let admin = sign(
            b"mine",
            &Claims {
                role: Role::Admin,
                ..claims()
            },
        )
        .unwrap();
        let (body, _) = admin.rsplit_once('.').unwrap();
        let (_, signature) = token.rsplit_once('.').unwrap();
        let forged = format!("{body}.{signature}");
        assert_eq!(verify(KEY, &forged, "east", 0), Err(TokenError::Invalid));
        // An absent signature is none.
        assert_eq!(
            verify(KEY, &format!("{body}."), "east", 0),
            Err(TokenError::Invalid)
        );
    }

    #[test]
    fn a_programs_token_is_bound_to_its_areas() {
        let program = Claims {
            program: true,
            areas: vec![Area::Tasks],
            ..claims()
        };
        assert!(program.may_use("/tasks/t-1"));
        assert!(!program.may_use("/nodes"));
        assert!(!program.may_use("/users"), "what only people do");
        assert!(claims().may_use("/nodes"));
        let token = sign(KEY, &program).unwrap();
        assert_eq!(verify(KEY, &token, "east", 0), Ok(program));
    }

    #[test]
    fn a_servers_token_names_the_server() {
        let c = Claims::of_server("x".into(), "east-2", "east", 9);
        assert_eq!(c.server(), Some("east-2"));
        assert_eq!(claims().server(), None);
    }

    proptest! {
        #[test]
        fn no_text_is_taken_for_a_token(text in "(gh1\\.)?[A-Za-z0-9_.-]{0,200}") {
            prop_assert!(verify(KEY, &text, "east", 0).is_err());
        }

        #[test]
        fn a_changed_byte_is_noticed(at in 0_usize..1000, with in proptest::char::range('0', 'z')) {
            let token = sign(KEY, &claims()).unwrap();
            let at = at % token.len();
            let mut changed: Vec<char> = token.chars().collect();
            prop_assume!(changed[at] != with);
            changed[at] = with;
            let changed: String = changed.into_iter().collect();
            prop_assert!(verify(KEY, &changed, "east", 0).is_err());
        }
    }
}
