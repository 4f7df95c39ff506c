//! Why a switch is refused.

use crate::store::StoreError;
use gridhelm_api::switch::{Outcome, Preflight};
use gridhelm_api::{Code, FieldError, Problem};

/// Why a switch, or a look before it, is refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// Values are outside their range.
    #[error("{}", errors.iter().map(|e| format!("{}: {}", e.field, e.message)).collect::<Vec<_>>().join(" "))]
    Invalid {
        /// Field by field.
        errors: Vec<FieldError>,
    },
    /// No server of that name ever announced itself to the group.
    #[error("The group has no server {name}. Start it with this group's database, or name one of: {}.", known.join(", "))]
    UnknownServer {
        /// The name.
        name: String,
        /// The servers that the group has.
        known: Vec<String>,
    },
    /// The group moved on since the caller looked.
    #[error(
        "The group is at epoch {epoch} now, not {expected}: somebody else switched meanwhile. Look at who is active, then decide again."
    )]
    EpochMismatch {
        /// What the caller saw.
        expected: i64,
        /// What is.
        epoch: i64,
    },
    /// A check failed.
    #[error("{}", failed_checks(.0))]
    NotReady(Box<Preflight>),
    /// Another switch is under way.
    #[error("Switch {id} to {to} is under way; wait until it has ended.")]
    Underway {
        /// Its id.
        id: String,
        /// Where it leads.
        to: String,
    },
    /// The group was switched a moment ago.
    #[error(
        "The group was switched a moment ago; another planned switch is held back for {left_s} s more, so that servers do not take turns. Wait, or override the hold."
    )]
    Held {
        /// Seconds until it is not.
        left_s: i64,
    },
    /// No such switch can be called off.
    #[error("{why}")]
    NoSuchSwitch {
        /// Why not.
        why: String,
    },
    /// In the present state this cannot be done.
    #[error("{why}")]
    Conflict {
        /// Why not, and what to do.
        why: String,
    },
    /// This server is not the one that can do it.
    #[error("{why}")]
    WrongServer {
        /// Why not.
        why: String,
        /// The address of the server that can, if known.
        url: Option<String>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn failed_checks(preflight: &Preflight) -> String {
    let failed = preflight
        .checks
        .iter()
        .filter(|check| check.outcome == Outcome::Fail)
        .map(|check| match &check.repair {
            Some(repair) => format!("{}: {} {repair}", check.title, check.evidence),
            None => format!("{}: {}", check.title, check.evidence),
        })
        .collect::<Vec<_>>()
        .join(" ");
    format!("{} cannot take over. {failed}", preflight.to)
}

impl SwitchError {
    /// The problem that the caller gets.
    pub fn problem(&self) -> Problem {
        let detail = self.to_string();
        match self {
            Self::Invalid { errors } => Problem::invalid(errors.clone()),
            Self::UnknownServer { .. } | Self::NoSuchSwitch { .. } => {
                Problem::new(Code::NotFound, detail)
            }
            Self::EpochMismatch { epoch, .. } => Problem {
                current: Some(serde_json::json!({ "epoch": epoch })),
                ..Problem::new(Code::EpochMismatch, detail)
            },
            Self::NotReady(preflight) => Problem {
                errors: preflight
                    .checks
                    .iter()
                    .filter(|check| check.outcome == Outcome::Fail)
                    .map(|check| FieldError::new(check.id.clone(), check.evidence.clone()))
                    .collect(),
                ..Problem::new(Code::StandbyNotReady, detail)
            },
            Self::Underway { .. } => Problem::new(Code::SwitchUnderway, detail),
            Self::Held { .. } => Problem::new(Code::SwitchHold, detail),
            Self::Conflict { .. } => Problem::new(Code::Conflict, detail),
            Self::WrongServer { url, .. } => Problem {
                active_url: url.clone(),
                ..Problem::new(Code::NotActive, detail)
            },
            Self::Store(StoreError::Fenced { .. }) => Problem::new(Code::Fenced, detail),
            Self::Store(StoreError::VersionMismatch { current, .. }) => Problem {
                current: current.clone(),
                ..Problem::new(Code::VersionMismatch, detail)
            },
            Self::Store(_) => Problem::new(Code::DatabaseUnavailable, detail),
        }
    }
}
