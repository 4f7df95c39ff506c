//! A plain writer of a database that fails over: what the database's own gap is, without us.

use super::{HarnessError, Result, wait_for};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Config, NoTls};

/// How often it inserts.
const PACE: Duration = Duration::from_millis(10);
/// How long connecting to a host may take, and asking it whether it takes writes.
const CONNECT: Duration = Duration::from_secs(1);

/// A writer that inserts a row every 10 ms, and connects anew when it loses its connection.
pub struct Inserting {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    writer: JoinHandle<Result<Inserted>>,
}

/// What a writer saw.
#[derive(Debug, Clone, Default)]
pub struct Inserted {
    /// How many rows were acknowledged.
    pub rows: usize,
    /// The longest time between two of them.
    pub gap: Duration,
    /// Acknowledged rows that are not there at the end.
    pub lost: usize,
}

impl Inserting {
    /// Begins to write into the database `postgres` at these ports on 127.0.0.1, of which one takes writes.
    pub fn begin(ports: &[u16], password: &str) -> Self {
        let mut config = Config::new();
        for port in ports {
            config.host("127.0.0.1").port(*port);
        }
        config
            .user("gridhelm")
            .dbname("postgres")
            .password(password)
            .connect_timeout(CONNECT)
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        let (stop, count) = (Arc::default(), Arc::default());
        let writer = tokio::spawn(insert(config, Arc::clone(&stop), Arc::clone(&count)));
        Self {
            stop,
            count,
            writer,
        }
    }

    /// Waits until so many more rows were acknowledged.
    ///
    /// # Errors
    /// When they were not within three minutes: on a busy machine a database takes its time to fail over.
    pub async fn more(&self, rows: usize) -> Result<()> {
        let goal = self.count.load(Ordering::Relaxed) + rows;
        wait_for("the plain writer", Duration::from_mins(3), || async {
            Ok((self.count.load(Ordering::Relaxed) >= goal).then_some(()))
        })
        .await
    }

    /// Ends; what it saw.
    ///
    /// # Errors
    /// When it could not write at all.
    pub async fn end(self) -> Result<Inserted> {
        self.stop.store(true, Ordering::Relaxed);
        self.writer.await.map_err(HarnessError::new)?
    }
}

async fn connect(config: &Config) -> Result<Client> {
    let (client, connection) = tokio::time::timeout(CONNECT, config.connect(NoTls))
        .await
        .map_err(HarnessError::new)??;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(client)
}

async fn insert(
    config: Config,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
) -> Result<Inserted> {
    let mut client = connect(&config).await?;
    client
        .batch_execute("CREATE TABLE IF NOT EXISTS drill (n BIGINT PRIMARY KEY); TRUNCATE drill")
        .await?;
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut seen, mut last, mut n) = (Inserted::default(), Instant::now(), 0_i64);
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        if client.is_closed() {
            match connect(&config).await {
                Ok(new) => client = new,
                Err(_) => continue,
            }
        }
        n += 1;
        let sql = "INSERT INTO drill VALUES ($1) ON CONFLICT DO NOTHING";
        if client.execute(sql, &[&n]).await.is_err() {
            continue;
        }
        acknowledged.push(n);
        seen.gap = seen.gap.max(last.elapsed());
        last = Instant::now();
        count.fetch_add(1, Ordering::Relaxed);
    }
    seen.rows = acknowledged.len();
    let there = client
        .query_one(
            "SELECT count(*) FROM drill WHERE n = ANY($1)",
            &[&acknowledged],
        )
        .await?;
    let there: i64 = there.try_get(0)?;
    seen.lost = seen
        .rows
        .saturating_sub(usize::try_from(there).unwrap_or_default());
    Ok(seen)
}
