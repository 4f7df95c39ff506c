//! The server's command.

use clap::{Parser, Subcommand};
use gridhelm_api::account::AuditChain;
use gridhelm_server::accounts::{Accounts, Bootstrap};
use gridhelm_server::app::open_database;
use gridhelm_server::command::{self, CommandError};
use gridhelm_server::config::{Config, ConfigError, Database, LogFormat, parse_listen};
use gridhelm_server::join::JoinOptions;
use gridhelm_server::log_ring;
use gridhelm_server::notify;
use gridhelm_server::run;
use gridhelm_server::store::{failpoint, look_at_postgres};
use gridhelm_server::tls::Tls;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Exit code when the configuration cannot be used.
const BAD_CONFIG: u8 = 2;

/// Runs R on a self-healing grid of Rserve nodes and serves the admin API.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    start: Start,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Args)]
struct Start {
    /// The configuration file (TOML).
    #[arg(long, env = "GRIDHELM_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen here instead of where the configuration says.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<String>,
    /// Show this certificate (PEM) instead of the configuration's.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Trust what these certificates (PEM) signed instead of the configuration's, when calling the group's other servers.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Check the configuration and end.
    #[arg(long)]
    check: bool,
    /// For drills: stop before a commit when a file in this folder says so.
    #[arg(long, hide = true, value_name = "FOLDER")]
    failpoints: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Give an account a new one-time password, printed once; make it an admin that may sign in again.
    ResetPassword {
        /// The account's name.
        user: String,
        /// The configuration file (TOML).
        #[arg(long, env = "GRIDHELM_CONFIG", value_name = "FILE")]
        config: PathBuf,
    },
    /// Walk the audit log's chain; exit code 1 when a row was changed, removed or put in.
    VerifyAudit {
        /// The hash that the log's end had when you noted it: it must be found in the chain.
        #[arg(long, value_name = "HASH")]
        noted: Option<String>,
        /// The configuration file (TOML).
        #[arg(long, env = "GRIDHELM_CONFIG", value_name = "FILE")]
        config: PathBuf,
    },
    /// Back the group up into a new file, while its servers run.
    Backup {
        /// The file to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// The configuration file (TOML).
        #[arg(long, env = "GRIDHELM_CONFIG", value_name = "FILE")]
        config: PathBuf,
    },
    /// Restore a backup into the configured database, which must be empty; its servers must be stopped.
    Restore {
        /// The backup.
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// Only read the backup, and tell what is in it and whether it is whole.
        #[arg(long)]
        look: bool,
        /// End every token and sign-in: the key that signs them is made anew.
        #[arg(long)]
        end_tokens: bool,
        /// The configuration file (TOML); not needed for a look.
        #[arg(
            long,
            env = "GRIDHELM_CONFIG",
            value_name = "FILE",
            required_unless_present = "look"
        )]
        config: Option<PathBuf>,
    },
    /// Move a stopped group from its SQLite file to PostgreSQL; the file stays as it is.
    Migrate {
        /// The database to move to: `postgresql://user@host1,host2/database`, empty.
        #[arg(long, value_name = "URL")]
        to: String,
        /// The file that holds the password there.
        #[arg(long, value_name = "FILE", env = "GRIDHELM_DATABASE_PASSWORD_FILE")]
        password_file: Option<PathBuf>,
        /// A folder with room for a backup meanwhile (default: the database's).
        #[arg(long, value_name = "FOLDER")]
        through: Option<PathBuf>,
        /// The configuration file (TOML), as it is before.
        #[arg(long, env = "GRIDHELM_CONFIG", value_name = "FILE")]
        config: PathBuf,
    },
    /// Remove the audit log's oldest rows; its chain is verified before, and holds from the cut on.
    CutAudit {
        /// Rows older than so many days.
        #[arg(long, value_name = "DAYS")]
        older_than_days: u32,
        /// Who signs it off.
        #[arg(long, value_name = "NAME")]
        signed_off_by: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// The configuration file (TOML).
        #[arg(long, env = "GRIDHELM_CONFIG", value_name = "FILE")]
        config: PathBuf,
    },
    /// Write a bundle for support (tar, packed by zstd): what the server is, knows and logged, without secrets.
    SupportBundle {
        /// The file to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// The configuration file (TOML).
        #[arg(long, env = "GRIDHELM_CONFIG", value_name = "FILE")]
        config: PathBuf,
    },
    /// Print R code for a node to `source` before it forks sessions: they then start sooner. Goes with this server's version; with another's,
    /// sessions only start as without it.
    NodePreload,
    /// Join a group by a token that an admin made: writes this server's configuration, for its owner alone.
    Join(Join),
}

#[derive(clap::Args)]
struct Join {
    /// A server of the group: https://host:port.
    #[arg(long, value_name = "URL")]
    server: String,
    /// The certificates (PEM) that signed the server's; the new server trusts them, too.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The certificate (PEM) that the new server shows.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Ask over plain HTTP, although the answer holds the database's password and goes over the network.
    #[arg(long)]
    plain_http: bool,
    /// The token; it works once. Better in the environment than where other users of the host see it.
    #[arg(long, env = "GRIDHELM_JOIN_TOKEN", hide_env_values = true)]
    token: String,
    /// The new server's name; the next free one of the group when absent.
    #[arg(long)]
    name: Option<String>,
    /// Where it shall listen; this host's address and a free port when absent.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<String>,
    /// How browsers and the group's other servers reach it, where that is not the address that it listens at.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The file to write (default: /etc/gridhelm/NAME.toml).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Give the files to this user, as which the service runs.
    #[arg(long)]
    user: Option<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::ResetPassword { user, config }) => reset_password(&user, config),
        Some(Command::VerifyAudit { noted, config }) => verify_audit(noted, config),
        Some(Command::Join(join)) => join_group(join),
        Some(Command::NodePreload) => {
            say(gridhelm_rserve::run::preload_source().trim_end());
            ExitCode::SUCCESS
        }
        Some(Command::Backup { to, config }) => {
            with_config(config, async |config| command::back_up(&config, &to).await)
        }
        Some(Command::Restore {
            from, look: true, ..
        }) => run_command(command::look_into(&from)),
        Some(Command::Restore {
            from,
            end_tokens,
            config,
            ..
        }) => with_config(config.unwrap_or_default(), async |config| {
            command::restore(&config, &from, end_tokens).await
        }),
        Some(Command::Migrate {
            to,
            password_file,
            through,
            config,
        }) => with_config(config, async |config| {
            let to = command::Move {
                to,
                password_file,
                through,
            };
            command::migrate(&config, to).await
        }),
        Some(Command::CutAudit {
            older_than_days,
            signed_off_by,
            reason,
            config,
        }) => with_config(config, async |config| {
            command::cut_audit(&config, older_than_days, &signed_off_by, &reason).await
        }),
        Some(Command::SupportBundle { to, config }) => with_config(config, async |config| {
            command::support_bundle(&config, &to).await
        }),
        None => start(cli.start),
    }
}

fn load(file: Option<PathBuf>) -> Result<Config, ConfigError> {
    load_with(file, &[])
}

/// The configuration, with flags over the environment variables whose names they stand by.
fn load_with(
    file: Option<PathBuf>,
    flags: &[(&str, Option<String>)],
) -> Result<Config, ConfigError> {
    let file = file.unwrap_or_else(|| PathBuf::from("/etc/gridhelm/server.toml"));
    Config::load(&file, &|name| {
        let flag = flags.iter().find(|(flag, _)| *flag == name);
        let given = flag.and_then(|(_, value)| value.clone());
        given.or_else(|| std::env::var(name).ok())
    })
}

fn start(start: Start) -> ExitCode {
    let file = |file: Option<PathBuf>| file.map(|file| file.display().to_string());
    let flags = [
        ("GRIDHELM_TLS_CERTIFICATE", file(start.tls_certificate)),
        ("GRIDHELM_TLS_KEY", file(start.tls_key)),
        ("GRIDHELM_TLS_CA", file(start.tls_ca)),
    ];
    let configured = load_with(start.config, &flags).and_then(|mut config| {
        if let Some(listen) = start.listen {
            config.listen = parse_listen("--listen", &listen)?;
        }
        Ok(config)
    });
    let config = match configured {
        Ok(config) => config,
        Err(error) => return fail(&error, BAD_CONFIG),
    };
    if start.check {
        say(&format!(
            "{} of group {} at {}: the configuration is good",
            config.name, config.group, config.listen
        ));
        match Tls::open(&config.tls) {
            Ok(tls) => {
                if let Some(told) = tls.told() {
                    say(&format!("tls: {told}"));
                }
            }
            Err(why) => return fail(&why, BAD_CONFIG),
        }
        return match runtime() {
            Ok(runtime) => runtime.block_on(check_database(&config.database)),
            Err(error) => fail(&error, 1),
        };
    }
    if let Err(why) = trace(&config) {
        let error = ConfigError::Unusable {
            key: "log.filter".into(),
            why,
        };
        return fail(&error, BAD_CONFIG);
    }
    if let Some(folder) = start.failpoints {
        failpoint::look_in(folder);
    }
    match runtime() {
        Ok(runtime) => runtime.block_on(serve(config)),
        Err(error) => fail(&error, 1),
    }
}

async fn serve(config: Config) -> ExitCode {
    // The handlers stand before anything starts, so that a signal never finds a server half built.
    let (mut terminate, mut interrupt) = match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(error), _) | (_, Err(error)) => return fail(&error, 1),
    };
    let running = match run(config).await {
        Ok(running) => running,
        Err(error) => return fail(&error, 1),
    };
    tell_bootstrap(&running.bootstrap);
    notify::tell(notify::READY);
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM"),
        _ = interrupt.recv() => tracing::info!("SIGINT"),
    }
    notify::tell(notify::STOPPING);
    running.stop().await;
    ExitCode::SUCCESS
}

/// Tells what is found of the database; changes nothing.
async fn check_database(database: &Database) -> ExitCode {
    let target = match database.target() {
        Ok(target) => target,
        Err(error) => return fail(&error, BAD_CONFIG),
    };
    match (database, target) {
        (Database::Sqlite { path }, _) => {
            let found = if path.exists() {
                "is there"
            } else {
                "will be made"
            };
            say(&format!(
                "database: the SQLite file {} {found}",
                path.display()
            ));
        }
        (Database::Postgres { .. }, None) => {}
        (Database::Postgres { .. }, Some(target)) => {
            let (lines, writable) = look_at_postgres(&target).await;
            for line in lines {
                say(&format!("database: {line}"));
            }
            if !writable {
                return fail(&format!("no host of {target:?} takes writes"), 1);
            }
        }
    }
    ExitCode::SUCCESS
}

fn reset_password(user: &str, config: PathBuf) -> ExitCode {
    let config = match load(Some(config)) {
        Ok(config) => config,
        Err(error) => return fail(&error, BAD_CONFIG),
    };
    let done = runtime()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(reset(user, &config)));
    match done {
        Ok(password) => {
            say(&format!("{user} is an admin; new password: {password}"));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error, 1),
    }
}

fn verify_audit(noted: Option<String>, config: PathBuf) -> ExitCode {
    let config = match load(Some(config)) {
        Ok(config) => config,
        Err(error) => return fail(&error, BAD_CONFIG),
    };
    let walked = runtime()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(walk_audit(&config, noted.as_deref())));
    match walked {
        Ok((chain, found)) => {
            say(&format!(
                "{} rows, {} of them in the chain; it ends at row {} with {}",
                chain.rows,
                chain.covered,
                chain.last.unwrap_or_default(),
                chain.head
            ));
            if let Some(broken) = &chain.broken {
                return fail(&broken.what, 1);
            }
            if !found {
                return fail(
                    &"the hash that you noted is not in the chain: the log was written anew",
                    1,
                );
            }
            say("the chain holds");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error, 1),
    }
}

/// The verdict, and whether the noted hash is in the chain.
async fn walk_audit(config: &Config, noted: Option<&str>) -> Result<(AuditChain, bool), String> {
    let boot = gridhelm_server::random::hex(8).map_err(|error| error.to_string())?;
    let store = open_database(config, &boot)
        .await
        .map_err(|error| error.to_string())?;
    let chain = store
        .verify_audit(noted)
        .await
        .map_err(|error| error.to_string())?;
    let found = noted.is_none() || chain.noted == Some(true);
    Ok((chain, found))
}

fn join_group(join: Join) -> ExitCode {
    let listen = join
        .listen
        .map(|listen| parse_listen("--listen", &listen))
        .transpose();
    let options = match listen {
        Ok(listen) => JoinOptions {
            server: join.server,
            ca: join.ca,
            certificate: join.tls_certificate.zip(join.tls_key),
            plain: join.plain_http,
            token: join.token,
            name: join.name,
            listen,
            public_url: join.public_url,
            config: join.config,
            user: join.user,
        },
        Err(error) => return fail(&error, BAD_CONFIG),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, 1),
    };
    match runtime.block_on(gridhelm_server::join::join(options)) {
        Ok(lines) => {
            for line in &lines {
                say(line);
            }
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error, 1),
    }
}

/// Runs a command with its configuration.
fn with_config(
    file: PathBuf,
    work: impl AsyncFnOnce(Config) -> Result<Vec<String>, CommandError>,
) -> ExitCode {
    match load(Some(file)) {
        Ok(config) => run_command(work(config)),
        Err(error) => fail(&error, BAD_CONFIG),
    }
}

/// Runs a command and says what came of it.
fn run_command(work: impl Future<Output = Result<Vec<String>, CommandError>>) -> ExitCode {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, 1),
    };
    match runtime.block_on(work) {
        Ok(lines) => {
            for line in &lines {
                say(line);
            }
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error, 1),
    }
}

async fn reset(user: &str, config: &Config) -> Result<String, String> {
    let boot = gridhelm_server::random::hex(8).map_err(|error| error.to_string())?;
    let store = open_database(config, &boot)
        .await
        .map_err(|error| error.to_string())?;
    let accounts = Accounts::new(store, &config.group)
        .await
        .map_err(|error| error.to_string())?;
    accounts
        .reset_on_host(user)
        .await
        .map_err(|error| error.to_string())
}

/// The first admin's password is shown this once, on standard output: never in the log.
fn tell_bootstrap(bootstrap: &Bootstrap) {
    match bootstrap {
        Bootstrap::Existing => {}
        Bootstrap::Given { username } => {
            tracing::info!(username, "first admin made with the given password");
        }
        Bootstrap::Random { username, password } => say(&format!(
            "First start of this group. Sign in as {username} with the password {password} and change it."
        )),
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

fn trace(config: &Config) -> Result<(), String> {
    let filter = config.log.filter.as_deref().unwrap_or("info");
    let filter = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(log_ring::Tee::new);
    match config.log.format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().try_init(),
    }
    .map_err(|error| error.to_string())
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn fail(error: &dyn core::fmt::Display, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "gridhelm-server: {error}");
    ExitCode::from(code)
}
