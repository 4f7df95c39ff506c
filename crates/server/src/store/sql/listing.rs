//! What a comparison reads: files with the hashes of their earlier versions, what was taken away, and what replications left.

use super::files::info_of;
use super::tree;
use super::tx::{Done, Tx, unsigned};
use super::value::{Row, ToValue as _, Value, params};

use gridhelm_api::changeset::{Base, Gone, Listings, Manifest, ManifestEntry};
use gridhelm_api::repository::FileId;
use std::collections::HashMap;

/// Hashes of earlier versions in an entry, at most.
const EARLIER: usize = 20;
/// How many versions back they are looked for.
const LOOK_BACK: i64 = 60;

/// Where files are looked for.
#[derive(Clone, Copy)]
enum Scope<'a> {
    Everywhere,
    Directory(&'a str, &'a str),
}

impl<'a> Scope<'a> {
    /// A condition on `f`, and its values, marked from `?2` on.
    fn condition(self) -> &'static str {
        match self {
            Self::Everywhere => "TRUE",
            Self::Directory(..) => "f.author = ?2 AND f.directory = ?3",
        }
    }

    fn values(self, first: Value<'a>) -> Vec<Value<'a>> {
        match self {
            Self::Everywhere => vec![first],
            Self::Directory(author, directory) => vec![first, author.value(), directory.value()],
        }
    }
}

/// A file as it is found, deleted or not.
struct Found {
    entry: ManifestEntry,
    deleted: bool,
}

/// The whole repository in one snapshot; with `with`, also what was taken away and what replications from there left.
pub(super) fn manifest(tx: Tx<'_>, group: &str, with: Option<&str>) -> Done<Manifest> {
    let mut all = Listings::default();
    list(tx, Scope::Everywhere, with, &mut all)?;
    if with.is_none() {
        all.gone.clear();
    }
    Ok(Manifest {
        group: group.to_owned(),
        epoch: tx.epoch()?,
        root: tree::root(tx)?.0,
        entries: all.entries,
        gone: all.gone,
    })
}

/// The files of some directories.
pub(super) fn listings(
    tx: Tx<'_>,
    directories: &[(String, String)],
    with: Option<&str>,
) -> Done<Listings> {
    let mut all = Listings {
        root: tree::root(tx)?.0,
        ..Listings::default()
    };
    let with = with.filter(|group| has_replicated(tx, group).unwrap_or(true));
    let mut wanted: Vec<_> = directories.iter().collect();
    wanted.sort_unstable();
    wanted.dedup();
    for (author, directory) in wanted {
        list(tx, Scope::Directory(author, directory), with, &mut all)?;
    }
    Ok(all)
}

/// Whether anything ever came from that group.
fn has_replicated(tx: Tx<'_>, source: &str) -> Done<bool> {
    let found: Option<bool> = tx.value(
        "SELECT EXISTS (SELECT 1 FROM changesets WHERE source = ?1 AND committed IS NOT NULL)",
        params![source],
    )?;
    Ok(found == Some(true))
}

fn list(tx: Tx<'_>, scope: Scope<'_>, with: Option<&str>, all: &mut Listings) -> Done<()> {
    let mut places = HashMap::new();
    let mut found = Vec::new();
    let sql = format!(
        "SELECT f.author, f.directory, f.name, f.version, f.size, f.sha256, f.written_by, f.written_at, f.info, f.id, f.deleted
         FROM files f WHERE f.version >= ?1 AND {} ORDER BY f.author, f.directory, f.name",
        scope.condition()
    );
    tx.0.query(&sql, &scope.values(Value::Integer(0)), &mut |r| {
        places.insert(r.get::<i64>(9)?, found.len());
        found.push(of_row(r)?);
        Ok(true)
    })?;
    add_earlier(tx, scope, &places, &mut found)?;
    if let Some(with) = with {
        add_bases(tx, scope, with, &places, &mut found)?;
    }
    for Found { entry, deleted } in found {
        if deleted {
            all.gone.push(Gone {
                id: entry.id,
                at: entry.written_at,
                by: entry.written_by,
                earlier: entry.earlier,
                base: entry.base,
            });
        } else {
            all.entries.push(entry);
        }
    }
    Ok(())
}

fn of_row(r: &Row<'_>) -> Done<Found> {
    Ok(Found {
        entry: ManifestEntry {
            id: FileId::new(
                r.get::<String>(0)?,
                r.get::<String>(1)?,
                r.get::<String>(2)?,
            ),
            version: r.get(3)?,
            size: unsigned("a file", r.get(4)?)?,
            sha256: r.get::<Option<String>>(5)?.unwrap_or_default(),
            written_by: r.get(6)?,
            written_at: r.get(7)?,
            info: info_of(&r.get::<String>(8)?)?,
            earlier: Vec::new(),
            base: None,
        },
        deleted: r.get(10)?,
    })
}

/// Adds the hashes of earlier versions, newest first, each once.
fn add_earlier(
    tx: Tx<'_>,
    scope: Scope<'_>,
    places: &HashMap<i64, usize>,
    found: &mut [Found],
) -> Done<()> {
    let sql = format!(
        "SELECT f.id, v.sha256 FROM files f
         JOIN versions v ON v.file = f.id AND v.version < f.version AND v.version >= f.version - ?1
         WHERE f.version > 1 AND v.deleted = FALSE AND {} ORDER BY f.id, v.version DESC",
        scope.condition()
    );
    tx.0.query(&sql, &scope.values(Value::Integer(LOOK_BACK)), &mut |r| {
        let place = places.get(&r.get::<i64>(0)?);
        let Some(Found { entry, .. }) = place.and_then(|i| found.get_mut(*i)) else {
            return Ok(true);
        };
        let sha256: String = r.get(1)?;
        let known = entry.sha256 == sha256 || entry.earlier.contains(&sha256);
        if !known && entry.earlier.len() < EARLIER {
            entry.earlier.push(sha256);
        }
        Ok(true)
    })
}

/// Adds what the last replication from that group left of each file.
fn add_bases(
    tx: Tx<'_>,
    scope: Scope<'_>,
    with: &str,
    places: &HashMap<i64, usize>,
    found: &mut [Found],
) -> Done<()> {
    let sql = format!(
        "SELECT f.id, v.sha256, v.written_at FROM files f
         JOIN versions v ON v.file = f.id AND v.changeset IS NOT NULL JOIN changesets c ON c.id = v.changeset
         WHERE c.source = ?1 AND {} ORDER BY f.id, v.version",
        scope.condition()
    );
    tx.0.query(&sql, &scope.values(with.value()), &mut |r| {
        let place = places.get(&r.get::<i64>(0)?);
        if let Some(found) = place.and_then(|i| found.get_mut(*i)) {
            found.entry.base = Some(Box::new(Base {
                sha256: r.get(1)?,
                at: r.get(2)?,
            }));
        }
        Ok(true)
    })
}
