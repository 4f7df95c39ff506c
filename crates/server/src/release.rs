//! Which release this program is.
//!
//! A drill of a rolling upgrade needs two releases of one program. `GRIDHELM_PRETEND_RELEASE=VERSION/BEHIND` lets a server pass
//! for an older one: it says VERSION and does not know the newest BEHIND migrations, so that the real checks and the real
//! migrations meet. It can only know less than it does, never more.

use refinery::Migration;
use std::sync::OnceLock;

/// The variable by which a server passes for an older release; for drills only.
const PRETEND: &str = "GRIDHELM_PRETEND_RELEASE";

struct Release {
    version: String,
    behind: usize,
}

fn this() -> &'static Release {
    static THIS: OnceLock<Release> = OnceLock::new();
    THIS.get_or_init(|| {
        let given = std::env::var(PRETEND).ok();
        let release = given.as_deref().and_then(parse);
        release.unwrap_or_else(|| Release {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            behind: 0,
        })
    })
}

fn parse(text: &str) -> Option<Release> {
    let (version, behind) = text.split_once('/')?;
    Some(Release {
        version: version.to_owned(),
        behind: behind.parse().ok()?,
    })
}

/// Its version.
pub fn version() -> &'static str {
    &this().version
}

/// Whether it passes for an older release: then it does without the columns that came with the newest schema.
pub(crate) fn is_older() -> bool {
    this().behind > 0
}

/// The migrations that it knows, and the schema that they lead to: 0 without any.
pub(crate) fn known(migrations: Vec<Migration>) -> (Vec<Migration>, i64) {
    up_to(migrations, this().behind)
}

fn up_to(mut migrations: Vec<Migration>, behind: usize) -> (Vec<Migration>, i64) {
    migrations.truncate(migrations.len().saturating_sub(behind));
    let schema = migrations
        .last()
        .map_or(0, |last| i64::from(last.version()));
    (migrations, schema)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_older_release_knows_less() {
        let all = || {
            ["V1__a", "V3__b"]
                .map(|name| Migration::unapplied(name, "").unwrap())
                .into()
        };
        assert_eq!(up_to(all(), 0).1, 3);
        assert_eq!(up_to(all(), 1).1, 1);
        assert_eq!(up_to(all(), 9).1, 0);
        let release = parse("0.0.9/1").unwrap();
        assert_eq!((release.version.as_str(), release.behind), ("0.0.9", 1));
        assert!(parse("0.0.9").is_none() && parse("0.0.9/x").is_none());
    }
}
