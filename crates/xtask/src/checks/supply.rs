//! What we build upon: every crate's licence and source, and crates that must not come in, or not twice. Over
//! `cargo metadata`, for the targets that are built; `docs/decisions/046-limits.md` says why no tool is installed for it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Licences under which others may have our programs.
const ALLOWED: [&str; 14] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// One library for TLS, one for cryptography, none of C that the system must bring.
const BANNED: [&str; 6] = [
    "aws-lc-rs",
    "aws-lc-sys",
    "native-tls",
    "openssl",
    "openssl-sys",
    "webpki-roots",
];
/// Two of them would be two runtimes, two stores of keys, or types that do not fit.
const ONCE: [&str; 9] = [
    "axum",
    "hyper",
    "http",
    "reqwest",
    "ring",
    "rustls",
    "serde",
    "tokio",
    "tokio-rustls",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

/// What is wrong, one line each.
fn faults(packages: &[&Package]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut sources: Vec<&str> = Vec::new();
    for package in packages {
        let Package {
            name,
            version,
            license,
            source,
            ..
        } = package;
        let licence = license.as_deref().unwrap_or_default();
        if !allowed(licence) {
            faults.push(format!(
                "{name} {version}: its licence \"{licence}\" is not on the list"
            ));
        }
        if BANNED.contains(&name.as_str()) {
            faults.push(format!("{name} {version} must not come in"));
        }
        if let Some(source) = source.as_deref() {
            if source.starts_with("registry+") {
                sources.push(source);
            } else {
                faults.push(format!(
                    "{name} {version} comes from {source}, not from the registry"
                ));
            }
        }
        versions.entry(name).or_default().push(version);
    }
    sources.dedup();
    if sources.len() > 1 {
        faults.push(format!("there are several registries: {sources:?}"));
    }
    for name in ONCE {
        let found = versions.get(name).map_or(&[][..], Vec::as_slice);
        if found.len() > 1 {
            faults.push(format!(
                "{name} comes in {} times: {}",
                found.len(),
                found.join(", ")
            ));
        }
    }
    faults
}

/// Whether a licence expression (SPDX, or the old `A/B`) leaves us a choice from the list.
fn allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let holds = any(&mut rest);
    rest.is_empty() && holds == Some(true)
}

/// `A OR B`; `None` when it is no expression.
fn any(rest: &mut &[&str]) -> Option<bool> {
    let mut holds = all(rest)?;
    while rest.first() == Some(&"OR") {
        *rest = &rest[1..];
        holds |= all(rest)?;
    }
    Some(holds)
}

/// `A AND B`.
fn all(rest: &mut &[&str]) -> Option<bool> {
    let mut holds = one(rest)?;
    while rest.first() == Some(&"AND") {
        *rest = &rest[1..];
        holds &= one(rest)?;
    }
    Some(holds)
}

/// A licence, perhaps with an exception, or an expression in brackets.
fn one(rest: &mut &[&str]) -> Option<bool> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    if *first == "(" {
        let holds = any(rest)?;
        let (closing, after) = rest.split_first()?;
        *rest = after;
        return (*closing == ")").then_some(holds);
    }
    if let [with, exception, after @ ..] = *rest
        && *with == "WITH"
    {
        *rest = after;
        return Some(ALLOWED.contains(&&*format!("{first} WITH {exception}")));
    }
    Some(ALLOWED.contains(first))
}

mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::workspace::Workspace;
    use std::process::Command;

    #[test]
    fn licences_are_read_as_they_are_meant() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0 OR (MIT AND Zlib)",
            "MIT/Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(allowed(good), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT OR",
            "(MIT",
            "MIT)",
            "MIT MIT",
            "MIT WITH x",
        ] {
            assert!(!allowed(bad), "{bad}");
        }
    }

    #[test]
    fn what_must_not_come_in_is_found() {
        let package = |name: &str, licence: Option<&str>, source: &str| Package {
            id: name.to_owned(),
            name: name.to_owned(),
            version: "1".to_owned(),
            license: licence.map(str::to_owned),
            source: Some(source.to_owned()),
        };
        let packages = [
            package("fine", Some("MIT"), "registry+a"),
            package("secret", None, "registry+a"),
            package("openssl", Some("MIT"), "registry+a"),
            package("forked", Some("MIT"), "git+b"),
            package("tokio", Some("MIT"), "registry+a"),
            package("tokio", Some("MIT"), "registry+c"),
        ];
        let said = faults(&packages.iter().collect::<Vec<_>>()).join("\n");
        for part in [
            "secret 1: its",
            "openssl 1 must",
            "forked 1 comes from git",
            "several",
            "tokio comes in 2",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_eq!(said.lines().count(), 5, "{said}");
    }

    #[test]
    fn every_crate_has_an_allowed_licence_and_comes_from_the_registry() {
        let root = Workspace::find().unwrap().root;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--locked"])
            .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
            .args(["--filter-platform", "wasm32-unknown-unknown"])
            .current_dir(root)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let metadata: Metadata = serde_json::from_slice(&output.stdout).unwrap();
        let used = |package: &&Package| metadata.resolve.nodes.iter().any(|n| n.id == package.id);
        let packages: Vec<_> = metadata.packages.iter().filter(used).collect();
        assert!(packages.len() > 200, "{}", packages.len());
        let faults = faults(&packages);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
