//! Tokens for programs: made by a person, bound to a role, areas and an end; listed and ended by their ids.

use super::{AccountError, Accounts, Actor, Claims, random_id};
use crate::clock;
use gridhelm_api::FieldError;
use gridhelm_api::account::{ApiToken, ApiTokenDraft, MAX_TOKEN_DAYS, NewApiToken, Role};
use gridhelm_api::event::{Event, Severity, Topic};

/// A day, milliseconds.
const DAY: i64 = 86_400_000;

fn check(draft: &ApiTokenDraft, role: Role) -> Result<(), AccountError> {
    let mut errors = Vec::new();
    let named = (2..=64).contains(&draft.name.trim().chars().count())
        && draft
            .name
            .chars()
            .all(|c| c.is_alphanumeric() || " ._-".contains(c));
    if !named {
        errors.push(FieldError::new(
            "name",
            "Use 2 to 64 letters, digits, spaces, dots, dashes or underscores.",
        ));
    }
    if !(1..=MAX_TOKEN_DAYS).contains(&draft.days) {
        errors.push(FieldError::new("days", "Give 1 to 366 days."));
    }
    if draft.role > role {
        errors.push(FieldError::new(
            "role",
            format!("You are {}; a token cannot do more than you.", role.name()),
        ));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(AccountError::Invalid(errors))
    }
}

impl Accounts {
    /// Makes a token for a program of the actor's.
    ///
    /// # Errors
    /// [`AccountError::Invalid`]; [`AccountError::ForPeople`] when a program asks.
    pub async fn create_token(
        &self,
        draft: &ApiTokenDraft,
        claims: &Claims,
        by: &Actor,
    ) -> Result<(NewApiToken, Vec<Event>), AccountError> {
        people_only(claims)?;
        check(draft, by.role)?;
        let now = clock::now();
        let mut areas = draft.areas.clone();
        areas.sort_unstable_by_key(|area| area.name());
        areas.dedup();
        let about = ApiToken {
            id: random_id()?,
            name: draft.name.trim().to_owned(),
            username: by.name.clone(),
            role: draft.role,
            areas,
            created_at: now,
            expires_at: now + i64::from(draft.days) * DAY,
        };
        let token = self.sign(&Claims {
            id: about.id.clone(),
            sub: about.username.clone(),
            role: about.role,
            group: self.group.clone(),
            generation: 0,
            exp: about.expires_at,
            program: true,
            areas: about.areas.clone(),
        })?;
        let event = by.event(
            Severity::Info,
            Topic::Account,
            "token.created",
            &about.username,
            format!("token for a program made: {}", about.name),
        );
        let notes = by.notes(by.audit("token.create", &about.id), event);
        let events = self.store.create_api_token(&about, notes).await?;
        Ok((NewApiToken { about, token }, events))
    }

    /// The actor's tokens for programs; an admin sees everyone's.
    ///
    /// # Errors
    /// The store's.
    pub async fn tokens(&self, by: &Actor) -> Result<Vec<ApiToken>, AccountError> {
        Ok(self.store.api_tokens(whose(by)).await?)
    }

    /// Ends a token for a program, at every server of the group within a second. An admin may end anyone's.
    ///
    /// # Errors
    /// The store's; `NotFound` when there is none of that id among those that the actor may see.
    pub async fn end_token(
        &self,
        id: &str,
        claims: &Claims,
        by: &Actor,
    ) -> Result<Vec<Event>, AccountError> {
        people_only(claims)?;
        let event = by.event(
            Severity::Info,
            Topic::Account,
            "token.ended",
            &by.name,
            format!("token for a program ended: {id}"),
        );
        let notes = by.notes(by.audit("token.end", id), event);
        let events = self.store.end_api_token(id, whose(by), notes).await?;
        self.refresh().await?;
        Ok(events)
    }
}

fn whose(by: &Actor) -> Option<&str> {
    (by.role < Role::Admin).then_some(by.name.as_str())
}

/// Refuses what a program must not do: making and ending tokens, changing passwords.
pub(super) fn people_only(claims: &Claims) -> Result<(), AccountError> {
    if claims.program {
        Err(AccountError::ForPeople)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_bounds() {
        let draft = ApiTokenDraft {
            name: "nightly forecast".into(),
            role: Role::Operator,
            areas: Vec::new(),
            days: 30,
        };
        assert!(check(&draft, Role::Operator).is_ok());
        assert!(check(&draft, Role::Viewer).is_err(), "more than its owner");
        for bad in [
            ApiTokenDraft {
                days: 0,
                ..draft.clone()
            },
            ApiTokenDraft {
                days: 367,
                ..draft.clone()
            },
            ApiTokenDraft {
                name: " a ".into(),
                ..draft.clone()
            },
            ApiTokenDraft {
                name: "<b>".into(),
                ..draft.clone()
            },
        ] {
            assert!(check(&bad, Role::Admin).is_err(), "{bad:?}");
        }
    }
}
