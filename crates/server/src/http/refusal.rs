//! Errors become problems here and nowhere else.

use crate::accounts::{AccountError, TokenError};
use crate::group::{NotActive, SwitchError};
use crate::store::StoreError;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gridhelm_api::{Code, FieldError, Problem};
use std::time::Duration;

/// A request that is refused: a problem, and what goes into headers beside it. Ids and the server's name are
/// filled in at the edge, where the answer is written.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    problem: Problem,
    retry_after: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What handlers answer.
pub(crate) type Answer<T> = Result<T, Refusal>;

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }

    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Problem::invalid(vec![FieldError::new(field, message)]).into()
    }

    pub(crate) fn not_found(what: impl core::fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("{what} does not exist."))
    }

    pub(crate) fn too_large(limit: u64) -> Self {
        let limit = match limit {
            l if l >= 1 << 20 => format!("{} MiB", l >> 20),
            l => format!("{l} bytes"),
        };
        Self::new(
            Code::TooLarge,
            format!("The body is larger than {limit}, the limit of this address."),
        )
    }

    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> Code {
        self.0.problem.code
    }
}

/// A refusal's problem on its way to the edge, in the response's extensions.
#[derive(Clone)]
pub(crate) struct Refused(pub(crate) Problem);

/// Whether an answer says that this server is not active, and so nothing was done.
pub(crate) fn is_not_active(response: &Response) -> bool {
    response
        .extensions()
        .get::<Refused>()
        .is_some_and(|r| matches!(r.0.code, Code::NotActive | Code::Fenced))
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Inner {
            problem,
            retry_after,
            headers,
        } = *self.0;
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        if let Some(wait) = retry_after {
            let seconds = wait.as_millis().div_ceil(1000).max(1).to_string();
            if let Ok(value) = HeaderValue::from_str(&seconds) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
        }
        if status == StatusCode::UNAUTHORIZED {
            let value = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, value);
        }
        response.headers_mut().extend(headers);
        response.extensions_mut().insert(Refused(problem));
        response
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(Box::new(Inner {
            problem,
            retry_after: None,
            headers: Vec::new(),
        }))
    }
}

impl From<Vec<FieldError>> for Refusal {
    fn from(errors: Vec<FieldError>) -> Self {
        Problem::invalid(errors).into()
    }
}

impl From<FieldError> for Refusal {
    fn from(error: FieldError) -> Self {
        vec![error].into()
    }
}

impl From<NotActive> for Refusal {
    fn from(error: NotActive) -> Self {
        let detail = match (&error.active, &error.active_url) {
            (Some(name), Some(url)) => format!("{name} at {url} is active. Send the request there."),
            _ => "No server of the group is active now, as far as this one knows. Try again, or make one active."
                .to_owned(),
        };
        let mut problem = Problem::new(Code::NotActive, detail);
        problem.active_url = error.active_url;
        Self::from(problem).retry_after(Duration::from_secs(1))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let text = sentence(&error.to_string());
        match error {
            StoreError::Fenced { .. } => Self::new(
                Code::Fenced,
                format!("Nothing was written: {text} Send the request to the active server."),
            )
            .retry_after(Duration::from_secs(1)),
            StoreError::NotFound { .. } => Self::new(Code::NotFound, text),
            StoreError::AlreadyExists { field, .. } => {
                let mut problem = Problem::new(Code::AlreadyExists, text.clone());
                problem.errors = vec![FieldError::new(field, text)];
                problem.into()
            }
            StoreError::VersionMismatch {
                current, version, ..
            } => {
                let detail = if version == 0 {
                    format!("{text} It does not exist any more, or was never made.")
                } else {
                    format!(
                        "{text} Somebody changed it meanwhile: look at what is there now, then write with If-Match: \"{version}\"."
                    )
                };
                let mut problem = Problem::new(Code::VersionMismatch, detail);
                problem.current = current;
                let refusal = Self::from(problem);
                match HeaderValue::from_str(&format!("\"{version}\"")) {
                    Ok(tag) if version > 0 => refusal.header(header::ETAG, tag),
                    _ => refusal,
                }
            }
            StoreError::Conflict { .. } => Self::new(Code::Conflict, text),
            StoreError::PlanStale { changed } => {
                let mut problem = Problem::new(
                    Code::PlanStale,
                    format!("{text} Nothing was applied. Compare again and make a new plan."),
                );
                problem.changed = changed;
                problem.into()
            }
            StoreError::Held { .. } => Self::new(
                Code::ApprovalNeeded,
                format!(
                    "{text} Its contents are kept. Another admin approves it on the page Replicate, under what was replicated to this group; then commit it there. Nothing was written."
                ),
            ),
            StoreError::OwnPlan { .. } => Self::new(
                Code::Forbidden,
                format!("{text} Another admin of this group must approve it."),
            ),
            StoreError::MissingContent { .. } => Self::new(
                Code::Conflict,
                format!("{text} Upload it, then commit again. Nothing was applied."),
            ),
            StoreError::Unavailable { .. } => {
                tracing::warn!(%error, "the database does not answer");
                Self::new(
                    Code::DatabaseUnavailable,
                    format!("{text} Nothing was written. Try again; if it stays, look at the server's log and disk."),
                )
                .retry_after(Duration::from_secs(2))
            }
            StoreError::Corrupt { .. } => {
                tracing::error!(%error, "a row cannot be understood");
                Self::new(
                    Code::Internal,
                    format!("{text} The log has the request's id."),
                )
            }
        }
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        let code = match error {
            TokenError::Invalid => Code::InvalidToken,
            TokenError::Expired => Code::ExpiredToken,
            TokenError::Revoked => Code::RevokedToken,
        };
        Self::new(code, sentence(&error.to_string()))
    }
}

impl From<AccountError> for Refusal {
    fn from(error: AccountError) -> Self {
        let text = sentence(&error.to_string());
        match error {
            AccountError::WrongPassword => {
                Self::invalid("current", "The present password is wrong.")
            }
            AccountError::ForPeople => Self::new(Code::Forbidden, text),
            AccountError::WrongCredentials => Self::new(Code::WrongCredentials, text),
            AccountError::Throttled { retry_after } => {
                Self::new(Code::TooManyAttempts, text).retry_after(retry_after)
            }
            AccountError::Busy => {
                Self::new(Code::TooManyAttempts, text).retry_after(Duration::from_secs(1))
            }
            AccountError::Token(error) => error.into(),
            AccountError::Invalid(errors) => errors.into(),
            AccountError::NotFound(_) => Self::new(Code::NotFound, text),
            AccountError::LastAdmin(_) => Self::new(Code::Conflict, text),
            AccountError::Store(error) => error.into(),
            AccountError::Internal(message) => {
                tracing::error!(%message, "accounts failed");
                Self::new(
                    Code::Internal,
                    "The server failed; its log has the request's id.",
                )
            }
        }
    }
}

impl From<SwitchError> for Refusal {
    fn from(error: SwitchError) -> Self {
        match error {
            SwitchError::Store(error) => error.into(),
            other => other.problem().into(),
        }
    }
}

/// A message as a sentence: a capital first, a full stop last.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let mut out: String = chars
        .next()
        .map(|c| c.to_uppercase().collect())
        .unwrap_or_default();
    out.push_str(chars.as_str());
    if !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_version_mismatch_shows_what_is_there_now() {
        let refusal = Refusal::from(StoreError::VersionMismatch {
            what: "node n1".into(),
            version: 4,
            current: Some(serde_json::json!({"version": 4})),
        });
        let response = refusal.into_response();
        assert_eq!(response.status(), 412);
        assert_eq!(response.headers()[header::ETAG], "\"4\"");
        let problem = &response.extensions().get::<Refused>().unwrap().0;
        assert_eq!(problem.current.as_ref().unwrap()["version"], 4);
        assert!(problem.detail.starts_with("Node n1 is at version 4 now."));
    }

    #[test]
    fn waits_are_whole_seconds_and_never_zero() {
        let wait = |ms| {
            let refusal = Refusal::new(Code::TooManyAttempts, "x")
                .retry_after(Duration::from_millis(ms))
                .into_response();
            refusal.headers()[header::RETRY_AFTER]
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            (wait(0).as_str(), wait(1).as_str(), wait(1001).as_str()),
            ("1", "1", "2")
        );
    }
}
