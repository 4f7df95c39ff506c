//! Replications that wait for a second person: a group can be set so that what comes from another group is committed only when
//! another admin than the one who opened it has approved it.

use crate::{FieldError, Millis};
use serde::{Deserialize, Serialize};

/// The longest time for which an approval holds, hours (two weeks).
pub const MAX_APPROVAL_HOURS: u32 = 336;
/// For how long a changeset that is held is kept while nobody commits it, milliseconds (two weeks).
pub const HELD_FOR: Millis = 14 * 86_400_000;

/// `GET` and `PUT /repository/rules`: what the group asks of replications to it, and of those who read its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct RepositoryRules {
    /// Grows with each change; the ETag of writes. 0: nobody set them yet.
    #[serde(default)]
    pub version: i64,
    /// Whether a changeset from another group needs the approval of another admin than the one who opened it.
    #[serde(default)]
    pub hold: bool,
    /// For how long an approval holds, hours, 1 to 336.
    #[serde(default = "a_day")]
    pub approval_hours: u32,
    /// Whether a file's access decides who may read and run it; otherwise everyone who may sign in may read all files, and all operators
    /// may run them.
    #[serde(default)]
    pub enforce_access: bool,
}

const fn a_day() -> u32 {
    24
}

impl Default for RepositoryRules {
    fn default() -> Self {
        Self {
            version: 0,
            hold: false,
            approval_hours: a_day(),
            enforce_access: false,
        }
    }
}

impl RepositoryRules {
    /// Every field that is not acceptable, with the reason.
    pub fn check(&self) -> Vec<FieldError> {
        if (1..=MAX_APPROVAL_HOURS).contains(&self.approval_hours) {
            return Vec::new();
        }
        vec![FieldError::new("approval_hours", "Give 1 to 336 hours.")]
    }

    /// Whether a changeset from `source` is held at the group `here`. What a group does to itself, a large upload and the way back, is not a
    /// replication.
    pub fn holds(&self, source: &str, here: &str) -> bool {
        self.hold && source != here
    }
}

/// That a changeset is held, and what was said about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct Hold {
    /// Since when it waits.
    pub since: Millis,
    /// What another admin said last; absent: nothing yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<HoldVerdict>,
}

/// What an admin said about a changeset that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct HoldVerdict {
    /// Whether it may be committed.
    pub approved: bool,
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Millis,
    /// Until when an approval holds.
    pub until: Millis,
    /// Why; may be empty for an approval.
    #[serde(default)]
    pub reason: String,
}

/// `POST /repository/changesets/{id}/verdict`: approve or refuse a changeset that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    all(feature = "schema", not(target_arch = "wasm32")),
    derive(utoipa::ToSchema)
)]
pub struct VerdictRequest {
    /// Whether it may be committed.
    pub approve: bool,
    /// Why: at most 500 characters; a refusal needs at least 3.
    #[serde(default)]
    pub reason: String,
}

/// Where a changeset stands that was opened by `author`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// Nobody said anything yet.
    Waits,
    /// It was refused.
    Refused,
    /// The approval's time is over.
    Expired,
    /// Somebody else approved it, and that holds.
    Approved,
}

impl Hold {
    /// Where it stands now. An approval by the author counts for nothing, however it came to be there.
    pub fn stands(&self, author: &str, now: Millis) -> Held {
        match &self.verdict {
            Some(verdict) if !verdict.approved => Held::Refused,
            Some(verdict) if verdict.by == author => Held::Waits,
            Some(verdict) if now >= verdict.until => Held::Expired,
            Some(_) => Held::Approved,
            None => Held::Waits,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn hold(approved: bool, by: &str, until: Millis) -> Hold {
        Hold {
            since: 0,
            verdict: Some(HoldVerdict {
                approved,
                by: by.to_owned(),
                at: 1,
                until,
                reason: String::new(),
            }),
        }
    }

    #[test]
    fn only_another_admins_approval_that_still_holds_lets_it_go() {
        let nothing = Hold {
            since: 0,
            verdict: None,
        };
        assert_eq!(nothing.stands("ann", 5), Held::Waits);
        assert_eq!(hold(true, "ben", 10).stands("ann", 9), Held::Approved);
        assert_eq!(hold(true, "ben", 10).stands("ann", 10), Held::Expired);
        assert_eq!(hold(true, "ann", 10).stands("ann", 5), Held::Waits);
        assert_eq!(hold(false, "ben", 10).stands("ann", 5), Held::Refused);
    }

    #[test]
    fn what_a_group_does_to_itself_is_not_held() {
        let rules = RepositoryRules {
            hold: true,
            ..RepositoryRules::default()
        };
        assert!(rules.holds("east", "west"));
        assert!(!rules.holds("west", "west"));
        assert!(!RepositoryRules::default().holds("east", "west"));
        let hours = |approval_hours| RepositoryRules {
            approval_hours,
            ..RepositoryRules::default()
        };
        assert!(hours(1).check().is_empty() && hours(336).check().is_empty());
        assert!(!hours(0).check().is_empty() && !hours(337).check().is_empty());
    }

    #[test]
    fn rules_that_say_little_are_the_defaults() {
        let rules: RepositoryRules = serde_json::from_str("{}").unwrap();
        assert_eq!(rules, RepositoryRules::default());
    }

    proptest! {
        /// Whatever was said, it goes only with an approval by somebody else whose time is not over.
        #[test]
        fn nothing_else_lets_it_go(approved: bool, by in "[ab]", author in "[ab]", until in 0..20_i64, now in 0..20_i64) {
            let goes = hold(approved, &by, until).stands(&author, now) == Held::Approved;
            prop_assert_eq!(goes, approved && by != author && now < until);
        }
    }
}
