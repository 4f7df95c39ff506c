//! A real PostgreSQL for tests: started once per process, gone with it, however that ends.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// Starts PostgreSQL and waits for the end of its input, which comes with the end of the test's process; then
/// ends it and removes its folder. `$1` is the folder, `$2` the port, `$3` the command that makes the data, the rest runs as an
/// unprivileged user.
const KEEPER: &str = r#"
folder=$1 port=$2 make=$3; shift 3
trap '' INT TERM HUP
"$@" $make -D "$folder/data" >"$folder/initdb.log" 2>&1 || { cat "$folder/initdb.log"; exit 1; }
"$@" postgres -D "$folder/data" -p "$port" -k "$folder" -c listen_addresses=127.0.0.1 -c fsync=off -c full_page_writes=off \
    -c max_connections=200 -c shared_buffers=32MB -c autovacuum=off -c log_min_messages=log >"$folder/log" 2>&1 </dev/null &
echo started
cat >/dev/null
kill -QUIT $! 2>/dev/null
wait
rm -rf "$folder"
"#;

/// The running PostgreSQL.
pub(crate) struct Cluster {
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
    /// Its end is the signal to the keeper.
    _keeper: ChildStdin,
}

/// The process's PostgreSQL, started by the first who asks.
pub(crate) fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

impl Cluster {
    /// Starts one that ends with the process.
    pub(crate) fn start() -> Self {
        Self::made_by("initdb -U gridhelm -A trust -E UTF8 --locale=C.UTF-8 --no-sync")
    }

    /// Starts a standby that follows this one.
    pub(crate) fn follower(&self) -> Self {
        Self::made_by(&format!(
            "pg_basebackup -h {} -p {} -U gridhelm -R -c fast --no-sync",
            self.folder.display(),
            self.port
        ))
    }

    fn made_by(make: &str) -> Self {
        assert!(
            Path::new(PROGRAMS).join("postgres").exists(),
            "PostgreSQL is not there: apt-get install postgresql"
        );
        let folder = tempfile::Builder::new()
            .prefix("gridhelm-pg-")
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap()
            .keep();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .unwrap()
            .port();
        let mut command = Command::new("sh");
        command
            .args(["-c", KEEPER, "keeper"])
            .arg(&folder)
            .arg(port.to_string())
            .arg(make)
            .current_dir(&folder)
            .env("PATH", format!("{PROGRAMS}:/usr/bin:/bin"))
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        match user() {
            None => command.arg("env"),
            Some((user, group)) => {
                chown(&folder, Some(user), Some(group)).unwrap();
                command.args(["setpriv", "--clear-groups"]);
                command.arg(format!("--reuid={user}"));
                command.arg(format!("--regid={group}"))
            }
        };
        let mut child = command.spawn().unwrap();
        let keeper = child.stdin.take().unwrap();
        let mut said = [0; 8];
        let mut output = child.stdout.take().unwrap();
        if output.read_exact(&mut said).is_err() || &said != b"started\n" {
            let mut rest = String::from_utf8_lossy(&said).into_owned();
            let _ = output.read_to_string(&mut rest);
            panic!("PostgreSQL does not start: {rest}");
        }
        // Nobody waits for it: it outlives this process by a moment.
        drop(child);
        let cluster = Self {
            folder,
            port,
            databases: AtomicU32::new(0),
            _keeper: keeper,
        };
        let until = Instant::now() + Duration::from_secs(30);
        while cluster.psql("postgres", "SELECT 1").is_err() {
            assert!(
                Instant::now() < until,
                "PostgreSQL does not answer: {}",
                cluster.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        cluster
    }

    /// Serves TLS with this certificate and key (PEM), beside plain connections.
    pub(crate) fn serve_tls(&self, certificate: &str, key: &str) {
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = self.folder.join("data").join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            if let Some((user, group)) = user() {
                chown(&path, Some(user), Some(group)).unwrap();
            }
        }
        self.psql("postgres", "ALTER SYSTEM SET ssl = on").unwrap();
        self.psql("postgres", "SELECT pg_reload_conf()").unwrap();
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Makes a new database; answers its name.
    pub(crate) fn new_database(&self) -> String {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name}"))
            .unwrap();
        name
    }

    /// How a database is reached: over the Unix socket.
    pub(crate) fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgresql://gridhelm@{folder}:{}/{database}", self.port)
    }

    /// How a database is reached over TCP.
    pub(crate) fn tcp_url(&self, database: &str) -> String {
        format!("postgresql://gridhelm@127.0.0.1:{}/{database}", self.port)
    }

    /// Its port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL by `psql`; answers what it printed.
    pub(crate) fn psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut command = self.psql_command(database);
        let output = command.args(["-c", sql]).output().unwrap();
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn psql_command(&self, database: &str) -> Command {
        let mut command = Command::new(Path::new(PROGRAMS).join("psql"));
        command
            .args(["-X", "-q", "-A", "-t", "-U", "gridhelm", "-d", database])
            .arg("-h")
            .arg(&self.folder)
            .arg("-p")
            .arg(self.port.to_string());
        command
    }

    /// A session that stays open, under this application name.
    pub(crate) fn stranger(&self, database: &str, name: &str) -> Stranger {
        let mut child = self
            .psql_command(database)
            .env("PGAPPNAME", name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Stranger {
            input: child.stdin.take(),
            child,
        }
    }
}

/// A session of another program.
pub(crate) struct Stranger {
    input: Option<ChildStdin>,
    child: std::process::Child,
}

impl Stranger {
    /// Runs SQL and waits until it is done.
    pub(crate) fn run(&mut self, sql: &str) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{sql};\n\\echo done").unwrap();
        let mut line = Vec::new();
        let output = self.child.stdout.as_mut().unwrap();
        while !line.ends_with(b"done\n") {
            let mut byte = [0];
            assert_eq!(output.read(&mut byte).unwrap(), 1, "psql ended");
            line.push(byte[0]);
        }
    }

    /// Runs SQL to the session's end; answers whatever was said.
    pub(crate) fn end(mut self, sql: &str) -> String {
        if let Some(mut input) = self.input.take() {
            let _ = writeln!(input, "{sql};");
        }
        let mut said = String::new();
        let _ = self.child.stdout.take().unwrap().read_to_string(&mut said);
        let _ = self.child.stderr.take().unwrap().read_to_string(&mut said);
        self.child.wait().unwrap();
        said
    }
}

/// The user and group that PostgreSQL runs as when this is root: it refuses to run as that.
fn user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let of = |name: &str| {
        users.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            let ids = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
            (fields[0] == name).then_some(ids)
        })
    };
    of("postgres").or_else(|| of("nobody"))
}
