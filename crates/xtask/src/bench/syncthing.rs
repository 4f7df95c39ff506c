//! Syncthing beside ours: one instance that has the files, and one for each target, on this machine alone.
//!
//! What is timed is from the moment that a target's folder may sync, with both instances connected, or from the scan of a change, until
//! the instance with the files knows that the target has all of them.

use super::replicate::{Served, there_is};
use crate::harness::{HarnessError, Result, ports};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The key of each instance's own interface, which is on the loopback.
const KEY: &str = "bench";
/// How long a copy, or a connection, may take.
const PATIENCE: Duration = Duration::from_mins(5);
const TICK: Duration = Duration::from_millis(20);

/// One instance, started or not yet.
struct Instance {
    home: PathBuf,
    folder: PathBuf,
    id: String,
    /// Where it listens for others, and where for us.
    ports: [u16; 2],
}

/// All instances; those that run end with this.
pub(super) struct Syncthing {
    source: Instance,
    targets: Vec<Instance>,
    _served: Vec<Served>,
}

impl Instance {
    fn new(home: PathBuf, folder: PathBuf) -> Result<Self> {
        let asked = |words: &[&str]| -> Result<String> {
            let mut command = Command::new("syncthing");
            let output = command.args(words).arg("--home").arg(&home).output()?;
            if output.status.success() {
                return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(HarnessError(format!("syncthing: {said}")))
        };
        asked(&["generate", "--no-default-folder"])?;
        let id = asked(&["--device-id"])?;
        Ok(Self {
            home,
            folder,
            id,
            ports: [ports::one()?, ports::one()?],
        })
    }

    /// Its configuration: these instances and the one folder, and nobody else in the world.
    fn configure(&self, all: &[&Self], paused: bool) -> Result<()> {
        let devices: String = all
            .iter()
            .map(|other| {
                format!(
                    "<device id=\"{}\" compression=\"metadata\"><address>tcp://127.0.0.1:{}</address></device>\n",
                    other.id, other.ports[0]
                )
            })
            .collect();
        let shared: String = all
            .iter()
            .map(|other| format!("<device id=\"{}\"></device>", other.id))
            .collect();
        let text = format!(
            "<configuration version=\"36\">
<folder id=\"files\" path=\"{folder}\" type=\"sendreceive\" rescanIntervalS=\"0\" fsWatcherEnabled=\"false\">{shared}<paused>{paused}</paused></folder>
{devices}<gui enabled=\"true\" tls=\"false\"><address>127.0.0.1:{gui}</address><apikey>{KEY}</apikey></gui>
<options><listenAddress>tcp://127.0.0.1:{port}</listenAddress><globalAnnounceEnabled>false</globalAnnounceEnabled>
<localAnnounceEnabled>false</localAnnounceEnabled><relaysEnabled>false</relaysEnabled><natEnabled>false</natEnabled>
<startBrowser>false</startBrowser><urAccepted>-1</urAccepted><autoUpgradeIntervalH>0</autoUpgradeIntervalH>
<reconnectionIntervalS>5</reconnectionIntervalS><crashReportingEnabled>false</crashReportingEnabled></options>
</configuration>\n",
            folder = self.folder.display(),
            gui = self.ports[1],
            port = self.ports[0],
        );
        Ok(std::fs::write(self.home.join("config.xml"), text)?)
    }

    fn serve(&self) -> Result<Served> {
        std::fs::create_dir_all(&self.folder)?;
        let mut command = Command::new("syncthing");
        command
            // Without the process that would watch this one, and outlive us.
            .env("STMONITORED", "yes")
            .args(["serve", "--no-browser", "--no-restart", "--no-upgrade"])
            .arg("--home")
            .arg(&self.home);
        Served::start(&mut command, self.ports[1])
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/rest/{path}", self.ports[1])
    }

    fn get(&self, path: &str) -> Result<Value> {
        let call = ureq::get(self.url(path)).header("X-API-Key", KEY).call();
        let text = call
            .map_err(HarnessError::new)?
            .into_body()
            .read_to_string();
        Ok(serde_json::from_str(&text.map_err(HarnessError::new)?)?)
    }

    fn until(&self, path: &str, what: &str, done: impl Fn(&Value) -> bool) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut last = String::new();
        while Instant::now() < end {
            match self.get(path) {
                Ok(answer) if done(&answer) => return Ok(()),
                Ok(answer) => last = answer.to_string(),
                // It has just started.
                Err(error) => last = error.to_string(),
            }
            std::thread::sleep(TICK);
        }
        Err(HarnessError(format!("syncthing: {what}: {last}")))
    }

    /// Reads its folder anew; comes back when that is done.
    fn scan(&self) -> Result<()> {
        let call = ureq::post(self.url("db/scan?folder=files")).header("X-API-Key", KEY);
        call.send_empty().map_err(HarnessError::new)?;
        Ok(())
    }
}

impl Syncthing {
    /// Starts all, with the files read in; `None` where it is not installed.
    pub(super) fn start(folder: &Path, files: &Path, targets: usize) -> Result<Option<Self>> {
        if !there_is("syncthing") {
            return Ok(None);
        }
        let home = |name: &str| folder.join("syncthing").join(name);
        let source = Instance::new(home("source"), files.to_path_buf())?;
        let mut others = Vec::new();
        for n in 0..targets {
            let to = folder.join(format!("peer_syncthing-{n}"));
            others.push(Instance::new(home(&n.to_string()), to)?);
        }
        let all: Vec<_> = std::iter::once(&source).chain(&others).collect();
        source.configure(&all, false)?;
        let mut served = vec![source.serve()?];
        for target in &others {
            // Not with each other: the second copy must come from the source, too.
            target.configure(&[&source, target], true)?;
            served.push(target.serve()?);
        }
        let idle = |status: &Value| status["state"] == "idle" && status["globalFiles"] != 0;
        source.until("db/status?folder=files", "the first scan", idle)?;
        for target in &others {
            let connected = |all: &Value| all["connections"][&target.id]["connected"] == true;
            source.until("system/connections", "a connection", connected)?;
        }
        Ok(Some(Self {
            source,
            targets: others,
            _served: served,
        }))
    }

    /// Makes the `n`-th target's folder as the source's.
    pub(super) fn copy(&self, n: usize) -> Result<()> {
        let target = self.targets.get(n);
        let target = target.ok_or_else(|| HarnessError::new("no such target"))?;
        let path = "config/folders/files";
        if target.get(path)?["paused"] == true {
            let call = ureq::patch(target.url(path)).header("X-API-Key", KEY);
            call.send(r#"{"paused":false}"#)
                .map_err(HarnessError::new)?;
        } else {
            self.source.scan()?;
        }
        let path = format!("db/completion?folder=files&device={}", target.id);
        self.source.until(&path, "a copy", |now| {
            // Before the target has told what it has, it counts as complete.
            now["sequence"] != 0
                && now["needItems"] == 0
                && now["needDeletes"] == 0
                && now["globalItems"] != 0
        })
    }
}
