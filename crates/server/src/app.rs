//! Builds a server of its parts, runs it and stops it.

use crate::accounts::{AccountError, Accounts, Bootstrap};
use crate::alerts::{AlertKeeper, AlertParts};
use crate::balancer;
use crate::config::{Config, ConfigError, Database};
use crate::grid::rserve::RserveProvider;
use crate::grid::{Grid, GridOptions};
use crate::group::{Keeper, KeeperParts, PeerToken, Standing};
use crate::http::Gate;
use crate::http::leave::Leave;
use crate::hub::Hub;
use crate::identity;
use crate::store::{PostgresOptions, PostgresStore, SqliteStore, Store, StoreError};
use crate::tasks::Tasks;
use crate::tls::{Tls, follow};
use crate::upkeep::{Backups, BackupsParts, Board, Disks, Watching};
use crate::work::Work;
use gridhelm_api::switch::Outcome;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long open requests may go on after the order to stop; event streams end at once.
const GRACE: Duration = Duration::from_secs(5);

/// What every part of the server can reach.
pub struct App {
    /// The configuration, with the address that is really listened at.
    pub config: Config,
    /// The group's database.
    pub store: Arc<dyn Store>,
    /// Publishes changes to the event streams.
    pub hub: Hub,
    /// This server's place in its group.
    pub standing: watch::Receiver<Standing>,
    /// Keeps that place.
    pub keeper: Arc<Keeper>,
    /// The nodes.
    pub grid: Arc<Grid>,
    /// The tasks.
    pub tasks: Arc<Tasks>,
    /// Accounts and tokens.
    pub accounts: Arc<Accounts>,
    /// This process's random id: the first half of event ids.
    pub boot: String,
    /// What it shows and whom it trusts.
    pub tls: Tls,
    /// How it leaves its load balancers after a switchover.
    pub(crate) leave: Leave,
    /// Room on the database's disk.
    pub disks: Disks,
    /// Backups of the group.
    pub backups: Arc<Backups>,
    /// Alerts about the grid.
    pub alerts: Arc<AlertKeeper>,
    /// Cancelled when the server stops: streams end then.
    pub stopping: CancellationToken,
}

/// Why a server does not start: what happened, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nothing can be listened at there.
    #[error(
        "cannot listen at {address}: {why}. End what listens there, or set another listen address."
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        why: String,
    },
    /// The database does not open.
    #[error("cannot open the group's database: {source}. {hint}")]
    Database {
        /// What the store said.
        source: StoreError,
        /// What to do.
        hint: &'static str,
    },
    /// The database's address or password cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificate, its key or the trusted ones cannot be used.
    #[error("{0}. Mend the file, or [tls] in the configuration.")]
    Tls(String),
    /// The group's accounts cannot be read or made.
    #[error("cannot prepare the group's accounts: {0}")]
    Accounts(#[from] AccountError),
    /// Calls to the group's other servers cannot be set up.
    #[error("cannot set up calls to the group's other servers: {0}")]
    Calls(String),
    /// The system does not give what every server needs.
    #[error("cannot find out who this process is: {0}. Gridhelm needs Linux with /proc.")]
    System(String),
}

/// A server that runs.
pub struct Running {
    /// Its parts.
    pub app: Arc<App>,
    /// Where it listens.
    pub address: SocketAddr,
    /// What the first start of a group made: a password that is shown once.
    pub bootstrap: Bootstrap,
    http: JoinHandle<()>,
    fresh: JoinHandle<()>,
}

impl Running {
    /// Stops it in order: after a switchover it leaves its load balancers first (9 s at most); then no new connections, streams end, open requests have 5 s; then the duties are laid
    /// down, the lease is released and the database closed.
    pub async fn stop(self) {
        tracing::info!("stopping");
        self.app.leave.until_out(&self.app.standing).await;
        self.app.stopping.cancel();
        let abort = self.http.abort_handle();
        if tokio::time::timeout(GRACE, self.http).await.is_err() {
            tracing::warn!("requests still open after {GRACE:?} were cut off");
            abort.abort();
        }
        self.app.keeper.stop().await;
        self.fresh.abort();
        self.app.store.shut_down().await;
        tracing::info!("stopped");
    }
}

/// Starts a server: binds first, so that nothing is touched when the address is taken; then the database,
/// the parts, the keeper and the HTTP interface.
///
/// # Errors
/// [`StartError`], for a person to mend.
pub async fn run(mut config: Config) -> Result<Running, StartError> {
    crate::tls::provide();
    let tls = open_tls(&config)?;
    let gate = Gate::new(&config, tls.acceptor().map_err(StartError::Tls)?);
    let listen = config.listen;
    let cannot_listen = |error: std::io::Error| StartError::Listen {
        address: listen,
        why: error.to_string(),
    };
    let listener = TcpListener::bind(listen).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    config.listen = address;
    config.public_url = with_real_port(&config.public_url, address);

    let boot = crate::random::hex(8).map_err(|error| StartError::System(error.to_string()))?;
    let me = identity::this_process(&config.name, &boot, &config.public_url)
        .map_err(StartError::System)?;
    let store = open_database(&config, &boot).await?;
    let accounts = Accounts::new(Arc::clone(&store), &config.group).await?;
    let password = std::env::var("GRIDHELM_BOOTSTRAP_PASSWORD").ok();
    let bootstrap = accounts.bootstrap(password.as_deref()).await?;
    let fresh = accounts.keep_fresh();

    let protection = config.nodes.protection()?;
    let hub = Hub::new(&boot);
    let started_at = crate::clock::now();
    let (standing_tx, standing) = watch::channel(Standing {
        status: KeeperParts::first_status(&me, &config.group, started_at),
        ..Standing::default()
    });
    let grid = Grid::with_options(
        Arc::clone(&store),
        hub.clone(),
        Arc::new(RserveProvider::new(&*config.group).protected(protection)),
        config.group.clone(),
        config.name.clone(),
        GridOptions {
            sessions_ahead: config.grid.sessions_ahead,
            reuse_idle: Duration::from_secs(u64::from(config.tasks.reuse_idle_s)),
            ..GridOptions::default()
        },
    );
    let tasks = Tasks::new(
        Arc::clone(&store),
        hub.clone(),
        standing.clone(),
        Arc::clone(&grid),
        config.tasks.limits(),
    );
    let board = Board::default();
    let disks = Disks::new(config.database.folder(), config.disk);
    let backups = Backups::new(BackupsParts {
        store: Arc::clone(&store),
        hub: hub.clone(),
        standing: standing.clone(),
        server: config.name.clone(),
        group: config.group.clone(),
        folder: config.backup_folder(),
        config: config.backup.clone(),
        board: board.clone(),
    });
    let watching = Watching {
        disks: disks.clone(),
        board: board.clone(),
        store: Arc::clone(&store),
        hub: hub.clone(),
        standing: standing.clone(),
        server: config.name.clone(),
        grid: Arc::clone(&grid),
    };
    let keeper = Keeper::start(KeeperParts {
        board,
        store: Arc::clone(&store),
        hub: hub.clone(),
        duties: Arc::new(Work::new(Arc::clone(&grid), Arc::clone(&tasks))),
        standing: standing_tx,
        me,
        group: config.group.clone(),
        started_at,
        peer_token: peer_token(&accounts, &config.name),
        balancer: config.balancer.clone(),
        limit: config.failover,
        tls: tls.clone(),
    });
    if let Some(balancer) = config.balancer.clone() {
        let (name, group) = (config.name.clone(), config.group.clone());
        tokio::spawn(balancer::follow(balancer, name, group, standing.clone()));
    }
    let alerts = AlertKeeper::new(AlertParts {
        store: Arc::clone(&store),
        hub: hub.clone(),
        grid: Arc::clone(&grid),
        tasks: Arc::clone(&tasks),
        standing: standing.clone(),
        config: config.alerts.clone(),
        group: config.group.clone(),
        server: config.name.clone(),
    });
    let app = Arc::new(App {
        config,
        store,
        hub,
        standing,
        keeper,
        grid,
        tasks,
        accounts,
        boot,
        tls,
        leave: Leave::default(),
        disks,
        backups,
        alerts,
        stopping: CancellationToken::new(),
    });
    tokio::spawn(watching.watch(app.stopping.clone()));
    tokio::spawn(Arc::clone(&app.alerts).keep(app.stopping.clone()));
    tokio::spawn(Arc::clone(&app.backups).keep(app.stopping.clone()));
    tokio::spawn(crate::retention::keep_forgetting(
        Arc::clone(&app.store),
        app.standing.clone(),
        app.config.keep,
        app.stopping.clone(),
    ));
    tokio::spawn(crate::mending::keep_mending(
        Arc::clone(&app.store),
        app.standing.clone(),
        app.stopping.clone(),
    ));
    let router = crate::http::router(Arc::clone(&app))
        .map_err(|error| StartError::Calls(error.to_string()))?;
    let http = tokio::spawn(crate::http::serve(
        listener,
        router,
        gate,
        app.stopping.clone(),
    ));
    tokio::spawn(follow(Arc::clone(&app)));
    tracing::info!(name = app.config.name, group = app.config.group, %address, "listening");
    Ok(Running {
        app,
        address,
        bootstrap,
        http,
        fresh,
    })
}

/// Reads the certificates that the configuration names, and says when the one to show is not good.
fn open_tls(config: &Config) -> Result<Tls, StartError> {
    let tls = Tls::open(&config.tls).map_err(StartError::Tls)?;
    if let Some(certificate) = tls.certificate() {
        let check = crate::tls::check(&config.name, &certificate, crate::clock::now());
        if check.outcome != Outcome::Pass {
            tracing::warn!("{}", check.evidence);
        }
    }
    Ok(tls)
}

/// Opens the group's database, as the process with this random id.
///
/// # Errors
/// [`StartError::Database`]; [`StartError::Config`] when its address or password cannot be used.
pub async fn open_database(config: &Config, boot: &str) -> Result<Arc<dyn Store>, StartError> {
    match &config.database {
        Database::Sqlite { path } => {
            let (file, name) = (path.clone(), config.group.clone());
            let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&file, &name)).await;
            let failed = |source| StartError::Database {
                source,
                hint: "Check that the folder exists, has space and is writable by this user.",
            };
            let store = opened
                .map_err(|error| {
                    failed(StoreError::Unavailable {
                        operation: "open",
                        message: error.to_string(),
                    })
                })?
                .map_err(failed)?;
            Ok(Arc::new(store))
        }
        Database::Postgres { .. } => {
            let failed = |source| StartError::Database {
                source,
                hint: "Check that it runs, takes writes and lets this user in; gridhelm-server --check tells what it finds.",
            };
            let Some(target) = config.database.target()? else {
                return Err(failed(StoreError::NotFound {
                    what: "the database's address".to_owned(),
                }));
            };
            let options = PostgresOptions::new(&config.name, boot);
            let store = PostgresStore::open(&target, &config.group, &options)
                .await
                .map_err(failed)?;
            Ok(Arc::new(store))
        }
    }
}

/// Signs calls to the group's other servers.
fn peer_token(accounts: &Arc<Accounts>, server: &str) -> PeerToken {
    let (accounts, server) = (Arc::clone(accounts), server.to_owned());
    Arc::new(move || {
        accounts
            .server_token(&server)
            .map_err(|error| error.to_string())
    })
}

/// An address given with port 0 gets the port that the system chose.
fn with_real_port(url: &str, address: SocketAddr) -> String {
    url.strip_suffix(":0").map_or_else(
        || url.to_owned(),
        |host| format!("{host}:{}", address.port()),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn port_0_becomes_the_real_one() {
        let address = "127.0.0.1:8401".parse().unwrap();
        assert_eq!(with_real_port("http://h:0", address), "http://h:8401");
        assert_eq!(with_real_port("http://h:80", address), "http://h:80");
    }
}
