//! The deployment's folder: what lies where, who may read it, and the lock that keeps two runs apart.

use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::plan::{Database, Plan};
use crate::error::Error;
use crate::process::TICK;
use crate::stop::Stop;

/// How long a run waits for the run before it to finish cleaning up.
const LOCK_PATIENCE: Duration = Duration::from_secs(12);

/// The deployment's folder, locked. The lock ends with this value and the guard's copy of it.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    nodes: PathBuf,
    nodes_are_elsewhere: bool,
    lock: File,
}

/// What a folder remembers of the run that made it.
#[derive(Serialize, Deserialize)]
struct Layout {
    ports_from: u16,
    #[serde(default)]
    database: Database,
}

impl Folder {
    /// Makes the folder if needed and locks it. `for_others`: another user must reach the nodes' part.
    pub fn open(dir: &Path, for_others: bool, stop: &Stop) -> Result<Self, Error> {
        std::fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
        let root = dir.canonicalize().map_err(Error::file("find", dir))?;
        if root
            .to_str()
            .is_none_or(|text| text.contains(['\n', '"', '\\']))
        {
            let what = "cannot hold a deployment: its path has a line break, a quote or a backslash, or is not UTF-8; choose another `--dir`";
            return Err(Error::Content {
                path: root,
                what: what.into(),
            });
        }
        let lock = lock(&root, stop)?;
        let elsewhere = for_others && !others_reach(&root);
        let nodes = if elsewhere {
            elsewhere_for(&root)
        } else {
            root.join("nodes")
        };
        let folder = Self {
            root,
            nodes,
            nodes_are_elsewhere: elsewhere,
            lock,
        };
        for name in ["groups", "servers", "logs", "haproxy"] {
            private_folder(&folder.root.join(name))?;
        }
        open_folder(&folder.nodes)?;
        Ok(folder)
    }

    /// The folder itself, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A file or folder in it.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(name)
    }

    /// Where the log of a process goes.
    pub fn log(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{name}.log"))
    }

    /// The folder of all nodes. Under `/tmp` when another user could not reach it here.
    pub fn nodes(&self) -> &Path {
        &self.nodes
    }

    /// The nodes' folder is outside and is to be removed at the end.
    pub fn nodes_are_elsewhere(&self) -> bool {
        self.nodes_are_elsewhere
    }

    /// A second handle of the lock, for the guard: the lock lasts until both are closed.
    pub fn lock_twin(&self) -> Result<File, Error> {
        self.lock
            .try_clone()
            .map_err(Error::file("open", self.root.join("lock")))
    }

    /// Checks that the folder's databases were made for these ports and are of this kind, and remembers them when it is new.
    pub fn claim_ports(&self, plan: &Plan) -> Result<(), Error> {
        let path = self.path("layout.json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            let text = serde_json::json!(Layout {
                ports_from: plan.ports_from,
                database: plan.database()
            })
            .to_string();
            return std::fs::write(&path, text).map_err(Error::file("write", &path));
        };
        let stored: Layout = serde_json::from_str(&text).map_err(|error| Error::Content {
            path: path.clone(),
            what: format!("cannot be read ({error}): remove the folder, its data with it, or choose another `--dir`"),
        })?;
        if stored.database != plan.database() {
            let what = format!(
                "was made with `--database {}`: give that again, or choose another `--dir`",
                stored.database.word()
            );
            return Err(Error::Content {
                path: self.root.clone(),
                what,
            });
        }
        if stored.ports_from == plan.ports_from {
            return Ok(());
        }
        Err(Error::OtherPorts {
            dir: self.root.clone(),
            stored: stored.ports_from,
            asked: plan.ports_from,
        })
    }

    /// A password that is made once and kept in a file that only we can read.
    pub fn secret(&self, name: &str) -> Result<String, Error> {
        let path = self.path(name);
        if let Ok(text) = std::fs::read_to_string(&path)
            && text.trim().len() >= 16
        {
            return Ok(text.trim().to_owned());
        }
        let secret = random_word()?;
        write_with_mode(&path, &format!("{secret}\n"), 0o600)?;
        Ok(secret)
    }
}

/// Takes the lock, waiting a little for a run that is just cleaning up.
fn lock(root: &Path, stop: &Stop) -> Result<File, Error> {
    let path = root.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(Error::file("open", &path))?;
    let begun = Instant::now();
    while file.try_lock().is_err() {
        let mut holder = String::new();
        let _ = file.rewind();
        let _ = (&file).take(20).read_to_string(&mut holder);
        let lives = holder
            .trim()
            .parse()
            .ok()
            .and_then(crate::processes::read)
            .is_some_and(|process| process.lives());
        if lives || begun.elapsed() > LOCK_PATIENCE {
            let holder = if holder.trim().is_empty() {
                "unknown".into()
            } else {
                holder.trim().into()
            };
            return Err(Error::InUse {
                dir: root.to_path_buf(),
                holder,
            });
        }
        stop.check()?;
        std::thread::sleep(TICK);
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(Error::file("write", &path))?;
    Ok(file)
}

/// Users other than the owner can walk down to this folder.
fn others_reach(folder: &Path) -> bool {
    folder
        .ancestors()
        .all(|part| std::fs::metadata(part).is_ok_and(|facts| facts.mode() & 0o001 != 0))
}

fn elsewhere_for(root: &Path) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    root.hash(&mut hasher);
    std::env::temp_dir().join(format!("gridhelm-{:016x}-nodes", hasher.finish()))
}

/// Makes a folder for us alone.
pub fn private_folder(path: &Path) -> Result<(), Error> {
    make(path, 0o700)
}

/// Makes a folder that others may walk through, not list. It must be ours: somebody else could have made it first.
pub fn open_folder(path: &Path) -> Result<(), Error> {
    make(path, 0o711)
}

fn make(path: &Path, mode: u32) -> Result<(), Error> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Error::file("create", path)(error)),
    }
    let facts = std::fs::symlink_metadata(path).map_err(Error::file("read", path))?;
    if facts.is_dir() && facts.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(Error::Content {
        path: path.to_path_buf(),
        what: "is in the way: it is not a folder of ours; remove it".into(),
    })
}

/// Writes a file with exactly these rights, whatever was there before.
pub fn write_with_mode(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())
    };
    write().map_err(Error::file("write", path))
}

/// 24 letters and digits from the kernel's random source: 120 bits.
fn random_word() -> Result<String, Error> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 24];
    let source = Path::new("/dev/urandom");
    File::open(source)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(Error::file("read", source))?;
    Ok(bytes
        .iter()
        .filter_map(|byte| LETTERS.get(usize::from(byte % 32)))
        .map(|letter| char::from(*letter))
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn open(dir: &Path) -> Result<Folder, Error> {
        Folder::open(dir, false, &Stop::default())
    }

    fn write_mode(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_second_run_is_told_who_holds_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path()).unwrap();
        let text = open(dir.path()).unwrap_err().to_string();
        assert!(
            text.contains(&format!("pid {}", std::process::id())) && text.contains("--dir"),
            "{text}"
        );
        let twin = first.lock_twin().unwrap();
        drop(first);
        assert!(open(dir.path()).is_err(), "the guard's copy still holds it");
        drop(twin);
        assert!(open(dir.path()).is_ok());
    }

    #[test]
    fn a_lock_whose_holder_died_and_whose_guard_ends_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path()).unwrap();
        // The number of a process that cannot be there: the kernel's highest is 4194304.
        std::fs::write(dir.path().join("lock"), "4194305\n").unwrap();
        let path = dir.path().to_path_buf();
        let second = std::thread::spawn(move || open(&path).map(|_| ()));
        std::thread::sleep(Duration::from_millis(50));
        drop(first);
        second.join().unwrap().unwrap();
    }

    #[test]
    fn ports_stay_those_of_the_first_run() {
        let dir = tempfile::tempdir().unwrap();
        let folder = open(dir.path()).unwrap();
        folder.claim_ports(&Plan::new(8100).unwrap()).unwrap();
        folder.claim_ports(&Plan::new(8100).unwrap()).unwrap();
        let text = folder
            .claim_ports(&Plan::new(9100).unwrap())
            .unwrap_err()
            .to_string();
        assert!(text.contains("--ports-from 8100"), "{text}");
        let other = Plan::new(8100).unwrap().on(Database::Postgres);
        let text = folder.claim_ports(&other).unwrap_err().to_string();
        assert!(text.contains("--database sqlite"), "{text}");
    }

    #[test]
    fn a_secret_is_made_once_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let folder = open(dir.path()).unwrap();
        let secret = folder.secret("admin-password").unwrap();
        assert_eq!(secret.len(), 24);
        assert_eq!(folder.secret("admin-password").unwrap(), secret);
        assert_ne!(folder.secret("node-password").unwrap(), secret);
        let mode = std::fs::metadata(folder.path("admin-password"))
            .unwrap()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn nodes_move_out_of_a_private_home() {
        let dir = tempfile::tempdir().unwrap();
        write_mode(dir.path(), 0o700);
        let folder = Folder::open(dir.path(), true, &Stop::default()).unwrap();
        assert!(folder.nodes_are_elsewhere());
        assert!(others_reach(folder.nodes()));
        std::fs::remove_dir_all(folder.nodes()).unwrap();
        drop(folder);
        assert!(!open(dir.path()).unwrap().nodes_are_elsewhere());
    }

    #[test]
    fn somebody_else_s_file_in_the_way_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nodes");
        std::os::unix::fs::symlink("/tmp", &path).unwrap();
        assert!(open_folder(&path).is_err());
    }
}
