//! What can go wrong with a request, told apart by what the caller can do about it.

use gridhelm_api::{Code, Problem};

use crate::request::read;

/// The result of a request.
pub type Result<T> = core::result::Result<T, Error>;

/// Why a request brought no answer of use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The token is missing, wrong or over, or the password is wrong: sign in again.
    #[error("{0}")]
    Unauthorised(Box<Problem>),
    /// The account's role does not allow it.
    #[error("{0}")]
    Forbidden(Box<Problem>),
    /// The server understood and refused, or failed: the problem says which, why and what to do.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// Nothing came back in time.
    #[error("{url} did not answer within {seconds} s")]
    TimedOut {
        /// The address asked, without its query.
        url: String,
        /// How long was waited.
        seconds: u32,
    },
    /// The server was not reached, or the connection broke. A browser does not tell why: refused, unreachable, no permission for this origin.
    #[error("{url} cannot be reached: {detail}")]
    Network {
        /// The address asked, without its query.
        url: String,
        /// What is known of the cause.
        detail: String,
    },
    /// The answer is not what this build expects: another product, another version, a proxy's page.
    #[error("the answer of {url} (status {status}) is not understood: {detail}")]
    Decode {
        /// The address asked, without its query.
        url: String,
        /// The answer's status.
        status: u16,
        /// Where reading it failed.
        detail: String,
    },
}

impl Error {
    /// The problem that the server sent, if it sent one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Unauthorised(problem) | Self::Forbidden(problem) | Self::Problem(problem) => {
                Some(problem)
            }
            _ => None,
        }
    }

    /// The problem's code, if the server sent one.
    pub fn code(&self) -> Option<Code> {
        self.problem().map(|problem| problem.code)
    }

    /// The request's id, as it stands in the server's log, if the server gave one.
    pub fn request_id(&self) -> Option<&str> {
        self.problem()
            .map(|problem| problem.request_id.as_str())
            .filter(|id| !id.is_empty())
    }

    /// Whether the token (not the password) is what was refused.
    pub fn ends_token(&self) -> bool {
        matches!(self, Self::Unauthorised(problem) if problem.code != Code::WrongCredentials)
    }

    /// Whether another server of the group may do better: this one was not reached, or is not the active one.
    pub fn try_another(&self) -> bool {
        match self {
            Self::Network { .. } | Self::TimedOut { .. } => true,
            Self::Problem(problem) => matches!(problem.code, Code::NotActive | Code::Fenced),
            _ => false,
        }
    }

    /// The error of an answer outside 200 to 299.
    pub(crate) fn of_status(url: &str, status: u16, body: &[u8]) -> Self {
        match read::<Problem>(body) {
            Ok(problem) => match status {
                401 => Self::Unauthorised(Box::new(problem)),
                403 => Self::Forbidden(Box::new(problem)),
                _ => Self::Problem(Box::new(problem)),
            },
            Err(_) => Self::Decode {
                url: bare(url),
                status,
                detail: "it is an error, but not a problem document of Gridhelm".to_owned(),
            },
        }
    }
}

/// An address without its query, which may hold what nobody should read in a message.
pub(crate) fn bare(url: &str) -> String {
    url.split('?').next().unwrap_or(url).to_owned()
}
