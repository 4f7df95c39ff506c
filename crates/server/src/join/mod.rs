//! Adding a server to the group: an admin makes a token that is good once and for a day at most; the new server brings it and
//! gets what its configuration needs.
//!
//! The token is 32 random bytes; the database keeps its SHA-256. What a server gets for it opens the group's database, so it is
//! as good as the database's password: whoever holds one may become a server of the group.

mod command;
mod file;
mod token;

pub use command::{JoinError, JoinOptions, join};

use crate::accounts::{Actor, Origin};
use crate::app::App;
use crate::clock;
use crate::config::{ConfigError, Database};
use crate::identity;
use crate::store::{Notes, StoreError, StoredJoinToken};
use gridhelm_api::event::{Event, Severity, Topic};
use gridhelm_api::join::{
    JoinRequest, JoinToken, JoinTokenDraft, JoinTokenMade, Joined, JoinedDatabase, MAX_EXPIRY_S,
    MIN_EXPIRY_S,
};
use gridhelm_api::names::check_name;
use gridhelm_api::{FieldError, Millis};
use token::{free_name, hash, is_local, over, shown, span};

/// What a token begins with, so that people and scanners of secrets know it.
const PREFIX: &str = "ghj_";
/// Bytes of chance in a token.
const CHANCE: usize = 32;
/// A server that announced itself within this time runs: its name is taken.
const RUNS_MS: Millis = 10_000;

/// Why a token was not made, or nobody joined by it.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// Some values are not accepted.
    #[error("some values are not accepted")]
    Invalid(Vec<FieldError>),
    /// The group never made such a token.
    #[error("the join token is not one of this group's; ask an admin for a new one")]
    Unknown,
    /// It was one, but it is not good any more.
    #[error("{0}; ask an admin for a new one")]
    Over(String),
    /// A server of that name runs.
    #[error("a server named {0} runs in this group; choose another name with --name")]
    NameTaken(String),
    /// The group lives on another host.
    #[error(
        "the group's database is the SQLite file {0}, which only servers on its own host can share; \
         run the command there, or move the group to PostgreSQL"
    )]
    OtherHost(String),
    /// The database is named by an address that only this host knows.
    #[error(
        "this server reaches the group's database at {0}, an address of its own host; name the database by one that \
         other hosts reach in its configuration, or run the command on its host"
    )]
    LocalDatabase(String),
    /// The configuration of the server that was asked does not open the database any more.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The random source failed, or `/proc` cannot be read.
    #[error("the system does not give what is needed: {0}")]
    System(String),
}

/// Makes a token; its text is in the answer and nowhere else.
///
/// # Errors
/// [`AdmissionError::Invalid`], the store's, or the system's.
pub async fn make(
    app: &App,
    draft: &JoinTokenDraft,
    by: &Actor,
) -> Result<(JoinTokenMade, Vec<Event>), AdmissionError> {
    if !(MIN_EXPIRY_S..=MAX_EXPIRY_S).contains(&draft.expires_in_s) {
        let message = format!("Give {MIN_EXPIRY_S} to {MAX_EXPIRY_S} seconds, a day at most.");
        return Err(AdmissionError::Invalid(vec![FieldError::new(
            "expires_in_s",
            message,
        )]));
    }
    let random = |bytes| {
        crate::random::hex(bytes).map_err(|error| AdmissionError::System(error.to_string()))
    };
    let token = format!("{PREFIX}{}", random(CHANCE)?);
    let now = clock::now();
    let stored = StoredJoinToken {
        id: format!("j-{}", random(6)?),
        hash: hash(&token),
        made_by: by.name.clone(),
        made_at: now,
        expires_at: now + Millis::from(draft.expires_in_s) * 1000,
        used_by: None,
        used_at: None,
        revoked_by: None,
    };
    let listed = shown(&stored, now);
    let mut audit = by.audit("join_token.create", &stored.id);
    audit.after = serde_json::to_value(&listed).ok();
    let event = by.event(
        Severity::Info,
        Topic::Switch,
        "join.token_made",
        &stored.id,
        format!(
            "a server may join by this token within {}",
            span(draft.expires_in_s)
        ),
    );
    let events = app
        .store
        .create_join_token(&stored, by.notes(audit, event))
        .await?;
    let url = &app.config.public_url;
    let ca = match &app.config.tls.ca {
        Some(file) if url.starts_with("https://") => format!(" --ca {}", file.display()),
        _ => String::new(),
    };
    let command = format!("gridhelm-server join --server {url}{ca} --token {token}");
    Ok((
        JoinTokenMade {
            token,
            command,
            listed,
        },
        events,
    ))
}

/// The group's tokens, newest first, without their texts.
///
/// # Errors
/// The store's.
pub async fn list(app: &App) -> Result<Vec<JoinToken>, StoreError> {
    let now = clock::now();
    let tokens = app.store.join_tokens().await?;
    Ok(tokens.iter().map(|token| shown(token, now)).collect())
}

/// Takes a token back.
///
/// # Errors
/// The store's: `NotFound`, or `Conflict` when a server has joined by it.
pub async fn revoke(app: &App, id: &str, by: &Actor) -> Result<Vec<Event>, StoreError> {
    let event = by.event(
        Severity::Info,
        Topic::Switch,
        "join.token_revoked",
        id,
        "no server can join by this token any more",
    );
    let notes = by.notes(by.audit("join_token.revoke", id), event);
    app.store.revoke_join_token(id, &by.name, notes).await
}

/// Lets a server join: uses its token up and tells it what it needs. `from` is the caller's.
///
/// # Errors
/// [`AdmissionError`]; the token stays good unless a server joined by it.
pub async fn admit(
    app: &App,
    request: &JoinRequest,
    from: &Origin<'_>,
) -> Result<(Joined, Vec<Event>), AdmissionError> {
    let hash = hash(&request.token);
    let found = app.store.join_token(&hash).await?;
    let Some(found) = found else {
        return Err(AdmissionError::Unknown);
    };
    let by = Actor {
        name: format!("join token {}", found.id),
        role: gridhelm_api::account::Role::Admin,
        address: from.address.to_string(),
        agent: from.agent.to_owned(),
        request_id: from.request_id.to_owned(),
    };
    if let Some(why) = over(&found, clock::now()) {
        // It was a real one: somebody may have found it.
        let mut audit = by.audit("join.refused", &found.id);
        audit.reason = Some(why.clone());
        let notes = Notes::audit(audit);
        app.store.note(notes).await?;
        return Err(AdmissionError::Over(why));
    }
    let members = app.store.group().await?.members;
    let peers: Vec<_> = members
        .iter()
        .map(|m| (m.name.clone(), m.url.clone()))
        .collect();
    let name = match &request.name {
        None => free_name(&app.config.group, &peers),
        Some(name) => {
            check_name("name", name).map_err(|error| AdmissionError::Invalid(vec![error]))?;
            let runs = |m: &&gridhelm_api::group::Member| {
                m.name == *name && m.seen_at > clock::now() - RUNS_MS
            };
            if members.iter().any(|m| runs(&m)) {
                return Err(AdmissionError::NameTaken(name.clone()));
            }
            name.clone()
        }
    };
    let database = database(app, &request.host_boot)?;
    let mut audit = by.audit("join.server", &name);
    audit.after =
        Some(serde_json::json!({ "server": name, "token": found.id, "made_by": found.made_by }));
    let event = by.event(
        Severity::Info,
        Topic::Switch,
        "join.joined",
        &name,
        format!(
            "may be started as a server of this group; the token was made by {}",
            found.made_by
        ),
    );
    let notes = by.notes(audit, event);
    let taken = app
        .store
        .take_join_token(&hash, &name, clock::now(), notes)
        .await?;
    let Some(events) = taken else {
        let now = app.store.join_token(&hash).await?;
        let why = now.and_then(|token| over(&token, clock::now()));
        return Err(AdmissionError::Over(why.unwrap_or_else(|| {
            "the join token was used or revoked at this moment".to_owned()
        })));
    };
    let joined = Joined {
        group: app.config.group.clone(),
        name,
        database,
        allowed_origins: app.config.allowed_origins.clone(),
        peers,
    };
    Ok((joined, events))
}

/// What opens the database, for a server on the host with that boot id.
fn database(app: &App, host_boot: &str) -> Result<JoinedDatabase, AdmissionError> {
    let here = identity::host_boot()
        .ok_or_else(|| AdmissionError::System("the host's boot id".to_owned()))?;
    match &app.config.database {
        Database::Sqlite { path } => {
            let path = std::path::absolute(path)
                .map_err(|error| AdmissionError::System(error.to_string()))?
                .display()
                .to_string();
            if here == host_boot {
                Ok(JoinedDatabase::Sqlite { path })
            } else {
                Err(AdmissionError::OtherHost(path))
            }
        }
        Database::Postgres { url, .. } => {
            let hosts = app.config.database.target()?.map(|target| target.hosts());
            let local = hosts.filter(|hosts| here != host_boot && hosts.split(", ").any(is_local));
            if let Some(hosts) = local {
                return Err(AdmissionError::LocalDatabase(hosts));
            }
            Ok(JoinedDatabase::Postgresql {
                url: url.clone(),
                password: app.config.database.password_text()?,
            })
        }
    }
}
