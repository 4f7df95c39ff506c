//! The tree of hashes over the repository, kept up by each write in its own transaction.
//!
//! A trigger counts every write to files, whoever makes it; the root's row says how many of them are in the sums. Where the two
//! differ (a restored backup, a server of an older schema that wrote meanwhile), the sums are made anew from the files: for good by the
//! next write where they are few, else in steps ([`mend`]); by a read for its own answer.

use super::mend;
use super::tx::{Done, Tx, corrupt, signed, unsigned};
use super::value::{Row, ToValue as _, Value, params};
use gridhelm_api::changeset::{Branch, Tree};
use gridhelm_api::repository::FileId;
use gridhelm_replicate::{File, Sum};
use std::collections::BTreeMap;

/// A file's state as far as it is in the sums.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) sha256: String,
    pub(super) size: u64,
    pub(super) info: String,
}

/// What a write did to a file: what it was, and what it is.
pub(super) struct Step<'a> {
    pub(super) id: &'a FileId,
    pub(super) before: Option<State>,
    pub(super) after: Option<State>,
}

/// An author's and a directory's name; both empty at the root, the directory empty for an author.
pub(super) type Key = (String, String);

/// A row: how many files, bytes, and the sum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) files: i64,
    pub(super) bytes: i64,
    pub(super) sum: Sum,
}

impl Node {
    fn put(&mut self, id: &FileId, state: &State) {
        self.files += 1;
        self.bytes += signed(state.size);
        self.sum.add(&File::new(id, &state.sha256, &state.info));
    }

    fn take(&mut self, id: &FileId, state: &State) {
        self.files -= 1;
        self.bytes -= signed(state.size);
        self.sum.remove(&File::new(id, &state.sha256, &state.info));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.sum.merge(&other.sum);
    }
}

/// Rows of authors and directories.
const COLUMNS: &str = "SELECT author, directory, files, bytes, sum, 0, 0 FROM tree";
/// The root's row, with how many writes are in the sums and how many there were: one statement a write fewer than asking for that alone.
const ROOT: &str = "SELECT author, directory, files, bytes, sum, counted, (SELECT writes FROM tree_writes) FROM tree
     WHERE author = '' AND directory = ''";

/// Rows as they are kept, how many writes to files there were, and whether all of them but so many, just made, are in the rows.
struct Kept {
    nodes: BTreeMap<Key, Node>,
    writes: i64,
    true_but: i64,
}

fn kept(tx: Tx<'_>, sql: &str, values: &[Value<'_>]) -> Done<Kept> {
    let mut nodes = BTreeMap::new();
    let mut root = None;
    tx.0.query(sql, values, &mut |r| {
        let (key, node) = node(r)?;
        if key.0.is_empty() {
            root = Some((r.get::<i64>(5)?, r.get::<i64>(6)?));
        }
        nodes.insert(key, node);
        Ok(true)
    })?;
    let (counted, writes) = match root {
        Some(root) => root,
        None => (0, writes(tx)?),
    };
    Ok(Kept {
        nodes,
        writes,
        true_but: writes - counted,
    })
}

/// How many writes to files there were, whoever made them.
pub(super) fn writes(tx: Tx<'_>) -> Done<i64> {
    let writes: Option<i64> = tx.value("SELECT writes FROM tree_writes", params![])?;
    Ok(writes.unwrap_or_default())
}

/// Whether the sums are those of the files.
pub(super) fn is_true(tx: Tx<'_>) -> Done<bool> {
    Ok(kept(tx, ROOT, params![])?.true_but == 0)
}

/// A row of author, directory, files, bytes, sum.
pub(super) fn node(r: &Row<'_>) -> Done<(Key, Node)> {
    let sum = r.get::<Vec<u8>>(4)?;
    let node = Node {
        files: r.get(2)?,
        bytes: r.get(3)?,
        sum: Sum::from_bytes(&sum)
            .ok_or_else(|| corrupt("the tree", "a sum has another length"))?,
    };
    Ok(((r.get(0)?, r.get(1)?), node))
}

/// For the figure of what the tree costs: with it, writes leave the tree as it is.
#[cfg(test)]
pub(in crate::store) static LEFT_ALONE: std::sync::atomic::AtomicBool =
    std::sync::atomic::AtomicBool::new(false);

/// A single write was made: its sums follow. Answers nothing; the root is read by [`root`].
pub(super) fn keep_up(tx: Tx<'_>, step: &Step<'_>) -> Done<()> {
    #[cfg(test)]
    if LEFT_ALONE.load(std::sync::atomic::Ordering::Relaxed) {
        return Ok(());
    }
    let sql = format!(
        "{COLUMNS} WHERE author = ?1 AND directory = ?2 UNION ALL {COLUMNS} WHERE author = ?1 AND directory = ''
         UNION ALL {ROOT}"
    );
    let found = kept(tx, &sql, params![step.id.author, step.id.directory])?;
    follow(tx, found, std::slice::from_ref(step), 1)
}

/// A changeset was applied: it wrote so many rows of files.
pub(super) fn keep_up_all(
    tx: Tx<'_>,
    changeset: &str,
    steps: &[Step<'_>],
    written: usize,
) -> Done<()> {
    let sql = "SELECT t.author, t.directory, t.files, t.bytes, t.sum, t.counted, (SELECT writes FROM tree_writes) FROM tree t
         JOIN (SELECT DISTINCT author, directory FROM operations WHERE changeset = ?1
               UNION SELECT DISTINCT author, '' FROM operations WHERE changeset = ?1 UNION SELECT '', '') o
         ON t.author = o.author AND t.directory = o.directory";
    let found = kept(tx, sql, params![changeset])?;
    let written = i64::try_from(written).unwrap_or(i64::MAX);
    follow(tx, found, steps, written)
}

fn follow(tx: Tx<'_>, found: Kept, steps: &[Step<'_>], written: i64) -> Done<()> {
    if found.true_but != written {
        return mend::noticed(tx, steps, written);
    }
    let mut nodes = changes(steps.iter());
    let mut kept = found.nodes;
    nodes.entry(Key::default()).or_default();
    for (key, node) in &mut nodes {
        if let Some(was) = kept.remove(key) {
            node.merge(&was);
        }
    }
    if nodes.len() == 3 {
        return save_three(tx, &nodes, found.writes);
    }
    save(tx, &nodes)
}

/// What changes in each directory; the sums of the branches above get the same.
pub(super) fn changes<'s, 'i: 's>(
    steps: impl Iterator<Item = &'s Step<'i>>,
) -> BTreeMap<Key, Node> {
    let mut changes: BTreeMap<(&str, &str), Node> = BTreeMap::new();
    for step in steps {
        let change = changes
            .entry((&step.id.author, &step.id.directory))
            .or_default();
        if let Some(before) = &step.before {
            change.take(step.id, before);
        }
        if let Some(after) = &step.after {
            change.put(step.id, after);
        }
    }
    let mut nodes: BTreeMap<Key, Node> = BTreeMap::new();
    for ((author, directory), change) in changes {
        for key in [(author, directory), (author, ""), ("", "")] {
            let key = (key.0.to_owned(), key.1.to_owned());
            nodes.entry(key).or_default().merge(&change);
        }
    }
    nodes
}

/// Runs a statement for each node: author, directory, files, bytes, sum.
pub(super) fn each(tx: Tx<'_>, sql: &str, nodes: &BTreeMap<Key, Node>) -> Done<()> {
    let sums: Vec<Vec<u8>> = nodes.values().map(|node| node.sum.to_bytes()).collect();
    let rows: Vec<_> = nodes
        .iter()
        .zip(&sums)
        .map(|((key, node), sum)| row(key, node, sum).into())
        .collect();
    tx.execute_each(sql, &rows)?;
    Ok(())
}

/// Author, directory, files, bytes, sum.
fn row<'a>((author, directory): &'a Key, node: &Node, sum: &'a Vec<u8>) -> [Value<'a>; 5] {
    [
        author.value(),
        directory.value(),
        Value::Integer(node.files),
        Value::Integer(node.bytes),
        sum.value(),
    ]
}

fn save(tx: Tx<'_>, nodes: &BTreeMap<Key, Node>) -> Done<()> {
    each(
        tx,
        "INSERT INTO tree (author, directory, files, bytes, sum, counted)
         VALUES (?1, ?2, ?3, ?4, ?5, (SELECT writes FROM tree_writes))
         ON CONFLICT (author, directory) DO UPDATE SET files = ?3, bytes = ?4, sum = ?5, counted = excluded.counted",
        nodes,
    )
}

/// As [`save`], for the three rows that a write to one directory changes, in one statement; so many writes are in them.
fn save_three(tx: Tx<'_>, nodes: &BTreeMap<Key, Node>, writes: i64) -> Done<()> {
    let sums: Vec<Vec<u8>> = nodes.values().map(|node| node.sum.to_bytes()).collect();
    let rows = nodes.iter().zip(&sums);
    let mut values: Vec<Value<'_>> = rows
        .flat_map(|((key, node), sum)| row(key, node, sum))
        .collect();
    values.push(Value::Integer(writes));
    tx.execute(
        "INSERT INTO tree (author, directory, files, bytes, sum, counted)
         VALUES (?1, ?2, ?3, ?4, ?5, ?16), (?6, ?7, ?8, ?9, ?10, ?16), (?11, ?12, ?13, ?14, ?15, ?16)
         ON CONFLICT (author, directory) DO UPDATE SET files = excluded.files, bytes = excluded.bytes, sum = excluded.sum,
                counted = excluded.counted",
        &values,
    )?;
    Ok(())
}

/// Makes all sums anew from the files, at once.
pub(super) fn rebuild(tx: Tx<'_>) -> Done<()> {
    tx.execute("DELETE FROM tree", params![])?;
    save(tx, &computed(tx)?)
}

/// All sums, from the files.
fn computed(tx: Tx<'_>) -> Done<BTreeMap<Key, Node>> {
    let mut nodes: BTreeMap<Key, Node> = BTreeMap::new();
    nodes.insert(Key::default(), Node::default());
    tx.0.query(
        "SELECT author, directory, name, sha256, size, info FROM files WHERE deleted = FALSE",
        params![],
        &mut |r| {
            let id = FileId::new(
                r.get::<String>(0)?,
                r.get::<String>(1)?,
                r.get::<String>(2)?,
            );
            let state = State {
                sha256: r.get(3)?,
                size: unsigned("a file", r.get(4)?)?,
                info: r.get(5)?,
            };
            let key = (id.author.clone(), id.directory.clone());
            nodes.entry(key).or_default().put(&id, &state);
            Ok(true)
        },
    )?;
    let directories: Vec<(String, Node)> = nodes
        .iter()
        .filter(|((author, _), _)| !author.is_empty())
        .map(|((author, _), node)| (author.clone(), node.clone()))
        .collect();
    for (author, directory) in directories {
        let of_author = nodes.entry((author, String::new())).or_default();
        of_author.merge(&directory);
        nodes.entry(Key::default()).or_default().merge(&directory);
    }
    Ok(nodes)
}

/// The root with its authors, or an author with its directories.
pub(super) fn read(tx: Tx<'_>, group: &str, author: Option<&str>) -> Done<Tree> {
    let found = if let Some(author) = author {
        let sql = format!("{COLUMNS} WHERE author = ?1 AND directory <> '' UNION ALL {ROOT}");
        kept(tx, &sql, params![author])?
    } else {
        let sql = format!("{COLUMNS} WHERE author <> '' AND directory = '' UNION ALL {ROOT}");
        kept(tx, &sql, params![])?
    };
    let nodes = if found.true_but == 0 {
        found.nodes
    } else {
        computed(tx)?
    };
    let root = nodes.get(&Key::default()).cloned().unwrap_or_default();
    let branches = nodes
        .into_iter()
        .filter(|((of, directory), node)| {
            let wanted = match author {
                Some(author) => of == author && !directory.is_empty(),
                None => !of.is_empty() && directory.is_empty(),
            };
            wanted && node.files > 0
        })
        .map(|((of, directory), node)| {
            Ok(Branch {
                name: if author.is_some() { directory } else { of },
                hash: node.sum.digest(),
                files: unsigned("the tree", node.files)?,
                bytes: unsigned("the tree", node.bytes)?,
            })
        })
        .collect::<Done<Vec<_>>>()?;
    Ok(Tree {
        group: group.to_owned(),
        epoch: tx.epoch()?,
        root: root.sum.digest(),
        files: unsigned("the tree", root.files)?,
        bytes: unsigned("the tree", root.bytes)?,
        branches,
    })
}

/// The root's hash where it is kept; none while the tree is made anew.
pub(super) fn kept_root(tx: Tx<'_>) -> Done<Option<String>> {
    let found = kept(tx, ROOT, params![])?;
    let root = found.nodes.get(&Key::default());
    Ok(root
        .filter(|_| found.true_but == 0)
        .map(|root| root.sum.digest()))
}

/// How many files there are.
pub(super) fn count(tx: Tx<'_>) -> Done<u64> {
    let found = kept(tx, ROOT, params![])?;
    let files = match found.nodes.get(&Key::default()) {
        Some(root) if found.true_but == 0 => Some(root.files),
        _ => tx.value(
            "SELECT count(*) FROM files WHERE deleted = FALSE",
            params![],
        )?,
    };
    unsigned("the tree", files.unwrap_or_default())
}

/// The root's hash, and how many files there are.
pub(super) fn root(tx: Tx<'_>) -> Done<(String, u64)> {
    let found = kept(tx, ROOT, params![])?;
    let mut nodes = if found.true_but == 0 {
        found.nodes
    } else {
        computed(tx)?
    };
    let root = nodes.remove(&Key::default()).unwrap_or_default();
    Ok((root.sum.digest(), unsigned("the tree", root.files)?))
}
