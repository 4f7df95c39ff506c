//! How a join token stands, and what follows from it. Pure.

use crate::store::StoredJoinToken;
use gridhelm_api::Millis;
use gridhelm_api::join::{JoinToken, JoinTokenState};
use sha2::{Digest as _, Sha256};

/// Why a token is not good any more.
pub(super) fn over(token: &StoredJoinToken, now: Millis) -> Option<String> {
    match state(token, now) {
        JoinTokenState::Open => None,
        JoinTokenState::Used => Some(format!(
            "the join token works once, and {} joined by it",
            token.used_by.as_deref().unwrap_or("a server")
        )),
        JoinTokenState::Revoked => Some(format!(
            "the join token was revoked by {}",
            token.revoked_by.as_deref().unwrap_or("an admin")
        )),
        JoinTokenState::Expired => Some("the join token has expired".to_owned()),
    }
}

fn state(token: &StoredJoinToken, now: Millis) -> JoinTokenState {
    if token.used_by.is_some() {
        JoinTokenState::Used
    } else if token.revoked_by.is_some() {
        JoinTokenState::Revoked
    } else if token.expires_at <= now {
        JoinTokenState::Expired
    } else {
        JoinTokenState::Open
    }
}

/// The token as admins see it.
pub(super) fn shown(token: &StoredJoinToken, now: Millis) -> JoinToken {
    JoinToken {
        id: token.id.clone(),
        made_by: token.made_by.clone(),
        made_at: token.made_at,
        expires_at: token.expires_at,
        state: state(token, now),
        used_by: token.used_by.clone(),
        used_at: token.used_at,
        revoked_by: token.revoked_by.clone(),
    }
}

/// What is kept of a token.
pub(super) fn hash(token: &str) -> String {
    crate::random::to_hex(&Sha256::digest(token.as_bytes()))
}

/// The first of `GROUP-1`, `GROUP-2`, … that no server of the group has ever had.
pub(super) fn free_name(group: &str, peers: &[(String, String)]) -> String {
    (1..=peers.len() + 1)
        .map(|number| format!("{group}-{number}"))
        .find(|name| !peers.iter().any(|(known, _)| known == name))
        .unwrap_or_else(|| format!("{group}-new"))
}

/// Whether this host of a database, perhaps with a port, is the one that is asked: a socket's folder or the loopback.
pub(super) fn is_local(host: &str) -> bool {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    let has_port = !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit());
    let host = if has_port { name } else { host };
    let address = host.parse::<std::net::IpAddr>();
    host.starts_with('/') || host == "localhost" || address.is_ok_and(|ip| ip.is_loopback())
}

/// A time for people.
pub(super) fn span(seconds: u32) -> String {
    if seconds.is_multiple_of(3600) {
        format!("{} h", seconds / 3600)
    } else if seconds.is_multiple_of(60) {
        format!("{} min", seconds / 60)
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> StoredJoinToken {
        StoredJoinToken {
            id: "j-1".into(),
            hash: hash("ghj_x"),
            made_by: "admin".into(),
            made_at: 0,
            expires_at: 1000,
            used_by: None,
            used_at: None,
            revoked_by: None,
        }
    }

    #[test]
    fn a_token_is_open_until_it_is_used_revoked_or_late() {
        assert_eq!(over(&token(), 999), None);
        let words = |token: &StoredJoinToken, now| over(token, now).unwrap_or_default();
        assert!(words(&token(), 1000).contains("expired"));
        let mut used = token();
        used.used_by = Some("east-3".into());
        assert!(words(&used, 5).contains("east-3"));
        let mut revoked = token();
        revoked.revoked_by = Some("mia".into());
        assert!(words(&revoked, 5).contains("mia"));
    }

    #[test]
    fn a_new_server_gets_the_first_free_name() {
        let peers = |names: &[&str]| -> Vec<(String, String)> {
            names
                .iter()
                .map(|n| ((*n).to_owned(), String::new()))
                .collect()
        };
        assert_eq!(free_name("east", &peers(&[])), "east-1");
        assert_eq!(free_name("east", &peers(&["east-1", "east-3"])), "east-2");
        assert_eq!(free_name("east", &peers(&["east-1", "east-2"])), "east-3");
    }

    #[test]
    fn the_loopback_is_of_one_host() {
        for local in [
            "localhost",
            "127.0.0.1",
            "127.1.2.3:5433",
            "localhost:1",
            "::1",
            "/run/postgresql",
        ] {
            assert!(is_local(local), "{local}");
        }
        for other in ["db1", "10.0.0.1:5433", "localhost.example.org", "fd00::1"] {
            assert!(!is_local(other), "{other}");
        }
    }

    #[test]
    fn a_time_is_told_in_its_largest_unit() {
        assert_eq!(span(7200), "2 h");
        assert_eq!(span(900), "15 min");
        assert_eq!(span(61), "61 s");
    }
}
