//! Errors of the API in the words of the screen: what happened, where, the request's id, what to do.

use gridhelm_api::Code;
use gridhelm_client::{Error, refused_as_curl};

use crate::ui::Trouble;

/// What a person needs to know of an error. `what` is what was tried, as it should be read: "Could not drain east-r05".
pub fn trouble(what: &str, error: &Error) -> Trouble {
    let mut trouble = Trouble {
        title: what.to_owned(),
        ..Trouble::default()
    };
    match error {
        Error::Unauthorised(problem) | Error::Forbidden(problem) | Error::Problem(problem) => {
            trouble.detail = if problem.detail.is_empty() {
                problem.title.clone()
            } else {
                problem.detail.clone()
            };
            trouble.place.clone_from(&problem.server);
            trouble.request_id.clone_from(&problem.request_id);
            trouble.fields = problem
                .errors
                .iter()
                .map(|error| (error.field.clone(), error.message.clone()))
                .collect();
        }
        Error::TimedOut { url, seconds } => {
            trouble.detail =
                format!("No answer within {seconds} s. Whether it was done is not known.");
            trouble.place.clone_from(url);
        }
        Error::Network { url, detail } => {
            trouble.detail = format!("The server cannot be reached: {detail}.");
            trouble.place.clone_from(url);
        }
        Error::Decode {
            url,
            status,
            detail,
        } => {
            trouble.detail = format!("The answer (status {status}) is not understood: {detail}.");
            trouble.place.clone_from(url);
        }
    }
    advice(error).clone_into(&mut trouble.advice);
    trouble.command = refused_as_curl(&trouble.request_id).unwrap_or_default();
    trouble
}

fn advice(error: &Error) -> &'static str {
    match error {
        Error::Unauthorised(problem) if problem.code == Code::WrongCredentials => {
            "Check the name and the password."
        }
        Error::Unauthorised(_) => "Sign in again.",
        Error::Forbidden(_) => "Ask an admin of the group for a higher role.",
        Error::Problem(problem) => match problem.code {
            Code::VersionMismatch => "Look at what changed, then decide again.",
            Code::PlanStale => "Compute the plan again.",
            Code::NotActive | Code::Fenced => {
                "Another server is taking over; try again in a moment."
            }
            Code::EpochMismatch => "Look at who is active now, then decide again.",
            Code::QueueFull => "Wait until the queue is shorter.",
            Code::TooManyAttempts | Code::TooManyRequests => "Wait before the next try.",
            Code::DatabaseUnavailable => "Look at the group's database; nothing was written.",
            Code::Internal => "Look up the request id in the server's log.",
            _ => "",
        },
        Error::TimedOut { .. } => "Look at the present state before you try again.",
        Error::Network { .. } => {
            "Check that the server runs, that it allows this console's origin, and that the network lets you through."
        }
        Error::Decode { .. } => {
            "The console and the server may be of different versions: reload the page."
        }
    }
}
