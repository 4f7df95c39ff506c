//! The packages of a node, read through a session on it.

use crate::reclaim::evaluated;
use crate::value::{Data, Value};
use crate::{Connection, Error};

const PACKAGES: &str = include_str!("../r/packages.R");

/// A package in one of a node's libraries. Texts are at most 1,000 characters long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The library that it is in.
    pub library: String,
    /// `base` or `recommended`; empty for others.
    pub priority: String,
    /// The version of R that it was built with.
    pub built: String,
}

/// What a node has, and whence it would install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    /// The packages, in the order of the libraries.
    pub installed: Vec<Installed>,
    /// Whether there were more than were wanted.
    pub cut: bool,
    /// The repositories that are set, at most 100; R's placeholder for none is left out.
    pub repositories: Vec<String>,
    /// The libraries in the order in which R looks into them, each with whether the node's user may write there.
    pub libraries: Vec<(String, bool)>,
    /// The user that R runs as.
    pub user: String,
}

/// Reads the packages, at most `most`. It looks into every package's folder: some 50 ms for a hundred packages on a local
/// disk.
pub async fn packages(connection: &mut Connection, most: usize) -> Result<Packages, Error> {
    let most = i32::try_from(most).unwrap_or(i32::MAX);
    let call = Data::Language(vec![
        (None, evaluated(PACKAGES)),
        (None, Value::integer(most)),
    ]);
    let answer = connection.eval_call(&call.into(), |_| {}).await?;
    read(&answer).ok_or_else(|| Error::Protocol {
        endpoint: connection.endpoint().to_owned(),
        what: "the node's list of packages has not the expected form".to_owned(),
    })
}

fn read(answer: &Value) -> Option<Packages> {
    let texts = |name: &str| answer.get(name).map(Value::as_texts);
    let names = texts("name")?.into_iter();
    let rest = texts("version")?
        .into_iter()
        .zip(texts("library")?)
        .zip(texts("priority")?)
        .zip(texts("built")?);
    let installed = names
        .zip(rest)
        .map(
            |(name, (((version, library), priority), built))| Installed {
                name,
                version,
                library,
                priority,
                built,
            },
        )
        .collect();
    let writable = texts("writable")?.into_iter().map(|word| word == "TRUE");
    Some(Packages {
        installed,
        cut: answer.get("cut")?.as_bool()?,
        repositories: texts("repos")?,
        libraries: texts("paths")?.into_iter().zip(writable).collect(),
        user: texts("user")?.into_iter().next().unwrap_or_default(),
    })
}
