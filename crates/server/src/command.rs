//! What `gridhelm-server` does on its host besides serving: back up, restore, move, cut the audit log, gather a bundle.

use crate::accounts::Accounts;
use crate::app::open_database;
use crate::clock;
use crate::config::{Config, ConfigError, Database};
use crate::store::backup::{BackupError, Contents, How, Maker, Progress, Restored, look};
use crate::store::{
    AuditDraft, PostgresOptions, StoreError, hold_sqlite, restore_postgres, restore_sqlite,
    save_held_sqlite,
};
use crate::tls::Tls;
use crate::upkeep::support;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Who does what these commands do.
const BY: &str = "a command";
/// How long the server that runs may take to make its bundle.
const BUNDLE_WITHIN: Duration = Duration::from_mins(5);

/// Why a command did not do what it should: what, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// A backup or a restoration.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database cannot be opened.
    #[error(transparent)]
    Start(#[from] crate::app::StartError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something else, in words.
    #[error("{0}")]
    Other(String),
}

type Lines = Result<Vec<String>, CommandError>;

fn other(error: impl core::fmt::Display) -> CommandError {
    CommandError::Other(error.to_string())
}

fn boot() -> Result<String, CommandError> {
    crate::random::hex(8).map_err(other)
}

/// Runs what blocks.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, CommandError> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(other)??)
}

/// Backs the group up into a new file, whether its servers run or not.
///
/// # Errors
/// [`CommandError`]; nothing is left behind then.
pub async fn back_up(config: &Config, to: &Path) -> Lines {
    let store = open_database(config, &boot()?).await?;
    let contents = store.back_up(to, BY, &config.name, Arc::default()).await?;
    let row = audit("backup.create", &to.display().to_string(), None);
    store.note(crate::store::Notes::audit(row)).await?;
    store.shut_down().await;
    let mut lines = in_words(&contents);
    lines.push(format!(
        "{} was written and read back: every row and every content is as the database has it. Only its owner can read it; \
         it holds the nodes' passwords and the key that signs tokens",
        to.display()
    ));
    Ok(lines)
}

/// Reads a backup whole, and tells what is in it.
///
/// # Errors
/// [`CommandError`], saying exactly what is wrong with it.
pub async fn look_into(from: &Path) -> Lines {
    let path = from.to_owned();
    let contents = aside(move || look(&path)).await?;
    let mut lines = in_words(&contents);
    lines.push(format!("{} is whole", from.display()));
    Ok(lines)
}

fn in_words(contents: &Contents) -> Vec<String> {
    let (head, end) = (&contents.head, &contents.end);
    let mut lines = vec![
        format!(
            "a backup of group {} at epoch {}, made by {} of {} ({}, gridhelm-server {}) {}",
            head.group,
            head.epoch,
            head.made_by,
            head.server,
            head.database,
            head.version,
            ago(head.made_at)
        ),
        format!(
            "{} bytes: {} rows; {} contents of {} bytes",
            contents.size,
            end.rows(),
            end.contents,
            end.content_bytes
        ),
    ];
    let counted = end.tables.iter().filter(|table| table.rows > 0);
    let tables: Vec<String> = counted
        .map(|table| format!("{} {}", table.rows, table.table))
        .collect();
    lines.push(tables.join(", "));
    lines
}

fn ago(at: i64) -> String {
    let seconds = (clock::now() - at).max(0) / 1000;
    match seconds {
        s if s < 120 => format!("{s} seconds ago"),
        s if s < 7_200 => format!("{} minutes ago", s / 60),
        s if s < 172_800 => format!("{} hours ago", s / 3_600),
        s => format!("{} days ago", s / 86_400),
    }
}

/// Restores a backup into the configured database, which must be empty and without a server.
///
/// # Errors
/// [`CommandError`]; nothing was changed then.
pub async fn restore(config: &Config, from: &Path, end_tokens: bool) -> Lines {
    let how = How {
        from: from.to_owned(),
        group: config.group.clone(),
        server: config.name.clone(),
        moving: false,
        end_tokens,
    };
    let restored = restore_into(&config.database, &config.name, how).await?;
    let mut lines = in_words(&restored.contents);
    lines.extend(outcome(&restored));
    lines.extend(verified(config).await?);
    Ok(lines)
}

async fn restore_into(
    database: &Database,
    server: &str,
    how: How,
) -> Result<Restored, CommandError> {
    let progress = Progress::default();
    match (database, database.target()?) {
        (Database::Sqlite { path }, _) => {
            let path = path.clone();
            aside(move || restore_sqlite(&path, how, &progress)).await
        }
        (_, Some(target)) => {
            let options = PostgresOptions::new(server, &boot()?);
            aside(move || restore_postgres(&target, &options, how, &progress)).await
        }
        (_, None) => Err(other("the configuration names no database")),
    }
}

fn outcome(restored: &Restored) -> Vec<String> {
    let mut lines = vec![format!(
        "all of it was written and read back; the group's epoch is {}, above any that its old servers can have reached",
        restored.epoch
    )];
    match restored.ended_tasks {
        0 => {}
        1 => lines.push("1 task was open and may not be repeated: it is failed, submit it again if it may".to_owned()),
        n => lines.push(format!(
            "{n} tasks were open and may not be repeated: they are failed, submit them again if they may"
        )),
    }
    if restored.changed_texts > 0 {
        lines.push(format!(
            "{} texts had a NUL, which PostgreSQL cannot keep: it is U+FFFD now",
            restored.changed_texts
        ));
    }
    lines
}

/// Walks the audit log's chain of what was restored.
async fn verified(config: &Config) -> Lines {
    let store = open_database(config, &boot()?).await?;
    let chain = store.verify_audit(None).await?;
    store.shut_down().await;
    let line = match chain.broken {
        None => format!(
            "the audit log's chain holds; it ends at row {} with {}",
            chain.last.unwrap_or_default(),
            chain.head
        ),
        Some(broken) => format!(
            "the audit log's chain does not hold, in the backup as here: {}",
            broken.what
        ),
    };
    Ok(vec![line, "start the group's servers now".to_owned()])
}

/// Where a group moves.
#[derive(Debug, Clone)]
pub struct Move {
    /// `postgresql://user@host/database`.
    pub to: String,
    /// The file that holds the password there.
    pub password_file: Option<PathBuf>,
    /// A folder with room for a backup; beside the database when absent.
    pub through: Option<PathBuf>,
}

/// Moves a stopped group from its `SQLite` file to `PostgreSQL`. The file stays as it is.
///
/// # Errors
/// [`CommandError`]; nothing was changed then.
pub async fn migrate(config: &Config, to: Move) -> Lines {
    let Database::Sqlite { path } = &config.database else {
        return Err(other(
            "the group's database is PostgreSQL already; the way back is backup and restore",
        ));
    };
    let database = Database::Postgres {
        url: to.to.clone(),
        password_file: to.password_file.clone(),
        password: None,
    };
    let database = database.with_environment(&|name| std::env::var(name).ok());
    let Some(target) = database.target()? else {
        return Err(other("--to is not an address of PostgreSQL"));
    };
    let (path, group, server) = (path.clone(), config.group.clone(), config.name.clone());
    let folder = to.through.or_else(|| config.database.folder());
    let options = PostgresOptions::new(&config.name, &boot()?);
    let restored = aside(move || {
        let progress = Progress::default();
        if !path.is_file() {
            let why = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(BackupError::io("read", &path, &why));
        }
        // Held until the end: no server of it can start before it has moved.
        let held = hold_sqlite(&path)?;
        let maker = Maker {
            group: group.clone(),
            server: server.clone(),
            by: "migrate".to_owned(),
            database: "SQLite, one host".to_owned(),
        };
        let through = folder
            .unwrap_or_default()
            .join(format!(".{group}-moving.backup"));
        let _ = std::fs::remove_file(&through);
        let moved = save_held_sqlite(&held, &path, maker, &through, &progress).and_then(|_| {
            let how = How {
                from: through.clone(),
                group,
                server,
                moving: true,
                end_tokens: false,
            };
            restore_postgres(&target, &options, how, &Progress::default())
        });
        if let Err(error) = std::fs::remove_file(&through)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %through.display(), "the file that it moved through could not be removed");
        }
        moved
    })
    .await?;
    let mut lines = in_words(&restored.contents);
    lines.extend(outcome(&restored));
    let moved = Config {
        database,
        ..config.clone()
    };
    lines.extend(verified(&moved).await?);
    lines.push(
        "put the new address into [database] of every server's configuration first; the old file was not changed, keep it until \
         you trust the new one"
            .to_owned(),
    );
    Ok(lines)
}

/// Cuts the audit log: verifies it, then removes what is older than so many days.
///
/// # Errors
/// [`CommandError`]; nothing was removed then.
pub async fn cut_audit(config: &Config, days: u32, by: &str, reason: &str) -> Lines {
    if by.trim().is_empty() || reason.trim().is_empty() {
        return Err(other(
            "say who signs it off (--signed-off-by) and why (--reason)",
        ));
    }
    let store = open_database(config, &boot()?).await?;
    let chain = store.verify_audit(None).await?;
    if let Some(broken) = chain.broken {
        return Err(CommandError::Other(format!(
            "the audit log is not cut while its chain does not hold: {}",
            broken.what
        )));
    }
    let before = clock::now() - i64::from(days) * 86_400_000;
    let row = audit("audit.cut", "", Some(reason));
    let cut = store.cut_audit(before, by, reason, &row).await?;
    let after = store.verify_audit(None).await?;
    store.shut_down().await;
    let Some(cut) = cut else {
        return Ok(vec![format!(
            "no row is older than {days} days; nothing was removed"
        )]);
    };
    if let Some(broken) = after.broken {
        return Err(CommandError::Other(format!(
            "the log was cut and its chain does not hold: {}",
            broken.what
        )));
    }
    Ok(vec![
        format!(
            "{} rows up to row {} were removed, signed off by {by}; their last hash is {}",
            cut.rows, cut.id, cut.hash
        ),
        format!("the chain holds from there; it ends with {}", after.head),
    ])
}

fn audit(action: &'static str, subject: &str, reason: Option<&str>) -> AuditDraft {
    AuditDraft {
        actor: BY.to_owned(),
        action,
        subject: subject.to_owned(),
        before: None,
        after: None,
        reason: reason.map(str::to_owned),
        address: String::new(),
        agent: "gridhelm-server".to_owned(),
        request_id: String::new(),
    }
}

/// Writes a bundle for support: the running server's, or what the database tells.
///
/// # Errors
/// [`CommandError`].
pub async fn support_bundle(config: &Config, to: &Path) -> Lines {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(|error| BackupError::io("write", to, &error))?;
    let written = async {
        let (bytes, whose) = bundle(config).await?;
        let written = file.write_all(&bytes).and_then(|()| file.sync_all());
        written.map_err(|error| BackupError::io("write", to, &error))?;
        Ok(vec![format!(
            "{} ({} bytes), {whose}; passwords, tokens and keys are removed from it",
            to.display(),
            bytes.len()
        )])
    }
    .await;
    if written.is_err() {
        let _ = std::fs::remove_file(to);
    }
    written
}

/// The bundle, and whose it is in words.
async fn bundle(config: &Config) -> Result<(Vec<u8>, String), CommandError> {
    let store = open_database(config, &boot()?).await?;
    let accounts = Accounts::new(Arc::clone(&store), &config.group)
        .await
        .map_err(other)?;
    let made = match of_running(config, &accounts).await {
        Ok(bytes) => (bytes, format!("as {} gave it", config.name)),
        Err(why) => {
            let bytes = support::at_rest(config, &*store).await.map_err(other)?;
            (
                bytes,
                format!("of the database alone, for the server gave none ({why})"),
            )
        }
    };
    store.shut_down().await;
    Ok(made)
}

async fn of_running(config: &Config, accounts: &Accounts) -> Result<Vec<u8>, String> {
    let told = |error: reqwest::Error| error.without_url().to_string();
    let token = accounts
        .server_token(&config.name)
        .map_err(|error| error.to_string())?;
    let client = Tls::open(&config.tls)?
        .caller()
        .connect_timeout(Duration::from_secs(2))
        .timeout(BUNDLE_WITHIN)
        .build()
        .map_err(told)?;
    let answer = client
        .get(format!("{}/api/v1/support-bundle", config.public_url))
        .bearer_auth(token)
        .send()
        .await
        .map_err(told)?;
    if !answer.status().is_success() {
        return Err(format!("it answered {}", answer.status()));
    }
    Ok(answer.bytes().await.map_err(told)?.to_vec())
}
