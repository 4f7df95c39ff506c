//! Comparing groups page by page, against servers on loopback that hold files in memory.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use gridhelm_api::changeset::{Branch, Listings, ListingsRequest, Manifest, ManifestEntry, Tree};
use gridhelm_api::repository::FileId;
use gridhelm_client::Client;
use gridhelm_client::replication::{read_groups, read_pair};
use gridhelm_replicate::{Matrix, Sum, compare, content_hash, matrix, root};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Files of a directory, and directories: more files than two pages hold.
const FILES: usize = 500;
const DIRECTORIES: usize = 30;

/// A group: what it has, and what it was asked for.
struct Group {
    name: &'static str,
    files: BTreeMap<FileId, String>,
    /// How many files each answer had.
    answers: Vec<usize>,
    /// After so many answers this happens to it.
    then: Option<(usize, Then)>,
}

/// What happens to a group while it is read.
#[derive(Clone, Copy)]
enum Then {
    /// Somebody writes a file of this directory.
    Writes(&'static str),
    /// A file of this directory is not told any more, though the hashes stand as before.
    Hides(&'static str),
}

type Shared = Arc<Mutex<Group>>;

impl Group {
    fn entries(&self, wanted: impl Fn(&FileId) -> bool) -> Vec<ManifestEntry> {
        let some = self.files.iter().filter(|(id, _)| wanted(id));
        some.map(|(id, content)| ManifestEntry {
            id: id.clone(),
            sha256: content_hash(content.as_bytes()),
            size: content.len() as u64,
            version: 1,
            written_at: 0,
            written_by: "ann".to_owned(),
            earlier: Vec::new(),
            info: None,
            base: None,
        })
        .collect()
    }

    fn manifest(&self) -> Arc<Manifest> {
        let entries = self.entries(|_| true);
        Arc::new(Manifest {
            group: self.name.to_owned(),
            epoch: 1,
            root: root(&entries),
            entries,
            gone: Vec::new(),
        })
    }

    fn tree(&self, author: Option<&str>) -> Tree {
        let all = self.entries(|_| true);
        let mut sums: BTreeMap<&str, (Sum, u64)> = BTreeMap::new();
        for entry in &all {
            let name = match author {
                None => &entry.id.author,
                Some(_) => &entry.id.directory,
            };
            if author.is_none_or(|author| author == entry.id.author) {
                let (sum, files) = sums.entry(name).or_default();
                sum.add_entry(entry);
                *files += 1;
            }
        }
        let branches = sums.into_iter().map(|(name, (sum, files))| Branch {
            name: name.to_owned(),
            hash: sum.digest(),
            files,
            bytes: 0,
        });
        Tree {
            group: self.name.to_owned(),
            epoch: 1,
            root: root(&all),
            files: all.len() as u64,
            bytes: 0,
            branches: branches.collect(),
        }
    }

    fn listings(&mut self, request: &ListingsRequest) -> Listings {
        let mut hidden = "";
        if let Some((after, then)) = self.then
            && self.answers.len() >= after
        {
            match then {
                Then::Writes(directory) => {
                    self.then = None;
                    let id = FileId::new("ann", directory, "new.R");
                    self.files.insert(id, "new".to_owned());
                }
                Then::Hides(directory) => hidden = directory,
            }
        }
        let asked = |id: &FileId| {
            let place = (id.author.clone(), id.directory.clone());
            request.directories.contains(&place)
        };
        let mut entries = self.entries(asked);
        if let Some(at) = entries.iter().position(|e| e.id.directory == hidden) {
            entries.remove(at);
        }
        self.answers.push(entries.len());
        Listings {
            root: self.manifest().root.clone(),
            entries,
            gone: Vec::new(),
        }
    }

    fn answer(&mut self, head: &str, body: &str) -> String {
        let path = head.split(' ').nth(1).unwrap();
        if path.ends_with("/repository/listings") {
            let request = serde_json::from_str(body).unwrap();
            return serde_json::to_string(&self.listings(&request)).unwrap();
        }
        assert!(path.contains("/repository/tree"), "{path}");
        let author = path.split_once("author=").map(|(_, author)| author);
        serde_json::to_string(&self.tree(author)).unwrap()
    }
}

async fn serve(group: Group) -> (Client, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let group = Arc::new(Mutex::new(group));
    let shared = Arc::clone(&group);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, Arc::clone(&group)));
        }
    });
    (Client::new(base), shared)
}

async fn answer(mut stream: TcpStream, group: Shared) {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 8_192];
        let length = stream.read(&mut piece).await.unwrap();
        bytes.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert!(length > 0);
            continue;
        };
        let announced = head.lines().find_map(|line| {
            let line = line.to_ascii_lowercase();
            line.strip_prefix("content-length: ")?.parse().ok()
        });
        if body.len() < announced.unwrap_or(0) {
            continue;
        }
        let body = group.lock().unwrap().answer(head, body);
        let length = body.len();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        return;
    }
}

/// Three groups; a file of each directory but the last two is different somewhere.
async fn groups() -> Vec<(Client, Shared)> {
    let mut all = Vec::new();
    for (n, name) in ["east", "west", "south"].into_iter().enumerate() {
        let mut files = BTreeMap::new();
        for directory in 0..DIRECTORIES {
            for file in 0..FILES {
                let other = file == 7 && directory % 2 + 1 == n && directory < DIRECTORIES - 2;
                let content = if other { name } else { "same" };
                let id = FileId::new("ann", format!("d-{directory:02}"), format!("{file:03}.R"));
                files.insert(id, content.to_owned());
            }
        }
        all.push(
            serve(Group {
                name,
                files,
                answers: Vec::new(),
                then: None,
            })
            .await,
        );
    }
    all
}

async fn compared(groups: &[(Client, Shared)]) -> gridhelm_client::Result<(Matrix, u64)> {
    let clients: Vec<Client> = groups.iter().map(|(client, _)| client.clone()).collect();
    read_groups(&clients, |so_far: &mut Matrix, page| {
        so_far.join(matrix(&page, 0))
    })
    .await
}

/// All groups as they are now, compared at once.
fn at_once(groups: &[(Client, Shared)]) -> Matrix {
    let all: Vec<_> = groups
        .iter()
        .map(|(_, g)| g.lock().unwrap().manifest())
        .collect();
    matrix(&all, 0)
}

/// How many files each answer of a group had, and forgets it.
fn answers(group: &(Client, Shared)) -> Vec<usize> {
    std::mem::take(&mut group.1.lock().unwrap().answers)
}

#[tokio::test]
async fn groups_are_compared_in_pages_of_what_differs() {
    let groups = groups().await;
    let (found, same) = compared(&groups).await.unwrap();
    let whole = at_once(&groups);
    assert_eq!(found.rows, whole.rows);
    assert_eq!(found.rows.len(), DIRECTORIES - 2);
    assert_eq!(
        same,
        2 * FILES as u64,
        "the last two directories are the same and not read"
    );
    assert_eq!(found.same as u64 + same, whole.same as u64);
    for group in &groups {
        assert_eq!(answers(group), [5_000, 5_000, 4_000]);
    }
    let pair = read_pair(&groups[0].0, &groups[1].0, &[], false)
        .await
        .unwrap();
    assert_eq!(
        (pair.requests, answers(&groups[0])),
        (4, vec![5_000, 2_000])
    );
    let found = compare(pair.source, pair.target).counts();
    assert_eq!((found.differs, found.unequal()), (14, 14));
    assert_eq!(
        found.same as u64 + pair.same,
        (DIRECTORIES * FILES - 14) as u64
    );
}

#[tokio::test]
async fn a_write_elsewhere_is_no_reason_to_begin_again_and_one_in_what_is_read_is() {
    let groups = groups().await;
    let at = |then| groups[2].1.lock().unwrap().then = Some((1, then));
    at(Then::Writes("d-00"));
    let (found, _) = compared(&groups).await.unwrap();
    assert_eq!(
        found.rows.len(),
        DIRECTORIES - 2,
        "as it was when the tree was read"
    );
    assert_eq!(answers(&groups[2]), [5_000, 5_000, 4_000]);
    at(Then::Writes("d-20"));
    let (found, _) = compared(&groups).await.unwrap();
    assert_eq!(found.rows, at_once(&groups).rows, "as it is now");
    assert_eq!(found.rows.len(), DIRECTORIES, "two new files");
    // The third answer did not fit. With the file that is new, the first page holds a directory less.
    assert_eq!(
        answers(&groups[2]),
        [4_501, 5_000, 4_501, 4_501, 5_000, 4_501]
    );
}

#[tokio::test]
async fn a_side_that_hides_a_file_does_not_pass_for_equal() {
    let groups = groups().await;
    groups[1].1.lock().unwrap().then = Some((1, Then::Hides("d-15")));
    let error = compared(&groups).await.unwrap_err().to_string();
    assert!(
        error.contains("the hash of ann/d-15 is not that of its files"),
        "{error}"
    );
}
